import { FlowBuildError, show } from '../base/errors.js'
import { runsOn } from '../base/runs-on.js'
import { type AddOptions, ELSEWHERE_RULES, type FlowOptions, PLACE_RULES, type Plan, type Runtime } from '../flow/options.js'
import { LEAST_HEAP } from './heap.js'

/** Where an executor of a Flow runs. What has no `uses` has nothing to run elsewhere, unless it says so itself; an image runs in a container. */
export function runtimeOf({ runtime, external, uses }: Pick<AddOptions, 'runtime' | 'external' | 'uses'>, flow: Pick<FlowOptions, 'runtime'>): Runtime {
  return external ? 'external' : (runtime ?? (uses === undefined ? 'inline' : isImage(uses) ? 'container' : (flow.runtime ?? 'inline')))
}

/** Whether it names an image. */
export function isImage(uses: unknown): boolean {
  return typeof uses === 'string' && /^docker:/i.test(uses)
}

/** How often a worker may die of, or beside, one request where nobody said so. */
export const MAX_DEATHS = 3

/** Milliseconds in which a thread, process or container takes requests where nobody said so: models are large. */
export const READY = 120_000

/** What one elsewhere is told as those are that a Flow begins: for how long one waits for it, and how often it may die of one request. */
export const WAITED_FOR = ['readyTimeout', 'maxDeaths'] as const

/** What only a Flow that runs an executor can do for it. */
export const ONLY_HERE = [
  ...(['uses', 'usesWith', 'usesMetas', 'usesRequests', 'parallel', 'replicas', 'shards', 'workspace', 'env'] as const),
  ...(Object.keys(PLACE_RULES) as (keyof typeof PLACE_RULES)[]).filter(
    (name): name is Exclude<typeof name, (typeof WAITED_FOR)[number]> => !(WAITED_FOR as readonly string[]).includes(name),
  ),
] as const

/** What only an executor elsewhere can be told: where it is, and how it is spoken to. */
export const ONLY_ELSEWHERE = Object.keys(ELSEWHERE_RULES) as (keyof typeof ELSEWHERE_RULES)[]

/** Of these, how a daemon is spoken to. */
export const FOR_DAEMON: readonly string[] = ['host', 'port', 'tls', 'token', 'tokenFile', 'headers', 'connectTimeout']
/** What only containers can be told. */
export const ONLY_CONTAINERS = ['volumes', 'gpus', 'network', 'user', 'args', 'pull', 'entrypoint', 'dockerArgs'] as const

/** A volume, with its folder or file of this machine as `at` has it. One of the engine's stays as it is. */
export function volumeAt(volume: string, at: (path: string) => string): string {
  // A drive of Windows is a part of the path.
  const [, source = '', rest = ''] = /^((?:[a-z]:(?=[\\/]))?[^:]*)(.*)$/is.exec(volume) ?? []
  return /[\\/]|^\.{1,2}$/.test(source) ? `${at(source)}${rest}` : volume
}

/** What means something in each place, of what not every place knows. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  inline: [],
  thread: ['memory', 'unresponsiveAfter', 'prefixOutput', ...WAITED_FOR],
  process: ['memory', 'inheritEnv', 'unresponsiveAfter', 'prefixOutput', ...WAITED_FOR],
  daemon: ['memory', 'unresponsiveAfter', 'uploadFiles', 'lease', ...WAITED_FOR],
  container: ['memory', 'cpus', 'prefixOutput', ...WAITED_FOR, ...ONLY_CONTAINERS],
}
/** The same of containers that a daemon begins. */
const KNOWN_THERE: readonly string[] = ['memory', 'cpus', 'uploadFiles', 'lease', ...WAITED_FOR, ...ONLY_CONTAINERS]

/** Why what one place knows means nothing in another. */
const WHY: Readonly<Record<string, string>> = {
  cpus: 'takes what the machine gives, so cpus would do nothing. Say by parallel how many of them work at once',
  inheritEnv: 'has an environment of its own or this process’s, so inheritEnv would do nothing. Give env what it needs',
  unresponsiveAfter: 'is not looked into, so unresponsiveAfter would do nothing. Give attemptTimeout, or a health check to who runs containers',
  uploadFiles: 'reads the files of this machine, so uploadFiles would do nothing',
  lease: 'ends with this process, so lease would do nothing',
}

/** The same of what a daemon runs. */
const WHY_NOT_THERE: Readonly<Record<string, string>> = {
  cpus: 'takes what its machine gives, so cpus would do nothing. Say by parallel how many of them work at once',
  inheritEnv: 'has the environment of another machine. Say what it needs by env, and take inheritEnv out',
  prefixOutput: 'writes where its daemon does, which puts its name in front of each line, so prefixOutput would do nothing',
}

/** What means nothing in a place where this runs, though it does elsewhere: by runtime, place and option. */
const CANNOT: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>> = {
  bun: {
    thread: { memory: "a thread of Bun, which knows no limit of memory. Take memory out, or runtime: 'container'" },
    process: { memory: "a process of Bun, which knows no limit of memory. Take memory out, or runtime: 'container'" },
  },
  deno: { thread: { memory: "a thread of Deno, which ends without a word when it is out of memory. Take runtime: 'process'" } },
}

/** @throws FlowBuildError (`ERR_USES_INVALID`) for options that would have no effect, as the executor runs elsewhere, or does not; and for places that there are not yet */
export function checkPlace({ name, options }: Plan['steps'][number], flow: FlowOptions): void {
  const refuse = (reason: string): FlowBuildError => new FlowBuildError('ERR_USES_INVALID', `${name} ${reason}`)
  const runtime = runtimeOf(options, flow)
  if (options.external && options.runtime !== undefined && options.runtime !== 'external')
    throw refuse(`is external, and cannot run in a place of runtime: '${options.runtime}' too. Take one of them out`)
  if (runtime === 'external' && !options.external) throw refuse("has runtime: 'external'. Write external: true, with its host or port")
  const isThere = runtime === 'daemon'
  const its = `runs in a ${isImage(options.uses) ? 'container' : 'process'} of its daemon`
  if (isThere && options.host === undefined) throw refuse("has runtime: 'daemon', and no host. Write where its daemon is, such as host: 'https://gpu-box:8000'")
  if (isThere && options.workspace !== undefined)
    throw refuse('has a workspace of its own at its daemon, which is removed when its Flow is gone. Take workspace out')
  const isContained = isImage(options.uses)
  if (isContained && !['container', 'daemon', 'external'].includes(runtime))
    throw refuse(`uses ${show(options.uses)}, an image, which cannot run in a place of runtime: '${runtime}'. Take runtime out`)
  const idle = (options.external ? ONLY_HERE : ONLY_ELSEWHERE).filter((option) => options[option] !== undefined && !(isThere && FOR_DAEMON.includes(option)))
  if (idle.length > 0) {
    const named = idle.join(', ')
    throw refuse(
      options.external
        ? `is external: what runs at its address is configured there, and as often as host and port name it. Take ${named} out`
        : isThere
          ? `${its}, for which ${named} would do nothing. Take ${named} out`
          : `runs here, where ${named} would do nothing. Say external: true if it runs elsewhere, or take ${named} out`,
    )
  }
  if (options.external && options.maxDeaths !== undefined && options.readyTimeout === undefined)
    throw refuse('is external, and not waited for when it dies, so maxDeaths would do nothing. Give readyTimeout beside it, or take it out')
  const known = isThere && isContained ? KNOWN_THERE : KNOWN[runtime]
  const unknown = Object.keys(PLACE_RULES).filter((option) => options[option as keyof typeof PLACE_RULES] !== undefined && !known?.includes(option))
  for (const [option, why] of Object.entries(CANNOT[runsOn ?? '']?.[runtime] ?? {}))
    if (options[option as 'memory'] !== undefined) throw refuse(`runs in ${why}`)
  const isHeap = ['thread', 'process', 'daemon'].includes(runtime) && !isContained
  if (isHeap && bytesOf(options.memory)! < LEAST_HEAP)
    throw refuse(`has memory: ${show(options.memory)}, with which no ${isThere ? 'process' : runtime} begins. Give at least '8m'; a number is bytes`)
  if (known === undefined || unknown.length === 0) return
  const [first] = unknown
  if (isThere) throw refuse(`${its}, which ${WHY_NOT_THERE[first!] ?? (isContained ? WHY[first!] : undefined) ?? `knows no ${first}`}`)
  const forContainers = unknown.filter((option) => (ONLY_CONTAINERS as readonly string[]).includes(option)).join(', ')
  if (forContainers !== '') throw refuse(`runs in no container, so ${forContainers} would do nothing. Say uses: 'docker://…', or take ${forContainers} out`)
  if (runtime !== 'inline' && WHY[first!] !== undefined) throw refuse(`runs in a ${runtime}, which ${WHY[first!]}`)
  throw refuse(`runs in this process, where ${unknown.join(', ')} would do nothing. Say runtime: 'thread' or 'process', or take ${unknown.join(', ')} out`)
}

/** How one thread, process or container of an executor is. */
export interface WorkerStatus {
  readonly executor: string
  /** Which of several it is, from 0. */
  readonly shardId: number
  /**
   * `'starting'`: it never was open. `'up'`: it takes requests. `'restarting'`: it ended, and another takes its place. `'unhealthy'`: it ended five times in a row
   * without one answer, and nobody waits for it; it is begun anew all the same, and up when it opens. `'closed'`.
   */
  readonly state: 'starting' | 'up' | 'restarting' | 'unhealthy' | 'closed'
  /** Why it is not up: how it ended. */
  readonly reason?: string | undefined
}

/** Bytes, of what is said as `512m`. */
export function bytesOf(memory: number | string | undefined): number | undefined {
  if (memory === undefined) return undefined
  const [, count, unit] = /^(\d+)([kmg]?)$/i.exec(String(memory))!
  return Number(count) * 1024 ** ' kmg'.indexOf(unit!.toLowerCase() || ' ')
}
