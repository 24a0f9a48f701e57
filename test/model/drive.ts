// Does what a case says, and notes what is seen.
import { getEventListeners } from 'node:events'
import { type AddOptions, type Call, Executor, Flow, type FlowOptions, type PostOptions, type Response } from '../../lib/index.js'
import { Source } from '../support/source.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'
import { type Case, idOf, type Step, stepsOf } from './case.js'
import { Doors } from './doors.js'
import { PIECES } from './oracle.js'

/** A way to a Flow that is open. */
export interface Way {
  readonly name: string
  /** How the Flow is opened for it. */
  readonly options?: FlowOptions
  connect(flow: Flow<string>): { post: Flow<string>['post']; close(): Promise<unknown> }
}

/** A document of an answer, as far as a case looks at it. */
export interface Seen {
  readonly id: string
  readonly key: number
  readonly at: string
  /** By step, which replicas marked it, and how often. */
  readonly marks: ReadonlyMap<number, ReadonlyMap<number, number>>
  /** Which piece it is, of a partial answer: step, replica, document and piece. */
  readonly piece: string | undefined
}

export interface Received {
  readonly requestId: string
  readonly partial: boolean
  readonly ordinal: number
  readonly docs: readonly Seen[]
  readonly error: any
  readonly results: Readonly<Record<string, any>>
}

export interface CallSeen {
  readonly place: number
  readonly requestId: string
  /** Which documents. */
  readonly ats: readonly string[]
  ok: boolean | undefined
}

/** All that was seen of a case. */
export interface Observed {
  readonly received: Received[]
  /** How the iteration ended: by itself, or by what was thrown. */
  ended: { readonly threw: boolean; readonly reason?: any }
  /** Whether it was left, aborted or closed as the case says, before it ended. */
  left: boolean
  readonly calls: CallSeen[]
  readonly callbacks: { readonly name: string; readonly key: string; readonly threw: boolean }[]
  readonly reports: any[]
  /** What is wrong in any case. */
  readonly problems: string[]
}

export const ABORTED = 'enough'
export const FAULT = new Error('the source fails')
const PATIENCE = 15_000

let unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

/** Which response it is, for callbacks and consumers alike. */
export const keyOf = ({ requestId, partial, ordinal }: { requestId: string; partial: boolean; ordinal: number }): string =>
  `${requestId} ${partial ? ordinal : 'whole'}`

export async function drive(given: Case, way: Way): Promise<Observed> {
  const observed: Observed = { received: [], ended: { threw: false }, left: false, calls: [], callbacks: [], reports: [], problems: [] }
  const stage = new Stage(given, observed, way)
  unhandled = []
  const log = console.error
  // What continueOnError logs of callbacks that throw.
  console.error = () => {}
  try {
    await within(3 * PATIENCE, stage.play())
  } catch (error) {
    observed.problems.push(`${error instanceof Error ? error.stack : error}`)
  } finally {
    console.error = log
  }
  for (const reason of unhandled) observed.problems.push(`unhandled: ${reason}`)
  return observed
}

class Stage {
  readonly #doors: Doors
  readonly #steps: readonly Step[]
  readonly #flow: Flow<string>
  readonly #source: Source<any>
  readonly #controller = new AbortController()
  #opened = 0
  #closed = 0
  readonly #running = new Set<CallSeen>()
  /** Those of them that wait, and hear when they are told to stop. */
  readonly #heeding = new Set<CallSeen>()
  readonly #known = new Set<string>()
  #wholes = 0
  #calling = 0
  #over = false

  constructor(
    readonly given: Case,
    readonly observed: Observed,
    readonly way: Way,
  ) {
    this.#doors = new Doors(given.choices)
    this.#steps = stepsOf(given)
    this.#flow = new Flow<string>({
      join: given.join,
      closeTimeout: PATIENCE,
      onBackgroundError: (error) => observed.reports.push(error),
      ...way.options,
    })
    this.#steps.forEach((step, place) => void this.#flow.add(this.#added(step, place) as AddOptions))
    this.#source = this.#sourceOf()
  }

  #problem(text: string): void {
    this.observed.problems.push(text)
  }

  async play(): Promise<void> {
    const { leaves } = this.given
    // The one that watches over all this is there by then.
    await undefined
    const timers = this.way.options === undefined ? timersNow() : undefined
    await this.#flow.open()
    const client = this.way.connect(this.#flow)
    const post = client.post('/', this.#inputs(), this.#options())
    const consumers = Array.from({ length: this.given.consumers }, () => this.#consume(post))
    const ended = Promise.all(consumers)
    let isOver = false
    ended.then(() => {
      isOver = true
    })
    let closed: Promise<void> | undefined
    for (let at = 0; !isOver; at++) {
      if (leaves !== undefined && leaves.how !== 'break' && at === leaves.when) {
        this.observed.left = true
        if (leaves.how === 'close') {
          closed = this.#flow.close()
          closed.catch(() => {})
        } else {
          this.#doors.frozen = true
          if (leaves.how === 'abort') this.#controller.abort(ABORTED)
          else await within(PATIENCE, post.return())
          if (leaves.how === 'return') this.#over = true
        }
      }
      await this.#doors.step()
    }
    await ended
    this.#over = true
    // Whoever hears it is told, before any other door opens.
    this.#doors.frozen = true
    for (let waited = 0; this.#heeding.size > 0; waited++) {
      if (this.way.options === undefined && waited === 20) break
      await (waited < 20 ? turn() : new Promise((resolve) => setTimeout(resolve, 5)))
      if (waited > PATIENCE / 5) break
    }
    for (const { place, requestId } of this.#heeding) this.#problem(`n${place} was not told that nobody wants request ${requestId} any more`)
    this.#doors.frozen = false
    const end = (async () => {
      await client.close()
      await (closed ?? this.#flow.close())
    })()
    await within(PATIENCE, this.#doors.until(end))
    await end
    await turn()
    this.#left(timers)
  }

  /** What must be left when all is over: nothing. */
  #left(timers: number | undefined): void {
    const instances = this.#steps.reduce((sum, { parallel }) => sum + parallel, 0)
    if (this.#opened !== instances || this.#closed !== instances) this.#problem(`of ${instances} instances ${this.#opened} opened and ${this.#closed} closed`)
    for (const { place } of this.#running) this.#problem(`n${place} still runs after close()`)
    const listeners = getEventListeners(this.#controller.signal, 'abort').length
    if (listeners > 0) this.#problem(`${listeners} listeners left`)
    if (timers !== undefined && timersNow() > timers) this.#problem(`${timersNow() - timers} timers left`)
    const { opened, returns, over, late, overlaps, reads } = this.#source
    if (opened > 1) this.#problem(`source opened ${opened} times`)
    if (overlaps > 0) this.#problem(`source read ${overlaps} times while it was busy`)
    if (late > 0) this.#problem(`source read ${late} times after its end`)
    const wanted = opened === 0 || over ? 0 : 1
    // A read that was under way when it was left may have been the last.
    const isLate = over && returns === 1 && (this.observed.left || this.observed.ended.threw)
    if (returns !== wanted && !isLate) this.#problem(`source closed ${returns} times, not ${wanted}, after ${reads} reads`)
  }

  // ── inputs and options ─────────────────────────────────────────────────────────────────────────────────

  #sourceOf(): Source<any> {
    const { given } = this
    const items: any[] = given.keys.map((key, at) => ({ id: idOf(given, at), tags: { key, at: `${at}` } }))
    if (given.broken?.how === 'no document') items.splice(given.broken.after, 0, 7)
    const before = (read: number): unknown => {
      this.#begun(read + 1)
      if (given.broken?.how === 'throws' && read === given.broken.after) throw FAULT
      return undefined
    }
    const slow = async (read: number): Promise<void> => {
      if (given.slow) await this.#doors.wait()
      before(read)
    }
    return new Source(items, { before: given.source === 'sync' ? before : slow })
  }

  #inputs(): any {
    const { source } = this.given
    if (source === 'array') return this.#source.items
    if (source === 'sync') return this.#source.sync
    return source === 'async' ? this.#source : async () => this.#source
  }

  /** A read begins, which is counted as one of a document where there is one. */
  #begun(read: number): void {
    const { requestSize, prefetch, keys, flushAfter } = this.given
    if (prefetch === 0 || read > keys.length || flushAfter !== undefined) return
    const begun = requestSize === 0 ? 1 : Math.ceil(read / requestSize)
    if (begun - this.#wholes > prefetch) this.#problem(`${begun - this.#wholes} requests between input and consumer, with prefetch ${prefetch}`)
  }

  #options(): PostOptions {
    const { given } = this
    const meant = this.#steps.flatMap(({ meant }, place) => (meant ? [`n${place}`] : []))
    const targetExecutor = meant.length === this.#steps.length ? undefined : meant.length === 0 ? 'nobody' : meant.join('|')
    const callback = (name: 'onDone' | 'onError' | 'onAlways') => (given[name] === 'no' ? undefined : (response: Response) => this.#called(name, response))
    return {
      requestSize: given.requestSize,
      prefetch: given.prefetch,
      flushAfter: given.flushAfter ?? Infinity,
      resultsInOrder: given.ordered,
      continueOnError: given.continueOnError,
      signal: this.#controller.signal,
      targetExecutor,
      onDone: callback('onDone'),
      onError: callback('onError'),
      onAlways: callback('onAlways'),
    }
  }

  #called(name: 'onDone' | 'onError' | 'onAlways', response: Response): unknown {
    const { given } = this
    const threw = given[name] === 'throws' && response.docs.some(({ tags }) => tags['key'] === given.throwsAt)
    this.observed.callbacks.push({ name, key: keyOf(response), threw })
    if (this.#over) this.#problem(`${name} called after the end`)
    if (this.#calling > 0) this.#problem(`${name} called while another callback runs`)
    if (threw) throw new Error('the callback fails')
    if (given[name] !== 'door') return undefined
    this.#calling++
    return this.#doors.wait().finally(() => this.#calling--)
  }

  // ── consumers ──────────────────────────────────────────────────────────────────────────────────────────

  async #consume(post: AsyncIterable<Response>): Promise<void> {
    const { given, observed } = this
    try {
      for await (const response of post) {
        if (!response.partial) this.#wholes++
        observed.received.push(receivedOf(response))
        if (given.leaves?.how === 'break' && observed.received.length > given.leaves.when) {
          observed.left = true
          this.#doors.frozen = true
          break
        }
        if (given.pauses) await this.#doors.wait({ consumer: true })
      }
    } catch (reason) {
      // An abort concerns all that wait.
      if (observed.ended.threw && reason !== ABORTED) this.#problem(`thrown twice: ${reason}`)
      observed.ended = { threw: true, reason }
    }
    this.#over = true
  }

  // ── executors ──────────────────────────────────────────────────────────────────────────────────────────

  #added(step: Step, place: number): object {
    const { needs, join, floating, parallel, polling, concurrency, when, batching, retries, timeout } = step
    const told = {
      name: `n${place}`,
      needs: needs.map((need) => (need === -1 ? 'gateway' : `n${need}`)),
      uses: this.#executor(step, place),
      join,
      floating,
      parallel,
      polling,
      concurrency,
      timeout,
      retries: retries === 0 ? undefined : { attempts: retries, delay: 0 },
      dynamicBatching: batching && { preferredBatchSize: batching.size, timeout: batching.timeout, flushAll: batching.all },
      when: when && (when.query ? { tags__key: { $neq: when.not } } : ({ tags }: any) => tags.key !== when.not),
    }
    return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined))
  }

  #executor(step: Step, place: number): typeof Executor {
    const stage = this
    const flaked = new Set<string>()
    class Placed extends Executor {
      static requests = { '/default': 'work' }
      #state = 'made'
      override open() {
        if (this.#state !== 'made') stage.#problem(`n${place} opened while ${this.#state}`)
        this.#state = 'open'
        stage.#opened++
      }
      override close() {
        if (this.#state !== 'open') stage.#problem(`n${place} closed while ${this.#state}`)
        this.#state = 'closed'
        stage.#closed++
      }
      begin(call: Call): CallSeen {
        if (this.#state !== 'open') stage.#problem(`n${place} called while ${this.#state}`)
        return stage.#begin(step, place, call)
      }
      work(call: Call): any {
        const seen = this.begin(call)
        const done = (ok: boolean): void => stage.#done(seen, ok)
        const act = (): any => {
          const isFirst = step.polling === 'ANY' || step.parallel === 1 || this.shardId === 0
          const flakes = step.act === 'flaky' && isFirst && call.docs.length > 0 && flaked.size < flaked.add(call.requestId).size
          if (flakes) throw new Error(`n${place} fails once`)
          return acted(step, place, this.shardId, call)
        }
        const hit = call.docs.some(({ tags }) => tags['key'] === step.key)
        if (step.act === 'hang' && hit) return hung(call.signal).finally(() => done(false))
        if (step.waits === 'no') return attempt(act, done)
        return stage.#wait(step, call, seen).then(
          () => attempt(act, done),
          (reason) => {
            done(false)
            throw reason
          },
        )
      }
    }
    if (!step.act.startsWith('yield')) return Placed as typeof Executor
    class Yielding extends Placed {
      override async *work(call: Call): any {
        const seen = this.begin(call)
        let ok = false
        try {
          await stage.#wait(step, call, seen)
          for (const doc of call.docs) {
            const tags = doc.tags as any
            if (step.act === 'yield, fail' && tags.key === step.key) throw new Error(`n${place} fails half-way`)
            mark(doc, place, this.shardId)
            for (let piece = 0; piece < PIECES; piece++) {
              tags.piece = `${place}/${this.shardId}/${tags.at}.${piece}`
              yield doc
              if (piece === 0) await stage.#wait(step, call, seen)
            }
          }
          ok = true
        } finally {
          stage.#done(seen, ok)
        }
      }
    }
    return Yielding as typeof Executor
  }

  #begin(step: Step, place: number, { requestId, docs }: Call): CallSeen {
    const { prefetch } = this.given
    const seen: CallSeen = { place, requestId, ats: docs.map(({ tags }) => String(tags['at'])), ok: undefined }
    this.observed.calls.push(seen)
    this.#running.add(seen)
    if (step.batching === undefined && this.#isWaitedFor(step, place)) {
      this.#known.add(requestId)
      const many = this.#known.size - this.#wholes
      if (prefetch > 0 && many > prefetch) this.#problem(`${many} requests in executors and not received, with prefetch ${prefetch}`)
    }
    return seen
  }

  /** Whether a response waits for all that it does. */
  #isWaitedFor({ polling, parallel }: Step, place: number): boolean {
    return !this.#isAfloat(place) && !(polling === 'ALL_ASYNC' && parallel > 1)
  }

  #isAfloat(place: number): boolean {
    const { floating, needs } = this.#steps[place]!
    return floating || needs.some((need) => need >= 0 && this.#isAfloat(need))
  }

  #done(seen: CallSeen, ok: boolean): void {
    seen.ok = ok
    this.#running.delete(seen)
  }

  async #wait(step: Step, call: Call, seen: CallSeen): Promise<void> {
    const { waits } = step
    if (waits === 'microtasks') for (let i = 0; i < 3; i++) await undefined
    else if (waits === 'door') await this.#doors.wait()
    else if (waits === 'heeding door') {
      if (this.#isWaitedFor(step, seen.place)) this.#heeding.add(seen)
      await this.#doors.wait({ signal: call.signal }).finally(() => this.#heeding.delete(seen))
    }
  }
}

/** Goes on only when it is told to stop. */
const hung = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

function attempt(act: () => any, done: (ok: boolean) => void): any {
  let ok = false
  try {
    const answer = act()
    ok = true
    return answer
  } finally {
    done(ok)
  }
}

function mark({ tags }: { tags: any }, place: number, shard: number): void {
  const name = `n${place}s${shard}`
  tags[name] = (tags[name] ?? 0) + 1
}

/** What an executor does once it is its turn. */
function acted({ act, key }: Step, place: number, shard: number, { docs }: Call): any {
  const own = docs.filter(({ tags }) => tags['key'] === key)
  if (act === 'fail' && own.length > 0) throw new Error(`n${place} fails`)
  if (act === 'replace') return docs.map(({ id, tags }) => ({ id, tags: { key: tags['key'], at: tags['at'], [`n${place}s${shard}`]: 1 } }))
  for (const doc of docs) mark(doc, place, shard)
  if (act === 'drop') return docs.filter((doc) => !own.includes(doc))
  if (act === 'add')
    for (const { id, tags } of own) docs.append({ id: `${id}+${place}`, tags: { key: tags['key'], at: `${tags['at']}+${place}`, [`n${place}s${shard}`]: 1 } })
  return act === 'tell' ? { count: docs.length } : undefined
}

function receivedOf(response: Response): Received {
  const { requestId, partial, ordinal, error } = response
  const results = error === undefined && !partial ? (response.parameters['__results__'] ?? {}) : {}
  return { requestId, partial, ordinal, docs: response.docs.map(seenOf), error, results }
}

function seenOf({ id, tags }: { id: string; tags: any }): Seen {
  const marks = new Map<number, Map<number, number>>()
  for (const [name, count] of Object.entries<any>(tags)) {
    const [, place, shard] = /^n(\d+)s(\d+)$/.exec(name) ?? []
    if (place === undefined) continue
    const shards = marks.get(Number(place)) ?? new Map<number, number>()
    marks.set(Number(place), shards.set(Number(shard), count))
  }
  return { id, key: tags.key, at: tags.at, marks, piece: tags.piece }
}

const timersNow = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
