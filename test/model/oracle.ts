// What may come of a case, as docs/guarantees.md says it: slow, simple, and without a line of the library.
import { afloatOf, type Case, idOf, type Step, stepsOf } from './case.js'

/** A document as far as a case looks at it. */
export interface Ideal {
  readonly id: string
  readonly key: number
  /** Which input it is, or comes from. */
  readonly at: string
  /** The steps that marked it. */
  readonly marks: ReadonlySet<number>
}

/** What may become of one request. */
export interface Fate {
  /** The inputs in it. */
  readonly inputs: readonly number[]
  /** What is answered if nothing fails. */
  readonly docs: readonly Ideal[]
  /** Steps that fail at it, if they get to it: one of these is told. */
  readonly must: ReadonlySet<number>
  /** Steps that may fail at it, as others are with it in a batch. */
  readonly may: ReadonlySet<number>
  /** The documents that come to each step, if any do. */
  readonly comes: readonly (readonly Ideal[] | undefined)[]
  /** Steps that are never called with it, as one before them fails at it. */
  readonly never: ReadonlySet<number>
  /** Background steps that may be told to fail. */
  readonly aside: ReadonlySet<number>
}

/** The documents of requests, by position: those of `count` that were given. */
export function requestsOf({ requestSize }: Case, count: number): number[][] {
  const all = Array.from({ length: count }, (_, at) => at)
  if (requestSize === 0) return count === 0 ? [] : [all]
  const requests: number[][] = []
  for (let at = 0; at < count; at += requestSize) requests.push(all.slice(at, at + requestSize))
  return requests
}

/** The n-th document of an id is united with the n-th of the others; who has no other comes behind. */
export function united(lists: readonly (readonly Ideal[])[]): Ideal[] {
  const all: Ideal[] = []
  for (const list of lists) {
    const taken = new Set<number>()
    for (const document of list) {
      const same = all.findIndex(({ id }, index) => id === document.id && !taken.has(index))
      if (same === -1) {
        taken.add(all.length)
        all.push(document)
      } else {
        taken.add(same)
        all[same] = { ...all[same]!, marks: new Set([...all[same]!.marks, ...document.marks]) }
      }
    }
  }
  return all
}

const joined = (lists: readonly (readonly Ideal[])[], how: 'concat' | 'merge'): readonly Ideal[] =>
  lists.length === 1 ? lists[0]! : how === 'concat' ? lists.flat() : united(lists)

/** Whether a call with these documents fails. */
export function failsWith({ act, key, retries, parallel, polling, batching }: Step, docs: readonly { readonly key: number }[]): boolean {
  const hit = docs.some((document) => document.key === key)
  if (act === 'fail' || act === 'hang' || act === 'yield, fail') return hit
  // A batch is answered by as many documents as were in it.
  if (act === 'drop' || act === 'add') return hit && batching !== undefined
  // Of replicas that are all asked, only the first fails, and one is enough for ALL_ASYNC.
  if (act === 'flaky') return docs.length > 0 && retries === 0 && !(parallel > 1 && polling === 'ALL_ASYNC')
  return false
}

/** What a step makes of documents. */
function acted({ act, key }: Step, place: number, docs: readonly Ideal[]): Ideal[] {
  const marked = docs.map((document) => ({ ...document, marks: new Set([...document.marks, place]) }))
  switch (act) {
    case 'drop':
      return marked.filter((document) => document.key !== key)
    case 'add':
      return [
        ...marked,
        ...docs
          .filter((document) => document.key === key)
          .map(({ id, key, at }) => ({ id: `${id}+${place}`, key, at: `${at}+${place}`, marks: new Set([place]) })),
      ]
    case 'replace':
      return docs.map(({ id, key, at }) => ({ id, key, at, marks: new Set([place]) }))
    default:
      return marked
  }
}

/** What may become of a request with these inputs. */
export function fateOf(given: Case, inputs: readonly number[]): Fate {
  const steps = stepsOf(given)
  const afloat = afloatOf(steps)
  const input: readonly Ideal[] = inputs.map((at) => ({ id: idOf(given, at), key: given.keys[at]!, at: `${at}`, marks: new Set() }))
  const out: (readonly Ideal[] | undefined)[] = []
  const comes: (readonly Ideal[] | undefined)[] = []
  const [must, may, never, aside] = [new Set<number>(), new Set<number>(), new Set<number>(), new Set<number>()]
  steps.forEach((step, place) => {
    const lists = step.needs.map((need) => (need === -1 ? input : out[need]))
    comes[place] = undefined
    if (lists.some((list) => list === undefined)) {
      out[place] = undefined
      never.add(place)
      return
    }
    const all = joined(lists as (readonly Ideal[])[], step.join)
    if (!step.meant) {
      out[place] = all
      return
    }
    const docs = step.when === undefined ? all : all.filter(({ key }) => key !== step.when!.not)
    if (docs.length === 0 && all.length > 0) {
      out[place] = []
      return
    }
    comes[place] = docs
    const fails = failsWith(step, docs)
    // Documents of any request may be in its batch.
    const others = given.keys.map((key) => ({ key }))
    const mayFail = fails || (step.batching !== undefined && docs.length > 0 && failsWith(step, others))
    if (fails) (afloat[place] ? aside : must).add(place)
    if (mayFail) (afloat[place] ? aside : may).add(place)
    // Of those that all start, some fail, and what is told of them is told aside.
    if (step.act === 'flaky' && step.polling === 'ALL_ASYNC') aside.add(place)
    if (step.polling === 'ALL_ASYNC' && step.parallel > 1 && mayFail) aside.add(place)
    out[place] = fails ? undefined : acted(step, place, docs)
  })
  const leaves = steps.map((_, at) => at).filter((at) => !afloat[at] && !steps.some(({ needs }, other) => !afloat[other] && needs.includes(at)))
  let docs: readonly Ideal[] = []
  if (must.size === 0)
    docs =
      leaves.length === 0
        ? input
        : joined(
            leaves.map((leaf) => out[leaf]!),
            given.join,
          )
  if (steps.some(({ when }) => when !== undefined)) {
    const place = (document: Ideal): number => {
      const at = input.findIndex(({ id }) => id === document.id)
      return at === -1 ? input.length : at
    }
    docs = [...docs].sort((one, other) => place(one) - place(other))
  }
  return { inputs, docs, must, may, comes, never, aside }
}

/** How many pieces a step yields of each document. */
export const PIECES = 2

/** The pieces that come of a step for a request, in order: which document, and which of its pieces. Undefined where it hands on none. */
export function piecesOf(given: Case, fate: Fate, place: number): string[] | undefined {
  const steps = stepsOf(given)
  const step = steps[place]!
  const yields = step.act === 'yield' || step.act === 'yield, fail'
  const alone = step.parallel > 1 && step.polling === 'ALL_ASYNC'
  if (!yields || step.batching !== undefined || alone || afloatOf(steps)[place]) return undefined
  const docs = fate.comes[place] ?? []
  const end = step.act === 'yield, fail' ? docs.findIndex(({ key }) => key === step.key) : -1
  return docs.slice(0, end === -1 ? docs.length : end).flatMap(({ at }) => Array.from({ length: PIECES }, (_, piece) => `${at}.${piece}`))
}

/** Whether a step comes before another on some way. */
export function isBefore(steps: readonly Step[], one: number, other: number): boolean {
  return steps[other]!.needs.some((need) => need === one || (need >= 0 && isBefore(steps, one, need)))
}
