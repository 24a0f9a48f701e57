// An executor elsewhere, as the graph sees it: which of its addresses have been asked.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConnectionError } from '../../lib/base/errors.js'
import { Replica } from '../../lib/handler/replica.js'
import { type Call, DocumentArray, Flow } from '../../lib/index.js'
import { External } from '../../lib/place/external.js'
import type { Handler } from '../../lib/request/handler.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { forGood } from '../../lib/wire/outcome.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { fake } from '../support/clock.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

/** Notes which addresses it is told to pass over, and fails so often. */
function addresses(name: string, failures: number): { handler: Handler; seen: string[] } {
  const seen: string[] = []
  const handle = async ({ attempt }: Request): Promise<void> => {
    seen.push([...attempt!.tried].join())
    attempt!.tried.add(`${name}${seen.length}` as unknown as object)
    if (seen.length <= failures) throw new ConnectionError('ERR_UNREACHABLE', name, 'nobody there')
  }
  return { handler: { accepts: () => true, handle } as unknown as Handler, seen }
}

const clients = Array.from({ length: 4 }, () => ({ accepts: () => true, handle: () => {}, open: () => {}, close: () => {} }))

test('201: which addresses were asked is known to one executor, and not to the next of the chain, whether the first answered or failed', async () => {
  for (const [failures, ends] of [
    [2, 'a1|a1,a2'],
    [4, 'a1|a1,a2|a1,a2,a3'],
  ] as const) {
    const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
    const a = addresses('a', failures)
    const b = addresses('b', 1)
    await new External('first', a.handler, clients).handle(request).catch(() => {})
    await new External('second', b.handler, clients).handle(request)
    assert.is(a.seen.join('|'), `|${ends}`)
    assert.equal(b.seen, ['', 'b1'])
  }
})

test('one elsewhere that was out of reach for long is as good as before as soon as it can be reached, and no request has to find out', async () => {
  let time = 1000
  fake.now = () => time
  const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
  let there = true
  let looks = 0
  const reach = async (): Promise<void> => {
    if (!there) throw new ConnectionError('ERR_UNREACHABLE', 'x', 'nobody there')
  }
  const handle = (): Promise<void> => {
    time++
    return reach()
  }
  const look = (): Promise<void> => {
    looks++
    return reach()
  }
  const replica = new Replica({ accepts: () => true, handle, look })
  const ask = (): unknown =>
    Promise.resolve(replica.handle(request, time, () => {})).then(
      () => 'answered',
      (error) => error.code,
    )
  await ask()
  const before = replica.cost(time)
  there = false
  for (let i = 0; i < 30; i++) assert.is(await ask(), 'ERR_UNREACHABLE')
  assert.ok(replica.cost(time) > 1e10)
  assert.is(looks, 0, 'it was asked just now')
  for (let i = 1; i <= 3; i++) {
    time += 100
    replica.cost(time)
    assert.ok(replica.cost(time) > 1e10)
    await turn()
    assert.is(looks, i)
  }
  there = true
  time += 100
  replica.cost(time)
  await turn()
  assert.ok(replica.cost(time) <= before, `${replica.cost(time)}, before ${before}`)
  replica.cost(time + 1000)
  assert.is(looks, 4)
  fake.now = undefined
})

test('one elsewhere is neither out of reach nor slow because clients left, or another branch did not reach its own', async () => {
  let time = 1000
  fake.now = () => time
  const handle = ({ scope }: Request): Promise<void> => new Promise((_, reject) => void scope.watch(reject))
  const replica = new Replica({ accepts: () => true, handle, look: async () => {} })
  const leave = async (later: number): Promise<void> => {
    const scope = new Scope()
    const answer = Promise.resolve(replica.handle(new Request(new Header('/', {}), new DocumentArray(), scope), time, () => {}))
    time += later
    scope.abort(new ConnectionError('ERR_DISCONNECTED', 'http', 'the client left'))
    await answer.then(
      () => assert.unreachable(),
      ({ code }) => assert.is(code, 'ERR_DISCONNECTED'),
    )
  }
  for (let i = 0; i < 12; i++) await leave(5)
  assert.is(replica.cost(time), 6)
  // Who hangs until nobody waits any more is as slow as that took.
  await leave(400)
  assert.is(replica.cost(time), 401)
  fake.now = undefined
})

test('216: nobody elsewhere is asked again after a partial answer', async () => {
  for (const [pieces, asked] of [
    [0, 4],
    [1, 1],
  ] as const) {
    const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
    request.emit = async () => {}
    let calls = 0
    const handle = async (request: Request): Promise<void> => {
      calls++
      request.attempt!.tried.add({})
      for (let piece = 0; piece < pieces; piece++) await request.emit!({} as never)
      throw new ConnectionError('ERR_DISCONNECTED', 'x', 'it went away')
    }
    const handler = { accepts: () => true, handle } as unknown as Handler
    const error: any = await new External('there', handler, clients).handle(request).catch((error) => error)
    assert.is(error.code, 'ERR_DISCONNECTED')
    assert.is(calls, asked)
  }
})

test('224: each address is asked once, at once; more often only as retries says, after a wait, or three times in all where nobody said so', async () => {
  const asks = async (count: number, retries?: number, error = new ConnectionError('ERR_UNREACHABLE', 'x', 'nobody there')) => {
    const seen: string[] = []
    const chance = Math.random
    const handle = async ({ attempt }: Request): Promise<void> => {
      attempt!.tried.add({})
      seen.push('ask')
      throw error
    }
    // How long a wait takes is left to chance, which so hears of it.
    Math.random = () => {
      seen.push('wait')
      return 1
    }
    const delay = 0.001
    const external = new External('there', { accepts: () => true, handle } as unknown as Handler, clients.slice(0, count), {
      ...(retries !== undefined && { retries: { attempts: retries, delay } }),
    })
    const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
    const failed = await external.handle(request).then(
      () => undefined,
      (error) => error,
    )
    Math.random = chance
    assert.is(failed, error)
    return seen.join(' ')
  }
  assert.is(await asks(1), 'ask wait ask wait ask')
  assert.is(await asks(2), 'ask ask wait ask')
  assert.is(await asks(4), 'ask ask ask ask')
  assert.is(await asks(1, 0), 'ask')
  assert.is(await asks(2, 0), 'ask ask')
  assert.is(await asks(2, 2), 'ask ask wait ask wait ask')
  const closed = new ConnectionError('ERR_REFUSED', 'x', 'it failed (500)')
  assert.is(await asks(4, undefined, closed), 'ask', 'it may have been done')
  assert.is(await asks(4, 2, closed), 'ask wait ask wait ask')
  const final = forGood(new ConnectionError('ERR_DISCONNECTED', 'x', 'this Client was closed'))
  assert.is(await asks(4, 2, final), 'ask')
})

test('174: targets and parameters by its name here are settled before a request leaves, also beside retries, batches and replicas; responses say what was posted', async () => {
  await using inner = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0 })
    .add({
      name: 'there',
      // Pieces come first, then all of them.
      async *uses({ parameters }: Call) {
        yield { text: JSON.stringify(parameters) }
      },
    })
    .open()
  const parameters = { top: 1, 'no-one__top': 2, far_away__top: 3, 'far-away': { more: 4 }, there__top: 5 }
  for (const host of Object.values(inner.addresses))
    for (const more of [{}, { retries: 1 }, { timeout: 20_000 }, { dynamicBatching: { preferredBatchSize: 1 } }, { concurrency: 2 }, { host: [host, host] }]) {
      await using outer = await new Flow().add({ name: 'far-away', external: true, host, ...more }).open()
      for (const targetExecutor of [undefined, 'far', 'x|far-a']) {
        const responses = await outer.post('/', 'x', { parameters, ...(targetExecutor && { targetExecutor }) }).toArray()
        const where = `${host} ${JSON.stringify(more)} ${targetExecutor}`
        assert.equal(JSON.parse(responses.at(-1)!.docs[0]!.text), { top: 3, more: 4 }, where)
        for (const { parameters: said, header } of responses) {
          const { __results__, ...own } = said
          assert.equal(own, parameters, where)
          assert.is(header.targetExecutor, targetExecutor, where)
        }
      }
      const [passed] = await outer.post('/', 'x', { targetExecutor: 'there' }).toArray()
      assert.is(passed!.docs[0]!.text, 'x')
    }
})

test('174: what comes back with a failure is kept, with parameters as without', async () => {
  await using inner = await new Flow({ protocol: 'grpc', port: 0 })
    .add({
      uses({ docs }) {
        docs[0]!.text = 'half done'
        throw new Error('no more')
      },
    })
    .open()
  for (const more of [{}, { retries: { attempts: 1, delay: 1 } }, { timeout: 60_000 }]) {
    await using outer = await new Flow().add({ name: 'far', external: true, host: inner.addresses.grpc!, ...more }).open()
    for (const parameters of [{}, { a: 1 }]) {
      const [response] = await outer.post('/', 'x', { parameters, continueOnError: true }).toArray()
      assert.is(response!.docs[0]!.text, 'half done')
    }
  }
})

test('requests of one id on one stream all come back from one elsewhere, as soon as it can be reached', async () => {
  await using far = await new Flow({ protocol: 'grpc', port: 0 }).add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) }).open()
  await using near = await new Flow({ protocol: 'grpc', port: 0 }).add({ name: 'far', external: true, host: far.addresses.grpc! }).open()
  using raw = new Raw(near.addresses.grpc!)
  const asked = () => Buffer.from(encodeMessage(emptyMessage({ requestId: 'one', execEndpoint: '/', docs: DocumentArray.from([{ text: 'a' }]) })))
  for (let round = 0; round < 3; round++) {
    const { answers } = await within(20_000, raw.converse(METHODS.call, [asked(), asked(), asked()]))
    assert.equal(
      answers.map((bytes) => decodeMessage(bytes).docs[0]!.text),
      ['a!', 'a!', 'a!'],
    )
  }
})

test.run()
