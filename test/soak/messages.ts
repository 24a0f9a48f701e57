// Messages that mean harm, and messages that mean none, on every wire.
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { Metadata } from '@grpc/grpc-js'
import { WebSocket } from 'ws'
import { DocumentArray } from '../../lib/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { encodeMessage } from '../../lib/wire/proto/index.js'
import { mutated } from '../support/mutated.js'
import { Raw } from '../wire/grpc/raw.js'

type Below = (bound: number) => number

const DOCS = [
  { id: 'a', text: 'a text', tags: { lang: 'en', list: [1, { deep: null }] }, chunks: [{ id: 'c', embedding: new Float32Array(4) }] },
  { id: 'b', tensor: { data: new Float64Array(6), shape: [2, 3] }, scores: { cos: 0.5 }, location: [1, 2], matches: [{ id: 'm', blob: new Uint8Array(3) }] },
]
const whole = () => DocumentArray.from(DOCS)
const GOOD = Buffer.from(encodeMessage(emptyMessage({ requestId: 'r', execEndpoint: '/', parameters: { top: 5 }, docs: whole() })))
const JSON_GOOD = Buffer.from(JSON.stringify({ data: whole(), execEndpoint: '/', requestId: 'r', parameters: { top: 5 } }))
const QUERY = Buffer.from(
  JSON.stringify({
    query: 'mutation($data: [DocumentInput!]) { docs(data: $data, execEndpoint: "/") { id text } }',
    variables: { data: [{ text: 'a', tags: { x: 1 } }] },
  }),
)
const HEAD = Buffer.from('POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{"data":[{"text":"abc"}]}')

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`
/** Bodies that are JSON and mean harm. */
const CRAFTED: readonly ((below: Below) => string)[] = [
  (below) => `{"data":[{"text":"a"}],"targetExecutor":${JSON.stringify(`(${'a*'.repeat(below(200))})*$`)}}`,
  (below) => `{"data":[{"tags":{"x":${nested(below(3000))}}}]}`,
  (below) => `{"data":[{"tensor":${nested(below(100))}}]}`,
  () => '{"data":[{"__proto__":{"polluted":true},"tags":{"__proto__":{"polluted":true},"constructor":{"prototype":1}}}]}',
  (below) => `{"data":[${'{},'.repeat(below(2000))}{}],"parameters":{"__results__":{"work":1}}}`,
  () => '{"data":[{"embedding":[1e999,null,"x"],"weight":"NaN"}]}',
  (below) => `{"data":[{"id":${below(9)},"chunks":[[[{"id":null}]]],"matches":{}}]}`,
  () => '{"data":[{"id":"none","text":"none"}],"requestId":"r","execEndpoint":"/../%00"}',
  (below) => `{"data":[{"blob":"${'A'.repeat(below(99))}="}],"parameters":"no"}`,
]

/** Somebody who talks to a server on all its wires. */
export class Talker {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 })
  #grpc: Raw
  readonly #sockets = new Map<string, WebSocket>()
  #calls = 0
  /** What came of it, by wire. */
  readonly outcomes = new Map<string, number>()
  readonly #port: number

  constructor(
    readonly addresses: Readonly<Record<string, string>>,
    readonly below: Below,
    readonly headers: () => Record<string, string> = () => ({}),
  ) {
    this.#grpc = new Raw(addresses['grpc']!)
    this.#port = Number(new URL(addresses['http']!).port)
  }

  #note(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
  }

  /** One message on a wire that chance chooses. */
  send(isHostile: boolean): Promise<void> {
    const { below } = this
    const make = (from: Buffer): Buffer => (isHostile ? mutated(from, below) : from)
    const json = (): Buffer => (isHostile && below(4) === 0 ? Buffer.from(CRAFTED[below(CRAFTED.length)]!(below)) : make(JSON_GOOD))
    const ways: (() => Promise<void>)[] = [
      () => this.#unary(make(GOOD)),
      () => this.#stream(make(GOOD)),
      () => this.#message('bytes', make(GOOD)),
      () => this.#message('json', json()),
      () => this.#http('/post', json()),
      () => this.#http('/graphql', make(QUERY)),
    ]
    // Bytes that are no HTTP, or nearly, on a connection of their own.
    if (isHostile && below(20) === 0) return this.#raw(make(HEAD))
    return ways[below(ways.length)]!()
  }

  #metadata(): Metadata {
    const metadata = new Metadata()
    for (const [name, value] of Object.entries(this.headers())) metadata.set(name, value)
    return metadata
  }

  #unary(bytes: Buffer): Promise<void> {
    return this.#call(METHODS.single, bytes, 'unary')
  }

  #stream(bytes: Buffer): Promise<void> {
    return this.#call(METHODS.call, bytes, 'stream')
  }

  async #call(method: string, bytes: Buffer, what: string): Promise<void> {
    // Connections come and go.
    if (++this.#calls % 2000 === 0) {
      const before = this.#grpc
      this.#grpc = new Raw(this.addresses['grpc']!)
      setTimeout(() => before[Symbol.dispose](), 5000).unref()
    }
    const { status } = await this.#grpc.converse(method, [bytes], this.#metadata())
    this.#note(`gRPC ${what}, status ${status.code}`)
  }

  #http(path: string, body: Buffer): Promise<void> {
    const wire = path === '/graphql' ? 'GraphQL' : 'HTTP'
    return new Promise((resolve) => {
      const headers = { 'content-type': 'application/json', 'content-length': body.length, ...this.headers() }
      const sent = request({ port: this.#port, host: '127.0.0.1', path, method: 'POST', agent: this.#agent, headers }, (answer) => {
        answer.resume()
        answer.on('close', () => {
          this.#note(`${wire}, ${answer.statusCode}`)
          resolve()
        })
      })
      sent.on('error', (error: NodeJS.ErrnoException) => {
        this.#note(`${wire}, ${error.code} on a connection that ${sent.reusedSocket ? 'was kept' : 'is new'}`)
        resolve()
      })
      sent.end(body)
    })
  }

  /** On a connection that stays as long as the server lets it. */
  #message(kind: 'bytes' | 'json', bytes: Buffer): Promise<void> {
    let socket = this.#sockets.get(kind)
    if (socket === undefined || socket.readyState > 1) {
      socket = new WebSocket(this.addresses['websocket']!, [kind], { headers: this.headers() })
      socket.setMaxListeners(0)
      socket.on('error', () => {})
      this.#sockets.set(kind, socket)
    }
    const open = socket
    return new Promise((resolve) => {
      const done = (how: string) => (): void => {
        open.off('message', answered).off('close', closed)
        this.#note(`WebSocket ${kind}, ${how}`)
        resolve()
      }
      const [answered, closed] = [done('answered'), done('closed')]
      open.once('message', answered)
      open.once('close', closed)
      const send = (): void => open.send(kind === 'bytes' ? bytes : bytes.toString('latin1'))
      if (open.readyState === 1) send()
      else open.once('open', send)
    })
  }

  #raw(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, '127.0.0.1', () => socket.end(bytes))
      socket.on('error', () => {})
      socket.resume()
      socket.on('close', () => {
        this.#note('raw bytes, closed')
        resolve()
      })
    })
  }

  end(): void {
    this.#grpc[Symbol.dispose]()
    this.#agent.destroy()
    for (const socket of this.#sockets.values()) socket.terminate()
  }
}
