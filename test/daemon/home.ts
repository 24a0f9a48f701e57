// The folders of daemons: who has one, and what becomes of them.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { lockFolder } from '../../lib/daemon/lock.js'
import { codeUrl, flags } from '../support/code.js'
import { DaemonRun, until } from '../support/daemon.js'
import { Folder } from '../support/folder.js'
import { within } from '../support/within.js'
import { about, flowAt } from './flows.js'

const gone = JSON.stringify({ pid: 99_999_999, machine: hostname(), begun: '1' })

test('of several who find the lock of one that is gone at once, one alone has the folder', async () => {
  const ROUNDS = 30
  const folder = new Folder()
  for (let round = 0; round < ROUNDS; round++) folder.file(`${round}/lock`, gone)
  const program = `
    const { lockFolder } = await import(${JSON.stringify(codeUrl('lib/daemon/lock'))})
    process.stdout.write('ready\\n')
    await new Promise((resolve) => process.stdin.once('data', resolve))
    const has = []
    for (let round = 0; round < ${ROUNDS}; round++) {
      await new Promise((resolve) => setTimeout(resolve, 20 - (Date.now() % 20)))
      await lockFolder(${JSON.stringify(folder.path)} + '/' + round).then(() => has.push(round), ({ message }) => /^folder must be/.test(message) || has.push(message))
    }
    process.stdout.write(JSON.stringify(has))
    process.stdin.once('data', () => process.exit())`
  const others = Array.from({ length: 4 }, () =>
    spawn(process.execPath, [...flags, '--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  const said = others.map(() => '')
  for (const [at, { stdout }] of others.entries()) stdout.on('data', (text) => (said[at] += text))
  try {
    await within(
      30_000,
      until(() => said.every((text) => text.startsWith('ready\n')), 30_000),
    )
    for (const { stdin } of others) stdin.write('go\n')
    await until(() => said.every((text) => text.endsWith(']')), 30_000)
    const has = said.flatMap((text) => JSON.parse(text.slice(6)) as number[])
    assert.equal(
      [...has].sort((a, b) => a - b),
      Array.from({ length: ROUNDS }, (_, round) => round),
    )
    // Each lock says who has it, and nothing else is left.
    assert.equal(readdirSync(folder.file('0')), ['lock'])
  } finally {
    for (const other of others) other.kill('SIGKILL')
  }
})

test('a lock that nobody has written into is waited for, and one of this number from before is nobody’s', async () => {
  const folder = new Folder()
  folder.file('lock', JSON.stringify({ pid: process.pid, machine: hostname(), begun: '1' }))
  const leave = await lockFolder(folder.path)
  await lockFolder(folder.path).then(
    () => assert.unreachable('two have it'),
    ({ message }) => assert.match(message, /this process has/),
  )
  await leave()
  assert.not(existsSync(folder.file('lock')))
  // Who has made it is about to say who he is.
  writeFileSync(folder.file('lock'), '')
  await lockFolder(folder.path).then(
    () => assert.unreachable('two have it'),
    ({ message }) => assert.match(message, /somebody has/),
  )
})

test('the folder of a chance port goes with its daemon, and where that was ended by force, with the next one beside it', async () => {
  const first = await DaemonRun.begin()
  const flow = await flowAt(first).open()
  assert.ok((await about(flow)).hasWorkspace)
  assert.ok(existsSync(first.home))
  await flow.close()
  await first.end()
  assert.not(existsSync(first.home))
  const below = new Folder()
  const at = ['--folder', below.path]
  const killed = await DaemonRun.begin(at)
  await killed.end('SIGKILL')
  assert.equal(readdirSync(below.path), [String(killed.port)])
  // One of a port that somebody asks for is kept, as he comes back.
  const lives = await DaemonRun.begin(at)
  await until(() => !existsSync(join(below.path, String(killed.port))))
  const port = lives.port
  await lives.end()
  const asked = await DaemonRun.begin([...at, '--port', String(port)])
  await asked.end('SIGKILL')
  const next = await DaemonRun.begin(at)
  assert.ok(existsSync(join(below.path, String(port))))
  await next.end()
  assert.equal(readdirSync(below.path), [String(port)])
})

test.run()
