import type { ChildProcess } from 'node:child_process'
import { now, setTimeout } from '../base/clock.js'
import { FlowBuildError, optionRange, say, show } from '../base/errors.js'
import { node } from '../base/node.js'
import { isAway, isBusy } from '../base/retry-policy.js'
import type { AddOptions, FlowOptions, Plan } from '../flow/options.js'
import type { Request } from '../request/request.js'
import { whileWanted } from '../stream/all-or-none.js'
import { Numbered } from '../stream/numbered.js'
import { Scope } from '../stream/scope.js'
import { ignore } from '../stream/thenable.js'
import type { Docarray } from '../wire/docarray.js'
import type { Calls } from '../wire/grpc/client/calls.js'
import type { GrpcConnection } from '../wire/grpc/client/connection.js'
import { type Container, imageOf, PORT, type Run, runOf } from './docker.js'
import { type Engine, engineFor, OWNER } from './engine.js'
import { HUNG_UP } from './host.js'
import { keep, owner, removeOrphans } from './keeper.js'
import { Named } from './named.js'
import { isImage, READY } from './options.js'
import { handOn, Tail } from './output.js'
import type { Start } from './place.js'
import type { WorkerDescription } from './spec.js'
import { supervised } from './supervised.js'
import type { Begin, LifeEvents, Sent, Worker, WorkerEnd } from './worker-life.js'

/** Milliseconds between looks whether it runs, and whether it takes requests. An image may have to be brought first: looks become rarer then. */
const LOOK = 50
const RAREST = 500
/** Milliseconds before the first look whether it runs: none begins sooner, and each look is a process. */
const FIRST = 150
/** Milliseconds after a connection broke off in which a container answers again, or the engine says that it has ended: which takes it seconds on a busy machine. */
const GONE = 10_000
/** Milliseconds to connect; nobody is far away. */
const CONNECT = 5000
/** Seconds that a container has to end when it is told to: who closes it counts the time itself. */
const STOP = 86_400

/** When an image is brought. */
const PULLS: readonly string[] = ['missing', 'always', 'never']

/** Which of a container's networks have nothing of its own that could be reached from here. */
const NO_NETWORK = /^(?:none$|container:)/

/**
 * Containers of docker or podman, whose image serves one executor by gRPC, as `sluice executor` does, and Jina's images. Each is spoken with as an executor elsewhere is,
 * and has a supervisor as threads and processes have.
 * @throws FlowBuildError (`ERR_USES_INVALID`) for what names no image, and cannot be said to a container; ExecutorError (`ERR_EXECUTOR_OPEN`) with the end of its log
 */
export const start: Start = async (step, flow, _, scope) => {
  // A package that names its image may have to be fetched first.
  const begin = await whileWanted(scope, begins(step, flow))
  const { replicas, ...started } = await supervised(step, flow, scope, 'container', begin)
  return started
}

/**
 * How its containers begin, each by its number.
 * @param labels beside those that say whose they are
 * @throws as {@link start} does, of what is said of it, and of the engine
 */
export async function begins(
  { name, options }: Pick<Plan['steps'][number], 'name' | 'options'>,
  flow: FlowOptions,
  labels: Readonly<Record<string, string>> = {},
): Promise<(shardId: number) => Begin> {
  const image = await imageFor(name, options)
  checkContainer(name, options)
  const engine = await engineFor(name)
  // Nobody waits for it.
  void removeOrphans(engine)
  return (shardId) => {
    const make = async (hostPort: number | undefined, containerName: string): Promise<Run> => {
      const own = { ...labels, [OWNER]: await owner(), 'sluice.executor': name, 'sluice.replica': String(shardId) }
      return run({ image, executor: name, name: containerName, labels: own, hostPort, isPodman: engine.isPodman, options }, shardId, flow)
    }
    return (events) => new ContainerWorker(engine, make, { name, shardId, options, docarray: flow.docarray }, events)
  }
}

/** Which image it is, by its own name or that of a package. */
async function imageFor(name: string, { uses }: AddOptions): Promise<string> {
  if (typeof uses === 'string' && isImage(uses)) return imageOf(name, uses)
  if (typeof uses === 'string' && uses.startsWith('npm:')) return imageOf(name, await (await import('../config/resolve.js')).resolveImage(name, uses))
  throw new FlowBuildError(
    'ERR_USES_INVALID',
    `${name} runs in a container, and uses ${show(uses)}, which is no image. Put it into one (docs/places.md shows how), and write uses: 'docker://name-of-the-image', or take another runtime`,
  )
}

/** @throws FlowBuildError (`ERR_USES_INVALID`) for what would do nothing, or could not be reached; OptionRangeError (`ERR_OPTION_RANGE`) */
export function checkContainer(name: string, { usesMetas, usesRequests, network = '', pull = 'missing' }: AddOptions): void {
  const refuse = (reason: string): FlowBuildError => new FlowBuildError('ERR_USES_INVALID', `${name} ${reason}`)
  const [idle] = Object.entries({ usesMetas, usesRequests }).flatMap(([option, given]) => (given === undefined ? [] : [option]))
  if (idle !== undefined) throw refuse(`runs in a container, where ${idle} would do nothing: its image says that itself. Take ${idle} out`)
  if (!PULLS.includes(pull)) throw optionRange('pull', `one of ${PULLS.join(', ')}`, pull)
  if (NO_NETWORK.test(network))
    throw refuse(`has network: ${show(network)}, in which nobody could reach it. Name a network of the engine's, 'host', or take it out`)
}

async function run(container: Omit<Container, 'env' | 'workspace'> & { readonly options: AddOptions }, shardId: number, flow: FlowOptions): Promise<Run> {
  const [{ join, resolve }, { mkdir }] = await Promise.all([node('path'), node('fs/promises')])
  const { executor, options } = container
  const base = options.workspace ?? flow.workspace
  const workspace = base === undefined ? undefined : resolve(join(base, executor, String(shardId)))
  if (workspace !== undefined) await mkdir(workspace, { recursive: true })
  return runOf({ ...container, env: { ...flow.env, ...options.env }, workspace }, resolve)
}

interface ContainerSettings {
  readonly name: string
  readonly shardId: number
  readonly options: AddOptions
  readonly docarray: Docarray | undefined
}

/** What the engine knows of a container. */
interface State {
  readonly Running?: boolean
  readonly OOMKilled?: boolean
  readonly ExitCode?: number
  readonly Status?: string
}

/** What docker and podman say of one that did not come to run. */
const NOT_BEGUN: readonly string[] = ['created', 'configured', 'initialized']

/** One container, from its begin to its end. */
class ContainerWorker implements Worker {
  readonly calls = new Numbered<Sent>()
  /** Who serves it has its own bounds. */
  readonly hasRoom = true
  readonly #engine: Engine
  readonly #command: (hostPort: number | undefined, name: string) => Promise<Run>
  readonly #settings: ContainerSettings
  readonly #events: LifeEvents
  readonly #scope = new Scope()
  /** What the engine calls it. */
  readonly #name: string
  #child: ChildProcess | undefined
  #wire: { readonly calls: Calls; readonly connection: GrpcConnection; readonly named: Named } | undefined
  readonly #tail = new Tail()
  #killed: string | undefined
  #over = false
  #release: (() => void) | undefined
  #holds = true
  #looking: Promise<boolean> | undefined

  constructor(engine: Engine, command: (hostPort: number | undefined, name: string) => Promise<Run>, settings: ContainerSettings, events: LifeEvents) {
    this.#engine = engine
    this.#command = command
    this.#settings = settings
    this.#events = events
    this.#name = `sluice-${settings.name}-${settings.shardId}-${crypto.randomUUID().slice(0, 8)}`
  }

  async make(): Promise<WorkerDescription> {
    const { network } = this.#settings.options
    const hostPort = network === 'host' ? await freePort() : undefined
    const { args, env } = await this.#command(hostPort, this.#name)
    if (this.#over) return never()
    this.#start(args, env)
    await this.#connect(hostPort ?? (await this.#published()))
    const { endpointsOf } = await import('../wire/grpc/client/serving.js')
    return { endpoints: await endpointsOf(this.#wire!.calls, this.#scope), metas: {}, schemas: {} }
  }

  /** It is open when it takes requests. */
  async open(): Promise<void> {}

  /** What it is told by docker stop, it does by itself: it ends what is under way, and closes its executor. */
  close(): Promise<unknown> {
    return this.#engine.ask('stop', '-t', String(STOP), this.#name)
  }

  send(sent: Sent): void {
    if (this.calls.size === 0) this.hold(true)
    sent.call = this.calls.add(sent)
    void this.#ask(sent)
  }

  /** Whoever asks over gRPC listens to the scope of the request itself. */
  abort(): void {}

  kill(how?: string): void {
    if (this.#killed === undefined) this.#killed = how ?? 'was ended'
    const child = this.#child
    if (child === undefined) void this.#end(null, null)
    else child.kill('SIGKILL')
  }

  hold(holds: boolean): void {
    this.#holds = holds
    const child = this.#child
    if (child === undefined) return
    for (const one of [child, child.stdout, child.stderr] as ({ ref?(): void; unref?(): void } | undefined)[]) holds ? one?.ref?.() : one?.unref?.()
  }

  // ── begin and end ──────────────────────────────────────────────────────────────────────────────────────

  #start(args: readonly string[], env: Readonly<Record<string, string>>): void {
    const { name, shardId, options } = this.#settings
    const child = this.#engine.start(args, env, options.dockerArgs !== undefined)
    this.#child = child
    child.on('error', (error) => {
      this.#tail.keep(Buffer.from(say(error)))
      if (child.pid === undefined) void this.#end(null, null)
    })
    // Without a file handle there are no pipes, and the error comes in the next turn.
    if ((child.stdio as unknown) === undefined) return
    const prefix = options.prefixOutput ? `[${name}/${shardId}] ` : undefined
    handOn(child.stdout!, process.stdout, prefix)
    handOn(child.stderr!, process.stderr, prefix)
    for (const output of [child.stdout!, child.stderr!]) output.on('data', (bytes: Uint8Array) => this.#tail.keep(bytes))
    // After all its output: what it said comes first.
    child.on('close', (code, signal) => void this.#end(code, signal))
    if (child.pid !== undefined)
      keep(this.#engine, child.pid).then((release) => {
        this.#release = release
        if (this.#over) release()
      }, ignore)
    this.hold(this.#holds)
  }

  /** It runs no more, or is not to. */
  async #end(code: number | null, signal: string | null): Promise<void> {
    if (this.#over) return
    this.#over = true
    this.#scope.abort(new Error('the container has ended'))
    let state: State | undefined
    if (this.#child !== undefined) {
      state = await this.#state()
      const removed = await this.#engine.remove(this.#name)
      // Who was told to make it may still be about to.
      if (state === undefined && removed.code === 0) setTimeout(() => void this.#engine.remove(this.#name), HUNG_UP).unref?.()
    }
    this.#wire?.connection.close(new Error('the container has ended'))
    this.#release?.()
    this.#events.end(this.#endOf(code, signal, state))
  }

  async #state(): Promise<State | undefined> {
    const { code, out } = await this.#engine.ask('inspect', '--type', 'container', '--format', '{{json .State}}', this.#name)
    try {
      return code === 0 ? (JSON.parse(out) as State) : undefined
    } catch {
      return undefined
    }
  }

  #endOf(code: number | null, signal: string | null, state: State | undefined): WorkerEnd {
    const log = this.#tail.text
    const exitCode = state?.ExitCode ?? code ?? undefined
    const at = { exitCode, ...(log !== '' && { log }) }
    if (this.#killed !== undefined) return { ...at, how: this.#killed }
    if (state === undefined || NOT_BEGUN.includes(state.Status ?? '')) return { ...at, how: 'could not be started' }
    if (state.OOMKilled && exitCode !== 0) return { ...at, how: 'ran out of memory' }
    if (state.Running) return { ...at, how: `was let go of: docker ended with ${signal ?? code}` }
    if (exitCode === 137) {
      // Podman does not say so on every machine.
      const perhaps = this.#engine.isPodman && this.#settings.options.memory !== undefined ? ', perhaps as it ran out of memory' : ''
      return { ...at, signal: 'SIGKILL', how: `was ended by SIGKILL${perhaps}` }
    }
    return { ...at, how: `ended with exit code ${exitCode}` }
  }

  // ── the way there ──────────────────────────────────────────────────────────────────────────────────────

  /** The port of this machine, once it runs. */
  async #published(): Promise<number> {
    await pause(FIRST)
    for (let wait = LOOK; !this.#over; wait = Math.min(RAREST, wait * 1.2)) {
      const { code, out } = await this.#engine.ask('port', this.#name, `${PORT}/tcp`)
      const port = /:(\d+)\s*$/m.exec(out)
      if (code === 0 && port !== null) return Number(port[1])
      await pause(wait)
    }
    return never()
  }

  /** Waits until it takes requests. */
  async #connect(port: number): Promise<void> {
    const [{ Calls }, { GrpcConnection }, { placeOf }, { clientSettings }, { isServing }] = await Promise.all([
      import('../wire/grpc/client/calls.js'),
      import('../wire/grpc/client/connection.js'),
      import('../wire/grpc/client/address.js'),
      import('../wire/grpc/options.js'),
      import('../wire/grpc/client/serving.js'),
    ])
    const { name, options, docarray } = this.#settings
    const { readyTimeout = READY } = options
    // That it is silent says nothing of it: it may compute. That it is gone, the engine says.
    const calls = new Calls(placeOf(`grpc://127.0.0.1:${port}`, undefined), clientSettings({ docarray, keepalive: 0, connectTimeout: CONNECT }))
    const connection = new GrpcConnection(calls)
    this.#wire = { calls, connection, named: new Named(name, connection) }
    const until = now() + readyTimeout
    let last: unknown
    while (!this.#over) {
      try {
        if (await isServing(calls, this.#scope)) return
        last = undefined
      } catch (error) {
        last = error
      }
      if (now() >= until) {
        this.kill(`took no requests within ${readyTimeout} ms (readyTimeout)${last === undefined ? ': its health service says NOT_SERVING' : `: ${say(last)}`}`)
        break
      }
      await pause(LOOK)
    }
    return never()
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────

  async #ask(sent: Sent): Promise<void> {
    const { request } = sent
    try {
      await this.#handle(request, sent)
    } catch (error) {
      // Whoever is gone has answered nothing; that it is, the engine says in a moment.
      if (this.#over || (isAway(error) && !isBusy(error) && !request.scope.aborted && !(await this.#lives()))) return
      return this.#leave(sent, () => sent.reject(error))
    }
    if (!this.#over) this.#leave(sent, sent.resolve)
  }

  async #handle(request: Request, sent: Sent): Promise<void> {
    const { emit } = request
    if (emit !== undefined)
      request.emit = (part) => {
        sent.parted = true
        return emit(part)
      }
    try {
      await this.#wire!.named.handle(request)
    } finally {
      request.emit = emit
    }
  }

  #leave(sent: Sent, settle: () => void): void {
    if (!this.calls.delete(sent.call)) return
    if (this.calls.size === 0) this.hold(false)
    this.#events.answered(sent)
    settle()
    this.#events.ready()
  }

  /** Whether somebody is there, after a connection that broke off. One that lives on and does not answer has hung up, and is ended. */
  #lives(): Promise<boolean> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(): Promise<boolean> {
    const { isServing } = await import('../wire/grpc/client/serving.js')
    const until = now() + GONE
    while (!this.#over) {
      try {
        await isServing(this.#wire!.calls, this.#scope)
        if (!this.#over) return true
      } catch {
        // Not yet, or not any more.
      }
      if (now() >= until) this.kill('hung up')
      await pause(LOOK)
    }
    return false
  }
}

/** A port of this machine that nobody listens at. */
async function freePort(): Promise<number> {
  const { createServer } = await node('net')
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** What waits for the end of a container hears of it from its supervisor. */
function never(): Promise<never> {
  return new Promise(() => {})
}
