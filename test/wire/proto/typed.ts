import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Document, DocumentArray } from '../../../lib/index.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { mutated, random } from '../../support/mutated.js'
import { bytesOfMessage, documentsIn, type Fields, fields, type Node, readAllOf, sorted } from './nodes.js'

const V2 = { model: 'v2' } as const
const text = (text: string): Node => ['text', text]
const int = (value: number): Node => ['integer', value]
const float = (value: number): Node => ['float', value]
const none: Node = ['none']
const id: Node = ['text', 'a', 'id']
const array = (dtype: string, size: number, shape: number[], type = 'ndarray'): Node => {
  const count = shape.reduce((product, size) => product * size, 1)
  return ['ndarray', { dtype, shape, bytes: Uint8Array.from({ length: count * size }, (_, i) => i % 2) }, type]
}
const part = (id: string, more: Record<string, Node> = {}): Fields => fields({ id: ['text', id, 'id'], text: text(''), ...more })

const read = (...documents: Fields[]): DocumentArray => decodeMessage(bytesOfMessage(documents), V2).docs
const written = (docs: Iterable<Document>): Fields[] => documentsIn(encodeMessage(emptyMessage({ docs: DocumentArray.from(docs) }), V2))
/** What becomes of a document's fields when somebody does something with it. */
const after = (given: Record<string, Node>, work: (document: Document<any>) => Document | void): Fields => {
  const [document] = read(fields({ id, ...given }))
  return written([work(document!) ?? document!])[0]!
}
const expected = (given: Record<string, Node>): Fields => sorted(fields({ id, ...given }))

/** All ways of an executor that only reads. */
const READERS: Record<string, (document: Document<any>) => Document | void> = {
  reads: readAllOf,
  copies: (document) => document.clone(),
  'reads and copies': (document) => {
    readAllOf(document)
    const copy = document.clone()
    readAllOf(copy)
    return copy.clone()
  },
  'merges copies': (document) => {
    readAllOf(document)
    return document.clone().merge(document.clone()).merge(document.clone())
  },
}

const OTHERWISE: Record<string, Record<string, Node>> = {
  'chunks: List[str]': { chunks: ['list', [text('a'), text('b')]] },
  'embedding: List[float]': { embedding: ['list', [float(0.5), float(2)]] },
  'location: str': { location: text('here') },
  'location: List[float]': { location: ['list', [float(1), float(2)]] },
  'uri: int': { uri: int(7) },
  'weight: bool': { weight: ['boolean', true] },
  'scores: Dict[str, float]': { scores: ['dict', fields({ cos: float(0.5), one: float(1) })] },
  'evaluations: Dict[str, Any]': { evaluations: ['dict', fields({ f: ['dict', fields({ value: float(1), op_name: ['none'], more: int(1) })] })] },
  'text: List[str]': { text: ['list', [text('a')]] },
  'text: bytes, blob: str, tensor: Dict': { text: ['blob', Uint8Array.of(1)], blob: text('b'), tensor: ['dict', fields({ a: int(1) })] },
  'tags: List[int]': { tags: ['list', [int(1), float(1)]] },
  'matches: Dict[str, List[Doc]]': { matches: ['dict', fields({ x: ['list', [['doc', part('p')]]], y: ['list', []] })] },
  'tags: DocDict[Doc], and another': { tags: ['doc_dict', new Map([['x', part('p', { n: int(1) })]])], other: ['doc_dict', new Map([['y', part('q')]])] },
  'tags: DocDict[Doc], empty': { tags: ['doc_dict', new Map()] },
  'List[Doc], DocList[Doc], Doc, Set, Tuple': {
    parts: [
      'list',
      [
        ['doc', part('p')],
        ['doc', part('q', { n: int(1) })],
      ],
    ],
    chunks: ['list', [['doc', part('p')]]],
    matches: ['doc_array', [part('r'), part('s', { chunks: ['list', [text('deep')]] })]],
    other: ['doc_array', [part('t')]],
    inner: ['doc', part('i', { uri: float(2) })],
    unique: ['set', [int(1), int(2)]],
    pair: ['tuple', [float(1), text('x')]],
  },
  'id: int': { id: int(5) },
  'id: None': { id: ['none'] },
  'mime_type and mimeType': { mime_type: text('a'), mimeType: text('b') },
}

for (const [name, given] of Object.entries(OTHERWISE))
  for (const [how, work] of Object.entries(READERS)) {
    if (name === 'id: None' && how !== 'reads') continue
    test(`227: ${name}: an executor that ${how} writes it as it came`, () => {
      // Who asks for an id that there is not gets one.
      const only = name === 'id: None' ? (document: Document) => void [document.tags, document.chunks, document.scores] : work
      assert.equal(after(given, only), expected(given))
    })
  }

const EMPTY: Record<string, Record<string, Node>> = {
  'required but empty chunks, matches, scores, tags': {
    chunks: ['doc_array', []],
    matches: ['list', []],
    scores: ['dict', fields({})],
    evaluations: ['dict', fields({})],
    tags: ['dict', fields({})],
  },
  'empty texts, bytes, lists and zeros': {
    text: text(''),
    blob: ['blob', new Uint8Array(0)],
    uri: text(''),
    weight: float(0),
    offset: int(0),
    granularity: int(0),
    location: ['list', []],
    names: ['list', []],
    more: ['dict', fields({})],
    flag: ['boolean', false],
    zero: float(-0),
  },
  'None under any name': Object.fromEntries(
    ['text', 'blob', 'tensor', 'embedding', 'chunks', 'scores', 'tags', 'uri', 'location', 'other'].map((name): [string, Node] => [name, ['none']]),
  ),
  'keys of tags named like fields': {
    title: text('t'),
    text: text('content'),
    chunks: ['list', [text('c')]],
    tags: [
      'dict',
      fields({
        title: int(1),
        text: float(2),
        chunks: text('d'),
        id: text('i'),
        tags: ['dict', fields({})],
        tensor: ['none'],
        n: float(3),
        uri: ['list', [float(1)]],
      }),
    ],
  },
  'names that objects have': {
    constructor: int(1),
    toString: text('s'),
    hasOwnProperty: none,
    tags: [
      'dict',
      new Map<string, Node>([
        ['__proto__', float(1)],
        ['constructor', text('c')],
      ]),
    ],
    inner: ['dict', new Map<string, Node>([['__proto__', ['dict', fields({ valueOf: float(1) })]]])],
  },
  'text, blob and tensor': { text: text('x'), blob: ['blob', Uint8Array.of(1, 2), 'image_bytes'], tensor: array('<f4', 4, [2]) },
  'types of texts and bytes': { url: ['text', 'http://a.b/c', 'image_url'], text: ['text', 'x', 'any_url'], data: ['blob', Uint8Array.of(1), 'audio_bytes'] },
  numbers: {
    big: ['integer', 2n ** 63n - 1n],
    least: ['integer', -(2n ** 53n) - 1n],
    whole: float(3),
    nan: float(Number.NaN),
    list: ['list', [float(1), int(1), ['boolean', true], ['none']]],
  },
  'tensors of all kinds': Object.fromEntries(
    ['<f2', '<f4', '<f8', '|b1', '|i1', '|u1', '<i2', '<u2', '>i4', '<u4', '<i8', '<u8', '>f8'].map((dtype) => [
      `t_${dtype}`,
      array(dtype, Number(dtype[2]), [2, 3]),
    ]),
  ),
  'tensors of other frameworks, and within': {
    tensor: array('<f2', 2, [4], 'torch_tensor'),
    embedding: array('|b1', 1, [3]),
    tags: ['dict', fields({ vector: array('<f4', 4, [1]), empty: array('<f8', 8, [0]) })],
    list: ['list', [array('<f4', 4, [1]), array('<i8', 8, [2])]],
  },
  'times and the like': { at: text('2026-01-01T00:00:00Z'), json: text('{"a":1}'), number: text('1') },
}

for (const [name, given] of Object.entries(EMPTY))
  for (const [how, work] of Object.entries(READERS))
    test(`228: ${name}: an executor that ${how} writes it as it came`, () => {
      assert.equal(after(given, work), expected(given))
    })

const ALL: Record<string, Node> = Object.assign({}, ...Object.values(EMPTY), ...Object.values(OTHERWISE), { id })

const CHANGES: Record<string, [given: Record<string, Node>, work: (document: Document<any>) => void, changed: Record<string, Node>]> = {
  'text beside a tensor': [
    { text: ['none'], tensor: array('<f2', 2, [2]) },
    (document) => void (document.text = 'new'),
    { text: text('new'), tensor: array('<f2', 2, [2]) },
  ],
  'a tensor beside a text': [
    { text: text('old'), tensor: ['none'] },
    (document) => void (document.tensor = Float32Array.of(1)),
    { text: text('old'), tensor: ['ndarray', { dtype: '<f4', shape: [1], bytes: Uint8Array.of(0, 0, 128, 63) }, 'ndarray'] },
  ],
  'the text': [{ ...ALL, text: ['text', 'x', 'any_url'] }, (document) => void (document.text += '!'), { text: ['text', 'x!', 'any_url'] }],
  'a tag that is a float': [{ ...ALL, n: float(1) }, (document) => void document.tags.n++, { n: float(2) }],
  'an item of tags': [
    { tags: ['dict', fields({ n: float(1), m: float(1), list: ['list', [float(1)]] })] },
    (document) => void (document.tags.n = 5),
    { tags: ['dict', fields({ n: float(5), m: float(1), list: ['list', [float(1)]] })] },
  ],
  'deep within': [
    { deep: ['dict', fields({ list: ['list', [float(1), ['set', [float(2)]]]], doc: ['doc', part('p', { uri: int(1) })] })] },
    (document) => {
      document.tags.deep.list.push(true)
      document.tags.deep.doc.text = 'new'
    },
    {
      deep: [
        'dict',
        fields({ list: ['list', [float(1), ['set', [float(2)]], ['boolean', true]]], doc: ['doc', part('p', { uri: int(1), text: text('new') })] }),
      ],
    },
  ],
  'documents in a list': [
    { parts: ['list', [['doc', part('p', { uri: int(1) })]]], chunks: ['list', [['doc', part('q')]]] },
    (document) => {
      document.tags.parts[0].text = 'new'
      document.chunks.append({ id: 'r', text: 'more' })
    },
    {
      parts: ['list', [['doc', part('p', { uri: int(1), text: text('new') })]]],
      chunks: [
        'list',
        [
          ['doc', part('q')],
          ['doc', part('r', { text: text('more') })],
        ],
      ],
    },
  ],
  'documents in lists by name': [
    { groups: ['dict', fields({ a: ['list', [['doc', part('p')]]], b: ['list', []] })] },
    (document) => void document.tags.groups.b.push(new Document({ id: 'q', text: 'new' })),
    { groups: ['dict', fields({ a: ['list', [['doc', part('p')]]], b: ['list', [['doc', part('q', { text: text('new') })]]] })] },
  ],
  'an array of documents, emptied': [
    { chunks: ['doc_array', [part('p')]], matches: ['list', [['doc', part('p')]]] },
    (document) => {
      document.chunks = []
      document.matches.length = 0
    },
    { chunks: ['doc_array', []], matches: ['list', []] },
  ],
  'a score that is a number': [
    { scores: ['dict', fields({ cos: float(1), other: float(2) })] },
    (document) => void (document.scores = { ...document.scores, cos: { value: 3 }, added: 4 }),
    { scores: ['dict', fields({ cos: float(3), other: float(2), added: int(4) })] },
  ],
  'an embedding that is a list': [
    { embedding: ['list', [float(0.5), float(1)]] },
    (document) => void (document.embedding = Float32Array.of(1, 2)),
    { embedding: ['list', [float(1), float(2)]] },
  ],
  'a list of texts that is named chunks': [{ chunks: ['list', []] }, (document) => void (document.tags.chunks = ['new']), { chunks: ['list', [text('new')]] }],
  'a tensor of torch': [
    { embedding: array('<f4', 4, [1], 'torch_tensor') },
    (document) => void (document.embedding = Float32Array.of(1)),
    { embedding: ['ndarray', { dtype: '<f4', shape: [1], bytes: Uint8Array.of(0, 0, 128, 63) }, 'torch_tensor'] },
  ],
  'a field that a key of tags hides behind': [
    { title: text('t'), tags: ['dict', fields({ title: int(1) })] },
    (document) => void (document.tags.title = 'new'),
    { title: text('new'), tags: ['dict', fields({ title: int(1) })] },
  ],
  'numbers in place of their elements': [
    { embedding: ['ndarray', { dtype: '|u1', shape: [2], bytes: Uint8Array.of(1, 2) }, 'ndarray'] },
    (document) => void ((document.embedding!.data as Uint8Array)[1] = 9),
    { embedding: ['ndarray', { dtype: '|u1', shape: [2], bytes: Uint8Array.of(1, 9) }, 'ndarray'] },
  ],
  'a mask': [
    { mask: ['ndarray', { dtype: '|b1', shape: [2], bytes: Uint8Array.of(1, 0) }, 'ndarray'] },
    (document) => void (document.tags.mask.data[1] = 1),
    { mask: ['ndarray', { dtype: '|b1', shape: [2], bytes: Uint8Array.of(1, 1) }, 'ndarray'] },
  ],
  'the id': [{ id: int(5), n: float(1) }, (document) => void (document.id = '7'), { id: int(7) }],
  'the embedding, taken away': [{ embedding: array('<f4', 4, [1]), n: float(1) }, (document) => void (document.embedding = undefined), { embedding: ['none'] }],
}

for (const [name, [given, work, changed]] of Object.entries(CHANGES))
  test(`228: who changes ${name} keeps all else`, () => {
    assert.equal(after(given, work), expected({ ...given, ...changed }))
    const cloned = (document: Document): Document => {
      readAllOf(document)
      const copy = document.clone()
      work(copy)
      return copy.clone()
    }
    assert.equal(after(given, cloned), expected({ ...given, ...changed }))
  })

test('228: what is taken away is not written; what is new is a field and in tags', () => {
  const given = { n: float(1), m: float(1), tags: ['dict', fields({ a: float(1), b: float(1) })] as Node }
  const found = after(given, (document) => {
    delete document.tags.n
    delete document.tags.a
    document.tags.fresh = 1
  })
  assert.equal(found, expected({ m: float(1), fresh: int(1), tags: ['dict', fields({ b: float(1), fresh: int(1) })] }))
})

test('228: versions of a document that are merged keep the kinds of what each brought', () => {
  const [left, right] = read(
    part('a', { whole: float(1), score: ['none'], uri: ['none'], tags: ['dict', fields({ l: float(1) })] }),
    part('a', { score: float(2), uri: int(3), parts: ['list', [['doc', part('p')]]], tags: ['dict', fields({ r: float(1) })] }),
  )
  readAllOf(left!)
  const merged = left!.clone().merge(right!.clone())
  assert.equal(
    written([merged])[0],
    sorted(
      part('a', {
        whole: float(1),
        score: ['none'],
        uri: int(3),
        parts: ['list', [['doc', part('p')]]],
        tags: ['dict', fields({ l: float(1), r: float(1) })],
      }),
    ),
  )
})

test('227: documents by name that are tags stay such when one is taken away and one comes', () => {
  const given: Record<string, Node> = { tags: ['doc_dict', new Map([...'xyz'].map((name) => [name, part(name, { n: int(1) })]))] }
  const found = after(given, ({ tags }) => {
    delete tags.x
    tags.y.tags.n = 2
    tags.fresh = 'text'
  })
  assert.equal(
    found,
    expected({
      tags: [
        'doc_dict',
        new Map([
          ['y', part('y', { n: int(2) })],
          ['z', part('z', { n: int(1) })],
        ]),
      ],
      fresh: text('text'),
    }),
  )
})

test('228: versions without an id that are merged keep the kinds of what each brought, when an id is given', () => {
  const url: Node = ['text', 'http://x', 'image_url']
  const [left, right] = read(fields({ text: text('l') }), fields({ url }))
  left!.merge(right!)
  const { id } = left!
  assert.equal(written([left!])[0], sorted(fields({ id: ['text', id, 'id'], text: text('l'), url })))
})

test('228: what is made here and given empty is written empty', () => {
  const [made] = written([new Document({ id: 'a', text: '', chunks: [], matches: [], scores: {}, tags: {} })])
  const empty: Node = ['dict', fields({})]
  assert.equal(made, sorted(part('a', { chunks: ['doc_array', []], matches: ['doc_array', []], scores: empty, tags: empty })))
})

// ── any document at all ──────────────────────────────────────────────────────────────────────────────────

const NAMES =
  'text blob tensor content buffer embedding uri mime_type mimeType weight parent_id granularity adjacency modality offset location chunks matches scores evaluations tags title constructor toString data shape a'.split(
    ' ',
  )
const anyName = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...NAMES) }, fc.string({ unit: 'grapheme', maxLength: 8 }), fc.constant('__proto__'))
const anyText = fc.oneof(fc.constantFrom('', '1', '2026-01-01', 'x'), fc.string({ unit: 'grapheme', maxLength: 40 }))
const anyLeaf: fc.Arbitrary<Node> = fc.oneof(
  fc.constant<Node>(['none']),
  fc.tuple(fc.constant('text' as const), anyText) as fc.Arbitrary<Node>,
  fc.tuple(fc.constant('text' as const), anyText, fc.constantFrom('any_url', 'image_url')) as fc.Arbitrary<Node>,
  fc
    .oneof(fc.integer(), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n))
    .map((value): Node => ['integer', Number.isSafeInteger(Number(value)) ? Number(value) : value]),
  fc.oneof(fc.double(), fc.integer(), fc.constant(-0)).map((value): Node => ['float', value]),
  fc.boolean().map((value): Node => ['boolean', value]),
  fc.uint8Array({ maxLength: 40 }).map((value): Node => ['blob', value]),
  fc
    .tuple(
      fc.constantFrom('<f2', '>f2', '<f4', '<f8', '>f8', '|b1', '|i1', '|u1', '<i2', '<u2', '<i4', '>i4', '<u4', '<i8', '<u8', '>u8'),
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
      fc.constantFrom('ndarray', 'torch_tensor', 'image_ndarray'),
      fc.infiniteStream(fc.nat(255)),
    )
    .map(([dtype, shape, type, stream]): Node => {
      const length = shape.reduce((product, size) => product * size, Number(dtype[2]))
      const bytes = Uint8Array.from({ length }, () => stream.next().value as number)
      return ['ndarray', { dtype, shape, bytes: dtype === '|b1' ? bytes.map((byte) => byte & 1) : bytes }, type]
    }),
)
const { document: anyDocument, node: anyNode } = fc.letrec<{ document: Fields; node: Node; fields: Fields }>((tie) => ({
  fields: fc.uniqueArray(fc.tuple(anyName, tie('node')), { maxLength: 8, selector: ([name]) => name, depthIdentifier: 'd' }).map((entries) => new Map(entries)),
  document: fc
    .tuple(fc.oneof({ weight: 8, arbitrary: fc.string({ minLength: 1 }).map((id): Node => ['text', id, 'id']) }, fc.integer().map(int)), tie('fields'))
    .map(([id, fields]) => new Map([['id', id], ...fields])),
  node: fc.oneof(
    { depthIdentifier: 'd', maxDepth: 3 },
    { weight: 4, arbitrary: anyLeaf },
    fc.tuple(fc.constantFrom('list', 'set', 'tuple'), fc.array(tie('node'), { maxLength: 4, depthIdentifier: 'd' })) as fc.Arbitrary<Node>,
    tie('fields').map((value): Node => ['dict', value]),
    tie('document').map((value): Node => ['doc', value]),
    fc.array(tie('document'), { maxLength: 3, depthIdentifier: 'd' }).map((value): Node => ['doc_array', value]),
    fc.array(tie('document'), { maxLength: 3, depthIdentifier: 'd' }).map((value): Node => ['list', value.map((inner): Node => ['doc', inner])]),
  ),
}))

for (const [how, work] of Object.entries(READERS))
  test(`227: any document of docarray ≥ 0.30 is written as it came by who ${how}: 500 of them`, () => {
    fc.assert(
      fc.property(anyDocument, (document) => {
        const [came] = read(document)
        assert.equal(written([work(came!) ?? came!])[0], sorted(document))
      }),
      { numRuns: 500, seed: 227 },
    )
  })

test('228: who changes one tag of any document keeps all else: 500 of them', () => {
  fc.assert(
    fc.property(anyDocument, anyNode, (document, node) => {
      const [came] = read(new Map([...document, ['changed', node]]))
      came!.tags.changed = 'now'
      const [found] = written([came!])
      const [kind, , type] = node
      assert.equal(found, sorted(new Map([...document, ['changed', kind === 'text' && type !== undefined ? ['text', 'now', type] : text('now')]])))
    }),
    { numRuns: 500, seed: 228 },
  )
})

test('227: what passes of broken documents is read and written: 20,000 of them', () => {
  const below = random(227)
  const samples = fc.sample(anyDocument, { numRuns: 200, seed: 227 }).map((document) => Buffer.from(bytesOfMessage([document])))
  const ends = { written: 0, refused: 0 }
  for (let i = 0; i < 20_000; i++) {
    const bytes = mutated(samples[below(samples.length)]!, below)
    let docs: DocumentArray
    try {
      docs = decodeMessage(bytes, V2).docs
    } catch {
      ends.refused++
      continue
    }
    for (const document of docs) readAllOf(document)
    const again = decodeMessage(encodeMessage(emptyMessage({ docs }), V2), V2).docs
    for (const document of [...again, ...docs.clone()]) readAllOf(document)
    ends.written++
  }
  assert.ok(ends.written > 1000 && ends.refused > 1000, JSON.stringify(ends))
})

test.run()
