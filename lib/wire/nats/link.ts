import type { Authenticator, ConnectionOptions, NatsConnection } from '@nats-io/transport-node'
import { clearTimeout, setTimeout } from '../../base/clock.js'
import { missing } from '../../base/dependency.js'
import { ConfigError, type ConnectionError, say } from '../../base/errors.js'
import { node, packageOfNode } from '../../base/node.js'
import { failure } from '../outcome.js'
import type { NatsOptions } from '../remote-options.js'
import { secureTo, tlsNow } from '../tls.js'
import type { ClientTls } from '../tls-options.js'
import type { LinkSettings } from './options.js'
import { greeting, whyNot } from './probe.js'

type Nats = typeof import('@nats-io/transport-node')

/** Milliseconds between tries to reach a server of NATS again, and of chance beside: a cluster that restarts is not asked by all at once. */
const AGAIN = 250
const CHANCE = 250
/** Milliseconds of no end, for a library that knows none. */
const NEVER = 0x7fffffff
/** Milliseconds in which what was said last is on its way. */
const FAREWELL = 500
/** Bytes of a message beside its body: its headers. */
const HEADROOM = 4096
/** Bytes of those that are our own, and of their first and last line. */
const OWN = 256
/** The most bytes of a message, whatever the server takes: a server lets go of who is behind by 64 MiB. */
const MOST = 1 << 20

/** @throws DependencyError (`ERR_DEPENDENCY`) without the package */
export function natsPackage(): Promise<Nats> {
  const name = '@nats-io/transport-node'
  return packageOfNode(name).catch((cause) => {
    throw missing(name, 'To speak over NATS', cause)
  })
}

/** A connection to a server of NATS. It goes and comes back by itself. */
export class Link {
  readonly #nats: Nats
  readonly #lost = new Set<(error: ConnectionError) => void>()
  readonly #back = new Set<() => void>()
  readonly #forbidden = new Set<(subject: string, error: Error) => void>()
  readonly #address: string
  readonly #refused = new Set<(reason: string) => void>()
  #refusal: string | undefined
  #up = true
  #over = false
  /** Whether that was asked for. */
  #closed = false
  /** Resolves once it is back, or over. */
  #returned: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  private constructor(
    nats: Nats,
    readonly connection: NatsConnection,
    address: string,
    /** With what another connects from elsewhere. */
    readonly again: { readonly options: object; readonly shown: NatsOptions },
  ) {
    this.#nats = nats
    this.#address = address
    void this.#follow()
  }

  /**
   * Connects.
   * @param within milliseconds
   * @throws ConnectionError that says why it does not stand; DependencyError, ConfigError
   */
  static async open(settings: LinkSettings, within: number = settings.connectTimeout): Promise<Link> {
    const { address, host, port, tls, nats: given, keepalive, logger } = settings
    const nats = await natsPackage()
    const [authenticator, secure] = await Promise.all([authenticatorOf(nats, settings), tls === undefined ? undefined : tlsNow(tls, address, logger)()])
    const { servers = [] } = given
    // Of several, one may be away. Else whoever is there is asked first who it is: so what is wrong can be said.
    const greeted = servers.length === 0 ? await greeting(settings, within) : undefined
    const options: ConnectionOptions = {
      servers: [`${host.includes(':') ? `[${host}]` : host}:${port}`, ...servers],
      name: `sluice ${address}`,
      timeout: Math.max(1, within),
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: AGAIN,
      reconnectJitter: CHANCE,
      reconnectJitterTLS: CHANCE,
      // Credentials are renewed, and accounts come back.
      ignoreAuthErrorAbort: true,
      noAsyncTraces: true,
      ...(given.inboxPrefix !== undefined && { inboxPrefix: given.inboxPrefix }),
      pingInterval: keepalive === 0 ? NEVER : keepalive,
      maxPingOut: 2,
      ...(authenticator !== undefined && { authenticator }),
      ...(secure !== undefined && { tls: { ...secureTo(secure), ...(greeted?.first && { handshakeFirst: true }) } as NonNullable<ConnectionOptions['tls']> }),
    }
    try {
      const { authenticator: _, ...told } = options
      return new Link(nats, await nats.connect(options), address, {
        options: { ...told, ...(secure !== undefined && { tls: { ...told.tls, ...filesOf(tls!) } }) },
        shown: given,
      })
    } catch (error) {
      throw await whyNot(settings, secure, error, within)
    }
  }

  get isUp(): boolean {
    return this.#up && !this.#over
  }

  get isOver(): boolean {
    return this.#over
  }

  /** Bytes of a body that goes in one message. */
  get room(): number {
    return Math.max(1024, Math.min(MOST, this.#most) - HEADROOM)
  }

  /**
   * The same beside headers of which somebody else says how large they are.
   * @throws ConnectionError (`ERR_TOO_LARGE`) where these alone are too large
   */
  roomBeside(headers: Readonly<Record<string, string>> | undefined): number {
    if (headers === undefined) return this.room
    // As they are written: a name, a value, and what stands between.
    const bytes = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value) + 4, OWN)
    if (bytes <= HEADROOM) return this.room
    const room = this.room - (bytes - HEADROOM)
    if (room >= 0) return room
    throw failure(
      'tooLarge',
      this.#address,
      `the headers of a request have ${bytes} bytes, and one message has ${this.#most} (max_payload of the server of NATS)`,
    )
  }

  get #most(): number {
    return this.connection.info?.max_payload ?? MOST
  }

  headers(all: Readonly<Record<string, string>>): ReturnType<Nats['headers']> {
    const headers = this.#nats.headers()
    for (const [name, value] of Object.entries(all)) headers.set(name, value)
    return headers
  }

  inbox(): string {
    return this.#nats.createInbox(this.again.shown.inboxPrefix)
  }

  /** Calls back when the connection is lost: nothing that was on its way can be counted on. @returns lets go of it */
  onLost(listener: (error: ConnectionError) => void): () => void {
    this.#lost.add(listener)
    return () => this.#lost.delete(listener)
  }

  /** Calls back when the server does not let something be published. It is not said which message that was. @returns lets go of it */
  onForbidden(listener: (subject: string, error: Error) => void): () => void {
    this.#forbidden.add(listener)
    return () => this.#forbidden.delete(listener)
  }

  /** Calls back when it is back. @returns lets go of it */
  onBack(listener: () => void): () => void {
    this.#back.add(listener)
    return () => this.#back.delete(listener)
  }

  /** Calls back when the server does not let it in again; it goes on trying. @returns lets go of it */
  onRefused(listener: (reason: string) => void): () => void {
    this.#refused.add(listener)
    return () => this.#refused.delete(listener)
  }

  /** Why the server does not let it in again, where it said so. */
  get refusal(): string | undefined {
    return this.#refusal
  }

  /** Resolves when it is back, or over. */
  get returned(): Promise<void> {
    if (this.isUp || this.#over) return Promise.resolve()
    if (this.#returned === undefined) {
      let resolve!: () => void
      const promise = new Promise<void>((go) => {
        resolve = go
      })
      this.#returned = { promise, resolve }
    }
    return this.#returned.promise
  }

  /** @param soon whether what is still to be sent is let go */
  async close(soon = false): Promise<void> {
    this.#over = true
    this.#closed = true
    this.#return()
    // Where nothing gets there any more, or it broke off, nothing can be sent either.
    if (!soon && this.#up) await within(FAREWELL, this.connection.flush())
    await within(FAREWELL, this.connection.close())
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      const { type } = status
      if (type === 'disconnect') this.#lose()
      else if (type === 'error') this.#deny(status.error)
      else if (type === 'reconnect') {
        this.#up = true
        this.#refusal = undefined
        this.#return()
        for (const listener of [...this.#back]) listener()
      }
    }
    this.#over = true
    this.#lose()
    this.#return()
  }

  #deny(error: Error): void {
    const { AuthorizationError, UserAuthenticationExpiredError } = this.#nats
    if (this.#refusal === undefined && (error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError)) {
      this.#refusal = `the server of NATS does not let in who connects: ${say(error)}`
      for (const listener of [...this.#refused]) listener(this.#refusal)
    }
    if (!(error instanceof this.#nats.PermissionViolationError) || error.operation !== 'publish') return
    for (const listener of [...this.#forbidden]) listener(error.subject, error)
  }

  #return(): void {
    this.#returned?.resolve()
    this.#returned = undefined
  }

  #lose(): void {
    if (!this.#up) return
    this.#up = false
    // Who closes it knows.
    if (this.#closed) return
    const error = failure('disconnected', this.#address, 'the connection to the server of NATS broke off before everything was answered')
    for (const listener of [...this.#lost]) listener(error)
  }
}

/** Those of TLS, which are read again with each connection. */
function filesOf({ caFile, keyFile, certFile }: ClientTls): object {
  return Object.fromEntries(Object.entries({ caFile, keyFile, certFile }).filter(([, file]) => file !== undefined))
}

/** Resolves when it is done, however, or it is late. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds, undefined)
  })
  await Promise.race([work.catch(() => {}), late])
  clearTimeout(timer)
}

/** What shows who connects. Files are read again with each connection: what is in them may have been renewed. */
async function authenticatorOf(nats: Nats, { nats: given }: LinkSettings): Promise<Authenticator | undefined> {
  const { token, tokenFile, user, password, nkeyFile, credentialsFile } = given
  if (token !== undefined) return nats.tokenAuthenticator(token)
  if (user !== undefined) return nats.usernamePasswordAuthenticator(user, password)
  const file = tokenFile ?? nkeyFile ?? credentialsFile
  if (file === undefined) return undefined
  const { readFileSync } = await node('fs')
  let held: Buffer
  const read = (): Buffer => {
    try {
      held = readFileSync(file)
    } catch (cause) {
      if (held === undefined) throw new ConfigError(`it cannot be read: ${say(cause)}`, { file }, { cause })
    }
    return held
  }
  read()
  const asText = (): string => read().toString('utf8').trim()
  if (tokenFile !== undefined) return nats.tokenAuthenticator(() => asText())
  return nkeyFile !== undefined ? nats.nkeyAuthenticator(() => new TextEncoder().encode(asText())) : nats.credsAuthenticator(() => read())
}
