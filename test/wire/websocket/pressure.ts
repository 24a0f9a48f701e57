import type { Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { post } from '../../../lib/post/post.js'
import { deferred } from '../../support/deferred.js'
import { gc, heap } from '../../support/gc.js'
import { turn } from '../../support/turn.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'
import { frame, raw, serving } from './support.js'

/** What this process holds, buffers included, in MB. */
async function held(): Promise<number> {
  await gc()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / 1e6
}

/** Lets pass what is ready to, until nothing more of it happens. */
async function still(count: () => number): Promise<number> {
  let last = -1
  for (let same = 0; same < 20; ) {
    for (let i = 0; i < 50; i++) await turn()
    if (count() === last) same++
    else same = 0
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return last
}

test('R103: a client that never reads gets no more than a bounded number of answers made, and is closed in the end', async () => {
  let calls = 0
  const aborted = deferred<void>()
  await using it = await serving(
    ({ signal }) => {
      calls++
      signal.addEventListener('abort', () => aborted.resolve())
      return [{ text: 'a'.repeat(1_000_000) }]
    },
    { stallTimeout: 1000, prefetch: 4 },
  )
  const before = await held()
  const socket = await raw(it.server.port)
  socket.write(Buffer.concat(Array.from({ length: 5000 }, () => frame(1, '{"data":[""]}'))))
  const made = await still(() => calls)
  const now = await held()
  // Some MB are in the buffers of the system.
  assert.ok(made < 40, `${made} answers of 1 MB were made`)
  assert.ok(now - before < 40, `${now - before} MB more`)
  const closed = new Promise((resolve) => socket.on('close', resolve))
  // It hears of its end when it writes.
  const write = setInterval(() => socket.write(frame(9, '')), 50)
  try {
    await within(20_000, closed)
  } finally {
    clearInterval(write)
    socket.destroy()
  }
  assert.ok(calls - made < 10, `${calls - made} more were made`)
})

test('R103: a client that reads nothing is closed, also while what it writes has room in a buffer', async () => {
  await using it = await serving(() => [{ text: 'a'.repeat(1_000_000) }], { stallTimeout: 500 })
  const socket = await raw(it.server.port)
  socket.write(Buffer.concat(Array.from({ length: 20 }, () => frame(1, '{"data":[""]}'))))
  const closed = new Promise((resolve) => socket.on('close', resolve))
  const write = setInterval(() => socket.write(frame(9, '')), 50)
  try {
    await within(20_000, closed)
  } finally {
    clearInterval(write)
    socket.destroy()
  }
})

test('R103: an executor that never ends keeps its client from sending', async () => {
  let calls = 0
  await using it = await serving(
    () => {
      calls++
      return new Promise(() => {})
    },
    { prefetch: 4 },
  )
  const socket = await raw(it.server.port)
  const chunk = Buffer.concat(Array.from({ length: 100 }, () => frame(1, JSON.stringify({ data: [{ text: 'a'.repeat(10_000) }] }))))
  let sent = 0
  const write = (): void => {
    while (sent < 300 && socket.write(chunk)) sent++
  }
  socket.on('drain', write)
  write()
  await still(() => sent)
  assert.is(calls, 4)
  assert.ok(sent < 50, `${sent} MB went in`)
  socket.destroy()
})

test('R43: executors hear that a client left whose messages are not read for now', async () => {
  let left = 0
  const all = deferred<void>()
  await using it = await serving(
    ({ signal }) =>
      new Promise(() =>
        signal.addEventListener('abort', () => {
          if (++left === 2) all.resolve()
        }),
      ),
    { prefetch: 2 },
  )
  const socket = await raw(it.server.port)
  const chunk = Buffer.concat(Array.from({ length: 100 }, () => frame(1, JSON.stringify({ data: [{ text: 'a'.repeat(10_000) }] }))))
  for (let i = 0; i < 20; i++) socket.write(chunk)
  await still(() => socket.bytesWritten)
  socket.destroy()
  await within(20_000, all.promise)
})

test('R43: executors hear that a client said goodbye when they make the next part, also where it does not hang up', async () => {
  const begun = deferred<void>()
  const aborted = deferred<void>()
  await using it = await serving(async function* ({ signal }: any) {
    signal.addEventListener('abort', () => aborted.resolve())
    for (;;) {
      yield { id: 'same' }
      begun.resolve()
      await turn()
    }
  })
  const socket = await raw(it.server.port, '', '/?partial=1')
  socket.write(frame(1, '{"data":[""]}'))
  await within(5000, begun.promise)
  socket.write(frame(8, Buffer.from([0x03, 0xe8])))
  await within(5000, aborted.promise)
  assert.is(socket.destroyed, false)
  socket.destroy()
})

test('R103: an endless generator and a slow reader run in constant memory', async () => {
  for (const mode of ['bytes', 'json'] as const) {
    await using it = await serving(() => {})
    const source = (function* () {
      for (;;) yield { text: 'x'.repeat(10_000) }
    })()
    let count = 0
    let start = 0
    for await (const _ of post(it.connect({ mode }), '/', source, { requestSize: 1 })) {
      if (++count % 10 === 0) await turn()
      if (count === 500) start = await heap()
      if (count === 3000) break
    }
    const more = (await heap()) - start
    assert.ok(more < 8, `${more} MB more`)
  }
})

test('R24: a generator at the other end waits for its consumer', async () => {
  let made = 0
  await using it = await serving(async function* () {
    for (; made < 5000; made++) yield [{ text: 'x'.repeat(10_000) }]
  })
  let taken = 0
  for await (const { partial } of post(it.connect(), '/', ['a'])) {
    if (!partial) break
    if (++taken === 20) {
      const before = await still(() => made)
      // What the buffers of both systems hold, and no more.
      assert.ok(before < 3000, `${before} made, 20 taken`)
      break
    }
  }
  assert.is(taken, 20)
})

test('R43: a thousand clients that leave in the middle leave nothing behind', async () => {
  let inside = 0
  await using it = await serving(
    ({ signal }) =>
      new Promise<void>((resolve) => {
        inside++
        signal.addEventListener('abort', () => {
          inside--
          resolve()
        })
      }),
  )
  const visit = async (): Promise<void> => {
    const socket = new WebSocket(it.server.address)
    await new Promise((resolve) => socket.on('open', resolve))
    socket.send('{"data":[{"text":"a"}]}')
    socket.send('{"data":[{"text":"b"}]}')
    await new Promise((resolve) => socket.ping('', true, resolve))
    const gone = new Promise((resolve) => socket.on('close', resolve))
    socket.terminate()
    await gone
  }
  const crowd = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 50) await Promise.all(Array.from({ length: 50 }, visit))
    await until(() => inside === 0)
  }
  await crowd(200)
  const before = await heap()
  const handles = process.getActiveResourcesInfo().length
  await within(60_000, crowd(1000))
  const more = (await heap()) - before
  assert.ok(more < 4, `${more} MB more`)
  assert.ok(process.getActiveResourcesInfo().length <= handles + 2)
  assert.equal(it.reported, [])
})

test('R138: idle sockets are closed at once, also those that never say goodbye', async () => {
  const it = await serving(() => {})
  const codes: number[] = []
  const sockets = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = new WebSocket(it.server.address)
      socket.on('close', (code) => codes.push(code))
      await new Promise((resolve) => socket.on('open', resolve))
      return socket
    }),
  )
  const rude: Socket = await raw(it.server.port)
  await within(5000, it[Symbol.asyncDispose]())
  rude.destroy()
  await until(() => codes.length >= sockets.length)
  assert.equal([...new Set(codes)], [1001])
})

test('R133: draining finishes what is inside, takes nothing new, and says goodbye', async () => {
  const open = deferred<void>()
  const called = deferred<void>()
  const it = await serving(() => {
    called.resolve()
    return open.promise as any
  })
  const connection = it.connect()
  const running = post(connection, '/', ['a']).docs()
  await called.promise
  const idle = new WebSocket(it.server.address)
  await new Promise((resolve) => idle.on('open', resolve))
  const left = new Promise((resolve) => idle.on('close', resolve))
  let drained = false
  const draining = it.server.drain().then(() => {
    drained = true
  })
  assert.is(await within(5000, left), 1001)
  assert.is(await it.connect().isReady(), false)
  assert.is(drained, false)
  open.resolve()
  assert.is((await within(5000, running)).length, 1)
  await within(5000, draining)
  await it[Symbol.asyncDispose]()
})

test('R134: close() ends an endless stream', async () => {
  const called = deferred<void>()
  const aborted = deferred<void>()
  const it = await serving(({ signal }) => {
    called.resolve()
    signal.addEventListener('abort', () => aborted.resolve())
    return new Promise(() => {})
  })
  const running = post(it.connect(), '/', ['a'])
    .drain()
    .catch((error) => error)
  await called.promise
  await within(5000, it.server.close())
  await within(5000, aborted.promise)
  assert.is((await within(5000, running)).code, 'ERR_DISCONNECTED')
  await it.server.close()
  await it.flow.close()
})

test('R137: of a Flow that is closed under its server, who asks hears', async () => {
  await using it = await serving(() => {})
  await it.flow.close()
  const error = await post(it.connect(), '/', ['a'])
    .drain()
    .catch((error) => error)
  assert.is(error.code, 'ERR_UNREACHABLE')
  assert.match(error.message, 'not open')
  assert.equal(it.reported, [])
})

test.run()
