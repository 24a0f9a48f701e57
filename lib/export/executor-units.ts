import { say, show } from '../base/errors.js'
import { node } from '../base/node.js'
import { resolveImage } from '../config/resolve.js'
import { usesOf } from '../config/save.js'
import { toYaml } from '../config/write.js'
import type { AddOptions, FlowOptions, Plan } from '../flow/options.js'
import { pollingFor } from '../handler/polling.js'
import { imageOf, PORT, volumeOf, WORKSPACE } from '../place/docker.js'
import { bytesOf, isImage, runtimeOf } from '../place/options.js'
import type { ExportOptions } from './options.js'
import { doorOf, type Queue, triggerOf, workFlags } from './queue.js'
import {
  CLOSE,
  COMMAND,
  environmentOf,
  isBroken,
  monitoringPort,
  NOBODY,
  problem,
  READY,
  type Refuse,
  type Surroundings,
  type Unit,
  type UnitPort,
  within,
} from './unit.js'

/** How many there are of one that have to be found one by one, as a request goes to all of them; undefined where it goes to any. */
export function shardsOf({ polling, parallel, replicas, shards }: AddOptions): number | undefined {
  const count = parallel ?? replicas ?? shards ?? 1
  const endpoints = typeof polling === 'object' ? Object.keys(polling) : ['*']
  return count === 1 || endpoints.every((endpoint) => pollingFor(polling, endpoint) === 'ANY') ? undefined : count
}

export function shardName(name: string, shard: number | undefined): string {
  return shard === undefined ? name : `${name}-${shard}`
}

/** The containers of an executor: one kind, or one for each that has to be found by itself. */
export async function executorUnits(
  { name, options: own }: Plan['steps'][number],
  flow: FlowOptions,
  options: ExportOptions,
  around: Surroundings,
  called: string,
  queue: Queue | undefined,
  refuse: Refuse,
  resolve: (path: string) => string,
): Promise<Unit[]> {
  const { uses, parallel = own.replicas ?? own.shards ?? 1, closeTimeout = flow.closeTimeout ?? CLOSE } = own as AddOptions & FlowOptions
  const isForeign = isImage(uses) || (runtimeOf(own, flow) === 'container' && typeof uses === 'string')
  const hasWorkspace = (own.workspace ?? flow.workspace) !== undefined
  const module = isForeign ? '' : await moduleOf(name, own, options, refuse)
  // One thing at a time: what has no module needs no image.
  const image = module === undefined ? '' : await imageFor(name, own, options, isForeign, refuse)
  const [entrypoint, ...before] = [own.entrypoint ?? []].flat()
  const place = ['--host', '0.0.0.0', '--port', String(PORT)]
  const workspace = hasWorkspace ? ['--workspace', WORKSPACE] : []
  const config = own.usesWith === undefined ? [] : ['--uses-with', json(name, own.usesWith, refuse)]
  const numbers = isForeign ? [] : monitoringPort(flow, [PORT])
  const more = isForeign ? [own.args ?? []].flat() : [...flagsOf(name, own, flow, around, refuse), ...telemetryFlags(flow, numbers)]
  /** Its name in a queue: those that all are asked have one each. */
  const queued = (shard: number | undefined): string | undefined => (queue === undefined || isForeign ? undefined : `${queue.flow}/${shardName(name, shard)}`)
  const argsOf = (shard?: number): string[] => {
    const at = queued(shard)
    const number = shard === undefined || isForeign ? [] : ['--shard-id', String(shard)]
    const work = at === undefined ? [] : workFlags(queue!)
    return [...(isForeign ? before : ['executor', module ?? '']), '--name', at ?? name, ...number, ...place, ...work, ...config, ...workspace, ...more]
  }
  const queueAt = (shard?: number): Partial<Unit> => {
    const at = queued(shard)
    return at === undefined ? {} : { queue: `${queue!.server}/${at}`, trigger: triggerOf(queue!, at), ...doorOf(queue) }
  }
  const args = argsOf()
  if (own.dockerArgs !== undefined) refuse(name, 'has dockerArgs, which nobody but docker run understands. Take them out')
  const { env, secrets } = environmentOf(name, { ...flow.env, ...own.env }, options, around, refuse)
  for (const arg of [...args, ...(entrypoint === undefined ? [] : [entrypoint])])
    if (isBroken(arg)) refuse(name, `is to be told ${show(arg)}, which no command line can have`)
  const mounts = [own.volumes ?? []].flat().flatMap((volume) => {
    try {
      return [volumeOf(name, volume, resolve)]
    } catch (error) {
      refuse(name, say(error))
      return []
    }
  })
  if (own.user !== undefined && !/^\d+(?::\d+)?$/.test(own.user))
    refuse(name, `has user ${show(own.user)}. Write it in numbers, such as 1000:1000: nobody but the image knows its names`)
  const unit = {
    executor: name,
    isGateway: false,
    image,
    isForeign,
    entrypoint: isForeign ? (entrypoint === undefined ? undefined : [entrypoint]) : (options.command ?? COMMAND),
    env,
    secrets,
    ...doorOf(undefined),
    ports: [{ name: 'grpc', port: PORT, protocols: ['grpc' as const] }, ...numbers],
    memory: bytesOf(own.memory),
    cpus: own.cpus === Infinity || own.cpus === 0 ? undefined : own.cpus,
    gpus: own.gpus,
    user: own.user ?? NOBODY,
    pull: own.pull,
    mounts,
    hasWorkspace,
    readyTimeout: own.readyTimeout ?? READY,
    closeTimeout,
    drainDelay: around.drainDelay,
  }
  const shards = shardsOf(own)
  if (shards === undefined) return [{ ...unit, ...queueAt(), args, name: called, shard: undefined, count: parallel }]
  return Array.from({ length: shards }, (_, shard) => ({
    ...unit,
    ...queueAt(shard),
    args: argsOf(shard),
    name: shardName(called, shard),
    shard,
    count: 1,
  }))
}

async function imageFor(name: string, { uses }: AddOptions, options: ExportOptions, isForeign: boolean, refuse: Refuse): Promise<string> {
  const given = options.images?.[name]
  if (given !== undefined) return within(given, options)
  try {
    if (isImage(uses)) return within(imageOf(name, uses as string), options)
    if (isForeign) return within(imageOf(name, await resolveImage(name, uses as string)), options)
  } catch (error) {
    refuse(name, `has no image: ${say(error)}`)
    return ''
  }
  if (options.image !== undefined) return within(options.image, options)
  refuse(name, 'has no image. Put sluice and its module into one (docs/deploy.md shows how), and name it by image, or by images')
  return ''
}

/** What `sluice executor` is told to run. */
async function moduleOf(name: string, { uses }: AddOptions, { root }: ExportOptions, refuse: Refuse): Promise<string | undefined> {
  const { resolve } = await node('path')
  try {
    const written = await usesOf(uses, name, { folder: resolve(root ?? '.'), allowOutside: false, file: undefined })
    return typeof written === 'string' ? written : await toYaml(written, true)
  } catch (error) {
    problem(name, error, refuse)
    return undefined
  }
}

/** What an executor is told beside its name, its place and its configuration. */
function flagsOf(name: string, own: AddOptions, flow: FlowOptions, { drainDelay }: Surroundings, refuse: Refuse): string[] {
  const { usesMetas, usesRequests, concurrency, stuckAfter } = own
  const { docarray, maxMessageBytes, maxDocuments, closeTimeout } = flow
  const told: Record<string, unknown> = {
    usesMetas: usesMetas && json(name, usesMetas, refuse),
    usesRequests: usesRequests && json(name, usesRequests, refuse),
    ...{ concurrency: concurrency === Infinity ? undefined : concurrency, stuckAfter, docarray, maxMessageBytes },
    ...{ maxDocuments: maxDocuments === Infinity ? Number.MAX_SAFE_INTEGER : maxDocuments, closeTimeout, drainDelay },
  }
  return flags(told)
}

function flags(told: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(told).flatMap(([option, value]) =>
    value === undefined ? [] : [`--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, String(value)],
  )
}

/** So that what goes on in it is told to whom the Flow tells it. */
function telemetryFlags(flow: FlowOptions, [numbers]: readonly UnitPort[]): string[] {
  const { tracing, tracesExporterHost, tracesExporterPort, metrics, metricsExporterHost, metricsExporterPort } = flow
  const told = { tracesExporterHost, tracesExporterPort, metricsExporterHost, metricsExporterPort }
  return [
    ...(tracing ? ['--tracing'] : []),
    ...(metrics ? ['--metrics'] : []),
    ...(numbers === undefined ? [] : ['--monitoring', '--port-monitoring', String(numbers.port)]),
    ...flags(told),
  ]
}

function json(name: string, value: unknown, refuse: Refuse): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    refuse(name, `has a configuration that is no JSON: ${say(error)}`)
    return ''
  }
}
