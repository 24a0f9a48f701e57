import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { newId } from '../../lib/doc/id.js'
import { Document, DocumentArray } from '../../lib/index.js'

/** How many ids were made since an id. */
const since = (id: string): number => Number.parseInt(newId().slice(24), 16) - Number.parseInt(id.slice(24), 16) - 1

test('D1: an id is 32 hex digits, and no other is the same', () => {
  const ids = Array.from({ length: 10_000 }, newId)
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/)
  assert.is(new Set(ids).size, ids.length)
})

test('D1: an id is made when it is read, once', () => {
  const before = newId()
  const documents: DocumentArray<Document<{ a: number }>> = DocumentArray.from(['a', { text: 'b' }, Uint8Array.of(1), { tags: { a: 1 } }, { id: 'given' }])
  documents[0]!.text += '!'
  assert.is(documents.texts.length + documents[3]!.tags.a, 6)
  for (const _ of documents.traverse('r')) void documents[2]!.has('chunks')
  assert.is(since(before), 0)
  const { id } = documents[0]!
  assert.is(documents[0]!.id, id)
  assert.is(documents[4]!.id, 'given')
  assert.is(since(before), 2, 'one by the document, one by the first look')
})

test('D1: an empty id is none', () => {
  assert.match(new Document({ id: '' }).id, /^[0-9a-f]{32}$/)
  const document = new Document({ id: 'a' })
  document.id = ''
  assert.match(document.id, /^[0-9a-f]{32}$/)
})

test('D1: any other text is an id', () => {
  fc.assert(fc.property(fc.string({ minLength: 1 }), (id) => new Document({ id }).id === id))
})

test.run()
