// What posts share, without a wire.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../lib/doc/array.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { Credits } from '../../lib/wire/credits.js'
import { emptyMessage, type Message } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { isAside, Revocable } from '../../lib/wire/revocable.js'
import { isNotBegun, notBegun, Parts, takingBack, Welcome } from '../../lib/wire/sharing.js'
import { fake } from '../support/clock.js'

const requestOf = (scope: Scope): { request: Request } => ({ request: new Request(new Header('/', {}), new DocumentArray(), scope) })

test('223: each post has its part of a stream, and no more; what leaves is followed by the next of its post', () => {
  const parts = new Parts<{ request: Request }>()
  const [one, other] = [new Scope(), new Scope()]
  const all = Array.from({ length: 4 }, () => requestOf(one))
  assert.equal(
    all.map((waiting) => parts.enter(waiting, 2)),
    [true, true, false, false],
  )
  const another = requestOf(other)
  assert.ok(parts.enter(another, 2), 'another post has its own')
  assert.is(parts.leave(another), undefined)
  assert.is(parts.leave(all[0]!), all[2])
  assert.is(parts.leave(all[1]!), all[3])
  assert.is(parts.leave(all[2]!), undefined)
  assert.is(parts.leave(all[3]!), undefined)
  assert.ok(parts.enter(requestOf(one), 1), 'nothing is left of them')
})

test('223: who is answered twice gives its place to one other', () => {
  const parts = new Parts<{ request: { scope: Scope } }>()
  const request = { scope: new Scope() }
  const [a, b, c, d] = Array.from({ length: 4 }, () => ({ request })) as [any, any, any, any]
  assert.equal(
    [a, b, c, d].map((one) => parts.enter(one, 1)),
    [true, false, false, false],
  )
  assert.is(parts.leave(a), b)
  assert.is(parts.leave(a), undefined)
  assert.is(parts.leave(b), c)
  assert.is(parts.leave(c), d)
  assert.is(parts.leave(d), undefined)
  assert.is(parts.leave(d), undefined)
  assert.is(parts.enter(a, 1), true)
})

test('223: new posts come onto a stream for 10 s, and for 512 KiB', () => {
  const bytes = new Welcome()
  bytes.note(512 * 1024 - 1)
  assert.is(bytes.over, false)
  bytes.note(1)
  assert.is(bytes.over, true)
  let time = 0
  fake.now = () => time
  const welcome = new Welcome()
  time = 9999
  assert.is(welcome.over, false)
  time = 10_000
  assert.is(welcome.over, true)
  fake.now = undefined
})

const aside = (message: Message, revocable: Revocable | undefined): boolean => isAside(encodeMessage(message), new Credits(16), revocable)

test('223: who is taken back is told to stop, and answered at once; others of its id and of others are not', async () => {
  const revocable = new Revocable()
  const scope = new Scope()
  const stopped: string[] = []
  const never = new Promise<Message>(() => {})
  const run = (id: string) =>
    revocable.run(id, revocable.next(), scope, (own) => {
      own.watch(() => stopped.push(id))
      return never
    })
  const [a] = [run('a'), run('b')]
  assert.ok(aside(takingBack('a'), revocable))
  assert.equal(stopped, ['a'])
  const { requestId, status } = await a
  assert.is(requestId, 'a')
  assert.is(status!.code, 'ERROR')
  assert.not.ok(scope.aborted)
  // Once more, and of nobody: nothing.
  assert.ok(aside(takingBack('a'), revocable))
  assert.ok(aside(takingBack('c'), revocable))
  assert.equal(stopped, ['a'])
})

/** What an end of a stream does with what comes: requests wait until they are looked at. */
function end() {
  const [revocable, credits] = [new Revocable(), new Credits(0)]
  const waiting: string[] = []
  return {
    revocable,
    come(id: string): void {
      assert.is(isAside(encodeMessage({ ...emptyMessage({ requestId: id }), execEndpoint: '/' }), credits, revocable), false)
      waiting.push(id)
    },
    takeBack(id: string): void {
      assert.is(isAside(encodeMessage(takingBack(id)), credits, revocable), true)
    },
    /** Looks at the next one. @returns whether it was worked for */
    async next(): Promise<boolean> {
      const id = waiting.shift()!
      let worked = false
      await revocable.run(id, revocable.next(), new Scope(), async (): Promise<Message> => {
        worked = true
        return emptyMessage({ requestId: id })
      })
      return worked
    },
  }
}

test('223: what is taken back before it is looked at is not worked for', async () => {
  const it = end()
  for (const id of ['a', 'b']) it.come(id)
  it.takeBack('b')
  assert.equal([await it.next(), await it.next()], [true, false])
})

test('223: a request is not taken back by what crossed with the answer to another of its id', async () => {
  const it = end()
  it.come('same')
  assert.is(await it.next(), true)
  // Others wait meanwhile.
  it.come('other')
  it.takeBack('same')
  it.come('same')
  assert.equal([await it.next(), await it.next()], [true, true])
})

test('223: however many were taken back in vain, the next one counts', async () => {
  const it = end()
  it.come('other')
  for (let at = 0; at < 5000; at++) it.takeBack(`gone ${at}`)
  it.come('a')
  it.takeBack('a')
  assert.equal([await it.next(), await it.next()], [true, false])
})

test('223: no message that is longer than what is said of a request is read to see whether it is that', () => {
  const taken: string[] = []
  const revocable = new Revocable()
  revocable.revoke = (id) => void taken.push(id)
  const longest = 'é'.repeat(128)
  assert.is(isAside(encodeMessage(takingBack(longest)), new Credits(0), revocable), true)
  assert.is(isAside(encodeMessage(takingBack('x'.repeat(100_000))), new Credits(0), revocable), false)
  assert.equal(taken, [longest])
})

test('223: requests are no word aside, whatever they say of themselves; and where nothing is shared, nothing is taken back', () => {
  const revocable = new Revocable()
  assert.not.ok(aside(emptyMessage({ requestId: 'a', execEndpoint: '/' }), revocable))
  assert.not.ok(aside(takingBack('a'), undefined))
  assert.not.ok(isAside(Uint8Array.of(0xff, 0x12, 0), new Credits(16), revocable))
})

test('223: what is not begun says so, and is no other failure', () => {
  const message = decodeMessage(encodeMessage(notBegun('a')))
  assert.is(message.requestId, 'a')
  assert.ok(isNotBegun(message))
  assert.not.ok(isNotBegun(takingBack('a')))
  assert.not.ok(isNotBegun(emptyMessage({})))
})

test.run()
