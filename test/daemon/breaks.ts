// What is said, sent and broken off that nobody means: the real `sluice daemon` and its Flows stand it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ask as askDaemon } from '../../lib/place/daemon-client.js'
import { Scope } from '../../lib/stream/scope.js'
import { nodeTransport } from '../../lib/wire/http/client/transport-node.js'
import { DaemonRun, isAlive, TOKEN, until } from '../support/daemon.js'
import { Folder } from '../support/folder.js'
import { road } from '../support/road.js'
import { within } from '../support/within.js'
import { about, entries, error, flowAt } from './flows.js'

const daemon = await DaemonRun.begin()

const pidsAt = async (of: DaemonRun): Promise<number[]> =>
  (await of.status()).executors.flatMap(({ replicas }: any) => replicas.flatMap(({ pid }: any) => pid ?? []))

/** MiB that are in memory. */
const residentOf = (of: DaemonRun): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${of.child.pid}/status`, 'utf8'))![1]) >> 10

const ask = async (of: DaemonRun, path: string, body: string): Promise<number> => (await of.ask(path, { method: 'POST', body })).status

/** Grants an executor by hand, as a Flow does before it sends files. */
const grant = async (of: DaemonRun, id: string, more: object = {}): Promise<number> => {
  const { version } = await of.status()
  return ask(of, `/executors/${id}`, JSON.stringify({ version, name: 'other', lease: 60_000, replicas: 1, ...more }))
}

const granted = async (): Promise<string> => {
  const id = globalThis.crypto.randomUUID()
  assert.is(await grant(daemon, id), 200)
  assert.is(await ask(daemon, `/executors/${id}/ready`, '{"files":0,"bytes":0}'), 200)
  return id
}

/** Sends a part of a file, and stays. */
const half = async (of: DaemonRun, id: string): Promise<Socket> => {
  const socket = connect(of.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    `POST /executors/${id}/files/model.bin HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(500)}`,
  )
  await until(async () => (await of.status()).executors[0].bytes === 500)
  return socket
}

const socketTo = async (id: string): Promise<import('ws').WebSocket> => {
  const { WebSocket } = await import('ws')
  const socket = new WebSocket(`${daemon.address.replace('http', 'ws')}/executors/${id}/replicas/0`, { headers: { authorization: `Bearer ${TOKEN}` } })
  socket.on('error', () => {})
  await within(5000, new Promise((resolve) => socket.once('open', resolve)))
  return socket
}

test('a text that no Flow says closes its own connection while a worker runs, and ends no daemon', async () => {
  const id = await granted()
  for (const said of ['{"kill":{"toString":1,"valueOf":1}}', '{"kill":7}', 'no JSON']) {
    const socket = await socketTo(id)
    socket.send('{"begin":{"env":{}}}')
    await until(async () => (await pidsAt(daemon)).length === 1)
    const [pid] = await pidsAt(daemon)
    socket.send(said)
    const [code] = await within(5000, new Promise<any[]>((resolve) => socket.once('close', (...what) => resolve(what))))
    assert.is(code, 1007, said)
    await until(() => !isAlive(pid!))
  }
  for (const said of ['{"begin":null}', '{"begin":{"env":{},"unresponsiveAfter":null}}', '{"begin":{"env":{},"unresponsiveAfter":{"valueOf":1}}}']) {
    const socket = await socketTo(id)
    socket.send(said)
    const text = await within(5000, new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data)))))
    assert.match(text, /"ended":\{"how":"could not be started"/, said)
    socket.terminate()
  }
  assert.is((await daemon.ask(`/executors/${id}/end`, { method: 'POST' })).status, 200)
})

test('a connection that broke often while nobody asked is held against no request', async () => {
  await using way = await road(daemon.port)
  await using flow = await flowAt(daemon, { host: `http://127.0.0.1:${way.port}` }).open()
  for (let round = 0; round < 6; round++) {
    const [pid] = await pidsAt(daemon)
    way.drop()
    await until(async () => {
      const [next] = await pidsAt(daemon)
      return next !== undefined && next !== pid && flow.workers[0]!.state === 'up'
    }, 20_000)
  }
  const answer = flow.post('/slow', ['x'], { parameters: { milliseconds: 500 } }).docs()
  answer.catch(() => {})
  await new Promise((resolve) => setTimeout(resolve, 100))
  way.drop()
  assert.is((await within(30_000, answer)).length, 1)
  assert.ok((await about(flow)).hasWorkspace)
})

test('what was sent by half is believed by nobody: not by who connects, not by the next daemon, and it is sent anew', async () => {
  let mine = await DaemonRun.begin()
  const id = globalThis.crypto.randomUUID()
  assert.is(await grant(mine, id), 200)
  let socket = await half(mine, id)
  // Another replica of it comes meanwhile.
  const upgrade = {
    connection: 'upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    authorization: `Bearer ${TOKEN}`,
  }
  const connected = (): Promise<number | undefined> =>
    new Promise((resolve) => {
      const request = get({ port: mine.port, path: `/executors/${id}/replicas/0`, headers: upgrade }, (response) => resolve(response.resume().statusCode))
      request.on('upgrade', (_, stream) => {
        stream.destroy()
        resolve(101)
      })
    })
  assert.is(await connected(), 404)
  assert.is(await ask(mine, `/executors/${id}/ready`, '{"files":1,"bytes":1000}'), 422, 'a file is under way')
  // The Flow has lost that connection, and the daemon has not heard of it.
  assert.is(await grant(mine, id), 200)
  assert.is(await ask(mine, `/executors/${id}/files/model.bin`, 'y'.repeat(1000)), 200)
  assert.is(await ask(mine, `/executors/${id}/ready`, '{"files":1,"bytes":999}'), 422)
  assert.is(await ask(mine, `/executors/${id}/ready`, '{"files":1,"bytes":1000}'), 200)
  assert.is(readFileSync(join(mine.home, id, 'files/model.bin'), 'utf8'), 'y'.repeat(1000))
  assert.is(await grant(mine, id), 422, 'it is there')
  assert.is(await ask(mine, `/executors/${id}/files/more.bin`, ''), 422)
  assert.is(await connected(), 101)
  assert.is(await ask(mine, `/executors/${id}/end`, ''), 200)
  socket.destroy()
  // A daemon that is ended in the midst of it.
  assert.is(await grant(mine, id), 200)
  socket = await half(mine, id)
  await mine.end('SIGKILL')
  socket.destroy()
  mine = await DaemonRun.begin([], mine)
  assert.equal((await mine.status()).executors, [])
  assert.equal(entries(mine), [])
  await mine.end()
})

test('a Flow whose files were broken off as it sent them anew works again', async () => {
  const file = new Folder().file('model.bin', Buffer.alloc(4 << 20))
  await using way = await road(daemon.port, { rate: 2 << 20 })
  await using flow = await flowAt(daemon, { host: `http://127.0.0.1:${way.port}`, uploadFiles: file, lease: 5000 }).open()
  const [id] = entries(daemon)
  assert.is(await ask(daemon, `/executors/${id}/end`, ''), 200)
  await until(async () => {
    const [found] = (await daemon.status()).executors
    return found !== undefined && found.bytes > 1 << 20 && found.bytes < 4 << 20
  })
  way.drop()
  assert.ok((await within(60_000, about(flow))).hasWorkspace)
  assert.is((await daemon.status()).executors[0].bytes > 4 << 20, true)
})

test('what is being removed is found by nobody, and its Flow is granted it anew', async () => {
  const id = await granted()
  const workspace = join(daemon.home, id, 'workspace')
  for (let at = 0; at < 3000; at++) writeFileSync(join(workspace, String(at)), '')
  const ended = ask(daemon, `/executors/${id}/end`, '')
  await until(() => !existsSync(workspace))
  // It is put aside, and may still be there.
  assert.is(await ask(daemon, `/executors/${id}/ready`, '{"files":0,"bytes":0}'), 404)
  assert.is(await grant(daemon, id), 200)
  assert.is(await ask(daemon, `/executors/${id}/ready`, '{"files":0,"bytes":0}'), 200)
  assert.is(await ended, 200)
  const socket = await socketTo(id)
  socket.send('{"begin":{"env":{}}}')
  await until(async () => (await pidsAt(daemon)).length === 1)
  socket.terminate()
  assert.is(await ask(daemon, `/executors/${id}/end`, ''), 200)
  assert.equal(entries(daemon), [])
})

test('a file may be long on its way, as long as it goes on: the time for an answer begins with its last byte', async () => {
  const life = new Scope()
  const id = globalThis.crypto.randomUUID()
  assert.is(await grant(daemon, id), 200)
  const transport = await nodeTransport({ url: new URL(daemon.address), tls: {}, tlsNow: async () => ({}), connectTimeout: 5000 })
  const send = (name: string, read: () => AsyncIterable<Uint8Array>): Promise<unknown> => {
    const headers = { authorization: `Bearer ${TOKEN}` }
    return askDaemon(transport, {
      method: 'POST',
      headers,
      body: { length: 6, read },
      address: daemon.address,
      path: `/executors/${id}/files/${name}`,
      about: '',
      life,
      time: 1000,
    })
  }
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < 6; at++) {
      await new Promise((resolve) => setTimeout(resolve, 300))
      yield Buffer.from('x')
    }
  }
  assert.equal(await send('slow.bin', pieces), {})
  const stuck = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('x')
    await new Promise((resolve) => setTimeout(resolve, 3000))
  }
  assert.is((await error(send('stuck.bin', stuck))).code, 'ERR_TIMEOUT')
  await transport.close()
  assert.is(await ask(daemon, `/executors/${id}/end`, ''), 200)
})

test('who stands still for less than a lease keeps its worker', async () => {
  await using flow = await flowAt(daemon, { lease: 4000 }).open()
  const { pid } = await about(flow)
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setTimeout(resolve, 700))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2600)
    assert.is((await about(flow)).pid, pid)
  }
})

test('connections that bring no token are bounded, and who has one comes in beside them', async () => {
  const idle = Array.from({ length: 200 }, () => connect(daemon.port, '127.0.0.1').on('error', () => {}))
  try {
    await until(() => idle.filter(({ closed }) => !closed).length === 64)
    await using flow = await flowAt(daemon, { parallel: 2 }).open()
    assert.ok((await about(flow)).hasWorkspace)
    const more = Array.from({ length: 100 }, () => connect(daemon.port, '127.0.0.1').on('error', () => {}))
    idle.push(...more)
    await until(() => idle.filter(({ closed }) => !closed).length === 64)
    const { pid } = await about(flow)
    assert.ok((await pidsAt(daemon)).includes(pid), 'its connection stands')
    // Neither is closed that brought its token, however old it is.
    assert.is(flow.workers.filter(({ state }) => state === 'up').length, 2)
  } finally {
    for (const socket of idle) socket.destroy()
  }
})

test('two daemons of one folder refuse each other, and one that was ended by force keeps nobody out', async () => {
  const mine = await DaemonRun.begin()
  const { Daemon } = await import('../../lib/daemon/daemon.js')
  const options = { folder: mine.folder.file('daemon'), port: mine.port, host: '127.0.0.2', token: TOKEN, onError: () => {} }
  const refused = await error(Daemon.serve(options))
  assert.is(refused.code, 'ERR_OPTION_RANGE')
  assert.match(refused.message, new RegExp(`process ${mine.child.pid} has .*daemon/${mine.port}`))
  assert.is((await mine.status()).executors.length, 0)
  await mine.end('SIGKILL')
  const own = await Daemon.serve(options)
  assert.match((await error(Daemon.serve({ ...options, host: '127.0.0.3' }))).message, /this process has/)
  await own.close()
  assert.not(existsSync(join(mine.home, 'lock')))
})

test('a worker waits whose Flow does not read, and the daemon keeps no more than a few MiB of it', async () => {
  const id = await granted()
  const flood = new Folder().file(
    'flood.mjs',
    `import { writeSync } from 'node:fs'
    import { isMainThread } from 'node:worker_threads'
    const bytes = Buffer.alloc(1 << 20)
    let left = 400
    const more = () => {
      try {
        for (; left > 0; left--) writeSync(3, bytes)
      } catch {}
      setTimeout(more, 2)
    }
    if (isMainThread) more()`,
  )
  const socket = await socketTo(id)
  const before = residentOf(daemon)
  socket.send(JSON.stringify({ begin: { env: { NODE_OPTIONS: `--import ${flood}` } } }))
  ;(socket as any)._socket.pause()
  let most = 0
  for (let times = 0; times < 30; times++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    most = Math.max(most, residentOf(daemon))
  }
  assert.ok(most - before < 100, `${before} MiB, then ${most}`)
  let heard = 0
  socket.on('message', (data) => (heard += (data as Buffer).length))
  ;(socket as any)._socket.resume()
  await until(() => heard > 40 << 20)
  socket.terminate()
  assert.is(await ask(daemon, `/executors/${id}/end`, ''), 200)
})

test('a Flow waits whose worker does not read, and the daemon keeps no more than a few MiB for it', async () => {
  const id = await granted()
  // Its first thread computes until it is told.
  const folder = new Folder()
  const busy = folder.file(
    'busy.mjs',
    `import { existsSync } from 'node:fs'
    import { isMainThread } from 'node:worker_threads'
    while (isMainThread && !existsSync(${JSON.stringify(folder.file('enough'))})) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)`,
  )
  const socket = await socketTo(id)
  const before = residentOf(daemon)
  socket.send(JSON.stringify({ begin: { env: { NODE_OPTIONS: `--import ${busy}` } } }))
  const piece = Buffer.alloc(1 << 20)
  for (let at = 0; at < 200; at++) socket.send(piece)
  let most = 0
  for (let times = 0; times < 15; times++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    most = Math.max(most, residentOf(daemon))
  }
  assert.ok(most - before < 60, `${before} MiB, then ${most}`)
  assert.ok(socket.bufferedAmount > 100 << 20, 'the rest waits here')
  assert.is((await daemon.status()).executors[0].replicas[0].state, 'up')
  // Once it reads, all goes on.
  folder.file('enough', '')
  await until(() => socket.bufferedAmount === 0, 20_000)
  socket.terminate()
  assert.is(await ask(daemon, `/executors/${id}/end`, ''), 200)
})

test.after(() => daemon.end())
test.run()
