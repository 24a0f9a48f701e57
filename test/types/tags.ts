// Checked by the compiler, never run. Tags, from executor to executor, and to who posts.
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { type Call, type CallOf, type Document, type DocumentArray, Executor, each, Flow } from '../../lib/index.js'

/** Holds where both are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <T extends true>(): T => true as T
declare const doc: <T extends object>(docs: Promise<DocumentArray<Document<T>>>) => T

class Price extends Executor {
  static requests = { '/price': 'price', '/default': 'rest' } as const
  static output = { '/price': { tags: z.object({ price: z.number() }) } } as const
  price(): void {}
  rest(): void {}
}
const label = (_: Call<{ label: string }>): void => {}

// What an executor gives is laid over what it gets
const chain = new Flow().add({ name: 'price', uses: Price }).add({ name: 'label', uses: label })
const priced = doc(chain.post('/price', 'x').docs())
is<Same<typeof priced, { price: number; label: string }>>()
const other = doc(chain.post('/other', 'x').docs())
is<Same<typeof other, { label: string }>>()
const mapped = await chain.map('x', { on: '/price' }).toArray()
is<Same<(typeof mapped)[0]['tags'], { price: number; label: string }>>()
const parsed = doc(
  new Flow()
    .add({ uses: (_: Call<{ price: string; name: string }>) => {} })
    .add({ uses: () => {}, output: { tags: v.object({ price: v.number() }) } })
    .post('/', 'x')
    .docs(),
)
is<Same<typeof parsed, { name: string; price: number }>>()

// Callbacks see the same
chain.post('/price', 'x', {
  onDone: ({ docs }) => {
    const { price, label }: { price: number; label: string } = docs[0]!.tags
    // @ts-expect-error: nobody gives it
    docs[0]!.tags.color
    void [price, label]
  },
  onFailure: ({ doc }) => void doc.tags.label.length,
})
chain.post<{ mine: string }>('/price', 'x', { onAlways: ({ docs }) => void docs[0]?.tags.mine.length })

// A wrong tag
chain.add({ uses: () => {}, input: { tags: z.object({ label: z.string() }) } })
// @ts-expect-error: label is a string
chain.add({ uses: () => {}, input: { tags: z.object({ label: z.number() }) } })
// @ts-expect-error: label is a string
chain.add({ uses: () => {}, input: { tags: v.object({ label: v.number() }) } })
// @ts-expect-error: label is a string
chain.add({ uses: () => {}, input: { tags: type({ label: 'number' }) } })
// @ts-expect-error: label is a string
chain.add({ uses: (_: Call<{ label: number }>) => {} })
// @ts-expect-error: price is a number at /price
chain.add({ uses: () => {}, input: { '/price': { tags: z.object({ price: z.string() }) } } })
chain.add({ uses: () => {}, input: { '/other': { tags: z.object({ price: z.string() }) } } })
// @ts-expect-error: price is a number at /price, which is one of all
chain.add({ uses: () => {}, input: { tags: z.object({ price: z.string() }) } })
class Wrong extends Executor {
  static requests = { '/price': 'price' } as const
  price(_: Call<{ price: string }>): void {}
}
// @ts-expect-error: price is a number
chain.add({ uses: Wrong })
// @ts-expect-error: price is a number
chain.add({ uses: each((doc) => void doc.tags, { input: { tags: z.object({ label: z.number() }) } }) })
// What nobody gives may come with the documents
chain.add({ uses: () => {}, input: { tags: z.object({ color: z.string() }) } })
// What is wrong behind one may be right behind another
chain.add({ needs: 'gateway', uses: (_: Call<{ label: number }>) => {} })
chain.add({ needs: 'price', uses: (_: Call<{ label: number }>) => {} })
// @ts-expect-error: price is a number behind price
chain.add({ needs: 'price', uses: Wrong })
// An optional tag may not be there
const optional = new Flow().add({ uses: () => {}, output: { tags: z.object({ price: z.number().optional() }) } })
// @ts-expect-error: price may be missing
optional.add({ uses: () => {}, input: { tags: z.object({ price: z.number() }) } })

// Joined branches
const fork = new Flow()
  .add({ name: 'a', needs: 'gateway', uses: (_: Call<{ words: number; id: string }>) => {} })
  .add({ name: 'b', needs: 'gateway', uses: (_: Call<{ chars: number; id: string }>) => {} })
  .add({ name: 'c', needs: 'gateway', uses: (_: Call<{ words: string }>) => {} })
const concat = doc(fork.needs(['a', 'b', 'c']).post('/', 'x').docs())
is<Same<typeof concat, { words: number; id: string } | { chars: number; id: string } | { words: string }>>()
const merge = doc(fork.needs(['a', 'b'], { join: 'merge' }).add({ needs: 'c' }).needsAll().post('/', 'x').docs())
is<Same<typeof merge, { words: number; chars: number; id: string } | { words: string }>>()
const ends = doc(fork.post('/', 'x').docs())
is<Same<typeof ends, typeof concat>>()
const merged = doc(
  new Flow({ join: 'merge' })
    .add({ name: 'a', uses: label })
    .add({ needs: 'gateway', uses: (_: Call<{ size: number }>) => {} })
    .post('/', 'x')
    .docs(),
)
is<Same<typeof merged, { label: string; size: number }>>()
fork.needs(['a', 'b'], { uses: (_: Call<{ words: number }>) => {} })
// @ts-expect-error: c gives words as a string
fork.needs(['a', 'c'], { uses: (_: Call<{ words: number }>) => {} })
// @ts-expect-error: so does it where they are merged
fork.needs(['a', 'c'], { join: 'merge', uses: () => {}, input: { tags: z.object({ words: z.number() }) } })
// @ts-expect-error: and where all are joined
fork.needsAll({ uses: (_: Call<{ words: number }>) => {} })
// @ts-expect-error: and by add()
fork.add({ needs: ['a', 'c'], uses: (_: Call<{ words: number }>) => {} })
// Floating ones leave nothing
const afloat = doc(
  chain
    .add({ name: 'float', floating: true, uses: (_: Call<{ seen: boolean }>) => {} })
    .post('/other', 'x')
    .docs(),
)
is<Same<typeof afloat, { label: string }>>()

// What is posted
const checks = new Flow().add({ uses: () => {}, input: { tags: z.object({ price: z.number(), label: z.string() }) } })
checks.post('/', { text: 'x', tags: { price: 1 } })
checks.post('/', [{ tags: { price: 1, more: true } }, 'text', new Uint8Array(1)])
checks.post('/', async function* () {
  yield { tags: { price: 1 } }
})
checks.post('/', (async function* (): AsyncGenerator<Document> {})())
checks.post('/', JSON.parse('[]'))
// @ts-expect-error: price is a number
checks.post('/', { text: 'x', tags: { price: 'one' } })
// @ts-expect-error: price is a number
checks.post('/', [{ tags: { price: 1 } }, { tags: { price: 'one' } }])
// @ts-expect-error: price is a number
checks.map([{ tags: { price: 'one' } }])
// Given on the way, it need not be right before
new Flow()
  .add({ uses: () => {}, output: { tags: z.object({ price: z.number() }) } })
  .add({ uses: () => {}, input: { tags: z.object({ price: z.number() }) } })
  .post('/', { tags: { price: 'one' } })
// A schema takes what it takes, not what it makes of it
const reading = new Flow().add({ uses: () => {}, input: { tags: z.object({ size: z.string().transform(Number) }) } })
reading.post('/', { tags: { size: '5' } })
// @ts-expect-error: it takes a text
reading.post('/', { tags: { size: 5 } })
const size: { size: number } = doc(reading.post('/').docs())

// ── functions ────────────────────────────────────────────────────────────────────────────────────────────────

chain.add({
  uses: ({ docs }) => {
    for (const { tags } of docs) {
      const text: string = tags.label
      tags.anything = text
    }
  },
})
new Flow().add({
  input: { tags: z.object({ size: z.string().transform(Number) }), parameters: z.object({ top: z.number() }) },
  output: { tags: z.object({ double: z.number() }) },
  uses: ({ docs, parameters }) => {
    for (const { tags } of docs) {
      const n: number = tags.size
      tags.double = n * parameters.top
      // @ts-expect-error: double is a number
      tags.double = 'two'
      // @ts-expect-error: misspelled
      tags.duoble = 2
    }
  },
})
const summary = each(
  async (doc, { parameters }) => {
    const n: number = doc.tags.size
    doc.tags.summary = `${n} ${parameters.top}`
    // @ts-expect-error: summary is a string
    doc.tags.summary = n
  },
  {
    concurrency: 2,
    input: { tags: z.object({ size: z.number() }), parameters: z.object({ top: z.number() }) },
    output: { tags: z.object({ summary: z.string() }) },
  },
)
const summed = doc(
  new Flow()
    .add({ uses: summary })
    .post('/', { tags: { size: 1 } }, { parameters: { top: 1 } })
    .docs(),
)
is<Same<typeof summed, { size: number; summary: string }>>()
// @ts-expect-error: size is a number
new Flow().add({ uses: summary }).post('/', { tags: { size: 'one' } }, { parameters: { top: 1 } })
each(() => ({ text: 'x', tags: { summary: 'x', more: 1 } }), { output: { tags: z.object({ summary: z.string() }) } })
// @ts-expect-error: summary is a string
each(() => ({ text: 'x', tags: { summary: 1 } }), { output: { tags: z.object({ summary: z.string() }) } })
each((doc) => void (doc.tags.size = 'long'), { output: { tags: z.object({ size: z.string().transform((text) => text.length) }) } })
// @ts-expect-error: it gives what the schema takes
each((doc) => void (doc.tags.size = 4), { output: { tags: z.object({ size: z.string().transform((text) => text.length) }) } })
each<{ count: number }>((doc) => void doc.tags.count++, { retries: 2 })
each((doc: Document<{ count: number }>) => void doc.tags.count++)
void size

// Methods of a class whose schemas say it
class Rank extends Executor {
  static requests = { '/search': 'search', '/index': 'index' } as const
  static input = { '/search': { tags: z.object({ price: z.number() }), parameters: z.object({ top: z.coerce.number() }) } }
  static output = { '/search': { tags: z.object({ score: z.number() }) } }
  search({ docs, parameters }: CallOf<typeof Rank, '/search'>): void {
    for (const { tags } of docs) tags.score = tags.price / parameters.top
    // @ts-expect-error: nobody takes it
    docs[0]!.tags.size
  }
  index({ docs }: CallOf<typeof Rank, '/index'>): void {
    docs[0]!.tags.anything = 1
  }
}
const ranked = doc(
  new Flow()
    .add({ uses: Rank })
    .search('x', { parameters: { top: 5 } })
    .docs(),
)
is<Same<typeof ranked, { price: number; score: number }>>()
