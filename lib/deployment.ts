import { ExecutorError, FlowBuildError, say, show } from './errors.js'
import { Executor, type ExecutorFunction, executorOf } from './executor.js'
import type { AddOptions, ExecutorClass, FlowOptions, Plan } from './flow-options.js'
import type { Background } from './graph/background.js'
import { node } from './host.js'
import type { Part } from './lifecycle.js'
import type { Handler, Peer } from './peer.js'

/** What stands at a place of the graph. */
export interface Deployment {
  /** Who answers there. */
  readonly peer: Handler
  /** What is opened and closed for it, in this order and backwards. */
  readonly parts: readonly Part[]
}

/**
 * Makes the instances of one executor, and what stands between them and the graph: replicas answer as one, and the controls that
 * were asked for stand around them. From outside: the condition, the batches, time and attempts, the replicas.
 */
export async function deploy(step: Plan['steps'][number], flow: FlowOptions, background: Background): Promise<Deployment> {
  const { name } = step
  const options = step.options.external ? step.options : await resolved(step)
  const peers = options.external ? await clients(step) : instances(step, options as Resolved, flow)
  const { concurrency = Infinity, polling } = options
  let peer: Handler = peers[0]!
  const parts: Part[] = options.external ? [] : [...(peers as Executor[])]
  if (peers.length > 1 || concurrency !== Infinity) {
    const { Replicas } = await import('./graph/replicas.js')
    peer = new Replicas(peers, { concurrency, polling, background })
  }
  if (options.external) {
    const { External } = await import('./graph/external.js')
    const external = new External(name, peer, peers)
    parts.push(external)
    peer = external
  }
  if (options.timeout !== undefined || options.retries !== undefined || options.signal !== undefined) {
    const { Patient } = await import('./graph/patient.js')
    const patient = new Patient(name, peer, options)
    parts.push(patient)
    peer = patient
  }
  if (options.dynamicBatching !== undefined) {
    const { Batched } = await import('./graph/batched.js')
    const batched = new Batched(name, peer, options.dynamicBatching)
    parts.push(batched)
    peer = batched
  }
  if (options.when !== undefined) {
    const [{ Selection }, { predicate }] = await Promise.all([import('./graph/selection.js'), import('./graph/query.js')])
    peer = new Selection(peer, await predicate(name, options.when))
  }
  return { peer, parts }
}

/** A client for each address of an external executor. */
async function clients({ name, options }: Plan['steps'][number]): Promise<Peer[]> {
  const { host, port, protocol, tls, headers, uses } = options
  if (uses !== undefined) throw new FlowBuildError('ERR_USES_INVALID', `${name} is external, so it uses what runs at its address. Take ${show(uses)} out`)
  const hosts = [host ?? []].flat()
  const ports = [port ?? []].flat()
  if (hosts.length === 0 && ports.length === 0) throw new FlowBuildError('ERR_USES_INVALID', `${name} is external, but has neither host nor port`)
  const count = Math.max(hosts.length, ports.length)
  if ((hosts.length > 1 && hosts.length < count) || (ports.length > 1 && ports.length < count))
    throw new FlowBuildError('ERR_USES_INVALID', `${name} has ${hosts.length} hosts and ${ports.length} ports. Give one for all, or one for each`)
  const { Client } = await import('./client/client.js')
  return Array.from({ length: count }, (_, at) => {
    return new Client({ host: hosts[at] ?? hosts[0], port: ports[at] ?? ports[0], protocol, tls, headers })
  })
}

type Resolved = AddOptions & { uses: ExecutorClass | ExecutorFunction }

/** The options, with the class or function in `uses`, wherever it came from. */
async function resolved({ name, options }: Plan['steps'][number]): Promise<Resolved> {
  const { uses = passThrough } = options
  if (typeof uses === 'function') return { ...options, uses }
  const { resolveUses } = await import('./config/resolve.js')
  return (await resolveUses(name, options)) as Resolved
}

function instances({ name }: Plan['steps'][number], options: Resolved, flow: FlowOptions): Executor[] {
  const { parallel = options.replicas ?? options.shards ?? 1 } = options
  return Array.from({ length: parallel }, (_, shardId) => instance(name, shardId, options, flow))
}

function instance(name: string, shardId: number, { uses, usesWith, usesMetas, usesRequests, workspace, env }: Resolved, flow: FlowOptions): Executor {
  const isClass = uses.prototype instanceof Executor || (uses as unknown) === Executor
  if (!isClass && /^class\b/.test(Function.prototype.toString.call(uses))) {
    throw new FlowBuildError('ERR_USES_INVALID', `${name} uses ${show(uses)}, a class that does not extend the Executor of this sluice`)
  }
  const type = isClass ? (uses as ExecutorClass) : executorOf(uses as ExecutorFunction)
  try {
    const executor = new type({
      name,
      shardId,
      config: { ...usesWith },
      metas: usesMetas,
      requests: usesRequests,
      workspace: workspace ?? flow.workspace,
      env: { ...flow.env, ...env },
    })
    if (executor.hasWorkspace) giveFolder(executor)
    return executor
  } catch (cause) {
    throw cause instanceof ExecutorError ? cause : new ExecutorError('ERR_EXECUTOR_OPEN', `${name} could not be made: ${say(cause)}`, { executor: name, cause })
  }
}

/** Its folder is there when it opens. */
function giveFolder(executor: Executor): void {
  const open = executor.open.bind(executor)
  executor.open = async () => {
    await (await node('fs/promises')).mkdir(executor.workspace, { recursive: true })
    await open()
  }
}

/** What an executor without `uses` does. */
function passThrough(): void {}
