import { FlowBuildError, show } from '../base/errors.js'
import type { AddOptions } from '../flow/options.js'
import { checkEnvironment } from './environment.js'
import { bytesOf, volumeAt } from './options.js'

/** Where an executor listens in its container, as Jina's images are told in Kubernetes. */
export const PORT = 8080

/** Where a container has the folder of its executor. */
export const WORKSPACE = '/workspace'

/** What a container gets of the environment of this process, beside what it is given: its paths would lead nowhere. */
const PASSED = ['LANG', 'TZ']

/** What docker and podman read themselves, and so cannot have of a container's environment in their own. */
const OWN =
  /^(?:PATH|HOME|USER|TMPDIR|PWD|SHELL|NODE_OPTIONS|(?:DOCKER|CONTAINER|CONTAINERS|PODMAN|BUILDKIT|REGISTRY|STORAGE|XDG|SSH|SSL|LD|GO|DBUS|NOTIFY)[A-Z_]*|\w*_proxy)$/i

/** What docker and podman find of this process's environment beside PATH and HOME: where they are, and how they reach registries. */
const ENGINE = /^(?:SLUICE_DOCKER|USER|(?:DOCKER|CONTAINER|CONTAINERS|PODMAN|REGISTRY|STORAGE|XDG|SSL|DBUS)_[A-Z_]+|\w*_proxy)$/i

/** For a process that is to begin containers, as this one would. */
export function engineEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).filter((pair): pair is [string, string] => ENGINE.test(pair[0])))
}

/** What a container is begun with. */
export interface Run {
  /** Of `docker`: no shell reads them. */
  readonly args: readonly string[]
  /** What docker finds in its own environment, and hands on: other users of this machine see what stands on a command line, and not this. */
  readonly env: Readonly<Record<string, string>>
}

/** A container to be. */
export interface Container {
  readonly image: string
  /** The engine's name of it. */
  readonly name: string
  /** Of the executor. */
  readonly executor: string
  readonly labels: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  /** The folder of this machine for what it writes. */
  readonly workspace: string | undefined
  /** Where it listens on this machine, in the network of which it is: nobody publishes its port then. */
  readonly hostPort: number | undefined
  /** Whether podman is told, not docker. */
  readonly isPodman: boolean
  readonly options: Pick<AddOptions, 'usesWith' | 'memory' | 'cpus' | 'volumes' | 'gpus' | 'network' | 'user' | 'args' | 'pull' | 'entrypoint' | 'dockerArgs'>
}

/**
 * The command line of a container. It is safe by default: it sees nothing of this machine but what `volumes` says, changes no file but in /tmp and its volumes, has no
 * capabilities, wins no privileges, and its port is open to this machine alone.
 * @param absolute makes a path of this machine absolute
 * @throws FlowBuildError (`ERR_USES_INVALID`) for what cannot be said to a container
 */
export function runOf({ image, name, executor, labels, env, workspace, hostPort, isPodman, options }: Container, absolute: (path: string) => string): Run {
  const { memory, cpus, gpus, network, user, pull } = options
  const [entrypoint, ...before] = [options.entrypoint ?? []].flat()
  const bytes = bytesOf(memory)
  const mounts = [options.volumes ?? []].flat().map((volume) => mountOf(executor, volume, absolute))
  if (workspace !== undefined) mounts.push(mount({ type: 'bind', source: workspace, target: WORKSPACE }))
  const told = environmentOf(executor, env)
  const args = [
    ...['run', '--name', name, '--init', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
    // What it writes comes through here, and is kept nowhere.
    ...['--log-driver', 'none', '--sig-proxy=false'],
    ...Object.entries(labels).flatMap(([label, value]) => ['--label', `${label}=${value}`]),
    ...(hostPort === undefined ? ['--publish', `127.0.0.1::${PORT}/tcp`] : []),
    ...(pull === undefined ? [] : [`--pull=${pull}`]),
    // No more in swap: it ends where it says, and not slowly.
    ...(bytes === undefined ? [] : [`--memory=${bytes}`, `--memory-swap=${bytes}`]),
    ...(!cpus || cpus === Infinity ? [] : [`--cpus=${cpus}`]),
    ...(gpus === undefined ? [] : isPodman ? podmanDevices(executor, gpus) : [`--gpus=${devicesOf(gpus)}`]),
    ...(network === undefined ? [] : [`--network=${network}`]),
    ...(user === undefined ? [] : [`--user=${user}`]),
    ...mounts.flatMap((mount) => ['--mount', mount]),
    ...told.args,
    ...(entrypoint === undefined ? [] : [`--entrypoint=${entrypoint}`]),
    ...[options.dockerArgs ?? []].flat(),
    image,
    ...before,
    ...['--name', executor, '--port', String(hostPort ?? PORT), '--host', hostPort === undefined ? '0.0.0.0' : '127.0.0.1'],
    ...(options.usesWith === undefined ? [] : ['--uses-with', JSON.stringify(options.usesWith)]),
    ...(workspace === undefined ? [] : ['--workspace', WORKSPACE]),
    ...[options.args ?? []].flat(),
  ]
  const odd = args.find((arg) => arg.includes('\0'))
  if (odd !== undefined) throw refusal(executor, `is to be told ${show(odd)}, and no command line has a character of number 0`)
  return { args, env: told.env }
}

/** Of what docker takes for an image, no part begins like a flag, and there are no spaces. */
export function isImageName(text: string): boolean {
  return /^[\w][\w.-]*(?::\d+)?(?:\/[\w][\w.-]*)*(?::[\w][\w.-]*)?(?:@[a-z\d]+:[a-f\d]+)?$/i.test(text)
}

/** @throws FlowBuildError (`ERR_USES_INVALID`) for what names no image */
export function imageOf(executor: string, uses: string): string {
  const image = uses.replace(/^docker:\/\//i, '')
  if (isImageName(image)) return image
  throw refusal(executor, `uses ${show(uses)}, which names no image. Write docker://name, docker://registry.example/name:tag, or with the digest behind an @`)
}

function refusal(executor: string, reason: string): FlowBuildError {
  return new FlowBuildError('ERR_USES_INVALID', `${executor} ${reason}`)
}

/** The environment of a container, and under which names its executor has it in `this.env`. */
function environmentOf(executor: string, given: Readonly<Record<string, string>>): Run {
  const inherited = Object.fromEntries(PASSED.flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]!]])))
  const all: Record<string, string> = { ...inherited, ...given, SLUICE_ENV: JSON.stringify(Object.keys(given)) }
  const args: string[] = []
  const env: Record<string, string> = {}
  checkEnvironment(executor, 'container', given)
  for (const [key, value] of Object.entries(all)) {
    if (OWN.test(key)) args.push('--env', `${key}=${value}`)
    else {
      args.push('--env', key)
      env[key] = value
    }
  }
  return { args, env }
}

/** What a container sees of the machine that it runs on, or of the engine's volumes. */
export interface Volume {
  readonly type: 'bind' | 'volume'
  readonly source: string
  readonly target: string
  readonly readonly: boolean
}

/**
 * `./models:/models:ro`, read.
 * @throws FlowBuildError (`ERR_USES_INVALID`) for what does not say what is where
 */
export function volumeOf(executor: string, volume: string, absolute: (path: string) => string): Volume {
  const bad = (reason: string): FlowBuildError =>
    refusal(executor, `has the volume ${show(volume)}, ${reason}. Write './here:/there', './here:/there:ro', or 'name:/there' for one of the engine's`)
  let source: string | undefined
  const [name = '', given, mode = 'rw', ...more] = volumeAt(volume, (path) => {
    source = absolute(path)
    // No colon of it parts anything.
    return path.replaceAll(':', '').replace(/[\\/]+$/, '')
  }).split(':')
  const target = given ?? (source === undefined ? '' : `/${name.replace(/^.*[\\/]/, '')}`)
  if (name === '' || more.length > 0) throw bad('which does not say what is where')
  if (!target.startsWith('/') || /^\/\.*$/.test(target)) throw bad('which does not say where in the container, by a path from /')
  if (mode !== 'ro' && mode !== 'rw') throw bad(`where ${show(mode)} is neither ro nor rw; for more, there are dockerArgs`)
  return { type: source === undefined ? 'volume' : 'bind', source: source ?? name, target, readonly: mode === 'ro' }
}

/** As docker's --mount has it, which takes any character. */
function mountOf(executor: string, volume: string, absolute: (path: string) => string): string {
  const { readonly, ...parts } = volumeOf(executor, volume, absolute)
  return mount(parts, readonly)
}

/** Docker reads a line of CSV. */
function mount(parts: Readonly<Record<string, string>>, readonly = false): string {
  const fields = Object.entries(parts).map(([key, value]) => `${key}=${value}`)
  return [...fields, ...(readonly ? ['readonly'] : [])].map((field) => (/[",\r\n]|^\s/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')
}

/** Of several parts, docker reads CSV here, too: `device=0,1` is one of them. */
function devicesOf(gpus: string): string {
  return /^device=[^=]*,[^=]*$/.test(gpus) ? `"${gpus}"` : gpus
}

/** Podman knows graphics processors as devices, by what NVIDIA's toolkit has written down of them; `--gpus` does nothing there before its version 5. */
function podmanDevices(executor: string, gpus: string): string[] {
  const [, listed] = /^(?:device=)?(\w[\w:.-]*(?:,\w[\w:.-]*)*)$/.exec(gpus) ?? []
  if (listed === undefined) throw refusal(executor, `has gpus: ${show(gpus)}, and podman knows 'all', how many ('2'), and 'device=0,1'`)
  const each = /^\d+$/.test(gpus) ? Array.from({ length: Number(gpus) }, (_, at) => String(at)) : listed.split(',')
  return each.map((device) => `--device=nvidia.com/gpu=${device}`)
}
