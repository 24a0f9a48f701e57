// An executor elsewhere, as the graph sees it: which of its addresses have been asked.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConnectionError, ExecutorError } from '../../lib/base/errors.js'
import { markUnasked } from '../../lib/base/retry-policy.js'
import { Replica, type ReplicaSettings } from '../../lib/handler/replica.js'
import type { RetryOptions } from '../../lib/handler/retry.js'
import { type Call, DocumentArray, Flow } from '../../lib/index.js'
import { External } from '../../lib/place/external.js'
import type { Handler } from '../../lib/request/handler.js'
import { Header, Request } from '../../lib/request/request.js'
import { Breaker } from '../../lib/stream/breaker.js'
import { Scope } from '../../lib/stream/scope.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { forGood, tellBusy } from '../../lib/wire/outcome.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { fake, real } from '../support/clock.js'
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

const ALONE: ReplicaSettings = { name: 'there', at: 0, concurrency: Infinity, stuckAfter: 0, logger: undefined, onRoom() {}, onTold() {} }

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

/** A replica elsewhere, whose breaker hears what its Client would tell it. */
function replicaOf(handle: (request: Request) => Promise<void>, look: () => Promise<unknown>): Replica {
  const breaker = new Breaker('x', look)
  const told = async (request: Request): Promise<void> => {
    try {
      await handle(request)
      breaker.answered()
    } catch (error) {
      breaker.failed(error, request.scope)
      throw error
    }
  }
  return new Replica({ accepts: () => true, handle: told, breaker }, ALONE)
}

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
  const replica = replicaOf(handle, look)
  const ask = (): unknown =>
    Promise.resolve(replica.handle(request, time)).then(
      () => 'answered',
      (error) => error.code,
    )
  await ask()
  const before = replica.cost(time)
  there = false
  for (let i = 0; i < 30; i++) assert.is(await ask(), 'ERR_UNREACHABLE')
  assert.ok(replica.cost(time) > 1e10)
  assert.is(looks, 0, 'it was asked just now')
  // Looks are further apart, up to a second.
  for (let i = 1; i <= 6; i++) {
    time += 1000
    replica.cost(time)
    assert.ok(replica.cost(time) > 1e10)
    await turn()
    assert.is(looks, i)
  }
  there = true
  time += 1000
  replica.cost(time)
  await turn()
  assert.ok(replica.cost(time) <= before, `${replica.cost(time)}, before ${before}`)
  replica.cost(time + 1000)
  assert.is(looks, 7)
  fake.now = undefined
})

test('one elsewhere is neither out of reach nor slow because clients left, or another branch did not reach its own', async () => {
  let time = 1000
  fake.now = () => time
  const handle = ({ scope }: Request): Promise<void> => new Promise((_, reject) => void scope.watch(reject))
  const replica = replicaOf(handle, async () => {})
  const leave = async (later: number): Promise<void> => {
    const scope = new Scope()
    const answer = Promise.resolve(replica.handle(new Request(new Header('/', {}), new DocumentArray(), scope), time))
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

test('224: one elsewhere that has too much to do is asked after others for as long as it says, before one that is away', async () => {
  let time = 1000
  fake.now = () => time
  const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
  const failing = async (error: Error): Promise<Replica> => {
    const replica = replicaOf(
      async () => {
        throw error
      },
      async () => {},
    )
    await Promise.resolve(replica.handle(request, time)).catch(() => {})
    return replica
  }
  const busy = await failing(tellBusy(new ConnectionError('ERR_UNREACHABLE', 'x', 'busy'), 500))
  const away = await failing(new ConnectionError('ERR_UNREACHABLE', 'y', 'nobody there'))
  assert.ok(busy.cost(time) > 1e9)
  assert.ok(busy.cost(time) < away.cost(time))
  time += 500
  assert.ok(busy.cost(time) < 100, 'and as ever then')
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

/** How often so many requests, one after the other, are asked for in all, where each try fails with what `error` gives; and what they failed at. */
async function asking(requests: number, addresses: number, options: RetryOptions & { retryBudget?: number }, error: () => Error) {
  fake.now = () => 1000
  let asked = 0
  const handle = async ({ attempt }: Request): Promise<void> => {
    attempt!.tried.add({})
    asked++
    throw error()
  }
  const external = new External('there', { accepts: () => true, handle } as unknown as Handler, clients.slice(0, addresses), options)
  const failures: string[] = []
  for (let at = 0; at < requests; at++) {
    const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
    failures.push(await external.handle(request).catch((error) => error.message))
  }
  fake.now = undefined
  return { asked, spent: failures.filter((message) => message.includes('retryBudget')).length, failures }
}

const gone = (): Error => new ConnectionError('ERR_DISCONNECTED', 'x', 'it went away')
const busy = (): Error => tellBusy(new ConnectionError('ERR_UNREACHABLE', 'x', 'busy'), undefined)
const threw = (): Error => new ExecutorError('ERR_EXECUTOR', 'it threw', { executor: 'there' })
const soon = { delay: 0.001 }

test('224: all requests have one budget of retries: what is over it fails at once, with its last failure, and says so', async () => {
  for (const error of [gone, busy, threw]) {
    const { asked, spent, failures } = await asking(120, 1, { retries: { attempts: 1, ...soon } }, error)
    assert.is(asked, 220)
    assert.is(spent, 20)
    assert.match(failures[119]!, /^(x: it went away|x: busy|it threw)\. It is not sent again, as too much was/)
  }
  assert.is((await asking(120, 1, { retries: { attempts: 2, ...soon }, retryBudget: Infinity }, threw)).asked, 360)
  assert.is((await asking(2000, 1, { retries: { attempts: 3, ...soon } }, gone)).asked, 2200, 'a tenth')
})

test('224: what goes to another address as one is gone is not charged; as one has too much to do, it is', async () => {
  assert.equal(await asking(120, 4, { retries: 0 }, gone).then(({ asked, spent }) => [asked, spent]), [480, 0])
  assert.equal(await asking(120, 2, { retries: 0 }, busy).then(({ asked, spent }) => [asked, spent]), [220, 20])
})

test('224: what a breaker did not let go there was not sent, so it is not charged, and waits until somebody looks, but no shorter than it was told to', async () => {
  const waits: number[] = []
  fake.setTimeout = (run, milliseconds) => {
    waits.push(milliseconds)
    return real.setTimeout(run, 0)
  }
  const unasked = (): Error => markUnasked(Object.defineProperty(new ConnectionError('ERR_UNREACHABLE', 'x', 'open'), 'retryAfter', { value: 77 }))
  const { asked, spent } = await asking(120, 1, { retries: { attempts: 3, delay: 10, maxDelay: 10 } }, unasked)
  assert.equal([asked, spent], [480, 0])
  assert.ok(waits.length >= 360 && waits.every((wait) => wait === 77))
  waits.length = 0
  await asking(1, 1, { retries: { attempts: 3, delay: 2000, maxDelay: 2000 } }, unasked)
  fake.setTimeout = undefined
  const own = waits.filter((wait) => wait >= 1000 && wait <= 2000)
  assert.is(own.length, 3, 'who is not asked is away, and may be for as long as retries says')
})

test('224: who said when to ask again is not asked sooner, and nobody waits for that who has not so much time', async () => {
  const after = (milliseconds: number) => (): Error => tellBusy(new ConnectionError('ERR_UNREACHABLE', 'x', 'busy'), milliseconds)
  const waits: number[] = []
  fake.setTimeout = (run, milliseconds) => {
    waits.push(milliseconds)
    return real.setTimeout(run, milliseconds >= 5000 ? 0 : milliseconds)
  }
  await asking(1, 1, { retries: { attempts: 1, delay: 100 } }, after(5000))
  fake.setTimeout = undefined
  assert.ok(waits.some((wait) => wait >= 5050 && wait <= 5100))
  const { asked, failures } = await asking(1, 1, { retries: 3, timeout: 1000 }, after(1000))
  assert.is(asked, 1)
  assert.match(failures[0]!, /took longer than 1000 ms/)
})

test('F13: with readyTimeout, requests wait for who is away as long as it says, and for who dies as often as maxDeaths says; no retry, and no budget, is taken for that', async () => {
  let time = 0
  fake.now = () => time
  fake.setTimeout = (run, milliseconds) => {
    time += milliseconds
    return real.setTimeout(run, 0)
  }
  const asks = async (
    options: ConstructorParameters<typeof External>[3],
    failures: readonly (() => Error)[],
  ): Promise<[asked: number, failed: string | undefined]> => {
    let asked = 0
    const handle = async ({ attempt }: Request): Promise<void> => {
      attempt!.tried.add({})
      const failure = failures[Math.min(asked++, failures.length - 1)]!
      if (asked <= failures.length || failures.length === 1) throw failure()
    }
    const external = new External('there', { accepts: () => true, handle } as unknown as Handler, clients.slice(0, 1), options)
    const failed = await external.handle(new Request(new Header('/', {}), new DocumentArray(), new Scope())).catch((error) => error.message)
    return [asked, failed]
  }
  const away = (): Error => new ConnectionError('ERR_UNREACHABLE', 'x', 'nobody there')
  const waited = { readyTimeout: 10_000, retryBudget: 0 }
  assert.equal(await asks(waited, Array(8).fill(away)), [9, undefined])
  const began = time
  assert.is((await asks(waited, [away]))[1], 'x: nobody there')
  assert.ok(time - began >= 10_000 && time - began < 12_000, `${time - began} ms`)
  assert.equal(await asks(waited, [gone]), [3, 'x: it went away'])
  assert.equal(await asks({ ...waited, maxDeaths: 1 }, [gone]), [1, 'x: it went away'])
  // What else it fails at is tried as often as retries says.
  assert.equal(await asks(waited, [threw]), [1, 'it threw'])
  assert.equal(await asks({ readyTimeout: 10_000, retries: 2 }, [away, threw, away, threw, threw]), [5, 'it threw'])
  assert.equal(await asks({ readyTimeout: 10_000 }, [busy]), [3, 'x: busy'])
  fake.now = fake.setTimeout = undefined
})

test('224: nobody is asked again in the time that a request has no more', async () => {
  const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
  request.scope.deadline = { left: 20 }
  let asked = 0
  const handle = async (): Promise<void> => {
    asked++
    throw gone()
  }
  const external = new External('there', { accepts: () => true, handle } as unknown as Handler, clients.slice(0, 1), { retries: 3 })
  assert.is(await external.handle(request).catch(({ code }) => code), 'ERR_DISCONNECTED')
  assert.is(asked, 1)
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
