import { join } from 'node:path'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import type { Autoscale, ComposeOptions, ExportOptions, KubernetesOptions } from '../export/options.js'
import type { Flow } from '../flow/flow.js'
import { FLOW_FILE, flowOf } from './flow-file.js'
import { asUsage, integer, list, pair, Usage } from './usage.js'

interface Given {
  image?: string
  imageOf?: Record<string, string>
  registry?: string
  root?: string
  env?: Nested
  secret?: Nested
  queue?: string | true
  queuePrefix?: string
  queueToken?: string
  queueCredentials?: string
  queueMonitoring?: string
  gateway: boolean
  gateways?: number
  service?: 'ClusterIP' | 'LoadBalancer' | 'NodePort'
  tls?: string
  namespace?: string
  autoscale?: Autoscale | true
  volume?: Nested
  storageClass?: string
  networkPolicy: boolean
  network?: string
  publish?: string
  natsImage?: string
  build?: string
}

/** Values by name, by container. */
type Nested = Record<string, Record<string, string>>

const FORMATS = ['kubernetes', 'kustomize', 'compose'] as const

/** What one of them alone is told. */
const ONLY_KUBERNETES = ['gateways', 'service', 'tls', 'namespace', 'autoscale', 'volume', 'storageClass', 'queueCredentials', 'queueMonitoring'] as const
const ONLY_COMPOSE = ['network', 'publish', 'natsImage', 'build'] as const

/** `sluice export`: a Flow as files for those who run containers. */
export function exportCommand(): Command {
  return new Command('export')
    .summary('write a Flow down for Kubernetes, Kustomize or Docker Compose')
    .description('Writes a Flow down for those who run containers: each executor by itself, behind a name, and a gateway that serves the Flow.')
    .addArgument(new Argument('<format>', 'for whom').choices(FORMATS))
    .argument('<flow>', FLOW_FILE)
    .argument('<folder>', 'where the files go; it is made where it is not there')
    .option('--image <image>', 'the image of all containers that have none of their own')
    .option('--image-of <name=image>', 'the image of one executor, or of gateway; as often as needed', pair)
    .option('--registry <registry>', 'stands before images that name none')
    .option('--root <folder>', 'the working folder of the image holds the same as this one, from which modules are named (default: this folder)')
    .option('--env <container.name=value>', 'what an executor, or gateway, finds in its environment; as often as needed', nested('.'))
    .option(
      '--secret <container.name=secret/key>',
      'the same of a Secret, by its name and a key in it; Compose asks whoever starts it for a variable of that name',
      nested('.'),
    )
    .option(
      '--queue [server]',
      'executors take their work from a durable queue at this server of NATS (Compose: where none is said, from one of its own) (default: they are asked at their addresses)',
    )
    .option('--queue-prefix <words>', 'in front of all subjects there: two Flows of one name need two (default: sluice)')
    .option(
      '--queue-token <secret/key>',
      "the server's token, by a Secret and a key in it; Compose asks whoever starts it for NATS_TOKEN (default: none is shown)",
    )
    .option('--no-gateway', 'executors alone')
    .optionsGroup('Kubernetes and Kustomize:')
    .option('--namespace <name>', 'the namespace, which is there already (default: none is written)')
    .option('--gateways <n>', 'how many gateways there are (default: 2)', integer)
    .addOption(new Option('--service <type>', "the type of the gateway's Service (default: ClusterIP)").choices(['ClusterIP', 'LoadBalancer', 'NodePort']))
    .option('--tls <secret>', 'a Secret of the type kubernetes.io/tls, whose key and certificate the gateway shows')
    .option('--autoscale [min-max]', 'more pods where they are busy, such as 2-8 (default: as many as parallel says)', between)
    .option('--volume <container:folder=size>', 'what stays when a pod goes: index:/workspace=10Gi; as often as needed', nested(':'))
    .option('--storage-class <name>', 'of these volumes (default: that of the cluster)')
    .option('--queue-credentials <secret/key>', 'with --queue: the credentials (.creds) of a user of its server, by a Secret and a key in it')
    .option('--queue-monitoring <host:port>', 'where its server tells of itself: with --autoscale, KEDA makes pods by what waits there')
    .option('--no-network-policy', 'everybody in the cluster gets to the executors')
    .optionsGroup('Compose:')
    .option('--network <name>', 'its network in the file (default: flow)')
    .option('--build <folder>', 'the folder of a Dockerfile from which --image is built where it is not there (default: it is brought)')
    .option('--nats-image <image>', 'of the server that --queue puts beside the Flow (default: nats:2)')
    .option('--publish <address>', 'where the gateway is published (default: 127.0.0.1)')
    .addHelpText(
      'after',
      `
Examples:
  $ sluice export compose flow.yml deploy --image shop:1.0.0 && docker compose -f deploy/docker-compose.yml up
  $ sluice export kubernetes flow.yml deploy --image registry.example/shop@sha256:… && kubectl apply -n shop -f deploy
  $ sluice export kubernetes flow.yml deploy --image … --queue nats://nats.internal --queue-monitoring nats.internal:8222 --autoscale 1-20
  $ sluice export kustomize flow.yml deploy --registry registry.example/team --image shop:1.0.0 --autoscale 2-8

It prints the files that it wrote. docs/deploy.md walks from a Flow to a cluster.`,
    )
    .action(write)
}

async function write(format: (typeof FORMATS)[number], file: string, folder: string, given: Given): Promise<void> {
  const others = format === 'compose' ? ONLY_KUBERNETES : ONLY_COMPOSE
  const idle = others.find((name) => given[name] !== undefined) ?? (format === 'compose' && !given.networkPolicy ? 'networkPolicy' : undefined)
  if (idle !== undefined)
    throw new Usage(
      `--${idle === 'networkPolicy' ? 'no-network-policy' : idle.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} means nothing for ${format}`,
    )
  const flow = await flowOf(file)
  const files = await written(format, flow, folder, given)
  for (const name of files) process.stdout.write(`${name}\n`)
  if (format === 'compose') return
  const { leftOf } = await import('../export/index.js')
  for (const left of await leftOf(flow, format === 'kustomize' ? join(folder, 'base') : folder, files))
    process.stderr.write(
      `sluice: ${left} is of an earlier export, and what it describes is no part of the Flow any more. Take it out of the cluster (kubectl delete -f), and remove it\n`,
    )
}

async function written(format: (typeof FORMATS)[number], flow: Flow<string>, folder: string, given: Given): Promise<string[]> {
  const { image, imageOf, registry, root, env, secret, gateways, service, tls } = given
  const gateway = given.gateway && { ...(gateways !== undefined && { replicas: gateways }), ...(service && { service }), ...(tls && { tls }) }
  const server = typeof given.queue === 'string' ? given.queue : undefined
  if (given.natsImage !== undefined && (given.queue === undefined || server !== undefined)) throw new Usage('--nats-image goes with --queue without a server')
  const { queuePrefix: prefix, queueToken: token, queueCredentials: credentials, queueMonitoring: monitoring } = given
  const told = { image: given.natsImage, prefix, token, credentials, monitoring }
  if (given.queue === undefined && Object.values(told).some((value) => value !== undefined)) throw new Usage('--queue-… goes with --queue')
  const queue = given.queue !== undefined && { server, ...told }
  const both: ExportOptions = { image, images: imageOf, registry, root, env, secrets: secret, queue, gateway }
  if (format === 'compose') {
    const options: ComposeOptions = { ...both, network: given.network, publish: given.publish, build: given.build }
    return said(() => flow.toDockerComposeYaml(join(folder, 'docker-compose.yml'), options))
  }
  const { namespace, autoscale, volume, storageClass, networkPolicy } = given
  const options: KubernetesOptions = { ...both, namespace, autoscale, volumes: volume, storageClass, networkPolicy }
  if (format === 'kubernetes') return said(() => flow.toKubernetesYaml(folder, options))
  const { toKustomize } = await import('../export/index.js')
  return said(() => toKustomize(flow.plan, folder, options))
}

/** What is wrong with an option is wrong with the command line. */
async function said<R>(work: () => Promise<R>): Promise<R> {
  const settled = await work().then(
    (value) => () => value,
    (error) => () => {
      throw error
    },
  )
  return asUsage(settled)
}

/** `encode.NAME=value`, as one of several. @param mark what stands between the container and the name */
function nested(mark: string): (text: string, before?: Nested) => Nested {
  return (text, before = {}) => {
    const [, container, between, name, value] = /^([A-Za-z_][\w-]*)([.:])([^=]+)=(.*)$/s.exec(text) ?? []
    if (container === undefined || between !== mark) throw new InvalidArgumentError(`It is container${mark}name=value.`)
    return { ...before, [container]: { ...before[container], [name!]: value! } }
  }
}

function between(text: string): Autoscale {
  const [min, max, ...more] = list(text.replace('-', ',')).map(integer)
  if (min === undefined || max === undefined || more.length > 0) throw new InvalidArgumentError('It is the fewest and the most: 2-8.')
  return { min, max }
}
