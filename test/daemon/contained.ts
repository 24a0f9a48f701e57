// Containers of the real `sluice daemon`. The engine is none (see test/support/engine.mjs): what a real one makes of it, test/engine shows.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, Flow } from '../../lib/index.js'
import { codeUrl, flags } from '../support/code.js'
import { Command } from '../support/command.js'
import { DaemonRun, isAlive, TOKEN, until } from '../support/daemon.js'
import { FakeEngine } from '../support/engine.js'
import { Folder } from '../support/folder.js'
import { within } from '../support/within.js'
import { entries, error } from './flows.js'

const engine = new FakeEngine('docker')
process.env['SLUICE_DOCKER'] = engine.command
const daemon = await DaemonRun.begin(['--max-executors', '2', '--max-memory', '1g'])
const folder = new Folder()

const optionsAt = (at: DaemonRun, options: Partial<AddOptions> = {}): any => ({
  name: 'doing',
  uses: 'docker://registry.example/doing:1',
  ...at.there,
  ...options,
})
const flowOf = (options: Partial<AddOptions> = {}, at = daemon): Flow<any> => new Flow<any>({ closeTimeout: 60_000 }).add(optionsAt(at, options))
const first = async (flow: Flow<any>, on: string, text = 'x', options: object = {}): Promise<any> => (await flow.post(on, [text], options).docs())[0]
const flagsOf = (name: string, at = 0): string[] =>
  engine.containers[at]!.flags.flatMap((flag: string, at: number, all: string[]) => (flag === name ? [all[at + 1]] : flag.startsWith(`${name}=`) ? [flag] : []))

test('F11: an image runs in a container that the daemon begins, bounded and labelled, with what was sent, and nothing of it is left', async () => {
  const home = new Folder()
  home.file('models/small.bin', 'weights')
  const file = home.file(
    'flow.yml',
    `jtype: Flow
with: { close_timeout: 60000 }
executors:
  - name: doing
    uses: docker://registry.example/doing:1
    runtime: daemon
    host: ${daemon.address}
    token: '\${{ ENV.TOKEN_OF_TEST }}'
    volumes: [./models:/models:ro, /of-there:/of-there, data:/data]
    upload_files: [./models]
    env: { X: own, PATH: '/mine:/usr/bin' }
    uses_with: { text: 'a "b" $(c)' }
    parallel: 2
    network: net
    cpus: 0.5
`,
  )
  const notices: string[] = []
  const flow = (await Flow.loadConfig(file, { env: { TOKEN_OF_TEST: TOKEN }, onNotice: (notice) => notices.push(notice) })) as unknown as Flow<any>
  assert.equal(notices, [])
  await flow.open()
  try {
    const { tags } = await first(flow, '/about')
    assert.equal([tags.env.X, tags.config, tags.workspace], ['own', { text: 'a "b" $(c)' }, true])
    assert.is(engine.containers.length, 2)
    const [id] = entries(daemon)
    assert.ok(flagsOf('--label').includes(`sluice.daemon=${id}`))
    assert.equal(flagsOf('--memory'), [`--memory=${1 << 30}`])
    assert.equal([flagsOf('--cpus'), flagsOf('--network')], [['--cpus=0.5'], ['--network=net']])
    const [models, there, data, work] = flagsOf('--mount')
    const source = /source=(.*),target=\/models,readonly$/.exec(models!)![1]!
    assert.ok(source.startsWith(join(daemon.home, id!, 'files')), source)
    assert.ok(existsSync(join(source, 'small.bin')))
    assert.equal([there, data], ['type=bind,source=/of-there,target=/of-there', 'type=volume,source=data,target=/data'])
    assert.match(work!, new RegExp(`source=${daemon.home}/${id}/workspace/doing/[01],target=/workspace$`))
    const [executor] = (await daemon.status()).executors
    assert.equal([executor.image, executor.memory, executor.replicas.length], ['registry.example/doing:1', 1 << 30, 2])
    const asked = new Command(['daemon', 'status', daemon.address, '--token-file', folder.file('token', TOKEN)])
    assert.is((await within(60_000, asked.end)).code, 0, asked.stderr)
    assert.match(asked.stdout, /EXECUTOR +ID +IMAGE +REPLICAS[\s\S]*doing +[\da-f-]{36} +registry\.example\/doing:1 +up/)
  } finally {
    await flow.close()
  }
  assert.equal(engine.containers, [])
  assert.equal(entries(daemon), [])
  assert.ok(
    engine.log.some(([command]) => command === 'stop'),
    'it was asked to end',
  )
  assert.match(String(await flow.saveConfig(home.file('saved.yml'))), /volumes:\n.*- \.\/models:\/models:ro/)
})

test('64, 67: of requests to a container there that one of them ends, that one fails alone, named; pieces and aborts reach it', async () => {
  await using flow = await flowOf({ maxDeaths: 1 }).open()
  const inputs = Array.from({ length: 6 }, (_, at) => ({ id: `${at}`, text: at === 3 ? 'exit' : 'good' }))
  const failed: any[] = []
  let answered = 0
  // One after the other, as whoever is beside the guilty one would die with it.
  for await (const { error } of flow.post('/die', inputs, { requestSize: 1, prefetch: 1, continueOnError: true })) {
    if (error === undefined) answered++
    else failed.push(error)
  }
  assert.is(answered, 5)
  assert.match(failed[0].message, /document 3\): its container at http:\S+ ended with exit code 7 \(maxDeaths: 1\)/)
  assert.is(failed[0].cause.exitCode, 7)
  await until(() => flow.workers[0]!.state === 'up')
  const controller = new AbortController()
  const waiting = error(flow.post('/wait', ['one'], { signal: controller.signal }).docs())
  await until(async () => (await first(flow, '/waited')).tags.waiting === 1)
  controller.abort(new Error('enough'))
  assert.is((await waiting).message, 'enough')
  await until(async () => (await first(flow, '/waited')).tags.aborted.length === 1)
  for await (const { partial } of flow.post('/pieces', ['100000'])) if (partial) break
  assert.is(engine.containers.length, 1)
})

test('68: containers end when their Flow is gone, and when the daemon is, and their folder by the lease', async () => {
  const mine = await DaemonRun.begin()
  const program = `
    import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
    const flow = await new Flow().add(${JSON.stringify(optionsAt(mine, { lease: 1000 }))}).open()
    console.log('open')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await within(60_000, new Promise((resolve) => child.stdout.once('data', resolve)))
  const [{ pid }] = engine.containers
  child.kill('SIGKILL')
  await until(() => engine.containers.length === 0 && !isAlive(pid))
  await until(() => entries(mine).length === 0)
  const flow = await flowOf({ lease: 500 }, mine).open()
  try {
    assert.is(engine.containers.length, 1)
    await mine.end('SIGKILL')
    await until(() => engine.containers.length === 0)
  } finally {
    await flow.close()
  }
})

test('one that does not start says so with its log; what would do nothing, is over a limit, or is not there is refused by name', async () => {
  const crashed = await error(flowOf({ usesWith: { crash: true, say: 'no model.bin here' } }).open())
  assert.is(crashed.code, 'ERR_EXECUTOR_OPEN')
  assert.match(crashed.message, /^doing did not open: its container at http:\S+ ended with exit code 3\. The end of its log:\n[\s\S]*no model\.bin here/)
  for (const [options, reason] of [
    [{ unresponsiveAfter: 5 }, /^doing runs in a container of its daemon, which is not looked into, so unresponsiveAfter would do nothing/],
    [{ prefixOutput: true }, /^doing runs in a container of its daemon, which writes where its daemon does/],
    [{ network: 'none' }, /in which nobody could reach it/],
    [{ uses: 'docker://a b' }, /names no image/],
    [{ usesMetas: { name: 'x' } }, /usesMetas would do nothing/],
    [{ volumes: './models' }, /has the volume "\.\/models", which is not sent to its daemon. List it in uploadFiles/],
    [{ memory: '2g' }, /wants 2147483648 bytes of memory, and one may have 1073741824 \(maxMemory\)/],
    [{ parallel: 3 }, /wants 3, and 0 of 2 executors are taken \(maxExecutors\)/],
  ] as [AddOptions, RegExp][])
    assert.match((await error(flowOf(options).open())).message, reason)
  assert.equal([engine.containers, entries(daemon)], [[], []])
  const id = globalThis.crypto.randomUUID()
  const { version } = await daemon.status()
  for (const image of ['--privileged', 'a b', 7, ''])
    assert.is((await daemon.ask(`/executors/${id}`, { method: 'POST', body: JSON.stringify({ version, name: 'x', replicas: 1, image }) })).status, 422)
})

test.after(() => daemon.end())
test.run()
