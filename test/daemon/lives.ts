// Flows, executors and daemons that are ended while others live.
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer, request as forward } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { askStatus } from '../../lib/place/daemon-client.js'
import { asProgram, codeUrl } from '../support/code.js'
import { DaemonRun, isAlive, TOKEN, until } from '../support/daemon.js'
import { within } from '../support/within.js'
import { about, entries, error, flowAt, THERE } from './flows.js'

const daemon = await DaemonRun.begin()

const PROGRAM = (at: DaemonRun, lease: number): string => `
  import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
  const flow = await new Flow().add({ name: 'gpu', uses: ${JSON.stringify(`${THERE}#There`)}, parallel: 2, lease: ${lease}, ...${JSON.stringify(at.there)} }).open()
  console.log('open')
  await flow.post('/slow', ['x'], { parameters: { milliseconds: 60_000 } }).drain()`

const begun = async (at: DaemonRun, lease: number) => {
  const child = spawn(process.execPath, asProgram(PROGRAM(at, lease)), { stdio: ['ignore', 'pipe', 'inherit'] })
  await within(60_000, new Promise((resolve) => child.stdout.once('data', resolve)))
  return child
}

test('68: a Flow that is ended by SIGKILL leaves nothing: its executors end at once, and their folder is gone by the lease', async () => {
  const child = await begun(daemon, 1000)
  const { executors } = await daemon.status()
  const pids = executors[0].replicas.map(({ pid }: any) => pid) as number[]
  assert.ok(pids.every(isAlive))
  child.kill('SIGKILL')
  await until(() => !pids.some(isAlive))
  const took = await until(() => entries(daemon).length === 0)
  assert.ok(took < 3000 * Number(process.env['TEST_PATIENCE'] ?? 1), `${took} ms`)
  assert.equal((await daemon.status()).executors, [])
})

test('a daemon that is ended takes its executors with it, and begun anew, has them again: their ids, files and leases, and every request is answered', async () => {
  let mine = await DaemonRun.begin()
  const flow = await flowAt(mine, { parallel: 2, maxDeaths: 1 }).open()
  try {
    const [id] = entries(mine)
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const { executors } = await mine.status()
      const pids = executors[0].replicas.map(({ pid }: any) => pid) as number[]
      const inputs = Array.from({ length: 40 }, (_, at) => ({ id: String(at) }))
      const answered = new Set<string>()
      const post = (async () => {
        for await (const { docs } of flow.post('/slow', inputs, { requestSize: 1, prefetch: 8, parameters: { milliseconds: 50 } })) answered.add(docs[0]!.id)
      })()
      // It is waited for below.
      post.catch(() => {})
      await until(() => answered.size > 4)
      await mine.end(signal)
      await until(() => !pids.some(isAlive))
      mine = await DaemonRun.begin([], mine)
      // With maxDeaths: 1, none of them is to blame.
      await within(30_000, post)
      assert.is(answered.size, 40, signal)
      assert.equal(entries(mine), [id!])
    }
    assert.is((await mine.status()).executors[0].lease, 10_000)
  } finally {
    await flow.close()
    assert.equal(entries(mine), [])
    await mine.end()
  }
})

test('executors whose Flow ended while their daemon was away are gone by the lease of the next', async () => {
  let mine = await DaemonRun.begin()
  const child = await begun(mine, 700)
  await mine.end('SIGKILL')
  child.kill('SIGKILL')
  assert.is(entries(mine).length, 1)
  mkdirSync(join(mine.home, '22222222-2222-4222-8222-222222222222'))
  mine = await DaemonRun.begin([], mine)
  await until(() => entries(mine).length === 0)
  assert.equal((await mine.status()).executors, [])
  await mine.end()
})

test('a daemon that knows nothing of an executor any more is told again', async () => {
  let mine = await DaemonRun.begin()
  await using flow = await flowAt(mine).open()
  await mine.end('SIGKILL')
  rmSync(mine.home, { recursive: true })
  mine = await DaemonRun.begin([], mine)
  assert.ok((await within(60_000, about(flow))).hasWorkspace)
  await flow.close()
  await mine.end()
})

test('a daemon below a path of a proxy is asked below it', async () => {
  const paths: string[] = []
  /** Takes the path off, as proxies do. */
  const below = (url = ''): string => {
    paths.push(url)
    return url.startsWith('/jinad/') ? url.slice('/jinad'.length) : '/nothing'
  }
  const proxy = createServer((request, response) => {
    const { method, headers } = request
    const to = forward({ port: daemon.port, path: below(request.url), method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    request.pipe(to)
  }).on('upgrade', (request, socket, head) => {
    const to = connect(daemon.port, '127.0.0.1', () => {
      const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`)
      to.write(`GET ${below(request.url)} HTTP/1.1\r\n${headers.join('')}\r\n`)
      to.write(head)
      socket.pipe(to).pipe(socket)
    })
    for (const one of [socket, to]) one.on('error', () => {})
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const host = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/jinad`
  try {
    const flow = await flowAt(daemon, { host }).open()
    assert.type((await about(flow)).pid, 'number')
    for (const address of [host, `${host}/`]) assert.is(((await askStatus(address, TOKEN, undefined)) as any).executors.length, 1)
    await flow.close()
    assert.ok(
      // Whether a connection lives is asked of the server as a whole.
      paths.every((path) => path === '*' || path.startsWith('/jinad/')),
      paths.join(),
    )
    assert.ok(paths.some((path) => path.includes('/replicas/0')))
  } finally {
    proxy.close()
    proxy.closeAllConnections()
  }
})

test('a daemon that stays away fails what waits when its lease is over, and the Flow lives', async () => {
  const mine = await DaemonRun.begin()
  await using flow = await flowAt(mine, { lease: 500 }).open()
  await mine.end('SIGKILL')
  const failed = await within(10_000, error(about(flow)))
  assert.is(failed.cause.code, 'ERR_UNREACHABLE')
  assert.match(failed.message, /it is unhealthy: its process at http:\S+ is out of reach: http.*nobody answers there/)
  assert.ok(flow.isOpen)
  const back = await DaemonRun.begin([], mine)
  await until(async () => flow.workers[0]!.state === 'up')
  assert.ok((await about(flow)).hasWorkspace)
  await flow.close()
  await back.end()
})

test.after(() => daemon.end())
test.run()
