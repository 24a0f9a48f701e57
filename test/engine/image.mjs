// An image of an executor, without a registry: this machine's node with the libraries it needs, and the package as it is packed. `docker import` makes one of a folder.
//   node test/engine/image.mjs
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

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

/** The image of examples/wordnet, with what its Dockerfile puts in. @param name what it is called there */
export function makeExample(name, docker = 'docker') {
  return make(docker, name, [...PATH, 'ENV NODE_OPTIONS="--import tsx"', 'USER 65534:65534'], (root) => {
    fill(root, ['tsx', 'lmdb', '@nats-io/transport-node', '@nats-io/jetstream'])
    for (const file of ['executors.ts', 'store.ts', 'terms.ts', 'wordnet.ts']) put(root, join('examples/wordnet', file), join('app', file))
    writeFileSync(join(root, 'app/package.json'), '{ "type": "module" }')
    mkdirSync(join(root, 'workspace'))
    chownSync(join(root, 'workspace'), 65534, 65534)
  })
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

/** @param more packages beside what the package depends on */
function fill(root, more = []) {
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
  for (const name of [...Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).dependencies), ...more]) add(name, '.')
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
