// Random graphs, random timings, failures and aborts at every node: every document arrives exactly as often as the graph says.
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Document, ExecutorError, Flow } from '../../lib/index.js'
import { within } from '../support/within.js'

interface Shape {
  /** For each node, whom it needs: indices of nodes before it, or -1 for the gateway. */
  readonly needs: readonly (readonly number[])[]
}

const shapes: fc.Arbitrary<Shape> = fc
  .integer({ min: 1, max: 9 })
  .chain((size) =>
    fc
      .tuple(...Array.from({ length: size }, (_, at) => fc.uniqueArray(fc.integer({ min: -1, max: at - 1 }), { minLength: 1, maxLength: 3 })))
      .map((needs) => ({ needs })),
  )

/** How often a document arrives at each node, and at the end. */
function arrivals({ needs }: Shape): { at: number[]; end: number } {
  const at: number[] = []
  for (const from of needs) at.push(from.reduce((sum, need) => sum + (need === -1 ? 1 : at[need]!), 0))
  const leaves = needs.map((_, index) => index).filter((index) => !needs.some((from) => from.includes(index)))
  return { at, end: leaves.reduce((sum, leaf) => sum + at[leaf]!, 0) }
}

async function build(shape: Shape, turns: readonly number[], failing: number | undefined, seen: number[]): Promise<Flow<any>> {
  const flow = new Flow<string>({ closeTimeout: 1000 })
  for (const [index, needs] of shape.needs.entries()) {
    flow.add({
      name: `n${index}`,
      needs: needs.map((need) => (need === -1 ? 'gateway' : `n${need}`)),
      uses: async ({ docs, signal }) => {
        for (let i = 0; i < turns[index % turns.length]!; i++) {
          await new Promise((resolve) => setImmediate(resolve))
          if (signal.aborted) throw signal.reason
        }
        if (index === failing) throw new Error(`n${index}`)
        seen[index] = (seen[index] ?? 0) + docs.length
        for (const doc of docs) doc.tags.path = `${doc.tags.path ?? ''}/${index}`
      },
    })
  }
  return flow.open()
}

const turns = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 9 })

test('F3, E9: every document arrives exactly as often as the graph says, in any timing', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, turns, fc.integer({ min: 1, max: 5 }), async (shape, turns, count) => {
      const seen: number[] = []
      await using flow = await build(shape, turns, undefined, seen)
      const docs = await within(
        5000,
        flow
          .post(
            '/',
            Array.from({ length: count }, (_, i) => new Document({ id: `${i}` })),
            { requestSize: 2 },
          )
          .docs(),
      )
      const { at, end } = arrivals(shape)
      assert.equal(
        seen,
        at.map((times) => times * count),
      )
      assert.is(docs.length, end * count)
      const copies = new Map<string, number>()
      for (const { id } of docs) copies.set(id, (copies.get(id) ?? 0) + 1)
      assert.ok([...copies.values()].every((times) => times === end))
      // Copies of one document share nothing that can change.
      assert.is(new Set(docs).size, docs.length)
      assert.is(new Set(docs.map(({ tags }) => tags)).size, docs.length)
    }),
    { numRuns: 200 },
  )
})

test('R53: a failure at any node comes out once, and nothing hangs or is unhandled', async () => {
  let unhandled = 0
  const count = (): void => void unhandled++
  process.on('unhandledRejection', count)
  await fc.assert(
    fc.asyncProperty(shapes, turns, fc.nat(), async (shape, turns, pick) => {
      const failing = pick % shape.needs.length
      await using flow = await build(shape, turns, failing, [])
      const error: any = await within(
        5000,
        flow
          .post('/', ['a', 'b', 'c'], { requestSize: 1 })
          .drain()
          .catch((error) => error),
      )
      assert.ok(error instanceof ExecutorError)
      assert.is(error.executor, `n${failing}`)
    }),
    { numRuns: 150 },
  )
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', count)
  assert.is(unhandled, 0)
})

test('P12: an abort at any time ends with its reason, and close() finds nothing left', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, turns, fc.integer({ min: 0, max: 6 }), async (shape, turns, when) => {
      const flow = await build(shape, turns, undefined, [])
      const controller = new AbortController()
      const outcome = flow
        .post('/', ['a', 'b', 'c', 'd'], { requestSize: 1, signal: controller.signal })
        .drain()
        .catch((reason) => reason)
      for (let i = 0; i < when; i++) await new Promise((resolve) => setImmediate(resolve))
      controller.abort('enough')
      const ended = await within(5000, outcome)
      assert.ok(ended === 'enough' || ended === 4)
      await within(900, flow.close())
    }),
    { numRuns: 150 },
  )
})

test.run()
