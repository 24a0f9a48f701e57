// What the calls of one connection have under way together.
import { Metadata } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Scope } from '../../../lib/stream/scope.js'
import { METADATA, METHODS } from '../../../lib/wire/grpc/methods.js'
import { Seat, Share } from '../../../lib/wire/grpc/server/share.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { deferred } from '../../support/deferred.js'
import { turn } from '../../support/turn.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'
import { Raw } from './raw.js'
import { world } from './world.js'

const request = (execEndpoint: string): Buffer => Buffer.from(encodeMessage(emptyMessage({ requestId: 'one', execEndpoint })))

test('R33: places are given in order; who is told to stop needs none, and who rests lends its own', async () => {
  const share = new Share(2)
  const entered: number[] = []
  const scopes = Array.from({ length: 6 }, () => new Scope())
  const places = scopes.map((scope, at) => {
    const place = new Seat(share, scope)
    void Promise.resolve(place.enter()).then(() => entered.push(at))
    return place
  })
  await turn()
  assert.equal(entered, [0, 1])
  scopes[2]!.abort('left')
  await turn()
  assert.equal(entered, [0, 1, 2], 'it waits no longer, and takes nobody a place')
  places[0]!.leave()
  places[0]!.leave()
  await turn()
  assert.equal(entered, [0, 1, 2, 3])
  places[1]!.rest()
  await turn()
  assert.equal(entered, [0, 1, 2, 3, 4])
  // One too many now, which leaves before anybody comes.
  places[1]!.back()
  places[1]!.leave()
  await turn()
  assert.equal(entered, [0, 1, 2, 3, 4])
  scopes[3]!.abort('left')
  await turn()
  assert.equal(entered, [0, 1, 2, 3, 4, 5])
  for (const place of places) place.leave()
  assert.is(share.full, false)
})

test('223: of those for whom a gateway asks on one connection, each takes turns', async () => {
  const share = new Share(1)
  const entered: string[] = []
  const seats = ['flood', 'flood', 'flood', 'victim'].map((tenant, at) => {
    const seat = new Seat(share, new Scope(), tenant)
    void Promise.resolve(seat.enter()).then(() => entered.push(`${tenant} ${at}`))
    return seat
  })
  await turn()
  seats[0]!.leave()
  await turn()
  seats[1]!.leave()
  await turn()
  assert.equal(entered, ['flood 0', 'flood 1', 'victim 3'])
})

test('R33: of many calls on one connection, a bounded number of requests is under way, on others more', async () => {
  const door = deferred<void>()
  let inside = 0
  await using it = await world(
    async () => {
      inside++
      await door.promise
    },
    { prefetch: 1 },
  )
  const lines = [new Raw(it.server.address), new Raw(it.server.address)]
  const ends = lines.flatMap((raw) => Array.from({ length: 40 }, (_, at) => raw.converse(at % 2 === 0 ? METHODS.call : METHODS.single, [request('/')])))
  await until(() => inside >= 32)
  for (let i = 0; i < 50; i++) await turn()
  assert.is(inside, 32)
  door.resolve()
  for (const { answers } of await within(10_000, Promise.all(ends))) assert.is(answers.length, 1)
  for (const raw of lines) raw[Symbol.dispose]()
})

test('R33: calls whose client takes no more partial answers leave room for others of the connection', async () => {
  let stalled = 0
  await using it = await world(
    async function* ({ docs: _ }: any) {
      for (let i = 0; i < 100; i++) {
        if (i === 16) stalled++
        yield { text: `${i}` }
      }
    } as any,
    { prefetch: 1 },
  )
  using raw = new Raw(it.server.address)
  const calls = Array.from({ length: 20 }, () => {
    const asking = new Metadata()
    asking.set(METADATA.partial, '1')
    asking.set(METADATA.window, '16')
    const call = raw.bidi(METHODS.call, asking)
    call.on('error', () => {})
    call.on('data', () => {})
    call.write(request('/'))
    return call
  })
  await until(() => stalled >= 20)
  const { answer } = await within(5000, raw.unary(METHODS.single, request('/')))
  assert.is(decodeMessage(answer!).status?.code ?? 'SUCCESS', 'SUCCESS')
  for (const call of calls) call.cancel()
})

test.run()
