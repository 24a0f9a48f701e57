// Whether an address is asked: what opens its breaker, who looks, and what closes it.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConnectionError, ExecutorError } from '../../lib/base/errors.js'
import type { Logger } from '../../lib/base/logger.js'
import { isUnasked } from '../../lib/base/retry-policy.js'
import { Breaker } from '../../lib/stream/breaker.js'
import { Scope } from '../../lib/stream/scope.js'
import { forGood, tellBusy } from '../../lib/wire/outcome.js'
import { fake, real } from '../support/clock.js'
import { type Deferred, deferred } from '../support/deferred.js'
import { turn } from '../support/turn.js'

const random = Math.random
let time = 0
test.before.each(() => {
  time = 1000
  fake.now = () => time
  // Waits are as long as they may be.
  Math.random = () => 0
})
test.after.each(() => {
  fake.now = fake.setTimeout = undefined
  Math.random = random
})

const nobody = (reason = 'nobody there'): ConnectionError => new ConnectionError('ERR_UNREACHABLE', 'x', reason)
const late = new ConnectionError('ERR_TIMEOUT', 'x', 'no answer within 500 ms')
const scope = new Scope()

class Subject {
  looks: Deferred<void>[] = []
  readonly breaker: Breaker

  constructor(opens?: boolean, logger?: Logger) {
    const look = (): Promise<void> => {
      const look = deferred<void>()
      this.looks.push(look)
      return look.promise
    }
    this.breaker = new Breaker('x', look, opens, logger)
  }

  fail(error: unknown = nobody()): void {
    this.breaker.failed(error, scope)
  }

  /** Fails as often as opens it. */
  open(): this {
    for (let at = 0; at < 5; at++) {
      if (at > 0) time += 50
      this.fail()
    }
    assert.is(this.breaker.state, 'open')
    return this
  }

  /** What comes of asking. */
  async ask(): Promise<'let in' | ConnectionError> {
    try {
      await this.breaker.enter(scope)
      return 'let in'
    } catch (error) {
      return error as ConnectionError
    }
  }
}

test('224: it opens when five in a row find nobody, over 200 ms at least', () => {
  const { breaker } = new Subject().open()
  assert.match(breaker.reason!, /^5 requests in a row found nobody there$/)
  assert.type(breaker.since, 'number')
  const quick = new Subject()
  for (let at = 0; at < 50; at++) quick.fail()
  assert.is(quick.breaker.state, 'closed', 'they all may be of one moment')
  const answered = new Subject()
  for (let at = 0; at < 50; at++) {
    time += 50
    answered.fail()
    if (at % 4 === 3) answered.breaker.answered()
  }
  assert.is(answered.breaker.state, 'closed', 'four of five are not most of them within a second')
})

test('224: it opens within a second when most find nobody', () => {
  const subject = new Subject()
  const began = time
  for (let at = 0; subject.breaker.state === 'closed'; at++) {
    assert.ok(time - began < 1000)
    time += 5
    if (at % 10 === 0) subject.breaker.answered()
    else subject.fail()
  }
  assert.match(subject.breaker.reason!, /of \d+ requests found nobody there/)
  const half = new Subject()
  for (let at = 0; at < 2000; at++) {
    time += 5
    if (at % 2 === 0) half.breaker.answered()
    else half.fail()
  }
  assert.is(half.breaker.state, 'closed')
})

test('224: what is answered opens nothing: failures of executors, refusals, too much to do', () => {
  const failures = [
    new ExecutorError('ERR_EXECUTOR', 'it threw', { executor: 'a' }),
    new ExecutorError('ERR_EXECUTOR', 'behind it', { executor: 'a', cause: nobody() }),
    forGood(new ConnectionError('ERR_REFUSED', 'x', 'no')),
    forGood(new ConnectionError('ERR_TOO_LARGE', 'x', 'large')),
    tellBusy(nobody('busy'), 1000),
  ]
  for (const failure of failures) {
    const subject = new Subject()
    for (let at = 0; at < 100; at++) {
      time += 100
      subject.fail(failure)
    }
    assert.is(subject.breaker.state, 'closed', failure.message)
    assert.not(subject.breaker.isAway)
  }
  const subject = new Subject().open()
  subject.fail(failures[0])
  assert.is(subject.breaker.state, 'closed', 'they close it as any answer')
})

test('224: what is late says nothing: it opens none, and closes none', () => {
  const subject = new Subject()
  for (let at = 0; at < 100; at++) {
    time += 250
    subject.fail(late)
  }
  assert.is(subject.breaker.state, 'closed', 'another endpoint may answer, and in an overload most is late')
  assert.not(subject.breaker.isAway)
  subject.open().fail(late)
  assert.is(subject.breaker.state, 'open')
})

test('224: who left, or had no more time, has learned nothing', () => {
  for (const reason of [new Error('left'), late, new ExecutorError('ERR_EXECUTOR_TIMEOUT', 'took longer', { executor: 'a' })]) {
    const { breaker } = new Subject()
    for (let at = 0; at < 20; at++) {
      time += 250
      const scope = new Scope()
      scope.abort(reason)
      breaker.failed(nobody(), scope)
    }
    assert.is(breaker.state, 'closed')
  }
})

test('224: who has no file handle left to connect with has learned nothing of who is there', () => {
  for (const code of ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOBUFS', 'ENOMEM']) {
    const system = Object.assign(new Error(code), { code })
    // As fetch, grpc-js and names with several addresses hide it.
    for (const cause of [
      system,
      new Error('fetch failed', { cause: system }),
      Object.assign(new Error('14'), { code: 14, cause: system }),
      new AggregateError([system]),
    ]) {
      const subject = new Subject()
      const failure = new ConnectionError('ERR_UNREACHABLE', 'x', 'no connection can be made now', { cause })
      for (let at = 0; at < 50; at++) {
        time += 50
        subject.fail(failure)
      }
      assert.is(subject.breaker.state, 'closed', code)
      assert.not(subject.breaker.isAway)
      subject.open().fail(failure)
      assert.is(subject.breaker.state, 'open', 'nor that somebody is there')
    }
  }
})

test('224: while it is open nobody is sent there, and hears why, and when it is looked at again', async () => {
  const subject = new Subject().open()
  const error = (await subject.ask()) as ConnectionError
  assert.ok(error instanceof ConnectionError && isUnasked(error))
  assert.is(error.code, 'ERR_UNREACHABLE')
  assert.is(
    error.message,
    'x: nobody there. It was not asked now: its circuit breaker is open, as 5 requests in a row found nobody there. It is looked at again in 100 ms',
  )
  assert.is(error.retryAfter, 100)
  time += 60
  assert.is(((await subject.ask()) as ConnectionError).retryAfter, 40)
  assert.is(subject.looks.length, 0)
})

test('224: one at a time looks; those who come meanwhile wait for what it finds, and go there when somebody is', async () => {
  const subject = new Subject().open()
  time += 100
  const asked = [subject.ask(), subject.ask(), subject.ask()]
  assert.is(subject.breaker.state, 'half-open')
  assert.is(subject.looks.length, 1)
  subject.looks[0]!.resolve()
  assert.equal(await Promise.all(asked), Array(3).fill('let in'))
  assert.is(subject.breaker.state, 'half-open', 'a connection is no answer')
  assert.is(await subject.ask(), 'let in')
  subject.breaker.answered()
  assert.is(subject.breaker.state, 'closed')
  assert.is(subject.breaker.reason, undefined)
})

test('224: who looks in vain tells those who wait, and the next look is later, up to a second', async () => {
  const subject = new Subject().open()
  for (const wait of [200, 400, 800, 1000, 1000]) {
    time = time + 2000
    const asked = [subject.ask(), subject.ask()]
    subject.looks.at(-1)!.reject(nobody('still nobody'))
    for (const error of await Promise.all(asked)) {
      assert.match((error as Error).message, /^x: still nobody\. It was not asked now/)
      assert.is((error as ConnectionError).retryAfter, wait)
    }
    assert.is(subject.breaker.state, 'open')
  }
  assert.is(subject.looks.length, 5)
})

test('224: who refuses is there, and who has too much to do', async () => {
  for (const error of [forGood(new ConnectionError('ERR_REFUSED', 'x', 'not let in')), tellBusy(nobody('too many requests (429)'), 1000)]) {
    const subject = new Subject().open()
    time += 100
    const asked = subject.ask()
    subject.looks[0]!.reject(error)
    assert.is(await asked, 'let in', error.message)
    assert.not(subject.breaker.isAway)
  }
})

test('224: nobody waits for a look that takes long, nor longer than is wanted', async () => {
  const subject = new Subject().open()
  time += 100
  fake.setTimeout = (run, milliseconds) => real.setTimeout(run, milliseconds === 250 ? 0 : milliseconds)
  const error = (await subject.ask()) as ConnectionError
  assert.match(error.message, /It is being looked at whether it is back$/)
  const left = new Scope()
  const asked = Promise.resolve(subject.breaker.enter(left)).catch((reason) => reason)
  left.abort('left')
  assert.is(await asked, 'left')
  assert.is(subject.looks.length, 1)
  subject.looks[0]!.resolve()
  await turn()
  assert.is(await subject.ask(), 'let in', 'who comes later goes there')
})

test('224: where a connection stands and nobody answers all the same, the first that finds nobody opens it again, for longer', async () => {
  const subject = new Subject().open()
  time += 100
  const asked = subject.ask()
  subject.looks[0]!.resolve()
  await asked
  subject.fail()
  assert.is(subject.breaker.state, 'open')
  assert.is(((await subject.ask()) as ConnectionError).retryAfter, 200)
})

test('224: where a connection stands, one request that takes long keeps nobody else out, nor does one that is late', async () => {
  const subject = new Subject().open()
  time += 100
  const asked = subject.ask()
  subject.looks[0]!.resolve()
  await asked
  // That one is still under way.
  for (let at = 0; at < 20; at++) {
    time += 1000
    assert.is(await subject.ask(), 'let in')
    subject.fail(late)
  }
  assert.is(subject.looks.length, 1)
  subject.breaker.answered()
  assert.is(subject.breaker.state, 'closed')
})

test('224: of several addresses, one that found nobody once is looked at, and others are asked first', async () => {
  const subject = new Subject()
  subject.fail()
  assert.ok(subject.breaker.isAway)
  subject.breaker.lookAfter(time + 99)
  assert.is(subject.looks.length, 0)
  subject.breaker.lookAfter(time + 100)
  subject.breaker.lookAfter(time + 100)
  assert.is(subject.looks.length, 1)
  assert.is(await subject.ask(), 'let in', 'it is closed')
  subject.looks[0]!.resolve()
  await turn()
  assert.not(subject.breaker.isAway)
})

test('224: one that may not open says only that others are to be asked first', () => {
  const subject = new Subject(false)
  for (let at = 0; at < 50; at++) {
    time += 100
    subject.fail(at % 2 === 0 ? late : nobody())
  }
  assert.is(subject.breaker.state, 'closed')
  assert.ok(subject.breaker.isAway)
})

test('224: that it opened, why, and that it is closed again is told, and no looks in between', async () => {
  const told: string[] = []
  const subject = new Subject(true, ({ level, event, fields }) => void told.push(`${level} ${event} ${JSON.stringify(fields)}`)).open()
  const ask = async (): Promise<void> => {
    time += 1000
    const asked = subject.ask()
    if (told.length === 1 && subject.looks.length === 1) subject.looks[0]!.reject(nobody())
    else subject.looks.at(-1)!.resolve()
    await asked
  }
  await ask()
  await ask()
  subject.breaker.answered()
  assert.equal(told, [
    'warn breaker.opened {"address":"x","reason":"5 requests in a row found nobody there: nobody there"}',
    `info breaker.closed {"address":"x","milliseconds":2000}`,
  ])
})

test.run()
