// How long one body of 8 MiB keeps everybody else waiting: never 50 ms.
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Document } from '../../lib/doc/index.js'
import { Flow } from '../../lib/flow/flow.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { encodeMessage } from '../../lib/wire/proto/index.js'
import { longestGap } from '../support/gap.js'
import { serve } from '../support/graphql.js'
import { within } from '../support/within.js'
import { Raw as Grpc } from './grpc/raw.js'
import { world } from './grpc/world.js'
import { started } from './http/started.js'
import { frame, raw, serving } from './websocket/support.js'

const MiB = 1024 * 1024
/** As many documents as a request may have, in 8 MiB. */
const fields = (at: number) => ({
  id: `document ${at}`,
  text: 'a text of some length, as documents have them, most of the time',
  tags: { at, lang: 'en', of: ['a', 'b', 'c', 'd', 'e'] },
})
const MANY = Array.from({ length: 50_000 }, (_, at) => fields(at))
/** Few, with long vectors. */
const LONG = Array.from({ length: 40 }, (_, at) => ({ id: `${at}`, embedding: Array.from({ length: 10_000 }, (_, i) => Math.sin(i + at)) }))

/** Sends a body, and reads nothing of the answer but how long it is. */
function sent(url: string, body: Buffer, type = 'application/json'): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': type, 'content-length': body.length }
    request(url, { method: 'POST', headers, agent: false }, (answer) => {
      let size = 0
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length
      })
      answer.on('end', () => (answer.statusCode === 200 ? resolve(size) : reject(new Error(`${answer.statusCode}`))))
    })
      .on('error', reject)
      .end(body)
  })
}

/** Resolves when as many bytes came. */
function came(socket: Socket, size: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = 0
    socket.on('data', (chunk) => {
      seen += chunk.length
      if (seen >= size) resolve()
    })
    socket.on('close', () => reject(new Error('closed')))
    socket.resume()
  })
}

/** The computing of this process at a stretch: the third try may be the first that nobody disturbs. */
async function least(work: () => Promise<unknown>): Promise<number> {
  // What runs for the first time is compiled.
  await within(60_000, work())
  let longest = Infinity
  for (let tries = 0; tries < 3 && longest >= 50; tries++) longest = Math.min(longest, await longestGap(() => within(60_000, work())))
  if (process.env.SHOW) console.log(longest.toFixed(0))
  return longest
}

/** Has everything read, made and written, and holds nobody up itself. */
async function touch({ docs }: { docs: Document[] }): Promise<void> {
  for (let at = 0; at < docs.length; at++) {
    if (at % 500 === 0) await new Promise(setImmediate)
    docs[at]!.tags.seen = 1
  }
}

const MUTATION = 'mutation ($data: [StrawberryDocumentInput!]!) { docs(data: $data) { id text tags embedding } }'
const SUBSCRIPTION = 'subscription ($data: [StrawberryDocumentInput!]!) { docs(data: $data, requestSize: 0) { docs { id text tags embedding } } }'

const json = (data: unknown, more: object = {}) => Buffer.from(JSON.stringify({ data, ...more }))

for (const [name, data] of [
  ['many documents', MANY],
  ['long vectors', LONG],
] as const) {
  const body = json(data)
  assert.ok(body.length > 7 * MiB && body.length < 8.4 * MiB, `${body.length}`)

  test(`148: 8 MiB of ${name} over HTTP`, async () => {
    await using it = await started(({ docs }) => docs)
    assert.ok((await least(() => sent(`${it.url}/post`, body))) < 50)
  })

  test(`148: 8 MiB of ${name} as lines over HTTP`, async () => {
    await using it = await started(({ docs }) => docs)
    const lines = Buffer.from(data.map((document) => `${JSON.stringify(document)}\n`).join(''))
    assert.ok((await least(() => sent(`${it.url}/post?requestSize=1000`, lines, 'application/x-ndjson'))) < 50)
  })

  test(`148: 8 MiB of ${name} by WebSocket, in JSON`, async () => {
    await using it = await serving(({ docs }: any) => docs)
    const bytes = frame(1, body)
    const once = async () => {
      const socket = await raw(it.server.port)
      const answered = came(socket, body.length)
      socket.write(bytes)
      await answered
      socket.destroy()
    }
    assert.ok((await least(once)) < 50)
  })

  test(`148: 8 MiB of ${name} by WebSocket, in bytes`, async () => {
    await using it = await serving(touch)
    const message = Buffer.from(encodeMessage(emptyMessage({ docs: data.map((fields) => new Document(fields)) as any })))
    const bytes = frame(2, message)
    const once = async () => {
      const socket = await raw(it.server.port, 'Sec-WebSocket-Protocol: bytes\r\n')
      const answered = came(socket, message.length)
      socket.write(bytes)
      await answered
      socket.destroy()
    }
    assert.ok((await least(once)) < 50)
  })

  test(`148: 8 MiB of ${name} over gRPC`, async () => {
    await using it = await world(touch)
    const message = Buffer.from(encodeMessage(emptyMessage({ docs: data.map((fields) => new Document(fields)) as any })))
    using client = new Grpc(it.server.address)
    assert.ok((await least(() => client.converse(METHODS.call, [message]))) < 50)
    assert.ok((await least(() => client.unary(METHODS.single, message))) < 50)
  })

  for (const [kind, query] of [
    ['mutation', MUTATION],
    ['subscription', SUBSCRIPTION],
  ] as const)
    test(`148: 8 MiB of ${name} by a ${kind} of GraphQL`, async () => {
      await using flow = await new Flow().add({ uses: touch }).open()
      await using server = await serve(flow, { maxBodyBytes: 9 * MiB })
      const asked = Buffer.from(JSON.stringify({ query, variables: { data } }))
      const size = await sent(server.url, asked)
      assert.ok(size > 0.7 * body.length, `${size}`)
      assert.ok((await least(() => sent(server.url, asked))) < 50)
    })

  test(`148: 8 MiB of ${name} by mutate() and subscribe()`, async () => {
    await using flow = await new Flow({ protocol: 'http', port: 0, graphql: { maxBodyBytes: 9 * MiB } }).add({ uses: touch }).open()
    await using client = new Client(flow.addresses['http']!)
    assert.ok((await least(() => client.mutate(MUTATION, { data }))) < 50)
    assert.ok((await least(() => client.subscribe(SUBSCRIPTION, { data }).next())) < 50)
  })
}

test.run()
