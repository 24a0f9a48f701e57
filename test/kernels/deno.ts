import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inKernel } from './kernel.js'

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

await inKernel(test, 'deno', (execute) => {
  test('T3, F5: the notebook of the examples runs, and shows what it says', async () => {
    const cells = await execute({ notebook: 'examples/notebook/reviews.ipynb' })
    const outputs = cells.flat()
    assert.equal(
      outputs.filter(({ output_type }) => output_type === 'error').map(({ evalue }) => evalue?.replace(/\b[0-9a-f]{32}\b/g, 'ID')),
      ['rate failed at /rate for document ID of request ID: a review has words'],
      'the one that it is about',
    )
    assert.ok(outputs.some(({ data }) => data?.['image/svg+xml']?.startsWith('<svg')))
    assert.ok(outputs.some(({ data }) => data?.['text/html']?.includes('<table>')))
    assert.is(outputs.filter(({ data }) => data?.['text/plain']?.startsWith('done: ')).length, 1)
  })

  test('T3: a Flow is a picture, documents are a table, progress is one display, and errors are read', async () => {
    const [picture, table, progress, asked, failed] = await execute([
      `import { DocumentArray, Flow } from 'sluice'
       const flow = new Flow().add({ name: 'shout', uses: ({ docs }) => docs.forEach((doc) => { if (doc.text === 'bad') throw new Error('not this one') }) })
       flow`,
      `await flow.open()
       DocumentArray.from([
         { text: '<b>bold</b>', embedding: new Float32Array(768) },
         { blob: Uint8Array.from(atob('${PIXEL}'), (letter) => letter.charCodeAt(0)) },
         ...Array.from({ length: 10 }, () => new Float32Array(3)),
       ])`,
      `async function* slow() { for (let at = 0; at < 12; at++) { await new Promise((resolve) => setTimeout(resolve, 50)); yield String(at) } }
       await flow.post('/', slow(), { showProgress: true, requestSize: 1 }).drain()`,
      `import { display } from 'sluice/notebook'
       await display(flow)
       await display(flow.post('/', ['a', 'b']).docs())`,
      `await flow.post('/', 'bad').docs()`,
      `await flow.close()`,
    ])
    assert.is(picture!.length, 1)
    assert.match(picture![0]!.data!['image/svg+xml']!, /^<svg/)
    assert.match(picture![0]!.data!['text/plain']!, /shout/)
    const html = table![0]!.data!['text/html']!
    assert.match(html, /DocumentArray of 12 documents/)
    assert.is(html.match(/<tr>/g)!.length, 11)
    assert.match(html, /&lt;b&gt;bold&lt;\/b&gt;.*float32\[768\]/)
    assert.match(html, /<img src="data:image\/png;base64,iVBOR/)
    assert.match(html, /float32\[3\].*… 2 more/)
    const [bar, ...others] = progress!.filter(({ output_type }) => output_type === 'display_data')
    assert.match(bar!.data!['text/plain']!, /^done: 12 requests, 12 documents/)
    assert.equal(others, [], 'one display, which changed')
    assert.equal(
      asked!.map(({ data }) => Object.keys(data!)[0]),
      ['image/svg+xml', 'text/html'],
    )
    assert.is(failed![0]!.ename, 'ExecutorError')
    assert.match(failed![0]!.evalue!, /^shout failed at \/ for request \w+: not this one$/)
  })
})

test.run()
