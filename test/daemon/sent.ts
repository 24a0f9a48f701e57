// What a Flow sends to the real `sluice daemon`, how it runs there, and what is refused.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, Flow } from '../../lib/index.js'
import { codeUrl, flags } from '../support/code.js'
import { Command } from '../support/command.js'
import { DaemonRun, isAlive, TOKEN } from '../support/daemon.js'
import { Folder } from '../support/folder.js'
import { within } from '../support/within.js'
import { about, entries, error, flowAt } from './flows.js'

const daemon = await DaemonRun.begin(['--max-executors', '6', '--max-memory', '1g', '--max-upload-bytes', '20000', '--max-upload-files', '5'])
const folder = new Folder()
const flowOf = (options: Partial<AddOptions> = {}): Flow<any> => flowAt(daemon, options)

test('F11: an executor is sent by its YAML and files, runs in a folder of its own, and leaves nothing', async () => {
  const home = new Folder()
  const yml = home.file('here/encoder.yml', 'jtype: There\nmodules: ./encoder.mjs\nwith: { text: here, other: 1 }\n')
  home.file('here/encoder.mjs', `export * from ${JSON.stringify(codeUrl('test/daemon/doing'))}\n`)
  home.file('here/models/small.bin', 'weights')
  home.file('beside.txt', '')
  const file = home.file(
    'here/flow.yml',
    [
      'jtype: Flow',
      'executors:',
      `  - { name: gpu, uses: ./encoder.yml, runtime: daemon, host: '${daemon.address}', token: '\${{ ENV.TOKEN_OF_TEST }}', lease: 2000,`,
      '      upload_files: [./encoder.mjs, ./models], parallel: 2, uses_with: { text: over }, env: { X: own } }',
    ].join('\n'),
  )
  const flow = (await Flow.loadConfig(file, { env: { TOKEN_OF_TEST: TOKEN } })) as unknown as Flow<any>
  await flow.open()
  const tags = await about(flow)
  const [id] = entries(daemon)
  assert.ok(tags.folder.startsWith(`${daemon.home}/${id}/files`), tags.folder)
  assert.ok(tags.workspace.startsWith(`${daemon.home}/${id}/workspace/gpu/`))
  assert.ok(tags.hasWorkspace)
  // This process runs elsewhere: their paths are those from here.
  assert.ok(existsSync(join(daemon.home, id!, 'files', yml)))
  assert.ok(existsSync(join(daemon.home, id!, 'files', dirname(yml), 'models/small.bin')))
  assert.not(existsSync(join(daemon.home, id!, 'files', dirname(yml), '../beside.txt')))
  assert.equal(tags.config, { text: 'over', other: 1 })
  assert.is(tags.env, 'own')
  assert.equal((await daemon.status()).executors[0].replicas.length, 2)
  const saved = await flow.saveConfig(home.file('here/saved.yml'))
  assert.match(String(saved ?? ''), /upload_files:\n.*- encoder\.mjs/)
  await flow.close()
  assert.equal(entries(daemon), [])
  assert.not(isAlive(tags.pid))
})

test('F11: what lies beside and above keeps its place: paths mean there what they mean here', async () => {
  const home = new Folder()
  home.file('lib/encoder.mjs', `export * from ${JSON.stringify(codeUrl('test/daemon/doing'))}\n`)
  home.file('beside.txt', 'x')
  mkdirSync(home.file('run'))
  home.file('run/models/small.bin', 'x')
  const program = `
    import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
    await using flow = await new Flow().add({ name: 'gpu', uses: '../lib/encoder.mjs#There', uploadFiles: ['models', '../beside.txt'], ...${JSON.stringify(daemon.there)} }).open()
    for (const { tags } of await flow.post('/about', ['x']).docs()) console.log(JSON.stringify(tags))`
  const main = home.file('main.ts', program)
  // Older ones of Node do not read \`await using\`.
  writeFileSync(main.replace('.ts', '.mjs'), program.replace('await using flow', 'const flow').replace(/$/, '\n    await flow.close()'))
  const child = spawn(process.execPath, [...flags, main.replace('.ts', '.mjs')], { cwd: home.file('run'), stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (some) => (text += some))
  await within(60_000, new Promise((resolve) => child.on('close', resolve)))
  const tags = JSON.parse(text)
  assert.ok(tags.folder.endsWith('/files/run'))
  assert.equal(tags.files, ['models/small.bin', '../beside.txt'])
})

test('two Flows have executors of one name at one daemon, each its own', async () => {
  await using one = await flowOf({ parallel: 2, usesWith: { text: 'one' } }).open()
  await using other = await flowOf({ usesWith: { text: 'other' } }).open()
  const [first, second] = [await about(one), await about(other)]
  assert.equal([first.config.text, second.config.text], ['one', 'other'])
  assert.not.equal(first.folder, second.folder)
  await one.close()
  assert.not(existsSync(first.folder))
  assert.is((await about(other)).pid, second.pid)
})

test('what comes with more than it may is refused by name, and leaves nothing', async () => {
  const large = folder.file('large.bin', 'x'.repeat(20_001))
  const many = folder.file('many')
  for (let at = 0; at < 6; at++) folder.file(`many/${at}`, '')
  for (const [options, code, reason] of [
    [{ uploadFiles: large }, 'ERR_TOO_LARGE', /gpu comes with more than 20000 bytes of files \(maxUploadBytes\)/],
    [{ uploadFiles: [many] }, 'ERR_TOO_LARGE', /gpu comes with more than 5 files \(maxUploadFiles\)/],
    [{ parallel: 7 }, 'ERR_UNREACHABLE', /gpu wants 7, and 0 of 6 executors are taken \(maxExecutors\)/],
    [{ memory: '2g' }, 'ERR_REFUSED', /gpu wants 2147483648 bytes of memory, and one may have 1073741824 \(maxMemory\)/],
  ] as const) {
    const refused = await error(flowOf(options as object).open())
    assert.match(refused.message, reason)
    assert.is(refused.code, code)
    assert.equal(entries(daemon), [])
  }
})

test('options that mean nothing, or are missing, are refused by name', async () => {
  for (const [options, reason] of [
    [{ host: undefined }, /^gpu has runtime: 'daemon', and no host/],
    [{ host: ['http://a:1', 'http://b:1'] }, /^gpu has runtime: 'daemon', and one daemon must run it/],
    [{ host: 'grpc://127.0.0.1:1' }, /^gpu has a daemon at grpc:/],
    [{ tokenFile: 'token' }, /^gpu has token and tokenFile/],
    [{ workspace: 'here' }, /^gpu has a workspace of its own at its daemon/],
    [{ inheritEnv: true }, /^gpu runs in a process of its daemon, which has the environment of another machine/],
    [{ prefixOutput: true }, /prefixOutput would do nothing/],
    [{ compression: 'gzip' }, /^gpu runs in a process of its daemon, for which compression would do nothing/],
    [{ runtime: 'process', host: undefined, token: undefined, lease: 1000 }, /^gpu runs in a process, which ends with this process, so lease would do nothing/],
    [{ runtime: 'thread', host: undefined, token: undefined, uploadFiles: 'x' }, /^gpu runs in a thread, which reads the files of this machine/],
    [{ uploadFiles: 'nowhere.bin' }, /^gpu has no "nowhere\.bin" to send to its daemon \(uploadFiles\)/],
    [{ uses: './nowhere.yml' }, /^gpu has no "\.\/nowhere\.yml" to send to its daemon \(uses\)/],
  ] as const) {
    const refused = await error(flowOf(options as object).open())
    assert.is(refused.code, 'ERR_USES_INVALID', refused.message)
    assert.match(refused.message, reason)
  }
  assert.match((await error(flowOf({ lease: 5 }).open())).message, /lease must be an integer from 100 to 86400000/)
  assert.throws(() => flowOf({ uploadFiles: [1] as any }), /uploadFiles must be a string/)
  const nobody = await error(flowOf({ host: 'http://127.0.0.1:9' }).open())
  assert.is(nobody.code, 'ERR_UNREACHABLE')
})

test('a Flow of another version of sluice is refused, with what to do', async () => {
  const body = JSON.stringify({ version: '0.0.1', name: 'gpu', replicas: 1 })
  const answer = await daemon.ask('/executors/11111111-1111-4111-8111-111111111111', { method: 'POST', body })
  assert.is(answer.status, 422)
  assert.match(((await answer.json()) as any).detail, /and the Flow of 0\.0\.1\. Install one version at both/)
})

test('sluice daemon status says what there is, as a table and as JSON', async () => {
  await using _flow = await flowOf({ parallel: 2, memory: '512m', uploadFiles: folder.file('one.bin', 'x'.repeat(2048)) }).open()
  const asked = new Command(['daemon', 'status', daemon.address, '--token-file', folder.file('token', TOKEN)])
  assert.is((await within(60_000, asked.end)).code, 0, asked.stderr)
  const [head, titles, row, end] = asked.stdout.split('\n')
  assert.match(head!, /^sluice \S+, 2 of 6 executors, 1 GiB of memory each$/)
  assert.match(titles!, /^EXECUTOR +ID +REPLICAS +MEMORY +UPLOADS +LEASE$/)
  assert.match(row!, /^gpu +[\da-f-]{36} +up \(\d+\), up \(\d+\) +512 MiB +2 files, 2\.\d+ KiB$/)
  assert.is(end, '')
  const json = new Command(['daemon', 'status', daemon.address, '--json', '--token-file', folder.file('token', TOKEN)])
  assert.is((await within(60_000, json.end)).code, 0, json.stderr)
  assert.is(JSON.parse(json.stdout).executors[0].replicas[1].state, 'up')
  const refused = new Command(['daemon', 'status', daemon.address])
  assert.is((await within(60_000, refused.end)).code, 1)
  assert.match(refused.stderr, /does not let in/)
  const token = new Command(['daemon', '--token', 'x'])
  assert.is((await within(60_000, token.end)).code, 2)
})

test.after(() => daemon.end())
test.run()
