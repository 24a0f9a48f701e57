import { ConnectionError, say } from '../base/errors.js'
import { log } from '../base/logger.js'
import { packageOfNode } from '../base/node.js'
import { VERSION } from '../base/version.js'
import { Keys } from '../gateway/certificates.js'
import { REASONS } from '../gateway/gateway.js'
import { Port } from '../gateway/port.js'
import { type Granted, PIECE, type Wanted } from '../place/daemon-protocol.js'
import type { Host } from '../place/host.js'
import { bytesOf } from '../place/options.js'
import { processes } from '../place/process.js'
import { ignore } from '../stream/thenable.js'
import { Authenticator } from '../wire/authentication.js'
import { HEADERS_TIMEOUT } from '../wire/defaults.js'
import { heard } from '../wire/error-listener.js'
import { Refusal } from '../wire/outcome.js'
import { type Desk, Door } from './door.js'
import { Entry, type EntryStatus } from './entry.js'
import { Home } from './home.js'
import { checkDaemonOptions, type DaemonOptions, DEFAULTS, needsBoth } from './options.js'
import { Strangers } from './strangers.js'
import { wantedOf } from './wanted.js'

/** How a daemon is, for `sluice daemon status`. */
export interface DaemonStatus {
  readonly version: string
  readonly executors: readonly EntryStatus[]
  /** Processes of executors that there may be, in bytes of heap each where that is bounded. */
  readonly limits: { readonly maxExecutors: number; readonly maxMemory?: number; readonly maxUploadBytes: number; readonly maxUploadFiles: number }
}

/**
 * Runs executors of Flows elsewhere, `runtime: 'daemon'`: each in a process of its own, with the files that its Flow sent. They do not listen: they are reached
 * through this port alone, by TLS and the token. Who has the token runs code here, as the user that this process is.
 *
 * Each is kept for its lease when its Flow is gone, and its folder removed then. When this process ends, whatever it ends by, so do they; another at the same port and
 * folder knows them by its records, and begins them anew as their Flows come back.
 */
export class Daemon implements AsyncDisposable, Desk {
  /** Where it can be reached: `https://gpu-box:8000`. */
  readonly address: string
  readonly port: number
  readonly #options: DaemonOptions
  readonly #home: Home
  readonly #host: Host
  readonly #entries: Map<string, Entry>
  readonly #port: Port
  readonly #keys: Keys
  #closing: Promise<void> | undefined

  private constructor(address: string, options: DaemonOptions, home: Home, host: Host, entries: Map<string, Entry>, port: Port, keys: Keys) {
    this.address = address
    this.port = port.port
    this.#options = options
    this.#home = home
    this.#host = host
    this.#entries = entries
    this.#port = port
    this.#keys = keys
  }

  /**
   * Listens, and resolves when Flows can come.
   * @throws TypeError or RangeError for options, and a folder that another daemon has; ConfigError for a key, certificate or file of tokens that cannot be read; ConnectionError for a port that cannot be had
   * (`ERR_REFUSED`) and a key that is none (`ERR_TLS`)
   */
  static async serve(options: DaemonOptions = {}): Promise<Daemon> {
    const { port = DEFAULTS.port, host = DEFAULTS.host, folder = DEFAULTS.folder, logger } = checkDaemonOptions(options)
    const onError = heard(options.onError ?? ((error) => console.error(`sluice: daemon: ${say(error)}`)), logger)
    const keys = await Keys.open(options)
    const authenticator = new Authenticator(options, host, onError)
    await authenticator.open()
    const [own, { WebSocketServer }] = await Promise.all([processes(), packageOfNode('ws')])
    const sockets = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: PIECE, perMessageDeflate: false })
    const entries = new Map<string, Entry>()
    const strangers = new Strangers()
    const door = new Door(authenticator, sockets, strangers, onError)
    const wires = { http: [door.requests], websocket: door.upgrades }
    let listening: Port
    try {
      listening = await Port.open(
        port,
        wires,
        { host, tls: keys.tls, headersTimeout: HEADERS_TIMEOUT, onError, logger, onConnection: (socket) => strangers.come(socket) },
        authenticator,
      )
    } catch (cause) {
      const { code = '', syscall } = cause as NodeJS.ErrnoException
      if (syscall !== 'listen' && syscall !== 'getaddrinfo') throw cause
      throw new ConnectionError('ERR_REFUSED', `${host}:${port}`, `the daemon cannot listen there: ${REASONS[code] ?? say(cause)}`, { cause })
    }
    try {
      // A name that means this machine to most, and another here.
      if (!authenticator.near) needsBoth(host, options)
      const home = await Home.take(folder, listening.port, port === 0, onError)
      const scheme = keys.tls === undefined ? 'http' : 'https'
      const daemon = new Daemon(`${scheme}://${listening.authority}`, options, home, own, entries, listening, keys)
      await daemon.#restore().catch(async (error) => {
        await home.leave()
        throw error
      })
      keys.watch((tls) => listening.renew(tls), onError)
      door.desk = daemon
      return daemon
    } catch (error) {
      await listening.close()
      keys.close()
      throw error
    }
  }

  get status(): DaemonStatus {
    const { maxMemory } = this.#options
    return {
      version: VERSION,
      executors: [...this.#entries.values()].map(({ status }) => status),
      limits: { maxExecutors: this.#maxExecutors, ...(maxMemory !== undefined && { maxMemory: bytesOf(maxMemory)! }), ...this.#uploads },
    }
  }

  /** Whether everybody who reaches it may run code here. */
  get isOpen(): boolean {
    const { token, tokenFile } = this.#options
    return token === undefined && tokenFile === undefined
  }

  get #maxExecutors(): number {
    return this.#options.maxExecutors ?? DEFAULTS.maxExecutors
  }

  get #uploads(): { maxUploadBytes: number; maxUploadFiles: number } {
    const { maxUploadBytes = DEFAULTS.maxUploadBytes, maxUploadFiles = DEFAULTS.maxUploadFiles } = this.#options
    return { maxUploadBytes, maxUploadFiles }
  }

  /** Finds executors of a daemon of before, whose Flows have their lease to come back; what is none is removed. */
  async #restore(): Promise<void> {
    const { ids, others } = await this.#home.names()
    for (const id of ids) {
      try {
        const entry = this.#entry(id, wantedOf(await Entry.recordIn(`${this.#home.folder}/${id}`), bytesOf(this.#options.maxMemory)))
        await entry.restore()
      } catch {
        // Nobody had all of it.
        this.#entries.delete(id)
        await this.#home.remove(id)
      }
    }
    for (const name of others) await this.#home.remove(name)
  }

  #entry(id: string, wanted: Wanted): Entry {
    const entry = new Entry(id, wanted, `${this.#home.folder}/${id}`, this.#host, this.#uploads, (entry) => void this.#remove(entry, 'its Flow is gone'))
    this.#entries.set(id, entry)
    return entry
  }

  /** Never throws: what an executor has made cannot be removed by everybody, and must end nothing here. */
  async #remove(entry: Entry, reason: string): Promise<void> {
    await this.#leave(entry, reason)
    await entry.remove().catch((error) => this.#home.cannotRemove(entry.folder, error))
  }

  /** Its name is free then. */
  async #leave(entry: Entry, reason: string): Promise<void> {
    await entry.leave().catch(ignore)
    if (this.#entries.get(entry.id) !== entry) return
    this.#entries.delete(entry.id)
    this.#log('executor.left', entry, { reason })
  }

  #log(event: string, { id, wanted: { name: executor, replicas } }: Entry, more: Record<string, unknown> = {}): void {
    log(this.#options.logger, 'info', event, { executor, fields: { id, replicas, ...more } })
  }

  /** @throws Refusal */
  async grant(id: string, said: unknown): Promise<Granted> {
    const wanted = wantedOf(said, bytesOf(this.#options.maxMemory))
    // What was never complete, or is being removed, is begun anew.
    for (let before = this.#entries.get(id); before !== undefined; before = this.#entries.get(id)) {
      if (before.isReady && !before.isOver) throw new Refusal('invalid', `${id} is there already`)
      void this.#remove(before, 'its Flow sends it anew')
      await this.#leave(before, 'its Flow sends it anew')
    }
    if (this.#closing !== undefined) throw CLOSING
    const taken = [...this.#entries.values()].reduce((sum, { wanted: { replicas } }) => sum + replicas, 0)
    if (taken + wanted.replicas > this.#maxExecutors)
      throw new Refusal('busy', `${wanted.name} wants ${wanted.replicas}, and ${taken} of ${this.#maxExecutors} executors are taken (maxExecutors)`)
    const entry = this.#entry(id, wanted)
    try {
      await entry.make()
    } catch (error) {
      await this.#remove(entry, 'it could not be made')
      throw error
    }
    this.#log('executor.came', entry)
    return { workspace: entry.workspace }
  }

  /** @throws Refusal */
  find(id: string): Entry {
    if (this.#closing !== undefined) throw CLOSING
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.isOver) throw new Refusal('unimplemented', `There is no executor ${id} here`)
    return entry
  }

  /** One that can be connected to. @throws Refusal */
  findReady(id: string): Entry {
    const entry = this.find(id)
    if (!entry.isReady) throw new Refusal('unimplemented', `Executor ${id} has not all of its files here`)
    return entry
  }

  async finish(id: string): Promise<void> {
    await this.#remove(this.find(id), 'its Flow was closed')
  }

  /** Ends what runs, and hangs up. Records are kept, and Flows find their executors again at the next daemon. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#keys.close()
    await Promise.all([...this.#entries.values()].map((entry) => entry.end()))
    await this.#port.close()
    await this.#home.leave()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

const CLOSING = new Refusal('closing', 'This daemon is closing')
