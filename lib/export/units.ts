import { FlowBuildError, OptionTypeError, say, show } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import { node } from '../base/node.js'
import { resolveImage } from '../config/resolve.js'
import { NATS_PASSWORD, NATS_TOKEN, saveFlow, tokenVariable, usesOf } from '../config/save.js'
import { NO_CLASS } from '../config/uses.js'
import { toYaml } from '../config/write.js'
import { Executor } from '../executor/executor.js'
import type { AddOptions, FlowOptions, Plan } from '../flow/options.js'
import { type GatewayOptions, plan as portsOf } from '../gateway/options.js'
import { pollingFor } from '../handler/polling.js'
import { imageOf, PORT, type Volume, volumeOf, WORKSPACE } from '../place/docker.js'
import { bytesOf, checkPlace, isImage, ONLY_HERE, runtimeOf } from '../place/options.js'
import { GATEWAY } from '../request/route.js'
import type { Protocol } from '../wire/address.js'
import { isLoopback } from '../wire/hosts.js'
import type { ExportOptions, GatewayExport } from './options.js'

/** What starts sluice in an image whose working folder has it among its packages. */
const COMMAND = ['node', 'node_modules/sluice/dist/cli/sluice.js']
/** What the server of a queue is called that stands beside the Flow. */
export const NATS = 'nats'
/** Where the gateway has its Flow, and its key and certificate. */
export const FLOW_FOLDER = '/etc/sluice'
export const FLOW_FILE = 'flow.yml'
export const TLS_FOLDER = '/etc/sluice-tls'
/** The first port of a gateway whose Flow says none. */
const FIRST_PORT = 51_000
/** Nobody, in most images: it owns nothing. */
const NOBODY = '65534:65534'
/** Milliseconds in which a container takes requests, from when it runs, as where a Flow begins it itself. */
const READY = 120_000
/** Milliseconds that `close()` gives requests to finish. */
const CLOSE = 10_000

/** A key of a secret. */
interface SecretKey {
  readonly secret: string
  readonly key: string
}

export interface UnitPort {
  readonly name: string
  readonly port: number
  readonly protocols: readonly Protocol[]
}

/** One kind of container, before anybody says how it is written down. */
export interface Unit {
  /** What it is called there: letters, digits and dashes. */
  readonly name: string
  /** What the Flow calls it. */
  readonly executor: string
  readonly isGateway: boolean
  /** Which of several that are all asked. */
  readonly shard: number | undefined
  readonly image: string
  /** Whether the image serves its executor by itself, and nothing more is known of it. */
  readonly isForeign: boolean
  /** In place of the image's own entrypoint. */
  readonly entrypoint: readonly string[] | undefined
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, SecretKey>>
  readonly count: number
  readonly ports: readonly UnitPort[]
  /** Bytes. */
  readonly memory: number | undefined
  readonly cpus: number | undefined
  readonly gpus: string | undefined
  readonly user: string
  readonly pull: AddOptions['pull']
  readonly mounts: readonly Volume[]
  readonly hasWorkspace: boolean
  /** Milliseconds. */
  readonly readyTimeout: number
  readonly closeTimeout: number
  readonly drainDelay: number
  /** Of the gateway: its Flow, as YAML. */
  readonly flow?: string
  readonly gateway?: GatewayExport
  /** Of an executor that takes its work from a queue: its address there. */
  readonly queue?: string
  /** Of the gateway: whether health is open to those who bring no token, and asked without TLS. */
  readonly probes?: 'open' | 'tls' | 'closed'
}

/** What differs between those who run containers. */
interface Surroundings {
  /** Milliseconds between saying that it is not ready and refusing requests. */
  readonly drainDelay: number
  /** What the Flow of the gateway says where it says nothing itself. */
  readonly serving: Pick<GatewayOptions, 'maxConnectionAge'>
  /** Which names an environment can have. */
  readonly envName: RegExp
  /** How many gateways there are where nobody says so. */
  readonly gateways: number
  /** The server of a queue where nobody names one; undefined where one has to be named. */
  readonly server: string | undefined
}

/** Where executors take their work from: a server of NATS, and the name of the Flow there. */
interface Queue {
  readonly server: string
  readonly flow: string
}

/**
 * What containers a Flow is made of.
 * @param wrong what else is wrong with one, where anything is
 * @throws FlowBuildError (`ERR_USES_INVALID`) that names all that cannot go, and why; OptionTypeError for options of containers that there are not
 */
export async function unitsOf(
  plan: Plan,
  options: ExportOptions,
  around: Surroundings,
  wrong: (unit: Unit) => string | undefined = () => undefined,
): Promise<readonly Unit[]> {
  const problems: string[] = []
  const refuse = (name: string, why: string): void => void problems.push(`${name} ${why}`)
  const queue = queueOf(plan, options, around)
  const names = namesOf(plan, queue === undefined ? [] : [NATS])
  checkNames(plan, options)
  const units: Unit[] = []
  const steps: Plan['steps'][number][] = []
  const { resolve } = await node('path')
  for (const step of plan.steps) {
    const { name, options: own } = step
    try {
      checkPlace(step, plan.options)
    } catch (error) {
      problems.push(say(error))
      continue
    }
    for (const what of ['input', 'output', 'signal'] as const)
      if (own[what] !== undefined) refuse(name, `has ${what}, which is given in code only. ${what === 'signal' ? 'Take it out' : 'Give its class the schemas'}`)
    if (typeof own.when === 'function') refuse(name, 'has a function for when, which is given in code only. Write it as a query')
    if (own.external) {
      for (const host of [own.host ?? '127.0.0.1'].flat())
        if (isLoopback(host.replace(/^\w+:\/\//, '').replace(/:\d+$|\/.*$/g, '')))
          refuse(name, `is external at ${show(host)}, which is another machine to each container. Name it as it is found from there`)
      for (const what of secretsOf(own)) refuse(name, `has ${what}, which would stand in a file for all to read. ${NO_SECRET}`)
      if (own.tokenFile !== undefined) refuse(name, 'has a tokenFile of this machine. Give it token, and name a Secret for it by secrets')
      steps.push(step)
      continue
    }
    if (isInside(own)) {
      const { workspace: _, runtime: __, env: ___, ...kept } = own
      steps.push({ ...step, options: kept })
      continue
    }
    if (runtimeOf(own, plan.options) === 'daemon') {
      refuse(name, "runs at a daemon, of which containers know nothing. Take runtime: 'daemon' and its host out, or reach it as external")
      continue
    }
    const made = await executorUnits(step, plan.options, options, around, names.get(name)!, queue, refuse, resolve)
    units.push(...made)
    const why = wrong(made[0]!)
    if (why !== undefined) refuse(name, why)
    steps.push({
      ...step,
      options: outside(
        own,
        plan.options,
        made.map(({ name, queue: at }) => at ?? `grpc://${name}:${PORT}`),
      ),
    })
  }
  if (options.gateway !== false) {
    const gateway = await gatewayUnit(plan, steps, options, around, problems)
    const why = wrong(gateway)
    if (why !== undefined) refuse(GATEWAY, why)
    units.unshift(gateway)
  }
  if (problems.length > 0)
    throw new FlowBuildError('ERR_USES_INVALID', `${plan.name} cannot be exported: ${problems.map((problem) => problem.replace(/\.$/, '')).join('; ')}`)
  return units
}

/** @throws OptionTypeError where there is a queue, and nobody says where */
function queueOf({ name }: Plan, { queue = false }: ExportOptions, around: Surroundings): Queue | undefined {
  if (queue === false) return undefined
  const { server = around.server } = queue === true ? {} : queue
  if (server === undefined) throw new OptionTypeError("queue.server must be given: a server of NATS with JetStream, such as 'nats://nats.internal'")
  return { server, flow: dns(name) }
}

const NO_SECRET =
  'Give it token, and name a Secret for it by secrets; or have something beside it show who asks, such as a mesh or a proxy: its address here has nothing secret in it'
/** Headers by which somebody shows who he is. */
const SHOWS = /^(?:proxy-)?authorization$|cookie|token|secret|password|credential|api-?key/i

/** What shows who asks an executor elsewhere, or lies in a file of this machine, and has no place in a file that is written. */
function secretsOf({ host, headers, tls, nats }: AddOptions): string[] {
  const inTls = typeof tls === 'object' ? Object.keys(tls).filter((key) => /^(?:key|pfx|passphrase)$|File$/.test(key)) : []
  const inNats = Object.keys(nats ?? {}).filter((key) => /File$/.test(key))
  return [
    ...([host ?? []].flat().some((one) => /^(?:\w+:\/\/)?[^/]*@/.test(one)) ? ['who asks in its host'] : []),
    ...Object.keys(headers ?? {}).flatMap((name) => (SHOWS.test(name) ? [`the header ${show(name)}`] : [])),
    ...inTls.map((key) => `tls.${key}`),
    ...inNats.map((key) => `nats.${key}`),
  ]
}

/** Whether it has nothing to run elsewhere: it lets documents pass, or joins them. */
function isInside({ uses, runtime }: AddOptions): boolean {
  return (uses === undefined && (runtime ?? 'inline') === 'inline') || (uses as unknown) === Executor || NO_CLASS.includes(uses as string)
}

/** A name that Kubernetes and DNS take, of its own. */
function namesOf({ steps }: Plan, others: readonly string[]): Map<string, string> {
  // The latter is a file of Kustomize.
  const taken = new Set([GATEWAY, 'kustomization', ...others])
  const names = new Map<string, string>()
  for (const { name, options } of steps) {
    const stem = dns(name)
    const all = (own: string): string[] => Array.from({ length: shardsOf(options) ?? 1 }, (_, at) => shardName(own, shardsOf(options) && at))
    let own = stem
    for (let at = 2; all(own).some((one) => taken.has(one)); at++) own = `${stem}-${at}`
    for (const one of all(own)) taken.add(one)
    names.set(name, own)
  }
  return names
}

/** How many there are of one that have to be found one by one, as a request goes to all of them; undefined where it goes to any. */
function shardsOf({ polling, parallel, replicas, shards }: AddOptions): number | undefined {
  const count = parallel ?? replicas ?? shards ?? 1
  const endpoints = typeof polling === 'object' ? Object.keys(polling) : ['*']
  return count === 1 || endpoints.every((endpoint) => pollingFor(polling, endpoint) === 'ANY') ? undefined : count
}

function shardName(name: string, shard: number | undefined): string {
  return shard === undefined ? name : `${name}-${shard}`
}

/** Letters, digits and dashes, a letter first; as long as leaves room for what controllers put behind it. */
export function dns(name: string): string {
  const text = name
    .toLowerCase()
    .replace(/[^a-z\d]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '')
  return /^[a-z]/.test(text) ? text : `x${text === '' ? '' : `-${text}`}`
}

/** @throws OptionTypeError for options of containers that there are not */
function checkNames({ steps }: Plan, options: ExportOptions & { readonly volumes?: object | undefined; readonly autoscale?: unknown }): void {
  const known = [GATEWAY, ...steps.map(({ name }) => name)]
  for (const option of ['images', 'env', 'secrets', 'volumes'] as const)
    for (const name of Object.keys(options[option] ?? {})) {
      if (known.includes(name)) continue
      const near = nearest(name, known)
      throw new FlowBuildError('ERR_USES_INVALID', `${option} names ${show(name)}, and there is ${near === undefined ? `only ${known.join(', ')}` : `${near}`}`)
    }
}

type Refuse = (name: string, why: string) => void

async function executorUnits(
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
  const more = isForeign ? [own.args ?? []].flat() : flagsOf(name, own, flow, around, refuse)
  /** Its name in a queue: those that all are asked have one each. */
  const queued = (shard: number | undefined): string | undefined => (queue === undefined || isForeign ? undefined : `${queue.flow}/${shardName(name, shard)}`)
  const argsOf = (shard?: number): string[] => {
    const at = queued(shard)
    const number = shard === undefined || isForeign ? [] : ['--shard-id', String(shard)]
    const work = at === undefined ? [] : ['--nats', queue!.server, '--durable']
    return [...(isForeign ? before : ['executor', module ?? '']), '--name', at ?? name, ...number, ...place, ...work, ...config, ...workspace, ...more]
  }
  const queueAt = (shard?: number): Pick<Unit, 'queue'> => (queued(shard) === undefined ? {} : { queue: `${queue!.server}/${queued(shard)}` })
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
    ports: [{ name: 'grpc', port: PORT, protocols: ['grpc' as const] }],
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

/** With its registry in front, where it names none. */
export function within(image: string, { registry }: ExportOptions): string {
  const [first, ...path] = image.split('/')
  return registry === undefined || (path.length > 0 && /[.:]|^localhost$/.test(first!)) ? image : `${registry.replace(/\/$/, '')}/${image}`
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

function problem(name: string, error: unknown, refuse: Refuse): void {
  const said = say(error).replace(/^.*? cannot be written down: /s, '')
  refuse(name, `cannot go: ${said}`)
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
  return Object.entries(told).flatMap(([option, value]) =>
    value === undefined ? [] : [`--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, String(value)],
  )
}

function json(name: string, value: unknown, refuse: Refuse): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    refuse(name, `has a configuration that is no JSON: ${say(error)}`)
    return ''
  }
}

/** What is no text to a system: it ends at a character of number 0, and is UTF-8. */
function isBroken(text: string): boolean {
  return text.includes('\0') || !(text as string & { isWellFormed(): boolean }).isWellFormed()
}

function environmentOf(
  name: string,
  given: Readonly<Record<string, string>>,
  options: ExportOptions,
  { envName }: Surroundings,
  refuse: Refuse,
): Pick<Unit, 'env' | 'secrets'> {
  const secrets = Object.fromEntries(
    Object.entries(options.secrets?.[name] ?? {}).map(([variable, at]) => {
      const [secret, key] = at.split('/') as [string, string]
      return [variable, { secret, key }]
    }),
  )
  const own = Object.fromEntries(Object.entries({ ...given, ...options.env?.[name] }).filter(([variable]) => !Object.hasOwn(secrets, variable)))
  for (const variable of [...Object.keys(own), ...Object.keys(secrets)])
    if (!envName.test(variable)) refuse(name, `has env ${show(variable)}. Names there are letters, digits, _, - and ., and begin with no digit`)
  for (const [variable, value] of Object.entries(own))
    if (isBroken(value)) refuse(name, `has env ${variable} with what no environment can have: a character of number 0, or half of one`)
  return { env: own, secrets }
}

/** An executor as its gateway sees it: elsewhere, at a name. */
function outside(own: AddOptions, flow: FlowOptions, hosts: readonly string[]): AddOptions {
  const HERE = new Set<string>([...ONLY_HERE, 'concurrency', 'stuckAfter', 'runtime'])
  const kept = Object.fromEntries(Object.entries(own).filter(([option, value]) => !HERE.has(option) && value !== undefined))
  return {
    ...kept,
    external: true,
    ...(hosts[0]!.startsWith(NATS) && { nats: { durable: true } }),
    host: hosts.length === 1 ? hosts[0]! : hosts,
    // Requests wait while one is begun anew, as they do where the Flow begins it.
    readyTimeout: own.readyTimeout ?? READY,
    ...(flow.maxMessageBytes !== undefined && { maxMessageBytes: flow.maxMessageBytes }),
  }
}

async function gatewayUnit(plan: Plan, steps: Plan['steps'], options: ExportOptions, around: Surroundings, problems: string[]): Promise<Unit> {
  const refuse: Refuse = (name, why) => void problems.push(`${name} ${why}`)
  const gateway = typeof options.gateway === 'object' ? options.gateway : {}
  const { env: _, workspace: __, runtime: ___, portExpose, port = portExpose, tls, sslKeyfile, sslCertfile, tokenFile, ...flow } = plan.options
  if ((tls ?? sslKeyfile ?? sslCertfile) !== undefined && gateway.tls === undefined)
    refuse(
      GATEWAY,
      "has a key and a certificate of this machine. Put them into a Secret of the type kubernetes.io/tls, and name it by gateway: { tls: 'name' }",
    )
  if (tokenFile !== undefined) refuse(GATEWAY, 'has a tokenFile of this machine. Give the Flow token, and name a Secret for it by secrets')
  const secret = options.secrets?.gateway ?? {}
  const tokens: [string, unknown][] = [['SLUICE_TOKEN', flow.token]]
  for (const { name, options } of steps)
    tokens.push([tokenVariable(name), options.token], [NATS_TOKEN, options.nats?.token], [NATS_PASSWORD, options.nats?.password])
  for (const [variable, token] of tokens)
    if (token !== undefined && typeof token !== 'function' && !Object.hasOwn(secret, variable))
      refuse(GATEWAY, `reads a token from ${variable}. Name a Secret for it: secrets: { gateway: { ${variable}: 'name-of-the-secret/key' } }`)
  const ports = portsOf({ ...flow, port }).map(({ port, protocols }, at) => ({
    name: protocols.length === 1 ? protocols[0]! : at === 0 ? 'flow' : `flow-${at}`,
    port: port === 0 ? FIRST_PORT + at : port,
    protocols,
  }))
  const { drainDelay = around.drainDelay, closeTimeout = CLOSE } = flow
  const spoken = ports.flatMap(({ protocols }) => protocols)
  const serving = {
    ...around.serving,
    ...flow,
    drainDelay,
    protocol: spoken,
    port: spoken.map((protocol) => ports.find(({ protocols }) => protocols.includes(protocol))!.port),
  }
  const own: FlowOptions = { ...serving, port: ports.length === 1 ? ports[0]!.port : serving.port, host: '0.0.0.0' }
  let text = ''
  try {
    text = await saveFlow({ name: plan.name, options: own, steps })
  } catch (error) {
    // What an executor cannot do was said already.
    if (!problems.some((problem) => steps.some(({ name }) => problem.startsWith(`${name} `) && say(error).includes(name)))) problem(GATEWAY, error, refuse)
  }
  const given = options.images?.[GATEWAY] ?? options.image
  if (given === undefined) refuse(GATEWAY, 'has no image. Put sluice into one, and name it by image, or by images')
  const { env, secrets } = environmentOf(GATEWAY, {}, options, around, refuse)
  const certificates = gateway.tls === undefined ? [] : ['--tls-key', `${TLS_FOLDER}/tls.key`, '--tls-cert', `${TLS_FOLDER}/tls.crt`]
  return {
    name: GATEWAY,
    executor: GATEWAY,
    isGateway: true,
    shard: undefined,
    image: given === undefined ? '' : within(given, options),
    isForeign: false,
    entrypoint: options.command ?? COMMAND,
    args: ['flow', `${FLOW_FOLDER}/${FLOW_FILE}`, ...certificates],
    env,
    secrets,
    count: gateway.replicas ?? around.gateways,
    ports,
    memory: undefined,
    cpus: undefined,
    gpus: undefined,
    user: NOBODY,
    pull: undefined,
    mounts: [],
    hasWorkspace: false,
    readyTimeout: READY,
    closeTimeout,
    drainDelay,
    flow: text,
    gateway,
    probes: flow.openHealth === false ? 'closed' : gateway.tls === undefined ? 'open' : 'tls',
  }
}
