// What goes together between a Flow and its workers, and when.
import { serialize } from 'node:v8'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../lib/doc/array.js'
import { Document } from '../../lib/doc/document.js'
import { FramedWorker } from '../../lib/place/framed-worker.js'
import type { Host, LinkEvents } from '../../lib/place/host.js'
import { Inside } from '../../lib/place/inside.js'
import type { Sent } from '../../lib/place/worker-life.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { frameReader } from '../../lib/wire/port/frames.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** How many frames are in each of what was sent. */
const counts = (sent: readonly Uint8Array[]): number[] =>
  sent.map((bytes) => {
    let count = 0
    frameReader(() => count++)(bytes)
    return count
  })

/** Both ends, and what each has sent the other and is not there yet. */
function ends(uses: () => void) {
  const there: Uint8Array[] = []
  const here: Uint8Array[] = []
  let events!: LinkEvents
  const host: Host = {
    kind: 'thread',
    write: serialize,
    start(_, own) {
      events = own
      return { send: (bytes) => void there.push(bytes), kill() {}, hold() {} }
    },
  }
  const inside = new Inside({ send: (bytes) => void here.push(bytes), end() {}, resolve: async () => ({ uses }) as any })
  const spec = { name: 'doing', shardId: 0, options: {}, env: {}, workspace: undefined, model: 'v1', over: { input: {}, output: {} } } as const
  const life = { answered() {}, ready() {}, end() {} }
  const worker = new FramedWorker(host, spec, { name: 'doing', shardId: 0 } as any, new Set(['doing']), 'thread doing/0', life)
  const ask = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const request = new Request(new Header('/', {}), DocumentArray.from([new Document({ text: 'x' })]), new Scope())
      worker.send({ request, resolve, reject, call: -1, parts: undefined, parted: false } satisfies Sent)
    })
  /** Carries to and fro until it is done. */
  const carry = async (work: Promise<unknown>): Promise<void> => {
    let over = false
    const done = work.finally(() => (over = true))
    while (!over) {
      for (const bytes of there.splice(0)) inside.receive(bytes)
      await turn()
      for (const bytes of here.splice(0)) events.receive(bytes)
    }
    await done
  }
  const begin = async (): Promise<void> => {
    await carry(worker.make())
    await carry(worker.open())
  }
  return { there, here, inside, ask, carry, begin }
}

test('places: a worker gets a turn in parts while the rest is written, each a part of what it has; and a few together', async () => {
  const { there, ask, carry, begin } = ends(() => {})
  await begin()
  const first = Array.from({ length: 64 }, ask)
  assert.equal(counts(there), [12, 12, 12, 12, 12], 'it begins before the turn is over')
  await turn()
  assert.equal(counts(there), [12, 12, 12, 12, 12, 4])
  const more = Array.from({ length: 560 }, ask)
  const parts = counts(there).slice(6)
  assert.ok(parts.length <= 16, `${parts}: who has much gets more at once`)
  await carry(Promise.all([...first, ...more]))
  const few = Array.from({ length: 9 }, ask)
  assert.equal(counts(there), [])
  await new Promise<void>((resolve) => process.nextTick(resolve))
  few.push(ask(), ask())
  await turn()
  assert.equal(counts(there), [11])
  await carry(Promise.all(few))
})

test('places: what was computed for long is answered at once, and not with all others of its turn', async () => {
  const { there, here, inside, ask, carry, begin } = ends(() => {
    for (const end = performance.now() + 2; performance.now() < end; );
  })
  await begin()
  const asked = Array.from({ length: 3 }, ask)
  await turn()
  assert.equal(counts(there), [3])
  inside.receive(there.shift()!)
  assert.equal(counts(here), [1, 1, 1])
  await carry(Promise.all(asked))
})

test.run()
