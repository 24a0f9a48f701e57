import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inKernel } from './kernel.js'

await inKernel(test, 'tslab', (execute) => {
  test('T3: display() shows a Flow as a picture and documents as a table; progress is one display; errors are read', async () => {
    const [opened, shown, progress, failed, closed] = await execute([
      `import { type Call, Flow } from 'sluice'
       import { display } from 'sluice/notebook'
       const flow = await new Flow().add({ name: 'shout', uses: ({ docs }: Call) => docs.forEach((doc) => { if (doc.text === 'bad') throw new Error('not this one') }) }).open()`,
      `await display(flow)
       await display(flow.post('/', ['a', '<b>']).docs())`,
      `async function* slow() { for (let at = 0; at < 12; at++) { await new Promise((resolve) => setTimeout(resolve, 50)); yield String(at) } }
       await flow.post('/', slow(), { showProgress: true, requestSize: 1 }).drain()`,
      `await flow.post('/', 'bad').docs()`,
      `await flow.close()`,
    ])
    assert.equal(opened, [])
    assert.match(shown![0]!.data!['image/svg+xml']!, /^<svg/)
    assert.match(shown![1]!.data!['text/html']!, /DocumentArray of 2 documents.*<table>.*&lt;b&gt;/)
    const bars = progress!.filter(({ output_type }) => output_type === 'display_data')
    assert.is(bars.length, 1, 'one display, which changed')
    assert.match(bars[0]!.data!['text/html']!, /done: 12 requests, 12 documents/)
    assert.match(failed![0]!.text!, /^ExecutorError: shout failed at \/ for request \w+: not this one\n/)
    assert.equal(closed, [])
  })
})

test.run()
