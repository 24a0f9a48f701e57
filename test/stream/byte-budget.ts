// Bytes that may be inside: who gets them, who waits, and who loses them.
import '../support/clock.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteBudget, SMALL } from '../../lib/stream/byte-budget.js'
import { Permits } from '../../lib/stream/permits.js'
import { Scope } from '../../lib/stream/scope.js'
import { clock } from '../support/hand-clock.js'
import { turn } from '../support/turn.js'

/** Less than 16 KiB, nobody waits for. */
const MB = 1_000_000
const FULL = new Error('full')
const budget = (limit: number): ByteBudget => new ByteBudget(limit, () => FULL)

/** Whether a promise is settled, and how. */
function watched(promise: void | Promise<void>): { state: string } {
  const it = { state: promise === undefined ? 'at once' : 'waits' }
  promise?.then(
    () => {
      it.state = 'later'
    },
    (error) => {
      it.state = (error as Error).message
    },
  )
  return it
}

test('222: what has no room waits until there is some', async () => {
  const bytes = budget(100 * MB)
  const [first, second] = [bytes.hold('a'), bytes.hold('b')]
  assert.is(watched(first.ask(new Scope(), 80 * MB)).state, 'at once')
  const waits = watched(second.ask(new Scope(), 50 * MB))
  await turn()
  assert.equal([waits.state, bytes.inside, bytes.waiting], ['waits', 80 * MB, 1])
  first.leave()
  await turn()
  assert.equal([waits.state, bytes.inside, bytes.waiting], ['later', 50 * MB, 0])
  second.leave()
  assert.is(bytes.inside, 0)
})

test('222: what has waited for room is refused where others wait behind it, and else when nobody wants it', async () => {
  using time = clock()
  const bytes = budget(100 * MB)
  bytes.hold('a').ask(new Scope(), 80 * MB)
  const waits = watched(bytes.hold('b').ask(new Scope(), 50 * MB, 100))
  const scope = new Scope()
  const patient = watched(bytes.hold('b').ask(scope, 50 * MB))
  await time.pass(99)
  assert.is(waits.state, 'waits')
  await time.pass(10)
  assert.equal([waits.state, bytes.waiting], [FULL.message, 1])
  await time.pass(600_000)
  assert.is(patient.state, 'waits')
  scope.abort(new Error('left'))
  await turn()
  assert.equal([patient.state, bytes.waiting], ['left', 0])
})

test('222: what is small does not wait for what is large, nor is anybody hung up on for it', async () => {
  using time = clock()
  const bytes = budget(100 * MB)
  const large = bytes.hold('a')
  large.ask(new Scope(), 100 * MB)
  const [small, larger] = [SMALL, SMALL + 1]
  const few = bytes.hold('b')
  assert.is(watched(few.ask(new Scope(), small)).state, 'at once')
  assert.is(bytes.inside, 100 * MB, 'it has a part of its own')
  const waits = watched(bytes.hold('b').ask(new Scope(), larger))
  await turn()
  assert.is(waits.state, 'waits')
  large.leave()
  few.leave()
  await turn()
  assert.equal([waits.state, bytes.inside], ['later', larger])
  const cut: number[] = []
  for (const size of [16 * 1024, 100 * MB]) {
    const hold = bytes.hold('c')
    hold.watch(() => {
      cut.push(size)
      hold.leave()
    })
    hold.set(size)
  }
  void bytes
    .hold('d')
    .ask(new Scope(), 99 * MB)
    ?.catch(() => {})
  await time.pass(150_000)
  assert.equal(cut, [100 * MB])
})

test('222: what is larger than all there may be gets in when hardly anything else is inside', async () => {
  const bytes = budget(100 * MB)
  const small = bytes.hold('a')
  small.ask(new Scope(), 20 * MB)
  const large = bytes.hold('a')
  const waits = watched(large.ask(new Scope(), 5000 * MB))
  await turn()
  assert.is(waits.state, 'waits')
  small.leave()
  await turn()
  assert.equal([waits.state, bytes.inside], ['later', 5000 * MB])
  // What grows and has nearly all there is goes on as well.
  assert.is(large.more(5000 * MB), true)
  const other = watched(bytes.hold('b').ask(new Scope(), 1 * MB))
  large.leave()
  await turn()
  assert.equal([other.state, bytes.inside], ['later', MB])
})

test('222: half a message waits for nothing: all might wait for each other', () => {
  const bytes = budget(100 * MB)
  const [one, other] = [bytes.hold('a'), bytes.hold('b')]
  assert.ok(one.more(50 * MB) && other.more(40 * MB))
  assert.is(one.more(20 * MB), false)
  assert.is(bytes.refused(), FULL)
  one.leave()
  assert.is(other.more(20 * MB), true)
})

test('223: while several ask, an eighth is kept for who holds less', () => {
  const [bytes, scope] = [budget(800 * MB), new Scope()]
  const take = (tenant: string, count: number): boolean => {
    const hold = bytes.hold(tenant)
    const room = hold.ask(scope, count * MB)
    room?.catch(() => {})
    return room === undefined
  }
  assert.ok(take('victim', 10))
  for (let at = 0; at < 6; at++) assert.ok(take('flood', 100))
  assert.is(take('flood', 100), false, 'what is kept')
  assert.ok(take('victim', 50), 'is there for another')
  scope.abort(new Error('left'))
})

test('222: who wants much is not passed by for ever, and holds nobody up for long', async () => {
  using time = clock()
  const permits = new Permits(100, Infinity)
  const go = () => {}
  const never = () => FULL
  permits.take('busy', 30)
  let got = false
  permits.wait({ scope: new Scope(), tenant: 'large', weight: 80 }, () => void (got = true), never)
  assert.is(permits.take('small', 1), true, 'at first, others pass by')
  await time.pass(1100)
  assert.is(permits.take('small', 1), false, 'then nobody does')
  void permits.wait({ scope: new Scope(), tenant: 'small' }, go, never)
  await time.pass(1000)
  assert.is(permits.waiting, 1, 'and again others do, as what is out may be out for ever')
  await time.pass(1000)
  permits.give('busy', undefined, 30)
  assert.is(got, true)
})

test('222: when bytes are wanted, who does not take what it was sent is hung up on, and nobody otherwise', async () => {
  using time = clock()
  const bytes = budget(1_000_000)
  const cut: string[] = []
  const reader = (name: string, size: number) => {
    const hold = bytes.hold(name)
    hold.watch(() => {
      cut.push(name)
      hold.leave()
    })
    hold.set(size)
    return hold
  }
  reader('slow', 600_000)
  const quick = reader('quick', 300_000)
  await time.pass(60_000)
  assert.equal(cut, [], 'there was room')
  const waits = watched(bytes.hold('other').ask(new Scope(), 200_000))
  quick.set(250_000)
  await time.pass(1000)
  assert.equal([cut, waits.state], [['slow'], 'later'])
  assert.is(bytes.cut, 1)
  await time.pass(60_000)
  assert.equal(cut, ['slow'], 'nobody waits any more')
})

test('222: who waits until answers are taken does not wait for others who do, whatever they brought', async () => {
  const bytes = budget(100 * MB)
  const came = ['b', 'c', 'd'].map((tenant) => {
    const hold = bytes.hold(tenant)
    hold.ask(new Scope(), 30 * MB)
    return { hold, tenant }
  })
  const answer = bytes.hold('a', true)
  answer.set(110 * MB)
  const waits = came.map(({ tenant }) => watched(bytes.room(new Scope(), tenant)))
  await turn()
  assert.equal([waits.map(({ state }) => state), bytes.waiting, bytes.isOwed], [['waits', 'waits', 'waits'], 3, true])
  answer.set(90 * MB)
  await turn()
  assert.equal([waits.map(({ state }) => state), bytes.waiting, bytes.isOwed], [['later', 'later', 'later'], 0, false])
})

test('222: what executors are busy with is no reason not to answer others', () => {
  const bytes = budget(100 * MB)
  bytes.hold('a').ask(new Scope(), 500 * MB)
  assert.equal([bytes.isSpent, bytes.isOwed], [true, false])
  assert.is(watched(bytes.hold('b').ask(new Scope(), 60_000)).state, 'at once', 'what is small has a part of its own')
})

test('222: nobody waits for room for more than 30 s, nor once it has left', async () => {
  using time = clock()
  const bytes = budget(100 * MB)
  const answer = bytes.hold('a', true)
  answer.set(110 * MB)
  const scope = new Scope()
  const [leaves, waits] = [watched(bytes.room(scope, 'b')), watched(bytes.room(new Scope(), 'c'))]
  scope.abort(new Error('left'))
  await turn()
  assert.equal([leaves.state, waits.state, bytes.waiting], ['left', 'waits', 1])
  await time.pass(30_000)
  assert.equal([waits.state, bytes.waiting], ['full', 0])
})

test('222: answers count, whether there is room or not, and what comes then waits for them', async () => {
  const bytes = budget(100 * MB)
  const answer = bytes.hold('a', true)
  answer.set(500 * MB)
  assert.is(bytes.isSpent, true)
  const waits = watched(bytes.room(new Scope(), 'b'))
  await turn()
  assert.is(waits.state, 'waits')
  answer.set(10 * MB)
  await turn()
  assert.equal([waits.state, bytes.inside], ['later', 10 * MB])
})

test('222: who leaves while it waits leaves the line, and what a hold got after its end is given back', async () => {
  const bytes = budget(100 * MB)
  const all = bytes.hold('a')
  all.ask(new Scope(), 100 * MB)
  const scope = new Scope()
  const gone = bytes.hold('b')
  const waits = watched(gone.ask(scope, 50 * MB))
  const ended = bytes.hold('c')
  const late = watched(ended.ask(new Scope(), 50 * MB))
  ended.leave()
  scope.abort(new Error('left'))
  await turn()
  assert.equal([waits.state, bytes.waiting], ['left', 1])
  all.leave()
  await turn()
  assert.equal([late.state, bytes.inside], ['later', 0])
})

test('222: of answers that are large, few are made at a time; of one nobody knows, some, until it is known', async () => {
  using time = clock()
  const bytes = budget(8_000_000)
  const expect = () => {
    const hold = bytes.hold('a')
    return { hold, room: watched(bytes.expect(hold, new Scope(), '/big')) }
  }
  const cold = Array.from({ length: 10 }, expect)
  const states = (): string => cold.map(({ room: { state } }) => (state === 'waits' ? '-' : '+')).join('')
  assert.is(states(), '++++++++--')
  bytes.answered('/big', 800_000)
  for (const { hold } of cold.slice(0, 8)) hold.leave()
  await turn()
  assert.is(states(), '+++++++++-', 'it waits for as much as is known now')
  for (const { hold } of cold.slice(8)) hold.leave()
  await turn()
  const warm = [expect(), expect()]
  assert.equal(
    warm.map(({ room }) => room.state),
    ['at once', 'waits'],
  )
  await time.pass(900)
  assert.is(warm[1]!.room.state, 'waits')
  warm[0]!.hold.made()
  await turn()
  assert.is(warm[1]!.room.state, 'later')
  bytes.answered('/small', 100)
  assert.is(bytes.expect(bytes.hold('a'), new Scope(), '/small'), undefined)
})

test('222: the first answer of a kind stands behind no others; the second does, and where there are many kinds, the ninth', async () => {
  using _ = clock()
  const bytes = budget(8_000_000)
  const expect = (endpoint: string) => {
    const hold = bytes.hold('a')
    return { hold, room: watched(bytes.expect(hold, new Scope(), endpoint)) }
  }
  const big = Array.from({ length: 20 }, () => expect('/big'))
  assert.is(big.filter(({ room }) => room.state === 'waits').length, 12)
  const first = expect('/small')
  assert.equal([first.room.state, first.hold.isExpecting, expect('/small').room.state], ['at once', true, 'waits'])
  first.hold.leave()
  assert.is(first.hold.isExpecting, false)
  const more = Array.from({ length: 9 }, (_, at) => expect(`/new${at}`).room.state)
  assert.equal(more, [...new Array(7).fill('at once'), 'waits', 'waits'], 'beside /big')
  // What is done makes room for another kind.
  for (const { hold } of big) hold.leave()
  assert.is(expect('/other').room.state, 'at once')
})

test('222: one message that asks for several kinds leaves none behind as being made, nor does who left while it waited', () => {
  using _ = clock()
  const bytes = budget(8_000_000)
  for (let at = 0; at < 8; at++) {
    const hold = bytes.hold('a')
    for (const endpoint of [`/one${at}`, `/other${at}`]) assert.is(bytes.expect(hold, new Scope(), endpoint), undefined)
    hold.leave()
    hold.begins(() => bytes.answered('/told', 1))
    assert.equal([hold.isExpecting, bytes.isKnown('/told')], [false, true])
  }
  for (let at = 0; at < 20; at++) bytes.expect(bytes.hold('a'), new Scope(), '/big')
  assert.is(watched(bytes.expect(bytes.hold('a'), new Scope(), '/fresh')).state, 'at once')
})

test('222: where answers that are large take long, more are made beside them, and no more than before when they are done', async () => {
  using time = clock()
  const bytes = budget(8_000_000)
  bytes.answered('/big', 800_000)
  const all = Array.from({ length: 6 }, () => {
    const hold = bytes.hold('a')
    return { hold, room: watched(bytes.expect(hold, new Scope(), '/big')) }
  })
  const states = (): string => all.map(({ room: { state } }) => (state === 'waits' ? '-' : '+')).join('')
  await time.pass(900)
  assert.is(states(), '+-----')
  await time.pass(10_000)
  assert.is(states(), '++++++', 'none of them was done')
  for (const { hold } of all) hold.leave()
  const [one, other] = [bytes.hold('a'), bytes.hold('a')]
  assert.is(watched(bytes.expect(one, new Scope(), '/big')).state, 'at once')
  assert.is(watched(bytes.expect(other, new Scope(), '/big')).state, 'waits')
})

test('222: of new answers that take long, as many are made after two seconds as are asked for', async () => {
  using time = clock()
  // A quarter of the heap that Node has by default on a machine of 8 GB.
  const bytes = budget(512 * 1024 * 1024)
  const all = Array.from({ length: 500 }, () => watched(bytes.expect(bytes.hold('a'), new Scope(), '/model')))
  const begun = (): number => all.filter(({ state }) => state !== 'waits').length
  assert.is(begun(), 64)
  await time.pass(500)
  assert.is(begun(), 144)
  await time.pass(1500)
  assert.is(begun(), 500)
})

test('222: who sends JSON has as long as its bytes take, not as long as what is made of them', async () => {
  using time = clock()
  const bytes = budget(40_000_000)
  const cut: string[] = []
  const hold = bytes.hold('slow', false, 8)
  hold.watch(() => {
    cut.push('slow')
    hold.leave()
  })
  // 4 MB are 4 s, and 2 s more.
  hold.ask(new Scope(), 8 * 4_000_000)
  const waits = watched(bytes.hold('other').ask(new Scope(), 20_000_000))
  await time.pass(5000)
  assert.equal([cut, waits.state], [[], 'waits'])
  await time.pass(2000)
  assert.equal([cut, waits.state], [['slow'], 'later'])
})

test('222: where most of what is inside is of uploads that wait for each other, one is hung up on; where executors have it, none is', async () => {
  using time = clock()
  const bytes = budget(10 * MB)
  const cut: string[] = []
  const upload = (name: string, size: number) => {
    const hold = bytes.hold(name)
    const scope = new Scope()
    hold.ask(scope, size)
    hold.watch(() => {
      cut.push(name)
      hold.leave()
      scope.abort(FULL)
    })
    hold.paused = true
    return watched(hold.ask(scope, 5 * MB))
  }
  const executing = bytes.hold('c')
  executing.ask(new Scope(), 8 * MB)
  const waits = upload('a', MB)
  await time.pass(60_000)
  assert.equal([cut, waits.state], [[], 'waits'])
  executing.leave()
  await turn()
  assert.is(waits.state, 'later')
  upload('b', 3 * MB)
  await time.pass(60_000)
  assert.equal(cut, ['b'])
})

test('222: of what nobody says the length of, some is there from its beginning', async () => {
  const bytes = budget(100 * MB)
  const all = bytes.hold('a')
  all.ask(new Scope(), 100 * MB)
  const hold = bytes.hold('b')
  assert.is(hold.begin(new Scope()), undefined)
  assert.equal([hold.more(60_000), hold.more(60_000)], [true, false])
})

test('222: of a hold that is split, each part is given back by itself', () => {
  const bytes = budget(100 * MB)
  const all = bytes.hold('a')
  all.more(60 * MB)
  const part = all.split(20 * MB)
  all.leave()
  assert.is(bytes.inside, 20 * MB)
  part.enter()
  part.leave()
  assert.is(bytes.inside, 20 * MB, 'somebody is busy with it')
  part.leave()
  assert.is(bytes.inside, 0)
})

test.run()
