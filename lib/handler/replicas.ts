import parallel from 'it-parallel'
import { now } from '../base/clock.js'
import type { Part } from '../base/lifecycle.js'
import type { Logger } from '../base/logger.js'
import type { DocumentArray } from '../doc/array.js'
import { DRY_RUN } from '../executor/bindings.js'
import type { Background } from '../graph/background.js'
import { inOrderOf, united } from '../graph/join.js'
import { failureOf } from '../graph/walk.js'
import { unitedFailures } from '../request/failure.js'
import type { Handler } from '../request/handler.js'
import type { ExecutorStatus, Look } from '../request/health.js'
import { copyOf, fork } from '../request/lineage.js'
import type { Attempt, Request } from '../request/request.js'
import { later } from '../stream/event-loop.js'
import type { Scope } from '../stream/scope.js'
import { WaitQueue } from '../stream/wait-queue.js'
import { type PollingOption, pollingFor } from './polling.js'
import { Replica, STUCK_AFTER } from './replica.js'

/** More than any cost. */
const FAR = 1e12

interface Settings {
  /** What the executor is called. */
  readonly name: string
  /** The most requests that one replica handles at once. */
  readonly concurrency: number
  readonly polling: PollingOption | undefined
  /** Where those go on that nobody waits for. */
  readonly background: Background
  /** Milliseconds after which a replica is stuck that does not do what it is told. Default 10 000; 0: it never is. */
  readonly stuckAfter?: number | undefined
  readonly logger?: Logger | undefined
}

/** Several instances of one executor, that answer as one. */
export class Replicas implements Handler, Part {
  readonly name: string
  readonly #handlers: readonly Handler[]
  readonly #replicas: readonly Replica[]
  readonly #settings: Settings
  /** Those who wait for a replica: for any (in the last place), or for one of them. Never non-empty while one that would do is free. */
  readonly #queues: readonly WaitQueue<Request, Replica>[]
  #asked = 0

  constructor(handlers: readonly Handler[], settings: Settings) {
    const { name, concurrency, stuckAfter = STUCK_AFTER, logger } = settings
    this.name = name
    this.#handlers = handlers
    const own = { name, concurrency, stuckAfter, logger, onRoom: this.#next, onTold: this.#told }
    this.#replicas = handlers.map((handler, at) => new Replica(handler, { ...own, at }))
    this.#settings = settings
    this.#queues = [...handlers, undefined].map(() => new WaitQueue())
  }

  open(): void {}

  /** One of them has ended, has become unhealthy, or is back: those who wait for any may go to others now. */
  turned(): void {
    for (const replica of this.#replicas) this.#next(replica)
    this.#told()
  }

  close(): void {
    for (const replica of this.#replicas) replica.close()
  }

  /** Whether none of those that requests to an endpoint go to can answer; of those that all are asked for, whether one cannot. */
  isStuck(endpoint: string): boolean {
    const stuck = ({ isHopeless }: Replica): boolean => isHopeless
    return pollingFor(this.#settings.polling, endpoint) === 'ALL' ? this.#replicas.some(stuck) : this.#replicas.every(stuck)
  }

  status(look: Look): Pick<ExecutorStatus, 'inFlight' | 'waiting' | 'replicas'> {
    const replicas = this.#replicas.map((replica) => replica.status(look))
    return {
      inFlight: replicas.reduce((sum, { inFlight }) => sum + inFlight, 0),
      waiting: this.#queues.reduce((sum, { size }) => sum + size, 0),
      replicas,
    }
  }

  accepts(endpoint: string): boolean {
    return this.#handlers[0]!.accepts(endpoint)
  }

  handle(request: Request): void | Promise<void> {
    const polling = this.#replicas.length === 1 ? 'ANY' : pollingFor(this.#settings.polling, request.header.execEndpoint)
    if (polling === 'ANY') return this.#ask(request, this.#replicas.length)
    return polling === 'ALL' ? this.#askAll(request) : this.#askFirst(request)
  }

  /** All answer, each with documents of its own. One that fails tells the others to stop, and does not wait for them. */
  async #askAll(request: Request): Promise<void> {
    const scope = request.scope.child()
    const parts = this.#copies(request, scope)
    const order = request.docs.map(({ id }) => id)
    // As with one: nobody's time runs while somebody waits.
    const onStart = request.attempt?.onStart
    if (onStart !== undefined) {
      const waiting = new Set(parts)
      for (const part of parts)
        part.attempt = attempt(() => {
          if (waiting.delete(part) && waiting.size === 0) onStart()
        })
    }
    const answers: Promise<void>[] = []
    const ask = async (part: Request, at: number): Promise<void> => {
      if (scope.aborted) throw scope.reason
      await this.#ask(part, at)
    }
    const tasks = parts.map((part, at) => () => {
      const answer = ask(part, at)
      answers.push(answer)
      return answer
    })
    try {
      for await (const _ of parallel(tasks)) {
        // In the order in which they come; they are united in that of the replicas.
      }
      const docs = inPlace(parts) ?? united(parts, 'merge')
      request.failures = unitedFailures(parts)
      // What failed in the first replica stands where it stood, and not behind what came from there.
      request.docs = request.failures === undefined ? docs : inOrderOf(order, docs)
      parts.forEach(({ results = {} }, at) => {
        for (const [executor, result] of Object.entries(results)) request.answer(`${executor}/${at}`, result)
      })
    } catch (error) {
      scope.abort(error)
      request.linger(Promise.allSettled(answers))
      throw error
    } finally {
      scope.close()
    }
  }

  /** The first who answers is heard; the others go on, and what fails in them is reported. When all fail, the first failure is the answer. */
  async #askFirst(request: Request): Promise<void> {
    const { background, name } = this.#settings
    const scope = background.scope.child()
    // Until there is an answer, whoever does not want it any more stops them all.
    const unwatch = request.scope.watch((reason) => scope.abort(reason))
    // Copies for all: those who answer later go on changing theirs.
    const parts = this.#replicas.map(() => copyOf(request, scope))
    for (const part of parts) {
      part.results = undefined
      // One that has begun may be the one who answers.
      part.attempt = attempt(request.attempt?.onStart)
    }
    let heard = false
    /** What failed while there was no answer, first things first. */
    const failures: unknown[] = []
    const report = (thrown: unknown): void => {
      // What comes of being told to stop is no news.
      if (!scope.aborted || thrown !== scope.reason) background.fail(failureOf(name, request, thrown))
    }
    const answers = parts.map(async (part, at) => {
      // Several would tell half of their stories at once.
      part.emit = undefined
      try {
        await this.#ask(part, at)
      } catch (error) {
        if (heard) report(error)
        else failures.push(error)
        throw error
      }
      if (heard) for (const { error } of part.failures ?? []) if (!request.failures?.some((known) => known.error === error)) report(error)
      heard = true
      failures.splice(0).forEach(report)
      return part
    })
    const all = Promise.allSettled(answers).then(() => scope.close())
    background.add(all)
    try {
      const { docs, results = {}, failures } = await Promise.any(answers)
      request.docs = docs
      request.failures = failures
      for (const [executor, result] of Object.entries(results)) request.answer(executor, result)
    } catch {
      await all
      const [first, ...others] = failures
      if (!request.scope.aborted) for (const failure of others) if (failure !== first) report(failure)
      throw first
    } finally {
      unwatch()
    }
  }

  /** A request for each replica: the copies are made before anybody changes the documents, which go to the first. */
  #copies(request: Request, scope: Scope): Request[] {
    const copies = this.#replicas.map((_, at) => (at === 0 ? fork(request, request.docs, scope) : copyOf(request, scope)))
    for (const copy of copies) copy.results = undefined
    return copies
  }

  /** @param at which replica; as many as there are stands for any */
  #ask(request: Request, at: number): void | Promise<void> {
    const start = now()
    const replica = at === this.#replicas.length ? this.#best(start, request.attempt?.tried) : this.#replicas[at]!
    // Who is asked how it is elsewhere has bounds of its own, and a line in front of it says nothing.
    if (replica.hasRoom || (replica.isElsewhere && request.header.execEndpoint === DRY_RUN)) return this.#hand(request, replica, start)
    const answer = this.#queues[at]!.join(request, (replica) => this.#hand(request, replica, now()), this.#asked++)
    if (this.#isAbandoned(at)) request.attempt?.onStart?.()
    return answer
  }

  #hand(request: Request, replica: Replica, start: number): void | Promise<void> {
    const { attempt, scope } = request
    // From here on it may be done: nobody is told to ask again as if it were not.
    if (scope.deadline?.shed !== undefined) scope.deadline.shed = undefined
    attempt?.tried.add(replica)
    attempt?.onStart?.()
    return replica.handle(request, start)
  }

  /** Who hears that nobody waits any more is given a turn to stop: only of one that goes on, nobody knows for how long. */
  readonly #told = (): void =>
    later(() => {
      for (const [at, queue] of this.#queues.entries()) if (this.#isAbandoned(at)) for (const { attempt } of queue) attempt?.onStart?.()
    })

  /** Nobody waits for what the replicas do, and they do not stop: so nothing ends the wait of those who wait for them but their own time. */
  #isAbandoned(at: number): boolean {
    return at === this.#replicas.length ? this.#replicas.every((replica) => replica.isAbandoned || this.#isOut(replica)) : this.#replicas[at]!.isAbandoned
  }

  /** It has ended, and another has not; or it is unhealthy, and another is begun anew: who wants any waits for that one. */
  #isOut({ distance }: Replica): boolean {
    return distance > 0 && this.#replicas.some((other) => other.distance < distance)
  }

  /** Of those that are up, if any is, and else of those that are not unhealthy, if any is not, the one that is free, if any is, and likely to answer first; one that has failed at the request only if it must be. */
  #best(time: number, tried?: Set<object>): Replica {
    if (tried?.size === this.#replicas.length) tried.clear()
    let best: Replica | undefined
    let least = Infinity
    for (const replica of this.#replicas) {
      if (this.#isOut(replica)) continue
      const cost = replica.hasRoom ? replica.cost(time) + (tried?.has(replica) ? FAR : 0) : Infinity
      if (best === undefined || cost < least) [best, least] = [replica, cost]
    }
    return best!
  }

  /** Gives a replica that is free to whoever waited longest for it. */
  readonly #next = (replica: Replica, ended?: Request): void => {
    const own = this.#queues[this.#replicas.indexOf(replica)]!
    const any = this.#queues[this.#replicas.length]!
    if (ended?.scope.deadline !== undefined) for (const queue of [own, any]) queue.note(ended.scope.deadline, ended.tenant)
    // Who answers at once comes here again while the loop below runs, which goes on then: a long line would fill the stack.
    if (replica.dealing) return
    replica.dealing = true
    while (replica.hasRoom) {
      const [first, other] = this.#isOut(replica) ? [own, own] : any.since < own.since ? [any, own] : [own, any]
      // Nobody waits, or those whose time is up, who leave in this turn.
      if (!first.shift(replica) && !other.shift(replica)) break
    }
    replica.dealing = false
  }
}

/** Of one of those that all replicas get: which ones were tried says nothing there. */
function attempt(onStart: Attempt['onStart']): Attempt {
  return { tried: new Set(), onStart }
}

/** The answers of replicas that all kept the documents they were given, united one by one: an id may be there twice. */
function inPlace([first, ...others]: readonly Request[]): DocumentArray | undefined {
  const { docs } = first!
  if (!others.every((other) => other.docs.length === docs.length && other.docs.every(({ id }, at) => id === docs[at]!.id))) return undefined
  for (const other of others) other.docs.forEach((document, at) => void docs[at]!.merge(document))
  return docs
}
