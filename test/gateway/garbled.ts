// Servers whose answers cannot be read: each fails its own request, where it says whose it is, and the others go on.
import { Server as Grpc, ServerCredentials } from '@grpc/grpc-js'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocketServer } from 'ws'
import { Client } from '../../lib/client/index.js'
import { ConnectionError, DocumentArray, ExecutorError, Flow } from '../../lib/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage, type Message } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { within } from '../support/within.js'

/** What a server answers to a request, in bytes. */
type Answer = (request: Message) => Buffer
type Take = (request: Message, send: (bytes: Buffer) => void) => void
const same = (bytes: Buffer): Buffer => bytes
const echo = ({ requestId, docs }: Message): Buffer => Buffer.from(encodeMessage(emptyMessage({ requestId, execEndpoint: '/', docs })))

/** With a field of the number 0 where its document was. */
function garbled({ requestId }: Message): Buffer {
  const bytes = echo(emptyMessage({ requestId, docs: DocumentArray.from([{ id: 'here' }]) }))
  return bytes.fill(0, bytes.indexOf('here') - 2, bytes.length)
}

async function grpc(take: Take) {
  const server = new Grpc()
  const stream = { path: METHODS.call, requestStream: true, responseStream: true } as const
  const codec = { requestDeserialize: same, requestSerialize: same, responseDeserialize: same, responseSerialize: same } as const
  server.addService({ call: { ...stream, ...codec } }, {
    call(call: any) {
      call.on('data', (bytes: Buffer) => take(decodeMessage(bytes), (bytes) => call.write(bytes)))
      call.on('end', () => call.end())
      call.on('error', () => {})
    },
  } as any)
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  )
  return { host: `grpc://127.0.0.1:${port}`, close: () => server.forceShutdown() }
}

async function webSocket(take: Take) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'bytes' })
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (bytes: Buffer) => {
      if (bytes.length > 1) take(decodeMessage(bytes), (bytes) => socket.send(bytes))
    })
  })
  await new Promise((resolve) => server.once('listening', resolve))
  const close = () => {
    for (const client of server.clients) client.terminate()
    server.close()
  }
  return { host: `ws://127.0.0.1:${(server.address() as { port: number }).port}`, close }
}

const isBad = ({ docs }: Message): boolean => docs[0]!.text.startsWith('bad')

/** Answers eight requests at a time, bad ones first: so that others wait for theirs meanwhile. */
function eight(answer: Answer): Take {
  let waiting: [Message, (bytes: Buffer) => void][] = []
  return (...given) => {
    waiting.push(given)
    if (waiting.length < 8) return
    for (const [request, send] of waiting.sort(([a], [b]) => Number(isBad(b)) - Number(isBad(a)))) send(answer(request))
    waiting = []
  }
}

for (const [name, serve] of Object.entries({ grpc, webSocket })) {
  test(`145: ${name}: an answer whose document cannot be read fails its own request alone`, async () => {
    const there = await serve((request, send) => send(isBad(request) ? garbled(request) : echo(request)))
    const flow = await new Flow().add({ name: 'there', external: true, host: there.host }).open()
    const texts = Array.from({ length: 40 }, (_, at) => `${at % 4 === 0 ? 'bad' : 'good'} ${at}`)
    const responses = await within(20_000, flow.post('/', texts, { requestSize: 1, prefetch: 8, continueOnError: true, resultsInOrder: true }).toArray())
    assert.is(responses.length, texts.length)
    responses.forEach((response, at) => {
      const { error } = response
      if (texts[at]!.startsWith('good')) assert.is(response.docs[0]!.text, texts[at], String(error))
      else {
        assert.instance(error, ExecutorError)
        assert.instance((error as Error).cause, ConnectionError)
        assert.is(((error as Error).cause as ConnectionError).code, 'ERR_PROTOCOL')
      }
    })
    await flow.close()
    there.close()
  })

  test(`145: ${name}: in a Client's stream, the others that are under way are answered`, async () => {
    const there = await serve(eight((request) => (isBad(request) ? garbled(request) : echo(request))))
    await using client = new Client(there.host)
    const texts = Array.from({ length: 40 }, (_, at) => `${at % 4 === 0 ? 'bad' : 'good'} ${at}`)
    const responses = await within(20_000, client.post('/', texts, { requestSize: 1, prefetch: 8, continueOnError: true }).toArray())
    // Not in order, in which each has a stream of its own.
    assert.equal(responses.map(({ docs }) => docs[0]!.text).sort(), [...texts].sort())
    for (const { error, docs } of responses)
      assert.is((error as ConnectionError | undefined)?.code, docs[0]!.text.startsWith('bad') ? 'ERR_PROTOCOL' : undefined)
    // Who does not go on gets what was answered before.
    const error = await within(20_000, client.post('/', texts, { requestSize: 1, prefetch: 8 }).drain()).catch((error) => error)
    assert.instance(error, ConnectionError)
    there.close()
  })

  test(`145: ${name}: whatever an executor elsewhere answers, each request comes back, and the process lives`, async () => {
    const random = fc.sample(fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }), cut: fc.boolean() }), { seed: 145, numRuns: 200 })
    let turn = 0
    const there = await serve((request, send) => {
      const bytes = echo(request)
      const { at, byte, cut } = random[turn++ % random.length]!
      bytes[at % bytes.length] = byte
      send(cut ? bytes.subarray(0, at % bytes.length) : bytes)
    })
    const external = { name: 'there', external: true, host: there.host, retries: 0, timeout: 300 } as const
    const flow = await new Flow().add(external).open()
    const post = async () => {
      for (let at = 0; at < 30; at++) {
        const responses = await flow.post('/', ['a', 'b', 'c'], { requestSize: 1, continueOnError: true }).toArray()
        assert.is(responses.length, 3)
        for (const { error } of responses) assert.ok(error === undefined || error instanceof ExecutorError, String(error))
      }
    }
    await within(60_000, post())
    await flow.close()
    there.close()
  })
}

test.run()
