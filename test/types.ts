// Checked by the compiler, never run: every line below is a promise of a hover or a red underline.
import { type Call, Document, type DocumentArray, Executor, Flow, type Post, type Response, requests } from '../lib/index.js'

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
