// A service that stops, and comes back: what clients asked is answered, in one time for all.
import { status } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { DocumentArray, Flow } from '../../lib/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { deferred } from '../support/deferred.js'
import { Service } from '../support/service.js'
import { soonest, timed } from '../support/soonest.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

const PROTOCOLS = ['grpc', 'http', 'websocket'] as const

test('205: close() of a served Flow takes its closeTimeout once, also when an executor hangs', async () => {
  // Each of the three ports and the executor with a time of its own would take a second more at least.
  await soonest(1900, async () => {
    const called = deferred<void>()
    const uses = () => {
      called.resolve()
      return new Promise<void>(() => {})
    }
    const flow = await new Flow({ protocol: [...PROTOCOLS], port: 0, closeTimeout: 1000 }).add({ uses }).open()
    await using client = new Client(flow.addresses.http!)
    const lost = client
      .post('/', ['a'])
      .docs()
      .catch((error) => error)
    await within(10_000, called.promise)
    const took = await timed(() => within(20_000, flow.close()))
    assert.is((await lost).code, 'ERR_DISCONNECTED')
    return took
  })
})

test('205: what waits for a batch is sent out when a served Flow closes', async () => {
  let came = 0
  const flow = await new Flow({ protocol: [...PROTOCOLS], port: 0, closeTimeout: 60_000 })
    .add({ uses: () => void came++ })
    .add({ uses: () => {}, dynamicBatching: { preferredBatchSize: 100, timeout: 120_000 } })
    .open()
  const clients = PROTOCOLS.map((protocol) => new Client(flow.addresses[protocol]!))
  for (const client of clients) await client.open()
  const answered = clients.map((client) => client.post('/', ['a']).docs())
  while (came < 3) await within(10_000, turn())
  const closed = flow.close()
  for (const docs of await within(10_000, Promise.all(answered))) assert.is(docs.length, 1)
  await within(10_000, closed)
  for (const client of clients) await client.close()
})

test('155, 205: executors elsewhere and a gateway are restarted one by one under load, and no request fails', async () => {
  const work = () => new Promise<void>((resolve) => setTimeout(resolve, 5))
  const executor = (port: number) =>
    new Flow({ protocol: 'grpc', port })
      .add({ name: 'work', uses: async ({ docs }) => work().then(() => docs.forEach((doc) => void (doc.text += '!'))) })
      .open()
  const executors = [await executor(0), await executor(0)]
  const ports = executors.map(({ addresses }) => Number(new URL(addresses.grpc!).port))
  const gateway = () =>
    new Flow({ protocol: 'grpc', port: 0 }).add({ name: 'encode', external: true, host: ports.map((port) => `grpc://127.0.0.1:${port}`) }).open()
  let front = await gateway()
  const portOf = ({ addresses }: Flow<any>): number => Number(new URL(addresses.grpc!).port)
  const service = await Service.before(portOf(front))
  const raw = new Raw(`127.0.0.1:${service.port}`)
  const client = new Client(`grpc://127.0.0.1:${service.port}`)
  const failures: string[] = []
  let answered = 0
  let over = false
  const note = (text: string | undefined, why: string): void => {
    if (text === 'a!') answered++
    else failures.push(why)
  }
  const load = [
    async () => {
      const { answer, status: how } = await raw.unary(METHODS.single, asked())
      note(how.code === status.OK ? decodeMessage(answer!).docs[0]?.text : undefined, `unary: ${how.code} ${how.details}`)
    },
    async () => {
      const { answers, status: how } = await raw.converse(METHODS.call, [asked(), asked(), asked()])
      note(how.code === status.OK && answers.length === 3 ? decodeMessage(answers[2]!).docs[0]?.text : undefined, `Call: ${how.code} ${how.details}`)
    },
    async () => {
      const texts = await client
        .post('/', ['a', 'a', 'a'], { requestSize: 1 })
        .docs()
        .then(({ texts }) => texts)
        .catch((error) => [String(error)])
      note(texts.length === 3 ? texts[2] : undefined, `Client: ${texts}`)
    },
  ]
  const running = [...load, ...load].map(async (once) => {
    while (!over) await once()
  })
  const more = async (count: number): Promise<void> => {
    const until = answered + count
    while (answered < until && failures.length === 0) await within(20_000, turn())
  }
  for (let round = 0; round < 2; round++) {
    for (const at of [0, 1]) {
      await more(30)
      await within(20_000, executors[at]!.close())
      await more(10)
      executors[at] = await executor(ports[at]!)
    }
    await more(30)
    const next = await gateway()
    service.target = portOf(next)
    await within(20_000, front.close())
    front = next
  }
  await more(30)
  over = true
  await within(20_000, Promise.all(running))
  assert.equal(failures, [])
  await client.close()
  raw[Symbol.dispose]()
  for (const one of [front, ...executors]) await one.close()
  await service[Symbol.asyncDispose]()
})

function asked(): Buffer {
  return Buffer.from(encodeMessage(emptyMessage({ requestId: 'one', execEndpoint: '/', docs: DocumentArray.from([{ text: 'a' }]) })))
}

test.run()
