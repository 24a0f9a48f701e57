// Containers of a real `sluice daemon`, of a real engine. What else there is to them, test/daemon shows with an engine that is none.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/index.js'
import { entries } from '../daemon/flows.js'
import { codeUrl, flags } from '../support/code.js'
import { DaemonRun, isAlive, until as untilWithin } from '../support/daemon.js'
import { within } from '../support/within.js'
import { docker, withEngine } from './engine.js'

const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)
/** An engine is slow on a busy machine. */
const until = (what: () => unknown): Promise<number> => untilWithin(what, 60_000)

const ask = async (flow: Flow<any>, on: string, input: any = 'x'): Promise<any> => (await flow.post(on, [input]).docs())[0]

withEngine(test, (image) => {
  const optionsAt = (at: DaemonRun, more: object = {}): any => ({ name: 'there', uses: image, ...at.there, ...more })
  const flowOf = (at: DaemonRun, more: object = {}): Flow<any> => new Flow<any>({ closeTimeout: 60_000 }).add(optionsAt(at, more))
  /** Of one daemon. */
  const running = (at: DaemonRun): string[] =>
    entries(at).flatMap((id) => [docker('ps', '--all', '--quiet', '--no-trunc', '--filter', `label=sluice.daemon=${id}`)].filter((out) => out !== ''))
  const ownerOf = (id: string): string => docker('inspect', '--format', '{{index .Config.Labels "sluice.owner"}}', id)
  const exists = (id: string): boolean => docker('ps', '--all', '--quiet', '--no-trunc').includes(id)
  /** Who would remove a container when its owner is gone. */
  const keeperOf = (owner: string): number[] =>
    readdirSync('/proc').flatMap((pid) => {
      try {
        const told = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return told.includes('"sluice":"keeper"') && told.includes(owner) ? [Number(pid)] : []
      } catch {
        return []
      }
    })

  test('F11, 64: it answers, with what it was told; docker kill loses nothing, and the next one is another; closed, nothing stays', async () => {
    const mine = await DaemonRun.begin(['--max-memory', '200m'])
    const odd = 'a "b",\n$(id) --privileged'
    try {
      const flow = await flowOf(mine, { usesWith: { text: odd }, env: { X: odd } }).open()
      const { tags } = await ask(flow, '/about')
      assert.equal([tags.config, tags.env.X, tags.processEnv.X, tags.workspace], [{ text: odd }, odd, odd, true])
      assert.equal([tags.capabilities.replace(/0+/, '0'), tags.privileges, tags.root], ['0', '1', 'EROFS'])
      const [id] = running(mine) as [string]
      assert.is(docker('inspect', '--format', '{{.HostConfig.Memory}}', id), String(200 << 20))
      const asked = Array.from({ length: 8 }, (_, at) => ask(flow, '/slow', `${at}`))
      docker('kill', id)
      assert.equal(
        (await Promise.all(asked)).map(({ text }) => text),
        Array.from({ length: 8 }, (_, at) => `${at}!`),
      )
      await until(() => !exists(id))
      assert.is(running(mine).length, 1)
      const failed = await ask(flow, '/die', 'OOM').catch((error) => error)
      assert.match(failed.message, /its container at http:\S+ ran out of memory, 3 times \(maxDeaths: 3\)/)
      await until(() => flow.workers[0]!.state === 'up')
      assert.is((await ask(flow, '/slow')).text, 'x!')
      const [last] = running(mine) as [string]
      await flow.close()
      assert.equal([exists(last), entries(mine)], [false, []])
    } finally {
      await mine.end()
    }
  })

  /** A Flow in a process of its own. */
  async function elsewhere(at: DaemonRun): Promise<import('node:child_process').ChildProcess> {
    const program = `
      import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
      await new Flow().add(${JSON.stringify(optionsAt(at, { lease: 1000 }))}).open()
      console.log('open')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    await within(60_000 * PATIENCE, new Promise((resolve) => child.stdout.once('data', resolve)))
    return child
  }

  test('68: a Flow that is killed, whose lease ends, and a daemon that is killed leave no container', async () => {
    const mine = await DaemonRun.begin()
    const child = await elsewhere(mine)
    const [left] = running(mine) as [string]
    const start = performance.now()
    child.kill('SIGKILL')
    await until(() => !exists(left))
    console.log(`68: a container at a daemon was gone ${Math.round(performance.now() - start)} ms after its Flow was killed`)
    await until(() => entries(mine).length === 0)
    const flow = await flowOf(mine).open()
    try {
      const [id] = running(mine) as [string]
      await mine.end('SIGKILL')
      await until(() => !exists(id))
    } finally {
      await flow.close()
    }
  })

  test('68: where those who would remove it are killed with their daemon, the next one does, for a Flow that is there and for one that is gone', async () => {
    const mine = await DaemonRun.begin()
    const flow = await flowOf(mine, { lease: 60_000 }).open()
    /** All of a daemon at once, so that its container stays. */
    const end = async (daemon: DaemonRun): Promise<string> => {
      const [id] = running(daemon) as [string]
      const [{ pid }] = (await daemon.status()).executors[0].replicas
      const keepers = keeperOf(ownerOf(id))
      assert.is(keepers.length, 1)
      const all = [...keepers, pid]
      // None of them sees the others go.
      for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const one of all) process.kill(one, signal)
      await daemon.end('SIGKILL')
      await until(() => !all.some(isAlive))
      assert.ok(exists(id), 'nobody is there to remove it')
      return id
    }
    const first = await end(mine)
    const next = await DaemonRun.begin([], mine)
    assert.is((await ask(flow, '/slow')).text, 'x!')
    await until(() => !exists(first))
    assert.is(running(next).length, 1)
    await flow.close()
    const child = await elsewhere(next)
    const gone = new Promise((resolve) => child.once('close', resolve))
    const second = await end(next)
    child.kill('SIGKILL')
    await gone
    const last = await DaemonRun.begin([], next)
    await until(() => !exists(second) && entries(last).length === 0)
    await last.end()
  })
})

test.run()
