// An image of an executor, without a registry: this machine's node with the libraries it needs, and the package as it is packed. `docker import` makes one of a folder.
//   node test/engine/image.mjs
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { registry } from './registry.mjs'

export const IMAGE = 'sluice-test:1'
const PATH = ['ENV PATH=/usr/local/bin:/bin', 'WORKDIR /app']

/** Makes it anew: the package may be another. @param docker the command @returns what it is called */
export function makeImage(docker = 'docker') {
  const entry = 'ENTRYPOINT ["node", "/app/node_modules/sluice/dist/cli/sluice.js", "executor", "/app/executor.js#Doing"]'
  return make(docker, IMAGE, [entry, ...PATH], (root) => {
    fill(root)
    for (const file of ['executor.js', 'relay.mjs']) put(root, join('test/engine', file), join('app', file))
  })
}

/**
 * The image of examples/wordnet, as its Dockerfile says. That begins with an image of this machine's node and npm, whose registry has what is installed here.
 * @param name what it is called there
 */
export async function makeExample(name, docker = 'docker') {
  const base = 'sluice-node:1'
  const { url, close } = await registry()
  try {
    await make(docker, base, [...PATH, `ENV NPM_CONFIG_REGISTRY=${url}`], (root) => {
      program(root, process.execPath, 'usr/local/bin/node')
      for (const one of ['/bin/sh', '/bin/mkdir', '/bin/chown', '/usr/bin/env']) program(root, one, one)
      const npm = dirname(dirname(realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim())))
      put(root, npm, 'usr/local/lib/node_modules/npm')
      symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'))
    })
    // In the network of this machine: there is the registry.
    const told = ['build', '--network', 'host', '--build-arg', `BASE=${base}`, '--tag', name, 'examples/wordnet']
    const build = spawn(docker, told, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [build.stdout, build.stderr]) stream.on('data', (data) => (said += data))
    const code = await new Promise((resolve, reject) => build.on('close', resolve).on('error', reject))
    if (code !== 0) throw new Error(`docker build ended with ${code}: ${said}`)
    return name
  } finally {
    close()
  }
}

/** An image that begins this machine's server of NATS, as that of Docker Hub does. @param file the program */
export function makeNats(name, file, docker = 'docker') {
  return make(docker, name, ['ENTRYPOINT ["/nats-server"]'], (root) => program(root, file, 'nats-server'))
}

async function make(docker, name, changes, fill) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-image-'))
  try {
    const root = join(folder, 'root')
    for (const one of ['tmp', 'etc']) mkdirSync(join(root, one), { recursive: true })
    // As in other images: what is mounted there has its mode.
    chmodSync(join(root, 'tmp'), 0o1777)
    fill(root)
    const tar = spawn('tar', ['-C', root, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const told = changes.flatMap((change) => ['--change', change])
    const load = spawn(docker, ['import', ...told, '-', name], { stdio: [tar.stdout, 'ignore', 'inherit'] })
    const code = await new Promise((resolve, reject) => load.on('close', resolve).on('error', reject))
    if (code !== 0) throw new Error(`docker import ended with ${code}`)
    return name
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function put(root, from, to = from) {
  mkdirSync(dirname(join(root, to)), { recursive: true })
  cpSync(from, join(root, to), { recursive: true, dereference: true })
}

/** A program, and the libraries that it needs. */
function program(root, file, to) {
  put(root, file, to)
  const linked = execFileSync('ldd', [file], { encoding: 'utf8' })
  for (const [path] of linked.matchAll(/(?<==> |^\s+)\/\S+/gm)) put(root, realpathSync(path.trim()), path.trim())
}

function fill(root) {
  const modules = join(root, 'app/node_modules')
  mkdirSync(join(modules, 'sluice'), { recursive: true })
  program(root, process.execPath, 'usr/local/bin/node')
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', root], { encoding: 'utf8' }))
  execFileSync('tar', ['-xzf', join(root, filename), '-C', join(modules, 'sluice'), '--strip-components=1'])
  rmSync(join(root, filename))
  const seen = new Set()
  const add = (name, from) => {
    if (seen.has(name)) return
    seen.add(name)
    const folder = found(name, from)
    if (folder === undefined) return
    put(root, folder, join('app/node_modules', name))
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    for (const other of Object.keys({ ...dependencies, ...optionalDependencies })) add(other, folder)
  }
  for (const name of Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies)) add(name, '.')
}

/** Where node would look for it. */
function found(name, from) {
  for (let at = resolve(from); ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name)
    if (existsSync(folder)) return folder
    if (at === dirname(at)) return undefined
  }
}

if (import.meta.filename === process.argv[1]) console.log(await makeImage())
