// What a notebook is told, with a kernel of a few lines in the place of a real one: test/kernels has those.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Document, DocumentArray, DocumentArrayMemmap } from '../../lib/doc/index.js'
import { Flow } from '../../lib/index.js'
import { bundleOf, display } from '../../lib/notebook/index.js'
import { Folder } from '../support/folder.js'

/** Runs in the place of tslab: each display has all that was shown in it. */
async function inTslab(run: () => Promise<unknown>): Promise<[type: string, content: string][][]> {
  const displays: [string, string][][] = []
  const tslab = {
    newDisplay() {
      const shown: [string, string][] = []
      displays.push(shown)
      return { raw: (type: string, content: string) => void shown.push([type, content]) }
    },
  }
  const world = globalThis as { __tslab__?: unknown }
  world.__tslab__ = { require: (name: string) => (name === 'tslab' ? tslab : undefined) }
  try {
    await run()
  } finally {
    delete world.__tslab__
  }
  return displays
}

test('T3: display() shows the richest form, and outside a notebook says that there is none', async () => {
  const flow = new Flow().add({ name: 'shout', uses: () => {} })
  const displays = await inTslab(async () => {
    await display(flow)
    await display(Promise.resolve(DocumentArray.from(['a'])))
    await display('as it is')
    await display(new TypeError('wrong'))
  })
  assert.equal(
    displays.map((shown) => shown.map(([type]) => type)),
    [['image/svg+xml'], ['text/html'], ['text/plain'], ['text/plain']],
  )
  assert.equal([displays[2]![0]![1], displays[3]![0]![1]], ['as it is', 'TypeError: wrong'])
  const error: any = await display(flow).catch((error) => error)
  assert.equal([error.name, error.code], ['SluiceError', 'ERR_NO_NOTEBOOK'])
})

test('T3: a table has the first ten, shapes of tensors and images; what documents say is text in it', async () => {
  const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 1, 2, 3])
  const documents = DocumentArray.from<any>([
    { id: 'a', text: '<script>alert(1)</script>', tags: { '"><b>': 1n }, embedding: new Float32Array(768) },
    { id: 'b', blob: png, mimeType: 'image/png" onerror="alert(1)' },
    { id: 'c', blob: png },
    { id: 'd', tensor: { data: new Uint8Array(12), shape: [2, 2, 3] }, scores: { cosine: 0.5 } },
    { id: 'e', uri: 'https://elsewhere.example/image.png' },
    { id: 'f', uri: 'data:image/gif;base64,R0lGODlh' },
    { id: 'g', text: 'x'.repeat(1000), matches: ['one', 'two'] },
    ...Array.from({ length: 5 }, () => 'more'),
  ])
  const { 'text/html': html, 'text/plain': plain } = await bundleOf(documents)
  assert.match(html!, 'DocumentArray of 12 documents')
  assert.is(html!.match(/<tr>/g)!.length, 11)
  assert.match(html!, '… 2 more')
  assert.not.match(html!, /<script|<b>|onerror="/)
  assert.equal(
    Array.from(html!.matchAll(/src="([^"]*)"/g), ([, address]) => address),
    ['data:image/png;base64,iVBORwECAw==', 'data:image/gif;base64,R0lGODlh'],
  )
  assert.match(html!, /float32\[768\].*uint8\[2, 2, 3\].*cosine 0\.5000/)
  assert.not.match(html!, 'x'.repeat(200))
  assert.match(plain!, /^DocumentArray of 12 documents\nid +content +embedding/)
})

test('T3: a document, a response, documents on disk, an array of them and what is none', async () => {
  assert.match((await bundleOf(new Document({ text: 'a' })))['text/plain']!, /^Document of 1 document\n/)
  assert.match((await bundleOf([new Document({ text: 'a' })]))['text/plain']!, /^Array of 1 document\n/)
  assert.equal(await bundleOf([1]), { 'text/plain': 'an array of 1' })
  await using flow = await new Flow().add({ name: 'bad', uses: () => Promise.reject(new Error('not this one')) }).open()
  const { value: failed } = await flow.post('/x', 'a', { continueOnError: true }).next()
  assert.match((await bundleOf(failed))['text/plain']!, /^Response of \/x of 1 document\nExecutorError: bad failed at \/x .*: not this one\n/)
  await using disk = new DocumentArrayMemmap(new Folder().file('store'))
  await disk.extend(['a', 'b'])
  assert.match((await bundleOf(disk))['text/html']!, 'DocumentArrayMemmap of 2 documents')
  await disk.close()
  assert.match((await bundleOf(disk))['text/plain']!, /^DocumentArrayMemmap: /, 'it does not throw')
})

test('T3: whatever is in documents, a table is small, and shows the others', async () => {
  const cyclic: any = { a: 1 }
  cyclic.self = cyclic
  const broken = new Document<any>({ id: 'broken' })
  broken.scores = { s: 1 }
  ;(broken.scores as any).s = {}
  const documents = DocumentArray.from<any>([
    { id: 'i'.repeat(1e6), text: '\u001b[2J\u202egone', uri: 'javascript:alert(1)' },
    { id: 'many', tags: { all: Array.from({ length: 1e6 }, (_, at) => at), none: undefined, when: new Date(0), big: 1n } },
    { id: 'deep', tags: cyclic },
    { id: 'long', tensor: { data: new Float32Array(1), shape: new Array(10_000).fill(1) } },
    { id: 'half', text: `${'x'.repeat(158)}🙂🙂` },
    broken,
    { id: 'last', text: 'is shown' },
  ])
  const { 'text/html': html, 'text/plain': plain } = await bundleOf(documents)
  assert.ok(html!.length < 10_000, `${html!.length}`)
  assert.ok((html as any).isWellFormed() && (plain as any).isWellFormed())
  assert.match(html!, '{&quot;all&quot;:[0,1,2,')
  assert.match(html!, /is shown/)
  assert.not.match(html!, /href|<script/)
  assert.match(html!, 'toPrecision')
  for (const character of ['\u001b', '\u202e']) assert.not.ok(plain!.includes(character))
  const own = { [Symbol.for('Jupyter.display')]: async () => Promise.reject(new Error('no picture')) }
  assert.equal(await bundleOf(own), { 'text/plain': 'It cannot be shown: no picture' })
})

test('T3: progress is one display, whose line changes', async () => {
  const displays = await inTslab(async () => {
    await using flow = await new Flow().add({ uses: () => new Promise((resolve) => setTimeout(resolve, 120)) }).open()
    await flow.post('/', ['a', 'b', 'c'], { showProgress: true, requestSize: 1, prefetch: 1 }).drain()
  })
  assert.is(displays.length, 1)
  const lines = displays[0]!.map(([, html]) => html)
  assert.ok(lines.length > 1, lines.join('\n'))
  assert.match(lines[0]!, /^<pre>.*\d% \d\/3 requests/)
  assert.match(lines.at(-1)!, /^<pre>done: 3 requests, 3 documents in /)
})

test.run()
