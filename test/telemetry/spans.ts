import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { instrument } from '../../lib/telemetry/index.js'
import { turn } from '../support/turn.js'

/** What is exported meanwhile. A span of a server ends after its client has its answer. */
async function exported(work: (provider: BasicTracerProvider) => Promise<unknown>, count: number, ratio = 1, exceptions = false): Promise<ReadableSpan[]> {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  })
  await using _telemetry = await instrument({ tracing: provider, metrics: false, exceptions })
  await work(provider)
  while (exporter.getFinishedSpans().length < count) await turn()
  return exporter.getFinishedSpans()
}

const named = (spans: readonly ReadableSpan[], name: string): ReadableSpan => {
  const found = spans.find((span) => span.name === name)
  assert.ok(found, `${name} is none of ${spans.map(({ name }) => name)}`)
  return found!
}

const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId

const REMOTE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }

test('T2: a post is a span, and each executor, named by the endpoint as Jina names it, is one of its children', async () => {
  const spans = await exported(async () => {
    await using flow = await new Flow({ name: 'shop' })
      .add({ name: 'first', uses: () => {} })
      .add({ name: 'second', uses: async () => {} })
      .open()
    await flow.post('/search', ['a', 'b']).drain()
  }, 3)
  const root = named(spans, 'post /search')
  assert.is(root.kind, SpanKind.INTERNAL)
  const children = spans.filter(({ name }) => name === '/search')
  assert.equal(
    children.map(({ attributes }) => attributes['sluice.executor']),
    ['first', 'second'],
  )
  for (const child of children) {
    assert.is(parentOf(child), root.spanContext().spanId)
    assert.is(child.spanContext().traceId, root.spanContext().traceId)
    assert.is(child.attributes['sluice.docs'], 2)
  }
  assert.is(root.attributes['gen_ai.operation.name'], 'invoke_workflow')
  assert.is(root.attributes['gen_ai.workflow.name'], 'shop')
})

test('T2: spans that an executor makes are part of its own, before and after it waits', async () => {
  const spans = await exported(async (provider) => {
    const tracer = provider.getTracer('mine')
    await using flow = await new Flow()
      .add({
        name: 'model',
        async uses() {
          tracer.startSpan('before').end()
          await turn()
          tracer.startSpan('after').end()
        },
      })
      .open()
    await flow.post('/encode', ['a']).drain()
  }, 4)
  const { spanId } = named(spans, '/encode').spanContext()
  assert.is(parentOf(named(spans, 'before')), spanId)
  assert.is(parentOf(named(spans, 'after')), spanId)
})

test('T2: what fails is an error of its spans', async () => {
  const spans = await exported(async () => {
    await using flow = await new Flow()
      .add({
        name: 'printer',
        uses() {
          throw new RangeError('no paper')
        },
      })
      .open()
    await flow.post('/print', ['a'], { continueOnError: true }).drain()
  }, 2)
  const { status, events, attributes } = named(spans, '/print')
  assert.is(status.code, SpanStatusCode.ERROR)
  assert.is(attributes['error.type'], 'RangeError')
  // What an executor throws may say what its documents hold.
  assert.equal([events, status.message], [[], undefined])
  assert.is(named(spans, 'post /print').attributes['error.type'], 'ERR_EXECUTOR')
})

for (const [protocol, name, about] of [
  ['grpc', '/jina.JinaRPC/Call', { 'rpc.system': 'grpc', 'rpc.system.name': 'grpc', 'rpc.method': 'jina.JinaRPC/Call', 'rpc.service': 'jina.JinaRPC' }],
  ['http', 'POST /post', { 'network.protocol.name': 'http', 'http.request.method': 'POST', 'http.route': '/post' }],
  ['websocket', 'websocket', { 'network.protocol.name': 'websocket' }],
] as const)
  test(`T2: one trace over ${protocol}, through a gateway to an executor elsewhere; each server names its span by how it was asked`, async () => {
    const spans = await exported(async (provider) => {
      await using inner = await new Flow({ name: 'inner', protocol, port: 0 }).add({ name: 'leaf', uses: () => {} }).open()
      await using outer = await new Flow({ name: 'outer', protocol, port: 0 }).add({ name: 'far', external: true, host: inner.addresses[protocol]! }).open()
      await using client = new Client(outer.addresses[protocol]!)
      const span = provider.getTracer('mine').startSpan('mine')
      await context.with(trace.setSpan(context.active(), span), () => client.post('/index', ['a']).drain())
      span.end()
    }, 7)
    const ids = new Set(spans.map((span) => span.spanContext().traceId))
    assert.is(ids.size, 1, spans.map((span) => `${span.name} ${span.spanContext().traceId}`).join('\n'))
    // mine → call → gateway → far → call → gateway → leaf
    const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]))
    const road: ReadableSpan[] = []
    for (let at: ReadableSpan | undefined = spans.find(({ attributes }) => attributes['sluice.executor'] === 'leaf'); at !== undefined; ) {
      road.unshift(at)
      at = byId.get(parentOf(at) ?? '')
    }
    const call = protocol === 'grpc' ? '/jina.JinaRPC/Call' : `${protocol} /index`
    assert.equal(
      road.map(({ name }) => name),
      ['mine', call, name, '/index', call, name, '/index'],
    )
    assert.equal(
      road.map(({ kind }) => kind),
      [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.SERVER, SpanKind.INTERNAL],
    )
    for (const [key, value] of Object.entries(about)) assert.is(road[2]!.attributes[key], value, key)
    assert.is(road[4]!.attributes['server.address'], '127.0.0.1')
  })

test('T2: requests in one batch keep their traces; the batch goes on in one that is sampled, and is linked to all', async () => {
  const spans = await exported(async () => {
    await using flow = await new Flow().add({ name: 'store', uses: () => {}, dynamicBatching: { preferredBatchSize: 4, timeout: 1000 } }).open()
    await Promise.all([flow.post('/index', ['a', 'b']).drain(), flow.post('/index', ['c', 'd']).drain()])
  }, 5)
  const batch = named(spans, 'batch /index')
  const waiting = spans.filter(({ name }) => name === '/index')
  assert.is(new Set(waiting.map((span) => span.spanContext().traceId)).size, 2)
  assert.equal(batch.links.map(({ context }) => context.spanId).sort(), waiting.map((span) => span.spanContext().spanId).sort())
  assert.ok(waiting.some((span) => span.spanContext().spanId === parentOf(batch)))
  assert.is(batch.attributes['sluice.batch.requests'], 2)
  assert.is(batch.attributes['sluice.docs'], 4)
})

test('T2: an answer in parts is one span, each part an event of it, and the time of the first is told', async () => {
  const spans = await exported(async () => {
    await using flow = await new Flow()
      .add({
        name: 'writer',
        async *uses() {
          yield { text: 'a' }
          yield { text: 'b' }
        },
      })
      .open()
    await flow.post('/write', ['x']).drain()
  }, 2)
  const { events, attributes } = named(spans, '/write')
  assert.equal(
    events.map(({ name, attributes }) => [name, attributes!['sluice.part.ordinal'], attributes!['sluice.docs']]),
    [
      ['sluice.part', 0, 1],
      ['sluice.part', 1, 1],
    ],
  )
  assert.is(attributes['gen_ai.request.stream'], true)
  assert.type(attributes['gen_ai.response.time_to_first_chunk'], 'number')
})

test('T2: what is not sampled is not recorded anywhere, and says so to executors elsewhere; who begins it decides', async () => {
  const seen: (string | undefined)[] = []
  const uses = ({ headers }: { headers?: Readonly<Record<string, string>> | undefined }): void => void seen.push(headers?.traceparent)
  await exported(
    async () => {
      await using inner = await new Flow({ protocol: 'grpc', port: 0 }).add({ name: 'leaf', uses }).open()
      await using flow = await new Flow({ protocol: 'http', port: 0 }).add({ name: 'far', external: true, host: inner.addresses.grpc! }).open()
      await flow.post('/index', ['a']).drain()
      const ask = (flags: string): Promise<unknown> =>
        fetch(`${flow.addresses.http}/index`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', traceparent: `00-${REMOTE.traceId}-${REMOTE.spanId}-${flags}` },
          body: '{"data":[{"text":"a"}]}',
        })
      await ask('00')
      await ask('01')
    },
    5,
    0,
  ).then((spans) => {
    for (const span of spans) assert.is(span.spanContext().traceId, REMOTE.traceId)
    const server = named(spans, 'POST /index')
    assert.is(parentOf(server), REMOTE.spanId)
    assert.is(server.parentSpanContext!.isRemote, true)
  })
  assert.match(seen[0]!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  assert.match(seen[1]!, new RegExp(`^00-${REMOTE.traceId}-[0-9a-f]{16}-00$`))
  assert.match(seen[2]!, new RegExp(`^00-${REMOTE.traceId}-[0-9a-f]{16}-01$`))
})

test('T2: messages of errors are in spans where they are asked for', async () => {
  const spans = await exported(
    async () => {
      await using flow = await new Flow().add({ name: 'reader', uses: ({ docs }) => void JSON.parse(docs[0]!.text) }).open()
      await flow.post('/read', ['{not'], { continueOnError: true }).drain()
    },
    2,
    1,
    true,
  )
  assert.match(String(named(spans, '/read').events[0]!.attributes!['exception.message']), /JSON/)
})

test('T2: what an executor makes in a batch that is not sampled is not recorded, and a state without its trace goes no further', async () => {
  const seen: (Readonly<Record<string, string>> | undefined)[] = []
  const spans = await exported(
    async (provider) => {
      const uses = ({ headers }: { headers?: Readonly<Record<string, string>> | undefined }): void => {
        seen.push(headers)
        assert.ok(trace.getSpanContext(context.active()))
        provider.getTracer('mine').startSpan('of-mine').end()
      }
      await using flow = await new Flow({ protocol: 'http', port: 0 })
        .add({ name: 'store', uses, dynamicBatching: { preferredBatchSize: 1, timeout: 1000 } })
        .open()
      const answer = await fetch(`${flow.addresses.http}/index`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', traceparent: 'broken', tracestate: 'vendor=1' },
        body: '{"data":[{"text":"a"}]}',
      })
      assert.is(answer.status, 200)
    },
    0,
    0,
  )
  assert.is(spans.length, 0)
  assert.match(seen[0]!.traceparent!, /-00$/)
  assert.is(seen[0]!.tracestate, undefined)
})

test('T2: documents are in no span', async () => {
  const spans = await exported(async () => {
    await using flow = await new Flow().add({ name: 'first', uses: () => ({ secret: 'not this' }) }).open()
    await flow.post('/index', [{ text: 'nor this', tags: { key: 'nor that' } }], { parameters: { password: 'nor those' } }).drain()
  }, 2)
  const said = JSON.stringify(spans.map(({ name, attributes, events, status, links }) => ({ name, attributes, events, status, links })))
  assert.not.match(said, /not this|nor th/)
})

test('T2: who keeps contexts may fail: requests are answered all the same, each once, and what an executor throws is thrown', async () => {
  let calls = 0
  for (const fail of ['before', 'after'])
    await exported(async () => {
      await using flow = await new Flow()
        .add({ name: 'leaf', uses: () => void calls++ })
        .add({
          name: 'printer',
          uses: ({ endpoint }) => {
            if (endpoint === '/print') throw new Error('no paper')
          },
        })
        .open()
      const { with: run } = context
      context.with = ((own: never, work: never, ...args: never[]) => {
        if (fail === 'before') throw new Error('not mine')
        run.call(context, own, work, ...(args as []))
        throw new Error('not mine')
      }) as never
      try {
        await flow.post('/index', ['a']).drain()
        await flow
          .post('/print', ['a'])
          .drain()
          .then(
            () => assert.unreachable(),
            ({ message }) => assert.match(message, /no paper/),
          )
      } finally {
        delete (context as { with?: unknown }).with
      }
    }, 0)
  assert.is(calls, 4)
})

test('T2: with nobody who is told any more, nothing is told', async () => {
  await exported(async () => {}, 0)
  assert.is(context.active(), ROOT_CONTEXT)
  assert.is(propagation.getActiveBaggage(), undefined)
  const { channel } = await import('node:diagnostics_channel')
  for (const name of ['request', 'executor', 'batch', 'call']) assert.not(channel(`tracing:sluice.${name}:start`).hasSubscribers, name)
})

test.run()
