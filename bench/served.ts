// A server in a process of its own, started by `serving()` in child.ts, which compiles this file first:
//   node served.js '{"kind": "no-op", "wires": ["http"]}'
// Says its addresses when it can be reached, and what it has used whenever it is asked.
import { Agent, createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { credentials, makeGenericClientConstructor, Server, ServerCredentials } from '@grpc/grpc-js'
import { Flow } from 'sluice'
import { Gateway } from 'sluice/gateway'
import { WebSocketServer } from 'ws'
import { decodeMessage, encodeMessage } from '../lib/wire/proto/index.js'

export type Wire = 'grpc' | 'http' | 'websocket'
/** `graphql` is over HTTP. */
export type Way = Wire | 'graphql'

export interface Asked {
  /**
   * Our gateway before an executor that does nothing, before none, or before one elsewhere; what a few lines around the same libraries do, alone or before a server elsewhere; or graphql-yoga
   * as it comes.
   */
  readonly kind: 'no-op' | 'empty' | 'elsewhere' | 'bare' | 'proxy' | 'yoga'
  readonly wires: readonly Way[]
  /** Where that is. */
  readonly upstream?: string | undefined
  /** What is told of it: spans of 1 % of requests, or of all, and metrics. */
  readonly telemetry?: readonly ('spans' | 'own sampler' | 'all' | 'metrics')[] | undefined
  /** With the live page. */
  readonly ui?: true | undefined
}

export interface Usage {
  /** Microseconds of CPU, in all threads. */
  readonly cpu: number
  /** Resident bytes. */
  readonly memory: number
}

/** As somebody would have it who exports to somewhere: in batches. What is exported goes nowhere. */
async function instrumented(telemetry: NonNullable<Asked['telemetry']>): Promise<void> {
  const [{ instrument }, traces, metrics] = await Promise.all([
    import('sluice/telemetry' as string) as Promise<typeof import('../lib/telemetry/index.js')>,
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/sdk-metrics'),
  ])
  const exporter = { export: (_: unknown, done: (result: { code: number }) => void) => done({ code: 0 }), shutdown: async () => {} }
  const share = telemetry.includes('all') ? 1 : 0.01
  const isOwn = telemetry.includes('own sampler')
  const tracing = new traces.BasicTracerProvider({
    ...(isOwn && { sampler: new traces.ParentBasedSampler({ root: new traces.TraceIdRatioBasedSampler(share) }) }),
    spanProcessors: [new traces.BatchSpanProcessor(exporter)],
  })
  await instrument({
    tracing: telemetry.includes('metrics') && telemetry.length === 1 ? false : tracing,
    ...(!isOwn && { sampler: share }),
    metrics:
      telemetry.includes('metrics') &&
      new metrics.PeriodicExportingMetricReader({ exporter: new metrics.InMemoryMetricExporter(0), exportIntervalMillis: 1000 }),
  })
}

async function gateway({ kind, wires, telemetry, upstream, ui }: Asked): Promise<Readonly<Record<string, string>>> {
  if (telemetry !== undefined) await instrumented(telemetry)
  const flow = new Flow()
  if (kind === 'no-op') flow.add({ name: 'nothing', uses: async () => {} })
  if (kind === 'elsewhere') flow.add({ name: 'elsewhere', external: true, host: upstream })
  const protocol = wires.map((wire) => (wire === 'graphql' ? 'http' : wire))
  const { addresses } = await Gateway.serve(await flow.open(), { protocol, graphql: wires.includes('graphql'), ui })
  return { ...addresses, graphql: `${addresses['http']}/graphql` }
}

/** The same bytes and codec, and nothing between. */
const again = (bytes: Uint8Array): Buffer => {
  const encoded = encodeMessage(decodeMessage(bytes))
  return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length)
}
const jsonAgain = (text: string): string => JSON.stringify(JSON.parse(text))
const answered = (text: string): string => JSON.stringify({ data: { docs: JSON.parse(text).variables.data } })

const SCORES = '[NamedScoreItem!]'
const FIELDS = `id: String parentId: String granularity: Int adjacency: Int blob: String tensor: JSON mimeType: String text: String weight: Float uri: String tags: JSON
  offset: Float location: [Float!] embedding: JSON modality: String evaluations: ${SCORES} scores: ${SCORES}`
const SCORE = 'value: Float opName: String description: String refId: String'

/** graphql-yoga as it comes, with the types of ours, and resolvers that do nothing. */
async function yoga(): Promise<Readonly<Record<string, string>>> {
  const { createSchema, createYoga } = await import('graphql-yoga')
  const docs = 'docs(data: [DocumentInput!], targetExecutor: String, parameters: JSON, execEndpoint: String! = "/search"): [Document!]!'
  const schema = createSchema({
    typeDefs: `scalar JSON
      type NamedScore { ${SCORE} } type NamedScoreItem { name: String! score: NamedScore! }
      input NamedScoreInput { ${SCORE} } input NamedScoreItemInput { name: String! score: NamedScoreInput! }
      type Document { ${FIELDS} chunks: [Document!] matches: [Document!] }
      input DocumentInput { ${FIELDS.replaceAll('NamedScoreItem', 'NamedScoreItemInput')} chunks: [DocumentInput!] matches: [DocumentInput!] }
      type Query { ${docs} } type Mutation { ${docs} }`,
    resolvers: { Mutation: { docs: (_: unknown, { data }: { data: readonly object[] }) => data } },
  })
  const server = createServer(createYoga({ schema, logging: false }))
  server.keepAliveTimeout = 65_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { graphql: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql` }
}

async function bare(wire: Way): Promise<string> {
  if (wire === 'grpc') {
    const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 })
    const same = (bytes: Buffer): Buffer => bytes
    const stream = (call: any): void => {
      call.on('data', (bytes: Buffer) => call.write(again(bytes)))
      call.on('end', () => call.end())
    }
    const single = (call: any, done: any): void => done(null, again(call.request))
    server.register('/jina.JinaRPC/Call', stream, same, same, 'bidi')
    server.register('/jina.JinaSingleDataRequestRPC/process_single_data', single, same, same, 'unary')
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
    )
    return `grpc://127.0.0.1:${port}`
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const text = wire === 'graphql' ? answered(body) : jsonAgain(body)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
    })
  })
  // As long as one of ours keeps it.
  server.keepAliveTimeout = 65_000
  if (wire === 'websocket') {
    const bytes = (offered: Set<string>): string | false => offered.has('bytes') && 'bytes'
    new WebSocketServer({ server, handleProtocols: bytes }).on('connection', (socket) =>
      socket.on('message', (data, isBinary) => socket.send(isBinary ? again(data as Buffer) : jsonAgain(String(data)))),
    )
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `${wire === 'websocket' ? 'ws' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const asIs = (bytes: Buffer): Buffer => bytes

/** The same calls, handed on without a look at what is in them. */
async function proxyOf(wire: Way, upstream: string): Promise<string> {
  if (wire === 'http') {
    const agent = new Agent({ keepAlive: true })
    const server = createServer((request, response) => {
      const { method = 'POST', url = '/', headers } = request
      const passed = send(new URL(url, upstream), { method, headers, agent }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      request.pipe(passed)
    })
    server.keepAliveTimeout = 65_000
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const sizes = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 }
  const client = new (makeGenericClientConstructor({}, 'Jina'))(upstream.replace('grpc://', ''), credentials.createInsecure(), sizes)
  const begin = () => client.makeBidiStreamRequest<Buffer, Buffer>('/jina.JinaRPC/Call', asIs, asIs)
  if (wire === 'websocket') {
    const server = createServer()
    new WebSocketServer({ server, handleProtocols: () => 'bytes' }).on('connection', (socket) => {
      const passed = begin()
      passed.on('data', (bytes: Buffer) => socket.send(bytes))
      passed.on('error', () => socket.close())
      socket.on('message', (data) => passed.write(data as Buffer))
      socket.on('close', () => passed.end())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const server = new Server(sizes)
  const stream = (call: any): void => {
    const passed = begin()
    passed.on('data', (bytes: Buffer) => call.write(bytes))
    passed.on('end', () => call.end())
    passed.on('error', () => call.end())
    call.on('data', (bytes: Buffer) => passed.write(bytes))
    call.on('end', () => passed.end())
  }
  server.register('/jina.JinaRPC/Call', stream, asIs, asIs, 'bidi')
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  )
  return `grpc://127.0.0.1:${port}`
}

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpu: user + system, memory: process.memoryUsage.rss() }
}

const asked: Asked = JSON.parse(process.argv[2]!)
process.on('message', () => process.send!(usage()))
process.on('disconnect', () => process.exit())
const addresses =
  asked.kind === 'yoga'
    ? await yoga()
    : asked.kind === 'bare' || asked.kind === 'proxy'
      ? Object.fromEntries(
          await Promise.all(asked.wires.map(async (wire) => [wire, await (asked.kind === 'bare' ? bare(wire) : proxyOf(wire, asked.upstream!))])),
        )
      : await gateway(asked)
process.send!(addresses)
