import { inspect } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Document, DocumentArray } from '../../../lib/index.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage, type ProtoError } from '../../../lib/wire/proto/index.js'
import { originsOf } from '../../../lib/wire/proto/lazy.js'
import { plainDocument } from './plain.js'

const docs = (): DocumentArray =>
  DocumentArray.from([
    { id: 'a', text: 'first', tags: { n: 1, deep: { list: [1] } }, chunks: [{ id: 'c', text: 'chunk' }] },
    { id: 'b', embedding: new Float32Array([1, 2]), scores: { cos: 0.5 }, uri: 'file:///b' },
    { id: 'c', blob: new Uint8Array([1, 2, 3]), location: [1, 2] },
  ])
const bytesOf = (docs: DocumentArray): Uint8Array => encodeMessage(emptyMessage({ docs }))
const wired = (): DocumentArray => decodeMessage(bytesOf(docs())).docs
const json = (value: unknown): string => JSON.stringify(value)

/** Bytes of a message with one document whose tags are broken behind its id. */
function broken(): Uint8Array {
  const bytes = encodeMessage(emptyMessage({ requestId: 'whose', docs: DocumentArray.from([{ id: 'a', tags: { key: 'value' } }]) }))
  const at = Buffer.from(bytes).indexOf('key')
  bytes[at - 1] = 100
  return bytes
}

test('C6: documents of a wire are documents', () => {
  const [a, b, c] = wired() as unknown as [Document, Document, Document]
  for (const document of [a, b, c]) assert.instance(document, Document)
  assert.is(Document.from(a), a)
  assert.equal([a.id, a.text, a.contentType, a.granularity, a.weight, a.uri], ['a', 'first', 'text', 0, undefined, undefined])
  assert.equal([b.uri, b.has('chunks'), a.has('chunks'), a.chunks.texts], ['file:///b', false, true, ['chunk']])
  assert.equal([...c.blob!], [1, 2, 3])
  assert.is(c.blob!.constructor, Uint8Array)
  assert.equal(json(wired()), json(DocumentArray.from(wired().map((document) => new Document(document.toJSON() as any)))))
  assert.match(inspect(wired()[0]), /^Document \{\s+id: 'a',\s+text: 'first',\s+tags: \{ n: 1/)
  assert.equal(wired().get('b')!.scores, { cos: { value: 0.5 } })
})

test('161: documents of a wire that are spread keep all of it, read or not, and go on as what they became', () => {
  for (const [at, document] of wired().entries()) {
    const copy = new Document({ ...document })
    assert.equal(json(copy), json(wired()[at]))
    const anew = Document.from({ ...wired()[at], text: 'new' } as object)
    assert.equal(json(decodeMessage(bytesOf(DocumentArray.from([anew]))).docs), json([new Document({ ...anew })]))
    assert.is(anew.text, 'new')
  }
})

test('C6: documents that nobody touches go on as the bytes they came in, wherever they stand', () => {
  const bytes = bytesOf(docs())
  // What we would write ourselves is shorter: the number 1 in two bytes is still the number 1.
  const at = Buffer.from(bytes).indexOf('first') - 1
  assert.is(bytes[at], 5)
  const message = decodeMessage(bytes)
  assert.equal(message.docs.map((document) => [document.id, document.text, document.contentType]).length, 3)
  assert.ok(Buffer.from(encodeMessage(message)).equals(bytes), 'after reading what cannot be changed')
  message.docs.reverse()
  const reversed = decodeMessage(encodeMessage(message)).docs
  assert.equal(reversed.map(({ id }) => id).join(''), 'cba')
  assert.is(json([...reversed].reverse()), json(wired()))
  const mixed = DocumentArray.from([wired()[0]!, { id: 'new' }, ...wired()])
  assert.is(
    decodeMessage(bytesOf(mixed))
      .docs.map(({ id }) => id)
      .join(' '),
    'a new a b c',
  )
})

test('145: a message with a document that is broken inside is refused when it is decoded, and says whose it is', () => {
  assert.throws(
    () => decodeMessage(broken()),
    (error: ProtoError) =>
      error.code === 'ERR_PROTO' && error.requestId === 'whose' && /100 bytes announced where \d+ are left, at byte \d+ of \d+/.test(error.message),
  )
})

const changes: Record<string, (document: Document<any>) => void> = {
  'setting a field': (document) => (document.text = 'other'),
  'setting the id': (document) => (document.id = 'other'),
  'writing into tags': (document) => (document.tags.deep.list[0] = 'other'),
  'writing into a chunk': (document) => (document.chunks[0]!.text = 'other'),
  'adding a match': (document) => document.matches.append('other'),
  'adding a score': (document) => (document.scores.other = { value: 1 }),
  merging: (document) => document.merge(new Document({ id: 'a', uri: 'other' })),
  'setting another content': (document) => (document.blob = new TextEncoder().encode('other')),
}
for (const [name, change] of Object.entries(changes)) {
  test(`C6: ${name} is not lost`, () => {
    const message = decodeMessage(bytesOf(docs()))
    change(message.docs[0]!)
    const again = decodeMessage(encodeMessage(message)).docs
    assert.equal(again.map(plainDocument), message.docs.map(plainDocument))
    assert.match(json([again, again[0]!.blob && Buffer.from(again[0]!.blob).toString()]), /other/)
  })
}

test('C6: writing into bytes that a document was handed is not lost', () => {
  const message = decodeMessage(bytesOf(docs()))
  message.docs[1]!.embedding!.data[0] = 7
  ;(message.docs[2]!.content as Uint8Array)[0] = 9
  const again = decodeMessage(encodeMessage(message)).docs
  assert.equal([...again[1]!.embedding!.data], [7, 2])
  assert.equal([...again[2]!.blob!], [9, 2, 3])
})

test('C6: clones are apart from each other', () => {
  const [document] = wired()
  const early = document!.clone()
  assert.instance(early, Document)
  document!.tags.n = 'other'
  const late = document!.clone()
  const listOf = ({ tags }: Document): unknown[] => (tags.deep as { list: unknown[] }).list
  listOf(late).push(2)
  assert.equal([early.id, early.tags.n, listOf(early)], ['a', 1, [1]])
  assert.equal([late.id, late.tags.n, listOf(document!)], ['a', 'other', [1]])
  assert.is(json(wired().clone()), json(wired()))
})

test('C6: a document without an id is given one, once', () => {
  const message = decodeMessage(Uint8Array.of(0x22, 6, 0x0a, 4, 0x0a, 2, 0x28, 1))
  const copy = message.docs[0]!.clone()
  const { id } = message.docs[0]!
  assert.match(id, /^[0-9a-f]{32}$/)
  assert.is(copy.id, id)
  assert.is(decodeMessage(encodeMessage(message)).docs[0]!.id, id)
})

test('C6: a document made here takes over what one of a wire has, whoever reads first', () => {
  const mine = new Document({ id: 'a', text: 'mine' })
  mine.merge(wired()[0]!)
  assert.equal([mine.text, mine.tags, mine.chunks.texts], ['mine', { n: 1, deep: { list: [1] } }, ['chunk']])
  const merged = docs().merge(wired())
  assert.is(merged.length, 3)
  assert.is(json(wired().merge(docs())), json(wired()))
})

test('C6: fields that nobody knows stay with a document, also when it is changed', () => {
  // Field 20 of Python's documents, and one that nobody has.
  const foreign = [0xa2, 0x01, 0x03, 0x0a, 0x01, 0x00, 0xa8, 0x1f, 0x01]
  const document = [0x0a, 0x01, 0x61, ...foreign]
  const bytes = Uint8Array.of(0x22, document.length + 4, 0x0a, document.length + 2, 0x0a, document.length, ...document)
  const message = decodeMessage(bytes)
  message.docs[0]!.text = 'text'
  for (const docs of [message.docs, message.docs.clone()]) assert.ok(Buffer.from(bytesOf(docs)).includes(Buffer.from(foreign)))
})

/** A message of docarray 0.x with one document, whose id stands twice. */
function renamed(): Document {
  const document = Buffer.concat([Buffer.of(0x0a, 1), Buffer.from('A'), Buffer.of(0x22, 1), Buffer.from('t'), Buffer.of(0x0a, 1), Buffer.from('B')])
  const within = (tag: number, inner: Buffer): Buffer => Buffer.concat([Buffer.of(tag, inner.length), inner])
  return decodeMessage(within(0x22, within(0x0a, within(0x0a, document)))).docs[0]!
}

test('211: of an id that stands twice in a document the last holds, whatever is asked for first', () => {
  const ways: ((document: Document) => unknown)[] = [
    () => {},
    (document) => document.id,
    (document) => document.text,
    (document) => document.tags,
    (document) => document.clone().id,
    (document) => document.toJSON(),
  ]
  for (const first of ways)
    for (const second of ways) {
      const document = renamed()
      first(document)
      second(document)
      assert.equal([document.id, document.text, document.clone().id], ['B', 't', 'B'], `${first} ${second}`)
      assert.is(decodeMessage(bytesOf(DocumentArray.from([document]))).docs[0]!.id, 'B')
    }
  const chunk = new Document({ id: 'outer' })
  chunk.chunks.push(renamed())
  assert.is(decodeMessage(bytesOf(DocumentArray.from([chunk]))).docs[0]!.chunks[0]!.id, 'B')
  assert.equal(
    DocumentArray.from([renamed()])
      .merge([new Document({ id: 'B', uri: 'b' })])
      .map(({ uri }) => uri),
    ['b'],
  )
})

/** Chunks in chunks. */
function nested(levels: number, innermost: Document = new Document({ id: 'in' })): Document {
  let document = innermost
  for (let i = 0; i < levels; i++) {
    const outer = new Document({ id: `${i}` })
    outer.chunks.push(document)
    document = outer
  }
  return document
}

for (const model of ['v1', 'v2'] as const)
  test(`211: ${model}: documents as they came are written only as deep as they can be read`, () => {
    const wired = (document: Document): Document =>
      decodeMessage(encodeMessage(emptyMessage({ docs: DocumentArray.from([document]) }), { model }), { model }).docs[0]!
    const deep: Record<string, () => Document> = {
      chunks: () => nested(40),
      tags: () => new Document({ id: 'in', tags: { value: JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`) } }),
    }
    for (const [name, make] of Object.entries(deep)) {
      const seen: string[] = []
      for (let levels = 45; levels < 65; levels++) {
        const docs = DocumentArray.from([nested(levels, wired(make()))])
        let bytes: Uint8Array
        try {
          bytes = encodeMessage(emptyMessage({ docs }), { model })
        } catch (error: any) {
          assert.is(error.code, 'ERR_DOCUMENT')
          assert.match(error.message, /100 levels/)
          seen.push('refused')
          continue
        }
        decodeMessage(bytes, { model })
        seen.push('read')
      }
      assert.equal([...new Set(seen)], ['read', 'refused'], name)
    }
    // Several behind each other, of which one is too deep.
    const both = decodeMessage(encodeMessage(emptyMessage({ docs: DocumentArray.from([{ id: 'flat' }, deep.chunks!()]) }), { model }), { model }).docs
    const outer = new Document({ id: 'outer' })
    outer.chunks.push(...both)
    assert.throws(() => encodeMessage(emptyMessage({ docs: DocumentArray.from([nested(62, outer)]) }), { model }), /100 levels/)
  })

test('211: a document that is kept and merged with what comes remembers a few messages, and has all of it', () => {
  const came = (at: number): Document => {
    const docs = DocumentArray.from([{ id: 'kept', tags: { [`n${at}`]: at } }])
    return decodeMessage(encodeMessage(emptyMessage({ docs }), { model: 'v2' }), { model: 'v2' }).docs[0]!
  }
  const kept = came(0)
  for (let at = 1; at < 100; at++) kept.merge(came(at))
  assert.is(originsOf(kept).length, 16)
  const again = decodeMessage(encodeMessage(emptyMessage({ docs: DocumentArray.from([kept]) }), { model: 'v2' }), { model: 'v2' }).docs[0]!
  assert.equal(Object.keys(again.tags).length, 100)
  assert.is(again.tags.n99, 99)
})

test.run()
