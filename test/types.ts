// Checked by the compiler, never run: every line below is a promise of a hover or a red underline.
import { type Call, Document, type DocumentArray, delta, Executor, each, Flow, type Post, type Response, requests } from '../lib/index.js'

class Tokenize extends Executor<{ stem: boolean }> {
  @requests('/index')
  index({ docs, signal }: Call<{ tokens: string[] }>): void {
    const stem: boolean = this.config.stem
    // @ts-expect-error: the config has no such key
    this.config.stemm
    for (const doc of docs) doc.tags.tokens = stem ? [doc.text] : []
    // @ts-expect-error: tokens are strings
    for (const doc of docs) doc.tags.tokens = [1]
    signal.throwIfAborted()
  }

  @requests(['/a', '/b'])
  several(): void {}

  @requests()
  rest(): void {}

  @requests
  bare(): void {}
}

// F3: names in `needs` are checked
new Flow()
  .add({ name: 'a', uses: Tokenize, usesWith: { stem: true } })
  .add({ name: 'b', needs: 'gateway', uses: ({ docs }) => void docs.texts })
  .add({ needs: ['a', 'b'], join: 'merge' })
  .needs(['a', 'executor2'], { name: 'c' })
  .needsAll({ uses: async ({ docsMap }) => ({ branches: Object.keys(docsMap ?? {}) }) })
  .add({ needs: 'c' })

// @ts-expect-error: nobody is called b yet
new Flow().add({ name: 'a' }).add({ needs: 'b' })
// @ts-expect-error: nobody is called b yet
new Flow().add({ name: 'a' }).needs(['a', 'b'])
// Unchecked until open(), for graphs that are put together at run time
new Flow<string>().add({ needs: 'whatever' })

// E2: usesWith is what the class is configured with
// @ts-expect-error: stem is a boolean
new Flow().add({ uses: Tokenize, usesWith: { stem: 1 } })
// @ts-expect-error: a number is no executor
new Flow().add({ uses: 5 })
// @ts-expect-error: a number is no answer
new Flow().add({ uses: () => 5 })
// @ts-expect-error: misspelled
new Flow().add({ use: Tokenize })

// P16: a delta is of a document, and brings what that may have
new Flow().add({
  async *uses({ docs: [doc] }: Call<{ tokens: number }>) {
    yield delta(doc!, { text: ' more', tags: { tokens: 1 } })
    yield [delta(doc!, { blob: new Uint8Array(1) }), delta(doc!, { text: 'x' })]
    yield doc!
    // @ts-expect-error: tokens are a number
    yield delta(doc!, { tags: { tokens: 'one' } })
    // @ts-expect-error: misspelled
    yield delta(doc!, { texts: 'more' })
    // @ts-expect-error: no text
    yield delta(doc!, { text: 5 })
    // @ts-expect-error: a text is no document
    yield delta('x', { text: 'more' })
  },
})
each(async function* (doc) {
  yield delta(doc, { text: 'more' })
})

declare const flow: Flow<'a'>
export const post: Post = flow.post('/index', ['text', { text: 'x' }, new Document({ text: 'y' }), new Uint8Array(1)], {
  requestSize: 10,
  signal: AbortSignal.timeout(1),
})
export const typed: Post<{ lang: string }> = flow.search<{ lang: string }>('x')
export const docs: Promise<DocumentArray<Document<{ lang: string }>>> = typed.docs()
for await (const response of typed) {
  const lang: string | undefined = response.docs[0]?.tags.lang
  // @ts-expect-error: no such tag
  response.docs[0]?.tags.language
  const said: string | undefined = response.delta?.[0]?.text
  const set: string | undefined = response.delta?.[0]?.tags?.lang
  // @ts-expect-error: it is to be read
  response.delta?.push
  void [said, set]
  const same: Response<{ lang: string }> = response
  void [lang, same]
}
// @ts-expect-error: no such option
flow.post('/', 'x', { request_size: 10 })
// @ts-expect-error: a number is no document
flow.post('/', 5)
export const step: (source: AsyncIterable<string>) => AsyncIterable<Document> = flow.transform('/index')

// Documents
const document = new Document({ text: 'x', tags: { lang: 'en', size: 1 }, embedding: [1, 2], blob: new Uint8Array(1) })
export const lang: string = document.tags.lang
// @ts-expect-error: no such tag
document.tags.language
document.embedding = new Float32Array(3)
export const shape: readonly number[] | undefined = document.embedding?.shape

// ── what executors say of their endpoints ──────────────────────────────────────────────────────────────────

class Search extends Executor {
  static requests = { '/search': 'search', '/default': 'other' } as const
  search({ docs, parameters }: Call<{ score: number }, { top: number; lang?: 'de' | 'en' }>): void {
    docs.length = parameters.top
  }
  other(_: Call<{ seen: boolean }, { deep: boolean }>): void {}
}
const rank = ({ parameters }: Call<{ rank: number }, { factor?: number }>): void => void parameters.factor
const said = new Flow().add({ name: 'find', uses: Search, parallel: 2, polling: { '/search': 'all', '*': 'ANY' } }).add({ uses: rank })

// E7: parameters are known by endpoint; others may be there, for executors that do not say
said.post('/search', 'x', { parameters: { top: 5, factor: 2, anything: [] } })
said.search('x', { parameters: { lang: 'de', find: { top: 9 } } })
said.post('/other', 'x', { parameters: { deep: true } })
// @ts-expect-error: top is a number
said.post('/search', 'x', { parameters: { top: 'five' } })
// @ts-expect-error: lang is de or en
said.search('x', { parameters: { lang: 'fr' } })
// @ts-expect-error: so it is for one executor
said.search('x', { parameters: { find: { top: 'nine' } } })
// @ts-expect-error: factor is a number for every endpoint
said.post('/other', 'x', { parameters: { factor: 'two' } })
// @ts-expect-error: all others have deep
said.transform('/other', { parameters: { deep: 1 } })
// What executors do not say, and endpoints that are not known, are free
said.post('/search' as string, 'x', { parameters: { top: 'five' } })
new Flow().add({ uses: Tokenize, usesWith: { stem: true } }).post('/index', 'x', { parameters: { top: 'five' } })

// D1: the tags of documents flow through executors that say them, unless the call names others
export const found: Promise<DocumentArray<Document<{ score: number; rank: number }>>> = said.search('x').docs()
export const others: Promise<DocumentArray<Document<{ seen: boolean; rank: number }>>> = said.post('/other', 'x').docs()
export const named: Promise<DocumentArray<Document<{ mine: string }>>> = said.search<{ mine: string }>('x').docs()
for await (const { docs } of said.search('x')) {
  const score: number = docs[0]!.tags.score
  // @ts-expect-error: nobody leaves such a tag
  docs[0]!.tags.sore
  void score
}

// Of tags that nobody said, anything may be written, and what is read is to be looked at
for await (const { docs } of new Flow().add({ uses: Tokenize, usesWith: { stem: true } }).search('x')) {
  const { tags } = docs[0]!
  tags.anything = 1
  // @ts-expect-error: it may be a text
  tags.anything++
  // @ts-expect-error: it may be nothing
  tags.anything.more
  const more = typeof tags.anything === 'number' ? tags.anything + 1 : 0
  void more
}
new Flow().add({
  uses: ({ docs }) => {
    docs[0]!.tags.summary = 'text'
    // @ts-expect-error: nobody said that it is a text
    docs[0]!.tags.summary.length
  },
})
each((doc) => {
  doc.tags.summary = 'text'
  // @ts-expect-error: nobody said that it is a number
  doc.tags.count++
})

// ── options of executors ───────────────────────────────────────────────────────────────────────────────────

new Flow({ env: { A: 'b' } })
  .add({ name: 'a', parallel: 3, polling: 'ALL_ASYNC', concurrency: 2, timeout: 100, retries: { attempts: 2, delay: 10 }, signal: AbortSignal.timeout(1) })
  .add({ when: ({ tags }) => tags.lang === 'en', dynamicBatching: { preferredBatchSize: 8, weight: (doc) => doc.text.length } })
  .add({ when: { tags__lang: { $in: ['de', 'en'] } }, dynamicBatching: { '/index': { preferredBatchSize: 8 } }, floating: true })
  .add({ uses: './executor.js#Export', usesWith: { any: 'thing' } })
  .add({ uses: { jtype: 'Export', modules: './executor/executor.js', with: { any: 'thing' } } })
// @ts-expect-error: no such polling
new Flow().add({ polling: 'some' })
// @ts-expect-error: a size is needed
new Flow().add({ dynamicBatching: { timeout: 5 } })
// @ts-expect-error: texts only
new Flow().add({ env: { A: 1 } })
// @ts-expect-error: a condition says yes or no
new Flow().add({ when: () => 'maybe' })
