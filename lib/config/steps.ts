import { optionRange, show } from '../base/errors.js'
import { node } from '../base/node.js'
import { ADD_RULES, type AddOptions } from '../flow/options.js'
import { ONLY_ELSEWHERE, ONLY_HERE } from '../place/options.js'
import { CLIENT_RULES } from '../wire/connect-options.js'
import { batchingOf } from './batching.js'
import { OVER_METAS_KEYS, RETRIES_KEYS, USES_KEYS } from './executor-keys.js'
import { Fields } from './fields.js'
import { given } from './given.js'
import { laidOver } from './resolve.js'
import { WRITTEN_OUT } from './serving.js'
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
    ...rest
  } = { ...inherited(fields, handedDown), ...fields.all } as Record<string, any>
  if (!['add', 'needs', 'needs_all'].includes(method))
    throw fields.error('method', `${show(method)} is no way to add an executor. Known: add, needs, needs_all`)
  if (method === 'needs' && ![rest.needs].flat()[1]) throw fields.error('method', 'needs waits for two executors or more: name them in needs')

  const metas = fields.fields('usesMetas', 'metas of an executor', OVER_METAS_KEYS)
  checkGiven(fields)
  const isExternal = rest.external === true
  const all: Record<string, unknown> = {
    ...elsewhere(fields, rest),
    ...given('name', fields.text('name')),
    ...given('workspace', fields.text('workspace')),
    ...given('env', fields.texts('env')),
    ...given('usesMetas', metasOf(metas)),
    ...given('timeout', timeout === -1 ? undefined : timeout),
    ...given('attemptTimeout', attemptTimeout === -1 ? undefined : attemptTimeout),
    ...given('retries', retriesOf(fields, retries)),
    ...given('polling', pollingOf(fields, polling)),
  }
  if (noReduce !== undefined && typeof noReduce !== 'boolean') throw fields.error('noReduce', `this must be true or false, not ${show(noReduce)}`)
  if (noReduce === true && rest.join === 'merge') throw fields.error('noReduce', 'documents cannot be united by id (join: merge) and not be united')
  const options = isExternal ? without(all, HERE) : all
  if (options.token !== undefined) {
    if (!fields.isSubstituted('token')) throw fields.error('token', WRITTEN_OUT)
    options.token = fields.text('token')
  }
  if (options.tokenFile !== undefined) options.tokenFile = (await node('path')).resolve(where.folder, fields.text('tokenFile')!)
  if (isExternal && typeof options.tls === 'object') options.tls = await tlsOf(options.tls!, where.folder)
  copies(fields, options)
  for (const [name, value] of Object.entries(options)) if (name !== 'uses') fields.rule(name, value, ADD_RULES[name as keyof AddOptions])
  // Nothing of it is loaded: that its words are known is all there is to see.
  if (isExternal && typeof fields.get('uses') === 'object') fields.fields('uses', 'an executor', USES_KEYS)
  const loaded = isExternal ? undefined : await usesOf(fields, where, handedDown)
  return { fields, method, options: { ...options, ...laidOver(loaded, options), ...given('dynamicBatching', batching(fields, loaded, where)) } }
}

/** Keys and certificates of who asks elsewhere, whose files start at the file's folder. */
async function tlsOf(tls: object, folder: string): Promise<object> {
  const { resolve } = await node('path')
  const named = (key: string): string => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const found = (key: string, value: unknown): unknown => (/^(ca|key|cert)File$/.test(key) && typeof value === 'string' ? resolve(folder, value) : value)
  return Object.fromEntries(Object.entries(tls).map(([key, value]) => [named(key), found(named(key), value)]))
}

/** Checks what is given whether it has an effect or not: what is wrong is wrong in any case. */
function checkGiven(fields: Fields): void {
  for (const name of [...ONLY_HERE, ...ONLY_ELSEWHERE]) {
    const value = fields.get(name)
    if (value === undefined) continue
    if (name === 'env' || name === 'headers' || name === 'metadata') fields.texts(name)
    else if (name === 'workspace' || name === 'token' || name === 'tokenFile') fields.text(name)
    else if (name === 'port') fields.rule(name, value, isPorts)
    else if (name === 'protocol') fields.rule(name, value, isProtocols)
    else if (name === 'compression') fields.rule(name, compressionOf(value) ?? 'gzip', CLIENT_RULES.compression)
    else if (name === 'docarray' || name === 'maxMessageBytes') fields.rule(name, value, CLIENT_RULES[name])
    else if (name === 'usesMetas') continue
    else if (name === 'uses' && typeof value !== 'object') fields.text(name)
    else if (name === 'usesRequests') requestsOf(fields, name)
    else fields.rule(name, value, ADD_RULES[name])
  }
  modulesOf(fields)
}

function isPorts(name: string, value: unknown): void {
  const ports = [value].flat()
  if (ports.length === 0 || !ports.every((port) => Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535))
    throw optionRange(name, 'an integer from 0 to 65535, or several', value)
}

function isProtocols(name: string, value: unknown): void {
  const protocols = [value].flat()
  if (protocols.length === 0 || !protocols.every((one) => typeof one === 'string' && /^(?:grpc|http|websocket|ws)$/i.test(one)))
    throw optionRange(name, "'grpc', 'http' or 'websocket', or several", value)
}

/** Jina's files say of executors that run here where they listen, and how they are called; here, nobody calls them from elsewhere. */
export function noteIdle(fields: Fields): void {
  if (fields.get('external') === true) return
  for (const name of ONLY_ELSEWHERE) {
    if (name === 'host' || fields.get(name) === undefined) continue
    const isPacking = name === 'compression' || name === 'metadata'
    const reason = isPacking ? 'documents stay in this process and are neither compressed nor converted' : 'executors run in this process and need no ports'
    fields.reading.notices.note(fields.place(name).key!, reason, fields.place(name))
  }
}

/** What has a meaning for those that run here only; Jina's files say it of all. */
const HERE = [...ONLY_HERE, 'modules']

/** Where an executor is that runs elsewhere. Jina also says it of those that run here, where it has no meaning. */
function elsewhere(fields: Fields, { external, ...rest }: Record<string, any>): Record<string, unknown> {
  if (external === true) {
    for (const name of HERE)
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
  if ([rest.host ?? []].flat().some((one) => !LOCAL.includes(one)))
    throw fields.error('host', 'an executor on another machine is external: true, and serves itself there. Take host out to run it here')
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
function batching(fields: Fields, loaded: LoadedUses | undefined, where: UsesPlace): AddOptions['dynamicBatching'] {
  if (fields.get('dynamicBatching') === undefined) return loaded?.dynamicBatching
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
  if (options.shards !== undefined && options.shards !== 1 && typeof options.polling !== 'object')
    fields.reading.notices.note(
      'the default that Jina 3.x has for shards',
      "here, ANY holds for every endpoint. Write polling: { /search: ALL, '*': ANY } to ask all shards",
      fields.place('shards'),
    )
}

/** An executor in a list, which may be described in a file of its own or by `jtype: Deployment`. */
export function isDeployment(value: unknown): value is { jtype: string } {
  return typeof value === 'object' && value !== null && 'jtype' in value && /^!?Deployment$/.test(String(value.jtype))
}
