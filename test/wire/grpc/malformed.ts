// What is sent by who means no request, or harm: bytes that are none, and frames that lie about them.
import { readdirSync, readFileSync } from 'node:fs'
import { type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2'
import { deflateSync, gzipSync } from 'node:zlib'
import { status as Code } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../../lib/doc/array.js'
import { METHODS } from '../../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { heap } from '../../support/gc.js'
import { turn } from '../../support/turn.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'
import { Raw } from './raw.js'
import { world } from './world.js'

const folder = new URL('../proto/fixtures/', import.meta.url)
const fixture = (name: string): Buffer => readFileSync(new URL(name, folder))
const message = (text: string, model: 'v1' | 'v2' = 'v1'): Buffer =>
  Buffer.from(encodeMessage(emptyMessage({ requestId: 'one', execEndpoint: '/', docs: DocumentArray.from([{ text }]) }), { model }))

/** A random number below `bound`, the same ones in every run. */
function random(seed: number): (bound: number) => number {
  return (bound) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((seed / 2 ** 32) * bound)
  }
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))]
}

/** A message in a message in a message: of documents it is a chunk of a chunk, of a struct a list of lists. */
function nested(tag: number[], depth: number): Buffer {
  let length = 0
  const heads: number[][] = []
  for (let i = 0; i < depth; i++) {
    const head = [...tag, ...varint(length)]
    heads.push(head)
    length += head.length
  }
  return Buffer.from(heads.reverse().flat())
}

const wrapped = (tag: number, inside: Buffer): Buffer => Buffer.concat([Buffer.from([tag, ...varint(inside.length)]), inside])
/** Documents in `data.docs`, values in `parameters.fields[''].list_value`. */
const DEEP = [100, 101, 1000, 20_000].flatMap((depth) => [
  wrapped(0x22, wrapped(0x0a, wrapped(0x0a, nested([0x72], depth)))),
  wrapped(0x12, wrapped(0x0a, Buffer.concat([Buffer.of(0x0a, 0), wrapped(0x12, nested([0x32], depth))]))),
])

/** Bytes with something wrong: flipped, cut off, cut out, doubled, stuffed, or with a length that is none of theirs. */
function mutated(from: Buffer, below: (bound: number) => number): Buffer {
  let bytes = Buffer.from(from)
  for (let times = 1 + below(3); times > 0; times--) {
    const at = below(bytes.length + 1)
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
    const kind = below(6)
    if (kind === 0 && at < bytes.length) bytes[at]! ^= 1 << below(8)
    else if (kind === 1) bytes = Buffer.from(before)
    else if (kind === 2) bytes = Buffer.concat([before, after.subarray(below(20))])
    else if (kind === 3) bytes = Buffer.concat([before, after.subarray(0, below(20)), after])
    else if (kind === 4) bytes = Buffer.concat([before, Buffer.alloc(below(20), 255), after])
    else bytes = Buffer.concat([before, Buffer.from([0x22, ...varint(below(2 ** 31))]), after])
  }
  return bytes
}

for (const [model, count] of [
  ['v1', 8000],
  ['v2', 2000],
] as const) {
  test(`R99, R57: ${count} malformed messages (docarray ${model}): each is answered, or refused with a reason; the server lives`, async () => {
    const samples = readdirSync(folder)
      .filter((name) => name.endsWith('.bin') && name.startsWith('v2') === (model === 'v2'))
      .map(fixture)
    // Every document is read to its last field: only then is seen what is wrong within.
    await using it = await world(({ docs }) => void JSON.stringify(docs), { docarray: model })
    const lines = Array.from({ length: 4 }, () => new Raw(it.server.address))
    const below = random(20_24)
    const methods = [METHODS.call, METHODS.single, METHODS.several, METHODS.call, METHODS.document, METHODS.check, METHODS.reflection]
    const seen = new Map<string, number>()
    let sent = 0
    const one = async (raw: Raw): Promise<void> => {
      while (sent < count) {
        const at = sent++
        const method = methods[below(methods.length)]!
        const sample = at < DEEP.length ? DEEP[at]! : samples[below(samples.length)]!
        const bad = at < DEEP.length ? sample : mutated(sample, below)
        const { answers, status } = await within(20_000, raw.converse(at < DEEP.length ? METHODS.call : method, [bad]))
        const about = `${at}, ${method}: ${Code[status.code]} ${status.details} for ${bad.toString('hex').slice(0, 400)}`
        const isAnswered = status.code === Code.OK
        assert.ok(isAnswered || [Code.INVALID_ARGUMENT, Code.NOT_FOUND].includes(status.code), about)
        // A word of what is wrong, also where the answer is an error's.
        if (!isAnswered) assert.ok(status.details.length > 10, about)
        const error = isAnswered && answers.length > 0 && ([METHODS.call, METHODS.single] as string[]).includes(method) && decodeMessage(answers[0]!).status
        if (error && error.code === 'ERROR') assert.ok(error.description.length > 10, about)
        const end = error && error.code === 'ERROR' ? 'ERROR' : Code[status.code]!
        seen.set(end, (seen.get(end) ?? 0) + 1)
      }
    }
    const all = () => Promise.all(lines.flatMap((raw) => Array.from({ length: 8 }, () => one(raw))))
    await all()
    for (const end of ['OK', 'INVALID_ARGUMENT', 'ERROR']) assert.ok(seen.get(end)! > count / 200, JSON.stringify([...seen]))
    assert.equal(it.reported, [])
    assert.is(({} as any).polluted, undefined)
    using raw = new Raw(it.server.address)
    const { answers } = await within(10_000, raw.converse(METHODS.call, [message('still here', model)]))
    assert.equal(decodeMessage(answers[0]!, { model }).docs.texts, ['still here'])
    for (const raw of lines) raw[Symbol.dispose]()
  })
}

test('R60: what was refused is let go of', async () => {
  await using it = await world(({ docs }) => void JSON.stringify(docs))
  using raw = new Raw(it.server.address)
  const below = random(7)
  const sample = fixture('tree.bin')
  const refuse = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 20) await Promise.all(Array.from({ length: 20 }, () => raw.converse(METHODS.call, [mutated(sample, below)])))
  }
  await refuse(400)
  const [before, handles] = [await heap(), process.getActiveResourcesInfo().length]
  await refuse(1000)
  const more = (await heap()) - before
  assert.ok(more < 4, `${more} MB more`)
  assert.ok(process.getActiveResourcesInfo().length <= handles + 2, `${process.getActiveResourcesInfo()}`)
})

/** One message as gRPC frames it. */
function framed(bytes: Uint8Array, flag = 0, length = bytes.length): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, bytes])
}

const LIMIT = 100_000
const good = message('good')
const gzip = { 'grpc-encoding': 'gzip' }
const zeros = Buffer.alloc(10_000_000)
/** What a stream and a unary call end with: a status, how a stream was reset, or HTTP's own refusal. */
const FRAMES: [what: string, stream: string, unary: string, frames: Uint8Array[], headers?: Record<string, string>][] = [
  ['as it should be', 'OK', 'OK', [framed(good)]],
  ['byte by byte', 'OK', 'OK', [...framed(good)].map((byte) => Uint8Array.of(byte))],
  ['packed', 'OK', 'OK', [framed(gzipSync(good), 1)], gzip],
  ['no bytes, which is a message', 'OK', 'OK', [framed(new Uint8Array())]],
  ['frames of no bytes before it', 'OK', 'OK', [new Uint8Array(), framed(good)]],
  ['no message', 'OK', 'UNIMPLEMENTED', []],
  ['two messages', 'OK', 'UNIMPLEMENTED', [framed(good), framed(good)]],
  ['packed, it does not say how', 'reset with 2', 'reset with 2', [framed(gzipSync(good), 1)]],
  ['packed, in no way that is known', 'UNIMPLEMENTED', 'UNIMPLEMENTED', [framed(good, 1)], { 'grpc-encoding': 'zstd' }],
  ['said to be packed, and is not', 'INTERNAL', 'INTERNAL', [framed(good, 1)], gzip],
  ['packed and cut off', 'INTERNAL', 'INTERNAL', [framed(gzipSync(good).subarray(0, -9), 1)], gzip],
  ['a flag that does not exist', 'reset with 2', 'reset with 2', [framed(good, 2)]],
  ['half a prefix', 'reset with 2', 'UNIMPLEMENTED', [framed(good).subarray(0, 2)]],
  ['half a message', 'reset with 2', 'UNIMPLEMENTED', [framed(good).subarray(0, -3)]],
  ['one, and half of the next', 'reset with 2', 'reset with 2', [framed(good), framed(good).subarray(0, 9)]],
  ['over the limit', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED', [framed(new Uint8Array(LIMIT + 1))]],
  ['4 GB, by its length alone', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED', [framed(good, 0, 0xffffffff)]],
  ['over the limit once it is unpacked', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED', [framed(gzipSync(zeros), 1)], gzip],
  ['and with deflate', 'RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED', [framed(deflateSync(zeros), 1)], { 'grpc-encoding': 'deflate' }],
  ['a deadline that is none', 'INTERNAL', 'INTERNAL', [framed(good)], { 'grpc-timeout': 'soon' }],
  ['another type', 'HTTP 415', 'HTTP 415', [framed(good)], { 'content-type': 'text/plain' }],
]

/** Writes frames to a stream of HTTP/2. @returns how it ended */
async function ending(stream: ClientHttp2Stream, frames: readonly Uint8Array[]): Promise<string> {
  const said: Record<string, unknown> = {}
  stream.on('error', () => {})
  stream.on('response', (headers) => Object.assign(said, headers))
  stream.on('trailers', (headers) => Object.assign(said, headers))
  const told = new Promise((resolve) => stream.on('end', resolve).on('close', resolve))
  stream.resume()
  for (const bytes of frames) {
    stream.write(bytes)
    await turn()
  }
  stream.end()
  await within(10_000, told)
  await until(() => said['grpc-status'] !== undefined || stream.destroyed || said[':status'] !== 200)
  if (said['grpc-status'] !== undefined) return Code[Number(said['grpc-status'])]!
  return stream.rstCode ? `reset with ${stream.rstCode}` : `HTTP ${said[':status']}`
}

test('R100: messages that are framed in ways that gRPC does not know; others on the same connection are served', async () => {
  await using it = await world(() => {}, { maxMessageBytes: LIMIT })
  const session = connectHttp2(it.server.address.replace('grpc', 'http'))
  session.on('error', () => {})
  const ask = (path: string, more = {}) => session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...more })
  const other = ask(METHODS.call)
  let answered = 0
  other.on('data', () => answered++)
  for (const [what, stream, unary, frames, headers] of FRAMES) {
    assert.is(await ending(ask(METHODS.call, headers), frames), stream, `a stream: ${what}`)
    assert.is(await ending(ask(METHODS.single, headers), frames), unary, `a unary call: ${what}`)
    const before = answered
    other.write(framed(good))
    await until(() => answered !== before)
  }
  other.destroy()
  session.close()
  assert.equal(it.reported, [])
})

test('R100, R43: half a message and then nothing: the executors hear of the end, and nothing stays', async () => {
  let calls = 0
  const left = deferred<void>()
  await using it = await world(({ signal }) => {
    if (++calls > 1) return
    return new Promise((resolve) => signal.addEventListener('abort', () => [left.resolve(), resolve(undefined)]))
  })
  const session = connectHttp2(it.server.address.replace('grpc', 'http'))
  session.on('error', () => {})
  const stream = session.request({ ':method': 'POST', ':path': METHODS.call, 'content-type': 'application/grpc', te: 'trailers' })
  stream.on('error', () => {})
  stream.write(framed(good))
  stream.write(framed(good).subarray(0, 9))
  await until(() => calls > 0)
  session.destroy()
  await within(5000, left.promise)
  assert.is(calls, 1)
  assert.is((await within(10_000, collect(it.post('/', ['a'])))).items.length, 1)
})

test.run()
