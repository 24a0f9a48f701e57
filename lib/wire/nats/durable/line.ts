import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { Subscription } from '@nats-io/transport-node'
import { clearInterval, clearTimeout, now, setInterval, setTimeout } from '../../../base/clock.js'
import { ConnectionError, say } from '../../../base/errors.js'
import { node } from '../../../base/node.js'
import type { Request } from '../../../request/request.js'
import type { TimeLeft } from '../../../stream/deadlines.js'
import { wait } from '../../../stream/wait.js'
import { deadlineOf, givenHeaders } from '../../context-headers.js'
import { outgoing, take } from '../../message.js'
import { failure } from '../../outcome.js'
import { bytes as dialect } from '../../websocket/subprotocol.js'
import type { Link } from '../link.js'
import type { ClientSettings } from '../options.js'
import { type Places, placesOf, streamsOf } from './queue.js'

/** Milliseconds after which an answer is looked for that nobody told of: it came while the connection was away. */
const LOOK = 2000
/** Milliseconds between tries to put a request into a queue that cannot be reached. */
const AGAIN = 250

/** A request whose answer is not there yet. */
interface Awaited {
  readonly id: string
  readonly take: (data: Uint8Array) => void
  readonly fail: (reason: unknown) => void
  readonly since: number
}

/** Puts requests into a queue, and waits for their answers. */
export class DurableLine {
  readonly #link: Link
  readonly #settings: ClientSettings
  readonly #places: Places
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager
  readonly #own: string
  readonly #subscription: Subscription
  readonly #waiting = new Map<string, Awaited>()
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
    this.#headers = givenHeaders(settings.headers)
    this.#own = settings.nats.job ?? link.inbox().split('.').at(-1)!
    const from = `${this.#places.results}.${this.#own}`
    this.#subscription = link.connection.subscribe(`${from}.*`, {
      callback: (error, { subject, data }) => {
        if (error === null) this.#waiting.get(subject.slice(this.#places.results.length + 1))?.take(data)
      },
    })
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
    const most = this.#link.room
    if (data.length > most)
      throw failure(
        'tooLarge',
        address,
        `a request of ${data.length} bytes is more than the ${most} that one message of its queue takes (max_payload of the server of NATS)`,
        { requestId: request.id },
      )
    const id = `${this.#own}.${job === undefined ? (this.#next++).toString(36) : await this.#hash(request)}`
    let end!: () => void
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      const answer = new Promise<Uint8Array>((resolve, reject) => {
        this.#waiting.set(id, { id, take: resolve, fail: reject, since: now() })
        if (time !== undefined)
          timer = setTimeout(() => reject(new ConnectionError('ERR_TIMEOUT', address, `no answer within ${timeout} ms`)), Math.max(1, time.left))
        end = request.scope.watch(reject)
      })
      answer.catch(() => {})
      this.#watch()
      await Promise.race([this.#put(id, data, { ...this.#settings.headers, ...brought }, request), answer])
      const came = await answer
      if (came.length > this.#settings.maxMessageBytes)
        throw failure('tooLarge', address, `an answer is larger than ${this.#settings.maxMessageBytes} bytes (maxMessageBytes)`, { requestId: request.id })
      let message: ReturnType<typeof dialect.readAnswer>
      try {
        message = dialect.readAnswer(came)
      } catch (cause) {
        throw failure('unimplemented', address, `an answer that cannot be read: ${say(cause)}`, { cause, requestId: request.id })
      }
      try {
        take(request, await message)
      } finally {
        this.#fetched(id)
        if (ids !== undefined) renamed(request, ids)
      }
    } finally {
      clearTimeout(timer)
      end()
      this.#waiting.delete(id)
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
    const headers = Object.keys(told).length > 0 ? { headers: this.#link.headers(told) } : {}
    const { work, streams } = this.#places
    const isJob = this.#settings.nats.job !== undefined
    if (isJob && (await this.#look(id))) return
    const began = now()
    for (let name = id; ; ) {
      try {
        const { duplicate } = await this.#js.publish(`${work}.${id}`, data, { msgID: name, ...headers })
        // It was in the queue before. Where it is neither there nor answered, somebody has fetched the answer.
        if (!duplicate || !isJob || (await this.#look(id)) || (await this.#has(streams.work, `${work}.${id}`))) return
        name = `${id}-${this.#next++}-${this.#link.inbox()}`
      } catch (error) {
        if (scope.aborted || !this.#waiting.has(id)) throw error
        if (this.#link.isOver) throw failure('disconnected', this.#settings.address, say(error), { cause: error })
        if (this.#link.isUp && isNobody(error) && !(await this.#isThere(now() - began > this.#settings.connectTimeout)))
          throw failure('unreachable', this.#settings.address, 'there is no queue under that name. See whether an executor was begun there with --durable', {
            cause: error,
          })
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

  async #has(stream: string, subject: string): Promise<boolean> {
    const found = await this.#jsm.streams.getMessage(stream, { last_by_subj: subject }).catch(() => null)
    return found !== null
  }

  /** Whether there is an answer, which is taken then. */
  async #look(id: string): Promise<boolean> {
    const found = await this.#jsm.streams.getMessage(this.#places.streams.results, { last_by_subj: `${this.#places.results}.${id}` }).catch(() => null)
    if (found === null) return false
    this.#waiting.get(id)?.take(found.data)
    return true
  }

  /** Nobody needs it there any more. */
  #fetched(id: string): void {
    this.#jsm.streams.purge(this.#places.streams.results, { filter: `${this.#places.results}.${id}` }).catch(() => {})
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
      for (const { id, since } of [...this.#waiting.values()]) if (since < late && this.#link.isUp) await this.#look(id)
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
