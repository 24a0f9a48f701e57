import { inspect, isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Call, Document, DocumentArray, DocumentError, type DocumentInit, Flow } from '../../lib/index.js'

const full = (): DocumentInit => ({
  id: 'a',
  text: 'some text',
  embedding: [0.5, -1],
  uri: 'file:///a',
  mimeType: 'text/plain',
  tags: { lang: 'en', deep: { list: [1, { two: 2 }] } },
  weight: 0.25,
  chunks: [{ id: 'chunk', text: 'some' }],
  matches: [{ id: 'match', scores: { cos: 0.9 } }],
  scores: { cos: { value: 0.5, opName: 'cosine', description: 'how near', refId: 'q' } },
  evaluations: { ndcg: 1 },
  parentId: 'p',
  granularity: 1,
  adjacency: 2,
  modality: 'text',
  offset: 3.5,
  location: [1, 2.5],
})

/** The same fields as `full()`, as a document gives them back. */
const read = (document: Document): object => ({ ...document.toJSON(), content: document.content, contentType: document.contentType })

const refused = (init: unknown, field: string): void =>
  assert.throws(
    () => Document.from(init as any),
    (error: any) => error instanceof DocumentError && error.code === 'ERR_DOCUMENT' && error.message.startsWith(field),
    `${field} of ${inspect(init)}`,
  )

test('D1: every field comes back as it was given', () => {
  const document = new Document(full())
  const { chunks, matches, embedding, evaluations, scores, ...plain } = full()
  for (const [field, value] of Object.entries(plain)) assert.equal((document as any)[field], value, field)
  assert.equal(document.embedding, { data: Float64Array.of(0.5, -1), shape: [2] })
  assert.equal(document.scores, scores)
  assert.equal(document.evaluations, { ndcg: { value: 1 } })
  assert.instance(document.chunks, DocumentArray)
  assert.equal(document.chunks.texts, ['some'])
  assert.equal(document.matches[0]!.scores, { cos: { value: 0.9 } })
})

test('D1: every field can be set, and unset', () => {
  const document: any = new Document()
  for (const [field, value] of Object.entries(full())) document[field] = value
  assert.equal(JSON.stringify(document), JSON.stringify(new Document(full())))
  for (const field of ['text', 'embedding', 'uri', 'mimeType', 'weight', 'parentId', 'modality', 'offset', 'location']) document[field] = undefined
  assert.equal(Object.keys(document.toJSON()).sort(), ['adjacency', 'chunks', 'evaluations', 'granularity', 'id', 'matches', 'scores', 'tags'])
})

test('D1: what is missing has a harmless default', () => {
  const document = new Document()
  assert.equal([document.text, document.blob, document.tensor, document.content, document.contentType], ['', undefined, undefined, undefined, undefined])
  assert.equal([document.tags, document.scores, document.evaluations, [...document.chunks], [...document.matches]], [{}, {}, {}, [], []])
  assert.equal([document.granularity, document.adjacency, document.weight, document.embedding], [0, 0, undefined, undefined])
  assert.equal(document.toJSON(), { id: document.id })
})

test('D1: a document is made from fields, text, bytes, a typed array or a tensor', () => {
  const bytes = Uint8Array.of(1)
  const floats = Float32Array.of(1, 2)
  const tensor = { data: floats, shape: [1, 2] }
  assert.is(Document.from('').contentType, 'text')
  assert.is(Document.from('a').text, 'a')
  assert.is(Document.from(bytes).blob, bytes)
  assert.is(Document.from(floats).tensor!.data, floats)
  assert.is(Document.from(tensor).tensor, tensor)
  assert.is(Document.from({ text: 'a' }).text, 'a')
  assert.is(Document.from(Object.assign(Object.create(null), { text: 'a' })).text, 'a')
  class Row {
    text = 'a'
  }
  assert.is(Document.from(new Row()).text, 'a')
  const document = new Document()
  assert.is(Document.from(document), document)
})

test('D1: what is no document is refused, and not taken for an empty one', () => {
  const wrong = [
    null,
    undefined,
    5,
    true,
    5n,
    Symbol('a'),
    () => {},
    [],
    [{}],
    new Map(),
    new Set(['a']),
    new ArrayBuffer(4),
    new DataView(new ArrayBuffer(4)),
    Promise.resolve({}),
  ]
  for (const value of wrong)
    assert.throws(
      () => Document.from(value as any),
      (error: unknown) => error instanceof DocumentError,
      inspect(value),
    )
  assert.throws(() => Document.from(Promise.resolve({}) as any), /await it/)
  for (const value of ['text', 5, new Document({ text: 'a' })]) assert.throws(() => new Document(value as any), /must be its fields/)
})

test('D1: there is one content, whichever was set last', () => {
  const document = new Document({ text: 'a' })
  document.blob = Uint8Array.of(1)
  assert.equal([document.text, document.contentType], ['', 'blob'])
  document.tensor = [1, 2]
  assert.equal([document.blob, document.contentType], [undefined, 'tensor'])
  document.text = 'b'
  assert.equal([document.tensor, document.contentType, document.content], [undefined, 'text', 'b'])
  document.blob = undefined
  document.tensor = undefined
  assert.is(document.text, 'b', 'unsetting another content leaves this one')
  document.text = undefined
  assert.is(document.content, undefined)
})

test('D1: content is set by its type', () => {
  const document = new Document({ content: 'a' })
  assert.is(document.text, 'a')
  document.content = Uint8Array.of(1)
  assert.is(document.contentType, 'blob')
  document.content = Float32Array.of(1)
  assert.is(document.contentType, 'tensor')
  document.content = [[1]]
  assert.equal(document.tensor!.shape, [1, 1])
  document.content = undefined
  assert.is(document.contentType, undefined)
})

test("documents that differ are unequal to node's assert, and to Jest, which ask for what is set", () => {
  const like = { text: 'a', tags: { n: 1 } }
  const others = [
    { text: 'b', tags: { n: 1 } },
    { text: 'a' },
    { text: 'a', tags: { n: 2 } },
    { ...like, chunks: [{ id: 'c' }] },
    { ...like, id: 'x' },
    { blob: 'AQ==' },
    {},
  ]
  // As Jest's and Vitest's equals() begin.
  const jest = (one: unknown, other: unknown) => Object.prototype.toString.call(one) === Object.prototype.toString.call(other)
  const all = [like, ...others]
  for (const [at, one] of all.entries())
    for (const [beside, other] of all.entries()) {
      const [left, right] = [new Document(one), new Document(other)]
      assert.is(isDeepStrictEqual(left, right), at === beside, `${left} and ${right}`)
      assert.is(isDeepStrictEqual(DocumentArray.from([left]), DocumentArray.from([right])), at === beside)
      assert.is(jest(left, right), at === beside)
    }
  const named = new Document(like)
  const { id } = named
  assert.not(isDeepStrictEqual(named, new Document(like)))
  assert.ok(isDeepStrictEqual(named, new Document({ ...like, id })))
  assert.is(named.id, id)
  assert.match(`${new Document({ tags: { n: 1n } })}`, /^\[object Document .*BigInt/, 'what no JSON can say throws nothing')
})

test('`{ ...doc, content: undefined }` leaves the content out, whichever it is', () => {
  for (const init of [{ text: 'a' }, { blob: Uint8Array.of(1) }, { tensor: [1, 2] }]) {
    const document = new Document({ ...init, tags: { n: 1 } })
    const without = new Document({ ...document, content: undefined })
    assert.is(without.content, undefined)
    assert.equal(without.tags, { n: 1 })
    assert.is(new Document({ ...document, content: 'new' }).text, 'new')
  }
})

test("D1: Jina's names are understood, null is nothing", () => {
  const document = new Document({ mime_type: 'a/b', parent_id: 'p', buffer: 'AQ==', weight: null, tags: null, id: null } as any)
  assert.equal([document.mimeType, document.parentId, [...document.blob!], document.weight, document.tags], ['a/b', 'p', [1], undefined, {}])
})

test('D1, R97: unknown keys become tags, in whatever order they come', () => {
  assert.equal(new Document({ prop: 1, tags: { a: 2 }, other: { b: 3 } } as any).tags, { prop: 1, a: 2, other: { b: 3 } })
})

test('D1: tags are copied one level deep, bytes and tensors are shared', () => {
  const tags = { a: 1, deep: { b: 2 } }
  const document = new Document({ tags })
  document.tags.a = 5
  assert.is(tags.a, 1)
  assert.is(document.tags.deep, tags.deep)
  const embedding = Float32Array.of(1)
  assert.is(new Document({ embedding }).embedding!.data, embedding)
})

test('R98: a wrong field is refused by its name', () => {
  for (const field of ['id', 'text', 'uri', 'mimeType', 'parentId', 'modality']) refused({ [field]: 5 }, `${field} must be a string, not 5`)
  for (const field of ['weight', 'offset']) refused({ [field]: '5' }, `${field} must be a number, not "5"`)
  for (const field of ['granularity', 'adjacency'])
    for (const value of [-1, 1.5, NaN, Infinity, '1']) refused({ [field]: value }, `${field} must be an integer`)
  for (const field of ['chunks', 'matches']) for (const value of ['text', 5, {}]) refused({ [field]: value }, `${field} must be a list of documents`)
  for (const field of ['scores', 'evaluations']) {
    for (const value of [5, [], 'a', new Map()]) refused({ [field]: value }, `${field} must be an object of scores`)
    for (const value of [{}, null, 'a', { value: '1' }]) refused({ [field]: { cos: value } }, `${field}.cos.value must be a number`)
    refused({ [field]: { cos: { value: 1, op_name: 5 } } }, `${field}.cos.opName must be a string`)
  }
  for (const value of [5, 'a', []]) refused({ tags: value }, 'tags must be an object')
  for (const value of [5, {}, ['a'], 'a']) refused({ location: value }, 'location must be a list of numbers')
  for (const value of ['?', 'A', 5, {}, [1]]) refused({ blob: value }, 'blob must be')
  for (const field of ['tensor', 'embedding', 'content']) for (const value of [{}, true, ['a'], [[1], [1, 2]]]) refused({ [field]: value }, field)
  const document = new Document({ text: 'kept' })
  assert.throws(() => {
    document.text = 5 as any
  }, /text must be a string/)
  assert.throws(() => {
    document.tags = null as any
  }, /tags must be/)
  assert.is(document.text, 'kept')
})

test('R81: keys that name prototypes are data or refused, and pollute nothing', () => {
  const bad = '{"polluted":true}'
  refused(JSON.parse(`{"__proto__":${bad}}`), 'A document cannot have')
  refused({ scores: JSON.parse('{"__proto__":{"value":1}}') }, 'scores cannot have')
  const json = `{"id":"a","constructor":${bad},"prototype":${bad},"toString":1,"tags":{"__proto__":${bad},"deep":{"__proto__":${bad}}},"scores":{"constructor":1},"chunks":[{"tags":{"__proto__":${bad}}}]}`
  const document = new Document(JSON.parse(json))
  const copies = [
    document,
    document.clone(),
    new Document({ id: 'a' }).merge(document),
    document.clone().merge(document.clone()),
    new Document(JSON.parse(JSON.stringify(document))),
  ]
  for (const copy of copies) {
    const tags: any = copy.tags
    assert.is(tags.polluted, undefined)
    assert.is(tags.deep.polluted, undefined)
    assert.is(Object.getPrototypeOf(tags), Object.prototype)
    assert.is(Object.getPrototypeOf(tags.deep), Object.prototype)
    assert.equal(Object.getOwnPropertyDescriptor(tags, '__proto__')?.value, { polluted: true })
    assert.equal([tags.constructor, tags.toString], [{ polluted: true }, 1])
    assert.is((copy.chunks[0]!.tags as any).polluted, undefined)
    assert.equal(copy.scores.constructor as any, { value: 1 })
  }
  for (const fresh of [{}, [], new Document(), new DocumentArray()] as any[]) assert.is(fresh.polluted, undefined)
})

test('E9: a clone has the same id and shares nothing that is changed in place', () => {
  const document = new Document<any>({ ...full(), id: undefined, text: undefined, blob: Uint8Array.of(1) })
  const before = JSON.stringify(document)
  const copy = document.clone()
  assert.is(JSON.stringify(copy), before)
  assert.is(copy.blob, document.blob, 'bytes are shared')
  assert.is(copy.embedding, document.embedding)
  copy.tags.lang = 'fr'
  copy.tags.deep.list[1].two = 3
  copy.tags.deep.list.push(4)
  copy.scores.cos!.value = 0
  copy.scores.more = { value: 1 }
  copy.evaluations.ndcg!.value = 0
  ;(copy.location as number[]).push(9)
  copy.chunks[0]!.text = 'other'
  copy.chunks.append('another')
  copy.matches[0]!.scores.cos!.value = 0
  copy.matches.pop()
  copy.text = 'text'
  copy.uri = 'x'
  copy.embedding = [9]
  copy.id = 'other'
  assert.is(JSON.stringify(document), before)
})

test("E9: merge fills what is empty, and leaves what is set: Jina's reduce", () => {
  const left = new Document<any>({
    id: 'a',
    text: 'left',
    uri: '',
    weight: 0,
    tags: { a: 1, both: 'left' },
    scores: { cos: 1 },
    matches: [{ id: 'm1' }, { id: 'm2', text: '' }],
  })
  const right = new Document<any>({
    ...full(),
    tags: { b: 2, both: 'right' },
    scores: { cos: 2, dot: 3 },
    matches: [{ id: 'm3' }, { id: 'm2', text: 'found' }, { id: 'm1', uri: 'u' }],
  })
  assert.is(left.merge(right), left)
  assert.equal([left.id, left.text, left.uri, left.weight, left.granularity], ['a', 'left', 'file:///a', 0.25, 1])
  assert.equal(left.tags, { a: 1, b: 2, both: 'left' })
  assert.equal(left.scores, { cos: { value: 1 }, dot: { value: 3 } })
  assert.equal(
    left.matches.map(({ id, text, uri }) => [id, text, uri]),
    [
      ['m1', '', 'u'],
      ['m2', 'found', undefined],
      ['m3', '', undefined],
    ],
  )
  assert.equal(left.chunks.texts, ['some'])
  assert.is(new Document({ text: '' }).merge(new Document({ blob: Uint8Array.of(1) })).contentType, 'blob')
  assert.is(new Document({ text: 'a' }).merge(new Document({ blob: Uint8Array.of(1) })).contentType, 'text')
})

const name = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => text !== '__proto__')
const numbers = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
const score = fc.record({ value: numbers, opName: fc.string(), description: fc.string(), refId: fc.string() }, { requiredKeys: ['value'] })
const content = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => ({ text })),
  fc.uint8Array().map((blob) => ({ blob })),
  fc.array(numbers).map((tensor) => ({ tensor })),
  fc.constant({}),
)
const { document: arbitrary } = fc.letrec<{ document: DocumentInit; documents: DocumentInit[] }>((tie) => ({
  documents: fc.array(tie('document'), { maxLength: 2, depthIdentifier: 'documents' }),
  document: fc
    .tuple(
      content,
      fc.record(
        {
          id: name,
          embedding: fc.array(numbers, { maxLength: 3 }),
          uri: fc.string(),
          mimeType: fc.string(),
          tags: fc.dictionary(name, fc.jsonValue({ maxDepth: 1 })),
          weight: numbers,
          scores: fc.dictionary(name, score, { maxKeys: 2 }),
          evaluations: fc.dictionary(name, score, { maxKeys: 2 }),
          parentId: fc.string(),
          granularity: fc.nat(),
          adjacency: fc.nat(),
          modality: fc.string(),
          offset: numbers,
          location: fc.array(numbers, { maxLength: 3 }),
          chunks: fc.oneof({ depthIdentifier: 'documents', maxDepth: 2 }, fc.constant([]), tie('documents')),
          matches: fc.oneof({ depthIdentifier: 'documents', maxDepth: 2 }, fc.constant([]), tie('documents')),
        },
        { requiredKeys: ['id'] },
      ),
    )
    .map(([content, fields]) => ({ ...content, ...fields }) as DocumentInit),
}))

test('D1: any document survives JSON', () => {
  fc.assert(
    fc.property(arbitrary, (init) => {
      const document = new Document(init)
      const json = JSON.stringify(document)
      const again = new Document(JSON.parse(json))
      assert.is(JSON.stringify(again), JSON.stringify(document.clone()), 'a copy says the same')
      assert.equal(JSON.parse(JSON.stringify(again)), JSON.parse(json))
      assert.is(again.contentType, document.contentType)
    }),
    { numRuns: 300 },
  )
})

test('E9: merging is deterministic, and a second time changes nothing', () => {
  fc.assert(
    fc.property(arbitrary, arbitrary, (a, b) => {
      const merged = () => new Document({ ...a, id: 'x' }).merge(new Document({ ...b, id: 'x' }))
      const json = JSON.stringify(merged())
      assert.is(JSON.stringify(merged()), json)
      const again = JSON.stringify(merged().merge(new Document({ ...b, id: 'x' })))
      assert.equal(JSON.parse(again), JSON.parse(json))
    }),
    { numRuns: 200 },
  )
})

test('D1: JSON has base64 for bytes, nested lists for tensors, and nothing that is not set', () => {
  assert.equal(new Document({ id: 'a', blob: Uint8Array.of(1, 2, 3) }).toJSON(), { id: 'a', blob: 'AQID' })
  assert.equal(new Document({ id: 'a', tensor: { data: Float32Array.of(1, 2), shape: [1, 2] } }).toJSON(), { id: 'a', tensor: [[1, 2]] })
  assert.equal(new Document({ id: 'a', tags: {}, chunks: [], scores: {}, uri: undefined }).toJSON(), { id: 'a' })
  assert.equal(read(new Document({ id: 'a', tensor: { data: Float32Array.of(7), shape: [] } })), {
    id: 'a',
    tensor: 7,
    content: { data: Float32Array.of(7), shape: [] },
    contentType: 'tensor',
  })
})

test('a document prints what it holds', () => {
  assert.is(inspect(new Document({ id: 'a', text: 'hello', tags: { n: 1 } })), "Document { id: 'a', text: 'hello', tags: { n: 1 } }")
  assert.is(inspect(new Document({ id: 'a', weight: 1 })), "Document { id: 'a', weight: 1 }")
})

test('161: what stands behind getters is read; what says nothing of a document is refused', () => {
  class Row {
    readonly #values = { id: '7', text: 'a row', tags: { lang: 'en' }, weight: 2 }
    get id() {
      return this.#values.id
    }
    get text() {
      return this.#values.text
    }
    get tags() {
      return this.#values.tags
    }
    get weight() {
      return this.#values.weight
    }
    extra = 'own'
    save() {}
  }
  assert.equal(Document.from(new Row() as any).toJSON(), { id: '7', text: 'a row', tags: { lang: 'en', extra: 'own' }, weight: 2 })
  class Silent {
    get other() {
      return 1
    }
  }
  for (const nothing of [new Silent(), new (class {})(), new Response('body'), new Request('http://a.b'), new Blob(['x'])])
    assert.throws(
      () => Document.from(nothing as any),
      (error: any) => error.code === 'ERR_DOCUMENT' && /not from a.* without any$/.test(error.message),
    )
})

test('161: an object of which nothing is taken is refused, and told what structuredClone() leaves of a Document', async () => {
  const doc = new Document({ text: 'hello', tags: { lang: 'en' } })
  for (const nothing of [structuredClone(doc), {}, Object.create(null)])
    assert.throws(
      () => Document.from(nothing),
      (error: any) => error.code === 'ERR_DOCUMENT' && /structuredClone\(\).*doc\.toJSON\(\).*doc\.clone\(\)/.test(error.message),
    )
  await using flow = await new Flow().add({}).open()
  const error: any = await flow
    .post('/', structuredClone([doc]))
    .drain()
    .catch((error) => error)
  assert.match(error.message, /^Input 0 of post\(\) is not a document: .*toJSON/)
  assert.equal((await flow.post('/', structuredClone(doc.toJSON())).docs())[0]!.toJSON(), doc.toJSON())
  // These say what they are: empty.
  for (const empty of [{ text: undefined }, { tags: {} }, { chunks: [] }] as any[]) assert.is(Document.from(empty).text, '')
  assert.is(new Document({}).text, '')
})

test('161: a document that is spread, or assigned to another object, keeps id, content, tags and all else; what is said anew counts', () => {
  const fields = {
    text: 'hello',
    tags: { lang: 'en' },
    weight: 0,
    offset: 3,
    embedding: [1, 2],
    chunks: ['part'],
    matches: ['found'],
    scores: { s: 1 },
    location: [1],
  }
  const doc = new Document(fields)
  for (const like of [{ ...doc }, Object.assign({}, doc), { ...{ ...doc } }] as object[])
    for (const copy of [Document.from(like), new Document(like), new Document({ chunks: [like] }).chunks[0]!]) {
      assert.equal(copy.toJSON(), doc.toJSON())
      assert.is.not(copy.tags, doc.tags)
      assert.is.not(copy.chunks, doc.chunks)
    }
  const anew = Document.from({ ...doc, text: 'HELLO', tags: { n: 1 }, weight: undefined, lang: 'de', chunks: [] } as object)
  const { weight: _, chunks: __, ...rest } = doc.toJSON()
  assert.equal(anew.toJSON(), { ...rest, text: 'HELLO', tags: { n: 1, lang: 'de' } })
  assert.equal([doc.text, doc.tags, doc.weight, doc.chunks.length], ['hello', { lang: 'en' }, 0, 1])
  assert.is.not(Document.from({ ...doc, id: undefined } as object).id, doc.id)
  const bytes = Uint8Array.of(1)
  for (const content of ['text', '', bytes, new Float32Array(2)]) {
    const doc = new Document({ content })
    const type = doc.contentType!
    assert.is(Document.from({ ...doc } as object).contentType, type)
    assert.is(Document.from({ ...doc, [type]: undefined } as object).contentType, undefined)
    assert.is(Document.from({ ...doc, blob: bytes } as object).blob, bytes)
    assert.is(Document.from({ ...doc, text: 'new' } as object).text, 'new')
    assert.is(Document.from({ ...doc, content: 'new' } as object).text, 'new')
  }
  assert.is(Document.from({ ...new Document({ id: 'e' }) } as object).contentType, undefined)
})

test('161: what a spread takes along shows nowhere else', () => {
  const doc = new Document({ id: 'a', text: 'hello' })
  assert.equal([Object.keys(doc), JSON.stringify(doc), inspect(doc)], [[], '{"id":"a","text":"hello"}', "Document { id: 'a', text: 'hello' }"])
  for (const _ in doc) assert.unreachable()
  assert.equal(doc, new Document({ id: 'b' })) // of uvu's, as it was: accessors are not compared
  assert.equal(doc.clone().toJSON(), doc.toJSON())
  assert.is(Document.from({ ...doc.clone() } as object).text, 'hello')
})

test('161: what is returned bare may be spread, or of another copy of the library', async () => {
  const { Document: Other, Executor: OtherExecutor } = (await import('sluice')) as unknown as typeof import('../../lib/index.js')
  const returns: [string, (doc: Document) => any, string[]][] = [
    ['spread', (doc) => ({ ...doc, text: doc.text.toUpperCase() }), ['x', 'HELLO']],
    ['spread in a list', (doc) => [{ ...doc, text: doc.text.toUpperCase() }], ['x', 'HELLO']],
    ['foreign', () => new Other({ id: 'f', text: 'foreign' }), ['f', 'foreign']],
    ['foreign and spread', () => ({ ...new Other({ id: 'f', text: 'foreign' }) }), ['f', 'foreign']],
  ]
  for (const [how, uses, expected] of returns) {
    await using flow = await new Flow().add({ uses: ({ docs }: Call) => uses(docs[0]!) }).open()
    const [doc] = await flow.post('/', { id: 'x', text: 'hello' }).docs()
    assert.equal([doc!.id, doc!.text, doc instanceof Document], [...expected, true], how)
  }
  class Stranger extends OtherExecutor {}
  const whys: [any, RegExp][] = [
    [Stranger, /another copy of sluice/],
    [class {}, /does not extend/],
  ]
  for (const [uses, why] of whys) {
    const error: any = await new Flow()
      .add({ uses })
      .open()
      .catch((error) => error)
    assert.equal([error.code, why.test(error.message)], ['ERR_USES_INVALID', true], error.message)
  }
})

test('161: a Document of a second copy of the library is one', async () => {
  const { Document: Other, DocumentArray: Others, ...lib } = (await import('sluice')) as unknown as typeof import('../../lib/index.js')
  assert.is.not(Other, Document)
  const fields = { id: 'x', tags: { a: 1 }, embedding: Float32Array.of(1, 2), chunks: [{ id: 'c', text: 'part' }], scores: { s: 2 }, mimeType: 'text/plain' }
  for (const content of [{ text: 'hello' }, { blob: Uint8Array.of(1) }, { tensor: Float64Array.of(1, 2) }, {}]) {
    const theirs = new Other({ ...fields, ...content })
    assert.is(JSON.stringify(Document.from(theirs as any)), JSON.stringify(theirs))
  }
  await using flow = await new lib.Flow().add({ uses: () => [new Document({ id: 'n', text: 'returned' })] as any }).open()
  for (const inputs of [new Document({ id: 'x' }), [new Document({ id: 'x' })], DocumentArray.from([{ id: 'x' }])] as any[]) {
    const docs = await flow.post('/', inputs).docs()
    assert.equal([docs[0] instanceof Other, docs[0]!.id, docs.texts], [true, 'n', ['returned']])
  }
})

test.run()
