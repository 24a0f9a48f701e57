// Before anything that takes the clock as it is.
import '../support/clock.js'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { INCIDENTS, Spell, tell } from '../../lib/base/incidents.js'
import { lineOf } from '../../lib/base/log-line.js'
import type { LogRecord } from '../../lib/base/logger.js'
import { fake } from '../support/clock.js'

/** A clock that goes when it is told to. */
let time = 0
let timers: { at: number; run: () => void }[] = []
test.before(() => {
  fake.now = () => time
  fake.setTimeout = (run, milliseconds) => {
    const timer = { at: time + milliseconds, run }
    timers.push(timer)
    return timer
  }
})
test.after(() => {
  fake.now = undefined
  fake.setTimeout = undefined
})

function pass(milliseconds: number): void {
  const until = time + milliseconds
  for (;;) {
    const [next] = timers.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)
    if (next === undefined) break
    timers = timers.filter((timer) => timer !== next)
    time = next.at
    next.run()
  }
  time = until
}

function log() {
  const all: LogRecord[] = []
  return { all, logger: (record: LogRecord) => void all.push(record), said: () => all.splice(0).map(({ event, fields }) => [event, fields?.['omitted'] ?? 0]) }
}

test('225: what happens is told at once, with what is to be said of it', () => {
  const { all, logger } = log()
  tell(logger, 'replica.gone', { executor: 'store', replica: 1, address: 'grpc://store:1', reason: 'nobody answers there', milliseconds: undefined })
  const [{ time: at, ...record }] = all as [LogRecord]
  assert.ok(Math.abs(at - Date.now()) < 60_000)
  assert.equal(record, {
    level: 'warn',
    event: 'replica.gone',
    executor: 'store',
    fields: { replica: 1, address: 'grpc://store:1', reason: 'nobody answers there' },
  })
  assert.match(lineOf(all[0]!), /Z warn replica\.gone executor=store replica=1 address=grpc:\/\/store:1 reason="nobody answers there"$/)
})

test('225: what comes and goes has a line now and then, of which the last is how it is', () => {
  const { logger, said } = log()
  const flap = () => {
    tell(logger, 'replica.gone', { executor: 'store', replica: 0 })
    tell(logger, 'replica.back', { executor: 'store', replica: 0 })
  }
  for (let n = 0; n < 50; n++) {
    flap()
    pass(100)
  }
  assert.equal(said(), [
    ['replica.gone', 0],
    ['replica.back', 0],
  ])
  pass(5000)
  assert.equal(said(), [['replica.back', 97]])
  // The wait doubles: ten minutes of it are a page.
  const before = time
  while (time < before + 600_000) {
    flap()
    pass(1000)
  }
  const lines = said()
  assert.ok(lines.length <= 12, `${lines.length} lines`)
  // Still for a while, it is news again.
  pass(1_200_000)
  said()
  tell(logger, 'replica.gone', { executor: 'store', replica: 0 })
  assert.equal(said(), [['replica.gone', 0]])
  pass(10_001)
  tell(logger, 'replica.back', { executor: 'store', replica: 0 })
  assert.equal(said(), [['replica.back', 0]])
})

test('225: each subject has its own lines, and each logger', () => {
  const [one, other] = [log(), log()]
  for (const replica of [0, 1]) for (const { logger } of [one, other]) tell(logger, 'executor.stuck', { executor: 'store', replica })
  tell(one.logger, 'executor.stuck', { executor: 'rank', replica: 0 })
  tell(one.logger, 'executor.stuck', { executor: 'rank', replica: 0 })
  assert.is(one.all.length, 3)
  assert.is(other.all.length, 2)
})

test('225: tools hear of each, also without a logger; a logger that throws changes nothing', () => {
  const heard: LogRecord[] = []
  const hear = (message: unknown): void => void heard.push(message as LogRecord)
  subscribe('sluice.incident', hear)
  try {
    for (let n = 0; n < 5; n++) tell(undefined, 'overload.began', { limit: 4 })
    tell(
      () => {
        throw new Error('disk full')
      },
      'overload.began',
      { limit: 4 },
    )
  } finally {
    unsubscribe('sluice.incident', hear)
  }
  assert.is(heard.length, 6)
  assert.is(heard[0]!.event, 'overload.began')
})

test('225: a spell begins with the first, and has ended when there was none for a while', () => {
  const heard: unknown[] = []
  const spell = new Spell(
    () => heard.push('began'),
    (...ended) => heard.push(ended),
  )
  assert.not(spell.isOn)
  for (let n = 0; n < 400; n++) {
    spell.note()
    pass(50)
  }
  assert.equal(heard, ['began'])
  assert.ok(spell.isOn)
  pass(4900)
  assert.is(heard.length, 1)
  pass(100)
  assert.equal(heard, ['began', [400, 19_950]])
  assert.not(spell.isOn)
  spell.note()
  spell.end()
  spell.end()
  assert.equal(heard.slice(2), ['began', [1, 0]])
  pass(60_000)
  assert.is(heard.length, 4)
})

test('225: the page of who runs it has them all, with their levels', () => {
  // Records of single requests have a table with fewer columns.
  const rows = [...readFileSync('docs/operations.md', 'utf8').matchAll(/^\| `(\w+\.\w+)` *\| (\w+) *\|[^|]+\|[^|]+\|$/gm)].map(([, event, level]) => [
    event,
    level,
  ])
  assert.equal(rows, Object.entries(INCIDENTS))
})

test.run()
