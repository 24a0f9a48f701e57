// An executor elsewhere, as the graph sees it: which of its addresses have been asked.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConnectionError } from '../../lib/base/errors.js'
import { Replica } from '../../lib/handler/replica.js'
import { DocumentArray } from '../../lib/index.js'
import { External } from '../../lib/place/external-handler.js'
import type { Handler } from '../../lib/request/handler.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { fake } from '../support/clock.js'
import { turn } from '../support/turn.js'

/** Notes which addresses it is told to pass over, and fails so often. */
function addresses(name: string, failures: number): { handler: Handler; seen: string[] } {
  const seen: string[] = []
  const handle = async ({ tried }: Request): Promise<void> => {
    seen.push([...tried!].join())
    tried!.add(`${name}${seen.length}` as unknown as object)
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

test('216: nobody elsewhere is asked again after a partial answer', async () => {
  for (const [pieces, asked] of [
    [0, 4],
    [1, 1],
  ] as const) {
    const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
    let calls = 0
    const handle = async ({ whole }: Request): Promise<void> => {
      calls++
      whole.emitted += pieces
      throw new ConnectionError('ERR_DISCONNECTED', 'x', 'it went away')
    }
    const handler = { accepts: () => true, handle } as unknown as Handler
    const error: any = await new External('there', handler, clients).handle(request).catch((error) => error)
    assert.is(error.code, 'ERR_DISCONNECTED')
    assert.is(calls, asked)
  }
})

test('201: attempts at one executor do know', async () => {
  const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
  const tried = new Set<object>(['before' as unknown as object])
  request.tried = tried
  const a = addresses('a', 1)
  await new External('only', a.handler, clients).handle(request)
  assert.equal(a.seen, ['before', 'before,a1'])
  assert.is(request.tried, tried)
})

test.run()
