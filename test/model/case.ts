// What may be asked of a Flow: graphs, executors, documents, options, and who leaves when.
import fc from 'fast-check'

/** What an executor does, to documents whose key is the step's own, and to the others. */
export type Act =
  /** Marks every document in place. */
  | 'mark'
  /** Throws when one has the key. */
  | 'fail'
  /** Throws the first time that a request comes. */
  | 'flaky'
  /** Waits until it is told to stop when one has the key: it needs a timeout. */
  | 'hang'
  /** Leaves out those with the key. */
  | 'drop'
  /** Puts one more behind for each with the key. */
  | 'add'
  /** Returns other documents with the same ids. */
  | 'replace'
  /** Returns a plain object. */
  | 'tell'
  /** Yields every document a few times. */
  | 'yield'
  /** The same, and throws at the first that has the key. */
  | 'yield, fail'

export interface Step {
  /** Indices of steps before it; -1 is the gateway. */
  readonly needs: readonly number[]
  readonly join: 'concat' | 'merge'
  readonly floating: boolean
  readonly act: Act
  readonly key: number
  /** How it waits before it acts: not at all, some microtasks, at a door, or at a door that it leaves when it is told to stop. */
  readonly waits: 'no' | 'microtasks' | 'door' | 'heeding door'
  readonly parallel: number
  readonly polling: 'ANY' | 'ALL' | 'ALL_ASYNC'
  readonly concurrency: number | undefined
  /** Documents whose key is another go on; a function or a query. */
  readonly when: { readonly not: number; readonly query: boolean } | undefined
  readonly batching: { readonly size: number; readonly timeout: number; readonly all: boolean } | undefined
  readonly retries: number
  readonly timeout: number | undefined
  /** Whether `targetExecutor` means it. */
  readonly meant: boolean
}

type Callback = 'no' | 'at once' | 'door' | 'throws'

export interface Case {
  readonly steps: readonly Step[]
  /** Joins what several last executors leave. */
  readonly join: 'concat' | 'merge'
  /** A last step that needs all. */
  readonly needsAll: boolean
  /** The key of each document, in order. */
  readonly keys: readonly number[]
  /** Each second document has the id of the one before. */
  readonly twins: boolean
  readonly source: 'array' | 'sync' | 'async' | 'function'
  /** Whether an async source waits at a door before it gives a document. */
  readonly slow: boolean
  /** After so many documents the source throws, or gives what is no document. */
  readonly broken: { readonly after: number; readonly how: 'throws' | 'no document' } | undefined
  readonly requestSize: number
  readonly prefetch: number
  readonly flushAfter: number | undefined
  readonly ordered: boolean
  readonly continueOnError: boolean
  readonly onDone: Callback
  readonly onError: Callback
  readonly onAlways: Callback
  /** The key of documents whose responses a callback throws at. */
  readonly throwsAt: number
  readonly consumers: 1 | 2
  /** Whether a consumer waits at a door after each response. */
  readonly pauses: boolean
  readonly leaves: { readonly how: 'break' | 'return' | 'abort' | 'close'; readonly when: number } | undefined
  /** Decides which door opens next, and how long nothing happens before. */
  readonly choices: readonly number[]
}

const KEYS = 4
const key = fc.nat(KEYS - 1)
const rarely = <T>(arbitrary: fc.Arbitrary<T>, weight = 5): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
const one = fc.nat(5).map((n) => n === 5)

const kind = fc
  .record({
    join: fc.constantFrom('concat' as const, 'merge' as const),
    floating: fc.nat(7).map((n) => n === 7),
    act: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Act>('mark') },
      { weight: 4, arbitrary: fc.constantFrom<Act>('fail', 'flaky', 'hang', 'drop', 'add', 'replace', 'tell', 'yield', 'yield', 'yield, fail') },
    ),
    // Most keys of a failing step are of no document.
    key: fc.nat(KEYS + 1),
    waits: fc.constantFrom('no' as const, 'microtasks' as const, 'door' as const, 'heeding door' as const),
    parallel: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 3 }) }),
    polling: fc.constantFrom('ANY' as const, 'ALL' as const, 'ALL_ASYNC' as const),
    concurrency: rarely(fc.integer({ min: 1, max: 2 })),
    when: rarely(fc.record({ not: key, query: fc.boolean() })),
    batching: rarely(fc.record({ size: fc.integer({ min: 1, max: 4 }), timeout: fc.integer({ min: 0, max: 2 }), all: fc.boolean() })),
    retries: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 }) }),
    meant: fc.nat(9).map((n) => n < 9),
  })
  .map((step) => ({
    ...step,
    timeout: step.act === 'hang' ? 3 : undefined,
    // Nothing that is timed may wait for others.
    waits: step.act === 'hang' ? ('no' as const) : step.waits,
  }))

const steps: fc.Arbitrary<readonly Step[]> = fc
  .integer({ min: 1, max: 6 })
  .chain((size) =>
    fc.tuple(
      ...Array.from({ length: size }, (_, at) =>
        fc
          .tuple(
            fc.oneof(
              { weight: 2, arbitrary: fc.constant([at - 1]) },
              { weight: 1, arbitrary: fc.uniqueArray(fc.integer({ min: -1, max: at - 1 }), { minLength: 1, maxLength: 3 }) },
            ),
            kind,
          )
          .map(([needs, more]): Step => ({ needs, ...more })),
      ),
    ),
  )

const callback = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Callback>('no') },
  { weight: 2, arbitrary: fc.constantFrom<Callback>('at once', 'door', 'throws') },
)

export const cases: fc.Arbitrary<Case> = fc
  .record({
    steps,
    join: fc.constantFrom('concat' as const, 'merge' as const),
    needsAll: one,
    keys: fc.array(key, { maxLength: 12 }),
    twins: one,
    source: fc.constantFrom('array' as const, 'sync' as const, 'async' as const, 'function' as const),
    slow: fc.boolean(),
    broken: rarely(fc.record({ after: fc.nat(8), how: fc.constantFrom('throws' as const, 'no document' as const) }), 7),
    requestSize: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 4 }) }, { weight: 1, arbitrary: fc.constant(0) }),
    prefetch: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 5 }) }, { weight: 1, arbitrary: fc.constant(0) }),
    flushAfter: rarely(fc.integer({ min: 0, max: 1 })),
    ordered: fc.boolean(),
    continueOnError: fc.boolean(),
    onDone: callback,
    onError: callback,
    onAlways: callback,
    throwsAt: fc.nat(KEYS + 1),
    consumers: fc.oneof({ weight: 5, arbitrary: fc.constant(1 as const) }, { weight: 1, arbitrary: fc.constant(2 as const) }),
    pauses: fc.boolean(),
    leaves: rarely(fc.record({ how: fc.constantFrom('break' as const, 'return' as const, 'abort' as const, 'close' as const), when: fc.nat(20) }), 2),
    choices: fc.array(fc.nat(63), { minLength: 1, maxLength: 24 }),
  })
  .map(settled)

/** Takes out what would leave open which outcome is right, or mean nothing. */
function settled(given: Case): Case {
  const isAsync = given.source === 'async' || given.source === 'function'
  const conditions = given.steps.some(({ when }) => when !== undefined)
  const broken = given.broken && given.broken.after <= given.keys.length ? given.broken : undefined
  let steps = given.steps
  // A list cannot throw, and where documents of one id are, the order of the input is not one.
  const twins = given.twins && !conditions
  const flushAfter = isAsync ? given.flushAfter : undefined
  // Where time decides how documents become requests, the first step sees what they are.
  if (flushAfter !== undefined)
    steps = steps.map((step, at) => (at === 0 ? { ...step, when: undefined, meant: true, batching: undefined, floating: false } : step))
  return { ...given, steps, twins, flushAfter, broken: given.source === 'array' && broken?.how === 'throws' ? undefined : broken }
}

/** Steps with the one behind all others, where it is asked for and there are several last ones. */
export function stepsOf({ steps, needsAll, join }: Case): readonly Step[] {
  const afloat = afloatOf(steps)
  const last = steps.map((_, at) => at).filter((at) => !afloat[at] && !steps.some(({ needs }, other) => !afloat[other] && needs.includes(at)))
  if (!needsAll || last.length < 2) return steps
  const plain = { floating: false, act: 'mark', key: 0, waits: 'no', parallel: 1, polling: 'ANY', retries: 0, meant: true } as const
  return [...steps, { ...plain, needs: last, join, concurrency: undefined, when: undefined, batching: undefined, timeout: undefined }]
}

/** Which steps no response waits for: those that float, and who needs them. */
export function afloatOf(steps: readonly Step[]): boolean[] {
  const afloat: boolean[] = []
  for (const { floating, needs } of steps) afloat.push(floating || needs.some((need) => afloat[need] === true))
  return afloat
}

/** The id of each document. */
export const idOf = ({ twins }: Case, at: number): string => `d${twins ? at - (at % 2) : at}`
