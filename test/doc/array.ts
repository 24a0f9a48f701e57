import { inspect } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Document, DocumentArray, DocumentError, OptionTypeError } from '../../lib/index.js'

const abc = (): DocumentArray => DocumentArray.from(['a', 'b', 'c'].map((id) => ({ id, text: id.toUpperCase() })))
const ids = (documents: Iterable<Document>): string => Array.from(documents, ({ id }) => id).join('')

test('D2: made from whatever documents are made from; documents are taken as they are', () => {
  const document = new Document({ text: 'x' })
  const documents = DocumentArray.from(new Set([document, 'text', Uint8Array.of(1), { text: 'y' }]))
  assert.instance(documents, DocumentArray)
  assert.is(documents.length, 4)
  assert.is(documents[0], document)
  for (const one of documents) assert.instance(one, Document)
  assert.equal(documents.texts, ['x', 'text', '', 'y'])
  assert.is(new DocumentArray().length, 0)
  assert.throws(
    () => DocumentArray.from(['a', 5 as any]),
    (error: unknown) => error instanceof DocumentError,
  )
})

test('D2: append and extend take what documents are made from', () => {
  const documents = abc()
  assert.is(documents.append({ id: 'd' }), documents[3])
  assert.is(documents.extend(['x', { id: 'e' }]), documents)
  assert.is(documents[5]!.id, 'e')
  const many = new DocumentArray().extend(Array.from({ length: 300_000 }, () => 'x'))
  assert.is(many.length, 300_000)
})

test('D2: columns', () => {
  const documents = DocumentArray.from<any>(['a', Uint8Array.of(1), { embedding: [1, 2] }])
  assert.equal(documents.texts, ['a', '', ''])
  assert.equal(documents.contents, ['a', Uint8Array.of(1), undefined])
  assert.equal(documents.embeddings, [undefined, undefined, { data: Float64Array.of(1, 2), shape: [2] }])
})

test('D2: it is an array; what is made by map, filter and slice is a plain one', () => {
  const documents = abc()
  assert.ok(Array.isArray(documents))
  for (const made of [
    documents.map(({ text }) => text),
    documents.filter(() => true),
    documents.slice(1),
    documents.concat([]),
    documents.flatMap((one) => [one]),
    documents.splice(0, 1),
  ])
    assert.is(Object.getPrototypeOf(made), Array.prototype)
  assert.is(ids(documents), 'bc', 'splice was in place')
  assert.is(documents.at(-1)!.id, 'c')
  assert.is(ids(documents.reverse()), 'cb')
})

test('D2: by id, also after the array was changed', () => {
  const documents = abc()
  assert.is(documents.get('b'), documents[1])
  assert.is(documents.get('x'), undefined)
  documents.unshift(new Document({ id: 'x' }))
  assert.is(documents.get('x'), documents[0])
  assert.is(documents.get('b'), documents[2])
  documents.splice(2, 1)
  assert.is(documents.get('b'), undefined)
  documents[0]!.id = 'y'
  assert.is(documents.get('x'), undefined)
  assert.is(documents.get('y'), documents[0])
  documents[1] = new Document({ id: 'z' })
  assert.is(documents.get('z'), documents[1])
  assert.is(documents.get('a'), undefined)
  documents.length = 0
  assert.is(documents.get('z'), undefined)
  documents.append({ id: 'z' })
  assert.is(documents.get('z'), documents[0])
})

test('D2: of several with one id, the first', () => {
  const documents = DocumentArray.from([{ id: 'a' }, { id: 'b' }, { id: 'a' }])
  assert.is(documents.get('a'), documents[0])
})

test('D2: traversal goes to chunks and matches, depth first', () => {
  const documents = DocumentArray.from([
    {
      id: '1',
      chunks: [
        { id: '2', matches: [{ id: '3' }] },
        { id: '4', chunks: [{ id: '5' }] },
      ],
    },
    { id: '6', matches: [{ id: '7', matches: [{ id: '8' }] }] },
  ])
  for (const [paths, found] of [
    ['', '16'],
    ['r', '16'],
    ['c', '24'],
    ['m', '7'],
    ['cm', '3'],
    ['cc', '5'],
    ['mm', '8'],
    ['rc', '24'],
    ['cr', '24'],
    ['mc', ''],
    ['r, c ,cm', '16243'],
  ] as const) {
    assert.is(ids(documents.traverse(paths)), found, paths)
    const flat = documents.traverseFlat(paths)
    assert.instance(flat, DocumentArray)
    assert.is(ids(flat), found)
  }
  for (const paths of ['x', 'c,x', 'C', 'c;m', 5])
    assert.throws(
      () => documents.traverse(paths as any),
      (error: unknown) => error instanceof OptionTypeError,
    )
})

test('D2: the documents that are traversed are those of the tree', () => {
  const documents = DocumentArray.from([{ chunks: ['a', 'b'] }])
  for (const chunk of documents.traverse('c')) chunk.text += '!'
  assert.equal(documents[0]!.chunks.texts, ['a!', 'b!'])
})

test('E9: a clone is another array of other documents', () => {
  const documents = abc()
  const copy = documents.clone()
  assert.instance(copy, DocumentArray)
  copy[0]!.text = 'x'
  copy.pop()
  assert.equal(documents.texts, ['A', 'B', 'C'])
})

test('E9, 166: merge unites by id, the n-th of an id with the n-th, and loses none; the first wins, others come behind in their order', () => {
  const left = DocumentArray.from([{ id: 'a', text: 'left' }, { id: 'b' }, { id: 'a', uri: 'second of its id' }])
  const right = DocumentArray.from([
    { id: 'd' },
    { id: 'b', text: 'right' },
    { id: 'a', text: 'no', uri: 'yes' },
    { id: 'd', text: 'again' },
    { id: 'c' },
    { id: 'a', text: 'the second' },
  ])
  assert.is(left.merge(right), left)
  assert.equal(
    left.map(({ id, text, uri }) => [id, text, uri]),
    [
      ['a', 'left', 'yes'],
      ['b', 'right', undefined],
      ['a', 'the second', 'second of its id'],
      ['d', '', undefined],
      ['d', 'again', undefined],
      ['c', '', undefined],
    ],
  )
})

test('an array prints its documents', () => {
  assert.is(inspect(DocumentArray.from([{ id: 'a', text: 'x' }])), "DocumentArray(1) [ Document { id: 'a', text: 'x' } ]")
  assert.is(JSON.stringify(DocumentArray.from([{ id: 'a' }])), '[{"id":"a"}]')
})

test.run()
