import { createTraceState, type TraceState } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ContextHeaders, Flow } from '../../lib/index.js'
import { instrument } from '../../lib/telemetry/index.js'
import { Ids, type Sampler } from '../../lib/telemetry/sampling.js'
import { collector } from '../support/collector.js'
import { turn } from '../support/turn.js'
import { until } from '../support/until.js'

const REMOTE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331'
const UNSAMPLED = /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/

/** What is exported, of posts with these headers, and what their executor has seen; `begun`: what the provider was asked for. */
async function sampled(
  sampler: Sampler | number,
  posts: readonly (ContextHeaders | undefined)[],
): Promise<{ spans: ReadableSpan[]; seen: ContextHeaders[]; begun: string[] }> {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const begun: string[] = []
  const tracing = {
    getTracer(name: string) {
      const tracer = provider.getTracer(name)
      const { startSpan } = tracer
      tracer.startSpan = (name, ...more) => {
        begun.push(name)
        return startSpan.call(tracer, name, ...more)
      }
      return tracer
    },
  }
  await using _telemetry = await instrument({ tracing, metrics: false, sampler })
  const seen: ContextHeaders[] = []
  await using flow = await new Flow({ protocol: 'http', port: 0 })
    .add({
      name: 'leaf',
      async uses({ headers }) {
        await turn()
        seen.push({ ...headers })
      },
    })
    .open()
  for (const headers of posts) {
    if (headers === undefined) await flow.post('/index', ['a']).drain()
    else
      await (
        await fetch(`${flow.addresses.http}/index`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: '{"data":[{"text":"a"}]}',
        })
      ).text()
  }
  // A span of a server ends after its client has its answer.
  await flow.close()
  return { spans: exporter.getFinishedSpans(), seen, begun }
}

test('T2: a share of those that begin is sampled; of the others the provider hears nothing, and they say on their way that they are not', async () => {
  const all = await sampled(1, [undefined])
  assert.equal(
    all.spans.map(({ name }) => name),
    ['/index', 'post /index'],
  )
  const none = await sampled(0, [undefined, undefined])
  assert.equal([none.spans, none.begun], [[], []])
  for (const { traceparent } of none.seen) assert.match(traceparent!, UNSAMPLED)
  assert.is.not(none.seen[0]!.traceparent!.slice(3, 35), none.seen[1]!.traceparent!.slice(3, 35))
})

test('T2: a share leaves what comes from elsewhere as it was decided there, and its state goes on', async () => {
  const taken = await sampled(0, [{ traceparent: `${REMOTE}-01` }])
  assert.is(taken.spans.length, 2)
  assert.ok(taken.spans.every((span) => span.spanContext().traceId === REMOTE.slice(3, 35)))
  const left = await sampled(1, [{ traceparent: `${REMOTE}-00`, tracestate: 'a=b' }])
  assert.equal(left.begun, [])
  assert.match(left.seen[0]!.traceparent!, UNSAMPLED)
  assert.is(left.seen[0]!.traceparent!.slice(0, 35), REMOTE.slice(0, 35))
  assert.is.not(left.seen[0]!.traceparent!.slice(36, 52), REMOTE.slice(36, 52))
  assert.is(left.seen[0]!.tracestate, 'a=b')
})

test('T2: a sampler may leave out what was sampled elsewhere; the state of the trace goes on, unless it gives another', async () => {
  const say = async (traceState?: TraceState): Promise<ContextHeaders> => {
    const sampler: Sampler = { shouldSample: () => ({ decision: 0, ...(traceState && { traceState }) }) }
    return (await sampled(sampler, [{ traceparent: `${REMOTE}-01`, tracestate: 'a=b' }])).seen[0]!
  }
  const kept = await say()
  assert.equal([kept.traceparent!.slice(0, 35), kept.traceparent!.slice(52), kept.tracestate], [REMOTE.slice(0, 35), '-00', 'a=b'])
  assert.is((await say(createTraceState('c=d'))).tracestate, 'c=d')
})

test('T2: a sampler is asked as the SDK asks it; what it says of a span is on it', async () => {
  const asked: unknown[] = []
  const sampler: Sampler = {
    shouldSample(_context, traceId, name, kind, attributes, links) {
      assert.match(traceId, /^[0-9a-f]{32}$/)
      asked.push([name, kind, attributes, links])
      return asked.length === 1 ? { decision: 0 } : { decision: 2, attributes: { why: 'second' } }
    },
  }
  const { spans } = await sampled(sampler, [undefined, undefined])
  assert.equal(asked[0], ['post /index', 0, { 'sluice.endpoint': '/index' }, []])
  assert.is(asked.length, 3)
  assert.equal(
    spans.map(({ name, attributes }) => [name, attributes['why'], attributes['sluice.endpoint']]),
    [
      ['/index', 'second', '/index'],
      ['post /index', 'second', '/index'],
    ],
  )
})

for (const name of ['traceidratio', 'parentbased_traceidratio'])
  test(`T2: an exporter of a Flow goes by OTEL_TRACES_SAMPLER=${name}: what it is sampled at is decided once, for all of a trace`, async () => {
    const { port, spans, close } = await collector()
    Object.assign(process.env, { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: '0.5' })
    const seen: string[] = []
    const COUNT = 400
    try {
      await using flow = await new Flow({ tracing: true, tracesExporterPort: port })
        .add({ name: 'leaf', uses: ({ headers }) => void seen.push(headers!.traceparent!) })
        .open()
      for (let i = 0; i < COUNT; i++) await flow.post('/search', ['a']).drain()
      await flow.close()
      await until(() => spans.length >= 2 * seen.filter((traceparent) => traceparent.endsWith('-01')).length)
    } finally {
      close()
      delete process.env['OTEL_TRACES_SAMPLER']
      delete process.env['OTEL_TRACES_SAMPLER_ARG']
    }
    const taken = seen.filter((traceparent) => traceparent.endsWith('-01')).map((traceparent) => traceparent.slice(3, 35))
    // Half of them; a quarter, if it were decided twice.
    assert.ok(taken.length > 140 && taken.length < 260, String(taken.length))
    assert.is(new Set(seen.map((traceparent) => traceparent.slice(3, 35))).size, COUNT)
    assert.equal(spans.map(({ traceId }) => traceId).sort(), [...taken, ...taken].sort())
  })

test('T2: ids are those of W3C, and none comes twice', () => {
  const ids = new Ids()
  const traces = Array.from({ length: 10_000 }, () => ids.generateTraceId())
  const spans = Array.from({ length: 10_000 }, () => ids.generateSpanId())
  for (const id of traces) assert.match(id, /^(?=.*[1-9a-f])[0-9a-f]{32}$/)
  for (const id of spans) assert.match(id, /^(?=.*[1-9a-f])[0-9a-f]{16}$/)
  assert.is(new Set([...traces, ...spans]).size, 20_000)
})

test('T2: a sampler that is none is refused by name', async () => {
  for (const [sampler, code, said] of [
    ['half', 'ERR_OPTION_TYPE', /sampler/],
    [{}, 'ERR_OPTION_TYPE', /a number from 0 to 1 or a Sampler/],
    [1.5, 'ERR_OPTION_RANGE', /from 0 to 1/],
    [Number.NaN, 'ERR_OPTION_RANGE', /from 0 to 1/],
  ] as const) {
    try {
      await instrument({ sampler: sampler as never })
      assert.unreachable(String(sampler))
    } catch (error) {
      assert.is((error as { code?: string }).code, code)
      assert.match((error as Error).message, said)
    }
  }
})

test.run()
