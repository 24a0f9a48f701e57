// Documents of docarray 0.30 and later, over gRPC: our Client and a Flow of Python's, Python's Client and our gateway.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { Client } from '../../lib/client/client.js'
import { Document } from '../../lib/doc/document.js'
import { type Call, Executor } from '../../lib/executor/executor.js'
import { Flow } from '../../lib/flow/flow.js'
import { within } from '../support/within.js'
import { freePort, Script } from './process.js'
import { docarray2, interop } from './python.js'

const VALUES = [
  [1, 2, 3],
  [4, 5, 6],
]
/** A document as docarray2.py understands it. */
const picture = {
  id: 'whole',
  text: 'héllo 🌍',
  blob: [0, 127, 255],
  embedding: { dtype: 'float32', values: VALUES },
  part: { id: 'inner', text: 'nested', vector: { dtype: 'int64', values: [1, -2] } },
  chunks: [
    { id: 'c0', text: 'first' },
    { id: 'c1', text: 'second', vector: { dtype: 'float64', values: [0.5] } },
  ],
  tags: { name: 'x', deep: { list: [1, 'a', null, true], more: { half: 0.5 } } },
  count: 7,
  ratio: 0.25,
  names: ['p', 'q'],
  flag: true,
}

class Pages extends Executor {
  static requests = { '/echo': 'echo', '/upper': 'upper' } as const
  echo(): void {}
  upper({ docs }: Call<{ count: number }>): void {
    for (const document of docs) {
      document.text = document.text.toUpperCase()
      document.tags.count++
      const { embedding } = document
      if (embedding !== undefined) document.embedding = { data: (embedding.data as Float32Array).map((value) => value * 2), shape: embedding.shape }
    }
  }
}

await interop(test, async (python) => {
  let env: { PYTHONPATH: string }
  test.before(async () => {
    env = { PYTHONPATH: await docarray2(python) }
  })

  test('C6: our Client → a Python Flow with docarray 0.40: documents arrive and come back whole', async () => {
    const port = await freePort()
    await using script = new Script(python, 'docarray2.py', { port }, env)
    await within(60_000, script.line())
    await using client = new Client({ port, docarray: 'v2' })
    const docs = async (on: string, inputs: Document[], parameters = {}) => {
      const all: Document[] = []
      for await (const response of client.post(on, inputs, { parameters })) all.push(...response.docs)
      return all
    }
    const [made] = await docs('/make', [new Document()], { docs: [picture] })
    assert.is(made!.id, 'whole')
    assert.is(made!.text, picture.text)
    assert.equal([...(made!.embedding!.data as Float32Array)], VALUES.flat())
    assert.instance(made!.embedding!.data, Float32Array)
    assert.equal(made!.embedding!.shape, [2, 3])
    const tags: Record<string, any> = made!.tags
    assert.equal([tags.blob[0], tags.blob[1], tags.blob[2]], picture.blob)
    assert.equal(made!.chunks.texts, ['first', 'second'])
    assert.equal([...(made!.chunks[1]!.tags.vector as { data: Float64Array }).data], [0.5])
    assert.is(tags.part.text, 'nested')
    assert.equal([...tags.part.tags.vector.data], [1n, -2n])
    const { deep, name, count, ratio, names, flag } = tags
    assert.equal({ tags: { deep, name }, count, ratio, names, flag }, { tags: picture.tags, count: 7, ratio: 0.25, names: ['p', 'q'], flag: true })

    // What it made, it takes back as it was; but that numbers of tags count as floats on the way.
    const [back] = await docs('/seen', [made!])
    assert.equal(JSON.parse(back!.text), picture)

    const [upper] = await docs('/upper', [new Document({ id: 'u', text: 'ours', embedding: new Float32Array([1, 2]), tags: { count: 4 } })])
    assert.equal([upper!.id, upper!.text, upper!.tags.count, [...(upper!.embedding!.data as Float32Array)]], ['u', 'OURS', 5, [2, 4]])
  })

  test('C6, E10: a Python gateway makes classes of what our executors say of their documents', async () => {
    class Rank extends Executor {
      static requests = { '/search': 'search' } as const
      static input = {
        text: z.string(),
        // Of a field without a value, Python sends None.
        tags: z.object({ price: z.number(), words: z.array(z.string()).nullish(), deep: z.object({ a: z.number() }).nullish() }),
        parameters: z.object({ top_k: z.number().default(3) }),
      }
      static output = { tags: z.object({ score: z.number() }) }
      search({ docs, parameters }: Call<any, any>): void {
        for (const doc of docs) doc.tags.score = doc.tags.price * parameters.top_k
      }
    }
    await using flow = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ name: 'rank', uses: Rank }).open()
    const port = await freePort()
    await using script = new Script(python, 'docarray2.py', { port, executor: Number(new URL(flow.addresses.grpc!).port) }, env)
    await within(60_000, script.line())
    const post = async (body: object) => {
      const headers = { 'content-type': 'application/json' }
      return (await (await fetch(`http://127.0.0.1:${port}/search`, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as any
    }
    const { data } = await post({ data: [{ text: 'x', price: 2.5, words: ['p'] }], parameters: { top_k: 4 } })
    const { id: _, ...doc } = data[0]
    assert.equal(doc, { text: 'x', price: 2.5, words: ['p'], deep: null, score: 10 })
    assert.equal((await post({ data: [{ text: 'x' }] })).data, [], 'what does not fit is left out')
    const { components } = (await (await fetch(`http://127.0.0.1:${port}/openapi.json`)).json()) as any
    assert.equal(Object.keys(components.schemas.SearchResult.properties).sort(), ['deep', 'id', 'price', 'score', 'text', 'words'])
  })

  test('C6: Python → our gateway with docarray 0.40: documents arrive and come back whole', async () => {
    await using flow = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ uses: Pages }).open()
    await using script = new Script(python, 'docarray2.py', {}, env)
    const post = (on: string, docs: object[], more = {}) => within(60_000, script.ask({ address: flow.addresses.grpc, on, docs, ...more }))
    const echoed = await post('/echo', [picture])
    assert.is(echoed.error, undefined)
    assert.equal(echoed.docs, [picture])
    const { docs } = await post('/upper', [picture])
    assert.equal(docs, [
      { ...picture, text: 'HÉLLO 🌍', count: 8, embedding: { dtype: 'float32', values: VALUES.map((row) => row.map((value) => value * 2)) } },
    ])
    const many = Array.from({ length: 250 }, (_, i) => ({ id: `d${i}`, text: `t${i}` }))
    const all = await post('/upper', many, { size: 20 })
    assert.equal(all.docs.map(({ text }: { text: string }) => text).sort(), many.map(({ text }) => text.toUpperCase()).sort())
  })
})

test.run()
