import { optionRange, show } from '../base/errors.js'
import { node } from '../base/node.js'
import { ADD_RULES, type AddOptions, type FlowOptions } from '../flow/options.js'
import { CACHE_RULES } from '../handler/cache-options.js'
import { FOR_DAEMON, isImage, ONLY_ELSEWHERE, ONLY_HERE, runtimeOf, volumeAt, WAITED_FOR } from '../place/options.js'
import { CLIENT_RULES } from '../wire/connect-options.js'
import { batchingOf } from './batching.js'
import { CACHE_KEYS, OVER_METAS_KEYS, RETRIES_KEYS, USES_KEYS } from './executor-keys.js'
import { Fields } from './fields.js'
import { given } from './given.js'
import type { Keys } from './keys.js'
import { findFile } from './module.js'
import { laidOver, resolveImage } from './resolve.js'
import { natsOf, tlsOf } from './server-of-nats.js'
import { WRITTEN_OUT } from './serving.js'
import { NATS_ASKING_KEYS } from './serving-keys.js'
import { specifierOf } from './specifier.js'
import { boundBy, type LoadedUses, loadUses, metasOf, modulesOf, requestsOf, type UsesPlace } from './uses.js'

/** Here, in Jina's words. */
const LOCAL = ['0.0.0.0', '127.0.0.1', 'localhost']

/** Names of one thing: how many instances there are. */
const COPIES = ['parallel', 'replicas', 'shards'] as const

/** An executor as a file describes it. */
export interface ReadStep {
  readonly fields: Fields
  readonly method: 'add' | 'needs' | 'needs_all'
  readonly options: AddOptions
}

/**
 * What `add()` is told for one executor of a file.
 * @param handedDown what the Flow says for all executors
 * @throws ConfigError
 */
export async function stepOf(fields: Fields, where: UsesPlace, handedDown: Readonly<Record<string, unknown>>): Promise<ReadStep> {
  const {
    method = 'add',
    modules,
    noReduce,
    timeout,
    attemptTimeout,
    retries,
    polling,
    dynamicBatching,
    pullLatest,
    network,
    readyTimeout,
    ...rest
  } = { ...inherited(fields, handedDown), ...fields.all } as Record<string, any>
  if (!['add', 'needs', 'needs_all'].includes(method))
    throw fields.error('method', `${show(method)} is no way to add an executor. Known: add, needs, needs_all`)
  if (method === 'needs' && ![rest.needs].flat()[1]) throw fields.error('method', 'needs waits for two executors or more: name them in needs')

  const metas = fields.fields('usesMetas', 'metas of an executor', OVER_METAS_KEYS)
  checkGiven(fields)
  const isExternal = rest.external === true
  const runsIn = runtimeOf({ ...rest, runtime: lower(rest.runtime) } as AddOptions, handedDown as FlowOptions)
  const isBegun = runsIn !== 'inline' && runsIn !== 'external'
  const isContained = runsIn === 'container' || (runsIn === 'daemon' && isImage(rest.uses))
  const waits = isExternal && isWaitedFor(fields)
  const all: Record<string, unknown> = {
    ...elsewhere(fields, rest),
    ...given('name', fields.text('name')),
    ...given('workspace', fields.text('workspace')),
    ...given('env', fields.texts('env')),
    ...given('usesMetas', metasOf(metas)),
    ...given('timeout', timeout === -1 ? undefined : timeout),
    ...given('attemptTimeout', attemptTimeout === -1 ? undefined : attemptTimeout),
    ...given('retries', retriesOf(fields, retries)),
    ...given('cache', cacheOf(fields, rest.cache, CACHE_KEYS)),
    ...given('polling', pollingOf(fields, polling)),
    ...given('runtime', lower(rest.runtime)),
    ...given('gpus', numbered(rest.gpus)),
    ...given('user', numbered(rest.user)),
    ...(isContained ? await contained(fields, { ...rest, network, pullLatest }, where) : {}),
    // A timer for no end would be one that fires at once.
    ...(isBegun || waits ? given('readyTimeout', readyTimeout === -1 ? 0x7fffffff : readyTimeout) : {}),
  }
  if (pullLatest !== undefined && typeof pullLatest !== 'boolean') throw fields.error('pullLatest', `this must be true or false, not ${show(pullLatest)}`)
  if (noReduce !== undefined && typeof noReduce !== 'boolean') throw fields.error('noReduce', `this must be true or false, not ${show(noReduce)}`)
  if (noReduce === true && rest.join === 'merge') throw fields.error('noReduce', 'documents cannot be united by id (join: merge) and not be united')
  const options = isExternal ? without(all, waits ? HERE : [...HERE, ...WAITED_FOR]) : isContained ? all : uncontained(fields, all, isBegun)
  if (options.token !== undefined) {
    if (!fields.isSubstituted('token')) throw fields.error('token', WRITTEN_OUT)
    options.token = fields.text('token')
  }
  if (options.tokenFile !== undefined) options.tokenFile = (await node('path')).resolve(where.folder, fields.text('tokenFile')!)
  if (options.nats !== undefined) {
    options.nats = await natsOf(fields, where.folder, NATS_ASKING_KEYS)
    fields.rule('nats', options.nats, CLIENT_RULES.nats)
  }
  const isThere = options.runtime === 'daemon'
  if ((isExternal || isThere) && typeof options.tls === 'object') options.tls = await tlsOf(options.tls!, where.folder)
  copies(fields, options)
  for (const [name, value] of Object.entries(options)) if (name !== 'uses') fields.rule(name, value, ADD_RULES[name as keyof AddOptions])
  // Nothing of it is loaded: that its words are known is all there is to see.
  if (isExternal && typeof fields.get('uses') === 'object') fields.fields('uses', 'an executor', USES_KEYS)
  // An image is no module, and nothing of it is loaded here.
  const loaded = isExternal || isThere || isContained ? undefined : await usesOf(fields, where, handedDown)
  const there = isThere ? await thereOf(fields, where, handedDown) : {}
  return {
    fields,
    method,
    options: { ...options, ...laidOver(loaded, options), ...there, ...given('dynamicBatching', batching(fields, loaded, where, isThere)) },
  }
}

/** What runs at a daemon, of which nothing is loaded here: the module or YAML that is sent there, and the files beside it, as lie in the file's folder or below. */
async function thereOf(fields: Fields, where: UsesPlace, handedDown: Readonly<Record<string, unknown>>): Promise<Pick<AddOptions, 'uses' | 'uploadFiles'>> {
  const find = (path: string, name: string): Promise<string> => findFile(path, where.folder, where.allowOutside ?? false, { ...where, ...fields.place(name) })
  const own = modulesOf(fields)
  const uses = fields.get('uses')
  const uploads = fields.get('uploadFiles')
  const files = [uploads ?? []].flat() as string[]
  if (where.draft !== undefined) return { uses, ...given('uploadFiles', uploads) }
  const uploadFiles = await Promise.all(files.map((file) => find(file, 'uploadFiles')))
  const found = (uses: AddOptions['uses']) => ({ ...given('uses', uses), ...(uploads !== undefined && { uploadFiles }) })
  if (uses === undefined || isImage(uses)) return found(uses)
  const what = typeof uses === 'object' ? undefined : specifierOf(fields.text('uses')!, fields.place('uses'))
  if (what === undefined || what.kind === 'text')
    throw fields.error('uses', 'what a daemon runs is a module, or described in a file of its own, which is sent there: uses: ./executor.yml')
  if (what.kind === 'npm') return found(uses)
  if (what.kind === 'yaml') return found(await find(what.path, 'uses'))
  if (what.kind === 'module') return found(`${await find(what.path, 'uses')}${what.name === undefined ? '' : `#${what.name}`}`)
  const modules = own.length > 0 ? own : ([handedDown.modules ?? []].flat() as string[])
  if (modules.length !== 1) throw fields.error('uses', `no module is named that exports ${what.name}. Write uses: ./module.js#${what.name}`)
  return found(`${await find(modules[0]!.replace(/#.*$/, ''), 'uses')}#${what.name}`)
}

/** What Jina says of containers, in the words of here; paths start at the file's folder. */
async function contained(fields: Fields, rest: Record<string, any>, where: UsesPlace): Promise<Record<string, unknown>> {
  const { resolve } = await node('path')
  const { uses, network, pullLatest } = rest
  if (network === 'NONE') throw fields.error('network', 'in a network of its own, nobody could reach it. Take this out')
  const found = (volume: unknown): unknown => (typeof volume === 'string' ? volumeAt(volume, (path) => resolve(where.folder, path)) : volume)
  const isPackage = typeof uses === 'string' && uses.startsWith('npm:') && where.draft === undefined
  return {
    ...given('volumes', rest.volumes === undefined ? undefined : Array.isArray(rest.volumes) ? rest.volumes.map(found) : found(rest.volumes)),
    ...given('pull', rest.pull ?? (pullLatest === true ? 'always' : undefined)),
    ...given('network', network === 'AUTO' ? undefined : /^(?:HOST|BRIDGE)$/.test(network) ? lower(network) : network),
    ...given('uses', isPackage ? await resolveImage(fields.text('name') ?? 'an executor', uses, { ...where, ...fields.place('uses') }) : uses),
  }
}

/** Jina says of all executors what means something in a container, or where one is begun: of others, it is read over. */
function uncontained(fields: Fields, options: Record<string, unknown>, isBegun: boolean): Record<string, unknown> {
  const idle = [...FOR_CONTAINERS, ...(isBegun ? [] : ['readyTimeout'])].filter((name) => fields.get(name) !== undefined)
  for (const name of idle) {
    const reason = name === 'readyTimeout' ? 'this executor runs in this process' : 'this executor runs in no container'
    fields.reading.notices.note(fields.place(name).key!, reason, fields.place(name))
  }
  return without(options, idle)
}

/** Those of containers that Jina knows. */
const FOR_CONTAINERS = ['volumes', 'gpus', 'entrypoint', 'network', 'pullLatest']

/** Checks what is given whether it has an effect or not: what is wrong is wrong in any case. */
function checkGiven(fields: Fields): void {
  for (const name of [...ONLY_HERE, ...WAITED_FOR, 'runtime', ...ONLY_ELSEWHERE] as const) {
    const value = fields.get(name)
    if (value === undefined) continue
    if (name === 'env' || name === 'headers' || name === 'metadata') fields.texts(name)
    else if (name === 'workspace' || name === 'token' || name === 'tokenFile') fields.text(name)
    else if (name === 'runtime') fields.rule(name, lower(value), ADD_RULES[name])
    else if (name === 'nats') fields.fields(name, 'a server of NATS', NATS_ASKING_KEYS)
    else if (name === 'port') fields.rule(name, value, isPorts)
    else if (name === 'protocol') fields.rule(name, value, isProtocols)
    else if (name === 'compression') fields.rule(name, compressionOf(value) ?? 'gzip', CLIENT_RULES.compression)
    else if (name === 'docarray' || name === 'maxMessageBytes') fields.rule(name, value, CLIENT_RULES[name])
    else if (name === 'usesMetas' || (name === 'readyTimeout' && value === -1)) continue
    else if (name === 'uses' && typeof value !== 'object') fields.text(name)
    else if (name === 'usesRequests') requestsOf(fields, name)
    else fields.rule(name, name === 'gpus' || name === 'user' ? numbered(value) : value, ADD_RULES[name])
  }
  modulesOf(fields)
}

/** What Jina and docker take as a number, too. */
function numbered(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value
}

function isPorts(name: string, value: unknown): void {
  const ports = [value].flat()
  if (ports.length === 0 || !ports.every((port) => Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535))
    throw optionRange(name, 'an integer from 0 to 65535, or several', value)
}

function isProtocols(name: string, value: unknown): void {
  const protocols = [value].flat()
  if (protocols.length === 0 || !protocols.every((one) => typeof one === 'string' && /^(?:grpc|http|websocket|ws|nats)$/i.test(one)))
    throw optionRange(name, "'grpc', 'http', 'websocket' or 'nats', or several", value)
}

/** Jina's files say of executors that run here where they listen, and how they are called; here, nobody calls them from elsewhere. */
export function noteIdle(fields: Fields): void {
  if (fields.get('external') === true || lower(fields.get('runtime')) === 'daemon') return
  for (const name of ONLY_ELSEWHERE) {
    if (name === 'host' || fields.get(name) === undefined) continue
    const isPacking = name === 'compression' || name === 'metadata'
    const reason = isPacking ? 'documents stay in this process and are neither compressed nor converted' : 'executors run in this process and need no ports'
    fields.reading.notices.note(fields.place(name).key!, reason, fields.place(name))
  }
}

/** What has a meaning for those that run here only; Jina's files say it of all. */
const HERE = [...ONLY_HERE, 'runtime', 'modules']

/** Whether requests wait for one that is external. Jina says timeout_ready of all executors, and means those that a Flow begins. */
function isWaitedFor(fields: Fields): boolean {
  return fields.get('readyTimeout') !== undefined && fields.place('readyTimeout').key !== 'timeout_ready'
}

/** Where an executor is that runs elsewhere. Jina also says it of those that run here, where it has no meaning. */
function elsewhere(fields: Fields, { external, ...rest }: Record<string, any>): Record<string, unknown> {
  if (external === true) {
    for (const name of isWaitedFor(fields) ? HERE : [...HERE, ...WAITED_FOR])
      if (fields.get(name) !== undefined)
        fields.reading.notices.note(fields.place(name).key!, 'this executor is external, and was told where it runs', fields.place(name))
    return {
      ...without(rest, ['compression']),
      external,
      ...given('compression', compressionOf(rest.compression)),
      ...given('headers', fields.texts('headers')),
      ...given('metadata', fields.texts('metadata')),
    }
  }
  if (lower(rest.runtime) === 'daemon')
    return { ...without(rest, ['modules', ...ONLY_ELSEWHERE.filter((name) => !FOR_DAEMON.includes(name))]), ...given('headers', fields.texts('headers')) }
  if ([rest.host ?? []].flat().some((one) => !LOCAL.includes(one)))
    throw fields.error('host', 'an executor on another machine is external: true, and serves itself there, or runtime: daemon. Take host out to run it here')
  return { ...without(rest, ONLY_ELSEWHERE), ...given('external', external === false ? undefined : external) }
}

/** Jina writes the names of gRPC. */
function compressionOf(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const name = value.toLowerCase()
  return name === 'nocompression' ? undefined : name
}

function without(options: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)))
}

function inherited(fields: Fields, handedDown: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isCounted = COPIES.some((name) => fields.get(name) !== undefined)
  return Object.fromEntries(Object.entries(handedDown).filter(([name]) => name !== 'modules' && !(isCounted && COPIES.includes(name as 'parallel'))))
}

async function usesOf(fields: Fields, where: UsesPlace, handedDown: Readonly<Record<string, unknown>>): Promise<LoadedUses | undefined> {
  const own = modulesOf(fields)
  const uses = fields.get('uses')
  if (uses === undefined) {
    if (own.length > 0) throw fields.error('modules', 'uses must say which class of it this is, such as uses: Name')
    return undefined
  }
  const modules = own.length > 0 ? own : ([handedDown.modules ?? []].flat() as string[])
  const place = {
    ...where,
    ...fields.place('uses'),
    modules,
    modulesPlace: fields.place(own.length > 0 ? 'modules' : 'uses'),
    isSubstituted: fields.isSubstituted('uses'),
  }
  return loadUses(typeof uses === 'object' ? uses : fields.text('uses')!, { ...place, reading: fields.reading })
}

/** What the file says of batches replaces what the executor's own YAML says. */
function batching(fields: Fields, loaded: LoadedUses | undefined, where: UsesPlace, isThere: boolean): AddOptions['dynamicBatching'] {
  if (fields.get('dynamicBatching') === undefined) return loaded?.dynamicBatching
  // What its class has is known when it opens.
  if (isThere) return batchingOf(fields, 'dynamicBatching', undefined)
  return batchingOf(fields, 'dynamicBatching', loaded === undefined ? new Map() : boundBy(loaded.uses, loaded.usesRequests ?? {}, where))
}

export function retriesOf(fields: Fields, retries: unknown): unknown {
  // Jina's -1 means as many as it likes.
  if (typeof retries === 'number' && retries < 0) return undefined
  if (typeof retries !== 'object' || retries === null || Array.isArray(retries)) return retries
  const own = new Fields(fields.reading, retries, 'retries', RETRIES_KEYS, fields.place('retries'))
  if (own.get('attempts') === undefined) throw own.error('attempts', 'say how often: attempts: 3')
  return own.all
}

/** A folder, true or false, or in full. */
export function cacheOf(fields: Fields, cache: unknown, keys: Keys): unknown {
  if (cache === undefined || typeof cache === 'string' || typeof cache === 'boolean') return cache
  const own = new Fields(fields.reading, cache, 'cache', keys, fields.place('cache'))
  own.check(CACHE_RULES)
  return own.all
}

/** Jina writes places in capitals. */
export function lower(value: unknown): unknown {
  return typeof value === 'string' ? value.toLowerCase() : value
}

export function pollingOf(fields: Fields, polling: unknown): unknown {
  if (typeof polling !== 'string' || !polling.trimStart().startsWith('{')) return polling
  try {
    return JSON.parse(polling) as unknown
  } catch (cause) {
    throw fields.error('polling', 'this is no JSON. Write it as YAML, an endpoint a line', cause)
  }
}

/** Jina multiplies shards by replicas; here there is one number. */
function copies(fields: Fields, options: Record<string, unknown>): void {
  const given = COPIES.filter((name) => options[name] !== undefined)
  const several = given.filter((name) => options[name] !== 1)
  if (several.length > 1) throw fields.error(several[1]!, `${several.join(' and ')} are names of one number here. Give one of them`)
  for (const name of given) if (given.length > 1 && name !== (several[0] ?? given[0])) delete options[name]
  if (options.shards !== undefined && options.shards !== 1 && typeof options.polling !== 'object') {
    const polling = typeof options.polling === 'string' ? options.polling.toUpperCase() : 'ANY'
    const endpoints = polling === 'ANY' ? "{ /search: ALL, '*': ANY } to ask all shards" : `{ /index: ANY, '*': ${polling} } to send that to one of them`
    fields.reading.notices.note(
      'the default that Jina 3.x has for shards',
      `here, ${polling} holds for every endpoint. Write polling: ${endpoints}`,
      fields.place('shards'),
    )
  }
}

/** An executor in a list, which may be described in a file of its own or by `jtype: Deployment`. */
export function isDeployment(value: unknown): value is { jtype: string } {
  return typeof value === 'object' && value !== null && 'jtype' in value && /^!?Deployment$/.test(String(value.jtype))
}
