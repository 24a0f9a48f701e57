// Executors in real containers, of a real engine.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { type AddOptions, Flow } from '../../lib/index.js'
import { code, flags } from '../support/code.js'
import { Folder } from '../support/folder.js'
import { containers as containersOf, docker, withEngine } from './engine.js'

const containers = (): string[] => containersOf('doing', 'orphan')
const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)
const folder = new Folder()

const first = async (flow: Flow<any>, on: string, input: any = 'x', options: object = {}): Promise<any> => {
  for await (const response of flow.post(on, [input], options)) if (!response.partial) return response.docs[0] ?? response
}
const error = async (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => assert.unreachable('it did not fail'),
    (error) => error,
  )
async function until(what: () => unknown, milliseconds = 20_000): Promise<void> {
  for (const start = performance.now(); !(await what()); ) {
    if (performance.now() - start > milliseconds * PATIENCE) throw new Error(`${what} is still not so`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

withEngine(test, (image) => {
  const flowOf = (options: AddOptions = {}, more: object = {}): Flow<any> => new Flow<any>(more).add({ name: 'doing', uses: image, ...options } as any)
  const running = (replica = 0): string =>
    docker('ps', '--quiet', '--no-trunc', '--filter', `label=sluice.replica=${replica}`, '--filter', 'label=sluice.executor=doing')

  test('E8, 123: an executor has its env, its folder and its config; it sees and may do nothing else, and what is in a value stays data', async () => {
    const odd = 'a "b",\n$(id) --privileged'
    const there = join(folder.path, 'there, "it" is')
    mkdirSync(there, { recursive: true })
    const own = {
      usesWith: { text: odd },
      env: { X: odd, HOME: '/h' },
      volumes: `${there}:/there:ro`,
      memory: '256m',
      cpus: 1,
      dockerArgs: ['--label', `odd=${odd}`],
    }
    await using flow = await flowOf(own, { env: { X: 'flow', Y: 'y' }, workspace: join(folder.path, 'work') }).open()
    assert.ok(flow.endpoints.includes('/about'))
    const { tags } = await first(flow, '/about', 'x', { parameters: { doing__low: 1, other__low: 2, any: 3 } })
    assert.equal(tags.env, { X: odd, Y: 'y', HOME: '/h' })
    assert.equal([tags.processEnv.X, tags.processEnv.HOME, tags.processEnv.USER], [odd, '/h', undefined])
    assert.equal(tags.config, { text: odd })
    assert.equal(tags.parameters, { low: 1, any: 3 })
    assert.equal(tags.there, [[], 'EROFS'])
    assert.is(tags.workspace, true)
    assert.is(readFileSync(join(folder.path, 'work/doing/0/doing/0/x'), 'utf8'), 'x')
    assert.match(tags.capabilities, /^0+$/)
    assert.equal([tags.privileges, tags.root, tags.tmp], ['1', 'EROFS', true])
    assert.is(docker('inspect', '--format', '{{index .Config.Labels "odd"}}', running()), odd)
    assert.match(docker('port', running()), /-> 127\.0\.0\.1:\d+$/)
  })

  test('pieces come one by one; break and abort reach the executor, and it lives on', async () => {
    await using flow = await flowOf().open()
    const pieces: string[] = []
    for await (const { docs, partial } of flow.post('/pieces', ['3'])) if (partial) pieces.push(docs[0]!.text)
    assert.equal(pieces, ['0', '1', '2'])
    const { tags } = await first(flow, '/about')
    for await (const { partial } of flow.post('/pieces', ['100000'])) if (partial) break
    const waits = new AbortController()
    const waiting = error(flow.post('/wait', ['one'], { signal: waits.signal }).docs())
    await new Promise((resolve) => setTimeout(resolve, 50))
    waits.abort(new Error('enough'))
    const start = performance.now()
    assert.is((await waiting).message, 'enough')
    await until(async () => (await first(flow, '/waited')).tags.aborted.includes('one'))
    console.log(`an abort was seen to have reached its container after ${Math.round(performance.now() - start)} ms`)
    const { made } = (await first(flow, '/waited')).tags
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.is((await first(flow, '/waited')).tags.made, made, 'a generator that nobody asks makes nothing more')
    assert.is((await first(flow, '/about')).tags.pid, tags.pid)
    assert.is(flow.workers[0]!.state, 'up')
  })

  test('64, 67: of 40 requests on two containers one kills its container: the others are answered, it fails alone, named', async () => {
    // What a start takes here and now: a guilty one costs as many as it has deaths.
    const starts: number[] = []
    for (let times = 0; times < 3; times++) {
      const begun = performance.now()
      const flow = await flowOf({ memory: '128m' }).open()
      starts.push(performance.now() - begun)
      await flow.close()
    }
    const three = starts.reduce((sum, one) => sum + one, 0)
    console.log(`three starts of a container: ${starts.map((one) => `${Math.round(one)} ms`).join(', ')}`)
    await using flow = await flowOf({ parallel: 2, memory: '128m' }).open()
    for (const [how, said] of [
      ['exit', /its container ended with exit code 7, 3 times \(maxDeaths: 3\)/],
      ['SIGKILL', /its container was ended by SIGKILL, 3 times/],
      ['OOM', /its container ran out of memory, 3 times/],
    ] as const) {
      const start = performance.now()
      const answered: string[] = []
      const failed: any[] = []
      const inputs = Array.from({ length: 40 }, (_, at) => ({ id: `${how}-${at}`, text: at === 7 ? how : 'x' }))
      const on = (text: string): string => (text === how ? '/die' : '/slow')
      await Promise.all(
        inputs.map((input) =>
          first(flow, on(input.text), input).then(
            (doc) => answered.push(doc.id),
            (error) => failed.push(error),
          ),
        ),
      )
      assert.is(answered.length, 39)
      assert.is(failed.length, 1)
      assert.match(failed[0].message, said)
      const beyond = performance.now() - start - three
      console.log(`${how}: 39 of 40 answered, one failed, in ${Math.round(beyond)} ms beyond three starts`)
      assert.ok(beyond < 2000 * PATIENCE, `${how}: ${beyond} ms`)
      await until(() => flow.workers.every(({ state }) => state === 'up'))
    }
  })

  test('64: docker kill loses nothing; the container is begun anew, and nothing of the old one stays', async () => {
    await using flow = await flowOf().open()
    const id = running()
    const asked = Array.from({ length: 8 }, (_, at) => first(flow, '/slow', `${at}`))
    docker('kill', id)
    assert.equal(
      (await Promise.all(asked)).map(({ text }) => text),
      ['0!', '1!', '2!', '3!', '4!', '5!', '6!', '7!'],
    )
    assert.not.equal(running(), id)
    await until(() => containers().length === 1)
  })

  test('a start that fails, or never gets ready, ends with the log; an image that is not there is said so', async () => {
    const crashed = await error(flowOf({ usesWith: { say: 'no model.bin here', crash: true } }).open())
    assert.is(crashed.code, 'ERR_EXECUTOR_OPEN')
    assert.match(crashed.message, /^doing did not open: its container ended with exit code 3. The end of its log:\n[\s\S]*no model\.bin here/)
    const large = await error(flowOf({ usesWith: { say: 'filling', fills: true }, memory: '128m' }).open())
    assert.match(large.message, /its container ran out of memory. The end of its log:\n[\s\S]*filling/)
    const late = await error(flowOf({ usesWith: { say: 'loading', opens: 600_000 }, readyTimeout: 15_000 }).open())
    assert.match(late.message, /its container took no requests within 15000 ms \(readyTimeout\)[\s\S]*The end of its log:\n[\s\S]*loading/)
    const nowhere = await error(flowOf({ uses: 'docker://127.0.0.1:1/nobody/nothing:1' }).open())
    assert.match(nowhere.message, /its container could not be started. The end of its log:\n[\s\S]*nothing:1/)
    const odd = await error(flowOf({ dockerArgs: ['--no-such-flag'] }).open())
    assert.match(odd.message, /could not be started[\s\S]*no-such-flag/)
    assert.equal(containers(), [])
  })

  test('close() runs the executor’s own, in its container, and nothing stays', async () => {
    const there = join(folder.path, 'closing')
    mkdirSync(there, { recursive: true })
    const flow = await flowOf({ usesWith: { closes: true }, volumes: `${there}:/there` }).open()
    await flow.close()
    assert.is(readFileSync(join(there, 'closed'), 'utf8'), 'closed')
    assert.equal(containers(), [])
  })

  test('R137: close() while containers never get ready has an end, and removes them', async () => {
    const flow = flowOf({ usesWith: { opens: 1e9 }, parallel: 2 }, { closeTimeout: 300 })
    const opening = error(flow.open())
    await until(() => running(0) !== '' && running(1) !== '')
    await flow.close()
    assert.is((await opening).message, 'doing did not open: flow was closed before this was done (closeTimeout)')
    assert.equal(containers(), [])
  })

  test('a Flow whose container is dead again and again says so by name, by its probes, and lives', async () => {
    await using flow = await flowOf({ maxDeaths: 1 }, { port: 0 }).open()
    const [address] = Object.values(flow.addresses) as [string]
    await using client = new Client(address)
    assert.is(await client.isFlowReady(), true)
    for (let death = 0; death < 5; death++) await error(first(flow, '/die', 'exit'))
    await until(() => flow.workers[0]!.state === 'unhealthy')
    assert.is(await client.isFlowReady(), false)
    assert.equal(await (flow as any).health(true), { ready: false, reason: 'doing is unhealthy' })
    assert.match(flow.workers[0]!.reason!, /its container ended with exit code 7/)
    // It is begun anew all the same.
    await until(() => flow.workers[0]!.state === 'up')
    assert.is((await first(flow, '/slow')).text, 'x!')
  })

  test('68: a parent that is killed leaves no container behind; where nobody could remove it, the next start does', async () => {
    const begin = async (): Promise<import('node:child_process').ChildProcess> => {
      const child = spawn(process.execPath, [...flags, code('test/engine/parent'), image], { stdio: ['ignore', 'pipe', 'inherit'] })
      await new Promise<void>((resolve) => child.stdout.on('data', (text) => String(text).includes('open') && resolve()))
      return child
    }
    const killed = await begin()
    assert.is(containers().length, 1)
    const start = performance.now()
    killed.kill('SIGKILL')
    await until(() => containers().length === 0)
    console.log(`68: a container was gone ${Math.round(performance.now() - start)} ms after its parent`)
    // Those whose keeper was killed with their parent, and those of others.
    await using _flow = await flowOf().open()
    const [machine] = docker('inspect', '--format', '{{index .Config.Labels "sluice.owner"}}', running()).split('.')
    const left = (owner: string): string =>
      docker('run', '--detach', '--init', '--label', `sluice.owner=${owner}`, '--entrypoint', 'node', image.slice(9), '-e', 'setInterval(() => {}, 1000)')
    const [dead, living, elsewhere] = [`${machine}.99999999.1`, `${machine}.${process.pid}.1`, 'another.99999999.1'].map(left) as [string, string, string]
    const next = await begin()
    const all = (): string => docker('ps', '--all', '--quiet', '--no-trunc')
    try {
      await until(() => !all().includes(dead))
      assert.ok(all().includes(elsewhere), 'of another machine')
      assert.ok(all().includes(running()), 'of a process that lives')
    } finally {
      next.kill('SIGKILL')
      docker('rm', '--force', living, elsewhere)
    }
    await until(() => containers().length === 1)
  })

  test('an executor of the network of this machine is reached there', async () => {
    await using flow = await flowOf({ network: 'host' }).open()
    const { tags } = await first(flow, '/about')
    assert.ok(tags.argv.includes('127.0.0.1'))
    assert.is(docker('port', running()), '')
  })
})

test.run()
