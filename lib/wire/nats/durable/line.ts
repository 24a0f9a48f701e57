import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { Subscription } from '@nats-io/transport-node'
import { clearInterval, clearTimeout, now, setInterval, setTimeout } from '../../../base/clock.js'
import { ConnectionError, say } from '../../../base/errors.js'
import { node } from '../../../base/node.js'
import type { Request } from '../../../request/request.js'
import type { TimeLeft } from '../../../stream/deadlines.js'
import { Keyed } from '../../../stream/keyed.js'
import { Register } from '../../../stream/register.js'
import { wait } from '../../../stream/wait.js'
import { deadlineOf, givenHeaders } from '../../context-headers.js'
import { outgoing, take } from '../../message.js'
import { failure, Refusal } from '../../outcome.js'
import { bytes as dialect } from '../../websocket/subprotocol.js'
import type { Link } from '../link.js'
import type { ClientSettings } from '../options.js'
import { IN_PARTS, keepParts, keptParts, type Store, sizeOf } from './kept.js'
import { type Places, placesOf, streamsOf } from './queue.js'

/** Milliseconds after which an answer is looked for that nobody told of: it came while the connection was away. */
const LOOK = 2000
/** After so many looks, it is looked for in the queue, too. */
const MISSED = 2
/** Milliseconds between tries to put a request into a queue that cannot be reached. */
const AGAIN = 250
/** What the server says of a message that is larger than a stream takes. */
const TOO_LARGE = 10054

/** An answer, as it lies there: in parts elsewhere, where its headers say so. */
interface Came {
  readonly data: Uint8Array
  readonly header: (name: string) => string | undefined
}

/** A request whose answer is not there yet. */
interface Awaited {
  readonly id: string
  readonly take: (came: Came) => void
  readonly fail: (reason: unknown) => void
  readonly since: number
  /** Whether it is in the queue. */
  put: boolean
  looked: number
}

/** Puts requests into a queue, and waits for their answers. */
export class DurableLine {
  readonly #link: Link
  readonly #settings: ClientSettings
  readonly #places: Places
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager
  readonly #store: Store
  /** Why the server does not let in who asks, as far as it has said. */
  #denied: ConnectionError | undefined
  /** Those of which parts lie there. */
  readonly #inParts = new Set<string>()
  readonly #denials = new Register<(reason: unknown) => void>()
  readonly #own: string
  readonly #subscription: Subscription
  readonly #waiting = new Keyed<string, Awaited>()
  /** How often the same was asked of a job. */
  readonly #seen = new Map<string, number>()
  readonly #headers: ReturnType<typeof givenHeaders>
  #timer: ReturnType<typeof setInterval> | undefined
  #next = 0

  private constructor(link: Link, settings: ClientSettings, js: JetStreamClient, jsm: JetStreamManager) {
    this.#link = link
    this.#settings = settings
    this.#js = js
    this.#jsm = jsm
    this.#places = placesOf(settings.subjects)
    this.#store = { js, jsm, link, places: this.#places, address: settings.address }
    this.#headers = givenHeaders(settings.headers)
    this.#own = settings.nats.job ?? link.inbox().split('.').at(-1)!
    const from = `${this.#places.results}.${this.#own}`
    this.#subscription = link.connection.subscribe(`${from}.*`, {
      callback: (error, { subject, data, headers }) => {
        if (error !== null) return this.#deny(error)
        this.#waiting.get(subject.slice(this.#places.results.length + 1))?.take({ data, header: (name) => headers?.get(name) })
      },
    })
    link.onForbidden((subject, error) => {
      if (/^\$JS\./.test(subject) || [this.#places.work, this.#places.parts].some((own) => subject.startsWith(`${own}.`))) this.#deny(error)
    })
    // Who may do what is said anew with each connection.
    link.onLost(() => {
      this.#denied = undefined
    })
  }

  /** Whether a queue is there, and may be used. @throws ConnectionError that says why not */
  async open(): Promise<void> {
    if (!(await this.#unlessDenied(this.#isThere(true)))) throw this.#noQueue()
  }

  #noQueue(cause?: unknown): ConnectionError {
    const reason = 'there is no queue under that name. See whether an executor was begun there with --durable'
    return failure('unreachable', this.#settings.address, reason, { cause })
  }

  async #unlessDenied<V>(work: Promise<V>): Promise<V> {
    let deny!: (reason: unknown) => void
    const denied = new Promise<never>((_, reject) => {
      deny = reject
    })
    const leave = this.#denials.enter(deny)
    try {
      if (this.#denied !== undefined) throw this.#denied
      return await Promise.race([work, denied])
    } finally {
      leave()
    }
  }

  #deny(cause: Error): void {
    const { work, parts, results } = this.#places
    const { inboxPrefix = '_INBOX' } = this.#settings.nats
    const reason = `the server of NATS does not let use the queue: ${say(cause)}. Who asks publishes ${work}.>, ${parts}.> and $JS.API.>, and subscribes ${results}.> and ${inboxPrefix}.>`
    this.#denied = failure('forbidden', this.#settings.address, reason, { cause })
    for (const { fail } of this.#waiting.values()) fail(this.#denied)
    for (const deny of this.#denials) deny(this.#denied)
  }

  /** @throws DependencyError (`ERR_DEPENDENCY`) without the package */
  static async open(link: Link, settings: ClientSettings): Promise<DurableLine> {
    const { js, jsm } = await streamsOf(link)
    return new DurableLine(link, settings, js, jsm)
  }

  /** Puts a request down, and settles with its answer, however often either end goes and comes back. */
  async ask(request: Request, brought: Readonly<Record<string, string>> | undefined, time: TimeLeft | undefined): Promise<void> {
    const { address, timeout } = this.#settings
    const deadline = deadlineOf(time?.left, request.scope.deadline)
    const { job } = this.#settings.nats
    const ids = job === undefined ? undefined : request.docs.map((doc) => doc.id)
    const data = (await dialect.writeRequest(outgoing(request, deadline, this.#headers))) as Uint8Array
    if (this.#denied !== undefined) throw this.#denied
    const id = `${this.#own}.${job === undefined ? (this.#next++).toString(36) : await this.#hash(request)}`
    let end!: () => void
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      const answer = new Promise<Came>((resolve, reject) => {
        this.#waiting.set(id, { id, take: resolve, fail: reject, since: now(), put: false, looked: 0 })
        if (time !== undefined)
          timer = setTimeout(() => reject(new ConnectionError('ERR_TIMEOUT', address, `no answer within ${timeout} ms`)), Math.max(1, time.left))
        end = request.scope.watch(reject)
      })
      answer.catch(() => {})
      this.#watch()
      const put = this.#put(id, data, { ...this.#settings.headers, ...brought }, request).then(() => {
        const awaited = this.#waiting.get(id)
        if (awaited !== undefined) awaited.put = true
      })
      await Promise.race([put, answer])
      const came = await this.#whole(id, await answer, request)
      if (came.length > this.#settings.maxMessageBytes)
        throw failure('tooLarge', address, `an answer is larger than ${this.#settings.maxMessageBytes} bytes (maxMessageBytes)`, { requestId: request.id })
      let message: ReturnType<typeof dialect.readAnswer>
      try {
        message = dialect.readAnswer(came)
      } catch (cause) {
        throw failure('unimplemented', address, `an answer that cannot be read: ${say(cause)}`, { cause, requestId: request.id })
      }
      let parts = false
      try {
        take(request, await message)
        parts = true
      } finally {
        // The parts of a dead letter are its own.
        this.#fetched(id, parts)
        if (ids !== undefined) renamed(request, ids)
      }
    } finally {
      clearTimeout(timer)
      end()
      this.#waiting.delete(id)
      this.#inParts.delete(id)
    }
  }

  /** An answer with all its parts. @throws ConnectionError */
  async #whole(id: string, { data, header }: Came, { id: requestId }: Request): Promise<Uint8Array> {
    const { address, maxMessageBytes } = this.#settings
    try {
      if (sizeOf(header) !== undefined) this.#inParts.add(id)
      return (await keptParts(this.#store, id, header, maxMessageBytes)) ?? data
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause
      if (cause.kind === 'tooLarge')
        throw failure('tooLarge', address, `an answer is larger than ${maxMessageBytes} bytes (maxMessageBytes)`, { cause, requestId })
      throw failure('unimplemented', address, `an answer that cannot be read: ${cause.message}`, { cause, requestId })
    }
  }

  /** The same of a job is the same, whoever asks it: so who died comes back for what is there. What a job has several times is told apart. */
  async #hash(request: Request): Promise<string> {
    const { createHash } = await node('crypto')
    const { execEndpoint, targetExecutor, parameters } = request.header
    // Ids that nobody gave are others each time, those of parts too.
    const docs = JSON.stringify(request.docs.map((doc) => doc.toJSON())).replaceAll(/"id":"[0-9a-f]{32}"/g, '')
    const bytes = JSON.stringify([execEndpoint, targetExecutor, parameters, docs])
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
    const count = this.#seen.get(hash) ?? 0
    this.#seen.set(hash, count + 1)
    return `${hash}-${count}`
  }

  /** Resolves when it is in the queue, or answered. @throws ConnectionError where there is no queue */
  async #put(id: string, data: Uint8Array, told: Readonly<Record<string, string>>, { scope }: Request): Promise<void> {
    const { address, connectTimeout } = this.#settings
    const { work, streams } = this.#places
    const isLarge = data.length > this.#link.roomBeside(told)
    /** What says where its parts lie. */
    let parts: Readonly<Record<string, string>> | undefined
    const isJob = this.#settings.nats.job !== undefined
    if (isJob && (await this.#look(id))) return
    const began = now()
    for (let name = id; ; ) {
      try {
        if (isLarge) this.#inParts.add(id)
        if (isLarge) parts ??= await this.#unlessDenied(keepParts(this.#store, id, data))
        const headers = this.#link.headers({ ...told, ...parts })
        const { duplicate } = await this.#unlessDenied(this.#js.publish(`${work}.${id}`, isLarge ? IN_PARTS : data, { msgID: name, headers }))
        // It was in the queue before. Where it is neither there nor answered, somebody has fetched the answer.
        if (!duplicate || !isJob || (await this.#look(id)) || (await this.#has(streams.work, `${work}.${id}`))) return
        name = `${id}-${this.#next++}-${this.#link.inbox()}`
      } catch (error) {
        if (scope.aborted || !this.#waiting.has(id)) throw error
        if (this.#link.isOver) throw failure('disconnected', address, say(error), { cause: error })
        if (error === this.#denied) throw error
        const { code } = error as { code?: unknown }
        const isLate = now() - began > connectTimeout
        if (code === TOO_LARGE)
          throw failure('tooLarge', address, `a request of ${data.length} bytes is more than its queue takes (max_msg_size of the stream ${streams.work})`, {
            cause: error,
          })
        // It is full, or the server is.
        if (typeof code === 'number' && isLate) throw failure('busy', address, `the queue takes nothing now: ${say(error)}`, { cause: error })
        if (this.#link.isUp && isNobody(error) && !(await this.#isThere(isLate))) throw this.#noQueue(error)
        if (isLarge && parts === undefined && isLate && isNobody(error))
          throw failure('tooLarge', address, `a request of ${data.length} bytes goes into its queue in parts, of which those who answer there do not know yet`)
        await wait(scope, AGAIN)
      }
    }
  }

  /** @param isLate whether a server that keeps no streams is not one that only begins */
  async #isThere(isLate: boolean): Promise<boolean> {
    try {
      await this.#jsm.streams.info(this.#places.streams.work)
      return true
    } catch (error) {
      return !/stream not found/.test(say(error)) && !(isLate && isNobody(error))
    }
  }

  /** @throws what says that nothing is known of it */
  async #has(stream: string, subject: string): Promise<boolean> {
    return (await this.#jsm.streams.getMessage(stream, { last_by_subj: subject })) !== null
  }

  /** Whether there is an answer, which is taken then. */
  async #look(id: string): Promise<boolean> {
    const found = await this.#jsm.streams.getMessage(this.#places.streams.results, { last_by_subj: `${this.#places.results}.${id}` }).catch(() => null)
    if (found === null) return false
    const { data, header } = found
    this.#waiting.get(id)?.take({ data, header: (name) => header?.get(name) })
    return true
  }

  /** Takes its answer, if there is one, and gives up what nobody can answer any more, as somebody took it out of the queue. */
  async #lookAfter(awaited: Awaited): Promise<void> {
    const { id } = awaited
    const { streams, work } = this.#places
    if ((await this.#look(id)) || !awaited.put || ++awaited.looked % MISSED !== 0) return
    if (await this.#has(streams.work, `${work}.${id}`)) return
    // An answer is put down before its request is taken out.
    if ((await this.#look(id)) || !this.#link.isUp) return
    const reason = 'it is neither in the queue any more nor answered: somebody has taken it out, or its answer was kept for too short a time (keep)'
    awaited.fail(failure('disconnected', this.#settings.address, reason))
  }

  /** Nobody needs it there any more. @param parts whether its parts, and those of its request, are of no use either */
  #fetched(id: string, parts: boolean): void {
    const { streams, ...places } = this.#places
    this.#jsm.streams.purge(streams.results, { filter: `${places.results}.${id}` }).catch(() => {})
    if (parts && this.#inParts.delete(id)) this.#jsm.streams.purge(streams.parts, { filter: `${places.parts}.${id}.>` }).catch(() => {})
  }

  #watch(): void {
    if (this.#timer !== undefined) return
    let looking = false
    this.#timer = setInterval(async () => {
      if (this.#waiting.size === 0) {
        clearInterval(this.#timer)
        this.#timer = undefined
        return
      }
      if (looking || !this.#link.isUp) return
      looking = true
      const late = now() - LOOK
      for (const awaited of this.#waiting.values()) if (awaited.since < late && this.#link.isUp) await this.#lookAfter(awaited).catch(() => {})
      looking = false
    }, LOOK)
    ;(this.#timer as { unref?(): void }).unref?.()
  }

  close(reason: unknown): void {
    clearInterval(this.#timer)
    for (const { fail } of this.#waiting.values()) fail(reason)
    this.#subscription.unsubscribe()
  }
}

/** An id that nobody gave: see newId(). Another comes with each reading of the same file. */
const MADE = /^[0-9a-f]{32}$/

/** What was asked before under other ids, made up then, has those of now. */
function renamed({ docs }: Request, ids: readonly string[]): void {
  if (docs.length !== ids.length) return
  docs.forEach((doc, at) => {
    if (MADE.test(doc.id)) doc.id = ids[at]!
  })
}

/** Whether the server says that nobody keeps what was published. */
function isNobody(error: unknown): boolean {
  return /no ?responders|503|not ?enabled|stream not found/i.test(`${(error as Error | undefined)?.name} ${say(error)}`)
}
