import { executionAsyncId } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type ContextManager, context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { DocumentArray, Flow } from '../../lib/index.js'
import { Header, Request } from '../../lib/request/request.js'
import { traceExecutor } from '../../lib/request/traced.js'
import { Scope } from '../../lib/stream/scope.js'
import { instrument } from '../../lib/telemetry/index.js'
import { turn } from '../support/turn.js'
import { until } from '../support/until.js'

/** What is exported meanwhile. A span of a server ends after its client has its answer. */
async function exported(work: (provider: BasicTracerProvider) => Promise<unknown>, count: number, ratio = 1, exceptions = false): Promise<ReadableSpan[]> {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  })
  await using _telemetry = await instrument({ tracing: provider, metrics: false, exceptions })
  await work(provider)
  await until(() => exporter.getFinishedSpans().length >= count)
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

test('T2: who keeps contexts already is kept, and may fail: requests are answered all the same, each once, and what an executor throws is thrown', async () => {
  let calls = 0
  for (const fail of ['before', 'after']) {
    let asked = 0
    const manager: ContextManager = {
      active: () => ROOT_CONTEXT,
      with(_own, work, thisArg, ...args) {
        asked++
        if (fail === 'before') throw new Error('not mine')
        work.call(thisArg as never, ...args)
        throw new Error('not mine')
      },
      bind: (_own, target) => target,
      enable: () => manager,
      disable: () => manager,
    }
    context.setGlobalContextManager(manager)
    try {
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
        await flow.post('/index', ['a']).drain()
        await flow
          .post('/print', ['a'])
          .drain()
          .then(
            () => assert.unreachable(),
            ({ message }) => assert.match(message, /no paper/),
          )
      }, 0)
      // An exporter asks as well.
      assert.ok(asked >= 6, String(asked))
    } finally {
      context.disable()
    }
  }
  assert.is(calls, 4)
})

// ── what is not sampled ──────────────────────────────────────────────────────────────────────────────────

/** Samples what executors make themselves, and of requests those that were sampled before they came: what is not part of its request is seen. */
const strays: Sampler = { shouldSample: (_context, _traceId, name) => ({ decision: name === 'mine' ? 2 : 0 }), toString: () => 'strays' }

async function unsampled(work: (tracer: Tracer) => Promise<unknown>, root: Sampler = strays): Promise<ReadableSpan[]> {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ sampler: new ParentBasedSampler({ root }), spanProcessors: [new SimpleSpanProcessor(exporter)] })
  await using _telemetry = await instrument({ tracing: provider, metrics: false })
  await work(provider.getTracer('mine'))
  return exporter.getFinishedSpans()
}

/** Of posts one after the other. */
async function posts(flow: { post(on: string, docs: string[]): { drain(): Promise<unknown> } }, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await flow.post('/index', ['a']).drain()
}

test('T2: the sampler is asked once for a request; of what is not sampled nothing more is heard by those who take what is sampled, and all by those who want all', async () => {
  const asked: string[] = []
  const heard: string[] = []
  const never: Sampler = {
    shouldSample(_context, _traceId, name) {
      asked.push(name)
      return { decision: 0 }
    },
    toString: () => 'never',
  }
  const note = (_message: unknown, name: string | symbol): void => void heard.push(String(name))
  const channels = ['tracing:sluice.executor.sampled:start', 'tracing:sluice.executor.sampled:asyncEnd', 'sluice.part.sampled', 'sluice.part']
  await unsampled(async () => {
    await using flow = await new Flow()
      .add({ name: 'first', uses: () => {} })
      .add({
        name: 'writer',
        async *uses() {
          yield { text: 'a' }
        },
      })
      .open()
    for (const name of channels.slice(0, 3)) subscribe(name, note)
    await flow.post('/index', ['a']).drain()
    assert.equal(heard, [])
    subscribe('sluice.part', note)
    await flow.post('/index', ['a']).drain()
    assert.equal(heard, ['sluice.part'])
    subscribe('tracing:sluice.executor:start', note)
    await flow.post('/index', ['a']).drain()
    for (const name of channels) unsubscribe(name, note)
    unsubscribe('tracing:sluice.executor:start', note)
  }, never)
  assert.equal(heard.slice(1), ['tracing:sluice.executor:start', 'tracing:sluice.executor:start', 'sluice.part'])
  assert.equal(asked, ['post /index', 'post /index', 'post /index'])
})

for (const protocol of ['grpc', 'http', 'websocket'] as const)
  test(`T2: what is not sampled goes on over ${protocol} as one trace, which says so`, async () => {
    const seen: (string | undefined)[] = []
    const uses = ({ headers }: { headers?: Readonly<Record<string, string>> | undefined }): void => void seen.push(headers?.traceparent)
    const spans = await unsampled(async () => {
      await using inner = await new Flow({ protocol, port: 0 }).add({ name: 'leaf', uses }).open()
      await using outer = await new Flow({ protocol, port: 0 })
        .add({ name: 'near', uses })
        .add({ name: 'far', external: true, host: inner.addresses[protocol]! })
        .open()
      await using client = new Client(outer.addresses[protocol]!)
      await client.post('/index', ['a']).drain()
      await client.post('/index', ['b']).drain()
    })
    assert.is(spans.length, 0)
    assert.is(seen.length, 4)
    for (const traceparent of seen) assert.match(traceparent!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    const traces = seen.map((traceparent) => traceparent!.slice(3, 35))
    assert.is(traces[0], traces[1])
    assert.is(traces[2], traces[3])
    assert.is.not(traces[0], traces[2])
  })

/** Beyond it, requests that are not recorded have no context where nobody has looked for one: see FIRST in telemetry/contexts. */
const MANY = 300

test('T2: what executors make in requests that are not sampled is not recorded, before and after they wait, by those who begin late as well', async () => {
  let looks = true
  const make = (tracer: Tracer) => async (): Promise<void> => {
    if (looks) tracer.startSpan('mine').end()
    await turn()
    if (looks) tracer.startSpan('mine').end()
  }
  const first = await unsampled(async (tracer) => {
    await using flow = await new Flow().add({ name: 'model', uses: make(tracer) }).open()
    await posts(flow, MANY)
  })
  assert.is(first.length, 0)
  looks = false
  const late = await unsampled(async (tracer) => {
    await using flow = await new Flow().add({ name: 'model', uses: make(tracer) }).open()
    await posts(flow, MANY)
    looks = true
    await posts(flow, 20)
  })
  // The first one who looks is not known to, and has begun by then: what it makes after it has waited may be a trace of its own.
  assert.ok(late.length <= 1, String(late.length))
})

test('T2: a request that an executor begins in one that is not sampled is part of it, and is not sampled either', async () => {
  const seen: string[] = []
  const uses = ({ headers }: { headers?: Readonly<Record<string, string>> | undefined }): void => void seen.push(headers!.traceparent!)
  const roots: Sampler = { shouldSample: () => ({ decision: seen.length % 2 === 0 ? 0 : 2 }), toString: () => 'roots' }
  const spans = await unsampled(async () => {
    await using inner = await new Flow().add({ name: 'leaf', uses }).open()
    const nested = async (call: { headers?: Readonly<Record<string, string>> | undefined }): Promise<void> => {
      uses(call)
      await turn()
      await inner.post('/inner', ['a']).drain()
    }
    await using flow = await new Flow().add({ name: 'outer', uses: nested }).open()
    await posts(flow, MANY)
  }, roots)
  assert.is(spans.length, 0)
  assert.is(seen.length, 2 * MANY)
  for (let i = 0; i < seen.length; i += 2) assert.is(seen[i]!.slice(3, 35), seen[i + 1]!.slice(3, 35))
})

test('T2: spans that executors make in requests that are sampled are part of them, among many that are not, and those cost no context', async () => {
  const ids: number[] = []
  const one: Sampler = { shouldSample: (_context, _traceId, name) => ({ decision: name.includes('/taken') ? 2 : 0 }), toString: () => 'one' }
  const spans = await unsampled(async (tracer) => {
    const uses = async ({ endpoint }: { endpoint: string }): Promise<void> => {
      await turn()
      // Where promises carry contexts, each has an id.
      ids.push(executionAsyncId())
      await turn()
      if (endpoint === '/taken') tracer.startSpan('mine', {}, context.active()).end()
    }
    await using flow = await new Flow().add({ name: 'model', uses }).open()
    await posts(flow, MANY)
    ids.length = 0
    await posts(flow, 128)
    const [version] = process.versions.node.split('.').map(Number)
    if (version! < 24) assert.ok(ids.filter((id) => id !== 0).length <= 2, `${ids.filter((id) => id !== 0).length} of 128 have a context`)
    await Promise.all([
      ...Array.from({ length: 8 }, () => posts(flow, 1)),
      flow.post('/taken', ['a']).drain(),
      ...Array.from({ length: 8 }, () => posts(flow, 1)),
    ])
  }, one)
  assert.is(spans.length, 3)
  assert.is(parentOf(named(spans, 'mine')), named(spans, '/taken').spanContext().spanId)
})

test('T2: an executor in a worker, which hears of a request first, is told to tracers though it is not sampled', async () => {
  const heard: unknown[] = []
  const hear = (message: unknown): void => void heard.push((message as { executor: string }).executor)
  subscribe('tracing:sluice.executor.sampled:start', hear)
  try {
    const request = new Request(new Header('/index', {}), DocumentArray.from([]), new Scope())
    request.contextHeaders = { traceparent: `00-${REMOTE.traceId}-${REMOTE.spanId}-00` }
    let done = 0
    traceExecutor('walked', request, () => void done++)
    traceExecutor('entrance', request, () => void done++, undefined, true)
    assert.is(done, 2)
  } finally {
    unsubscribe('tracing:sluice.executor.sampled:start', hear)
  }
  assert.equal(heard, ['entrance'])
})

test('T2: with nobody who is told any more, nothing is told', async () => {
  await exported(async () => {}, 0)
  assert.is(context.active(), ROOT_CONTEXT)
  assert.is(propagation.getActiveBaggage(), undefined)
  const { channel } = await import('node:diagnostics_channel')
  for (const name of ['request', 'executor', 'batch', 'call']) assert.not(channel(`tracing:sluice.${name}:start`).hasSubscribers, name)
})

test.run()
