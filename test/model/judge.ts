// Whether what was seen of a case is one of the outcomes that the oracle allows.
import { CallbackError, ConnectionError, DocumentError, ExecutorError, FlowStateError, InputError } from '../../lib/index.js'
import { afloatOf, type Case, type Step, stepsOf } from './case.js'
import { ABORTED, FAULT, keyOf, type Observed, type Received, type Seen } from './drive.js'
import { type Fate, fateOf, type Ideal, isBefore, piecesOf, requestsOf } from './oracle.js'

/** @returns what is wrong, in words; nothing when all is right */
export function judge(given: Case, observed: Observed, isWire: boolean): string[] {
  return new Judge(given, observed, isWire).all()
}

class Judge {
  readonly #steps: readonly Step[]
  readonly #afloat: readonly boolean[]
  readonly #problems: string[] = []
  readonly #fates: readonly Fate[]
  /** By request id, which request it is. */
  readonly #ids = new Map<string, number>()
  readonly #lenient: boolean

  constructor(
    readonly given: Case,
    readonly observed: Observed,
    readonly isWire: boolean,
  ) {
    this.#steps = stepsOf(given)
    this.#afloat = afloatOf(this.#steps)
    this.#lenient = given.continueOnError || given.onError !== 'no'
    const requests = given.flushAfter === undefined ? requestsOf(given, this.#count) : this.#asSeen()
    this.#fates = requests.map((inputs) => fateOf(given, inputs))
    const byInput = new Map(requests.flatMap((inputs, request) => inputs.map((input) => [input, request] as const)))
    for (const { requestId, ats, place } of observed.calls)
      if (this.#steps[place]!.batching === undefined && ats.length > 0) this.#ids.set(requestId, byInput.get(inputOf(ats[0]!))!)
    for (const { requestId, docs } of observed.received) if (docs.length > 0) this.#ids.set(requestId, byInput.get(inputOf(docs[0]!.at))!)
  }

  /** How many documents the source gives. */
  get #count(): number {
    return this.given.broken?.after ?? this.given.keys.length
  }

  #wrong(text: string): void {
    this.#problems.push(text)
  }

  all(): string[] {
    this.#problems.push(...this.observed.problems)
    this.#responses()
    this.#ending()
    this.#callbacks()
    this.#calls()
    this.#reports()
    return this.#problems
  }

  /** Where time decides, requests are what the first step got. */
  #asSeen(): number[][] {
    const { requestSize } = this.given
    const seen = new Map<string, number[]>()
    for (const { place, requestId, ats } of this.observed.calls) if (place === 0) seen.set(requestId, ats.map(Number))
    const requests: number[][] = []
    let next = 0
    // What nobody saw is between them: it was not wanted any more, or is not there.
    const unseen = (until: number): void => {
      if (until > next) requests.push(Array.from({ length: until - next }, (_, at) => next + at))
    }
    for (const request of [...seen.values()].sort((one, other) => one[0]! - other[0]!)) {
      unseen(request[0]!)
      if (request.some((input, at) => input !== request[0]! + at) || request[0]! < next) this.#wrong(`requests have the documents ${JSON.stringify([...seen])}`)
      if (requestSize > 0 && request.length > requestSize) this.#wrong(`a request of ${request.length} documents`)
      requests.push(request)
      next = request.at(-1)! + 1
    }
    unseen(this.#count)
    return requests
  }

  // ── what came ──────────────────────────────────────────────────────────────────────────────────────────

  readonly #whole = new Set<number>()
  readonly #unknown: Received[] = []

  #responses(): void {
    const { ordered } = this.given
    const parts = new Map<string, Received[]>()
    const over = new Set<string>()
    let last = -1
    for (const one of this.observed.received) {
      const { requestId, partial, ordinal } = one
      let request = this.#ids.get(requestId)
      // In order, the next is known though nobody saw it.
      if (request === undefined && ordered) this.#ids.set(requestId, (request = this.#whole.size))
      if (over.has(requestId)) this.#wrong(`request ${request} is answered again`)
      if (ordered && request !== undefined) {
        if (request < last || request > this.#whole.size) this.#wrong(`request ${request} comes after ${last}, with ${this.#whole.size} done`)
        last = request
      }
      const before = parts.get(requestId) ?? []
      parts.set(requestId, before)
      if (ordinal !== before.length) this.#wrong(`the ordinal of a response to ${request} is ${ordinal}, not ${before.length}`)
      if (partial) {
        before.push(one)
        continue
      }
      over.add(requestId)
      if (request === undefined) this.#unknown.push(one)
      else {
        this.#whole.add(request)
        this.#answer(one, request)
      }
    }
    for (const [requestId, pieces] of parts)
      this.#pieces(
        pieces,
        this.#ids.get(requestId),
        this.observed.received.find((one) => !one.partial && one.requestId === requestId),
      )
    // Nobody saw a document of them: each is one of those that are not known.
    for (const one of this.#unknown) {
      const request = this.#fates.findIndex(
        (fate, at) => !this.#whole.has(at) && (one.error === undefined ? fate.must.size === 0 && fate.docs.length === 0 : this.#blames(fate, one.error)),
      )
      if (request === -1) this.#wrong(`a response that is none of what may come: ${one.error ?? one.docs.length}`)
      else {
        this.#whole.add(request)
        this.#ids.set(one.requestId, request)
      }
    }
  }

  #answer({ error, docs, results }: Received, request: number): void {
    const fate = this.#fates[request]!
    if (error !== undefined) {
      if (!this.#lenient) this.#wrong(`a failed response to ${request} without continueOnError`)
      if (!this.#blames(fate, error)) this.#wrong(`request ${request} failed of ${told(error)}, not of ${[...fate.may]}`)
      return
    }
    if (fate.must.size > 0) return this.#wrong(`request ${request} did not fail, but n${[...fate.must]} fails`)
    const [ids, expected] = [docs.map(({ id }) => id), fate.docs.map(({ id }) => id)]
    if (ids.join() !== expected.join()) return this.#wrong(`request ${request} is answered by ${ids}, not ${expected}`)
    for (const [at, document] of docs.entries()) this.#document(document, fate.docs[at]!, request)
    this.#steps.forEach((step, place) => {
      if (step.act !== 'tell' || this.#afloat[place] || step.parallel > 1) return
      const came = fate.comes[place]
      if (came !== undefined && came.length > 0 && step.batching === undefined && results[`n${place}`]?.count !== came.length)
        this.#wrong(`n${place} told ${JSON.stringify(results[`n${place}`])} of ${came.length} documents`)
    })
  }

  #document({ id, key, at, marks }: Seen, ideal: Ideal, request: number): void {
    const which = `${id} in request ${request}`
    if (key !== ideal.key || at !== ideal.at) this.#wrong(`${which} is ${at} with ${key}, not ${ideal.at} with ${ideal.key}`)
    const [places, expected] = [[...marks.keys()].sort(), [...ideal.marks].sort()]
    if (places.join() !== expected.join()) return this.#wrong(`${which} was at ${places}, not at ${expected}`)
    for (const [place, replicas] of marks) {
      const { parallel, polling } = this.#steps[place]!
      if ([...replicas.values()].some((count) => count !== 1)) this.#wrong(`${which} was more than once at n${place}`)
      if (parallel > 1 && polling === 'ALL' && replicas.size !== parallel) this.#wrong(`${which} was at ${replicas.size} replicas of n${place}`)
    }
  }

  #blames({ may }: Fate, error: any): boolean {
    return error instanceof ExecutorError && may.has(Number(error.executor.slice(1)))
  }

  /** Pieces come in their order, each step's and each replica's; what comes before a step has come before its pieces. */
  #pieces(pieces: readonly Received[], request: number | undefined, whole: Received | undefined): void {
    if (request === undefined) {
      if (pieces.length > 0) this.#wrong('pieces of a request that there is not')
      return
    }
    const fate = this.#fates[request]!
    const found = new Map<string, string[]>()
    const order: number[] = []
    for (const { docs } of pieces) {
      if (docs.length !== 1 || docs[0]!.piece === undefined) return this.#wrong(`a piece of ${docs.length} documents`)
      const [place, shard, piece] = docs[0]!.piece.split('/') as [string, string, string]
      order.push(Number(place))
      const own = found.get(`${place}/${shard}`) ?? []
      found.set(`${place}/${shard}`, own)
      own.push(piece)
    }
    order.forEach((place, at) => {
      if (order.slice(at + 1).some((later) => isBefore(this.#steps, later, place))) this.#wrong(`pieces of request ${request} come from ${order}`)
    })
    this.#steps.forEach((step, place) => {
      const expected = piecesOf(this.given, fate, place)
      const own = [...found].filter(([name]) => name.startsWith(`${place}/`))
      if (expected === undefined) {
        if (own.length > 0) this.#wrong(`n${place} hands on pieces`)
        return
      }
      for (const [name, all] of own)
        if (all.join() !== expected.slice(0, all.length).join()) this.#wrong(`pieces of request ${request} from ${name} are ${all}, not ${expected}`)
      const replicas = step.parallel > 1 && step.polling === 'ALL' ? step.parallel : 1
      if (own.length > replicas) this.#wrong(`pieces of request ${request} from ${own.map(([name]) => name)}`)
      if (whole === undefined || whole.error !== undefined || expected.length === 0) return
      if (own.length < replicas || own.some(([, all]) => all.length < expected.length))
        this.#wrong(`n${place} handed on ${JSON.stringify(own)} of request ${request}, not ${expected}`)
    })
  }

  // ── how it ended ───────────────────────────────────────────────────────────────────────────────────────

  #ending(): void {
    const { given, observed } = this
    const { threw, reason } = observed.ended
    const left = observed.left ? given.leaves?.how : undefined
    const callback = observed.callbacks.some(({ threw }) => threw) && !given.continueOnError
    if (!threw) {
      if (left === 'break' || left === 'return') return
      if (given.broken !== undefined) this.#wrong('the source failed, and nothing was thrown')
      if (callback) this.#wrong('a callback threw, and nothing came of it')
      if (this.#whole.size < this.#fates.length) this.#wrong(`${this.#whole.size} of ${this.#fates.length} requests were answered`)
      return
    }
    if (reason === ABORTED) {
      if (left !== 'abort') this.#wrong('the reason of an abort that was none')
      return
    }
    if (reason === FAULT || reason instanceof DocumentError || reason instanceof InputError) {
      if (given.broken === undefined) return this.#wrong(`a source failed that does not: ${reason}`)
      // A closed Flow fails those that come later.
      if (left !== undefined) return
      this.#fates.forEach((fate, request) => {
        const failed = !this.#lenient && (fate.may.size > 0 || given.ordered)
        if (!this.#whole.has(request) && !failed && !callback) this.#wrong(`the source failed, and request ${request} before was not answered`)
      })
      return
    }
    if (reason instanceof CallbackError) {
      if (!callback) this.#wrong(`no callback threw: ${reason}`)
      return
    }
    if (reason instanceof FlowStateError || reason instanceof ConnectionError) {
      if (left !== 'close') this.#wrong(`${reason}`)
      return
    }
    if (!(reason instanceof ExecutorError)) return this.#wrong(`thrown: ${reason instanceof Error ? reason.stack : reason}`)
    if (this.#lenient) this.#wrong(`an executor's failure ended it: ${reason}`)
    const request = this.#ids.get(reason.requestId ?? '')
    const may = this.#fates.some((fate, at) => !this.#whole.has(at) && (request === undefined || request === at) && this.#blames(fate, reason))
    if (!may) this.#wrong(`${reason} at request ${request}, which ${request === undefined ? 'nobody saw' : `fails of ${[...this.#fates[request]!.may]}`}`)
    if (given.ordered && request !== undefined && request !== this.#whole.size)
      this.#wrong(`request ${request} failed in its place, with ${this.#whole.size} before it`)
  }

  /** For each response in the order in which it is handed on, those of its kind first, and some ahead. */
  #callbacks(): void {
    const { given, observed } = this
    const handed = (isMeant: (one: Received) => boolean): string[] => observed.received.filter(isMeant).map(keyOf)
    // What fails, or whose callback throws, behind a source that failed has its callbacks, ends nothing, and is not handed on.
    const passed = given.broken !== undefined && !given.continueOnError ? new Set(handed(() => true)) : undefined
    const threw = new Set(observed.callbacks.filter((one) => one.threw).map(({ key }) => key))
    const called = (name: string): string[] =>
      observed.callbacks
        .filter((one) => one.name === name)
        .map(({ key }) => key)
        .filter((key) => passed === undefined || passed.has(key) || !(threw.has(key) || (!this.#lenient && this.#mayFail(key))))
    const compare = (name: 'onDone' | 'onError' | 'onAlways', isMeant: (one: Received) => boolean): void => {
      if (given[name] === 'no') return
      const [expected, all] = [handed(isMeant), called(name)]
      if (expected.some((key, at) => key !== all[at])) this.#wrong(`${name} was called for ${all}, and handed on were ${expected}`)
    }
    compare('onDone', ({ error }) => error === undefined)
    compare('onError', ({ error }) => error !== undefined)
    compare('onAlways', () => true)
    if (given.onAlways === 'no') return
    const kinds = observed.callbacks.map(({ name, key }) => ({ name, key }))
    kinds.forEach(({ name, key }, at) => {
      if (name === 'onAlways') return
      const next = kinds[at + 1]
      if (next !== undefined && (next.name !== 'onAlways' || next.key !== key)) this.#wrong(`${name} for ${key} is followed by ${next.name} for ${next.key}`)
    })
  }

  #mayFail(key: string): boolean {
    const request = this.#ids.get(key.split(' ')[0]!)
    return request === undefined || this.#fates[request]!.may.size > 0
  }

  // ── what executors saw ─────────────────────────────────────────────────────────────────────────────────

  #calls(): void {
    const { observed } = this
    const count = (place: number, at: string, isMeant: (ok: boolean | undefined) => boolean): number =>
      observed.calls.reduce((sum, call) => sum + (call.place === place && isMeant(call.ok) ? call.ats.filter((one) => one === at).length : 0), 0)
    this.#fates.forEach((fate, request) => {
      for (const place of fate.never)
        if (observed.calls.some((call) => call.place === place && call.ats.some((at) => fate.inputs.includes(inputOf(at)))))
          this.#wrong(`n${place} was called with request ${request}, though one before it fails`)
      const isAnswered = observed.received.some((one) => !one.partial && one.error === undefined && this.#ids.get(one.requestId) === request)
      if (!isAnswered) return
      this.#steps.forEach((step, place) => {
        const came = fate.comes[place]
        // What is behind a step that floats and failed was not reached.
        if (this.#afloat[place] && (fate.aside.size > 0 || observed.left)) return
        const expected = new Map<string, number>()
        for (const { at } of came ?? []) expected.set(at, (expected.get(at) ?? 0) + 1)
        const everyone = step.parallel > 1 && step.polling !== 'ANY' ? step.parallel : 1
        for (const input of new Set([...expected.keys(), ...fate.inputs.map(String)])) {
          const wanted = (expected.get(input) ?? 0) * everyone
          const found = count(place, input, (ok) => ok === true)
          // Who failed in a batch may have been in it; and of replicas that are all asked, one that is tried again did it before.
          const again = step.act === 'flaky' || (step.retries > 0 && step.batching !== undefined)
          if (step.polling === 'ALL_ASYNC' && step.parallel > 1 ? found > wanted && !again : again ? found < wanted : found !== wanted)
            this.#wrong(`${input} was ${found} times at n${place}, not ${wanted}`)
        }
      })
    })
  }

  #reports(): void {
    for (const error of this.observed.reports) {
      const place = Number(String((error as ExecutorError).executor).slice(1))
      if (!this.#fates.some(({ aside }) => aside.has(place)) && this.observed.left === false) this.#wrong(`reported in the background: ${error}`)
    }
  }
}

/** Which input a document is, or comes from. */
const inputOf = (at: string): number => Number.parseInt(at, 10)

const told = (error: any): string => `${error?.name} of ${error?.executor}: ${error?.message}`
