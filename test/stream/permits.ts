import '../support/clock.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TimeLeft } from '../../lib/stream/deadlines.js'
import { Permits } from '../../lib/stream/permits.js'
import { Scope } from '../../lib/stream/scope.js'
import { type Asking, WaitQueue } from '../../lib/stream/wait-queue.js'
import { fake } from '../support/clock.js'

interface Who extends Asking {
  readonly name: string
}

const never = (): never => {
  throw new Error('there was room')
}

/** Who waits, with so many milliseconds left. */
function who(name: string, tenant?: string, left?: number): Who {
  const scope = new Scope()
  if (left !== undefined) scope.deadline = { left }
  return { name, tenant, scope }
}

/** A queue that notes in which order its turns were taken. */
function queue(): { queue: WaitQueue<Who>; served: string[]; join(...all: Who[]): Promise<unknown>[] } {
  const [waiting, served] = [new WaitQueue<Who>(), [] as string[]]
  return { queue: waiting, served, join: (...all) => all.map((one) => waiting.join(one, () => void served.push(one.name))) }
}

function serve(waiting: WaitQueue<Who>, times = Infinity): void {
  for (let at = 0; at < times && waiting.shift(); at++);
}

test('223: tenants take turns, and of one, who came first is first', () => {
  const { queue: waiting, served, join } = queue()
  join(who('a1', 'a'), who('a2', 'a'), who('a3', 'a'), who('b1', 'b'), who('c1', 'c'), who('b2', 'b'))
  serve(waiting)
  assert.equal(served, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  assert.is(waiting.size, 0)
  assert.is(waiting.since, Infinity)
})

test('223: who comes beside one that floods is next after one turn of it', () => {
  const { queue: waiting, served, join } = queue()
  for (let at = 0; at < 1000; at++) join(who(`f${at}`, 'flood'))
  serve(waiting, 10)
  join(who('victim', 'victim'))
  serve(waiting, 2)
  assert.equal(served.slice(10), ['f10', 'victim'])
})

test('217: first come, first served, while nobody leaves for want of time', () => {
  const { queue: waiting, served, join } = queue()
  join(who('1', undefined, 1000), who('2', undefined, 1000), who('3'))
  serve(waiting)
  assert.equal(served, ['1', '2', '3'])
})

test('217: once time was up for some, those with time go first that came last; who has no end waits for none that came after it', async () => {
  const { queue: waiting, served, join } = queue()
  const late = who('late', undefined, 10)
  const [left] = join(late, who('1', undefined, 1000), who('patient'), who('2', undefined, 1000), who('3', undefined, 1000))
  late.scope.abort(new Error('late'))
  assert.is(await left!.catch((error) => error.message), 'late')
  serve(waiting)
  assert.equal(served, ['3', '2', '1', 'patient'])
  join(who('4', undefined, 1000), who('5'))
  serve(waiting)
  assert.equal(served.slice(4), ['4', '5'])
})

test('217: the same, where the time of those is up that had their turn', async () => {
  const permits = new Permits<Who>(1, Infinity)
  const served: string[] = []
  permits.take()
  for (const name of ['1', '2', '3']) void permits.wait(who(name, undefined, 1000), () => void served.push(name), never)
  permits.give(undefined, { left: 600 })
  assert.equal(served, ['1'])
  permits.give(undefined, { left: 0 })
  assert.equal(served, ['1', '3'])
})

test('217: one who leaves with time left says nothing of overload', async () => {
  const { queue: waiting, served, join } = queue()
  const left = who('left', undefined, 500)
  const all = join(left, who('1', undefined, 1000), who('2', undefined, 1000))
  left.scope.abort(new Error('left'))
  await all[0]!.catch(() => {})
  serve(waiting)
  assert.equal(served, ['1', '2'])
})

test('217: of those who are passed by, they are sent away whose turn will not come in time; not while the first come first', async () => {
  let time = 1000
  fake.now = () => time
  const { queue: waiting, served, join } = queue()
  const shed: string[] = []
  const add = (name: string, tenant?: string, left = 500): void => {
    const one = who(name, tenant)
    const leave = (wait: number): void => one.scope.abort(new Error(shed[shed.push(`${name} ${wait}`) - 1]))
    const due = time + left
    one.scope.deadline = {
      get left() {
        return due - time
      },
      shed: leave,
    }
    join(one)[0]!.catch(() => {})
  }
  // 100 turns a second are given, and 1,000 come.
  let at = 0
  const pass = (milliseconds: number, tenant?: string): void => {
    for (let end = time + milliseconds; time < end; time++) {
      add(`${at++}`, tenant)
      if (time % 10 === 0) waiting.shift()
    }
  }
  pass(300)
  assert.equal(shed, [], 'the first come first')
  assert.equal(served.slice(0, 3), ['0', '1', '2'])
  waiting.note({ left: 0 })
  pass(200)
  // What is left of the first ones is too short at once; who comes then waits until there are as many behind as have their turn in twice what it has left.
  assert.ok(waiting.size > 50 && waiting.size < 120, `${waiting.size} wait`)
  assert.is(served.at(-1), `${at - 10}`, 'the newest are next')
  const first = shed.length
  pass(2000)
  assert.ok(shed.length - first > 1700, 'as long as that goes on')
  assert.ok(waiting.size > 50 && waiting.size < 120, `${waiting.size} wait`)
  // Of two that take turns, each has half of them.
  const both = time + 1000
  while (time < both) {
    add('other', 'other')
    waiting.note({ left: 0 }, 'other')
    pass(1)
  }
  assert.ok(waiting.size > 70 && waiting.size < 150, `${waiting.size} wait`)
  // Who has time is kept.
  add('patient', undefined, 100_000)
  pass(1000)
  assert.ok(!shed.some((name) => name.startsWith('patient')))
  serve(waiting)
  assert.ok(served.includes('patient'))
  fake.now = undefined
})

test('217: how fast a line was left while hardly anybody waited sends nobody away', () => {
  let time = 1000
  fake.now = () => time
  const waiting = new WaitQueue<Who>()
  let sent = 0
  const add = (): void => {
    const one = who('one')
    one.scope.deadline = { left: 5000, shed: () => void sent++ }
    waiting.join(one, () => {}).catch(() => {})
  }
  const busy = (many: number): void => {
    for (let at = 0; at < many; at++) add()
    waiting.note({ left: 0 })
    add()
  }
  // It is asked for once, and measured from then on.
  busy(1)
  serve(waiting)
  // One now and then, each of which waits for a moment.
  for (let at = 0; at < 5; at++) {
    time += 800
    add()
    waiting.shift()
  }
  busy(50)
  assert.is(sent, 0, 'it is not 800 ms for each')
  for (let at = 0; at < 20; at++) {
    time += 10
    waiting.shift()
  }
  waiting.note({ left: 0 })
  add()
  assert.is(sent, 0, '10 ms')
  fake.now = undefined
})

test('223: of a full line, who has most waiting leaves for who has less, the last first', async () => {
  const permits = new Permits<Who>(1, 4)
  permits.take('flood')
  const served: string[] = []
  const refused: string[] = []
  const wait = (one: Who): Promise<unknown> =>
    permits.wait(
      one,
      () => void served.push(one.name),
      ({ name }) => {
        refused.push(name)
        return new Error(`busy: ${name}`)
      },
    )
  const flood = ['f1', 'f2', 'f3', 'f4'].map((name) => wait(who(name, 'flood')))
  assert.throws(() => wait(who('f5', 'flood')), /busy: f5/)
  void wait(who('v1', 'victim'))
  assert.is(await flood[3]!.catch((error) => error.message), 'busy: f4')
  void wait(who('v2', 'victim'))
  assert.is(await flood[2]!.catch((error) => error.message), 'busy: f3')
  assert.throws(() => wait(who('v3', 'victim')), /busy: v3/, 'it has its share')
  assert.is(permits.waiting, 4)
  permits.give('flood')
  for (let at = 0; at < 3; at++) permits.give()
  assert.equal(served, ['f1', 'v1', 'f2', 'v2'])
  assert.equal(refused, ['f5', 'f4', 'f3', 'v3'])
})

test('223: some permits are kept for others than who has most, once there are others; one who is alone has them all', async () => {
  const permits = new Permits<Who>(16, Infinity)
  for (let at = 0; at < 16; at++) assert.is(permits.take('flood'), true)
  assert.is(permits.take('flood'), false)
  let served = 0
  const more = (): void => void permits.wait(who('f', 'flood'), () => void served++, never)
  for (let at = 0; at < 10; at++) more()
  let victim = false
  assert.is(permits.take('victim'), false)
  const answered = permits.wait(who('v', 'victim'), () => void (victim = true), never)
  permits.give('flood')
  assert.equal([victim, served], [true, 0], 'before all that came before it')
  await answered
  permits.give('victim')
  permits.give('flood')
  assert.is(served, 0, 'two are kept')
  permits.give('flood')
  assert.is(served, 1)
  assert.is(permits.take('other'), true)
})

test('223: what is kept is not lost to one with few', () => {
  const permits = new Permits<Who>(16, Infinity)
  permits.take('a')
  for (let at = 0; at < 15; at++) assert.is(permits.take(`b${at % 8}`), true)
  assert.is(permits.take('c'), false)
})

test('who waits runs in a context of its own, and what it throws is its own', async () => {
  const waiting = new WaitQueue<Who>()
  const failed = waiting.join(who('1'), () => {
    throw new Error('mine')
  })
  const next = waiting.join(who('2'), () => 'fine')
  serve(waiting)
  assert.is(await failed.catch((error) => error.message), 'mine')
  assert.is(await next, 'fine')
  const gone = who('3')
  gone.scope.abort(new Error('gone'))
  assert.is(await waiting.join(gone, () => 'never').catch((error) => error.message), 'gone')
  assert.is(waiting.size, 0)
})

test('who is served, or refused, is no longer told that nobody wants it', async () => {
  const waiting = new WaitQueue<Who>()
  const [one, other] = [who('1', 'a'), who('2', 'a')]
  const served = waiting.join(one, () => 'served')
  const refused = waiting.join(other, () => 'never')
  const third = waiting.join(who('3', 'a'), () => 'third')
  waiting.shift()
  assert.is(
    waiting.makeRoom('b', ({ name }) => new Error(`busy: ${name}`)),
    true,
  )
  one.scope.abort(new Error('late'))
  other.scope.abort(new Error('late'))
  assert.is(await served, 'served')
  assert.is(await third.catch((error) => error.message), 'busy: 3')
  assert.is(await refused.catch((error) => error.message), 'late')
  assert.is(waiting.size, 0)
})

test('217: one that was given more time than those that run out of it is not passed by for ever', () => {
  const { queue: waiting, served, join } = queue()
  const late = who('late', undefined, 0)
  const [gone] = join(late, who('long', undefined, 6000), who('1', undefined, 200), who('2', undefined, 200))
  late.scope.abort(new Error('late'))
  gone!.catch(() => {})
  serve(waiting)
  assert.equal(served, ['long', '2', '1'])
})

test('217: nothing is begun whose time is over, also where who ends it has not come to it', () => {
  const { queue: waiting, served, join } = queue()
  const over = who('over')
  over.scope.deadline = { left: -1, watched: true }
  join(over, who('1', undefined, 100))[0]!.catch(() => {})
  serve(waiting, 1)
  assert.equal(served, ['1'])
  assert.is(waiting.shift(), false)
  assert.is(waiting.size, 1)
  over.scope.abort(new Error('late'))
  assert.is(waiting.size, 0)
})

test('217: short times that are served are no overload', () => {
  const { queue: waiting, served, join } = queue()
  const all = ['1', '2', '3'].map((name) => who(name))
  for (const { scope } of all) scope.deadline = new TimeLeft(45)
  join(...all)
  waiting.note({ left: 44, given: 45 })
  serve(waiting)
  assert.equal(served, ['1', '2', '3'])
})

test('223: of a full line, who has most leaves, whoever came first', () => {
  const { queue: waiting, join } = queue()
  const refused: string[] = []
  const all = join(...['b', 'a', 'd'].flatMap((tenant, at) => Array.from({ length: [8, 11, 1][at]! }, (_, n) => who(`${tenant}${n}`, tenant))))
  for (const one of all) one.catch(() => {})
  const refuse = ({ name }: Who): Error => new Error(refused[refused.push(name) - 1])
  for (let at = 0; at < 4; at++) assert.is(waiting.makeRoom('c', refuse), true)
  assert.equal(refused, ['a10', 'a9', 'a8', 'a7'])
  while (waiting.makeRoom('c', refuse));
  assert.is(waiting.size, 3, 'one of each, as another would have')
})

test('223: what is kept is for those who wait, once nobody else has asked for a while, and nobody passes them by', () => {
  let time = 1000
  const timers: { run: () => void; milliseconds: number }[] = []
  fake.now = () => time
  fake.setTimeout = (run, milliseconds) => timers.push({ run, milliseconds })
  try {
    for (const newcomer of [true, false]) {
      const permits = new Permits<Who>(16, Infinity)
      const served: string[] = []
      for (let at = 0; at < 15; at++) permits.take('a')
      permits.take('b')
      permits.give('b')
      assert.is(permits.take('a'), false)
      void permits.wait(who('a16', 'a'), () => void served.push('a16'), never)
      time += 10_001
      if (newcomer) assert.is(permits.take('a'), false, 'the one that was free is given to who waited')
      else {
        assert.ok(timers.at(-1)!.milliseconds <= 10_001)
        timers.at(-1)!.run()
      }
      assert.equal(served, ['a16'])
    }
  } finally {
    fake.now = undefined
    fake.setTimeout = undefined
  }
})

test.run()
