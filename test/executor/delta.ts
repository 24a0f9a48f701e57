import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { type Call, Document, DocumentArray, delta, Executor, ExecutorError, each, Flow, type Response } from '../../lib/index.js'
import { turn } from '../support/turn.js'

const test = suite('delta()')

type Spells = (call: Call<any, any>) => AsyncIterable<any>

/** All that comes back for some documents, and what it ended with. */
async function all(uses: Spells | object, inputs: any = [{ id: 'x', text: '' }], options: any = {}): Promise<{ found: Response[]; error: any }> {
  await using flow = await new Flow().add({ name: 'actor', uses: uses as any, ...options }).open()
  const found: Response[] = []
  try {
    for await (const response of flow.post('/', inputs)) found.push(response)
    return { found, error: undefined }
  } catch (error) {
    return { found, error }
  }
}

/** What an executor fails at that yields something. */
async function refused(make: (doc: Document<any>, call: Call<any, any>) => unknown, doc: any = { id: 'x', text: 'a' }): Promise<string> {
  const { error } = await all(
    async function* (call) {
      yield make(call.docs[0]!, call)
    },
    [doc],
  )
  assert.instance(error, ExecutorError)
  assert.is(error.code, 'ERR_EXECUTOR_RESULT')
  assert.is(error.executor, 'actor')
  assert.instance(error.cause, TypeError)
  return error.message
}

test('P16: a document has what was appended when the generator goes on', async () => {
  const texts: string[] = []
  const { found } = await all(async function* ({ docs: [doc] }) {
    yield delta(doc!, { text: 'a', tags: { n: 1 } })
    texts.push(`${doc!.text}${doc!.tags.n}`)
    yield delta(doc!, { text: 'b' })
    texts.push(doc!.text)
  })
  assert.equal(texts, ['a1', 'ab'])
  assert.equal(
    found.map(({ partial, ordinal, delta, docs }) => [partial, ordinal, delta?.length, docs.texts]),
    [
      [true, 0, 1, ['a']],
      [true, 1, 1, ['ab']],
      [false, 2, undefined, ['ab']],
    ],
  )
})

test('P16: a delta says which document it is of, and what it brings; the whole is made when it is asked for, once, and is as it was then', async () => {
  const { found } = await all(
    async function* ({ docs: [one, two] }) {
      yield [delta(two!, { text: 'c', tags: { n: [1] } }), delta(one!, { text: '!' }), delta(two!, { text: 'd' })]
      yield delta(two!, { text: 'e' })
    },
    [
      { id: 'x', text: 'a' },
      { id: 'y', text: 'b' },
    ],
  )
  const [first, second] = found as [Response, Response]
  assert.equal(
    first.delta!.map(({ at, id, text, blob, tags }) => ({ at, id, text, blob, tags })),
    [
      { at: 0, id: 'y', text: 'c', blob: undefined, tags: { n: [1] } },
      { at: 1, id: 'x', text: '!', blob: undefined, tags: undefined },
      { at: 0, id: 'y', text: 'd', blob: undefined, tags: undefined },
    ],
  )
  assert.equal(
    first.delta!.map(({ doc }) => doc.text),
    ['bc', 'a!', 'bcd'],
  )
  assert.equal(first.docs.texts, ['bcd', 'a!'])
  assert.is(first.docs, first.docs)
  assert.is(first.delta![2]!.doc, first.docs[0])
  assert.is(first.data.docs, first.docs)
  assert.instance(first.docs, DocumentArray)
  // What somebody does to one, no other has.
  ;(first.docs[0]!.tags.n as number[]).push(2)
  first.docs[0]!.text = 'z'
  assert.is(second.docs[0]!.text, 'bcde')
  assert.equal(second.docs[0]!.tags, { n: [1] })
  assert.equal(found.at(-1)!.docs.texts, ['a!', 'bcde'])
})

test('P16: a response of deltas is JSON, and shows itself', async () => {
  const { found } = await all(async function* ({ docs: [doc] }) {
    yield delta(doc!, { text: 'a' })
  })
  const { delta: said, data, partial } = JSON.parse(JSON.stringify(found[0]))
  assert.equal({ said, data, partial }, { said: [{ at: 0, id: 'x', text: 'a' }], data: [{ id: 'x', text: 'a' }], partial: true })
  assert.not('delta' in JSON.parse(JSON.stringify(found[1])))
  const { inspect } = await import('node:util')
  assert.match(inspect(found[0], { depth: 5 }), /delta: \[/)
})

test('P16: bytes have memory of their own, in each piece and at the end', async () => {
  const chunk = Uint8Array.of(7)
  const { found } = await all(
    async function* ({ docs: [doc] }) {
      for (let n = 0; n < 100; n++) {
        chunk[0] = n
        yield delta(doc!, { blob: chunk })
      }
    },
    [{ id: 'x', blob: Uint8Array.of(255) }],
  )
  const expected = (count: number) => [255, ...Array.from({ length: count }, (_, n) => n)]
  assert.equal([...found[9]!.docs[0]!.blob!], expected(10))
  assert.equal([...found[9]!.delta![0]!.blob!], [9])
  // Whoever hands its memory to a worker, or writes into it, takes nothing from the others.
  const { blob } = found[50]!.docs[0]!
  structuredClone(blob, { transfer: [blob!.buffer as ArrayBuffer] })
  found[51]!.docs[0]!.blob!.fill(0)
  found[10]!.delta![0]!.blob![0] = 0
  assert.equal([...found[52]!.docs[0]!.blob!], expected(53))
  const last = found.at(-1)!.docs[0]!.blob!
  assert.equal([...last], expected(100))
  assert.is(last.buffer.byteLength, 101)
})

test('P16: two that grow from the same bytes do not write into each other', async () => {
  const { found } = await all(
    async function* ({ docs: [doc] }) {
      yield delta(doc!, { blob: Uint8Array.of(1, 2, 3) })
      yield delta(doc!, { blob: Uint8Array.of(4) })
      const other = new Document({ id: 'y', blob: doc!.blob! })
      yield other
      yield delta(other, { blob: Uint8Array.of(5) })
      yield delta(doc!, { blob: Uint8Array.of(6) })
      yield delta(other, { blob: Uint8Array.of(7) })
    },
    [{ id: 'x' }],
  )
  assert.equal(
    found.map(({ docs }) => docs.map(({ blob }) => [...blob!].join('')).join()),
    ['123', '1234', '1234', '12345', '12346', '123457', '12346,123457'],
  )
})

test('P16: what an executor does without a word is seen once a document comes whole again', async () => {
  const { found } = await all(async function* ({ docs: [doc] }) {
    yield delta(doc!, { text: 'a' })
    doc!.tags.quiet = true
    yield delta(doc!, { text: 'b' })
    doc!.text = 'new'
    yield delta(doc!, { text: 'c' })
    yield
    doc!.tags.quiet = false
    yield delta(doc!, { text: 'd' })
  })
  assert.equal(
    found.map(({ docs: [doc] }) => [doc!.text, doc!.tags.quiet]),
    [
      ['a', undefined],
      ['ab', undefined],
      ['newc', true],
      ['newc', true],
      ['newcd', false],
      ['newcd', false],
    ],
  )
})

test('P16: a content that an executor clears or replaces is seen with the next delta, also a tensor and one that is empty', async () => {
  const tensor = (value: number) => ({ data: Float32Array.of(value), shape: [1] })
  const uses = async function* ({ docs: [doc] }: Call<any, any>) {
    yield delta(doc!, { tags: { n: 1 } })
    doc!.tensor = tensor(2)
    yield delta(doc!, { tags: { n: 2 } })
    doc!.tensor = undefined
    yield delta(doc!, { tags: { n: 3 } })
    yield delta(doc!, { text: 'a' })
    doc!.text = ''
    yield delta(doc!, { blob: Uint8Array.of(7) })
  }
  const seen = async (posted: AsyncIterable<Response>) => {
    const contents: unknown[] = []
    for await (const { docs } of posted) contents.push(docs[0]!.tensor?.data[0] ?? docs[0]!.blob?.[0] ?? docs[0]!.text)
    return contents
  }
  const doc = () => new Document({ id: 'x', tensor: tensor(1) })
  for (const protocol of ['grpc', 'http', 'websocket'] as const) {
    await using flow = await new Flow({ protocol, port: 0 }).add({ uses }).open()
    await using client = new Client(Object.values(flow.addresses)[0]!)
    const expected = [1, 2, '', 'a', 7, 7]
    assert.equal(await seen(flow.post('/', [doc()])), expected)
    assert.equal(await seen(client.post('/', [doc()])), expected, protocol)
  }
})

test('P16: deltas leave all documents in place; with whole ones among them, the answer is all that was yielded', async () => {
  const inputs = ['a', 'b', 'c'].map((id) => ({ id, text: id }))
  const alone = await all(async function* ({ docs }) {
    yield delta(docs[1]!, { text: '!' })
  }, inputs)
  assert.equal(alone.found.at(-1)!.docs.texts, ['a', 'b!', 'c'])
  const mixed = await all(async function* ({ docs }) {
    yield delta(docs[1]!, { text: '!' })
    const more = new Document({ id: 'd', text: 'd' })
    yield more
    yield delta(more, { text: '?' })
    yield new Document({ id: 'b', text: 'B' })
  }, inputs)
  assert.equal(mixed.found.at(-1)!.docs.texts, ['B', 'd?'])
})

test('P16: a text of no length is handed on to nobody', async () => {
  const { found } = await all(async function* ({ docs: [doc] }) {
    yield delta(doc!, { text: '' })
    yield [delta(doc!, { text: '' }), delta(doc!, { text: 'a', tags: {} })]
    yield delta(doc!, { text: '', tags: { none: undefined } })
  })
  assert.equal(
    found.map(({ delta, docs }) => [delta?.map(({ text, tags }) => [text, tags]), docs.texts]),
    [
      [[['a', undefined]], ['a']],
      [undefined, ['a']],
    ],
  )
})

test('P16: what is none is refused, with the name of the executor and what to do', async () => {
  const stranger = new Document({ id: 'other' })
  assert.match(
    await refused(() => delta(stranger, { text: 'a' })),
    /^actor yielded a delta of document other, which is not of this request for \/: give delta\(\) a document that/,
  )
  assert.match(await refused((doc) => delta(doc.clone(), { text: 'a' })), /of document x, which is not of this request/)
  assert.match(await refused(() => delta('x' as any, { text: 'a' })), /yielded a delta of "x" for \/: give delta\(\) a document/)
  assert.match(await refused((doc) => delta(doc, { blob: Uint8Array.of(1) })), /yielded a delta of blob for a document with a text for \//)
  assert.match(await refused((doc) => delta(doc, { text: 'a' }), { id: 'x', blob: Uint8Array.of(1) }), /a delta of text for a document with a blob/)
  assert.match(await refused((doc) => delta(doc, { text: 'a' }), { id: 'x', tensor: [1, 2] }), /a delta of text for a document with a tensor/)
  assert.match(await refused((doc) => delta(doc, { text: 5 } as any)), /a delta whose text is 5 for \/: give it a string/)
  assert.match(await refused((doc) => delta(doc, { blob: 'AAAA' } as any)), /a delta whose blob is "AAAA"/)
  assert.match(await refused((doc) => delta(doc, { text: 'a', blob: Uint8Array.of(1) })), /a delta with a text and a blob/)
  assert.match(await refused((doc) => delta(doc, { tags: [1] } as any)), /a delta whose tags are an array of 1/)
  assert.match(await refused((doc) => delta(doc, { tags: JSON.parse('{"__proto__":1}') })), /no tag named __proto__/)
  assert.match(await refused((doc) => delta(doc, {})), /a delta of document x with nothing in it for \/: give it text or a blob/)
  assert.match(await refused((doc) => delta(doc, undefined as any)), /a delta with undefined/)
  assert.match(await refused((doc) => delta(doc, { texts: 'a' } as any)), /a delta with texts for/)
  assert.match(await refused((doc) => [doc, delta(doc, { text: 'a' })]), /a delta beside a Document/)
})

test('P16: a version that was replaced is none to grow', async () => {
  const { error } = await all(async function* ({ docs: [doc] }) {
    yield new Document({ id: 'x', text: 'new' })
    yield delta(doc!, { text: 'a' })
  })
  assert.match(error.message, /of a former version of document x for \/: give delta\(\) the one that was yielded last/)
})

test('P16: a delta is yielded: who returns one hears of it', async () => {
  for (const uses of [({ docs }: any) => delta(docs[0], { text: 'a' }), ({ docs }: any) => [delta(docs[0], { text: 'a' })]]) {
    const { error } = await all(uses)
    assert.is(error.code, 'ERR_EXECUTOR_RESULT')
    assert.match(error.message, /^actor returned/)
  }
  const { found, error } = await all(each((doc) => delta(doc, { text: 'a' }) as any))
  assert.is(found.length, 0)
  assert.is(error.code, 'ERR_EXECUTOR_RESULT')
})

test('P16: each(): what streams and fails is not tried again, and fails alone', async () => {
  let tries = 0
  const uses = each(
    async function* (doc: Document<any>) {
      if (doc.id === 'bad') tries++
      yield delta(doc, { text: 'a' })
      if (doc.id === 'bad') throw new Error('broken')
      yield delta(doc, { text: 'b' })
    },
    { retries: 3, delay: 0, concurrency: 1 },
  )
  await using flow = await new Flow().add({ name: 'actor', uses }).open()
  const found: any[] = []
  const options = { continueOnError: true }
  for await (const { partial, docs, failures } of flow.post(
    '/',
    [
      { id: 'bad', text: '' },
      { id: 'good', text: '' },
    ],
    options,
  ))
    found.push([partial, docs.texts, failures.map(({ doc }) => doc.id)])
  assert.equal(found, [
    [true, ['a'], []],
    [true, ['a'], []],
    [true, ['ab'], []],
    [false, ['ab'], ['bad']],
  ])
  assert.is(tries, 1)
})

test('P16: callbacks, docs() and map() are as with whole pieces', async () => {
  class Speaks extends Executor {
    static requests = { '/': 'speak' }
    async *speak({ docs }: Call) {
      for (const doc of docs) for (const text of ['a', 'b']) yield delta(doc, { text })
    }
  }
  await using flow = await new Flow().add({ uses: Speaks }).open()
  const done: string[] = []
  const docs = await flow
    .post('/', ['x', 'y'], { onDone: ({ partial, delta, docs }) => void done.push(`${partial}${delta?.map(({ text }) => text) ?? ''}${docs.texts}`) })
    .docs()
  assert.equal(docs.texts, ['xab', 'yab'])
  assert.equal(done, ['trueaxa', 'truebxab', 'trueaya', 'truebyab', 'falsexab,yab'])
  assert.equal(
    (await flow.map(['x', 'y']).toArray()).map(({ text }) => text),
    ['xab', 'yab'],
  )
})

test('P16: the next delta is asked for when the last was taken', async () => {
  let made = 0
  await using flow = await new Flow()
    .add({
      uses: async function* ({ docs: [doc] }: Call) {
        for (;;) {
          made++
          yield delta(doc!, { text: 'a' })
        }
      } as any,
    })
    .open()
  const post = flow.post('/', ['x'])
  for (let taken = 1; taken <= 5; taken++) {
    await post.next()
    for (let n = 0; n < 10; n++) await turn()
    assert.ok(made <= taken + 1, `${made} made, ${taken} taken`)
  }
  await post.return()
})

test('P16: without anybody to see pieces, documents grow all the same', async () => {
  const { found } = await all(
    async function* ({ docs }: Call<any, any>) {
      for (const doc of docs) for (const text of ['a', 'b']) yield delta(doc, { text })
    },
    ['x', 'y'],
    { dynamicBatching: { preferredBatchSize: 2 } },
  )
  assert.equal(
    found.map(({ partial, docs }) => [partial, docs.texts]),
    [[false, ['xab', 'yab']]],
  )
})

test('P16: ten thousand deltas are put together once, and tags of any number of names', async () => {
  const COUNT = 10_000
  const { found } = await all(async function* ({ docs: [doc] }) {
    for (let n = 0; n < COUNT; n++) yield delta(doc!, { text: 'a', tags: { [`t${n % 500}`]: n } })
  })
  assert.is(found[COUNT - 1]!.docs[0]!.text.length, COUNT)
  assert.is(found[COUNT / 2 - 1]!.docs[0]!.tags.t0, COUNT / 2 - 500)
  assert.is(Object.keys(found[COUNT / 2]!.docs[0]!.tags).length, 500)
  assert.equal(found[COUNT - 1]!.docs[0]!.tags, found.at(-1)!.docs[0]!.tags)
})

test.run()
