// The runtimes beside the Node that is installed: what npm calls them, how they run a file, and where they are kept once they were fetched.
// Each is one package with one program for one platform. Nothing is run to install it, and nothing of it is a dependency of this one.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Which libc this machine has: programs for another do not start. */
const musl = process.platform === 'linux' && process.report?.getReport?.().header.glibcVersionRuntime === undefined
const { platform, arch } = process
const extension = platform === 'win32' ? '.exe' : ''

const node = (version) => ({
  title: `Node ${version.split('.')[0]}`,
  package: musl ? undefined : `node-${platform === 'win32' ? 'win' : platform}-${arch}`,
  version,
  binary: platform === 'win32' ? 'bin/node.exe' : 'bin/node',
  run: [],
})

const BUN = { linux: musl ? `linux-${arch}-musl` : `linux-${arch}`, darwin: `darwin-${arch === 'arm64' ? 'aarch64' : arch}`, win32: `windows-${arch}` }
const DENO = { linux: musl ? undefined : `linux-${arch}-glibc`, darwin: `darwin-${arch}`, win32: `win32-${arch}` }

/** By the names that `--runtime=` takes. Versions are told here alone. */
export const RUNTIMES = {
  node22: node('22.23.5'),
  node24: node('24.22.3'),
  node26: node('26.12.1'),
  bun: {
    title: 'Bun',
    // The baseline runs on processors that lack AVX2, too.
    package:
      BUN[platform] &&
      `@oven/bun-${BUN[platform].replace('linux-arm64', 'linux-aarch64')}${arch === 'x64' && platform !== 'darwin' && !musl ? '-baseline' : ''}`,
    version: '1.4.5',
    binary: `bin/bun${extension}`,
    run: [],
  },
  deno: {
    title: 'Deno',
    package: DENO[platform] && `@deno/${DENO[platform]}`,
    version: '2.9.6',
    binary: `deno${extension}`,
    run: ['run', '--allow-all', '--no-prompt', '--node-modules-dir=manual'],
  },
}

/** Where they are kept: `SLUICE_RUNTIMES`, or a folder in that of this user's caches. */
const home = process.env.SLUICE_RUNTIMES ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice', 'runtimes')

/**
 * A folder that is made once, and kept.
 * @param name another for each version
 * @param file stands in it once it is whole
 * @param make gets the folder to fill
 * @returns the path of the file
 */
export async function kept(name, file, make) {
  const folder = join(home, `${name}-${platform}-${arch}`)
  const wanted = join(folder, file)
  if (existsSync(wanted)) return wanted
  mkdirSync(home, { recursive: true })
  const made = mkdtempSync(`${folder}-`)
  try {
    await make(made)
    if (!existsSync(join(made, file))) throw new Error(`${name} has no ${file}`)
    // Whoever is first with a whole one has it: two runs may fetch at once.
    if (!existsSync(wanted)) {
      rmSync(folder, { recursive: true, force: true })
      renameSync(made, folder)
    }
  } catch (error) {
    if (!existsSync(wanted)) throw error
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
  return wanted
}

/**
 * Has npm install packages into a folder. No script of them runs.
 * @throws where it cannot be had, in words
 */
export async function install(folder, ...what) {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const windows = platform === 'win32'
  try {
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...what]
    await promisify(execFile)(windows ? 'npm.cmd' : 'npm', args, { cwd: folder, shell: windows, timeout: 300_000 })
  } catch (error) {
    throw new Error(`${what.join(' and ')} cannot be had: ${(error.stderr || error.message).trim().split('\n').slice(0, 2).join(', ')}`)
  }
}

/**
 * The program of a runtime, fetched with npm unless it is there already.
 * @param name a key of {@link RUNTIMES}
 * @returns its path
 * @throws where it cannot be had, in words
 */
export async function programOf(name) {
  const { title, package: wanted, version, binary } = RUNTIMES[name] ?? {}
  if (title === undefined) throw new Error(`there is no runtime ${name}. Give one of ${Object.keys(RUNTIMES).join(', ')}`)
  if (wanted === undefined) throw new Error(`${title} is in no package of npm for ${platform} on ${arch}`)
  return kept(`${name}-${version}`, join('node_modules', wanted, binary), (folder) => install(folder, `${wanted}@${version}`))
}

/**
 * The suites that run on each: parts of paths. Those that hold a server against attacks, bounds of file handles and of memory among them, measure what Node does, and
 * stay there.
 */
export const CORE = [
  ...[
    'stream/',
    'doc/',
    'post/',
    'graph/',
    'executor/',
    'handler/',
    'flow/',
    'client/',
    'contract/',
    'gateway/gateway',
    'gateway/graphql',
    'gateway/elsewhere',
  ],
  ...['place/thread', 'place/process', 'place/external', 'wire/graphql/', 'wire/http/', 'wire/websocket/', 'wire/proto/', 'wire/port/'],
  ...['wire/grpc/stream', 'wire/grpc/typed', 'wire/grpc/services', 'wire/grpc/client', 'wire/grpc/drain', 'cli/native'],
].map((part) => `test/${part}`)

/** A few of them, by which CI knows each runtime: what goes over wires, the disk, threads, the servers that a runtime has, and TypeScript. */
export const SHARE = ['stream/in-flight.ts', 'doc/list', 'post/post', 'contract/client-http', 'gateway/elsewhere', 'place/thread', 'cli/native'].map(
  (part) => `test/${part}`,
)

const KNOWN = new URL('../runtimes.json', import.meta.url)

/**
 * What is known of a runtime, by suites: a reason for the whole of one, which is not run there then, or reasons by names of tests, which may fail; under `held`, why the suite does
 * not end by itself. What does not fail any more is taken off.
 */
export function knownOf(name) {
  const { [name]: known = {} } = JSON.parse(readFileSync(KNOWN, 'utf8'))
  return known
}
