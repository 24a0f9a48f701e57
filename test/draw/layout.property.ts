import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { plot } from '../../lib/draw/index.js'
import { pictureOf } from '../../lib/draw/picture.js'
import { flaw, shown } from './geometry.js'
import { planOf } from './plan.js'

const extras = fc.record(
  {
    uses: fc.constantFrom('npm:some-package#Executor', './a.js', './folder/with-a-very-long-name-of-a-module.js#Something'),
    parallel: fc.integer({ min: 1, max: 5 }),
    timeout: fc.integer({ min: 1, max: 100_000 }),
    retries: fc.integer({ min: 0, max: 5 }),
    when: fc.constant({ tags__lang: { $eq: 'en' } }),
    join: fc.constantFrom('concat', 'merge'),
    floating: fc.boolean(),
    external: fc.boolean(),
    dynamicBatching: fc.constant({ preferredBatchSize: 32 }),
  },
  { requiredKeys: [] },
)

/** Steps that need some of those before them, or the gateway; or nothing said, which means the one before. */
const flows = fc.array(fc.tuple(extras, fc.option(fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), { nil: undefined })), { maxLength: 24 }).map((steps) => {
  const name = (index: number): string => (index === 0 ? 'gateway' : `step${index}`)
  return steps.map(([options, needs], index) => ({
    ...options,
    name: name(index + 1),
    needs: needs === undefined ? undefined : [...new Set(needs.map((need) => name(need % (index + 1))))],
  }))
})

test('F5 in whatever graph, no card lies on another, and no arrow over a card', async () => {
  await fc.assert(
    fc.asyncProperty(flows, fc.constantFrom('auto' as const, 'right' as const, 'down' as const), async (steps, direction) => {
      const plan = planOf(steps)
      const svg = await plot(plan, undefined, { direction })
      assert.is(flaw(shown(svg), pictureOf(plan).arrows), undefined)
    }),
    { numRuns: 300 },
  )
})

test('F5 the same Flow gives the same picture', async () => {
  await fc.assert(
    fc.asyncProperty(flows, async (steps) => {
      assert.is(await plot(planOf(steps)), await plot(planOf(steps)))
    }),
    { numRuns: 30 },
  )
})

test.run()
