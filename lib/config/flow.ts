import { FlowBuildError, show } from '../base/errors.js'
import { ADD_RULES, FLOW_RULES, type FlowOptions } from '../flow/options.js'
import type { Step } from '../graph/graph.js'
import { GATEWAY } from '../request/route.js'
import { EXECUTOR_KEYS, STORE_KEYS } from './executor-keys.js'
import { Fields, type Reading } from './fields.js'
import { DEPLOYMENT_KEYS, FLOW_KEYS, GATEWAY_KEYS, INHERITED, ROOT_KEYS } from './flow-keys.js'
import { given } from './given.js'
import { findFile } from './module.js'
import { checkNeeds } from './needs.js'
import { Notices } from './notices.js'
import { type LoadConfigOptions, readingOf } from './reading.js'
import { servingOf } from './serving.js'
import { SERVING_KEYS } from './serving-keys.js'
import { type Source, sourceOf } from './source.js'
import { cacheOf, isDeployment, lower, noteIdle, pollingOf, type ReadStep, retriesOf, stepOf } from './steps.js'
import { modulesOf, type UsesPlace } from './uses.js'

/** What a configuration is built into: a Flow. */
export interface Buildable {
  readonly executors: readonly string[]
  // A Flow's own types depend on what was added before.
  add(options: any): unknown
  needsAll(options: any): unknown
}

/**
 * Reads a Flow from YAML, as Jina 2.x and 3.x write it: see docs/yaml.md.
 *
 *     jtype: Flow
 *     with: { prefetch: 8 }
 *     executors:
 *       - name: tokenize
 *         uses: ./executors.js#Tokenize
 *         uses_with: { stem: true }
 *
 * @param from a path, a `file:` URL, or the YAML itself, told by its line breaks
 * @param make makes the empty Flow
 * @throws ConfigError (`ERR_CONFIG`) that names file, line, column and key
 */
export async function loadFlow<F extends Buildable>(from: string | URL, make: (options: FlowOptions) => F, options: LoadConfigOptions = {}): Promise<F> {
  const source = await sourceOf(from)
  const notices = new Notices(options.onNotice)
  notices.hidden.know(`${source.file ?? ''}\n${source.folder}`)
  const flow = await fromSource(source, notices, make, options).catch((error) => {
    throw notices.hidden.keep(error)
  })
  notices.flush()
  return flow
}

/** @param options with `draft`, it is only checked whether the text can be loaded: no module is run */
export async function fromSource<F extends Buildable>(
  { text, file, folder }: Source,
  notices: Notices,
  make: (options: FlowOptions) => F,
  options: LoadConfigOptions & Pick<UsesPlace, 'draft'>,
): Promise<F> {
  const reading = await readingOf(text, { file }, options, notices)
  const { parsed } = reading
  const value = parsed.value as object
  const tag = typeof value === 'object' && value !== null ? parsed.tag(value) : undefined
  const where: UsesPlace = { ...options, folder, file, notices }
  return tag === 'Deployment' || isDeployment(value) ? ofDeployment(reading, where, make) : ofFlow(reading, tag, where, make)
}

async function ofFlow<F extends Buildable>(reading: Reading, tag: string | undefined, where: UsesPlace, make: (options: FlowOptions) => F): Promise<F> {
  const start = { file: where.file, line: 1, column: 1 }
  const root = new Fields(reading, reading.parsed.value, 'a Flow', ROOT_KEYS, start)
  const type = tag ?? root.get('jtype')
  if (type !== 'Flow' && type !== '!Flow') throw root.error('jtype', `a Flow starts with jtype: Flow${type === undefined ? '' : `, not with ${show(type)}`}`)

  root.version()
  const own = root.fields('with', 'a Flow', FLOW_KEYS)
  const { flowOptions, handedDown } = optionsOf(own)
  const flow = make({ ...flowOptions, ...(await servingOf(own, where.folder)), ...(await gatewayOf(root.fields('gateway', 'a gateway', GATEWAY_KEYS), where)) })

  const { notices } = reading
  const steps: Step[] = []
  const read: ReadStep[] = []
  for (const item of root.list('executors')) {
    const { fields, folder, file } = await describedBy(item.value, item.place, reading, where)
    // Jina writes its gateway into the list too.
    if (fields.get('name') === GATEWAY && fields.get('uses') === undefined) {
      notices.note('an executor called gateway', 'every Flow has its gateway', fields.place('name'))
      continue
    }
    noteIdle(fields)
    const step = await stepOf(fields, { ...where, folder, file }, handedDown)
    add(flow, step, steps)
    read.push(step)
  }
  checkNeeds(flow.executors, steps, read)
  return flow
}

/** What stands under `gateway`, and wins over `with`. */
async function gatewayOf(own: Fields | undefined, { folder }: UsesPlace): Promise<FlowOptions> {
  const { prefetch, timeout } = own?.all ?? {}
  own?.text('name')
  own?.check({ prefetch: FLOW_RULES.prefetch, timeout: (name, value) => value === -1 || FLOW_RULES.timeout(name, value) })
  return {
    ...given('prefetch', prefetch as number | undefined),
    ...given('timeout', timeout === -1 ? undefined : (timeout as number | undefined)),
    ...(await servingOf(own, folder)),
  }
}

/** A file of one executor is a Flow of one executor, served at the executor's own port. */
async function ofDeployment<F extends Buildable>(reading: Reading, where: UsesPlace, make: (options: FlowOptions) => F): Promise<F> {
  const fields = deployment(reading, reading.parsed.value, { file: where.file, line: 1, column: 1 })
  const step = await stepOf(fields, where, {})
  const flow = make(fields.get('external') === true ? {} : await servingOf(fields, where.folder))
  add(flow, step, [])
  return flow
}

function deployment(reading: Reading, value: unknown, place: object): Fields {
  const root = new Fields(reading, value, 'a Deployment', DEPLOYMENT_KEYS, place)
  root.version()
  return root.fields('with', 'an executor', EXECUTOR_KEYS) ?? new Fields(reading, {}, 'an executor', EXECUTOR_KEYS, root.place())
}

/** The description of an executor: here, or in a file of its own. */
async function describedBy(
  value: unknown,
  place: object,
  reading: Reading,
  where: UsesPlace,
): Promise<{ fields: Fields; folder: string; file: string | undefined }> {
  if (isDeployment(value)) return { fields: deployment(reading, value, place), folder: where.folder, file: where.file }
  if (typeof value !== 'string' || !/\.(?:ya?ml|jaml)$/i.test(value))
    return { fields: new Fields(reading, value, 'an executor', EXECUTOR_KEYS, place), folder: where.folder, file: where.file }
  const { text, file, folder } = await sourceOf(await findFile(value, where.folder, where.allowOutside ?? false, place))
  const other = await readingOf(text, { file }, where, reading.notices)
  return { fields: deployment(other, other.parsed.value, { file, line: 1, column: 1 }), folder, file }
}

/** What the Flow is told, and what it hands down to its executors. */
function optionsOf(own: Fields | undefined): { flowOptions: FlowOptions; handedDown: Record<string, unknown> } {
  if (own === undefined) return { flowOptions: {}, handedDown: {} }
  const flowOptions: Record<string, unknown> = {}
  const handedDown: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(own.all)) {
    if (INHERITED.includes(name)) {
      handedDown[name] = value
      checkHandedDown(own, name, value)
    } else if (Object.hasOwn(SERVING_KEYS, name)) continue
    else
      flowOptions[name] =
        name === 'env'
          ? own.texts(name)
          : name === 'name' || name === 'workspace'
            ? own.text(name)
            : name === 'runtime'
              ? lower(value)
              : name === 'cache'
                ? cacheOf(own, value, STORE_KEYS)
                : value
  }
  for (const [name, value] of Object.entries(flowOptions)) own.rule(name, value, FLOW_RULES[name as keyof FlowOptions])
  return { flowOptions, handedDown }
}

/** What is handed down, where it stands: there may be no executor that it reaches. */
function checkHandedDown(own: Fields, name: string, value: unknown): void {
  if (name === 'modules') return void modulesOf(own)
  const told = name === 'retries' ? retriesOf(own, value) : name === 'polling' ? pollingOf(own, value) : value
  // Jina's -1 stands for its default, and is sorted out with each executor.
  if (told !== undefined && !(/timeout/i.test(name) && value === -1)) own.rule(name, told, ADD_RULES[name as keyof typeof ADD_RULES])
}

function add(flow: Buildable, { fields, method, options }: ReadStep, steps: Step[]): void {
  try {
    if (method === 'needs_all') flow.needsAll(options)
    else flow.add(method === 'needs' && options.name === undefined ? { ...options, name: joiner(flow) } : options)
  } catch (error) {
    throw error instanceof FlowBuildError ? fields.error('name', error.message, error) : error
  }
  const last = steps.filter(({ floating }) => !floating).at(-1)?.name ?? GATEWAY
  const needs = options.needs === undefined ? [last] : [options.needs].flat()
  steps.push({ name: flow.executors.at(-1)!, needs: method === 'needs_all' ? [] : needs, join: 'concat', floating: options.floating ?? false })
}

function joiner({ executors }: Buildable): string {
  let name = 'joiner'
  for (let at = 0; executors.includes(name); at++) name = `joiner${at}`
  return name
}
