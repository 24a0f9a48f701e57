import { now } from '../../../base/clock.js'
import { asError, say } from '../../../base/errors.js'
import type { Handler } from '../../../request/handler.js'
import { GATEWAY } from '../../../request/route.js'
import { Register } from '../../../stream/register.js'
import { Scope } from '../../../stream/scope.js'
import { wait } from '../../../stream/wait.js'
import type { Authenticator } from '../../authentication.js'
import { bytesOf, chargeDocuments } from '../../charge.js'
import { readHeaders, tenantOf } from '../../context-headers.js'
import { answer, emptyMessage, type Message, sealed, unwritten } from '../../message.js'
import { KINDS, outcome, Refusal, told } from '../../outcome.js'
import { outcomeIn, refusedStatus } from '../../status.js'
import { bytes as dialect, Unfit } from '../../websocket/subprotocol.js'
import type { Link } from '../link.js'
import type { ServerSettings } from '../options.js'
import { type Done, Keeper, type Work, type Written } from './keeper.js'
import { IN_PARTS, keepParts, keptParts, type Store, sizeOf } from './kept.js'
import type { Durability } from './numbers.js'
import { CONSUMER, makeStreams, placesOf, streamsOf } from './queue.js'

/** Milliseconds for which one that failed waits before it is tried again, and at most: each wait is twice as long as the one before. */
const AGAIN = 250
const LONGEST = 30_000
/** Milliseconds for which a worker may be silent before others take over what it has: nothing computes as long without a pause. */
const STUCK = 60_000

/** Milliseconds between looks whether the queue is there, when it is not reached. */
const MEND = 2000

/** Takes requests from a queue, and puts their answers down. */
export class DurableWorker {
  readonly #handler: Handler
  readonly #settings: ServerSettings
  readonly #authenticator: Authenticator
  readonly #told: Durability
  readonly #store: Store
  readonly #make: () => Promise<void>
  #mended = Number.NEGATIVE_INFINITY
  readonly #inside = new Register<Scope>()
  #keeper!: Keeper
  #idle: (() => void) | undefined

  private constructor(handler: Handler, settings: ServerSettings, authenticator: Authenticator, told: Durability, store: Store, make: () => Promise<void>) {
    this.#store = store
    this.#make = make
    this.#handler = handler
    this.#settings = settings
    this.#authenticator = authenticator
    this.#told = told
  }

  /** @throws ConnectionError, DependencyError */
  static async open(handler: Handler, settings: ServerSettings, authenticator: Authenticator, link: Link, told: Durability): Promise<DurableWorker> {
    const { js, jsm, package: nats } = await streamsOf(link)
    const places = placesOf(settings.subjects)
    const make = (): Promise<void> => makeStreams(jsm, nats, places, told)
    await make()
    const worker = new DurableWorker(handler, settings, authenticator, told, { js, jsm, link, places, address: settings.address }, make)
    const { work, results, dead, held, streams } = places
    const all = { work, results, dead, around: held, streams, consumer: CONSUMER, ackWait: told.ackWait, limit: settings.prefetch, stuckAfter: STUCK }
    const { options, shown } = link.again
    const take = (work: Work): void => void worker.#take(work)
    worker.#keeper = await Keeper.open({ ...all, options, shown }, take, settings.onError, (reason) => void worker.#mend(reason))
    return worker
  }

  /** Makes again what somebody has deleted. While the server is away, there is nothing to be made. */
  async #mend(reason: string): Promise<void> {
    const { link, address } = this.#store
    if (!link.isUp || now() - this.#mended < MEND) return
    this.#mended = now()
    this.#settings.onError(new Error(`${address}: the queue is not reached: ${reason}. What is missing of it is made anew`))
    await this.#make().catch((error) => this.#settings.onError(asError(error)))
  }

  async #take(work: Work): Promise<void> {
    const scope = new Scope()
    const leave = this.#inside.enter(scope)
    try {
      this.#keeper.done(work, await this.#run(work, scope))
    } catch (error) {
      // Whoever is told of it by another, later.
      this.#settings.onError(error)
      this.#keeper.done(work, { outcome: 'again', delay: AGAIN })
    } finally {
      leave()
      if (this.#inside.size === 0) this.#idle?.()
    }
  }

  async #run(work: Work, scope: Scope): Promise<Done> {
    const { attempts } = this.#told
    // It was begun as often as it may be, and nobody came to an end with it.
    if (work.tries > attempts) return this.#dead('', new Error(`Whoever had it ended before it was done, ${attempts} times`))
    let requestId = ''
    const hold = bytesOf(this.#handler)?.hold(undefined)
    try {
      const headers = new Map(work.headers.map(([name, value]) => [name.toLowerCase(), value]))
      const header = (name: string): string | undefined => headers.get(name)
      const { maxMessageBytes } = this.#settings
      const room = hold?.ask(scope, Math.min(maxMessageBytes, sizeOf(header) ?? work.body.length))
      if (room !== undefined) await room
      const verdict = await this.#authenticator.admit(callerOf(headers), scope, { runs: true })
      if (verdict.denied !== undefined) throw new Refusal(verdict.denied.kind, verdict.denied.reason)
      const body = (await keptParts(this.#store, work.id, header, maxMessageBytes)) ?? work.body
      const message = await dialect.readRequest(body, this.#settings)
      if (message === undefined) throw new Refusal('malformed', 'No DataRequestProto')
      ;({ requestId } = message)
      chargeDocuments(hold, message.docs.length)
      const context = {
        identity: verdict.identity,
        tenant: tenantOf(verdict.identity, undefined),
        headers: readHeaders(header),
        ...(hold && { hold }),
      }
      const answered = await answer(this.#handler, { ...message, context }, scope)
      const came = outcomeIn(answered.status)
      // It cannot be told apart from what passes, but by what will fail in the same way again.
      if (came !== undefined && work.tries < attempts && KINDS[came.kind].again !== 'never' && came.executor !== GATEWAY) return again(work)
      const written = await this.#write(answered, work, scope)
      return came === undefined ? { outcome: 'done', ...written } : { outcome: 'dead', ...written, reason: reasonOf(answered.status!.description) }
    } catch (thrown) {
      if (scope.aborted) return { outcome: 'again', delay: 0 }
      const error = thrown instanceof Unfit ? thrown.cause : thrown
      if (thrown instanceof Unfit) ({ requestId } = thrown)
      const { kind } = outcome(error)
      if (work.tries < attempts && KINDS[kind].again !== 'never') return again(work)
      return this.#dead(requestId, error)
    } finally {
      hold?.leave()
      scope.close()
    }
  }

  #dead(requestId: string, error: unknown): Done {
    const shown = told(asError(error), this.#settings.onError)
    const bytes = dialect.writeAnswer(emptyMessage({ requestId, status: refusedStatus(shown) })) as Uint8Array
    return { outcome: 'dead', bytes, reason: reasonOf(say(error)) }
  }

  /** As one message, or in parts beside. */
  async #write(message: Message, { id }: Work, scope: Scope): Promise<Written> {
    const bytes = await this.#bytesOf(message)
    const { link } = this.#store
    while (bytes.length > link.room) {
      try {
        return { bytes: IN_PARTS, headers: await keepParts(this.#store, id, bytes) }
      } catch (error) {
        if (scope.aborted) throw error
        void this.#mend(say(error))
        await wait(scope, AGAIN)
      }
    }
    return { bytes }
  }

  async #bytesOf(message: Message): Promise<Uint8Array> {
    const shown = this.#settings.exposeStacks ? message : sealed(message)
    try {
      return (await dialect.writeAnswer(shown)) as Uint8Array
    } catch (error) {
      return (await dialect.writeAnswer(unwritten(message, error, this.#settings.onError))) as Uint8Array
    }
  }

  /** Takes nothing more, and resolves when what it has is done. */
  async drain(): Promise<void> {
    await this.#keeper.stop()
    if (this.#inside.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  /** What it still has is another's. */
  async close(): Promise<void> {
    for (const scope of this.#inside) scope.abort(new DOMException('This service shuts down', 'AbortError'))
    await this.#keeper.close()
  }
}

function again({ tries }: Work): Done {
  return { outcome: 'again', delay: Math.min(LONGEST, AGAIN * 2 ** (tries - 1)) }
}

/** As a header has it: one line. */
function reasonOf(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 1000)
}

function callerOf(headers: ReadonlyMap<string, string>) {
  return {
    wire: 'nats' as const,
    address: undefined,
    peerCertificate: undefined,
    host: undefined,
    query: '',
    secure: false,
    near: false,
    header: (name: string) => headers.get(name),
    headers: () => Object.fromEntries(headers),
  }
}
