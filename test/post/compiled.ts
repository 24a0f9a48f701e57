// V8 may compile a function again and again and throw each result away, for the whole life of a process: three times slower, in some processes
// only, and seen by no other test. It says so when asked.
import { execFileSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** Sources, sizes and executors mixed in one process, as users mix them. Runs on dist/. */
const MIXED = `
import { Document, Flow } from 'sluice'
const COUNT = 10000
const documents = Array.from({ length: COUNT }, (_, i) => new Document({ text: 'document ' + i }))
const sources = {
  array: () => documents,
  *generator() { yield* documents },
  async *asyncGenerator() { for (const document of documents) yield document },
}
const flows = [(call) => {}, async (call) => {}, ({ docs }) => docs.map((doc) => doc)]
for (const uses of flows) {
  const flow = await new Flow().add({ uses }).open()
  for (const requestSize of [1, 100, 1, 10]) {
    for (const source of Object.values(sources)) {
      for (let i = 0; i < 6; i++) for await (const { docs } of flow.post('/', source(), { requestSize })) void docs.length
    }
  }
  await flow.close()
}
console.log('all went through')
`

test('no function on the road of a request is compiled over and over', () => {
  const output = execFileSync(process.execPath, ['--trace-opt', '--input-type=module', '--eval', MIXED], { encoding: 'utf8', maxBuffer: 1 << 28 })
  assert.match(output, /all went through/)
  assert.ok((output.match(/completed optimizing/g) ?? []).length > 20, 'V8 says what it compiles')
  const thrown = output.match(/bailed? ?out due to dependency change/gi) ?? []
  // A few are ordinary: an assumption that falls while a function is compiled. The fault this stands for has some fifty at best, thousands at worst.
  assert.ok(thrown.length < 10, `${thrown.length} results of the compiler were thrown away`)
})

test.run()
