import { check, count, flag, object, type Rule, ruled, string, word } from '../base/check.js'
import { OptionRangeError, OptionTypeError, optionRange, optionType, show } from '../base/errors.js'
import { checkNamed } from '../base/misspelled.js'
import { NATS_RULES, named } from '../wire/nats/rules.js'

/** How many there are of an executor, by how busy they are. */
export interface Autoscale {
  /** The fewest. Default: what `parallel` of the executor says, 1 without it; 2 of the gateway. */
  readonly min?: number | undefined
  /** The most. Default 8. */
  readonly max?: number | undefined
  /** Percent of what they request of a processor, above which there are more. Default 70. */
  readonly cpu?: number | undefined
  /**
   * What KEDA scales by in place of processors, as a ScaledObject has it: `[{ type: 'nats-jetstream', metadata: { … } }]`. Default: what waits in the queue, where
   * `queue.monitoring` says who counts it; else none, and a HorizontalPodAutoscaler, which needs no KEDA.
   */
  readonly triggers?: readonly Trigger[] | undefined
}

/** What KEDA scales by, as a ScaledObject has it. */
export interface Trigger {
  readonly type: string
  readonly metadata: Readonly<Record<string, string>>
}

/** How the gateway is exported. */
export interface GatewayExport {
  /** How many there are, in Kubernetes. Default 2, so that one may go. */
  readonly replicas?: number | undefined
  /** The type of its Service: `'ClusterIP'` (default), `'LoadBalancer'` or `'NodePort'`. */
  readonly service?: 'ClusterIP' | 'LoadBalancer' | 'NodePort' | undefined
  /** The name of a Secret of the type kubernetes.io/tls, whose key and certificate it shows. Default: none, it speaks in the open. */
  readonly tls?: string | undefined
}

/** A durable queue of NATS from which executors take their work. */
export interface QueueExport {
  /** Its server, such as `'nats://nats.internal'`. Default: in Compose, one of its own in the file, which keeps its streams in a volume. In Kubernetes it has to be given. */
  readonly server?: string | undefined
  /** In Compose: the image of that server of its own. Default `'nats:2'`. */
  readonly image?: string | undefined
  /** The words in front of all subjects there. Default `sluice`. Two Flows of one name have one queue at a server, unless these differ. */
  readonly prefix?: string | undefined
  /** The server's token, as a Secret and a key in it: `'nats/token'`. In Compose, it is the variable NATS_TOKEN of whoever starts it. Default: none is shown. */
  readonly token?: string | undefined
  /** In Kubernetes: the credentials of a user (`.creds`) in its place, as a Secret and a key in it: `'nats/user.creds'`. */
  readonly credentials?: string | undefined
  /** Where the server says how much waits: `'nats.nats.svc.cluster.local:8222'`. With `autoscale`, KEDA then makes pods by that. Default: by how busy processors are. */
  readonly monitoring?: string | undefined
}

/** What both exports can be told. Names of containers are those of executors, and `gateway`. */
export interface ExportOptions {
  /** The image of every container that has none of its own: it holds node, sluice and the modules that the Flow names, in its working folder as they are in `root`. */
  readonly image?: string | undefined
  /** Images by the name of their container, over `image` and `uses: 'docker://…'`. */
  readonly images?: Readonly<Record<string, string>> | undefined
  /** Stands before images that name no registry: `'registry.example/team'`. Default: none. */
  readonly registry?: string | undefined
  /** What starts sluice in an image. Default `['node', 'node_modules/sluice/dist/cli/sluice.js']`, from its working folder. */
  readonly command?: readonly string[] | undefined
  /** The folder that modules are named from: the working folder of the image holds the same. Default: the one the process runs in. */
  readonly root?: string | undefined
  /** What each container finds in its environment, its executor in `this.env`: by container, beside `env` of the Flow and of the executor. */
  readonly env?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined
  /**
   * What of that is secret, by container: `{ encode: { API_KEY: 'models/api-key' } }` is the key `api-key` of the Secret `models`. In Compose, it is the variable of this
   * name of whoever starts it. No secret is written down.
   */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined
  /**
   * Whether executors take their work from a durable queue of NATS, at least once, and are not asked at their addresses: what is asked outlasts them and the gateway. Those
   * that bring an image of their own stay where they are. Default `false`.
   */
  readonly queue?: boolean | QueueExport | undefined
  /** Whether there is a gateway, and how. Default `true`. */
  readonly gateway?: boolean | GatewayExport | undefined
  /** Jina's name for `gateway: true` and `false`. */
  readonly includeGateway?: boolean | undefined
}

/** What `toKubernetesYaml()` can be told. */
export interface KubernetesOptions extends ExportOptions {
  /** The namespace, which is there already. Default: none is written, and `kubectl -n` says it. */
  readonly namespace?: string | undefined
  /** Jina's name for `namespace`. */
  readonly k8sNamespace?: string | undefined
  /** `true`, or how: for all, or by container. Default: as many as `parallel` says. */
  readonly autoscale?: boolean | Autoscale | Readonly<Record<string, boolean | Autoscale>> | undefined
  /**
   * What of an executor stays when its pod is gone: `{ index: { '/workspace': '10Gi' } }` is a volume of 10 GiB for each of its pods, which are a StatefulSet then. What is not here, in
   * `/workspace` too, goes with its pod.
   */
  readonly volumes?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined
  /** The class of those volumes. Default: that of the cluster. */
  readonly storageClass?: string | undefined
  /** Whether nobody but pods of the Flow gets to its executors. Default `true`, where the network of the cluster knows of NetworkPolicy. */
  readonly networkPolicy?: boolean | undefined
}

/** What `toDockerComposeYaml()` can be told. */
export interface ComposeOptions extends ExportOptions {
  /** What its network is called in the file. Default `'flow'`. */
  readonly network?: string | undefined
  /** Jina's name for `network`. */
  readonly networkName?: string | undefined
  /** The folder of a Dockerfile from which Compose builds `image` where it is not there, as `docker build` is told. Default: none, and it is brought from its registry. */
  readonly build?: string | undefined
  /** The address of this machine where the gateway is published. Default `'127.0.0.1'`: for this machine alone. */
  readonly publish?: string | undefined
}

const GATEWAY: Record<keyof GatewayExport, Rule> = { replicas: least(1), service: word('ClusterIP LoadBalancer NodePort'), tls: dnsName }

const QUEUE: Record<keyof QueueExport, Rule> = { server, image, prefix: NATS_RULES.prefix, token: secret, credentials: secret, monitoring }

const BOTH: Record<keyof ExportOptions, Rule> = {
  image,
  images: byName(image),
  registry,
  command: texts,
  root: string,
  env: byName(byName(string)),
  secrets: byName(byName(secret)),
  queue: (name, value) => typeof value === 'boolean' || check(name, value, named(name, QUEUE)),
  gateway: (name, value) => typeof value === 'boolean' || check(name, value, named(name, GATEWAY)),
  includeGateway: flag,
}

const AUTOSCALE: Record<keyof Autoscale, Rule> = { min: least(1), max: least(1), cpu: least(1), triggers }

const KUBERNETES: Record<keyof KubernetesOptions, Rule> = {
  ...BOTH,
  namespace: label,
  k8sNamespace: label,
  autoscale(name, value) {
    if (typeof value === 'boolean') return
    object(name, value)
    if (Object.keys(value).every((key) => Object.hasOwn(AUTOSCALE, key))) return scale(name, value)
    byName((name, value) => typeof value === 'boolean' || scale(name, value))(name, value)
  },
  volumes: byName(byPath),
  storageClass: dnsName,
  networkPolicy: flag,
}

const COMPOSE: Record<keyof ComposeOptions, Rule> = {
  ...BOTH,
  ...ruled(networkName, 'network networkName'),
  build: string,
  publish(name, value) {
    string(name, value)
    if (!/^[\d.]+$|^\[[\da-f:.]+\]$/i.test(value)) throw optionRange(name, "an address such as '127.0.0.1'", value)
  },
}

/** @throws OptionTypeError, OptionRangeError that name the option */
export function checkKubernetesOptions(options: KubernetesOptions): KubernetesOptions {
  checkNamed('toKubernetesYaml()', options, KUBERNETES)
  return { ...options, namespace: one(options, 'namespace', 'k8sNamespace'), gateway: one(options, 'gateway', 'includeGateway') }
}

/** @throws OptionTypeError, OptionRangeError that name the option */
export function checkComposeOptions(options: ComposeOptions): ComposeOptions {
  checkNamed('toDockerComposeYaml()', options, COMPOSE)
  return { ...options, network: one(options, 'network', 'networkName'), gateway: one(options, 'gateway', 'includeGateway') }
}

/** @throws OptionTypeError for what is said under both of its names */
function one<O, N extends keyof O>(options: O, name: N, other: keyof O & string): O[N] {
  if (options[name] !== undefined && options[other] !== undefined)
    throw new OptionTypeError(`${other} must be left out where ${String(name)} is given: they are the same`)
  return options[name] ?? (options[other] as O[N])
}

function least(from: number): Rule {
  return (name, value) => {
    count(name, value)
    if (value < from || value === Infinity) throw optionRange(name, `an integer ≥ ${from}`, value)
  }
}

function byName(rule: Rule): Rule {
  return (name, value) => {
    object(name, value)
    for (const [key, one] of Object.entries(value)) rule(`${name}.${key}`, one)
  }
}

function texts(name: string, value: unknown): void {
  if (!Array.isArray(value) || value.length === 0 || !value.every((one) => typeof one === 'string' && one !== ''))
    throw optionType(name, 'a list of texts', value)
}

/** As docker reads the name of an image. */
const IMAGE = /^[a-z\d][\w.-]*(?::\d+)?(?:\/[\w][\w.-]*)*(?::[\w][\w.-]*)?(?:@[a-z\d]+:[a-f\d]+)?$/i

function image(name: string, value: unknown): void {
  string(name, value)
  if (!IMAGE.test(value as string)) throw optionRange(name, "the name of an image, such as 'registry.example/flow:1.0.0' or with its digest behind an @", value)
}

function server(name: string, value: unknown): void {
  string(name, value)
  if (!/^natss?:\/\/[\w.-]+(?::\d+)?$/.test(value as string))
    throw optionRange(name, "a server of NATS, such as 'nats://nats.internal:4222', without a path", value)
}

function monitoring(name: string, value: unknown): void {
  string(name, value)
  if (!/^[\w.-]+(?::\d+)?$/.test(value as string))
    throw optionRange(name, "a host and the port where the server tells of itself, such as 'nats.nats.svc:8222'", value)
}

function registry(name: string, value: unknown): void {
  string(name, value)
  if (!/^[a-z\d][\w.-]*(?::\d+)?(?:\/[\w][\w.-]*)*$/i.test(value as string))
    throw optionRange(name, "a registry, and a path in it, such as 'registry.example/team'", value)
}

/** What Kubernetes takes for a name. */
function dnsName(name: string, value: unknown): void {
  string(name, value)
  if ((value as string).length > 253 || !/^[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)*$/.test(value as string))
    throw optionRange(name, 'a name of lower-case letters, digits, - and .', value)
}

/** What it takes for that of a namespace. */
function label(name: string, value: unknown): void {
  string(name, value)
  if (!/^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/.test(value as string)) throw optionRange(name, 'a name of up to 63 lower-case letters, digits and -', value)
}

function networkName(name: string, value: unknown): void {
  string(name, value)
  if (!/^[a-z\d][\w.-]{0,62}$/i.test(value as string)) throw optionRange(name, 'a name of letters, digits, _, - and .', value)
}

function secret(name: string, value: unknown): void {
  string(name, value)
  if (!/^[a-z\d](?:[a-z\d.-]{0,251}[a-z\d])?\/[-._a-zA-Z\d]{1,253}$/.test(value as string))
    throw optionRange(name, "a Secret and a key in it, such as 'models/api-key', and not what is secret itself", '…')
}

const SIZE = /^[1-9]\d*(?:\.\d+)?(?:[kMGTPE]|[KMGTPE]i)?$/

/** Sizes by the folder in the container. */
function byPath(name: string, value: unknown): void {
  object(name, value)
  for (const [path, size] of Object.entries(value as object)) {
    if (!/^\/[\w./-]*[\w-]$/.test(path) || path.split('/').includes('..')) throw optionRange(name, 'sizes by folders of the container, from /', path)
    if (typeof size !== 'string' || !SIZE.test(size)) throw optionRange(`${name}[${show(path)}]`, "a size such as '10Gi'", size)
  }
}

function scale(name: string, value: Autoscale): void {
  check(name, value, AUTOSCALE)
  const { min = 1, max = Math.max(min, 8) } = value
  if (min > max) throw new OptionRangeError(`${name}.min must be no more than max, ${max}, not ${min}`)
}

function triggers(name: string, value: unknown): void {
  if (!Array.isArray(value) || value.length === 0) throw optionType(name, 'a list of triggers as KEDA has them', value)
  for (const [at, trigger] of value.entries()) check(`${name}[${at}]`, trigger, { type: string, metadata: byName(string) })
}
