// What post() promises, through a real socket.
import { EventEmitter } from 'node:events'
import { Metadata } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConnectionError, ExecutorError } from '../../../lib/base/errors.js'
import { Client } from '../../../lib/client/index.js'
import { DocumentArray } from '../../../lib/doc/array.js'
import { Gateway } from '../../../lib/gateway/index.js'
import { Executor, Flow, requests } from '../../../lib/index.js'
import { post } from '../../../lib/post/post.js'
import { fork } from '../../../lib/request/lineage.js'
import { Header, Request } from '../../../lib/request/request.js'
import { Scope } from '../../../lib/stream/scope.js'
import { connect } from '../../../lib/wire/grpc/client/connect.js'
import { SharedStream } from '../../../lib/wire/grpc/client/stream.js'
import { emptyMessage, type Message } from '../../../lib/wire/message.js'
import { decodeMessage, encodeInTurns, encodeMessage } from '../../../lib/wire/proto/index.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { turn } from '../../support/turn.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'
import { world } from './world.js'

const texts = (count: number): { text: string }[] => Array.from({ length: count }, (_, i) => ({ text: `text ${i}` }))

test('C1: documents go and come, parameters and results with them', async () => {
  await using it = await world(({ docs, parameters }) => {
    for (const doc of docs) doc.text = `${parameters['greeting']} ${doc.text}`
  })
  const { items } = await within(
    10_000,
    collect(it.post('/index', texts(95), { requestSize: 10, parameters: { greeting: 'hello', worker: { greeting: 'hi' } } })),
  )
  assert.is(items.length, 10)
  const all = items.flatMap(({ docs }) => docs.texts)
  assert.equal(
    [...all].sort(),
    texts(95)
      .map(({ text }) => `hi ${text}`)
      .sort(),
  )
  for (const { routes, status, header, parameters } of items) {
    assert.equal(
      routes.map(({ executor }) => executor),
      ['gateway', 'worker'],
    )
    assert.is(status.code, 'SUCCESS')
    assert.is(header.execEndpoint, '/index')
    assert.equal(parameters, { greeting: 'hello', worker: { greeting: 'hi' }, __results__: {} })
  }
})

test('E4: what an executor returns as an object arrives under its name', async () => {
  await using it = await world(({ docs }) => ({ count: docs.length }))
  const [response] = (await within(10_000, collect(it.post('/', texts(3))))).items
  assert.equal(response!.parameters['__results__'], { worker: { count: 3 } })
})

test('E4: a request without documents is one request', async () => {
  await using it = await world(({ docs }) => ({ count: docs.length }))
  const { items } = await within(10_000, collect(it.post('/')))
  assert.is(items.length, 1)
})

test('E2: only the endpoint that is bound, only the executor that is meant', async () => {
  class Bound extends Executor {
    @requests('/index')
    index() {
      return { ran: true }
    }
  }
  await using it = await world(Bound)
  const results = async (on: string, targetExecutor?: string) => {
    const [response] = (await within(10_000, collect(it.post(on, texts(1), { ...(targetExecutor && { targetExecutor }) })))).items
    return response!.parameters['__results__']
  }
  assert.equal(await results('/index'), { worker: { ran: true } })
  assert.equal(await results('/other'), {})
  assert.equal(await results('/index', 'work'), { worker: { ran: true } })
  assert.equal(await results('/index', 'nobody'), {})
})

test('E3: order as completed, or that of the inputs', async () => {
  const doors = Array.from({ length: 4 }, () => deferred<void>())
  await using it = await world(async ({ docs }) => {
    await doors[Number(docs[0]!.text)]?.promise
  })
  const inputs = ['0', '1', '2', '3'].map((text) => ({ text }))
  const order: string[] = []
  const loose = (async () => {
    for await (const { docs } of it.post('/', inputs, { requestSize: 1 })) {
      order.push(docs[0]!.text!)
      doors[3 - order.length]?.resolve()
    }
  })()
  doors[3]!.resolve()
  await within(10_000, loose)
  assert.equal(order, ['3', '2', '1', '0'])

  const { items } = await within(10_000, collect(it.post('/', inputs, { requestSize: 1, resultsInOrder: true })))
  assert.equal(
    items.map(({ docs }) => docs[0]!.text),
    ['0', '1', '2', '3'],
  )
})

test('E5: no more than prefetch requests on the way, on both ends', async () => {
  const door = deferred<void>()
  let inside = 0
  let most = 0
  await using it = await world(
    async () => {
      most = Math.max(most, ++inside)
      await door.promise
      inside--
    },
    { prefetch: 4 },
  )
  let read = 0
  const source = (function* () {
    for (; read < 40; read++) yield { text: `${read}` }
  })()
  const received = collect(it.post('/', source, { requestSize: 1, prefetch: 10 }))
  await until(() => inside >= 4)
  for (let i = 0; i < 50; i++) await turn()
  assert.is(inside, 4, 'the server takes no more than its own bound')
  assert.is(read, 9, 'the client reads no more than its own bound')
  door.resolve()
  assert.is((await within(10_000, received)).items.length, 40)
  assert.is(most, 4)
})

test('E5: __prefetch__ in the metadata lowers the bound of the server, and cannot raise it', async () => {
  for (const [asked, most] of [
    ['2', 2],
    ['1000', 4],
  ] as const) {
    let inside = 0
    let peak = 0
    await using it = await world(
      async () => {
        peak = Math.max(peak, ++inside)
        for (let i = 0; i < 5; i++) await turn()
        inside--
      },
      { prefetch: 4 },
      { headers: { __prefetch__: asked } },
    )
    await within(10_000, collect(it.post('/', texts(30), { requestSize: 1 })))
    assert.is(peak, most)
  }
})

test('E5: an infinite source and a slow reader: nothing runs ahead', async () => {
  let worked = 0
  await using it = await world(() => void worked++)
  let read = 0
  const source = (function* () {
    for (;;) yield { text: `${read++}` }
  })()
  const consume = async () => {
    let received = 0
    for await (const _ of it.post('/', source, { requestSize: 1, prefetch: 5 })) {
      received++
      for (let i = 0; i < 3; i++) await turn()
      assert.ok(read - received <= 5, `${read - received} are on the way`)
      assert.ok(worked - received <= 5)
      if (received === 300) break
    }
  }
  await within(20_000, consume())
})

test('E6, R47: an executor that fails is an answer, and the stream goes on', async () => {
  await using it = await world(({ docs }) => {
    if (docs[0]!.text === 'text 3') throw new RangeError('three is too much')
  })
  const { items, error } = await within(10_000, collect(it.post('/', texts(6), { requestSize: 1, continueOnError: true })))
  assert.is(error, undefined)
  assert.is(items.length, 6)
  const [failed] = items.filter(({ status }) => status.code === 'ERROR')
  assert.is(failed!.status.exception!.name, 'RangeError')
  assert.equal(failed!.status.exception!.args, ['three is too much'])
  assert.is(failed!.status.exception!.executor, 'worker')
  assert.instance(failed!.error, ExecutorError)

  const strict = await within(10_000, collect(it.post('/', texts(6), { requestSize: 1 })))
  assert.instance(strict.error, ExecutorError)
  assert.is(strict.error.executor, 'worker')
  assert.is(strict.error.endpoint, '/')
})

test('R58: stacks stay on the server, unless it is told to send them', async () => {
  const fail = () => {
    throw new Error('secret places')
  }
  for (const exposeStacks of [false, true]) {
    await using it = await world(fail, { exposeStacks })
    const [response] = (await within(10_000, collect(it.post('/', texts(1), { continueOnError: true })))).items
    const { stacks } = response!.status.exception!
    // Where maps to the sources are not read, the file is the compiled one.
    const here = /stream\.[jt]s/
    assert.is(
      stacks.some((line) => here.test(line)),
      exposeStacks,
    )
    assert.is(here.test(JSON.stringify(response!.routes)), exposeStacks)
  }
})

test('R54: an answer that cannot be written is an error of its executor', async () => {
  await using it = await world(() => ({ big: 10n }))
  const { items, error } = await within(10_000, collect(it.post('/', texts(2), { requestSize: 1, continueOnError: true })))
  assert.is(error, undefined)
  assert.equal(
    items.map(({ status }) => status.code),
    ['ERROR', 'ERROR'],
  )
  assert.match(items[0]!.status.description, 'cannot be sent')
})

test('R84: a pattern that is none refuses the call, and nothing else', async () => {
  await using it = await world(() => {})
  const { error } = await within(10_000, collect(it.post('/', texts(1), { targetExecutor: '(' })))
  assert.ok(error.code === 'ERR_REFUSED' || error.code === 'ERR_OPTION_RANGE', error.message)
  assert.is((await within(10_000, collect(it.post('/', texts(1))))).items.length, 1)
})

test('C3: 20 MB of one document, there and back', async () => {
  await using it = await world(() => {})
  const blob = new Uint8Array(20_000_000).map((_, i) => i % 251)
  const [response] = (await within(60_000, collect(it.post('/', [{ blob }])))).items
  assert.ok(Buffer.from(response!.docs[0]!.blob!).equals(Buffer.from(blob)))
})

test('C3: compressed both ways', async () => {
  for (const compression of ['gzip', 'deflate'] as const) {
    await using it = await world(() => {}, {}, { compression })
    const { items } = await within(10_000, collect(it.post('/', texts(50), { requestSize: 7, resultsInOrder: true })))
    assert.equal(
      items.flatMap(({ docs }) => docs.texts),
      texts(50).map(({ text }) => text),
    )
  }
})

test('C3: one call for each request, when that is wanted', async () => {
  await using it = await world(() => {}, {}, { unary: true })
  const { items } = await within(10_000, collect(it.post('/', texts(20), { requestSize: 1, resultsInOrder: true })))
  assert.equal(
    items.flatMap(({ docs }) => docs.texts),
    texts(20).map(({ text }) => text),
  )
})

test('C6: documents as docarray 0.30 and later writes them', async () => {
  await using it = await world(({ docs }) => void (docs[0]!.text += '!'), { docarray: 'v2' }, { docarray: 'v2' })
  const [response] = (await within(10_000, collect(it.post('/', [{ text: 'hello', tags: { n: 1 } }])))).items
  assert.is(response!.docs[0]!.text, 'hello!')
})

test('C5: a request whose two branches go the same way gets an answer on each', async () => {
  await using it = await world(({ docs }) => void (docs[0]!.text += '!'))
  const connection = connect(it.server.address)
  // As an executor elsewhere stands in a graph: the branches of a request have one id and one scope.
  const whole = new Request(new Header('/', {}), DocumentArray.from([{ text: 'a' }]), new Scope())
  const branches = ['left', 'right'].map((text) => fork(whole, DocumentArray.from([{ text }])))
  await within(10_000, Promise.all(branches.map((branch) => connection.handle(branch))))
  assert.equal(
    branches.map(({ docs }) => docs.texts),
    [['left!'], ['right!']],
  )
  connection.close()
})

test('R7: fifty clients at once get what is theirs', async () => {
  await using it = await world(async () => {
    await turn()
  })
  await Promise.all(
    Array.from({ length: 50 }, async (_, client) => {
      // Fifty connections at once take longer than usual on a machine that is busy with other things.
      const connection = connect(it.server.address, { connectTimeout: 60_000 })
      const inputs = Array.from({ length: 20 }, (_, i) => ({ text: `${client} ${i}` }))
      const { items, error } = await within(60_000, collect(post(connection, '/', inputs, { requestSize: 3, resultsInOrder: true })))
      assert.is(error, undefined)
      assert.equal(
        items.flatMap(({ docs }) => docs.texts),
        inputs.map(({ text }) => text),
      )
      connection.close()
    }),
  )
})

test('C1: a request id of somebody else comes back as it is, and one with a line break is refused', async () => {
  await using it = await world(() => {})
  const request = (id: string) => {
    const made = new Request(new Header('/', {}), new DocumentArray(), new Scope())
    made.id = id
    return made
  }
  await within(10_000, Promise.resolve(it.client.handle(request('an id / of ü'))))
  for (const id of ['a\r\nb', 'a\nb', 'a\0b']) {
    const error = await within(10_000, Promise.resolve(it.client.handle(request(id)))).then(
      () => undefined,
      (error) => error,
    )
    assert.instance(error, ConnectionError)
    assert.is(error.code, 'ERR_REFUSED')
  }
})

test('217: a stream whose post was given up while it was connected is over, and what comes of it throws at nobody', () => {
  const scope = new Scope()
  scope.abort(new Error('given up'))
  const call = Object.assign(new EventEmitter(), { readableLength: 0, cancel() {}, end() {}, write: () => true })
  const options = { address: 'somewhere', key: '', failure: () => new ConnectionError('ERR_DISCONNECTED', 'somewhere', 'cancelled') }
  const stream = new SharedStream(call as never, scope, options as never)
  call.emit('error', new Error('cancelled'))
  assert.is(stream.takes(new Request(new Header('/', {}), new DocumentArray(), scope), ''), false)
})

test('217: a stream is left to its server where the time of all is up, and taken back at once where one was given up before', async () => {
  for (const [left, expected] of [
    [0, ['end']],
    [1000, ['cancel']],
    [undefined, ['cancel']],
  ] as const) {
    const told: string[] = []
    const call = Object.assign(new EventEmitter(), { readableLength: 0, cancel: () => told.push('cancel'), end: () => told.push('end'), write: () => true })
    const options = { address: 'somewhere', key: '', failure: () => new Error('no'), encodeInTurns: () => new Uint8Array(), limit: Infinity }
    const stream = new SharedStream(call as never, new Scope(), options as never)
    const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
    void stream.ask(request, left === undefined ? undefined : { left }).catch(() => {})
    await turn()
    stream.forget(request, undefined)
    stream.close(undefined)
    assert.equal(told, expected)
    stream.close(undefined)
    assert.is(told.at(-1), 'cancel', 'who asks twice means it')
    call.emit('status')
  }
})

/** A stream to a server that says what a test has it say. */
function faked(ahead?: number) {
  const scope = new Scope()
  const told: string[] = []
  const written: Message[] = []
  const call = Object.assign(new EventEmitter(), {
    readableLength: 0,
    cancel: () => told.push('cancel'),
    end: () => told.push('end'),
    write(bytes: Buffer, done: () => void) {
      written.push(decodeMessage(bytes))
      done()
    },
  })
  const stream = new SharedStream(call as never, scope, {
    address: 'somewhere',
    who: '',
    brought: '',
    headers: undefined,
    ahead,
    limit: Infinity,
    failure: () => new ConnectionError('ERR_DISCONNECTED', 'somewhere', 'cancelled'),
    encode: (message) => encodeMessage(message),
    encodeInTurns: (message) => encodeInTurns(message),
    decode: (bytes) => decodeMessage(bytes),
  })
  return {
    scope,
    told,
    stream,
    ids: () => written.map(({ requestId, status }) => (status === undefined ? requestId : `not ${requestId}`)),
    ask(id: string, scope: Scope): Promise<Message> {
      const request = new Request(new Header('/', {}), new DocumentArray(), scope)
      request.id = id
      const answer = stream.ask(request, undefined)
      answer.catch(() => {})
      return answer
    },
    greet(shared: boolean): void {
      const metadata = new Metadata()
      metadata.set('sluice-ahead', '16')
      if (shared) metadata.set('sluice-shared', '1')
      call.emit('metadata', metadata)
    },
    answer(requestId: string): void {
      call.emit('data', encodeMessage(emptyMessage({ requestId, status: { code: 'SUCCESS', description: '' } })))
    },
  }
}

test('223: a server that answers twice, or what nobody asked, ends nothing, and gets no more requests than it takes', async () => {
  const it = faked()
  it.greet(true)
  // Of one post, one at a time.
  const answers = ['a', 'b', 'c'].map((id) => it.ask(id, it.scope))
  await turn()
  assert.equal(it.ids(), ['a'])
  for (const id of ['x', 'a', 'a', 'x', 'a']) it.answer(id)
  await turn()
  assert.equal(it.ids(), ['a', 'b'])
  for (const id of ['b', 'c']) {
    it.answer(id)
    await turn()
  }
  assert.equal(
    (await within(10_000, Promise.all(answers))).map(({ requestId }) => requestId),
    ['a', 'b', 'c'],
  )
  // Of all posts, as many as it said.
  for (let at = 0; at < 20; at++) void it.ask(`${at}`, new Scope())
  await turn()
  assert.is(it.ids().length, 3 + 16)
  for (const id of ['x', '0', '0', 'y']) it.answer(id)
  await turn()
  assert.is(it.ids().length, 3 + 17)
})

test('223: nothing is taken back on a stream of which it is not known yet that its server knows of that', async () => {
  const it = faked(256)
  const left = new Scope()
  void it.ask('stays', it.scope)
  void it.ask('leaves', left)
  await turn()
  left.abort(new Error('enough'))
  await turn()
  assert.equal(it.ids(), ['stays', 'leaves'])
  it.greet(true)
  assert.equal(it.ids(), ['stays', 'leaves', 'not leaves'])
})

test('223: where a server turns out to be an older one, a stream ends with its post', async () => {
  const it = faked(256)
  const answer = it.ask('a', it.scope)
  await turn()
  it.greet(false)
  it.scope.abort(new Error('enough'))
  assert.equal(it.told, ['cancel'])
  assert.is(
    await within(
      10_000,
      answer.catch((error) => error.message),
    ),
    'enough',
  )
})

test('223: of requests that were late, nothing stays with their post', async () => {
  await using it = await world(() => new Promise(() => {}), {}, { timeout: 50 })
  const scope = new Scope()
  let open = 0
  const { child, watch } = scope
  scope.child = () => {
    open++
    const made = child.call(scope)
    const { close } = made
    made.close = () => {
      open--
      close.call(made)
    }
    return made
  }
  scope.watch = (abort) => {
    open++
    const unwatch = watch.call(scope, abort)
    let over = false
    return () => {
      if (!over) open--
      over = true
      unwatch()
    }
  }
  const connection = connect(it.server.address, { timeout: 50 })
  const late = Array.from({ length: 5 }, () =>
    Promise.resolve(connection.handle(new Request(new Header('/', {}), new DocumentArray(), scope))).catch((error) => error.code),
  )
  assert.equal([...new Set(await within(20_000, Promise.all(late)))], ['ERR_TIMEOUT'])
  connection.close()
  await turn()
  assert.ok(open <= 0, `${open} are left`)
})

test('217: what is late at a Client is ended by the server, whose connections hear of few calls that are taken back', async () => {
  const reasons: unknown[] = []
  const all = deferred<void>()
  const uses = async ({ signal }: { signal: AbortSignal }): Promise<void> =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        if (reasons.push(signal.reason) === 20) all.resolve()
        resolve()
      }),
    )
  const flow = await new Flow().add({ name: 'worker', uses }).open()
  await using served = await Gateway.serve(flow)
  await using client = new Client(served.addresses['grpc']!, { timeout: 50 })
  const codes = await within(
    20_000,
    Promise.all(
      Array.from({ length: 20 }, () =>
        client
          .post('/', ['a'])
          .drain()
          .catch((error) => error.code),
      ),
    ),
  )
  assert.equal([...new Set(codes)], ['ERR_TIMEOUT'])
  await within(20_000, all.promise)
  assert.ok(
    reasons.every((reason) => /which it was given/.test(String(reason))),
    String(reasons[0]),
  )
  await flow.close()
})

test.run()
