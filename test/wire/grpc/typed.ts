// Documents of docarray ≥ 0.30 on their way through a Flow, as bytes that Python would write and read.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../../lib/client/client.js'
import { type Call, type Document, DocumentArray, delta, Flow } from '../../../lib/index.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { within } from '../../support/within.js'
import { bytesOfMessage, documentsIn, type Fields, fields, type Node, readAllOf, sorted } from '../proto/nodes.js'

const V2 = { model: 'v2' } as const
const text = (text: string): Node => ['text', text]
const part = (id: string): Fields => fields({ id: ['text', id, 'id'], uri: ['integer', 1], text: text('') })

const GIVEN: Record<string, Node> = {
  changed: text('old'),
  text: text('x'),
  tensor: ['ndarray', { dtype: '<f2', shape: [1], bytes: Uint8Array.of(0, 60) }, 'torch_tensor'],
  chunks: ['list', [text('a'), text('b')]],
  embedding: ['list', [['float', 1]]],
  location: text('here'),
  uri: ['integer', 7],
  scores: ['dict', fields({ cos: ['float', 1] })],
  matches: ['doc_array', []],
  evaluations: ['dict', fields({})],
  parts: ['list', [['doc', part('p')]]],
  groups: ['dict', fields({ a: ['list', [['doc', part('q')]]] })],
  unique: ['set', [['float', 1]]],
  big: ['integer', 2n ** 60n + 1n],
  none: ['none'],
  tags: ['dict', fields({ changed: ['float', 1], text: ['integer', 1], n: ['float', 2] })],
}
const documents = (count: number): Fields[] => Array.from({ length: count }, (_, i) => fields({ id: ['text', `d${i}`, 'id'], ...GIVEN }))
const docsOf = (documents: Fields[]): DocumentArray => decodeMessage(bytesOfMessage(documents), V2).docs
const fieldsOf = (docs: Iterable<Document>): Fields[] =>
  documentsIn(encodeMessage(emptyMessage({ docs: DocumentArray.from([...docs].sort((a, b) => a.id.localeCompare(b.id))) }), V2))

const read = ({ docs }: Call): void => docs.forEach(readAllOf)
const change = ({ docs }: Call): void => docs.forEach((doc) => void (doc.tags.changed = 'new'))
const CHANGED = documents(7).map((document) => sorted(new Map([...document, ['changed', text('new')]])))

async function answers(flow: Flow): Promise<Document[]> {
  await using client = new Client(flow.addresses.grpc!, { docarray: 'v2' })
  const docs: Document[] = []
  for await (const response of client.post('/', docsOf(documents(7)), { requestSize: 3 })) if (!response.partial) docs.push(...response.docs)
  return docs
}

test('P16, 227: a document that grows keeps what nobody changed as it came, in each piece', async () => {
  const grow = async function* ({ docs }: Call) {
    for (const doc of docs) yield delta(doc, { tags: { changed: 'new' } })
  }
  await using elsewhere = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ uses: grow }).open()
  await using flow = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ external: true, host: elsewhere.addresses.grpc! }).open()
  await using client = new Client(flow.addresses.grpc!, { docarray: 'v2' })
  const parts: Document[] = []
  for await (const { partial, docs } of client.post('/', docsOf(documents(7)))) {
    if (partial) parts.push(...docs)
    else assert.equal(fieldsOf(docs).map(sorted), CHANGED)
  }
  assert.equal(fieldsOf(parts).map(sorted), CHANGED)
})

test('227: through forks, merges, retries, batches, shards and an executor elsewhere, a document stays as it came', async () => {
  await using elsewhere = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ uses: read }).open()
  const tried = new Set<string>()
  const again = (call: Call): void => {
    read(call)
    const first = call.docs[0]!.id
    if (tried.has(first)) return
    tried.add(first)
    throw new Error('not yet')
  }
  await using flow = await new Flow({ protocol: 'grpc', docarray: 'v2' })
    .add({ name: 'first', uses: read })
    .add({ name: 'elsewhere', needs: 'first', external: true, host: elsewhere.addresses.grpc!, docarray: 'v2' })
    .add({ name: 'batched', needs: 'first', uses: read, dynamicBatching: { preferredBatchSize: 5, timeout: 5 } })
    .add({ name: 'again', needs: 'first', uses: again, retries: 1 })
    .add({ name: 'sharded', needs: 'first', uses: read, parallel: 2, polling: 'ALL' })
    .needs(['elsewhere', 'batched', 'again', 'sharded'], { name: 'both', join: 'merge' })
    .add({ name: 'last', needs: 'both', uses: change })
    .open()
  assert.equal(fieldsOf(await within(10_000, answers(flow as unknown as Flow))), CHANGED)
})

test('227: and from a generator that hands it on twice', async () => {
  async function* twice({ docs }: Call) {
    for (const document of docs) {
      readAllOf(document)
      yield document
      document.tags.changed = 'new'
      yield document
    }
  }
  await using flow = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ uses: twice }).open()
  assert.equal(fieldsOf(await within(10_000, answers(flow as unknown as Flow))), CHANGED)
})

test('227: an executor elsewhere is written to as the Flow is, unless somebody says otherwise', async () => {
  await using elsewhere = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ uses: change }).open()
  const far = { name: 'elsewhere', external: true, host: elsewhere.addresses.grpc! } as const
  await using flow = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add(far).open()
  assert.equal(fieldsOf(await within(10_000, answers(flow as unknown as Flow))), CHANGED)
  await using served = await new Flow().add(far).open({ serve: { protocol: 'grpc', docarray: 'v2' } })
  assert.equal(fieldsOf(await within(10_000, answers(served as unknown as Flow))), CHANGED)
})

test('227: an executor elsewhere that has no place for the fields of the Flow is refused, unless somebody says that they may be lost', async () => {
  const far = { name: 'elsewhere', external: true, host: 'http://127.0.0.1:1' } as const
  for (const host of ['http://127.0.0.1:1', 'ws://127.0.0.1:1']) {
    const refused = await new Flow({ protocol: 'grpc', docarray: 'v2' })
      .add({ ...far, host })
      .open()
      .catch((error) => error)
    assert.is(refused.code, 'ERR_USES_INVALID')
    assert.match(refused.message, /^elsewhere is spoken to over (http|websocket), .* docarray: 'v1'/)
  }
  const told = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ ...far, docarray: 'v1' }).open()
  await told.close()
  const plain = await new Flow({ protocol: 'grpc' }).add(far).open()
  await plain.close()
})

test.run()
