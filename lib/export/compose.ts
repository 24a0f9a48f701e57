import { OptionTypeError, show } from '../base/errors.js'
import { node } from '../base/node.js'
import { NATS_TOKEN } from '../config/save.js'
import type { Plan } from '../flow/options.js'
import { WORKSPACE } from '../place/docker.js'
import { type Files, OURS, writeAll } from './files.js'
import { type ComposeOptions, checkComposeOptions } from './options.js'
import { noted, write } from './text.js'
import { FLOW_FILE, FLOW_FOLDER, NATS, type Unit, within } from './unit.js'
import { unitsOf } from './units.js'

/** Milliseconds after SIGTERM for which a container takes what was on its way to it: its name is known until it has ended. */
const DRAIN = 1000
/** Seconds more than all that before it is killed. */
const SLACK = 5

/**
 * Writes a Flow down for Docker Compose: a service for each executor, and one for the gateway. Beside the file stands what the gateway serves, `<file>.flow.yml`.
 * @returns the files that were written
 * @throws as `toKubernetes` does
 */
export async function toCompose(plan: Plan, file = 'docker-compose.yml', options: ComposeOptions = {}): Promise<string[]> {
  const { basename, dirname } = await node('path')
  return writeAll(dirname(file), await composeFiles(plan, basename(file), dirname(file), checkComposeOptions(options)))
}

async function composeFiles(plan: Plan, file: string, folder: string, options: ComposeOptions): Promise<Files> {
  const around = { drainDelay: DRAIN, serving: {}, envName: /^[^=\0]+$/, gateways: 1, server: `nats://${NATS}:4222` }
  if (typeof options.gateway === 'object' && options.gateway.tls !== undefined)
    throw new OptionTypeError('gateway.tls must be left out for Compose, which has no Secrets of Kubernetes. Let a proxy in front of it speak TLS')
  if (typeof options.queue === 'object' && options.queue.credentials !== undefined)
    throw new OptionTypeError('queue.credentials must be left out for Compose, which has no Secrets of Kubernetes. Give queue.token')
  if (options.build !== undefined && options.image === undefined)
    throw new OptionTypeError('build goes with image, which is what is built there. Give image, too')
  const odd = (unit: Unit): string | undefined => {
    const name = Object.keys(unit.secrets).find((name) => !/^[a-z_]\w*$/i.test(name))
    return name === undefined ? undefined : `has a secret for ${show(name)}. In Compose it comes from a variable of that name: letters, digits and _`
  }
  const units = await unitsOf(plan, options, around, odd)
  const flowFile = `${file.replace(/\.ya?ml$/, '')}.${FLOW_FILE}`
  const network = options.network ?? 'flow'
  const { relative, resolve } = await node('path')
  const way = (path: string): string => {
    const way = relative(resolve(folder), path).replaceAll('\\', '/')
    return way.startsWith('.') ? way : `./${way}`
  }
  const services: Record<string, unknown> = {}
  const volumes = new Set<string>()
  const queue = ownQueueOf(options)
  if (queue !== undefined) {
    volumes.add(`${NATS}-data`)
    services[NATS] = noted('The queue from which executors take their work: what is in it outlasts all of them.', natsOf(queue, network, options))
  }
  const others = units.filter(({ isGateway }) => !isGateway).map(({ name }) => name)
  for (const unit of units) {
    services[unit.name] = noted(aboutOf(unit), serviceOf(unit, { options, network, flowFile, others, way, volumes }))
  }
  const text = await write(
    [
      {
        services,
        networks: { [network]: { driver: 'bridge' } },
        ...(volumes.size > 0 && { volumes: Object.fromEntries([...volumes].sort().map((name) => [name, {}])) }),
      },
    ],
    `The Flow ${plan.name}: docker compose -f ${file} up\nMore of an executor, also while it runs: docker compose -f ${file} up -d --scale ${others[0] ?? 'name'}=3\n${OURS}: change the Flow, or what the command was told, and not this file.`,
  )
  const gateway = units.find(({ isGateway }) => isGateway)
  return {
    [file]: text,
    ...(gateway?.flow !== undefined && { [flowFile]: `# What the gateway serves. ${OURS}: change the Flow, and not this file.\n${gateway.flow}` }),
  }
}

function aboutOf({ isGateway, executor, shard }: Unit): string {
  if (isGateway) return 'It serves the Flow. Each executor is found by its name, with all its containers, and asked where least is to do.'
  return `The executor ${executor}${shard === undefined ? '' : `, number ${shard} of those that all are asked`}.`
}

/** The image of a queue's server that stands in the file. */
function ownQueueOf({ queue = false }: ComposeOptions): string | undefined {
  if (queue === false) return undefined
  const { server, image = 'nats:2' } = queue === true ? {} : queue
  return server === undefined ? image : undefined
}

function natsOf(image: string, network: string, { queue }: ComposeOptions): object {
  const isClosed = typeof queue === 'object' && queue.token !== undefined
  return {
    image,
    command: ['--jetstream', '--store_dir', '/data', ...(isClosed ? ['--auth', secretOf(NATS_TOKEN)] : [])],
    networks: [network],
    volumes: [{ type: 'volume', source: `${NATS}-data`, target: '/data' }],
    restart: 'unless-stopped',
    ...BOUNDS,
  }
}

/** What no container may do. */
const BOUNDS = { read_only: true, tmpfs: ['/tmp'], cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] }

interface Around {
  readonly options: ComposeOptions
  readonly network: string
  readonly flowFile: string
  readonly others: readonly string[]
  /** From the folder of the file. */
  way(path: string): string
  readonly volumes: Set<string>
}

function serviceOf(unit: Unit, { options, network, flowFile, others, way, volumes }: Around): object {
  const { isGateway, name, memory, cpus, gpus, count } = unit
  const mounts: unknown[] = unit.mounts.map(({ type, source, target, readonly }) => {
    if (type === 'volume') volumes.add(source)
    return { type, source: type === 'bind' ? plain(way(source)) : source, target: plain(target), read_only: readonly || undefined }
  })
  if (unit.hasWorkspace) {
    volumes.add(`${name}-workspace`)
    mounts.push(
      noted('The image has to have this folder, of who runs in it: a new volume is as it is there.', {
        type: 'volume',
        source: `${name}-workspace`,
        target: WORKSPACE,
      }),
    )
  }
  if (unit.flow !== undefined) mounts.push({ type: 'bind', source: plain(`./${flowFile}`), target: `${FLOW_FOLDER}/${FLOW_FILE}`, read_only: true })
  const { publish = '127.0.0.1', build } = options
  const before = [...(isGateway ? others : []), ...(ownQueueOf(options) !== undefined && (isGateway || unit.queue !== undefined) ? [NATS] : [])]
  return {
    image: unit.image,
    build: build !== undefined && unit.image === within(options.image!, options) ? { context: plain(way(build)) } : undefined,
    // Lists, without a shell: signals arrive, and nothing in them is a command.
    entrypoint: unit.entrypoint?.map(plain),
    command: unit.args.map(plain),
    environment: environmentOf(unit),
    networks: [network],
    ports: isGateway
      ? noted(
          'For this machine alone, unless publish says otherwise.',
          unit.ports.map(({ port }) => `${publish}:${port}:${port}`),
        )
      : undefined,
    volumes: mounts.length === 0 ? undefined : mounts,
    depends_on: before.length > 0 ? before : undefined,
    scale: count === 1 || isGateway ? undefined : count,
    init: noted('It reaps what processes an executor leaves behind.', true),
    restart: 'unless-stopped',
    stop_grace_period: `${Math.ceil(((unit.isForeign ? 0 : unit.drainDelay) + unit.closeTimeout) / 1000) + SLACK}s`,
    healthcheck: unit.isForeign ? undefined : healthOf(unit),
    pull_policy: unit.pull === undefined ? undefined : unit.pull === 'missing' ? 'if_not_present' : unit.pull,
    user: unit.user,
    ...BOUNDS,
    mem_limit: memory === undefined ? undefined : String(memory),
    cpus,
    deploy:
      gpus === undefined ? undefined : { resources: { reservations: { devices: [{ driver: 'nvidia', capabilities: ['gpu'], ...devicesOf(plain(gpus)) }] } } },
  }
}

function devicesOf(gpus: string): object {
  if (gpus.startsWith('device=')) return { device_ids: gpus.slice('device='.length).split(',') }
  return { count: /^\d+$/.test(gpus) ? Number(gpus) : 'all' }
}

/** Compose puts variables in place of `$NAME` and `${NAME}` everywhere; two dollars are one. */
function plain(text: string): string {
  return text.replaceAll('$', '$$$$')
}

/** What Compose asks of whoever starts it. */
function secretOf(name: string): string {
  return `\${${name}:?is a secret that has to be set}`
}

function environmentOf({ env, secrets, ownSecrets, isGateway }: Unit): unknown {
  const names = [...Object.keys(env), ...Object.keys(secrets)]
  return {
    ...(names.includes('HOME') ? {} : { HOME: '/tmp' }),
    ...(names.length === 0 || isGateway ? {} : { SLUICE_ENV: noted('Which of these the executor has in its this.env.', plain(JSON.stringify(names))) }),
    ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, plain(value)])),
    ...Object.fromEntries(
      Object.keys({ ...ownSecrets, ...secrets }).map((name) => [name, noted('A secret: of whoever starts it, and in no file.', secretOf(name))]),
    ),
  }
}

function healthOf(unit: Unit): object | undefined {
  // Whoever is let in by a token alone would have to bring one.
  if (unit.probes === 'closed') return undefined
  const { protocols, port } = unit.ports[0]!
  const scheme = protocols.includes('grpc') ? 'grpc' : protocols.includes('http') ? 'http' : 'ws'
  const ask = ['CMD', ...unit.entrypoint!.map(plain), 'ping', `${scheme}://127.0.0.1:${port}`]
  return { test: ask, interval: '10s', timeout: '8s', retries: 3, start_period: `${Math.ceil(unit.readyTimeout / 1000)}s` }
}
