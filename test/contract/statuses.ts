// What each kind of outcome is on the wire itself, to clients that are not ours: the two ends of this library could both be wrong alike. What is expected
// stands here letter by letter, and is the table of docs/protocol.md; `broken-statuses.ts` shows that each row looks at one status of one wire.
import { once } from 'node:events'
import { request as requestHttp } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { status as Code } from '@grpc/grpc-js'
import WebSocket from 'ws'
import { ConnectionError, ExecutorError, FlowStateError } from '../../lib/base/errors.js'
import { Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { Refused } from '../../lib/handler/refused.js'
import { DocumentArray } from '../../lib/index.js'
import type { Handler } from '../../lib/request/handler.js'
import type { Request } from '../../lib/request/request.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { KINDS, type Kind } from '../../lib/wire/outcome.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { RawHttp } from '../support/raw-http.js'
import { within } from '../support/within.js'
import { cannot } from './cannot.js'
import type { Row } from './contract.js'
import type { Way } from './way.js'
import { isHere } from './way.js'

export const WIRES = ['grpc', 'http', 'websocket', 'graphql'] as const
export type Wire = (typeof WIRES)[number]

// ── clients that are not ours: each says in a line what it was told ──────────────────────────────────────────

interface GrpcCall {
  readonly bytes?: Uint8Array
  readonly method?: string
  /** Whether the message says that it is packed. */
  readonly packed?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

const message = (count = 1, parameters = {}): Uint8Array =>
  encodeMessage(emptyMessage({ requestId: 'r1', parameters, docs: DocumentArray.from(Array.from({ length: count }, () => ({ text: 'x' }))) }))

async function grpc(port: number, { bytes = message(), method = METHODS.single, packed = false, headers = {} }: GrpcCall = {}): Promise<string> {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  try {
    const call = session.request({ ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers', ...headers })
    let status: unknown
    const chunks: Buffer[] = []
    const note = (fields: Readonly<Record<string, unknown>>): void => {
      status = fields['grpc-status'] ?? status
    }
    call
      .on('response', note)
      .on('trailers', note)
      .on('error', () => {})
    call.on('data', (chunk: Buffer) => chunks.push(chunk))
    const head = Buffer.alloc(5)
    head[0] = packed ? 1 : 0
    head.writeUInt32BE(bytes.length, 1)
    call.end(Buffer.concat([head, bytes]))
    await within(10_000, once(call, 'close'))
    const answer = chunks.length > 0 ? decodeMessage(Buffer.concat(chunks).subarray(5)).status : undefined
    return `${Code[Number(status)]}${answer?.code === 'ERROR' ? ', an answer with the status ERROR' : ''}`
  } finally {
    session.destroy()
  }
}

interface HttpCall {
  readonly body?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function ask(port: number, { body = '', path = '/post', headers = {} }: HttpCall): Promise<{ status: number; text: string }> {
  const request = requestHttp({ port, host: '127.0.0.1', path, method: 'POST', agent: false, headers: { 'content-type': 'application/json', ...headers } })
  request.end(body)
  const [response] = await within(10_000, once(request, 'response'))
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode, text }
}

const POST = '{"data":[{"text":"x"}]}'

async function http(port: number, call: HttpCall = {}): Promise<string> {
  return String((await ask(port, { body: POST, ...call })).status)
}

const QUERY = 'mutation { docs(data: { text: "x" }, execEndpoint: "/") { id } }'

async function graphql(port: number, { headers, ...call }: HttpCall = {}): Promise<string> {
  // Whose answers have a status of their own: as application/json, what GraphQL found wrong is a 200.
  const accept = 'application/graphql-response+json'
  const { status, text } = await ask(port, { body: JSON.stringify({ query: QUERY }), path: '/graphql', headers: { accept, ...headers }, ...call })
  return said(status, text)
}

function said(status: number | string, text: string): string {
  if (!text.startsWith('{')) return String(status)
  const { errors } = JSON.parse(text)
  return `${status} ${errors[0].extensions?.code}`
}

interface WebSocketCall {
  readonly send?: string | Uint8Array
  readonly path?: string
  readonly protocol?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function websocket(port: number, { send = POST, path = '/', protocol = 'json', headers = {} }: WebSocketCall = {}): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol, { headers })
  try {
    return await within(
      10_000,
      new Promise<string>((resolve, reject) => {
        socket.on('open', () => socket.send(send))
        socket.on('error', reject)
        socket.on('unexpected-response', (_, { statusCode }) => resolve(`handshake ${statusCode}`))
        socket.on('message', (data) => {
          const [, code = 'no code'] = JSON.parse(String(data)).header.status.exception.args
          resolve(`an answer with the status ERROR${code === 'no code' ? '' : `, ${code}`}`)
        })
        socket.on('close', (code) => resolve(String(code)))
      }),
    )
  } finally {
    socket.on('error', () => {}).terminate()
  }
}

/** Two requests in one packet: the second is told. */
async function ahead(port: number, path: string, body: string): Promise<string> {
  using raw = new RawHttp(port)
  const text = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  await raw.ask(text + text)
  const [, status = '', answer = ''] = /^HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n([\s\S]*)$/.exec(await raw.ask('')) ?? []
  return path === '/graphql' ? said(status, answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) : status
}

// ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────

interface Scene {
  readonly expect: string
  /** Who answers behind the gateway. Default: whoever hands back what comes. */
  readonly peer?: Handler
  readonly options?: GatewayOptions
  see(port: number): Promise<string>
}

const failing = (fail: (request: Request) => unknown): Handler => ({
  accepts: () => true,
  handle(request) {
    throw fail(request)
  },
})
const still: Handler = { accepts: () => true, handle: () => {} }

const executor = (code: 'ERR_EXECUTOR' | 'ERR_EXECUTOR_TIMEOUT', cause?: unknown): Handler =>
  failing(() => new ExecutorError(code, 'actor failed', { executor: 'actor', endpoint: '/', requestId: 'r1', cause }))

const BUSY = failing((request) => new Refused('ERR_UNREACHABLE', 'too many', request))
const LATE = failing((request) => new Refused('ERR_TIMEOUT', 'too late', request))
const CLOSED = failing(() => new FlowStateError('ERR_FLOW_CLOSED', 'closed'))
const AWAY = new ConnectionError('ERR_UNREACHABLE', 'grpc://elsewhere:1', 'nobody there')
const BROKEN = failing(() => new TypeError('a fault of ours'))
const TOKEN: GatewayOptions = { token: 'a-token-for-the-statuses' }
const STRANGE = { host: 'evil.example' }
/** As only JSON can say it. */
const PROTO = JSON.parse('{"__proto__":1}')

const scene = (expect: string, see: Scene['see'], peer = still, options: GatewayOptions = {}): Scene => ({ expect, see, peer, options })

const NEVER = 'never said: whoever it would be said to is not there, or not trusted'

/** By kind: what it is, and what each wire says of it, or why it never does. */
export const STATUSES: Readonly<Record<Kind, { readonly what: string } & Readonly<Record<Wire, Scene | { readonly never: string }>>>> = {
  malformed: {
    what: 'the request cannot be read',
    grpc: scene('INVALID_ARGUMENT', (port) => grpc(port, { bytes: Buffer.from('no message') })),
    http: scene('400', (port) => http(port, { body: '{' })),
    websocket: scene('1007', (port) => websocket(port, { send: '{' })),
    graphql: scene('400 BAD_REQUEST', (port) => graphql(port, { body: '{' })),
  },
  invalid: {
    what: 'it can be read, and its documents, options or parameters are none',
    grpc: scene('INVALID_ARGUMENT', (port) => grpc(port, { bytes: message(1, PROTO) })),
    http: scene('422', (port) => http(port, { body: '{"data":[5]}' })),
    websocket: scene('an answer with the status ERROR, ERR_REFUSED', (port) => websocket(port, { send: '{"data":[5]}' })),
    graphql: scene('400 BAD_USER_INPUT', (port) => graphql(port, { body: JSON.stringify({ query: QUERY.replace('"/"', '"/\\u0001"') }) })),
  },
  unauthenticated: {
    what: 'nobody knows who asks',
    grpc: scene('UNAUTHENTICATED', (port) => grpc(port), still, TOKEN),
    http: scene('401', (port) => http(port), still, TOKEN),
    // A page is told by a code, as it does not hear with which status its handshake was answered.
    websocket: scene('4401', (port) => websocket(port, { headers: { origin: `http://127.0.0.1:${port}` } }), still, TOKEN),
    graphql: scene('401 UNAUTHENTICATED', (port) => graphql(port), still, TOKEN),
  },
  forbidden: {
    what: 'whoever asks may not: another host, a page of another origin',
    grpc: scene('PERMISSION_DENIED', (port) => grpc(port, { headers: { ':authority': 'evil.example' } })),
    http: scene('403', (port) => http(port, { headers: STRANGE })),
    websocket: scene('handshake 403', (port) => websocket(port, { headers: STRANGE })),
    graphql: scene('403 FORBIDDEN', (port) => graphql(port, { headers: STRANGE })),
  },
  unimplemented: {
    what: 'no such method or path',
    grpc: scene('UNIMPLEMENTED', (port) => grpc(port, { method: '/jina.JinaRPC/Nothing' })),
    http: scene('404', (port) => http(port, { path: '/nothing' })),
    websocket: scene('handshake 404', (port) => websocket(port, { path: '/nothing' })),
    graphql: scene('404', (port) => graphql(port, { path: '/graphql/nothing' })),
  },
  unsupported: {
    what: 'a packing or a type that is not known',
    grpc: scene('UNIMPLEMENTED', (port) => grpc(port, { headers: { 'grpc-encoding': 'zstd' }, packed: true })),
    http: scene('415', (port) => http(port, { headers: { 'content-type': 'text/plain' } })),
    websocket: scene('1003', (port) => websocket(port, { protocol: 'bytes', send: POST })),
    graphql: scene('415 UNSUPPORTED_MEDIA_TYPE', (port) => graphql(port, { headers: { 'content-type': 'text/plain' } })),
  },
  tooLarge: {
    what: 'it is over a limit',
    grpc: scene('RESOURCE_EXHAUSTED', (port) => grpc(port, { bytes: message(2) }), still, { maxDocuments: 1 }),
    http: scene('413', (port) => http(port), still, { maxJsonBytes: 10 }),
    websocket: scene('1009', (port) => websocket(port), still, { maxJsonBytes: 10 }),
    graphql: scene('413 REQUEST_ENTITY_TOO_LARGE', (port) => graphql(port), still, { graphql: { maxBodyBytes: 10 } }),
  },
  tooMany: {
    what: 'too many requests ahead on one connection',
    grpc: { never: 'a client of HTTP/2 waits with more' },
    http: scene('429', (port) => ahead(port, '/post', POST), still, { prefetch: 1 }),
    websocket: { never: 'what is sent ahead is not read yet' },
    graphql: scene('429 TOO_MANY_REQUESTS', (port) => ahead(port, '/graphql', JSON.stringify({ query: QUERY })), still, { prefetch: 1 }),
  },
  refused: {
    what: 'an operation that asks for too much',
    grpc: { never: 'there are no operations' },
    http: { never: 'there are no operations' },
    websocket: { never: 'there are no operations' },
    graphql: scene('400 GRAPHQL_LIMIT', (port) => graphql(port), still, { graphql: { maxTokens: 3 } }),
  },
  busy: {
    what: 'all together have too many requests under way',
    grpc: scene('RESOURCE_EXHAUSTED', (port) => grpc(port), BUSY),
    http: scene('503', (port) => http(port), BUSY),
    websocket: scene('an answer with the status ERROR, ERR_UNREACHABLE', (port) => websocket(port), BUSY),
    graphql: scene('503 SERVICE_UNAVAILABLE', (port) => graphql(port), BUSY),
  },
  closing: {
    what: 'the server shuts down',
    grpc: scene('UNAVAILABLE', (port) => grpc(port), CLOSED),
    http: scene('503', (port) => http(port), CLOSED),
    websocket: scene('1001', (port) => websocket(port), CLOSED),
    graphql: scene('503 SERVICE_UNAVAILABLE', (port) => graphql(port), CLOSED),
  },
  unreachable: {
    what: 'an executor is out of reach',
    grpc: scene('UNAVAILABLE', (port) => grpc(port), executor('ERR_EXECUTOR', AWAY)),
    http: scene('503', (port) => http(port), executor('ERR_EXECUTOR', AWAY)),
    websocket: scene('1011', (port) => websocket(port), executor('ERR_EXECUTOR', AWAY)),
    // An executor's failure is an error of its field; what is served here is somebody else's service.
    graphql: scene(
      '503 SERVICE_UNAVAILABLE',
      (port) => graphql(port),
      failing(() => AWAY),
    ),
  },
  disconnected: { what: 'whoever was there went away', grpc: { never: NEVER }, http: { never: NEVER }, websocket: { never: NEVER }, graphql: { never: NEVER } },
  late: {
    what: 'it was not answered in time',
    grpc: scene('DEADLINE_EXCEEDED', (port) => grpc(port), LATE),
    http: scene('504', (port) => http(port), LATE),
    websocket: scene('1011', (port) => websocket(port), executor('ERR_EXECUTOR_TIMEOUT')),
    graphql: scene('504 TIMEOUT', (port) => graphql(port), LATE),
  },
  tls: { what: 'the other end is not trusted', grpc: { never: NEVER }, http: { never: NEVER }, websocket: { never: NEVER }, graphql: { never: NEVER } },
  failed: {
    what: 'an executor failed',
    grpc: scene('OK, an answer with the status ERROR', (port) => grpc(port), executor('ERR_EXECUTOR')),
    http: scene('200', (port) => http(port), executor('ERR_EXECUTOR')),
    websocket: scene('an answer with the status ERROR', (port) => websocket(port), executor('ERR_EXECUTOR')),
    graphql: scene('200 ERR_EXECUTOR', (port) => graphql(port), executor('ERR_EXECUTOR')),
  },
  internal: {
    what: 'the server itself failed, and says no more',
    grpc: scene('INTERNAL', (port) => grpc(port), BROKEN),
    http: scene('500', (port) => http(port), BROKEN),
    websocket: scene('1011', (port) => websocket(port), BROKEN),
    graphql: scene('200 INTERNAL_SERVER_ERROR', (port) => graphql(port), BROKEN),
  },
}

/** A handshake that names two hosts. */
async function twoHosts(port: number): Promise<string> {
  using raw = new RawHttp(port)
  const hosts = `host: 127.0.0.1:${port}\r\nhost: evil.example\r\n`
  const upgrade = 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  const [, status] = /^HTTP\/1\.1 (\d+)/.exec(await raw.ask(`GET / HTTP/1.1\r\n${hosts}${upgrade}\r\n`)) ?? []
  return `handshake ${status}`
}

/** What a WebSocket's handshake is answered with where a connection is told otherwise. */
export const HANDSHAKES: Readonly<Partial<Record<Kind, Scene>>> = {
  malformed: scene('handshake 400', twoHosts),
  // A program hears the status, which a page does not.
  unauthenticated: scene('handshake 401', (port) => websocket(port), still, TOKEN),
}

/** What an executor does not take: on each wire as what is invalid, and it says who does not take it. */
const UNTAKEN = failing(() => new ExecutorError('ERR_EXECUTOR_INPUT', 'actor does not take it', { executor: 'actor', endpoint: '/', requestId: 'r1' }))

export const UNTAKEN_BY: Readonly<Record<Wire, Scene>> = {
  grpc: scene('INVALID_ARGUMENT', (port) => grpc(port), UNTAKEN),
  http: scene(
    '422 body.parameters',
    async (port) => {
      const { status, text } = await ask(port, { body: POST })
      return `${status} ${JSON.parse(text).detail[0].loc.join('.')}`
    },
    UNTAKEN,
  ),
  websocket: scene('an answer with the status ERROR, ERR_EXECUTOR_INPUT', (port) => websocket(port), UNTAKEN),
  graphql: scene('400 BAD_USER_INPUT', (port) => graphql(port), UNTAKEN),
}

/** What is seen of a kind on a wire. */
export async function seen({ see, peer = still, options }: Scene, wire: Wire): Promise<string> {
  const protocol = wire === 'graphql' ? 'http' : wire
  const gateway = await Gateway.serve(peer, { protocol, graphql: wire === 'graphql', onError: () => {}, ...options })
  try {
    return await see(gateway.port)
  } finally {
    await gateway.close(0)
  }
}

const wireOf = (way: Way): Wire | undefined =>
  way.kind === 'graphql' ? 'graphql' : way.protocol !== 'nats' && (way.kind === 'client' || way.kind === 'external') ? way.protocol : undefined

const HANDSHAKE_ROWS = Object.entries(HANDSHAKES).map(
  ([kind, scene]): Row => ({
    name: `on the wire itself: ${kind}, at a handshake`,
    expect: (way) => (wireOf(way) === 'websocket' ? scene.expect : cannot('WebSockets alone begin with one')),
    see: () => seen(scene, 'websocket'),
  }),
)

const UNTAKEN_ROW: Row = {
  name: 'on the wire itself: what an executor does not take',
  expect(way) {
    const wire = wireOf(way)
    return wire === undefined ? cannot('there is no gateway of its own') : UNTAKEN_BY[wire].expect
  },
  see: (way) => seen(UNTAKEN_BY[wireOf(way)!], wireOf(way)!),
}

const KIND_ROWS = (Object.keys(KINDS) as Kind[]).map(
  (kind): Row => ({
    name: `on the wire itself: ${kind}`,
    expect(way) {
      const wire = wireOf(way)
      if (wire === undefined && way.protocol === 'nats') return cannot('over NATS, each is an answer with the status ERROR: test/wire/nats looks at those')
      if (wire === undefined) return cannot(isHere(way) ? 'there is one process' : 'the router is that of a gateway over HTTP, where it is looked at')
      const cell = STATUSES[kind][wire]
      return 'never' in cell ? cannot(cell.never) : cell.expect
    },
    see(way) {
      const wire = wireOf(way)!
      return seen(STATUSES[kind][wire] as Scene, wire)
    },
  }),
)

export const STATUS_ROWS: readonly Row[] = [...KIND_ROWS, ...HANDSHAKE_ROWS, UNTAKEN_ROW]
