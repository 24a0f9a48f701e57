// Runs a command with an engine of containers and an image of an executor: `node .ci/engine.mjs node test/run.mjs engine`.
// Where an engine answers already, it is taken. Else one is begun in a folder of its own, and ended and cleaned up after the command. Where none can be had, it says so, and
// that is no failure. Podman, which needs none, gets the same image beside it.
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { IMAGE, makeImage } from '../test/engine/image.mjs'

/** Milliseconds in which an engine answers. */
const PATIENCE = 30_000

const run = (command, ...args) => spawnSync(command, args, { encoding: 'utf8', timeout: PATIENCE })
const answers = () => run('docker', 'info').status === 0
const skip = (why) => {
  console.log(`skipped: containers: ${why}`)
  process.exit(0)
}

/** Begins one. @returns ends it */
async function begin() {
  if (run('docker', '--version').status !== 0) skip('there is no docker on the PATH')
  if (run('dockerd', '--version').status !== 0) skip('no engine answers, and there is no dockerd on the PATH')
  if (process.getuid?.() !== 0) skip('no engine answers, and only root can begin one')
  const folder = mkdtempSync(join(tmpdir(), 'sluice-engine-'))
  const log = openSync(join(folder, 'log'), 'w')
  const places = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')]
  process.env.DOCKER_HOST = `unix://${join(folder, 'socket')}`
  const engine = spawn('dockerd', ['-H', process.env.DOCKER_HOST, ...places], { stdio: ['ignore', log, log], detached: true })
  let ended = false
  const end = new Promise((resolve) => engine.on('close', resolve).on('error', resolve)).then(() => {
    ended = true
  })
  const stop = async () => {
    engine.kill('SIGTERM')
    await Promise.race([end, pause(15_000, undefined, { ref: false })])
    if (!ended) engine.kill('SIGKILL')
    closeSync(log)
    // A container in the network of this machine leaves that mounted.
    for (const mounted of ['exec/netns/default', 'data']) run('umount', join(folder, mounted))
    for (let tries = 0; tries < 5; tries++) {
      try {
        rmSync(folder, { recursive: true, force: true })
        break
      } catch {
        await pause(500)
      }
    }
  }
  for (const until = Date.now() + PATIENCE; !ended && !answers(); await pause(200)) if (Date.now() > until) break
  if (!ended && answers()) return stop
  const said = readFileSync(join(folder, 'log'), 'utf8').trim().split('\n').at(-1)
  await stop()
  restore(before, [DOCKER])
  skip(`an engine could not be begun: ${said}`)
}

/** What engines add to the network of a machine: devices, and rules of iptables. */
const DOCKER = { links: /^(?:docker0|br-[\da-f]{12})$/, rules: /DOCKER|docker0|br-[\da-f]{12}|172\.17\.0\.0\/16/ }
const PODMAN = { links: /^(?:cni-)?podman\d+$/, rules: /CNI-|NETAVARK|netavark|podman\d|10\.8[89]\.\d+\.\d+\/\d+/ }
/** Whether this machine hands on what comes for others. */
const FORWARDS = '/proc/sys/net/ipv4/ip_forward'
/** Where podman has what networks there are. */
const NETWORKS = '/run/netns'

const linksOf = (said) => [...said.matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name)
/** Rules without what was counted. */
const rulesOf = (said) => said.split('\n').map((line) => line.replace(/ \[\d+:\d+\]$/, ''))
const isMounted = (folder) => readFileSync('/proc/mounts', 'utf8').includes(` ${folder} `)

/** The network of this machine as it is; undefined where nobody can say that. */
function network() {
  const [links, rules] = [run('ip', '-o', 'link'), run('iptables-save')]
  if (links.error || rules.error || !existsSync(FORWARDS)) return undefined
  return { links: linksOf(links.stdout), rules: rulesOf(rules.stdout), forwards: readFileSync(FORWARDS, 'utf8'), mounted: isMounted(NETWORKS) }
}

/** Makes it as it was: takes away what these engines have added, and what somebody who was killed has left. */
function restore(before, engines) {
  const now = before && network()
  if (now === undefined) return
  const isTheirs = (what, text) => engines.some((engine) => engine[what].test(text))
  for (const link of now.links) if (!before.links.includes(link) && isTheirs('links', link)) run('ip', 'link', 'delete', link)
  const policy = before.rules.find((line) => line.startsWith(':FORWARD ')) ?? ':FORWARD ACCEPT'
  const kept = now.rules.flatMap((line) => {
    if (!before.rules.includes(line) && isTheirs('rules', line)) return []
    // Docker has nothing handed on but what is its own.
    if (!line.startsWith(':')) return [line]
    return [`${line.startsWith(':FORWARD ') && engines.includes(DOCKER) ? policy : line} [0:0]`]
  })
  if (kept.length < now.rules.length || policy !== now.rules.find((line) => line.startsWith(':FORWARD ')))
    spawnSync('iptables-restore', { input: `${kept.join('\n')}\n` })
  if (engines.includes(DOCKER) && now.forwards !== before.forwards) writeFileSync(FORWARDS, before.forwards)
  if (now.mounted && !before.mounted) run('umount', NETWORKS)
}

/** Has podman begin containers of the image, where there is one. What it keeps stands in a folder of its own. @returns ends what it has */
async function beginPodman() {
  const nothing = async (why) => {
    if (why !== undefined) console.log(`skipped: podman: ${why}`)
    return () => {}
  }
  if (run('podman', '--version').status !== 0) return nothing('there is no podman on the PATH')
  if (process.getuid?.() !== 0) return nothing('only root has it begin containers here')
  const folder = mkdtempSync(join(tmpdir(), 'sluice-podman-'))
  const of = (name) => join(folder, name)
  for (const name of ['root', 'run', 'tmp', 'networks']) mkdirSync(of(name))
  writeFileSync(of('storage'), `[storage]\ndriver = "overlay"\ngraphroot = "${of('root')}"\nrunroot = "${of('run')}"\n`)
  // All of it, its locks and its networks, too: others that are begun later have folders of their own.
  const own = `[engine]\ntmp_dir = "${of('tmp')}"\nlock_type = "file"\n`
  const networks = `[network]\nnetwork_config_dir = "${of('networks')}"\n`
  writeFileSync(of('containers'), own + networks)
  // Where a process may not raise its limits, and where crun knows nothing of such control groups.
  const limits = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
  writeFileSync(of('limited'), `${own}runtime = "runc"\n${networks}${limits}`)
  Object.assign(process.env, { CONTAINERS_STORAGE_CONF: of('storage'), CONTAINERS_CONF: of('containers') })
  const stop = () => {
    run('podman', 'rm', '--all', '--force', '--time', '0')
    run('umount', of('root/overlay'))
    rmSync(folder, { recursive: true, force: true })
    // With these, no podman would begin anything any more.
    delete process.env.CONTAINERS_STORAGE_CONF
    delete process.env.CONTAINERS_CONF
  }
  // Some hundred megabytes: it takes as long as the machine is busy.
  const loaded = spawnSync('sh', ['-c', `docker save ${IMAGE} | podman load`], { encoding: 'utf8', timeout: 6 * PATIENCE })
  const tried = () => run('podman', 'run', '--rm', '--init', '--publish', '127.0.0.1::8080/tcp', '--memory', '256m', '--entrypoint', 'node', IMAGE, '-e', '0')
  let { status, stderr } = loaded.status === 0 ? tried() : loaded
  if (status !== 0 && loaded.status === 0) {
    process.env.CONTAINERS_CONF = of('limited')
    ;({ status, stderr } = tried())
  }
  if (status === 0) return stop
  stop()
  return nothing(`it begins no container: ${stderr.trim().split('\n').at(-1)}`)
}

const before = network()
const isThere = answers()
const stop = isThere ? async () => {} : await begin()
let code = 0
let stopPodman = () => {}
let child
let told = false
// Whoever is told to end ends the command, and then what was begun: else an engine would go on for ever.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    told = true
    child?.kill('SIGTERM')
  })
try {
  await makeImage()
  stopPodman = told ? stopPodman : await beginPodman()
  const [command, ...args] = process.argv.slice(2)
  if (told) code = 1
  else
    code = await new Promise((resolve) => {
      child = spawn(command, args, { stdio: 'inherit' })
      child.on('close', resolve).on('error', () => resolve(1))
    })
} finally {
  stopPodman()
  await stop()
  restore(before, isThere ? [PODMAN] : [DOCKER, PODMAN])
}
process.exit(code ?? 1)
