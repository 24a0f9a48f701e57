import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FRAME, frame, frameKinds, frameReader, HEAD, insideOf, jsonFrame, jsonIn, Outbox } from '../../../lib/wire/port/frames.js'
import { type Writer, WriterFull } from '../../../lib/wire/proto/index.js'

test('frames are read in whatever pieces they come', () => {
  const frames = [
    frame(FRAME.call, 7, Uint8Array.of(1, 2, 3)),
    frame(FRAME.abort, 2 ** 32 - 1),
    jsonFrame(FRAME.made, { a: 'ü' }),
    frame(FRAME.answer, 1, new Uint8Array(3000)),
  ]
  const all = Buffer.concat(frames)
  for (const size of [1, 2, 3, 5, 9, 13, 100, all.length]) {
    const seen: string[] = []
    const read = frameReader((frame) => {
      const inside = insideOf(frame)
      seen.push(`${frame.kind} ${frame.call} ${inside.length} ${frame.kind === FRAME.made ? jsonIn(frame).a : (inside[0] ?? '')}`)
    })
    for (let at = 0; at < all.length; at += size) read(Uint8Array.from(all.subarray(at, at + size)))
    assert.equal(seen, ['3 7 3 1', '4 4294967295 0 ', '16 0 10 ü', '21 1 3000 0'], `in pieces of ${size}`)
  }
})

test('of frames that go by, the kinds are seen, in whatever pieces they come; what is none holds up nobody', () => {
  const all = Buffer.concat([frame(FRAME.call, 7, Uint8Array.of(1, 2, 3)), frame(FRAME.abort, 2 ** 32 - 1), frame(FRAME.answer, 1, new Uint8Array(3000))])
  for (const size of [1, 2, 3, 4, 5, 9, 13, 100, all.length]) {
    const seen: number[] = []
    const look = frameKinds((kind) => seen.push(kind))
    for (let at = 0; at < all.length; at += size) look(all.subarray(at, at + size))
    assert.equal(seen, [FRAME.call, FRAME.abort, FRAME.answer], `in pieces of ${size}`)
  }
  const look = frameKinds(() => {})
  for (let at = 0; at < 100; at++) look(Uint8Array.of(at % 9, 0, 0, 0, 255, 255, 255, 255, 255))
})

test('128: what is no frame is refused, before memory is made for it', () => {
  const read = frameReader(() => assert.unreachable())
  assert.throws(() => read(Uint8Array.of(255, 255, 255, 255, 3, 0, 0, 0, 0)), /no frame|is none/)
  assert.throws(() => frameReader(() => {})(Uint8Array.of(0, 0, 0, 0, 3, 0, 0, 0, 0)), /is none/)
})

test('frames of one turn go together, up to what is much', async () => {
  const sent: number[] = []
  const out = new Outbox((bytes) => sent.push(bytes.length))
  for (let at = 0; at < 40; at++) out.push(frame(FRAME.call, at))
  out.push(frame(FRAME.call, 20, new Uint8Array(1 << 17)))
  out.push(frame(FRAME.call, 21))
  assert.equal(sent, [40 * 9 + (1 << 17) + 9])
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(sent.at(-1), 9)
})

test('a frame that is too large is not written, and those before and behind it are sent', () => {
  const sent: Uint8Array[] = []
  const out = new Outbox(
    (bytes) => sent.push(bytes),
    () => {},
    200_000,
  )
  out.push(frame(FRAME.call, 1, Uint8Array.of(1)))
  // One outgrows the room first.
  for (const size of [199_990, 300_000, 2 ** 40])
    assert.throws(
      () =>
        out.write(
          FRAME.call,
          2,
          (writer: Writer, more: number) => {
            writer.need(150_000)
            writer.need(more)
          },
          size,
        ),
      (error: unknown) => error instanceof WriterFull,
    )
  out.push(frame(FRAME.call, 3, Uint8Array.of(3)))
  out.flush()
  const seen: number[] = []
  frameReader(({ call }) => seen.push(call))(sent[0]!)
  assert.equal([seen, sent.length, sent[0]!.buffer.byteLength], [[1, 3], 1, 20])
})

test('a frame that comes in a piece of one byte and one of the rest is read', () => {
  const kinds: number[] = []
  const read = frameReader(({ kind, at, end }) => kinds.push(kind, end - at))
  // 256 bytes in all: the first byte of its length is 0.
  const bytes = frame(FRAME.call, 1, new Uint8Array(256 - HEAD))
  read(bytes.subarray(0, 1))
  read(bytes.subarray(1, 20))
  read(bytes.subarray(20))
  assert.equal(kinds, [FRAME.call, 256 - HEAD])
})

test('what is written while a frame is written is a frame of its own', () => {
  const seen: number[][] = []
  const read = frameReader(({ kind, bytes, at, end }) => seen.push([kind, ...bytes.subarray(at, end)]))
  const out = new Outbox(read)
  const byte = (value: number) => (writer: Writer) => {
    writer.need(1)
    writer.bytes[writer.pos++] = value
  }
  out.write(
    FRAME.answer,
    1,
    (writer) => {
      byte(1)(writer)
      out.write(FRAME.part, 2, byte(9), undefined)
      byte(2)(writer)
    },
    undefined,
  )
  out.flush()
  assert.equal(seen, [
    [FRAME.part, 9],
    [FRAME.answer, 1, 2],
  ])
})

test.run()
