// One trace across both worlds: Python's Jina and this one tell the same collector, over OTLP.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/flow/flow.js'
import { type Collector, collector, type Told } from '../support/collector.js'
import { Peer } from './peer.js'
import { client, flow } from './process.js'
import { interop } from './python.js'

/** Python sends its spans when it likes; here, soon. */
const SOON = { OTEL_BSP_SCHEDULE_DELAY: '100' }

/** From the first to a span: what each is part of. */
function roadTo(spans: readonly Told[], isLast: (span: Told) => boolean): Told[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const road: Told[] = []
  for (let at = spans.find(isLast); at !== undefined; at = byId.get(at.parentId)) road.unshift(at)
  return road
}

const named = (spans: readonly Told[]): string[] => spans.map(({ service, name }) => `${service.replace(/\/rep-0$/, '')}: ${name}`)

/** The spans of one trace, by the last of them, when all from its first on are there, and another that is waited for. */
async function trace({ spans }: Collector, isLast: (span: Told) => boolean, isOther: (span: Told) => boolean): Promise<Told[]> {
  for (const end = performance.now() + 20_000; performance.now() < end; ) {
    const road = roadTo(spans, isLast)
    const own = spans.filter(({ traceId }) => traceId === road[0]?.traceId)
    if (road[0]?.parentId === '' && own.some(isOther)) return own
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`These came: ${JSON.stringify(spans, undefined, 1)}`)
}

await interop(test, async (python) => {
  test('T2: a Python gateway, an executor here and a Python executor behind it are one trace', async () => {
    const all = await collector()
    const tracing = { tracing: true, traces_exporter_host: 'http://127.0.0.1', traces_exporter_port: all.port }
    try {
      await using last = await flow(python, { kind: 'deployment', include_gateway: false, protocol: ['grpc'], name: 'last', ...tracing }, SOON)
      await using ours = await new Flow({ name: 'ours', protocol: 'grpc', port: 0, tracing: true, tracesExporterPort: all.port })
        .add({ name: 'middle', uses: Peer })
        .add({ name: 'last', external: true, host: last.address('grpc') })
        .open()
      const { port } = new URL(ours.addresses.grpc!)
      await using theirs = await flow(
        python,
        { protocol: ['grpc'], executors: [{ name: 'far', external: true, host: '127.0.0.1', port: Number(port) }], ...tracing },
        SOON,
      )
      await using script = client(python)
      const answer = await script.ask({ address: theirs.address('grpc'), do: 'post', on: '/trail', count: 1 })
      assert.is(answer.error, undefined)
      assert.is(answer.responses[0].docs[0].tags.trail, '/middle/last')
      // Ours are sent when the Flow is closed.
      await ours.close()
      const isLast = ({ service, name }: Told): boolean => service.startsWith('last') && name === '/trail'
      const spans = await trace(all, isLast, ({ service, name }) => service.startsWith('last') && name !== '/trail')
      const road = named(roadTo(spans, isLast))
      assert.equal(road, [
        'gateway: /jina.JinaRPC/Call',
        'gateway: /jina.JinaSingleDataRequestRPC/process_single_data',
        'ours: /jina.JinaSingleDataRequestRPC/process_single_data',
        'ours: /trail',
        'ours: /jina.JinaSingleDataRequestRPC/process_single_data',
        // Beside it stands the span of its server.
        'last: /trail',
      ])
      const isMiddle = ({ service, name, parentId }: Told): boolean =>
        service === 'ours' && name === '/trail' && spans.find(({ spanId }) => spanId === parentId)?.service === 'ours'
      assert.ok(spans.filter(isMiddle).length >= 2, 'an executor here, and the one elsewhere, each have a span')
    } finally {
      all.close()
    }
  })

  // It reads the context of a call, and none of a message in a stream: so each request is a call of its own.
  test('T2: a gateway here, a Python Flow and an executor here behind it are one trace', async () => {
    const all = await collector()
    const tracing = { tracing: true, traces_exporter_host: 'http://127.0.0.1', traces_exporter_port: all.port }
    try {
      await using inner = await new Flow({ name: 'ours', protocol: 'grpc', port: 0, tracing: true, tracesExporterPort: all.port })
        .add({ name: 'leaf', uses: Peer })
        .open()
      const { port } = new URL(inner.addresses.grpc!)
      await using theirs = await flow(
        python,
        { protocol: ['grpc'], executors: [{ name: 'before' }, { name: 'leaf', external: true, host: '127.0.0.1', port: Number(port) }], ...tracing },
        SOON,
      )
      await using outer = await new Flow({ name: 'ours', tracing: true, tracesExporterPort: all.port })
        .add({ name: 'theirs', external: true, host: theirs.address('grpc'), unary: true })
        .open()
      const [doc] = await outer.post('/trail', ['a']).docs()
      assert.is(doc!.tags.trail, '/before/leaf')
      await outer.close()
      await inner.close()
      const isLast = ({ service, name, spanId }: Told): boolean =>
        service === 'ours' && name === '/trail' && !all.spans.some(({ parentId }) => parentId === spanId)
      const isBefore = ({ service, name }: Told): boolean => service.startsWith('before') && name === '/trail'
      const road = named(roadTo(await trace(all, isLast, isBefore), isLast))
      assert.equal(road, [
        'ours: post /trail',
        'ours: /trail',
        'ours: /jina.JinaSingleDataRequestRPC/process_single_data',
        'gateway: /jina.JinaSingleDataRequestRPC/process_single_data',
        'gateway: /jina.JinaSingleDataRequestRPC/process_single_data',
        'ours: /jina.JinaSingleDataRequestRPC/process_single_data',
        'ours: /trail',
      ])
    } finally {
      all.close()
    }
  })
})

test.run()
