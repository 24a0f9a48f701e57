import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import { FlowBuildError, say, show } from '../base/errors.js'
import { isPlainObject } from '../doc/json.js'
import type { Saying } from '../executor/schemas.js'
import type { AddOptions, FlowOptions } from '../flow/options.js'
import { checkEnvironment } from './environment.js'
import { FramedWorker } from './framed-worker.js'
import type { Host } from './host.js'
import { bytesOf, isImage, READY } from './options.js'
import type { Start } from './place.js'
import type { Said, WorkerDescription, WorkerSpec, WrittenSchema } from './spec.js'
import { supervised } from './supervised.js'

/**
 * Begins a worker for each replica, and has it make its executor.
 * @throws FlowBuildError (`ERR_USES_INVALID`) for what cannot go to a worker; what the executor could not be made for, as it was thrown there
 */
export function startBehind(make: () => Promise<Host>): Start {
  return async (step, flow, names, scope) => {
    const { name, options } = step
    const host = await make()
    const spec = await specOf(name, options, flow, host)
    const { memory, inheritEnv = false, unresponsiveAfter, prefixOutput = false } = options
    // Of a container there, the time is counted there: from when it runs.
    const readyTimeout = isImage(options.uses) ? undefined : (options.readyTimeout ?? READY)
    const settings = { name, memory: bytesOf(memory), env: spec.env, inheritEnv, unresponsiveAfter, readyTimeout, prefixOutput }
    const { replicas, ...started } = await supervised(step, flow, scope, host.kind, (shardId, address) => {
      const own = { ...spec, shardId }
      return (events) => new FramedWorker(host, own, { ...settings, shardId }, names, address, events)
    })
    const { description } = replicas[0]!
    const dynamicBatching = options.dynamicBatching ?? description.dynamicBatching
    return { ...started, options: { ...options, ...(dynamicBatching && { dynamicBatching }) }, says: saidBy(description), code: description.code }
  }
}

/** What a worker is told. */
async function specOf(name: string, options: AddOptions, flow: FlowOptions, host: Host): Promise<Omit<WorkerSpec, 'shardId'>> {
  const { usesWith, usesMetas, usesRequests, workspace, input, output } = options
  const uses = typeof options.uses === 'function' && !host.takesCode ? await moduleOf(name, options.uses, host) : options.uses
  const env = { ...flow.env, ...options.env }
  checkEnvironment(name, host.kind, env)
  const spec = {
    name,
    options: { uses, usesWith, usesMetas, usesRequests, workspace } as WorkerSpec['options'],
    env,
    workspace: flow.workspace,
    model: flow.docarray ?? 'v1',
    over: { input: keysOf(input), output: keysOf(output) },
  }
  try {
    host.write({ ...spec, shardId: 0 })
  } catch (cause) {
    throw new FlowBuildError(
      'ERR_USES_INVALID',
      `${name} cannot be told to a ${host.kind}: ${say(cause).replace(/\s+/g, ' ')}. Give usesWith, usesMetas and usesRequests plain data`,
      { cause },
    )
  }
  return spec
}

/** Where a class or function stands that a file named. What was given in code may stand anywhere. */
export async function moduleOf(name: string, code: NonNullable<AddOptions['uses']>, { kind }: Pick<Host, 'kind'>): Promise<string> {
  const origin = (await import('../config/origins.js')).originOf(code as never)
  if (origin !== undefined) return `${origin.file}#${origin.name}`
  throw new FlowBuildError(
    'ERR_USES_INVALID',
    `${name} uses ${show(code)}, which was given in code and cannot go to a ${kind}: what it sees here is not there. Export it from a module, and write uses: './module.js#${(code as { name?: string }).name || 'Name'}' with its path (from the folder that the process runs in), or runtime: 'inline'`,
  )
}

/** Endpoints and keys of which `add()` says schemas. */
function keysOf(said: AddOptions['input'] | AddOptions['output']): Said['input'] {
  if (!isPlainObject(said)) return {}
  const byEndpoint = Object.keys(said).some((key) => key === '*' || key.startsWith('/')) ? (said as Record<string, object>) : { '*': said as object }
  return Object.fromEntries(Object.entries(byEndpoint).map(([endpoint, schemas]) => [endpoint, Object.keys(schemas ?? {})]))
}

/** What a worker's executor says of its documents, for who describes it. It is checked there. */
function saidBy({ schemas }: WorkerDescription): Saying | undefined {
  if (Object.keys(schemas).length === 0) return undefined
  const side = (name: 'input' | 'output'): object =>
    Object.fromEntries(
      Object.entries(schemas).map(([endpoint, said]) => [
        endpoint,
        Object.fromEntries(Object.entries(said[name]).map(([key, schema]) => [key, schemaOf(schema)])),
      ]),
    )
  return { input: side('input'), output: side('output') } as Saying
}

function schemaOf({ input, output }: WrittenSchema): StandardSchemaV1 & StandardJSONSchemaV1 {
  const said = (schema: WrittenSchema['input']): Record<string, unknown> => {
    if (schema === undefined) throw new Error('It cannot be said as JSON Schema')
    return { ...schema }
  }
  return {
    '~standard': {
      version: 1,
      vendor: 'sluice',
      validate: (value: unknown) => ({ value }),
      jsonSchema: { input: () => said(input), output: () => said(output) },
    },
  }
}
