// What is known of documents by the executors of a graph.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import type { EndpointSchemas } from '../../lib/executor/schemas.js'
import { describe } from '../../lib/flow/description.js'
import { Background } from '../../lib/graph/background.js'
import { connect, type Step } from '../../lib/graph/graph.js'

const GO = '/go'

/** What is known at an endpoint of steps, in their order, and how often somebody was asked. */
function look(steps: readonly (Pick<Step, 'name' | 'needs'> & { says?: EndpointSchemas })[]) {
  let asked = 0
  const peer = { accepts: () => true, handle: () => {} }
  const graph = connect(
    steps.map(({ name, needs }) => ({ name, needs, join: 'concat' as const, floating: false, peer })),
    'concat',
    new Background(),
  )
  const places = steps.map(({ says }) => ({
    named: [],
    passes: says === undefined,
    chooses: false,
    schemas: () => {
      asked++
      return says
    },
  }))
  return { description: describe(graph, places, [GO]).get(GO), asked }
}

/** Places that pass documents on, as a row of forks that join again. */
function diamonds(count: number, from: string): { readonly steps: { name: string; needs: string[] }[]; readonly last: string } {
  const steps: { name: string; needs: string[] }[] = []
  let last = from
  for (let at = 0; at < count; at++) {
    steps.push({ name: `left${at}`, needs: [last] }, { name: `right${at}`, needs: [last] }, { name: `join${at}`, needs: [`left${at}`, `right${at}`] })
    last = `join${at}`
  }
  return { steps, last }
}

test('E10: documents that come by several ways are known once, and each place is looked at once, however many ways there are', () => {
  const tags = z.object({ n: z.number() })
  const { steps, last } = diamonds(12, 'start')
  const end = { name: 'end', needs: [last], says: { input: { tags }, output: {} } }
  const after = look([{ name: 'start', needs: ['gateway'], says: { input: {}, output: { tags } } }, ...steps])
  assert.equal(after.description?.output, [{ tags: [tags], text: [], before: [] }])
  const before = look([...diamonds(12, 'gateway').steps, { ...end, needs: ['join11'] }])
  assert.equal(before.description?.input, { tags: [tags], text: [] })
  for (const { asked } of [after, before]) assert.ok(asked < 12 * 3 * 10, `asked ${asked} times`)
})

test('E10: branches of which the same is known give one result, others one each', () => {
  const [tags, other, earlier] = [z.object({ n: z.number() }), z.object({ m: z.number() }), z.object({ k: z.number() })]
  const says = (tags: z.ZodType) => ({ input: {}, output: { tags } })
  const { description } = look([
    { name: 'start', needs: ['gateway'], says: says(earlier) },
    { name: 'a', needs: ['start'], says: says(tags) },
    { name: 'b', needs: ['start'], says: says(tags) },
    { name: 'c', needs: ['start'], says: says(other) },
  ])
  assert.equal(description?.output, [
    { tags: [tags], text: [], before: [earlier] },
    { tags: [other], text: [], before: [earlier] },
  ])
})

test.run()
