import { ExecutorError, FlowBuildError, say, show } from './errors.js'
import { Executor, type ExecutorFunction, executorOf } from './executor.js'
import type { AddOptions, ExecutorClass, FlowOptions, Plan } from './flow-options.js'
import type { Background } from './graph/background.js'
import { node } from './host.js'
import type { Part } from './lifecycle.js'
import type { Handler } from './peer.js'

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
  const options = await resolved(step)
  const { parallel = options.replicas ?? options.shards ?? 1, concurrency = Infinity } = options
  const executors = Array.from({ length: parallel }, (_, shardId) => instance(name, shardId, options, flow))
  let peer: Handler = executors[0]!
  const parts: Part[] = [...executors]
  const several = parallel > 1 || concurrency !== Infinity
  if (several) {
    const { Replicas } = await import('./graph/replicas.js')
    peer = new Replicas(executors, { name, concurrency, polling: options.polling, background })
  }
  if (options.timeout !== undefined || options.retries !== undefined || options.signal !== undefined) {
    const { Patient } = await import('./graph/patient.js')
    const patient = new Patient(name, peer, options, several)
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

type Resolved = AddOptions & { uses: ExecutorClass | ExecutorFunction }

/** The options, with the class or function in `uses`, wherever it came from. */
async function resolved({ name, options }: Plan['steps'][number]): Promise<Resolved> {
  const { uses = passThrough } = options
  if (typeof uses === 'function') return { ...options, uses }
  const { resolveUses } = await import('./config/resolve.js')
  return (await resolveUses(name, options)) as Resolved
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
