import { ExecutorError, FlowBuildError, say, show } from '../base/errors.js'
import { node } from '../base/node.js'
import { Executor, type ExecutorFunction, executorOf } from '../executor/executor.js'
import type { AddOptions, ExecutorClass, FlowOptions, Plan } from '../flow/options.js'
import { whileWanted } from '../stream/all-or-none.js'
import type { Start } from './place.js'

/**
 * Makes the instances of an executor: one for each replica.
 * @throws ConfigError, FlowBuildError (`ERR_USES_INVALID`) for a class or function that cannot be had; ExecutorError (`ERR_EXECUTOR_OPEN`) for what its
 * constructor throws
 */
export const start: Start = async (step, flow, _, scope) => {
  // Nobody can end what a module does as it is loaded.
  const options = await whileWanted(scope, resolved(step))
  if (!isClass(options.uses)) await checkFunction(step.name, options)
  const { parallel = options.replicas ?? options.shards ?? 1 } = options
  const executors = Array.from({ length: parallel }, (_, shardId) => instance(step.name, shardId, options, flow))
  return { handlers: executors, parts: executors, options }
}

export type Resolved = AddOptions & { uses: ExecutorClass | ExecutorFunction }

/** The options, with the class or function in `uses`, wherever it came from. */
export async function resolved({ name, options }: Pick<Plan['steps'][number], 'name' | 'options'>): Promise<Resolved> {
  const { uses = passThrough } = options
  if (typeof uses === 'function') return { ...options, uses }
  const { resolveUses } = await import('../config/resolve.js')
  return (await resolveUses(name, options)) as Resolved
}

export function isClass(uses: ExecutorClass | ExecutorFunction): uses is ExecutorClass {
  return uses.prototype instanceof Executor || (uses as unknown) === Executor
}

/** A function, or a method, that sees its executor as `this`: those of `each()` do, too. An arrow function does not. */
function hasThis(uses: Resolved['uses']): boolean {
  return /^(async\s+)?\*?\s*(function\b|(?!async\b)[\w$]+\s*\()/.test(Function.prototype.toString.call(uses))
}

/** @throws FlowBuildError (`ERR_USES_INVALID`) for what a function cannot see */
export async function checkFunction(name: string, { uses, usesWith, env, workspace }: Resolved): Promise<void> {
  const idle = Object.entries({ usesWith, env, workspace }).flatMap(([option, given]) => (given === undefined ? [] : [option]))
  if (idle.length === 0 || hasThis(uses)) return
  // A file may say more than what it names can see, as those of Jina do.
  if ((await import('../config/origins.js')).originOf(uses as never) !== undefined) return
  throw new FlowBuildError(
    'ERR_USES_INVALID',
    `${name} is a function that does not see its executor as this: ${idle.join(', ')} would do nothing. Write function (call) { … this.config … }, or a class that extends Executor, or take ${idle.join(', ')} out`,
  )
}

/**
 * One instance.
 * @throws as {@link start} does
 */
export function instance(
  name: string,
  shardId: number,
  { uses, usesWith, usesMetas, usesRequests, workspace, env }: Resolved,
  flow: Pick<FlowOptions, 'env' | 'workspace'>,
): Executor {
  if (!isClass(uses) && /^class\b/.test(Function.prototype.toString.call(uses))) {
    const why =
      'handle' in (uses as unknown as ExecutorClass).prototype
        ? 'extends the Executor of another copy of sluice: a process needs one (npm ls sluice)'
        : 'does not extend the Executor of sluice'
    throw new FlowBuildError('ERR_USES_INVALID', `${name} uses ${show(uses)}, a class that ${why}`)
  }
  const type = isClass(uses) ? uses : executorOf(uses as ExecutorFunction)
  const config = { ...usesWith }
  const all = { ...flow.env, ...env }
  let executor: Executor
  try {
    executor = new type({
      name,
      shardId,
      config,
      ...(usesMetas && { metas: usesMetas }),
      ...(usesRequests && { requests: usesRequests }),
      workspace: workspace ?? flow.workspace,
      env: all,
    })
    // Throws where one is bound to what is not there.
    void executor.endpoints
  } catch (cause) {
    throw cause instanceof ExecutorError ? cause : new ExecutorError('ERR_EXECUTOR_OPEN', `${name} could not be made: ${say(cause)}`, { executor: name, cause })
  }
  if (executor.config !== config && executor.env !== all)
    throw new FlowBuildError(
      'ERR_USES_INVALID',
      `The constructor of ${type.name} did not hand on what it was given, so ${name} has neither its name nor its config. Write constructor(init) { super(init); … }, and read usesWith from this.config`,
    )
  if (executor.hasWorkspace) giveFolder(executor)
  return executor
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
