import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'

/** A span, as it came over OTLP: ids in hex. */
export interface Told {
  readonly service: string
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string
}

/**
 * One that takes what is exported by OTLP over gRPC, and keeps it. Who closes a Flow waits 2.5 s for it at most, which a busy machine may need for more than that: what is
 * to be there is waited for before this is closed.
 */
export interface Collector {
  readonly port: number
  readonly spans: Told[]
  /** As bytes. */
  readonly traces: Buffer[]
  readonly metrics: Buffer[]
  close(): void
}

export async function collector(): Promise<Collector> {
  const server = new Server()
  const same = (bytes: Buffer): Buffer => bytes
  const [spans, traces, metrics]: [Told[], Buffer[], Buffer[]] = [[], [], []]
  const take = (name: string, hear: (bytes: Buffer) => void): boolean =>
    server.register(
      `/opentelemetry.proto.collector.${name}/Export`,
      (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
        hear(call.request)
        done(null, Buffer.alloc(0))
      },
      same,
      same,
      'unary',
    )
  take('trace.v1.TraceService', (bytes) => {
    traces.push(bytes)
    spans.push(...spansIn(bytes))
  })
  take('metrics.v1.MetricsService', (bytes) => void metrics.push(bytes))
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  )
  return { port, spans, traces, metrics, close: () => server.forceShutdown() }
}

/** The fields of a message of protobuf that are bytes, by their numbers; all else is passed over. */
function fieldsOf(bytes: Buffer): [number: number, value: Buffer][] {
  const all: [number, Buffer][] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const kind = tag & 7
    if (kind === 0) varint()
    else if (kind === 1) at += 8
    else if (kind === 5) at += 4
    else {
      const length = varint()
      all.push([Math.floor(tag / 8), bytes.subarray(at, at + length)])
      at += length
    }
  }
  return all
}

const within = (bytes: Buffer, number: number): Buffer[] => fieldsOf(bytes).flatMap(([own, value]) => (own === number ? [value] : []))

/** By the numbers of opentelemetry/proto/trace/v1/trace.proto. */
function spansIn(request: Buffer): Told[] {
  return within(request, 1).flatMap((resourceSpans) => {
    const attributes = within(resourceSpans, 1).flatMap((resource) => within(resource, 1))
    const service = attributes.find((one) => within(one, 1)[0]?.toString() === 'service.name')
    return within(resourceSpans, 2)
      .flatMap((scopeSpans) => within(scopeSpans, 2))
      .map((span) => {
        const [name, traceId, spanId, parentId] = [5, 1, 2, 4].map((number) => within(span, number)[0]) as [Buffer, Buffer, Buffer, Buffer | undefined]
        return {
          service: service === undefined ? '' : (within(within(service, 2)[0]!, 1)[0]?.toString() ?? ''),
          name: name.toString(),
          traceId: traceId.toString('hex'),
          spanId: spanId.toString('hex'),
          parentId: parentId?.toString('hex') ?? '',
        }
      })
  })
}
