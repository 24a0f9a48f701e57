// Runs a command with an engine of containers and an image of an executor: `node .ci/engine.mjs node test/run.mjs engine`.
// Where an engine answers already, it is taken. Else one is begun in a folder of its own, and ended and cleaned up after the command. Where none can be had, it says so, and
// that is no failure. Podman, which needs none, gets the same image beside it.
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

/** Begins one. @returns ends it, and what it changed of this machine */
async function begin() {
  if (run('docker', '--version').status !== 0) skip('there is no docker on the PATH')
  if (run('dockerd', '--version').status !== 0) skip('no engine answers, and there is no dockerd on the PATH')
  if (process.getuid?.() !== 0) skip('no engine answers, and only root can begin one')
  const before = rules()
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
    // What it added, unless another engine was here before it.
    if (before !== undefined && !before.links) run('ip', 'link', 'delete', 'docker0')
    if (before?.chains === false) removeChains()
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
  skip(`an engine could not be begun: ${said}`)
}

/** What an engine adds to a machine. */
const DOCKER = { link: 'docker0', rules: /DOCKER|docker0|172\.17\.0\.0\/16/ }
const PODMAN = { link: 'cni-podman0', rules: /CNI-|10\.88\.0\.0\/16/ }

/** Whether an engine has been here. */
function rules({ link, rules } = DOCKER) {
  const links = run('ip', 'link', 'show', link)
  const chains = run('iptables-save')
  return links.error || chains.error ? undefined : { links: links.status === 0, chains: rules.test(chains.stdout) }
}

/** Takes out the rules of iptables that name it. */
function removeChains({ rules } = DOCKER) {
  const saved = run('iptables-save')
  if (saved.status !== 0) return
  const kept = saved.stdout
    .split('\n')
    .filter((line) => !rules.test(line))
    .join('\n')
  spawnSync('iptables-restore', { input: kept })
}

/** Has podman begin containers of the image, where there is one. What it keeps stands in a folder of its own. @returns ends what it has */
async function beginPodman() {
  const nothing = async (why) => {
    if (why !== undefined) console.log(`skipped: podman: ${why}`)
    return () => {}
  }
  if (run('podman', '--version').status !== 0) return nothing('there is no podman on the PATH')
  if (process.getuid?.() !== 0) return nothing('only root has it begin containers here')
  const before = rules(PODMAN)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-podman-'))
  const of = (name) => join(folder, name)
  for (const name of ['root', 'run']) mkdirSync(of(name))
  writeFileSync(of('storage'), `[storage]\ndriver = "overlay"\ngraphroot = "${of('root')}"\nrunroot = "${of('run')}"\n`)
  // Where a process may not raise its limits, and where crun knows nothing of such control groups.
  const limits = 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]'
  writeFileSync(of('containers'), `[containers]\n${limits}\n[engine]\nruntime = "runc"\n`)
  process.env.CONTAINERS_STORAGE_CONF = of('storage')
  const stop = () => {
    run('podman', 'rm', '--all', '--force', '--time', '0')
    run('umount', of('root/overlay'))
    if (before !== undefined && !before.links) run('ip', 'link', 'delete', PODMAN.link)
    if (before?.chains === false) removeChains(PODMAN)
    rmSync(folder, { recursive: true, force: true })
  }
  // Some hundred megabytes: it takes as long as the machine is busy.
  const loaded = spawnSync('sh', ['-c', `docker save ${IMAGE} | podman load`], { encoding: 'utf8', timeout: 6 * PATIENCE })
  const tried = () => run('podman', 'run', '--rm', '--init', '--publish', '127.0.0.1::8080/tcp', '--memory', '256m', '--entrypoint', 'node', IMAGE, '-e', '0')
  let { status, stderr } = loaded.status === 0 ? tried() : loaded
  if (status !== 0 && loaded.status === 0) {
    process.env.CONTAINERS_CONF = of('containers')
    ;({ status, stderr } = tried())
  }
  if (status === 0) return stop
  stop()
  return nothing(`it begins no container: ${stderr.trim().split('\n').at(-1)}`)
}

const stop = answers() ? async () => {} : await begin()
let code = 0
let stopPodman = () => {}
try {
  await makeImage()
  stopPodman = await beginPodman()
  const [command, ...args] = process.argv.slice(2)
  code = await new Promise((resolve) =>
    spawn(command, args, { stdio: 'inherit' })
      .on('close', resolve)
      .on('error', () => resolve(1)),
  )
} finally {
  stopPodman()
  await stop()
}
process.exit(code ?? 1)
