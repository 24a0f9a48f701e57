// RFC 6455, frame by frame, in the families of Autobahn's cases (which echo, where this endpoint answers: a message that came whole is
// known by its answer). The numbers are those of the families.
import type { Socket } from 'node:net'
import { deflateRawSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeMessage } from '../../../lib/wire/proto/index.js'
import { turn } from '../../support/turn.js'
import { within } from '../../support/within.js'
import { frame, raw, serving } from './support.js'

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10] as const
const BYTES = 'Sec-WebSocket-Protocol: bytes\r\n'
const LIMIT = 4_000_000

type Part = Buffer | Buffer[]

interface Case {
  readonly name: string
  readonly send: readonly Part[]
  /** The code that the server closes with. */
  readonly code: number
  /** Texts of the documents that are answered; left out, they may be or not. */
  readonly answers?: readonly string[]
  readonly pongs?: readonly (string | Uint8Array)[]
  readonly headers?: string
}

/** A request in so many bytes. */
const json = (text: string, length = 0): string => JSON.stringify({ data: [{ text }] }).padEnd(length)
/** The same as protobuf; a field that nobody knows fills it up. */
function proto(length: number): Buffer {
  if (length < 4) return Buffer.alloc(0)
  const size = length - (length < 130 ? 2 : length < 16_387 ? 3 : 4)
  const head =
    size < 128 ? [0x7a, size] : size < 16_384 ? [0x7a, (size & 127) | 128, size >> 7] : [0x7a, (size & 127) | 128, ((size >> 7) & 127) | 128, size >> 14]
  return Buffer.concat([Buffer.from(head), Buffer.alloc(size)])
}
const END = frame(TEXT, '{}')
const key = [0x37, 0xfa, 0x21, 0x3d]
const text = (message: string): Buffer => frame(TEXT, message, { key })
/** A message in fragments. */
function fragments(opcode: number, pieces: readonly (string | Uint8Array)[], between: readonly Buffer[] = []): Buffer[] {
  return pieces.flatMap((piece, at) => [
    frame(at === 0 ? opcode : CONTINUATION, piece, { fin: at === pieces.length - 1, key }),
    ...(at < pieces.length - 1 ? between : []),
  ])
}
const octets = (message: Buffer | string): Buffer[] => [...Buffer.from(message as string)].map((byte) => Buffer.of(byte))
const cut = (message: Buffer | string, size: number): Buffer[] => {
  const bytes = Buffer.from(message as string)
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))
}
const closing = (code: number, reason: string | Uint8Array = ''): Buffer =>
  frame(CLOSE, Buffer.concat([Buffer.of(code >> 8, code & 255), Buffer.from(reason as string)]))
const dirty = (bytes: readonly number[]): Buffer => Buffer.concat([Buffer.from('{"data":[{"text":"'), Buffer.from(bytes), Buffer.from('"}]}')])
const hex = (bytes: readonly number[]): string => Buffer.from(bytes).toString('hex')

const cases: Case[] = []
const add = (name: string, send: readonly Part[], code: number, more: Partial<Case> = {}): void => void cases.push({ name, send, code, ...more })
/** Ends by itself, and is answered. */
const fine = (name: string, send: readonly Part[], more: Partial<Case> = {}): void => add(name, [...send, END], 1000, { answers: ['a'], ...more })

for (const length of [125, 126, 127, 128, 65_535, 65_536]) {
  fine(`1.1 text of ${length} bytes`, [text(json('a', length))])
  add(`1.2 binary of ${length} bytes`, [frame(BINARY, proto(length), { key }), frame(BINARY, [0] as never)], 1000, { answers: [''], headers: BYTES })
}
add('1.1 text of no bytes, which is no JSON', [text('')], 1007, { answers: [] })
add('1.2 binary of no bytes, which is a message', [frame(BINARY, ''), frame(BINARY, [0] as never)], 1000, { answers: [''], headers: BYTES })
fine('1.1 octet by octet', [octets(text(json('a', 128)))])

fine('2.1 a ping of nothing', [frame(PING, ''), text(json('a'))], { pongs: [''] })
fine('2.2 a ping with a word', [frame(PING, 'hello'), text(json('a'))], { pongs: ['hello'] })
fine('2.3 a ping that is no UTF-8', [frame(PING, Uint8Array.of(0, 255, 254, 0)), text(json('a'))], { pongs: [Uint8Array.of(0, 255, 254, 0)] })
fine('2.4 a ping of 125 bytes', [frame(PING, 'x'.repeat(125), { key }), text(json('a'))], { pongs: ['x'.repeat(125)] })
add('2.5 a ping of 126 bytes', [frame(PING, 'x'.repeat(126))], 1002, { pongs: [] })
fine('2.6 a ping octet by octet', [octets(frame(PING, 'x'.repeat(125), { key })), text(json('a'))], { pongs: ['x'.repeat(125)] })
fine('2.7 a pong that nobody asked for', [frame(PONG, ''), text(json('a'))], { pongs: [] })
fine('2.9 such a pong, and a ping', [frame(PONG, 'odd'), frame(PING, 'even'), text(json('a'))], { pongs: ['even'] })
const ten = Array.from({ length: 10 }, (_, at) => `ping ${at}`)
fine('2.10 ten pings', [...ten.map((word) => frame(PING, word)), text(json('a'))], { pongs: ten })

for (let rsv = 1; rsv < 8; rsv++) {
  add(`3 a text with reserved bits ${rsv}`, [text(json('a')), frame(TEXT, json('b'), { rsv })], 1002)
  add(`3 a ping with reserved bits ${rsv}`, [frame(PING, 'x', { rsv })], 1002, { pongs: [] })
  add(`3 a close with reserved bits ${rsv}`, [frame(CLOSE, '', { rsv })], 1002)
}

for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  add(`4 opcode ${opcode}`, [frame(opcode, '')], 1002, { answers: [] })
  add(`4 opcode ${opcode} with something in it, then a ping`, [text(json('a')), frame(opcode, json('b')), frame(PING, '')], 1002, { pongs: [] })
}

add('5.1 a ping in fragments', [frame(PING, 'a', { fin: false }), frame(CONTINUATION, 'b')], 1002, { pongs: [] })
add('5.2 a pong in fragments', [frame(PONG, 'a', { fin: false }), frame(CONTINUATION, 'b')], 1002)
add('5.2 a close in fragments', [frame(CLOSE, '', { fin: false })], 1002)
fine('5.3 two fragments', fragments(TEXT, cut(json('a'), 10)))
fine('5.5 two fragments, octet by octet', [octets(Buffer.concat(fragments(TEXT, cut(json('a'), 10))))])
fine('5.6 a ping between them', fragments(TEXT, cut(json('a'), 10), [frame(PING, 'x')]), { pongs: ['x', 'x'] })
fine('5.19 pings between many', fragments(TEXT, cut(json('a'), 5), [frame(PING, '1'), frame(PONG, '2')]), {
  pongs: Array(cut(json('a'), 5).length - 1).fill('1'),
})
for (const fin of [true, false]) {
  add(`5.9 a continuation of nothing, fin ${fin}`, [frame(CONTINUATION, json('a'), { fin }), text(json('a'))], 1002, { answers: [] })
  add(`5.12 the same behind a message, fin ${fin}`, [text(json('a')), frame(CONTINUATION, json('b'), { fin })], 1002)
  add(`5.18 a new message within another, fin ${fin}`, [frame(TEXT, '{', { fin: false }), frame(TEXT, json('a'), { fin })], 1002, { answers: [] })
}
add('5.18 binary within text', [frame(TEXT, '{', { fin: false }), frame(BINARY, 'a')], 1002, { answers: [] })

const words = 'κόσμε 水 🌊 \u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}\ud7ff\ue000\ufffd'
const worded = JSON.stringify({ data: [{ text: words }] })
fine('6.1 fragments of nothing', fragments(TEXT, ['', json('a'), '']))
fine('6.2 characters of every length', [text(worded)], { answers: [words] })
fine('6.2 cut into octets, a fragment each', fragments(TEXT, octets(worded)), { answers: [words] })
fine('6.2 whole, octet by octet', [octets(text(worded))], { answers: [words] })
for (const [what, bytes] of Object.entries({
  'continuations alone': [[0x80], [0xbf], [0x80, 0xbf]],
  'beginnings alone': [[0xc3], [0xe1], [0xf1], [0xc3, 0x20], [0xe1, 0x20]],
  'cut off': [
    [0xe6, 0xb0],
    [0xf0, 0x9f, 0x8c],
    [0xed, 0x9f],
    [0xf4, 0x8f, 0xbf],
  ],
  'bytes that never are': [[0xfe], [0xff], [0xc0], [0xc1], [0xf5], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80]],
  'longer than need be': [
    [0xc0, 0xaf],
    [0xe0, 0x80, 0xaf],
    [0xf0, 0x80, 0x80, 0xaf],
    [0xc1, 0xbf],
    [0xe0, 0x9f, 0xbf],
    [0xf0, 0x8f, 0xbf, 0xbf],
    [0xc0, 0x80],
  ],
  surrogates: [
    [0xed, 0xa0, 0x80],
    [0xed, 0xaf, 0xbf],
    [0xed, 0xbf, 0xbf],
    [0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80],
  ],
  'over U+10FFFF': [
    [0xf4, 0x90, 0x80, 0x80],
    [0xf7, 0xbf, 0xbf, 0xbf],
  ],
}))
  for (const some of bytes) {
    add(`6.3 ${what}: ${hex(some)}`, [text(json('a')), frame(TEXT, dirty(some), { key })], 1007)
    add(`6.4 ${what}: ${hex(some)}, in fragments`, fragments(TEXT, octets(dirty(some))), 1007, { answers: [] })
  }

add('7.1 a close behind a message', [text(json('a')), closing(1000)], 1000)
add('7.1 two of them', [closing(1000), closing(1001)], 1000)
add('7.1 a ping behind it', [closing(1000), frame(PING, 'late')], 1000, { pongs: [] })
add('7.1 a message behind it', [closing(1000), text(json('late'))], 1000, { answers: [] })
add('7.1 in the middle of a message', [frame(TEXT, '{', { fin: false }), closing(1000)], 1000, { answers: [] })
add('7.3 of nothing', [frame(CLOSE, '')], 1005)
add('7.3 of one byte', [frame(CLOSE, 'a')], 1002)
add('7.3 with a reason', [closing(1000, 'enough')], 1000)
add('7.3 with the longest reason', [closing(1000, 'x'.repeat(123))], 1000)
add('7.3 with one that is too long', [closing(1000, 'x'.repeat(124))], 1002)
add('7.5 with one that is no UTF-8', [closing(1000, Uint8Array.of(0xce, 0xba, 0xed, 0xa0, 0x80))], 1007)
for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
  add(`7.7 with ${code}`, [closing(code)], code)
for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) add(`7.9 with ${code}, which is none`, [closing(code)], 1002)

for (const length of [262_144, 1_048_576, LIMIT]) {
  fine(`9.1 text of ${length} bytes`, [text(json('a', length))])
  fine(`9.3 ${length} bytes in fragments of 64 KB`, fragments(TEXT, cut(json('a', length), 65_536)))
}
fine('9.3 in 16,000 fragments', fragments(TEXT, cut(json('a', 1_024_000), 64)))
add('9.3 in more fragments than there may be', fragments(TEXT, cut(json('a', 1_280_000), 64)), 1008, { answers: [] })
fine('9.5 in pieces of 997 bytes', [cut(text(json('a', 262_144)), 997)])
add('9 over the limit, by its length alone', [frame(TEXT, '', { claim: LIMIT + 1 })], 1009, { answers: [] })
add('9 over the limit, fragment by fragment', fragments(TEXT, cut(json('a', LIMIT + 1), 65_536)), 1009, { answers: [] })
add('9 a length of 2^63', [Buffer.concat([Buffer.of(0x81, 0xff, 0x80), Buffer.alloc(11)])], 1009, { answers: [] })

add('5.1 of the RFC: a frame without a mask', [frame(TEXT, json('a'), { masked: false })], 1002, { answers: [] })
add('5.1 of the RFC: a ping without a mask', [frame(PING, '', { masked: false })], 1002, { pongs: [] })

// A message ends where deflate's last block would follow.
const packed = (message: string): Buffer => deflateRawSync(message, { finishFlush: 2 }).subarray(0, -4)
const DEFLATE = { headers: 'Sec-WebSocket-Extensions: permessage-deflate\r\n' }
const first = packed(json('a', 1000))
fine('12.1 a packed message', [frame(TEXT, first, { rsv: 4, key })], DEFLATE)
fine('12.1 one that is not, between them', [frame(TEXT, first, { rsv: 4 }), text(json('b')), frame(TEXT, first, { rsv: 4 })], {
  ...DEFLATE,
  answers: ['a', 'b', 'a'],
})
fine('12.1 in fragments, with a ping', [frame(TEXT, first.subarray(0, 9), { rsv: 4, fin: false }), frame(PING, 'x'), frame(CONTINUATION, first.subarray(9))], {
  ...DEFLATE,
  pongs: ['x'],
})
add(
  '12 packed bits on a continuation',
  [frame(TEXT, first.subarray(0, 9), { rsv: 4, fin: false }), frame(CONTINUATION, first.subarray(9), { rsv: 4 })],
  1002,
  DEFLATE,
)
add('12 a packed ping', [frame(PING, 'x', { rsv: 4 })], 1002, DEFLATE)
add('12 what is not packed at all', [frame(TEXT, Buffer.alloc(100, 0xff), { rsv: 4 })], 1007, DEFLATE)
add('12 more than the limit, once it is unpacked', [frame(TEXT, packed(json('a', LIMIT + 1)), { rsv: 4 })], 1009, DEFLATE)

interface Heard {
  code: number | undefined
  answers: string[]
  pongs: Buffer[]
}

/** Reads frames as a server must write them, until it hangs up. */
async function listen(socket: Socket): Promise<Heard> {
  const heard: Heard = { code: undefined, answers: [], pongs: [] }
  let data = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    data = Buffer.concat([data, chunk])
    for (;;) {
      if (data.length < 2) return
      const [head, mark] = [data[0]!, data[1]!]
      assert.is(head & 0xf0, 0x80, 'whole, and without reserved bits')
      assert.ok(mark < 128, 'servers do not mask')
      const wide = mark === 126 ? 2 : mark === 127 ? 8 : 0
      if (data.length < 2 + wide) return
      const length = wide === 0 ? mark : wide === 2 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2))
      assert.ok(wide === 0 || length > (wide === 2 ? 125 : 65_535), 'lengths are said as short as they can be')
      if (data.length < 2 + wide + length) return
      const payload = data.subarray(2 + wide, 2 + wide + length)
      data = data.subarray(2 + wide + length)
      assert.is(heard.code, undefined, 'nothing follows a close')
      const opcode = head & 15
      if (opcode === CLOSE) {
        heard.code = length === 0 ? 1005 : payload.readUInt16BE(0)
        socket.end()
      } else if (opcode === PONG) heard.pongs.push(Buffer.from(payload))
      else if (opcode === BINARY) heard.answers.push(decodeMessage(payload).docs.texts.join())
      else
        heard.answers.push(
          JSON.parse(String(payload))
            .data.map((document: { text?: string }) => document.text ?? '')
            .join(),
        )
    }
  })
  socket.resume()
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
  return heard
}

test(`R102: ${cases.length} cases of RFC 6455, in the families of Autobahn`, async () => {
  await using it = await serving(() => {}, { maxMessageBytes: LIMIT, compression: true, prefetch: 1 })
  const wrong: string[] = []
  for (const { name, send, code, answers, pongs, headers } of cases) {
    const socket = await raw(it.server.port, headers)
    socket.setNoDelay(true)
    const heard = listen(socket)
    for (const part of send) {
      for (const piece of [part].flat()) {
        socket.write(piece)
        // In packets of their own, mostly.
        if (Array.isArray(part)) await turn()
      }
    }
    try {
      const told = await within(10_000, heard)
      assert.is(told.code, code)
      if (answers !== undefined) assert.equal(told.answers, answers)
      if (pongs !== undefined)
        assert.equal(
          told.pongs,
          pongs.map((pong) => Buffer.from(pong as string)),
        )
    } catch (error) {
      wrong.push(`${name}: ${(error as Error).message}`)
    } finally {
      socket.destroy()
    }
  }
  assert.equal(wrong, [])
  assert.equal(it.reported, [])
  assert.is(await it.connect().isReady(), true)
})

test.run()
