import { say, show } from '../base/errors.js'
import type { AddOptions, FlowOptions } from '../flow/options.js'
import type { GatewayOptions } from '../gateway/options.js'
import type { Volume } from '../place/docker.js'
import type { Protocol } from '../wire/address.js'
import type { ExportOptions, GatewayExport, Trigger } from './options.js'

/** What starts sluice in an image whose working folder has it among its packages. */
export const COMMAND = ['node', 'node_modules/sluice/dist/cli/sluice.js']
/** What the server of a queue is called that stands beside the Flow. */
export const NATS = 'nats'
/** Where the gateway has its Flow, and its key and certificate. */
export const FLOW_FOLDER = '/etc/sluice'
export const FLOW_FILE = 'flow.yml'
export const TLS_FOLDER = '/etc/sluice-tls'
/** Where each that speaks with the server of a queue has its credentials. */
export const NATS_FOLDER = '/etc/sluice-nats'
export const CREDENTIALS_FILE = 'user.creds'
/** Where numbers are collected, unless the Flow says another port: Jina's. */
const MONITORING = 9090
/** Nobody, in most images: it owns nothing. */
export const NOBODY = '65534:65534'
/** Milliseconds in which a container takes requests, from when it runs, as where a Flow begins it itself. */
export const READY = 120_000
/** Milliseconds that `close()` gives requests to finish. */
export const CLOSE = 10_000

/** A key of a secret. */
export interface SecretKey {
  readonly secret: string
  readonly key: string
}

export interface UnitPort {
  readonly name: string
  readonly port: number
  /** None, where it is one of numbers alone. */
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
  /** The same of what is no business of the executor in it. */
  readonly ownSecrets: Readonly<Record<string, SecretKey>>
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
  /** What counts what waits for it there. */
  readonly trigger?: Trigger | undefined
  /** The file of credentials that is shown to the server of the queue. */
  readonly credentials?: SecretKey | undefined
  /** Of the gateway: whether health is open to those who bring no token, and asked without TLS. */
  readonly probes?: 'open' | 'tls' | 'closed'
}

/** What differs between those who run containers. */
export interface Surroundings {
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

/** Says why somebody cannot go. */
export type Refuse = (name: string, why: string) => void

/** Letters, digits and dashes, a letter first; as long as leaves room for what controllers put behind it. */
export function dns(name: string): string {
  const text = name
    .toLowerCase()
    .replace(/[^a-z\d]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '')
  return /^[a-z]/.test(text) ? text : `x${text === '' ? '' : `-${text}`}`
}

/** With its registry in front, where it names none. */
export function within(image: string, { registry }: ExportOptions): string {
  const [first, ...path] = image.split('/')
  return registry === undefined || (path.length > 0 && /[.:]|^localhost$/.test(first!)) ? image : `${registry.replace(/\/$/, '')}/${image}`
}

export function problem(name: string, error: unknown, refuse: Refuse): void {
  const said = say(error).replace(/^.*? cannot be written down: /s, '')
  refuse(name, `cannot go: ${said}`)
}

/** What is no text to a system: it ends at a character of number 0, and is UTF-8. */
export function isBroken(text: string): boolean {
  return text.includes('\0') || !(text as string & { isWellFormed(): boolean }).isWellFormed()
}

/** `models/api-key`: the key of a Secret. */
export function secretKey(at: string): SecretKey {
  const [secret, key] = at.split('/') as [string, string]
  return { secret, key }
}

export function environmentOf(
  name: string,
  given: Readonly<Record<string, string>>,
  options: ExportOptions,
  { envName }: Surroundings,
  refuse: Refuse,
): Pick<Unit, 'env' | 'secrets'> {
  const secrets = Object.fromEntries(Object.entries(options.secrets?.[name] ?? {}).map(([variable, at]) => [variable, secretKey(at)]))
  const own = Object.fromEntries(Object.entries({ ...given, ...options.env?.[name] }).filter(([variable]) => !Object.hasOwn(secrets, variable)))
  for (const variable of [...Object.keys(own), ...Object.keys(secrets)])
    if (!envName.test(variable)) refuse(name, `has env ${show(variable)}. Names there are letters, digits, _, - and ., and begin with no digit`)
  for (const [variable, value] of Object.entries(own))
    if (isBroken(value)) refuse(name, `has env ${variable} with what no environment can have: a character of number 0, or half of one`)
  return { env: own, secrets }
}

/**
 * The port at which numbers are collected, where the Flow wants one (`monitoring`).
 * @param taken those that are spoken at
 */
export function monitoringPort({ monitoring, portMonitoring }: FlowOptions, taken: readonly number[]): UnitPort[] {
  if (monitoring === false || (!monitoring && portMonitoring === undefined)) return []
  // 0 is one that is free, which nobody would find.
  let port = portMonitoring || MONITORING
  while (taken.includes(port)) port++
  return [{ name: 'monitoring', port, protocols: [] }]
}
