// Whether a Flow is ready, by the one rule of docs/operations.md. What probes over wires say of it: gateway/health.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, Executor, Flow, type LogRecord } from '../../lib/index.js'
import { fake } from '../support/clock.js'
import { deferred } from '../support/deferred.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'

/** How its executors are, by name: what they say in dry runs. */
const ill = new Set<string>()

/** The class of an executor that answers one endpoint, and says in dry runs how it is. */
function judge(endpoint: string) {
  return class Judge extends Executor {
    static requests = { [endpoint]: 'pass', _jina_dry_run_: 'judge' }
    pass() {}
    judge() {
      if (ill.has(this.name)) throw new Error('the model is not there')
    }
  }
}

async function flowOf(adds: readonly AddOptions[], options: object = {}): Promise<Flow<any>> {
  const flow = new Flow<any>(options)
  for (const add of adds) flow.add(add as any)
  return flow.open()
}

test('225: one endpoint that can be answered is enough', async () => {
  await using flow = await flowOf(['a', 'b'].map((name) => ({ name, uses: judge(`/${name}`) })))
  for (const [names, reason] of [
    [[], undefined],
    [['a'], undefined],
    [['b'], undefined],
    [['a', 'b'], 'a fails at dry runs, b fails at dry runs'],
    [[], undefined],
  ] as const) {
    ill.clear()
    for (const name of names) ill.add(name)
    assert.equal(await flow.health(true), reason === undefined ? { ready: true } : { ready: false, reason })
  }
  // Who answers whatever is asked is on the way of all.
  await using chain = await flowOf([
    { name: 'a', uses: judge('/a') },
    { name: 'all', uses: judge('/default') },
  ])
  ill.add('all')
  assert.equal(await chain.health(true), { ready: false, reason: 'all fails at dry runs' })
  ill.clear()
})

test('225: requests do without who floats, who has a condition, and who stands behind such ones alone', async () => {
  const when = { text: { $eq: 'x' } }
  const [pass, uses] = [() => {}, judge('/default')]
  ill.add('judge')
  for (const [adds, ready] of [
    [[{ name: 'judge', uses }], false],
    [[{ uses: pass }, { name: 'judge', uses, floating: true }], true],
    [[{ uses: pass }, { name: 'judge', uses, when }], true],
    [
      [
        { name: 'some', uses: pass, when },
        { name: 'judge', uses, needs: 'some' },
      ],
      true,
    ],
    [
      [
        { name: 'floats', uses: pass, floating: true },
        { name: 'judge', uses, needs: 'floats' },
        { uses: pass, needs: 'gateway' },
      ],
      true,
    ],
    [
      [
        { name: 'some', uses: pass, when },
        { name: 'other', uses: pass, needs: 'gateway' },
        { name: 'judge', uses, needs: ['some', 'other'] },
      ],
      false,
    ],
  ] as [AddOptions[], boolean][]) {
    await using flow = await flowOf(adds)
    assert.is((await flow.health(true)).ready, ready, JSON.stringify(adds))
  }
  ill.clear()
})

test('225: an executor that does not say in time how it is, is as it was; what is known holds for a second; what changes is told once', async () => {
  let [clock, asked] = [performance.now(), 0]
  let answer: () => unknown = () => {}
  class Slow extends Executor {
    static requests = { '/default': 'pass', _jina_dry_run_: 'judge' }
    pass() {}
    judge() {
      asked++
      return answer() as Promise<void>
    }
  }
  const told: string[] = []
  const logger = ({ level, event, fields }: LogRecord): void => void told.push(`${level} ${event} ${fields?.['reason'] ?? ''}`.trim())
  const door = deferred<void>()
  await using flow = await flowOf([{ name: 'slow', uses: Slow }], { logger })
  fake.now = () => clock
  try {
    for (let n = 0; n < 3; n++) assert.is((await flow.health()).ready, true)
    assert.is(asked, 1)
    clock += 1001
    answer = () => door.promise
    assert.is((await within(10_000, Promise.resolve(flow.health()))).ready, true, 'it is busy')
    answer = () => Promise.reject(new Error('no'))
    door.resolve()
    await turn()
    for (let n = 0; n < 3; n++) {
      clock += 1001
      assert.is((await flow.health()).ready, false)
    }
    answer = () => {}
    clock += 1001
    assert.is((await flow.health()).ready, true)
    assert.equal(told, ['warn health.lost slow fails at dry runs', 'info health.back'])
  } finally {
    fake.now = undefined
  }
})

test.run()
