// The ways in for a body of 8 MiB, for the suite and the bench that see how long it holds up others. Both ends are in this process.
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { Client } from '../../lib/client/index.js'
import { Document } from '../../lib/doc/index.js'
import { Flow } from '../../lib/flow/flow.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { encodeMessage } from '../../lib/wire/proto/index.js'
import { serve } from '../support/graphql.js'
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

/** A server that is there, and how to send it the body once. */
export interface Way extends AsyncDisposable {
  once(): Promise<unknown>
}

interface HeldUp {
  readonly name: string
  /** The most of the whole computing that may be one stretch: about twice what it is on a busy machine. */
  readonly share: number
  open(): Promise<Way>
}

/** What is opened is closed in turn, the last first. */
function way(parts: readonly (AsyncDisposable | Disposable)[], once: () => Promise<unknown>): Way {
  return {
    once,
    async [Symbol.asyncDispose]() {
      for (const part of [...parts].reverse()) await (Symbol.asyncDispose in part ? part[Symbol.asyncDispose]() : part[Symbol.dispose]())
    },
  }
}

/** Sends a frame by a connection of its own, and waits for as many bytes as it brings along. It is made once: masking it takes its time. */
function framed(port: number, opcode: number, message: Buffer, headers = ''): () => Promise<void> {
  const bytes = frame(opcode, message)
  return async () => {
    const socket = await raw(port, headers)
    const answered = came(socket, message.length)
    socket.write(bytes)
    await answered
    socket.destroy()
  }
}

function waysOf(name: string, data: readonly { id: string }[]): HeldUp[] {
  const body = json(data)
  const many = data === MANY
  const binary = () => Buffer.from(encodeMessage(emptyMessage({ docs: data.map((fields) => new Document(fields)) as any })))
  const graphql = (kind: string, query: string): HeldUp => ({
    name: `8 MiB of ${name} by a ${kind} of GraphQL`,
    share: many ? 0.06 : 0.2,
    async open() {
      const flow = await new Flow().add({ uses: touch }).open()
      const server = await serve(flow, { maxBodyBytes: 9 * MiB })
      const asked = Buffer.from(JSON.stringify({ query, variables: { data } }))
      return way([flow, server], async () => {
        const size = await sent(server.url, asked)
        if (size < 0.7 * body.length) throw new Error(`an answer of ${size} bytes`)
      })
    },
  })
  const fromClient = (method: string, ask: (client: Client) => Promise<unknown>): HeldUp => ({
    name: `8 MiB of ${name} by ${method}()`,
    share: many ? 0.06 : 0.12,
    async open() {
      const flow = await new Flow({ protocol: 'http', port: 0, graphql: { maxBodyBytes: 9 * MiB } }).add({ uses: touch }).open()
      const client = new Client(flow.addresses['http']!)
      return way([flow, client], () => ask(client))
    },
  })
  const grpc = (kind: string, ask: (client: Grpc, message: Buffer) => Promise<unknown>): HeldUp => ({
    name: `8 MiB of ${name} over gRPC, ${kind}`,
    share: 0.16,
    async open() {
      const it = await world(touch)
      const message = binary()
      const client = new Grpc(it.server.address)
      return way([it, client], () => ask(client, message))
    },
  })
  return [
    {
      name: `8 MiB of ${name} over HTTP`,
      share: 0.15,
      async open() {
        const it = await started(({ docs }) => docs)
        return way([it], () => sent(`${it.url}/post`, body))
      },
    },
    {
      name: `8 MiB of ${name} as lines over HTTP`,
      share: 0.15,
      async open() {
        const it = await started(({ docs }) => docs)
        const lines = Buffer.from(data.map((document) => `${JSON.stringify(document)}\n`).join(''))
        return way([it], () => sent(`${it.url}/post?requestSize=1000`, lines, 'application/x-ndjson'))
      },
    },
    {
      name: `8 MiB of ${name} by WebSocket, in JSON`,
      share: 0.15,
      async open() {
        const it = await serving(({ docs }: any) => docs)
        return way([it], framed(it.server.port, 1, body))
      },
    },
    {
      name: `8 MiB of ${name} by WebSocket, in bytes`,
      share: 0.16,
      async open() {
        const it = await serving(touch)
        const message = binary()
        return way([it], framed(it.server.port, 2, message, 'Sec-WebSocket-Protocol: bytes\r\n'))
      },
    },
    grpc('a stream', (client, message) => client.converse(METHODS.call, [message])),
    grpc('unary', (client, message) => client.unary(METHODS.single, message)),
    graphql('mutation', MUTATION),
    graphql('subscription', SUBSCRIPTION),
    fromClient('mutate', (client) => client.mutate(MUTATION, { data })),
    fromClient('subscribe', (client) => client.subscribe(SUBSCRIPTION, { data }).next()),
  ]
}

export const WAYS: readonly HeldUp[] = [...waysOf('many documents', MANY), ...waysOf('long vectors', LONG)]
