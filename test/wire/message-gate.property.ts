// Messages that come in any pieces, of which some wait and some are refused: the others come through as they are, in their order, and of a refused one its head.
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../lib/doc/array.js'
import { FRAMING as GRPC } from '../../lib/wire/grpc/server/charges.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { type Deciding, type Framing, MessageGate } from '../../lib/wire/message-gate.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { FRAMING as WEBSOCKET } from '../../lib/wire/websocket/server/framing.js'
import { turn } from '../support/turn.js'
import { frame } from './websocket/support.js'

const prefixed = (message: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

const WIRES: Record<string, { framing: Framing; write(message: Uint8Array): Buffer }> = {
  grpc: { framing: GRPC, write: prefixed },
  websocket: { framing: WEBSOCKET, write: (message) => frame(2, message, { key: [1, 2, 3, 250] }) },
}

/** Takes apart what came through. */
function messages({ framing }: { framing: Framing }, bytes: Uint8Array): Uint8Array[] {
  const all: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    let here = 0
    while (here < framing.due(bytes.subarray(at), here)) here++
    const header = bytes.subarray(at, at + here)
    const end = at + here + framing.length(header)
    all.push(framing.plain(header, bytes.subarray(at + here, end)))
    at = end
  }
  return all
}

type Fate = 'comes' | 'waits' | 'refused'

/** What comes through of messages that come in pieces. */
async function through(wire: { framing: Framing }, bytes: Buffer, fates: readonly Fate[], sizes: readonly number[]): Promise<Uint8Array> {
  const stream = new Readable({ read() {} })
  const doors: (() => void)[] = []
  let begun = 0
  const seen = { ended: 0, lost: 0 }
  const deciding: Deciding = {
    begins() {
      const fate = fates[begun++]
      if (fate === 'comes') return
      stream.pause()
      return new Promise<boolean>((resolve) => doors.push(() => resolve(fate === 'waits')))
    },
    goesOn: () => void stream.resume(),
    half() {},
    ends: () => void seen.ended++,
    unknown: () => void seen.lost++,
  }
  new MessageGate(stream, wire.framing, deciding)
  const out: Buffer[] = []
  stream.on('data', (chunk) => out.push(chunk))
  let at = 0
  for (let step = 0; at < bytes.length; step++) {
    const size = sizes[step % sizes.length]!
    stream.push(bytes.subarray(at, at + size))
    at += size
  }
  stream.push(null)
  const ended = new Promise((resolve) => stream.once('end', resolve))
  let over = false
  void ended.then(() => {
    over = true
  })
  while (!over) {
    doors.shift()?.()
    await turn()
  }
  assert.equal(seen, { ended: fates.filter((fate) => fate !== 'refused').length, lost: 0 })
  return Buffer.concat(out)
}

for (const [name, wire] of Object.entries(WIRES))
  test(`222: ${name}: what is refused is let go but for its head, and all else comes as it was`, async () => {
    const plans = fc.record({
      messages: fc.array(fc.record({ fate: fc.constantFrom<Fate>('comes', 'comes', 'waits', 'refused'), length: fc.nat(400) }), { minLength: 1, maxLength: 8 }),
      sizes: fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(plans, async ({ messages: planned, sizes }) => {
        const all = planned.map(({ length }, at) =>
          encodeMessage(emptyMessage({ requestId: `request ${at}`, execEndpoint: '/in', docs: DocumentArray.from(['x'.repeat(length)]) })),
        )
        const bytes = Buffer.concat(all.map(wire.write))
        const out = messages(
          wire,
          await through(
            wire,
            bytes,
            planned.map(({ fate }) => fate),
            sizes,
          ),
        )
        assert.is(out.length, all.length)
        for (const [at, message] of out.entries()) {
          if (planned[at]!.fate !== 'refused') assert.equal(Buffer.from(message), Buffer.from(all[at]!))
          else {
            const { requestId, execEndpoint, docs } = decodeMessage(message)
            assert.equal([requestId, execEndpoint, docs.length], [`request ${at}`, '/in', 0])
          }
        }
      }),
      { numRuns: 300, includeErrorInReport: true },
    )
  })

test('222: whose head cannot be told is told as lost, and nothing of it comes through', async () => {
  for (const [message, flag] of [
    [Buffer.alloc(40_000, 0x22), 0],
    [encodeMessage(emptyMessage({ requestId: 'packed' })), 1],
    [Buffer.concat([Buffer.of(0x0a, 0xff, 0xff, 0x7f), Buffer.alloc(40_000)]), 0],
    [Buffer.alloc(0), 0],
  ] as const) {
    const stream = new Readable({ read() {} })
    let lost = 0
    const deciding: Deciding = { begins: () => Promise.resolve(false), goesOn() {}, half() {}, ends() {}, unknown: () => void lost++ }
    new MessageGate(stream, GRPC, deciding)
    let came = 0
    stream.on('data', ({ length }) => (came += length))
    const bytes = prefixed(message)
    bytes[0] = flag
    stream.push(bytes)
    for (let at = 0; at < 5; at++) await turn()
    assert.equal([lost, came], [1, 0])
  }
})

test('222: an end in the middle of a header is seen with what was there of it', async () => {
  const stream = new Readable({ read() {} })
  new MessageGate(stream, GRPC, { begins() {}, goesOn() {}, half() {}, ends() {}, unknown() {} })
  const out: Buffer[] = []
  stream.on('data', (chunk) => out.push(chunk))
  stream.push(Buffer.of(0, 0, 0))
  stream.push(null)
  await new Promise((resolve) => stream.once('end', resolve))
  assert.equal(Buffer.concat(out), Buffer.of(0, 0, 0))
})

test.run()
