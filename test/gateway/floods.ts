// Clients that speak HTTP/2 to do harm, frame by frame: the process lives, others are served meanwhile, and it costs little.
import { type ChildProcess, fork } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import type { GatewayOptions } from '../../lib/gateway/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { code } from '../support/code.js'
import { within } from '../support/within.js'
import { call, FLAG, field, frame, TYPE, Wire } from '../wire/grpc/frames.js'

const COUNT = 10_000
const CANCEL = Buffer.of(0, 0, 0, 8)

interface Use {
  readonly cpu: number
  readonly handles: number
}

/** A gateway in a process of its own. */
class Served {
  readonly #child: ChildProcess
  readonly exit: Promise<string>

  constructor(options: GatewayOptions) {
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const
    this.#child = fork(code('test/gateway/server'), [JSON.stringify(options)], { stdio: [...stdio] })
    this.exit = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve(`the server ended with ${code ?? signal}`)))
  }

  /** @throws when it is dead */
  hear<T>(): Promise<T> {
    const message = new Promise<T>((resolve) => this.#child.once('message', (message) => resolve(message as T)))
    return within(20_000, Promise.race([message, this.exit.then((how) => Promise.reject(new Error(how)))]))
  }

  use(): Promise<Use> {
    const heard = this.hear<Use>()
    this.#child.send('?', () => {})
    return heard
  }

  end(): void {
    this.#child.kill()
  }
}

const opening = frame(TYPE.headers, FLAG.endHeaders, 1, call(METHODS.call))
const large = Buffer.concat([call(METHODS.call), ...Array.from({ length: 15 }, (_, i) => field(`x-${i}`, 'a'.repeat(4096)))])
const each = (make: (at: number, stream: number) => Uint8Array): Buffer[] =>
  Array.from({ length: COUNT / 100 }, (_, i) => Buffer.concat(Array.from({ length: 100 }, (_, j) => make(i * 100 + j, 2 * (i * 100 + j) + 1))))
const begun = (method: string) => (_: number, stream: number) => frame(TYPE.headers, FLAG.endHeaders, stream, call(method))
const reset = (method: string) => (at: number, stream: number) => Buffer.concat([begun(method)(at, stream), frame(TYPE.reset, 0, stream, CANCEL)])

/** Headers of 61 KB, in one frame and those that continue it. */
function* broad(): Generator<Buffer> {
  for (let i = 0; i < COUNT / 4; i++)
    yield Buffer.concat(
      [0, 1, 2, 3].map((part) => {
        const fragment = large.subarray(part * 16_000, (part + 1) * 16_000)
        return frame(part === 0 ? TYPE.headers : TYPE.continuation, part === 3 ? FLAG.endHeaders : 0, 2 * i + 1, fragment)
      }),
    )
}

/** What is poured, and whether that is answered by hanging up; else it does no harm. */
const FLOODS: readonly [name: string, closes: boolean, chunks: () => Iterable<Uint8Array>][] = [
  ['calls that are reset at once', true, () => each(reset(METHODS.call))],
  ['calls of no method that are reset at once', true, () => each(reset('/no.such/Method'))],
  [
    'calls that are no gRPC and reset at once',
    true,
    () =>
      each((_, stream) => Buffer.concat([frame(TYPE.headers, FLAG.endHeaders, stream, call(METHODS.call, 'text/html')), frame(TYPE.reset, 0, stream, CANCEL)])),
  ],
  [
    'requests that are reset while they are answered',
    true,
    () =>
      each((at, stream) =>
        Buffer.concat([begun(METHODS.single)(at, stream), frame(TYPE.data, FLAG.endStream, stream, Buffer.alloc(5)), frame(TYPE.reset, 0, stream, CANCEL)]),
      ),
  ],
  [
    'frames that make the server reset the call',
    true,
    () => each((at, stream) => Buffer.concat([begun(METHODS.call)(at, stream), frame(TYPE.windowUpdate, 0, stream, Buffer.alloc(4))])),
  ],
  [
    'messages that are framed wrongly',
    true,
    () => each((at, stream) => Buffer.concat([begun(METHODS.call)(at, stream), frame(TYPE.data, FLAG.endStream, stream, Buffer.of(at % 3, 0, 0, 0, 9, 1))])),
  ],
  ['calls without end', true, () => each(begun(METHODS.call))],
  [
    'headers that HTTP/2 forbids',
    true,
    () => each((_, stream) => frame(TYPE.headers, FLAG.endHeaders, stream, Buffer.concat([call(METHODS.call), field('Connection', 'close')]))),
  ],
  ['headers of 61 KB', false, broad],
  [
    'headers that never end',
    true,
    () => [frame(TYPE.headers, 0, 1, call(METHODS.call)), ...each((at) => frame(TYPE.continuation, 0, 1, field(`x-${at}`, 'y')))],
  ],
  ['continuations of nothing', true, () => [frame(TYPE.headers, 0, 1, call(METHODS.call)), ...each(() => frame(TYPE.continuation, 0, 1))]],
  ['settings', true, () => each((at) => frame(TYPE.settings, 0, 0, Buffer.of(0, 3, 0, 0, 0, at % 100)))],
  ['pings', true, () => each(() => frame(TYPE.ping, 0, 0, Buffer.alloc(8)))],
  ['data of no bytes', true, () => [opening, ...each(() => frame(TYPE.data, 0, 1))]],
  ['windows', false, () => each(() => frame(TYPE.windowUpdate, 0, 0, Buffer.of(0, 0, 0, 1)))],
  ['priorities', false, () => each((_, stream) => frame(2, 0, stream, Buffer.of(0, 0, 0, 0, 16)))],
  ['frames of no type', false, () => each(() => frame(77, 0, 0, Buffer.alloc(4)))],
]

for (const protocol of [['grpc'], ['grpc', 'http', 'websocket']] as const) {
  const register = (name: string, story: (served: Served, port: number) => Promise<void>): void =>
    test(`${protocol}: ${name}`, async () => {
      const served = new Served({ protocol })
      try {
        await story(served, await served.hear<number>())
      } finally {
        served.end()
      }
    })

  register('R101: 10,000 frames of every kind that can be sent for nothing', async (served, port) => {
    await using client = new Client(`${protocol.length > 1 ? 'http' : 'grpc'}://127.0.0.1:${port}`)
    const answered = async () => assert.is((await within(10_000, client.post('/', ['a']).docs())).length, 1)
    await answered()
    for (const [name, closes, chunks] of FLOODS) {
      const before = await served.use()
      const wire = new Wire(port)
      let over = false
      const poured = within(20_000, wire.pour(chunks())).finally(() => {
        over = true
      })
      // Also while it rains.
      do await answered()
      while (!over)
      await poured
      await answered()
      if (closes) await within(5000, wire.closed)
      wire.socket.destroy()
      const { cpu } = await served.use()
      // In seconds of one core. It is well under 1; the rest is for machines that are slower, or busy.
      assert.ok(cpu - before.cpu < 5, `${name}: ${cpu - before.cpu} s`)
      while ((await served.use()).handles > before.handles) await within(5000, new Promise((resolve) => setTimeout(resolve, 20)))
    }
  })
}

test.run()
