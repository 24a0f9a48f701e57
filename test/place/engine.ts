// What is said to docker and to podman, and when: an executor's container begins, is spoken with, dies, is begun anew and removed. The engine is none (see
// test/support/engine.mjs); what real ones make of it, test/engine shows.
import { spawn } from 'node:child_process'
import { chmodSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/index.js'
import { Engine } from '../../lib/place/engine.js'
import { codeUrl, flags } from '../support/code.js'
import { Command } from '../support/command.js'
import { until } from '../support/daemon.js'
import { FakeEngine } from '../support/engine.js'
import { Folder } from '../support/folder.js'
import { within } from '../support/within.js'

/** A Flow of one container, in a process of its own, whose engine is another. */
function run(engine: FakeEngine, ending: string) {
  const program = `
    import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
    const flow = await new Flow().add({ name: 'doing', uses: 'docker://doing:1', maxDeaths: 1, memory: '512m', env: { X: 'a "b" $(c)' } }).open()
    const first = async (on, text) => (await flow.post(on, [text]).docs())[0]
    console.log(JSON.stringify((await first('/about', 'x')).tags.env))
    console.log(await first('/die', 'exit').catch(({ message }) => message))
    console.log((await first('/die', 'good')).text)
    ${ending}`
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SLUICE_DOCKER: engine.command },
  })
  const said = { text: '' }
  child.stdout.on('data', (text) => (said.text += text))
  return { child, said, told: (command: string): string[][] => engine.log.filter(([first]) => first === command) }
}

const answered = ({ text }: { readonly text: string }): void => {
  const [env, failed, after] = text.split('\n')
  assert.equal(JSON.parse(env!), { X: 'a "b" $(c)' })
  assert.match(failed!, /its container ended with exit code 7 \(maxDeaths: 1\)/)
  assert.is(after, 'good')
}

test('docker: a container is begun, asked, begun anew, asked to end, and removed', async () => {
  const engine = new FakeEngine('docker')
  const { child, said, told } = run(engine, 'await flow.close()')
  assert.is(await within(60_000, new Promise((resolve) => child.on('close', resolve))), 0)
  answered(said)
  assert.equal(engine.containers, [])
  assert.equal([told('run').length, told('stop').length, told('rm').length], [2, 1, 2])
  for (const args of told('rm')) assert.not(args.includes('--time'))
  assert.ok(told('run')[0]!.includes('--memory=536870912'))
})

test('podman: the same, in its own words; 68: a parent that is killed leaves no container', async () => {
  const engine = new FakeEngine('podman')
  const { child, said, told } = run(engine, 'await new Promise((resolve) => setTimeout(resolve, 60_000))')
  await until(() => said.text.includes('good'), 60_000)
  answered(said)
  assert.is(engine.containers.length, 1)
  child.kill('SIGKILL')
  await until(() => engine.containers.length === 0, 20_000)
  // It would wait ten seconds for one that is to go.
  for (const args of told('rm')) assert.match(args.join(' '), /--time 0/)
  assert.ok(told('rm').length >= 2)
})

test('podman: of several that are removed, one that is gone already keeps none of the others', async () => {
  const engine = new FakeEngine('podman')
  const podman = new Engine(engine.command, true, spawn, tmpdir())
  podman.start(['run', '--name', 'there', '--entrypoint=sleep', 'doing:1', '60'], {}, false)
  await until(() => engine.containers.length === 1, 20_000)
  await podman.remove('gone', 'there')
  assert.equal(engine.containers, [])
})

test('podman is begun where it may leave files, but where it is told of files from here', async () => {
  const folder = realpathSync(new Folder().path)
  const begunIn = (isPodman: boolean, namesFiles: boolean): Promise<string> => {
    const child = new Engine(process.execPath, isPodman, spawn, folder).start(['-p', 'process.cwd()'], {}, namesFiles)
    return new Promise((resolve) => child.stdout!.on('data', (text) => resolve(String(text).trim())))
  }
  assert.equal(await Promise.all([begunIn(true, false), begunIn(true, true), begunIn(false, false)]), [folder, process.cwd(), process.cwd()])
})

test('an engine that hangs is not waited for for ever', async () => {
  const hangs = new Folder().file('engine', '#!/bin/sh\nexec sleep 60\n')
  chmodSync(hangs, 0o755)
  const { code } = await within(20_000, new Engine(hangs, false, spawn, tmpdir(), 100).ask('inspect', 'x'))
  assert.is.not(code, 0)
})

test('what is said at the start names containers, and their images', async () => {
  const before = process.env['SLUICE_DOCKER']
  process.env['SLUICE_DOCKER'] = new FakeEngine('docker').command
  try {
    const file = new Folder().file('flow.yml', 'jtype: Flow\nexecutors:\n  - { name: doing, uses: docker://registry.example/doing:1, parallel: 2 }\n')
    const serving = new Command(['flow', file, '--port', '0'])
    await within(60_000, serving.has('stderr', 'Runs'))
    assert.match(serving.stderr, /Runs +doing in 2 containers of registry\.example\/doing:1$/m)
    serving.child.kill('SIGTERM')
    assert.is((await within(20_000, serving.end)).code, 0, serving.stderr)
  } finally {
    if (before === undefined) delete process.env['SLUICE_DOCKER']
    else process.env['SLUICE_DOCKER'] = before
  }
})

test('an engine that there is not is said by its name', async () => {
  const before = process.env['SLUICE_DOCKER']
  process.env['SLUICE_DOCKER'] = '/nowhere/docker'
  try {
    const open = new Flow<any>().add({ name: 'ocr', uses: 'docker://ocr:1' } as any).open()
    const { message } = await open.then(
      () => assert.unreachable('it opened'),
      (error) => error,
    )
    assert.match(message, /^ocr runs in a container, and there is no \/nowhere\/docker, which SLUICE_DOCKER names/)
  } finally {
    if (before === undefined) delete process.env['SLUICE_DOCKER']
    else process.env['SLUICE_DOCKER'] = before
  }
})

test.run()
