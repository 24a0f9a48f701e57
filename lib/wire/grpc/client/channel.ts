import type { Socket } from 'node:net'
import {
  type CallOptions,
  ChannelCredentials,
  type ChannelInterface,
  Client,
  status as Code,
  compressionAlgorithms,
  connectivityState as State,
} from '@grpc/grpc-js'
import { clearInterval, nextTurn, now, onWall, setInterval } from '../../../base/clock.js'
import { ConnectionError, optionRange, say } from '../../../base/errors.js'
import { type Events, publish } from '../../../base/events.js'
import { Register } from '../../../stream/register.js'
import type { Scope } from '../../../stream/scope.js'
import { ignore } from '../../../stream/thenable.js'
import { inTime, isAlive, Liveness } from '../../liveness.js'
import { HELLO } from '../../probe.js'
import { isInFiles, tlsNow } from '../../tls.js'
import type { ClientTls, TlsNow } from '../../tls-options.js'
import { hasCrossed } from '../../unseen.js'
import { METHODS } from '../methods.js'
import type { ClientSettings } from '../options.js'
import type { Place } from './address.js'
import { probe } from './probe.js'

/** Milliseconds in which a question must be answered. */
const QUESTION = 10_000

/** The connection to a server, which comes and goes as it is needed. */
export class Channel {
  readonly #make: () => Client
  readonly #place: Place
  readonly #tlsNow: TlsNow | undefined
  /** What the client was made with. */
  #tls: ClientTls | undefined
  readonly #patience: number
  readonly #keepalive: number
  /** There is none before keys and certificates in files were read. */
  #client: Client | undefined
  #channel: ChannelInterface | undefined
  #connecting: Promise<void> | undefined
  #closed = false
  #users = 0
  readonly #calls = new Register<() => void>()
  #handshakes: Handshakes | undefined
  readonly #liveness: Liveness
  #heard = 0
  /** What had been heard when the connection of now was made. */
  #fresh = 0
  #nudging: ReturnType<typeof setInterval> | undefined

  constructor(place: Place, settings: ClientSettings) {
    this.#place = place
    this.#patience = settings.connectTimeout
    const { host, port, at, tls } = place
    const { keepalive, compression } = settings
    this.#keepalive = keepalive
    const options = {
      'grpc.max_receive_message_length': settings.maxMessageBytes,
      'grpc.max_send_message_length': -1,
      // Whether a request may be sent again, this package does not know: who posts says so by `retries`.
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
      'grpc.service_config_disable_resolution': 1,
      // Environment variables do not redirect requests, as in fetch().
      'grpc.enable_http_proxy': 0,
      // A connection of its own, which close() closes.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      // When a server has moved, its name is asked again; the default would not for half a minute.
      'grpc.dns_min_time_between_resolutions_ms': 1000,
      'grpc.max_reconnect_backoff_ms': 5000,
      ...(keepalive > 0 && { 'grpc.keepalive_time_ms': keepalive, 'grpc.keepalive_timeout_ms': Math.ceil((keepalive * 2) / 3) }),
      ...(compression !== undefined && { 'grpc.default_compression_algorithm': compressionAlgorithms[compression] }),
      // As it is called, and certified, wherever it is.
      ...(at !== undefined && { 'grpc.default_authority': `${host}:${port}`, 'grpc.ssl_target_name_override': host }),
      ...(tls?.serverName !== undefined && { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName }),
    }
    const alive = async (): Promise<boolean> =>
      (await Promise.all([inTime(this.#question()), isAlive(at ?? host, port, tls !== undefined, HELLO)])).includes(true)
    this.#liveness = new Liveness(
      () => this.#heard,
      alive,
      () => this.#lose(),
    )
    this.#make = () => {
      const credentials = credentialsOf(this.#tls)
      this.#handshakes = new Handshakes(credentials)
      return new Client(targetOf(place), credentials, options)
    }
    this.#tlsNow = tls && isInFiles(tls) ? tlsNow(tls, place.address, settings.logger) : undefined
    this.#tls = tls
    if (this.#tlsNow === undefined) this.#anew()
  }

  /** What comes next connects anew. The old one ends with the calls that are on it. */
  #anew(): void {
    this.#letGo()
    this.#client = this.#make()
    this.#channel = this.#client.getChannel()
  }

  /** What calls are made by: ask each time. */
  get client(): Client {
    return this.#client!
  }

  /** Whether a connection stands. */
  get isReady(): boolean {
    return this.#state() === State.READY
  }

  /**
   * Resolves when a connection stands; who asks meanwhile waits for the same.
   * @throws ConnectionError that says why none does; the reason of the scope, when it is told to stop
   */
  ready(scope: Pick<Scope, 'watch'>): Promise<void> {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    const connecting = this.#connecting
    return new Promise((resolve, reject) => {
      const unwatch = scope.watch(reject)
      connecting.then(resolve, reject).finally(unwatch)
    })
  }

  #opened(channel: ChannelInterface): Events['connection'] {
    const { address } = this.#place
    channel.watchConnectivityState(State.READY, Infinity, () => publish('connection', () => ({ side: 'client', address, state: 'closed' })))
    return { side: 'client', address, state: 'open' }
  }

  /** Connects if it does not yet. A closed channel must not be asked: it would connect again. */
  #state(): State {
    if (this.#closed) return State.SHUTDOWN
    return this.#channel?.getConnectivityState(true) ?? State.IDLE
  }

  async #connect(): Promise<void> {
    const until = now() + this.#patience
    if (this.#tlsNow !== undefined) {
      const tls = await this.#tlsNow()
      // What was renewed is for connections to come, as this one.
      if (!this.#closed && (this.#client === undefined || tls !== this.#tls)) {
        this.#tls = tls
        this.#anew()
      }
    }
    let anew = false
    for (;;) {
      const state = this.#state()
      if (state === State.READY) {
        this.#fresh = this.#heard
        this.#handshakes?.clear()
        publish('connection', () => this.#opened(this.#channel!))
        return
      }
      if (state === State.TRANSIENT_FAILURE) {
        const fault = await probe({ ...this.#place, tls: this.#tls }, Math.max(1, until - now()))
        if (fault !== undefined) throw fault
        // It is there again, and grpc-js would not ask for seconds yet.
        if (!anew && this.#state() === State.TRANSIENT_FAILURE) {
          anew = true
          this.#anew()
          continue
        }
      }
      // Whoever waited was told by whoever closed it.
      if (state === State.SHUTDOWN) return
      await this.#change(state, until)
      if (now() < until || this.isReady) continue
      // Whoever accepts connections and says nothing would keep the process alive.
      if (!this.#closed) this.#anew()
      throw new ConnectionError('ERR_UNREACHABLE', this.#place.address, `nobody answers there within ${this.#patience} ms (connectTimeout)`)
    }
  }

  /**
   * To be called when a call begins. Servers of gRPC's C core, such as Jina's, take more than two pings without anything else for an
   * abuse, and hang up; so a long wait is interrupted by a question that they answer. @returns notes the call's end
   */
  enter(gone: () => void): () => void {
    this.#users++
    const leave = this.#calls.enter(gone)
    if (this.#keepalive > 0) this.#liveness.enter()
    if (this.#keepalive > 0 && this.#nudging === undefined) {
      this.#nudging = setInterval(() => this.#nudge(), this.#keepalive * 2)
      this.#nudging.unref?.()
    }
    return () => {
      if (!leave()) return
      if (this.#keepalive > 0) this.#liveness.leave()
      if (--this.#users > 0) return
      clearInterval(this.#nudging)
      this.#nudging = undefined
    }
  }

  /** Something came on a call. */
  heard(): void {
    this.#heard++
  }

  /** Asked when a call begins, tells when it failed whether it crossed with the end of a connection that had been used before. */
  crossing(): () => boolean {
    const heard = this.#heard
    const start = now()
    return () => heard > this.#fresh && heard === this.#heard && hasCrossed(start)
  }

  /** Resolves when anything is answered on this connection. Not by a ping: servers of gRPC's C core would take so many for an abuse. */
  #question(): Promise<void> {
    const same = (bytes: Buffer): Buffer => bytes
    return new Promise((resolve) => {
      const options = { deadline: onWall(now() + QUESTION) } as CallOptions
      this.client.makeUnaryRequest(METHODS.check, same, same, Buffer.alloc(0), options, (error) => {
        if (error?.code !== Code.DEADLINE_EXCEEDED && error?.code !== Code.UNAVAILABLE) resolve()
      })
    })
  }

  /** Nobody is there any more: whoever waits hears of it, and what comes next connects anew. */
  #lose(): void {
    for (const gone of this.#calls) gone()
    if (!this.#closed) this.#anew()
  }

  #nudge(): void {
    const same = (bytes: Buffer): Buffer => bytes
    this.client.makeUnaryRequest(METHODS.check, same, same, Buffer.alloc(0), { deadline: onWall(now() + this.#keepalive) } as CallOptions, () => {})
  }

  #change(from: State, until: number): Promise<void> {
    return new Promise((resolve) => this.#channel!.watchConnectivityState(from, onWall(until), () => resolve()))
  }

  close(): void {
    this.#liveness.close()
    clearInterval(this.#nudging)
    this.#nudging = undefined
    this.#closed = true
    this.#letGo()
  }

  #letGo(): void {
    if (this.#client === undefined) return
    if (this.#channel!.getConnectivityState(false) !== State.READY) this.#handshakes!.end()
    closeWhenStill(this.#client, now() + this.#patience)
  }
}

/** Sockets that stand, and on which nothing is agreed yet: grpc-js knows no end of a handshake, nor lets go of one when it is closed. */
class Handshakes {
  readonly #sockets = new Set<Socket>()
  #over = false

  /** Has them noted of all that connects with these. */
  constructor(credentials: ChannelCredentials) {
    const create = credentials._createSecureConnector
    credentials._createSecureConnector = (...target) => {
      const connector = create.apply(credentials, target)
      const { connect } = connector
      connector.connect = (socket) => {
        this.#add(socket)
        return connect.call(connector, socket)
      }
      return connector
    }
  }

  #add(socket: Socket): void {
    // Nobody else listens until there is a session.
    socket.on('error', ignore).once('close', () => this.#sockets.delete(socket))
    this.#sockets.add(socket)
    if (this.#over) this.end()
  }

  /** One has become a connection. */
  clear(): void {
    this.#sockets.clear()
  }

  end(): void {
    this.#over = true
    for (const socket of this.#sockets) socket.destroy(new Error('nothing was agreed in time'))
  }
}

/** grpc-js forgets a socket that connects while it is closed, and connects again when it is closed in the very moment it is ready. */
function closeWhenStill(client: Client, until: number): void {
  const channel = client.getChannel()
  const state = channel.getConnectivityState(false)
  if (state !== State.CONNECTING || now() >= until) client.close()
  else channel.watchConnectivityState(state, onWall(until), () => nextTurn(() => closeWhenStill(client, until)))
}

/** As grpc-js writes it: a name is looked up again when its connection is lost. */
function targetOf({ host, port, at }: Place): string {
  if (at !== undefined) return at.includes(':') ? `ipv6:[${at}]:${port}` : `ipv4:${at}:${port}`
  return `dns:${host.includes(':') ? `[${host}]` : host}:${port}`
}

function credentialsOf(tls: ClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure()
  const bytes = (pem: string | Uint8Array | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem))
  try {
    return ChannelCredentials.createSsl(bytes(tls.ca), bytes(tls.key), bytes(tls.cert))
  } catch (cause) {
    throw optionRange('tls', `certificates and keys as texts in PEM, a key always with its cert (${say(cause)})`, tls)
  }
}
