import { node } from '../base/node.js'
import type { Plan } from '../flow/options.js'
import { WORKSPACE } from '../place/docker.js'
import { GATEWAY } from '../request/route.js'
import { type Files, leftIn, OURS, writeAll } from './files.js'
import { type Autoscale, checkKubernetesOptions, type KubernetesOptions } from './options.js'
import { lines, noted, write } from './text.js'
import { CREDENTIALS_FILE, dns, FLOW_FILE, FLOW_FOLDER, NATS_FOLDER, TLS_FOLDER, type Unit, type UnitPort } from './unit.js'
import { unitsOf } from './units.js'

/** Seconds between the word that a pod goes and SIGTERM: in which all who send to it hear that it does. */
const PRE_STOP = 5
/** Milliseconds after SIGTERM for which it takes what was on its way to it. */
const DRAIN = 5000
/** Seconds more than all that before it is killed. */
const SLACK = 5
/** Milliseconds after which clients that look no name up connect anew, and find gateways that came later. */
const AGE = 300_000
/** Of a volume that is named by the engine's name for it, and by nobody's size. */
const VOLUME = '10Gi'
const TMP = '128Mi'

/** What an environment can have in every version of Kubernetes. */
const ENV_NAME = /^[-._a-zA-Z][-._a-zA-Z\d]*$/

/**
 * Writes a Flow down for Kubernetes, 1.30 or later: a file for each executor and one for the gateway, each with all that belongs to it.
 * @param folder is made where it is not there; files of the same names in it are replaced, and nothing is written outside of it
 * @returns the files that were written
 * @throws FlowBuildError (`ERR_USES_INVALID`) that names every executor that cannot go, and why; OptionTypeError, OptionRangeError for options
 */
export async function toKubernetes(plan: Plan, folder: string, options: KubernetesOptions = {}): Promise<string[]> {
  const files = await kubernetesFiles(plan, checkKubernetesOptions(options))
  return writeAll(folder, files)
}

/** Files of executors that the Flow had when it was exported there before. */
export async function leftOf({ name }: Pick<Plan, 'name'>, folder: string, written: readonly string[]): Promise<string[]> {
  return leftIn(folder, new RegExp(`app\\.kubernetes\\.io/part-of: "?${dns(name)}"?$`, 'm'), written)
}

/** The files by their names. */
export async function kubernetesFiles(plan: Plan, options: KubernetesOptions): Promise<Files> {
  const units = await unitsOf(
    plan,
    options,
    { drainDelay: DRAIN, serving: { maxConnectionAge: AGE }, envName: ENV_NAME, gateways: 2, server: undefined },
    volumesProblem(options),
  )
  const part = dns(plan.name)
  const files: Record<string, string> = {}
  for (const unit of units) {
    const sheets = await sheetsOf(unit, part, options)
    files[`${unit.name}.yml`] = await write(sheets, headOf(unit, plan))
  }
  return files
}

/** What is mounted of this machine is not there in another. */
function volumesProblem({ volumes }: KubernetesOptions): (unit: Unit) => string | undefined {
  return ({ executor, mounts }) => {
    const here = mounts.find(({ type, target }) => type === 'bind' && volumes?.[executor]?.[target] === undefined)
    return (
      here &&
      `mounts a folder of this machine at ${here.target}. Put it into the image, or give it a volume: volumes: { ${executor}: { '${here.target}': '10Gi' } }`
    )
  }
}

function headOf({ isGateway, executor, shard, isForeign }: Unit, plan: Plan): string {
  const what = isGateway
    ? `The gateway of ${plan.name}: it serves the Flow, whose executors stand in the files beside this one.`
    : `The executor ${executor} of ${plan.name}${shard === undefined ? '' : `, number ${shard} of those that all are asked`}.`
  return `${what}\n${OURS}: change the Flow, or what the command was told, and not this file.${isForeign ? '\nIts image serves it: what sluice executor does of itself, as to say that it is about to end, is the business of the image.' : ''}`
}

async function sheetsOf(unit: Unit, part: string, options: KubernetesOptions): Promise<object[]> {
  const { namespace } = options
  const selector = { 'app.kubernetes.io/name': unit.name, 'app.kubernetes.io/part-of': part }
  const version = versionOf(unit.image)
  const labels = {
    ...selector,
    'app.kubernetes.io/instance': part,
    'app.kubernetes.io/component': unit.isGateway ? 'gateway' : 'executor',
    ...(version !== undefined && { 'app.kubernetes.io/version': version }),
    'app.kubernetes.io/managed-by': 'sluice',
  }
  const meta = (name = unit.name): object => ({ name, ...(namespace !== undefined && { namespace }), labels })
  const scale = scaleOf(unit, options)
  const claims = claimsOf(unit, options)
  const kind = claims.length > 0 ? 'StatefulSet' : 'Deployment'
  const all = { unit, part, selector, labels, meta, options }
  return [
    ...(unit.flow === undefined ? [] : [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: meta(), data: { [FLOW_FILE]: lines(unit.flow) } }]),
    service(all),
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: meta(),
      spec: { maxUnavailable: noted('Whoever empties machines takes one pod at a time.', 1), selector: { matchLabels: selector } },
    },
    ...(scale === undefined ? [] : [scaler(all, scale, kind)]),
    ...(options.networkPolicy === false ? [] : [policy(all)]),
    await workload(all, kind, scale, claims),
  ]
}

interface Sheet {
  readonly unit: Unit
  readonly part: string
  readonly selector: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  meta(name?: string): object
  readonly options: KubernetesOptions
}

function service({ unit, selector, meta }: Sheet): object {
  const ports = unit.ports.map((port) => ({
    name: port.name,
    port: port.port,
    targetPort: port.name,
    // One that is several things is none of them to who looks at this.
    appProtocol: port.protocols.length > 1 || unit.probes === 'tls' ? undefined : APP_PROTOCOLS[port.protocols[0]!],
  }))
  const spec = unit.isGateway
    ? { type: unit.gateway?.service ?? 'ClusterIP', selector, ports }
    : {
        clusterIP: noted(
          'Its name stands for the addresses of all its pods: the gateway connects to each, and sends where least is to do. No mesh is needed.',
          'None',
        ),
        selector,
        ports,
      }
  return { apiVersion: 'v1', kind: 'Service', metadata: meta(), spec }
}

const APP_PROTOCOLS: Partial<Record<UnitPort['protocols'][number], string>> = { grpc: 'grpc', http: 'http', websocket: 'kubernetes.io/ws' }

/** How many there are, where that changes. */
function scaleOf(unit: Unit, { autoscale }: KubernetesOptions): Autoscale | undefined {
  // There are as many shards as there are.
  if (autoscale === undefined || autoscale === false || unit.shard !== undefined) return undefined
  if (autoscale === true) return {}
  const names = ['min', 'max', 'cpu', 'triggers']
  if (Object.keys(autoscale).every((name) => names.includes(name))) return autoscale as Autoscale
  const own = (autoscale as Readonly<Record<string, boolean | Autoscale>>)[unit.executor]
  return own === undefined || own === false ? undefined : own === true ? {} : own
}

function scaler(
  { unit, meta }: Sheet,
  { min = unit.count, max = Math.max(min, 8), cpu, triggers = cpu === undefined ? waiting(unit) : undefined }: Autoscale,
  kind: string,
): object {
  const scaleTargetRef = { apiVersion: 'apps/v1', kind, name: unit.name }
  if (triggers !== undefined)
    return {
      apiVersion: 'keda.sh/v1alpha1',
      kind: 'ScaledObject',
      metadata: meta(),
      spec: { scaleTargetRef, minReplicaCount: min, maxReplicaCount: max, triggers: triggers.map(({ type, metadata }) => ({ type, metadata })) },
    }
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: meta(),
    spec: {
      scaleTargetRef,
      minReplicas: min,
      maxReplicas: max,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: cpu ?? 70 } } }],
    },
  }
}

/** What waits in its queue, where somebody counts it. */
function waiting({ trigger }: Unit): Autoscale['triggers'] {
  return trigger && [trigger]
}

function policy({ unit, part, selector, meta }: Sheet): object {
  const of = (numbers: boolean, protocol = 'TCP'): object[] =>
    unit.ports.filter(({ protocols }) => (protocols.length === 0) === numbers).map(({ port }) => ({ port, protocol }))
  // By a datagram, who computes without a pause says that he is there still.
  const [ports, numbers] = [[...of(false), ...(unit.isGateway || unit.isForeign ? [] : of(false, 'UDP'))], of(true)]
  const from = unit.isGateway ? undefined : noted('Nobody but pods of this Flow.', [{ podSelector: { matchLabels: { 'app.kubernetes.io/part-of': part } } }])
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: meta(),
    spec: {
      podSelector: { matchLabels: selector },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from, ports }, ...(numbers.length === 0 ? [] : [{ ports: noted('Whoever collects numbers.', numbers) }])],
      egress: noted('Wherever it likes: what executors call is not known here. Say it, where it is.', [{}]),
    },
  }
}

interface Claim {
  readonly name: string
  readonly path: string
  readonly size: string
}

/** What stays when a pod goes. */
function claimsOf({ executor, mounts }: Unit, { volumes }: KubernetesOptions): Claim[] {
  const named = mounts.filter(({ type }) => type === 'volume').map(({ target }) => [target, VOLUME] as const)
  const all = new Map<string, string>([...named, ...Object.entries(volumes?.[executor] ?? {})])
  return [...all].map(([path, size], at) => ({ name: `data-${at}`, path, size }))
}

async function workload(
  { unit, selector, labels, meta, options }: Sheet,
  kind: string,
  scale: Autoscale | undefined,
  claims: readonly Claim[],
): Promise<object> {
  const { isGateway, count, drainDelay, closeTimeout, credentials } = unit
  const [uid, gid = uid] = unit.user.split(':').map(Number) as [number, number?]
  const wait = { drain: unit.isForeign ? 0 : drainDelay, close: closeTimeout }
  const grace = PRE_STOP + Math.ceil((wait.drain + wait.close) / 1000) + SLACK
  const [kept, keptTmp] = [WORKSPACE, '/tmp'].map((folder) => claims.some(({ path }) => path === folder))
  const volumes = [
    ...(keptTmp ? [] : [{ name: 'tmp', emptyDir: { sizeLimit: TMP } }]),
    ...(unit.hasWorkspace && !kept ? [{ name: 'workspace', emptyDir: noted('Goes with the pod: the option volumes keeps it.', {}) }] : []),
    ...(unit.flow === undefined ? [] : [{ name: 'flow', configMap: { name: unit.name } }]),
    ...(unit.gateway?.tls === undefined ? [] : [{ name: 'tls', secret: { secretName: unit.gateway.tls } }]),
    ...(credentials === undefined
      ? []
      : [{ name: 'nats', secret: { secretName: credentials.secret, items: [{ key: credentials.key, path: CREDENTIALS_FILE }] } }]),
  ]
  const volumeMounts = [
    ...(keptTmp ? [] : [{ name: 'tmp', mountPath: '/tmp' }]),
    ...(unit.hasWorkspace && !kept ? [{ name: 'workspace', mountPath: WORKSPACE }] : []),
    ...claims.map(({ name, path }) => ({ name, mountPath: path })),
    ...(unit.flow === undefined ? [] : [{ name: 'flow', mountPath: FLOW_FOLDER, readOnly: true }]),
    ...(unit.gateway?.tls === undefined ? [] : [{ name: 'tls', mountPath: TLS_FOLDER, readOnly: true }]),
    ...(credentials === undefined ? [] : [{ name: 'nats', mountPath: NATS_FOLDER, readOnly: true }]),
  ]
  const container = {
    name: isGateway ? GATEWAY : 'executor',
    image: unit.image.includes('@')
      ? unit.image
      : noted('By its tag: whoever pushes it changes what runs. By its digest (name@sha256:…), what was tried is what runs.', unit.image),
    imagePullPolicy: unit.pull === undefined ? 'Always' : { missing: 'IfNotPresent', always: 'Always', never: 'Never' }[unit.pull],
    // A list, without a shell: signals arrive, and nothing in it is a command.
    command: unit.entrypoint?.map(plain),
    args: unit.args.map(plain),
    env: envOf(unit),
    ports: unit.ports.map(({ name, port }) => ({ name, containerPort: port })),
    ...probesOf(unit),
    lifecycle: noted('Who sends to it hears in these seconds that it goes. No shell is needed for that. From Kubernetes 1.30 on.', {
      preStop: { sleep: { seconds: PRE_STOP } },
    }),
    resources: resourcesOf(unit),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsUser: uid,
      runAsGroup: gid,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts,
  }
  const spread = (topologyKey: string): object => ({ maxSkew: 1, topologyKey, whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels: selector } })
  const template = {
    metadata: {
      labels,
      ...(unit.flow !== undefined && { annotations: { 'sluice/flow': noted('Of its Flow: where that changes, so do the pods.', await digest(unit.flow)) } }),
    },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      shareProcessNamespace: noted('What an executor leaves behind of processes is reaped.', true),
      terminationGracePeriodSeconds: noted(
        `${PRE_STOP} s until it is told, ${wait.drain / 1000} s in which it takes what was on its way, ${wait.close / 1000} s to finish, and ${SLACK} s more.`,
        grace,
      ),
      topologySpreadConstraints: [spread('kubernetes.io/hostname'), spread('topology.kubernetes.io/zone')],
      securityContext: { runAsNonRoot: uid !== 0, runAsUser: uid, runAsGroup: gid, fsGroup: gid, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [container],
      volumes,
    },
  }
  const replicas = scale === undefined ? count : undefined
  const isSet = kind === 'StatefulSet'
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: meta(),
    spec: {
      replicas,
      ...(isSet
        ? { serviceName: unit.name, podManagementPolicy: 'Parallel', updateStrategy: { type: 'RollingUpdate' } }
        : {
            strategy: noted('A new pod takes requests before an old one goes.', { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }),
          }),
      selector: { matchLabels: selector },
      template,
      volumeClaimTemplates: isSet ? claims.map((claim) => claimOf(claim, options)) : undefined,
    },
  }
}

function claimOf({ name, size }: Claim, { storageClass: storageClassName }: KubernetesOptions): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources: { requests: { storage: size } } },
  }
}

/** Kubernetes puts variables in place of `$(NAME)` in what it begins a container with; two dollars are one. */
function plain(text: string): string {
  return text.replaceAll('$', '$$$$')
}

function envOf(unit: Unit): object[] | undefined {
  const { env, secrets, ownSecrets } = unit
  const names = [...Object.keys(env), ...Object.keys(secrets)]
  const all = [
    // Nobody has a home, and what is kept there by others' code needs a place.
    ...(names.includes('HOME') ? [] : [{ name: 'HOME', value: '/tmp' }]),
    ...(names.length === 0 || unit.isGateway
      ? []
      : [{ name: 'SLUICE_ENV', value: noted('Which of these the executor has in its this.env.', plain(JSON.stringify(names))) }]),
    ...Object.entries(env).map(([name, value]) => ({ name, value: plain(value) })),
    ...Object.entries({ ...ownSecrets, ...secrets }).map(([name, { secret, key }]) => ({ name, valueFrom: { secretKeyRef: { name: secret, key } } })),
  ]
  return all
}

/** Whether it has begun; whether it is to be sent anything; whether it turns: three questions, and three answers. */
function probesOf(unit: Unit): object {
  const startup = { periodSeconds: 2, failureThreshold: Math.ceil(unit.readyTimeout / 2000) }
  const readiness = { periodSeconds: 3, timeoutSeconds: 5, failureThreshold: 2 }
  const liveness = { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
  const [grpc, http] = (['grpc', 'http'] as const).map((protocol) => unit.ports.find(({ protocols }) => protocols.includes(protocol))?.port)
  const probes = (alive: object, ready: object): object => ({
    startupProbe: noted(`It has ${Math.round(unit.readyTimeout / 1000)} s to open.`, { ...alive, ...startup }),
    readinessProbe: noted('Whether to send it requests.', { ...ready, ...readiness }),
    livenessProbe: noted(
      'Whether its process turns at all: for a minute it may compute without an answer. Not whether it is ready, as nothing is mended by an end then.',
      {
        ...alive,
        ...liveness,
      },
    ),
  })
  if (unit.probes === 'closed' || (unit.probes === 'tls' && http === undefined)) {
    const port = { tcpSocket: { port: unit.ports[0]!.port } }
    return probes(port, port)
  }
  if (unit.probes === 'tls') {
    const at = (path: string): object => ({ httpGet: { path, port: http, scheme: 'HTTPS' } })
    return probes(at('/healthz'), at('/ready'))
  }
  // An image of somebody else's knows the service without a name alone.
  if (grpc !== undefined) {
    const at = (service: string): object => ({ grpc: unit.isForeign ? { port: grpc } : { port: grpc, service } })
    return probes(at('liveness'), at('readiness'))
  }
  const at = (path: string): object => ({ httpGet: { path, port: unit.ports[0]!.port } })
  return probes(at('/healthz'), at('/ready'))
}

function resourcesOf({ memory, cpus, gpus, isGateway }: Unit): unknown {
  const size = memory === undefined ? undefined : memory % 1024 ** 2 === 0 ? `${memory / 1024 ** 2}Mi` : String(memory)
  const count = gpus === undefined ? undefined : /^\d+$/.test(gpus) ? Number(gpus) : gpus.startsWith('device=') ? gpus.split(',').length : 1
  const processors = cpus === undefined ? undefined : `${Math.round(cpus * 1000)}m`
  const resources = {
    requests: { cpu: cpus !== undefined && cpus < 0.25 ? processors : '250m', memory: size ?? '256Mi', 'ephemeral-storage': '64Mi' },
    limits: { cpu: processors ?? '1', memory: size ?? '512Mi', 'ephemeral-storage': '256Mi', ...(count !== undefined && { 'nvidia.com/gpu': count }) },
  }
  return isGateway || (memory !== undefined && cpus !== undefined)
    ? resources
    : noted('What nobody said is a guess: measure it, and say memory and cpus.', resources)
}

/** The tag of an image, where it has one that a label can be. */
function versionOf(image: string): string | undefined {
  return /:([a-z\d](?:[\w.-]{0,61}[a-z\d])?)(?:@|$)/i.exec(image.replace(/^.*\//, '').replace(/@.*$/, ''))?.[1]
}

async function digest(text: string): Promise<string> {
  const { createHash } = await node('crypto')
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
