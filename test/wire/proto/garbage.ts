import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Document, DocumentArray } from '../../../lib/index.js'
import { emptyMessage, type Message } from '../../../lib/wire/message.js'
import { checkDocument } from '../../../lib/wire/proto/check.js'
import { Counted } from '../../../lib/wire/proto/counted.js'
import { readDocument } from '../../../lib/wire/proto/document.js'
import * as proto from '../../../lib/wire/proto/index.js'
import { LazyDocument } from '../../../lib/wire/proto/lazy.js'
import { Reader } from '../../../lib/wire/proto/reader.js'
import type { Source } from '../../../lib/wire/proto/source.js'
import { readTyped } from '../../../lib/wire/proto/typed.js'
import { plainDocument } from './plain.js'

/** How many times as many mutations as CI tries. */
const RUNS = Number(process.env.SLUICE_FUZZ_RUNS ?? 1)

const folder = new URL('fixtures/', import.meta.url)
const samples = readdirSync(folder)
  .filter((name) => name.endsWith('.bin'))
  .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(name, folder))) }))

/** A random number below `bound`, the same ones in every run (mulberry32). */
function random(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

/** Bytes with something wrong: flipped, cut off, cut out, doubled, or filled with what numbers without an end are made of. */
function mutated(bytes: Uint8Array, below: (bound: number) => number): Uint8Array {
  const copy = Array.from(bytes)
  for (let times = 1 + below(3); times > 0; times--) {
    const at = below(copy.length + 1)
    const many = below(20)
    const kind = below(6)
    if (kind === 0) copy[at] = below(256)
    else if (kind === 1) copy.length = Math.min(at, copy.length)
    else if (kind === 2) copy.splice(at, many)
    else if (kind === 3) copy.splice(at, 0, ...copy.slice(at, at + many))
    else if (kind === 4) copy.splice(at, 0, ...new Array(many).fill(255))
    else copy[at] = (copy[at] ?? 0) ^ (1 << below(8))
  }
  return Uint8Array.from(copy, (byte) => byte ?? 0)
}

const readAll = (message: Message): unknown => message.docs.map((document: Document) => plainDocument(document))

/** All there is to decode with. What came out must be whole: read to the last document, and written again. */
const decoders: readonly ((bytes: Uint8Array) => unknown)[] = [
  (bytes) => readAll(proto.decodeMessage(bytes)),
  (bytes) => readAll(proto.decodeMessage(bytes, { model: 'v2' })),
  (bytes) => proto.encodeMessage(proto.decodeMessage(bytes)),
  (bytes) => {
    const message = proto.decodeMessage(bytes)
    readAll(message)
    return readAll(proto.decodeMessage(proto.encodeMessage(message)))
  },
  (bytes) => proto.decodeMessages(bytes).map(readAll),
  (bytes) => readAll(proto.decodeSingle(bytes)),
  (bytes) => proto.decodeStatus(bytes),
  (bytes) => proto.decodeEndpoints(bytes),
  (bytes) => proto.decodeInfo(bytes),
]

test('C6: 10,000 broken messages are read, or refused with a ProtoError', () => {
  const below = random(1)
  const ends = { read: 0, refused: 0 }
  for (let i = 0; i < 10_000; i++) {
    const { name, bytes } = samples[below(samples.length)]!
    const broken = mutated(bytes, below)
    for (const decode of decoders) {
      try {
        decode(broken)
        ends.read++
      } catch (error) {
        if (!(error instanceof proto.ProtoError)) throw new Error(`${name}, mutation ${i} (${Buffer.from(broken).toString('hex')}): ${error}`, { cause: error })
        assert.is(error.code, 'ERR_PROTO')
        ends.refused++
      }
    }
  }
  assert.ok(ends.read > 10_000 && ends.refused > 10_000, JSON.stringify(ends))
  assert.is(({} as any).polluted, undefined)
})

const readers = { v1: readDocument, v2: readTyped } as const

/** A document of these bytes, as a message has it that nobody has looked over. */
function unchecked(bytes: Uint8Array, model: 'v1' | 'v2') {
  const counted = new Counted()
  const source: Source = { reader: new Reader(bytes, 10), model, counted, read: readers[model] }
  return {
    check: () => checkDocument(source, 0, bytes.length, 1, counted),
    read: () => readAll({ docs: [new LazyDocument(source, 0, bytes.length, 1)] } as unknown as Message),
  }
}

function fails(work: () => unknown): string {
  try {
    work()
    return ''
  } catch (error) {
    assert.instance(error, proto.ProtoError)
    return (error as Error).message
  }
}

test('145: what is looked over and passes can be read to its last field, and what can be read passes: 20,000 broken documents', async () => {
  const below = random(145)
  const bodies = samples.flatMap(({ name, bytes }) => {
    const model = name.startsWith('v2') ? 'v2' : 'v1'
    // Some are no requests, but statuses and the like.
    const docs = fails(() => proto.decodeMessage(bytes, { model })) === '' ? proto.decodeMessage(bytes, { model }).docs : []
    return docs.map((document) => ({ model, body: bodyOf(document, model) }) as const)
  })
  const ends = { read: 0, refused: 0 }
  for (let i = 0; i < 20_000 * RUNS; i++) {
    const { model, body } = bodies[below(bodies.length)]!
    const bytes = mutated(body, below)
    const { check, read } = unchecked(bytes, model)
    const [checked, late] = [fails(check), fails(read)]
    // A broken document in whose place another came is looked over, and read by nobody.
    const replaced = late === '' && checked !== '' && (await refusedByOthers(bytes, model))
    assert.is(
      checked === '' || replaced,
      late === '',
      `${model}: ${Buffer.from(bytes).toString('hex')}: looked over ${checked || 'well'}, read ${late || 'well'}`,
    )
    ends[checked === '' ? 'read' : 'refused']++
  }
  assert.ok(ends.read > 2000 && ends.refused > 2000, JSON.stringify(ends))
})

/** Whether a decoder that reads all at once finds the document broken. */
async function refusedByOthers(bytes: Uint8Array, model: 'v1' | 'v2'): Promise<boolean> {
  const { default: protobufjs } = await import('protobufjs')
  const root = new protobufjs.Root()
  const protos = 'lib/wire/grpc/reflection/proto/'
  root.resolvePath = (_, target) => (target.startsWith(protos) ? target : `${protos}${target}`)
  root.loadSync(`${protos}${model}/docarray.proto`)
  const type = root.lookupType(model === 'v1' ? 'docarray.DocumentProto' : 'docarray.DocProto')
  try {
    type.decode(bytes)
    return false
  } catch {
    return true
  }
}

/** The bytes of a document. */
function bodyOf(document: Document, model: 'v1' | 'v2'): Uint8Array {
  const bytes = proto.encodeSingle(emptyMessage({ docs: DocumentArray.from([document]) }), { model })
  const reader = new Reader(bytes, 100)
  // Behind an empty header and no parameters.
  reader.pos = 5
  return Uint8Array.from(bytes.subarray(reader.stop(bytes.length) && reader.pos))
}

test('C6: every message cut off anywhere but between its fields is refused', () => {
  for (const { bytes } of samples.filter(({ name }) => name === 'text.bin' || name === 'tree.bin')) {
    let refused = 0
    for (let length = 1; length < bytes.length; length++) {
      try {
        readAll(proto.decodeMessage(bytes.subarray(0, length)))
      } catch (error) {
        assert.instance(error, proto.ProtoError)
        refused++
      }
    }
    assert.ok(refused >= bytes.length - 8, `${refused} of ${bytes.length}`)
  }
})

test('C6: a field that runs over the end of its message is refused', () => {
  // A status of one byte, whose number stands behind it.
  assert.throws(() => proto.decodeMessage(Uint8Array.of(0x0a, 4, 0x12, 1, 0x08, 1)), /runs over the end/)
})

test('C6: messages of nothing but beginnings do not fill the memory', () => {
  const many = (tag: number, count: number): Uint8Array => new Uint8Array(count * 2).map((_, i) => (i % 2 === 0 ? tag : 0))
  const routes = (count: number) => () => proto.decodeMessage(many(0x1a, count))
  assert.is(routes(100_000)().routes.length, 100_000)
  assert.throws(routes(100_001), /more than 100000 routes/)
  const docs = many(0x0a, 2 ** 21 + 1)
  const length = (size: number): number[] => [(size & 127) | 128, ((size >> 7) & 127) | 128, ((size >> 14) & 127) | 128, size >> 21]
  const message = Uint8Array.of(0x22, ...length(docs.length + 5), 0x0a, ...length(docs.length))
  assert.throws(() => proto.decodeMessage(new Uint8Array([...message, ...docs])), /more than 2097152 documents, chunks and matches included. Send fewer/)
})

test('C6: what is not protobuf at all is refused, and nothing is an empty message', () => {
  const encoder = new TextEncoder()
  for (const text of ['GET / HTTP/1.1\r\n\r\n', '{"data": []}', '\0', '\xff'.repeat(100), 'x'])
    assert.throws(
      () => proto.decodeMessage(encoder.encode(text)),
      (error: any) => error.code === 'ERR_PROTO' && /^The bytes are not a message of Jina: .*, at byte \d+ of \d+$/.test(error.message),
      text,
    )
  assert.is(proto.decodeMessage(new Uint8Array(0)).docs.length, 0)
})

test('69, 128: who says from elsewhere that a tensor stands in a column is refused: in a message to a worker, that would be the vector of somebody else', () => {
  const dense = [0x0a, 8, 0, 0, 128, 63, 0, 0, 0, 64, 0x12, 1, 2, 0x1a, 3, ...Buffer.from('<f4')]
  const within = (tag: readonly number[], inner: readonly number[]): number[] => [...tag, inner.length, ...inner]
  const message = (document: readonly number[]): Uint8Array => Uint8Array.from(within([0x22], within([0x0a], within([0x0a], document))))
  const [column, row] = [
    [0xb0, 0x06, 0],
    [0xb8, 0x06, 0],
  ] as const
  for (const said of [column, row, [...column, ...row]]) {
    const embedding = within([0x82, 0x01], [...within([0x0a], dense), ...said])
    for (const document of [embedding, within([0x72], embedding)])
      assert.throws(
        () => proto.decodeMessage(message(document)),
        (error: Error) => error instanceof proto.ProtoError && /in a column, of which this message has none/.test(error.message),
      )
  }
})

test.run()
