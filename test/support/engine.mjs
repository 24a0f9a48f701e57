// What stands in for docker, or for podman: its containers are processes of this machine. So what is said to an engine, and when, can be seen where there is none;
// what a real one makes of it, test/engine shows.
//   node engine.mjs FOLDER docker|podman command …
import { spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

const [folder, kind, command, ...args] = process.argv.slice(2)
const room = join(folder, 'containers')
mkdirSync(room, { recursive: true })
appendFileSync(join(folder, 'log'), `${JSON.stringify([command, ...args])}\n`)

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const fileOf = (name) => join(room, `${name}.json`)
const all = () => readdirSync(room).flatMap((file) => (file.endsWith('.json') ? [JSON.parse(readFileSync(join(room, file), 'utf8'))] : []))
const find = (word) => all().find(({ id, name }) => id === word || name === word)
const save = (container) => {
  writeFileSync(`${fileOf(container.name)}.new`, JSON.stringify(container))
  renameSync(`${fileOf(container.name)}.new`, fileOf(container.name))
}
const fail = (text, code = 1) => {
  process.stderr.write(`Error: ${text}\n`)
  process.exit(code)
}
const lives = ({ pid }) => {
  try {
    return process.kill(pid, 0) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
const kill = (container, signal) => {
  try {
    process.kill(-container.pid, signal)
  } catch {}
}

/** Flags that stand before what they say. */
const PAIRS = [
  '--name',
  '--tmpfs',
  '--cap-drop',
  '--security-opt',
  '--log-driver',
  '--label',
  '--publish',
  '--mount',
  '--env',
  '--filter',
  '--format',
  '--type',
]
const TIMES = ['--time', '-t']

function read() {
  const given = {}
  let at = 0
  const add = (flag, value) => (given[flag] ??= []).push(value)
  for (; at < args.length && args[at].startsWith('-'); at++) {
    const [flag, value] = args[at].split(/=(.*)/s)
    if (PAIRS.includes(flag) || TIMES.includes(flag)) add(flag, value ?? args[++at])
    else add(flag, value ?? true)
  }
  return { given, rest: args.slice(at) }
}

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

async function run({ given, rest: [, ...told] }) {
  const [name] = given['--name']
  if (given['--gpus'] !== undefined && kind === 'podman') fail('this podman does nothing with --gpus', 125)
  const [entry] = given['--entrypoint'] ?? []
  const image = JSON.parse(readFileSync(join(folder, 'image.json'), 'utf8'))
  const port = given['--publish'] === undefined ? undefined : await freePort()
  if (port !== undefined) {
    mkdirSync(join(folder, 'ports'), { recursive: true })
    writeFileSync(join(folder, 'ports', name), String(port))
    told[told.lastIndexOf('--port') + 1] = String(port)
    told[told.lastIndexOf('--host') + 1] = '127.0.0.1'
  }
  // What is mounted stands where it stands on this machine.
  for (const mounted of given['--mount'] ?? []) {
    const [, source, target] = /^type=bind,source=(.*?),target=(.*?)(?:,|$)/.exec(mounted) ?? []
    for (const [at, word] of told.entries()) if (word === target) told[at] = source
  }
  const [file, ...before] = entry === undefined ? image : [entry]
  const env = { PATH: process.env.PATH }
  for (const pair of given['--env'] ?? []) {
    const [key, value] = pair.split(/=(.*)/s)
    env[key] = value ?? process.env[key]
  }
  const labels = Object.fromEntries((given['--label'] ?? []).map((label) => label.split(/=(.*)/s)))
  const child = spawn(file, [...before, ...told], { stdio: ['ignore', 'inherit', 'inherit'], env, detached: true })
  save({ id: name.padEnd(64, '0'), name, labels, port, pid: child.pid, flags: args })
  const [code, signal] = await new Promise((resolve) => child.on('close', (...end) => resolve(end)))
  const exit = signal === 'SIGKILL' ? 137 : signal === 'SIGTERM' ? 143 : code
  const container = find(name)
  if (container !== undefined) save({ ...container, exit })
  process.exit(exit)
}

const told = read()
const { given, rest } = told
const known = () => rest.map((name) => find(name) ?? fail(`no such container: ${name}`))
if (command === 'run') await run(told)
else if (command === 'inspect')
  for (const container of known()) {
    const runs = container.exit === undefined && lives(container)
    console.log(JSON.stringify({ Running: runs, Status: runs ? 'running' : 'exited', ExitCode: container.exit ?? (runs ? 0 : 137), OOMKilled: false }))
  }
else if (command === 'stop' || command === 'kill')
  for (const container of known()) {
    kill(container, command === 'stop' ? 'SIGTERM' : 'SIGKILL')
    while (lives(container)) await pause(5)
  }
else if (command === 'rm') {
  // As podman does: whoever is not told how long, is asked to end first.
  if (kind === 'podman' && given['--time'] === undefined) await pause(10_000)
  // As podman 4.3 does: of several of which one is not there, it leaves all, and says nothing.
  if (kind === 'podman' && !rest.every(find)) process.exit(0)
  for (const container of known()) {
    kill(container, 'SIGKILL')
    while (lives(container)) await pause(5)
    rmSync(fileOf(container.name), { force: true })
  }
} else if (command === 'ps') {
  const [format] = given['--format']
  if (kind === 'podman' ? /\.Label /.test(format) : /\.Labels/.test(format)) fail(`template: ${format}`, 125)
  const [, key] = /"(.*)"/.exec(format)
  const filters = given['--filter'].map((filter) => filter.split('=').slice(1))
  for (const { id, labels } of all())
    if (filters.every(([label, value]) => label in labels && (value === undefined || labels[label] === value))) console.log(`${id} ${labels[key] ?? ''}`)
} else fail(`unknown command ${command}`, 125)
