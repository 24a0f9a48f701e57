import { integers, string } from '../base/check.js'
import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { ConnectionError, FlowBuildError, isError, say } from '../base/errors.js'
import type { Part } from '../base/lifecycle.js'
import { node } from '../base/node.js'
import { VERSION } from '../base/version.js'
import type { AddOptions, FlowOptions } from '../flow/options.js'
import { whileWanted } from '../stream/all-or-none.js'
import { Scope } from '../stream/scope.js'
import { addressOf, written } from '../wire/address.js'
import { Credentials } from '../wire/credentials.js'
import { CONNECT_TIMEOUT } from '../wire/defaults.js'
import type { Streamed, Transport } from '../wire/http/client/transport.js'
import { readError } from '../wire/port/errors.js'
import { tlsNow } from '../wire/tls.js'
import type { TlsNow } from '../wire/tls-options.js'
import { tokenFrom } from '../wire/tokens.js'
import type { Line } from '../wire/websocket/client/socket.js'
import { moduleOf, startBehind } from './behind.js'
import { ask } from './daemon-client.js'
import { type Begin, type FlowSays, type Granted, LEASE, LEASES, PIECE, pathOf, type Sent, type Wanted } from './daemon-protocol.js'
import { type Host, HUNG_UP, hosts, type Link, type LinkEvents, type WorkerSettings } from './host.js'
import { bytesOf, isImage, ONLY_CONTAINERS } from './options.js'
import type { Start } from './place.js'
import type { ContainerOptions, WorkerSpec } from './spec.js'
import { type Uploads, uploadsOf } from './uploads.js'
import type { WorkerEnd } from './worker-life.js'

/** Milliseconds between tries to find a daemon again, at first and at most. */
const SOONEST = 50
const LATEST = 500
/** Milliseconds in which a daemon has removed what it had of an executor. Engines take their time. */
const END = 2000
const END_CONTAINED = 10_000
/** Bytes of a file that are read at once. */
const BLOCK = 256 << 10

/**
 * Executors in processes or containers of another machine, begun by a daemon there. They are supervised here, as those of this machine are: the daemon only stands between.
 * @throws as `startBehind` does; FlowBuildError (`ERR_USES_INVALID`) for files that are not there; ConnectionError for a daemon that is not to be had, does not let in, or
 * does not take what it is sent
 */
export const start: Start = async (step, flow, names, scope) => {
  let session: Session | undefined
  const { name, options } = step
  if (options.lease !== undefined) integers(...LEASES)('lease', options.lease)
  const isContained = isImage(options.uses)
  if (isContained) {
    ;(await import('./container.js')).checkContainer(name, options)
    ;(await import('./docker.js')).imageOf(name, options.uses as string)
  }
  const kind = `${isContained ? 'container' : 'process'} at ${addressIn(name, options)}`
  const uses = typeof options.uses === 'function' && !hosts.daemon?.takesCode ? await moduleOf(name, options.uses, { kind }) : options.uses
  const uploads = await whileWanted(scope, uploadsOf(name, uses, options))
  const begin = startBehind(async () => {
    session = new Session(name, options, flow, uploads, kind)
    // It is discarded then, which its daemon hears.
    await whileWanted(scope, session.begin())
    return session.host
  })
  try {
    const there = { name, options: { ...options, uses: uploads.uses } }
    const started = await begin({ ...step, ...there }, { ...flow, workspace: undefined }, names, scope)
    return { ...started, options: { ...started.options, uses: options.uses }, parts: [...(session === undefined ? [] : [session]), ...started.parts] }
  } catch (error) {
    await session?.discard()
    throw error
  }
}

/** Where its daemon is. @throws FlowBuildError (`ERR_USES_INVALID`) */
function addressIn(name: string, { host, port, tls, token, tokenFile }: AddOptions): string {
  const refuse = (reason: string): FlowBuildError => new FlowBuildError('ERR_USES_INVALID', `${name} ${reason}`)
  if (typeof host !== 'string' || Array.isArray(port))
    throw refuse("has runtime: 'daemon', and one daemon must run it. Write its host, such as 'https://gpu-box:8000'")
  if (token !== undefined && tokenFile !== undefined) throw refuse('has token and tokenFile. Give one of them')
  const address = addressOf({ host, port: port as number, tls, ...(!host.includes('://') && { protocol: 'http' }) })
  if (address.protocol !== 'http') throw refuse(`has a daemon at ${host}, which is spoken to by http:// or https://`)
  return written(address)
}

/** What is said to a container, of what is said of its executor. */
function containerOf(options: AddOptions): ContainerOptions {
  return Object.fromEntries(
    (['cpus', 'readyTimeout', ...ONLY_CONTAINERS] as const).flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  )
}

/** An executor at a daemon: what is agreed with it, and the ways to its replicas. */
class Session implements Part {
  readonly name: string
  readonly host: Host
  readonly address: string
  readonly lease: number
  /** Ends all waits. */
  readonly life = new Scope()
  readonly tlsNow: TlsNow
  readonly connectTimeout: number
  readonly #id: string = globalThis.crypto.randomUUID()
  readonly #wanted: Wanted
  readonly #uploads: Uploads
  /** Given where it runs in a container. */
  readonly #container: ContainerOptions | undefined
  readonly #credentials: Credentials | undefined
  readonly #headers: Readonly<Record<string, string>>
  readonly #ways = new Map<number, Way>()
  #transport: Transport<Streamed> | undefined
  #asking: Promise<void> | undefined
  /** Whether it is known there, as far as is known here. */
  isKnown = false

  constructor(name: string, options: AddOptions, { logger }: FlowOptions, uploads: Uploads, kind: string) {
    const { lease = LEASE, tls, token, tokenFile, memory, headers = {}, connectTimeout = CONNECT_TIMEOUT } = options
    this.name = name
    this.address = addressIn(name, options)
    this.lease = lease
    this.connectTimeout = connectTimeout
    this.#headers = headers
    this.#uploads = uploads
    this.tlsNow = tlsNow(typeof tls === 'object' ? tls : {}, this.address, logger)
    this.#credentials = Credentials.of(this.address, { token: token ?? (tokenFile === undefined ? undefined : tokenFrom(tokenFile)) })
    const replicas = options.parallel ?? options.replicas ?? options.shards ?? 1
    const image = isImage(uploads.uses) ? (uploads.uses as string).replace(/^docker:\/\//i, '') : undefined
    if (image !== undefined) this.#container = containerOf({ ...options, ...(options.volumes !== undefined && { volumes: uploads.volumes }) })
    this.#wanted = {
      ...{ version: VERSION, name, lease, replicas, folder: uploads.folder },
      ...(memory !== undefined && { memory: bytesOf(memory)! }),
      ...(image !== undefined && { image }),
    }
    const { takesCode } = hosts.daemon ?? {}
    this.host = { kind, takesCode, start: (settings, events) => this.#way(settings.shardId).start(settings, events), write: () => new Uint8Array() }
  }

  /** Has it known there, with its files. @throws ConnectionError */
  async begin(): Promise<void> {
    const [{ serialize }, { nodeTransport }] = await Promise.all([node('v8'), import('../wire/http/client/transport-node.js')])
    const { tlsNow, connectTimeout } = this
    this.#transport = await nodeTransport({ url: new URL(this.address), tls: {}, tlsNow, connectTimeout })
    const { workspace } = await this.#send()
    // What it says of its folder holds for all of its replicas.
    const write: Host['write'] = hosts.daemon?.write ?? serialize
    Object.assign(this.host, { write: (spec: WorkerSpec) => write({ ...spec, workspace, container: this.#container }) })
  }

  async #send(): Promise<Granted> {
    const granted = (await this.#ask(pathOf(this.#id), JSON.stringify(this.#wanted))) as Granted
    let bytes = 0
    for (const [path, file] of this.#uploads.files) {
      const { body, close } = await fileAt(file)
      try {
        await this.#ask(pathOf(this.#id, 'files', ...path.split('/')), body)
      } finally {
        await close()
      }
      bytes += body.length
    }
    await this.#ask(pathOf(this.#id, 'ready'), JSON.stringify({ files: this.#uploads.files.size, bytes } satisfies Sent))
    this.isKnown = true
    return granted
  }

  /** The same once more, where a daemon says that it knows nothing of it. */
  again(): Promise<void> {
    this.#asking ??= this.#send()
      .then(() => {})
      .finally(() => {
        this.#asking = undefined
      })
    return this.#asking
  }

  async headers(): Promise<Record<string, string>> {
    return { ...this.#headers, ...(await this.#credentials?.headers(undefined, this.life)) }
  }

  #way(shardId: number): Way {
    let way = this.#ways.get(shardId)
    if (way === undefined) this.#ways.set(shardId, (way = new Way(this, pathOf(this.#id, 'replicas', shardId))))
    return way
  }

  /** @throws ConnectionError */
  async #ask(path: string, body: string | Streamed, time?: number): Promise<unknown> {
    const { address, life } = this
    const about = `its daemon does not take ${this.name}`
    const headers = await this.headers()
    return ask(this.#transport!, { method: 'POST', headers, body, address, path, about, life, ...(time !== undefined && { time }) })
  }

  open(): void {}

  /** Says there that it is over; who does not hear it, finds out by the lease. */
  async close(): Promise<void> {
    for (const way of this.#ways.values()) way.close()
    if (this.isKnown) await this.#ask(pathOf(this.#id, 'end'), '{}', this.#container === undefined ? END : END_CONTAINED).catch(() => {})
    this.life.abort(new ConnectionError('ERR_UNREACHABLE', this.address, 'the Flow was closed'))
    await this.#transport?.close()
  }

  async discard(): Promise<void> {
    // What was agreed by half is over, too.
    this.isKnown ||= this.#transport !== undefined
    await this.close()
  }
}

/** A file as it goes out, read as it goes. What is added to it meanwhile stays here. */
async function fileAt(path: string): Promise<{ body: Streamed; close(): Promise<void> }> {
  const { open } = await node('fs/promises')
  const handle = await open(path)
  const { size: length } = await handle.stat()
  const read = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < length; ) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(Math.min(BLOCK, length - at)), 0, null, at)
      if (bytesRead === 0) throw new Error(`${path} became shorter as it was sent`)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }
  return { body: { length, read }, close: () => handle.close() }
}

/** A worker that was begun, or is to be once there is a way to it. */
interface Worker {
  readonly begin: Begin
  readonly events: LinkEvents
  /** What is to be sent to it before there is a way. */
  waiting: Uint8Array[] | undefined
  over: boolean
}

/** The way to one replica: a connection that outlives its workers, and is made anew when it breaks. */
class Way {
  readonly #session: Session
  readonly #path: string
  #line: Line | undefined
  #connecting: Promise<Line> | undefined
  #worker: Worker | undefined
  #holds = true
  #closed = false
  /** Since when it breaks, without a word of a worker in between, and how often it has. */
  #brokeAt: number | undefined
  #breaks = 0

  constructor(session: Session, path: string) {
    this.#session = session
    this.#path = path
  }

  start({ env, unresponsiveAfter }: WorkerSettings, events: LinkEvents): Link {
    const worker: Worker = { begin: { env, unresponsiveAfter }, events, waiting: [], over: false }
    this.#worker = worker
    const begun = this.#begin(worker).catch((cause) => this.#end(worker, { how: 'is out of reach', cause, place: 'away' }))
    return {
      begun,
      send: (bytes) => (worker.waiting === undefined ? this.#send(bytes) : worker.waiting.push(bytes)),
      kill: (how = 'was told to end') => this.#kill(worker, how),
      hold: (holds) => {
        this.#holds = holds
        this.#line?.hold(holds)
      },
    }
  }

  close(): void {
    this.#closed = true
    this.#line?.close()
  }

  async #begin(worker: Worker): Promise<void> {
    const line = this.#line ?? (await this.#connected())
    if (worker.over) return
    line.hold(this.#holds)
    line.send(JSON.stringify({ begin: worker.begin } satisfies FlowSays))
    const { waiting } = worker
    worker.waiting = undefined
    for (const bytes of waiting!) this.#send(bytes)
  }

  #send(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PIECE) this.#line?.send(bytes.length <= PIECE ? bytes : bytes.subarray(at, at + PIECE))
  }

  #kill(worker: Worker, how: string): void {
    if (worker.over) return
    // It may not have been begun, and need not be.
    if (worker.waiting !== undefined || this.#line === undefined) return this.#end(worker, { how })
    this.#line.send(JSON.stringify({ kill: how } satisfies FlowSays))
    // Nobody there may hear it.
    setTimeout(() => worker.over || this.#line?.destroy(), HUNG_UP)
  }

  #end(worker: Worker, end: Parameters<LinkEvents['end']>[0]): void {
    if (worker.over) return
    worker.over = true
    worker.events.end(end)
  }

  #connected(): Promise<Line> {
    this.#connecting ??= this.#connect()
      .then((line) => {
        if (this.#closed) line.close()
        return (this.#line = line)
      })
      .finally(() => {
        this.#connecting = undefined
      })
    return this.#connecting
  }

  /** @throws ConnectionError, when nobody is to be found for as long as a lease is; at once, where nobody ever was, or what is wrong does not pass */
  async #connect(): Promise<Line> {
    const { life, lease, isKnown } = this.#session
    let until = isKnown ? now() + lease : 0
    /** Why it was not told once more. */
    let refusal: unknown
    if (this.#breaks > 1) await this.#pause(Math.min(LATEST, SOONEST * 2 ** Math.min(this.#breaks, 10)))
    for (let wait = SOONEST, asked = false; ; wait = Math.min(LATEST, wait * 2)) {
      try {
        return await this.#attempt()
      } catch (error) {
        if (life.aborted || this.#closed) throw error
        const { code, permanent } = isError(error) ? (error as Partial<ConnectionError>) : {}
        if (code === 'ERR_PROTOCOL' && !asked) {
          // A daemon whose lease was over, or with another folder: it is told once more. Of two who do so, one is late, and finds it there.
          refusal = await this.#session.again().then(
            () => undefined,
            (error) => error,
          )
          // To send it all may have taken longer than a lease.
          if (refusal === undefined) until = now() + lease
          asked = refusal === undefined || (refusal as Partial<ConnectionError>).permanent === true
        } else if (permanent) throw refusal ?? error
        if (now() > until) throw refusal ?? error
        await this.#pause(wait)
      }
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(end, milliseconds)
      const unwatch = this.#session.life.watch(end)
      function end(): void {
        clearTimeout(timer)
        unwatch()
        resolve()
      }
    })
  }

  async #attempt(): Promise<Line> {
    const { address, tlsNow, lease, connectTimeout, life } = this.#session
    const { lineOfNode } = await import('../wire/websocket/client/socket-node.js')
    const headers = await this.#session.headers()
    // It is looked for twice: so nothing is given up before a lease is over.
    const keepalive = Math.max(100, lease)
    const options = { address, protocol: undefined, headers, tlsNow, compression: false, maxMessageBytes: 0, keepalive, connectTimeout }
    return new Promise((resolve, reject) => {
      let line: Line | undefined
      let stands = false
      const leave = (reason: unknown): void => {
        reject(reason)
        line?.destroy()
      }
      const timer = setTimeout(() => leave(new ConnectionError('ERR_UNREACHABLE', address, `no connection within ${connectTimeout} ms`)), connectTimeout)
      const unwatch = life.watch(leave)
      const settle = (): void => {
        clearTimeout(timer)
        unwatch()
      }
      lineOfNode(`${address}${this.#path}`.replace(/^http/, 'ws'), options, {
        open: () => {
          settle()
          stands = true
          if (life.aborted || line === undefined) return leave(life.reason)
          resolve(line)
        },
        message: (data) => this.#heard(data),
        closed: (error) => {
          settle()
          if (stands) this.#broke(line!, error)
          else reject(error)
        },
      }).then((made) => {
        line = made
        if (life.aborted) leave(life.reason)
      }, reject)
    })
  }

  #heard(data: Uint8Array | string): void {
    const worker = this.#worker
    if (worker === undefined || worker.over) return
    if (typeof data !== 'string') {
      this.#brokeAt = undefined
      this.#breaks = 0
      return worker.events.receive(data)
    }
    let end: WorkerEnd
    try {
      end = endIn(data)
    } catch (error) {
      this.#end(worker, { how: `has a daemon that says what none says: ${say(error)}`, place: 'broken' })
      this.#line?.destroy()
      return
    }
    this.#end(worker, end)
  }

  #broke(line: Line, cause: ConnectionError): void {
    if (this.#line !== line) return
    this.#line = undefined
    const worker = this.#worker
    const time = now()
    this.#brokeAt ??= time
    this.#breaks++
    // One that stands again and again, and never to any avail, is as good as none.
    const place = time - this.#brokeAt > this.#session.lease ? 'away' : 'broken'
    // One that waits for a way has another coming.
    if (worker !== undefined && worker.waiting === undefined) this.#end(worker, { how: 'was lost with the connection to its daemon', cause, place })
  }
}

/** How a worker ended, as its daemon says it. @throws TypeError or SyntaxError for what none says */
function endIn(text: string): WorkerEnd {
  const { how, exitCode, signal, cause, log } = Object(Object(JSON.parse(text)).ended) as Partial<Record<keyof WorkerEnd, unknown>>
  string('how', how)
  return {
    how: how as string,
    ...(typeof exitCode === 'number' && { exitCode }),
    ...(typeof signal === 'string' && { signal }),
    ...(typeof log === 'string' && { log }),
    ...(cause !== undefined && { cause: readError(cause as never) }),
  }
}
