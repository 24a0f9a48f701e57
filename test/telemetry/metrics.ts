import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { ROOT_CONTEXT } from '@opentelemetry/api'
import { defaultResource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  DataPointType,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Traces } from '../../lib/base/events.js'
import { VERSION } from '../../lib/base/version.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Executor, Flow } from '../../lib/index.js'
import { SECONDS } from '../../lib/telemetry/cells.js'
import { instrument, monitor } from '../../lib/telemetry/index.js'
import { tellMeter } from '../../lib/telemetry/meters.js'
import { METRICS, Numbers } from '../../lib/telemetry/metrics.js'
import { Producer } from '../../lib/telemetry/producer.js'
import { deferred } from '../support/deferred.js'
import { turn } from '../support/turn.js'

/** What `/metrics` says: the kind of each metric, and its numbers by name and labels. */
function read(text: string): { kinds: Record<string, string>; values: Record<string, number> } {
  const kinds = Object.fromEntries([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [name!, kind!]))
  const values = Object.fromEntries([...text.matchAll(/^([a-z][^\s{]*(?:\{.*\})?) (\S+)$/gm)].map(([, series, value]) => [series!, Number(value)]))
  return { kinds, values }
}

const GATEWAY = '{runtime_name="gateway/rep-0"}'
const LEAF = '{executor="leaf",executor_endpoint="/index",runtime_name="leaf/rep-0"}'

/** Jina's metrics: the name in Prometheus' text, its kind there, its kind and unit in OpenTelemetry, a series that is there after the work below, and what it says then. */
const TABLE: readonly (readonly [name: string, kind: string, otel: string, unit: string, labels: string, expected: number | 'some'])[] = [
  ['jina_receiving_request_seconds', 'summary', 'HISTOGRAM', 's', GATEWAY, 6],
  ['jina_receiving_request_seconds', 'summary', 'HISTOGRAM', 's', '{runtime_name="leaf/rep-0"}', 3],
  ['jina_number_of_pending_requests', 'gauge', 'UP-DOWN COUNTER', '1', GATEWAY, 0],
  ['jina_successful_requests', 'counter', 'COUNTER', '1', GATEWAY, 4],
  ['jina_successful_requests', 'counter', 'COUNTER', '1', '{runtime_name="leaf/rep-0"}', 2],
  ['jina_failed_requests', 'counter', 'COUNTER', '1', GATEWAY, 2],
  ['jina_failed_requests', 'counter', 'COUNTER', '1', '{runtime_name="leaf/rep-0"}', 1],
  ['jina_received_request_bytes', 'summary', 'HISTOGRAM', 'By', GATEWAY, 6],
  // Its older name, which Jina tells Prometheus alone.
  ['jina_request_size_bytes', 'summary', '', 'By', GATEWAY, 6],
  ['jina_sent_response_bytes', 'summary', 'HISTOGRAM', 'By', GATEWAY, 6],
  ['jina_sending_request_seconds', 'summary', 'HISTOGRAM', 's', GATEWAY, 3],
  ['jina_sent_request_bytes', 'summary', 'HISTOGRAM', 'By', GATEWAY, 3],
  ['jina_received_response_bytes', 'summary', 'HISTOGRAM', 'By', GATEWAY, 'some'],
  ['jina_process_request_seconds', 'summary', 'HISTOGRAM', 's', LEAF, 2],
  ['jina_document_processed', 'counter', 'COUNTER', '1', LEAF, 3],
  ['jina_encoding_seconds', 'summary', 'HISTOGRAM', 's', '{runtime_name="leaf/rep-0"}', 2],
]

const ask = (address: string, endpoint: string, texts: readonly string[]): Promise<globalThis.Response> =>
  fetch(`${address}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ execEndpoint: endpoint, data: texts.map((text) => ({ text })) }),
  })

for (const by of ['a MeterProvider', 'a reader'])
  test(`T2: the table of Jina’s metrics, row by row, at /metrics and from an exporter of OpenTelemetry, by ${by}`, async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1_000_000 })
    const provider = by === 'a reader' ? undefined : new MeterProvider({ readers: [reader] })
    await using _telemetry = await instrument({ tracing: false, metrics: provider ?? reader })
    await using inner = await new Flow({ protocol: 'grpc', port: 0 })
      .add({
        name: 'leaf',
        async uses({ docs, endpoint }) {
          if (endpoint === '/fail') throw new Error('no')
          await monitor({ name: 'leaf' }, 'encoding_seconds', 'Time of the model', turn)
          return docs
        },
      })
      .open()
    const flow = new Flow().add({ name: 'far', external: true, host: inner.addresses.grpc! })
    await flow.open()
    await using gateway = await Gateway.serve(flow, { protocol: 'http', port: 0, logger: () => {} })
    await ask(gateway.addresses.http!, '/index', ['a', 'b'])
    await ask(gateway.addresses.http!, '/index', ['c'])
    await ask(gateway.addresses.http!, '/fail', ['d'])
    const { kinds, values } = read(_telemetry.prometheus())
    await reader.forceFlush()
    const told = exporter
      .getMetrics()
      .at(-1)!
      .scopeMetrics.flatMap(({ metrics }) => metrics)
    for (const [name, kind, otel, unit, labels, expected] of TABLE) {
      const inText = kind === 'counter' ? `${name}_total` : name
      assert.is(kinds[inText], kind, name)
      const series = kind === 'summary' ? `${name}_count${labels}` : `${inText}${labels}`
      if (expected === 'some') assert.ok(values[series]! > 0, series)
      else assert.is(values[series], expected, series)
      if (kind === 'summary') assert.ok(values[`${name}_sum${labels}`]! > 0, name)
      if (otel === '') continue
      const metric = told.find(({ descriptor }) => descriptor.name === name)
      assert.ok(metric, `${name} is not exported`)
      assert.is(metric!.descriptor.unit, unit, name)
      assert.is(metric!.dataPointType, otel === 'HISTOGRAM' ? DataPointType.HISTOGRAM : DataPointType.SUM, name)
      if (otel !== 'HISTOGRAM') assert.is((metric as { isMonotonic?: boolean }).isMonotonic, otel === 'COUNTER', `${name} is a ${otel.toLowerCase()}`)
      const point = metric!.dataPoints.find(({ attributes }) => labelsOf(attributes) === labels)
      assert.ok(point, `${name}${labels} is not exported`)
      const value = otel === 'HISTOGRAM' ? (point!.value as { count: number }).count : point!.value
      assert.is(value, values[series], `${name} is told twice, and differs`)
      if (otel === 'HISTOGRAM') assert.ok('buckets' in (point!.value as object), name)
    }
    assert.equal([...new Set(TABLE.flatMap(([name, , otel]) => (otel === '' ? [] : name)))].sort(), told.map(({ descriptor }) => descriptor.name).sort())
    await flow.close()
    await reader.shutdown()
  })

for (const [temporality, rounds] of [
  [AggregationTemporality.CUMULATIVE, 2],
  [AggregationTemporality.DELTA, 3],
] as const)
  test(`T2: a reader is given what a MeterProvider would export: ${AggregationTemporality[temporality]}`, async () => {
    const numbers = new Numbers()
    const [exporter, exporterOfOurs] = [new InMemoryMetricExporter(temporality), new InMemoryMetricExporter(temporality)]
    const [theirs, ours] = [exporter, exporterOfOurs].map((exporter) => new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1_000_000 })) as [
      PeriodicExportingMetricReader,
      PeriodicExportingMetricReader,
    ]
    const provider = new MeterProvider({ readers: [theirs] })
    const end = tellMeter(provider.getMeter('sluice', VERSION), numbers, ROOT_CONTEXT)
    const producer = new Producer(defaultResource(), (type) => ours.selectAggregationTemporality(type as never))
    producer.numbers = numbers
    ours.setMetricProducer(producer)
    const labels = [{ runtime_name: 'a/rep-0' }, { runtime_name: 'b/rep-0' }]
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < 200; i++) {
        const at = labels[round === 0 ? 0 : i % 2]!
        numbers.note(numbers.cell(METRICS.receiving, at), i % 7 === 0 ? SECONDS[i % SECONDS.length]! : (i * i) / 3000)
        numbers.note(numbers.cell(METRICS.receivedRequest, at), (i * i) / 2)
        numbers.cell(METRICS.documents, at).add(i)
      }
      numbers.cell(METRICS.pending, labels[0]!).add(round % 2 === 0 ? 1 : -1)
      await theirs.forceFlush()
      await ours.forceFlush()
      const said = (from: InMemoryMetricExporter) =>
        from
          .getMetrics()
          .at(-1)!
          .scopeMetrics.flatMap(({ scope, metrics }) =>
            metrics.map(({ descriptor: { name, description, unit, valueType }, aggregationTemporality, dataPointType, dataPoints, ...rest }) => ({
              scope: [scope.name, scope.version],
              ...{ name, description, unit, valueType, aggregationTemporality, dataPointType },
              isMonotonic: (rest as { isMonotonic?: boolean }).isMonotonic,
              points: dataPoints
                .map(({ attributes, value }) => {
                  if (typeof value === 'number') return { attributes, value }
                  const { buckets, count, sum, min, max } = value as Histogram
                  // Of what was counted since it was last asked, a reader of ours knows neither the least nor the most.
                  const ends = temporality === AggregationTemporality.DELTA && round > 0 ? {} : { min, max }
                  return { attributes, value: { boundaries: buckets.boundaries, counts: buckets.counts, count, sum: sum!.toFixed(6), ...ends } }
                })
                .sort((a, b) => String(a.attributes.runtime_name).localeCompare(String(b.attributes.runtime_name))),
            })),
          )
          .sort((a, b) => a.name.localeCompare(b.name))
      assert.equal(said(exporterOfOurs), said(exporter))
    }
    end()
    await provider.shutdown()
    await ours.shutdown()
  })

test('T2: a reader that a MeterProvider has is refused, and one that was given before goes on', async () => {
  const reader = new PeriodicExportingMetricReader({ exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE), exportIntervalMillis: 1_000_000 })
  await using flow = await new Flow().add({ name: 'leaf', uses: () => {} }).open()
  for (let again = 0; again < 2; again++) {
    await using _telemetry = await instrument({ tracing: false, metrics: reader })
    await flow.post('/index', ['a']).drain()
    const { resourceMetrics } = await reader.collect()
    assert.is(resourceMetrics.scopeMetrics[0]!.metrics.find(({ descriptor }) => descriptor.name === METRICS.documents.name)!.dataPoints[0]!.value, 1)
  }
  assert.equal((await reader.collect()).resourceMetrics.scopeMetrics, [])
  await reader.shutdown()
  const taken = new PeriodicExportingMetricReader({ exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE), exportIntervalMillis: 1_000_000 })
  const provider = new MeterProvider({ readers: [taken] })
  await instrument({ tracing: false, metrics: taken }).then(
    () => assert.unreachable(),
    (error) => {
      assert.is(error.code, 'ERR_OPTION_RANGE')
      assert.match(error.message, /a reader that no MeterProvider has/)
    },
  )
  await provider.shutdown()
})

function labelsOf(attributes: object): string {
  return `{${Object.entries(attributes)
    .map(([name, value]) => `${name}="${value}"`)
    .join(',')}}`
}

test('T2: metrics: true is /metrics, over HTTP and beside WebSocket, behind the door', async () => {
  await using flow = await new Flow({ protocol: ['http', 'websocket'], port: [0, 0], metrics: true, token: 'let-me-in-please' })
    .add({ name: 'leaf', uses: () => {} })
    .open()
  await flow.post('/index', ['a']).drain()
  for (const address of [flow.addresses.http!, flow.addresses.websocket!.replace('ws:', 'http:')]) {
    assert.is((await fetch(`${address}/metrics`)).status, 401)
    const answer = await fetch(`${address}/metrics`, { headers: { authorization: 'Bearer let-me-in-please' } })
    assert.is(answer.status, 200)
    assert.is(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    assert.ok(read(await answer.text()).values[`jina_successful_requests_total${GATEWAY}`]! >= 1)
  }
  const { paths } = (await (await fetch(`${flow.addresses.http}/openapi.json`, { headers: { authorization: 'Bearer let-me-in-please' } })).json()) as any
  assert.ok(paths['/metrics'].get.responses['200'].content['text/plain'])
})

test('T2: without metrics: true there is no /metrics', async () => {
  await using flow = await new Flow({ protocol: 'http', port: 0 }).add({ name: 'leaf', uses: () => {} }).open()
  assert.is((await fetch(`${flow.addresses.http}/metrics`)).status, 404)
})

test('T2: monitoring is a port of its own, which says nothing else, and is behind the same door', async () => {
  await using flow = await new Flow({ protocol: 'grpc', port: 0, monitoring: true, token: 'let-me-in-please' }).add({ name: 'leaf', uses: () => {} }).open()
  const address = flow.addresses.metrics!
  assert.match(address, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
  assert.is((await fetch(address)).status, 401)
  const headers = { authorization: 'Bearer let-me-in-please' }
  await flow.post('/index', ['a']).drain()
  assert.is(read(await (await fetch(address, { headers })).text()).values[`jina_successful_requests_total${GATEWAY}`], 1)
  for (const path of ['/status', '/post', '/index', '/docs', '/']) assert.is((await fetch(new URL(path, address), { headers })).status, 404, path)
})

test('T2: a request that waits is pending', async () => {
  const door = deferred<void>()
  const begun = deferred<void>()
  await using flow = await new Flow({ protocol: 'http', port: 0, metrics: true })
    .add({
      name: 'leaf',
      uses: () => {
        begun.resolve()
        return door.promise
      },
    })
    .open()
  const pending = async (): Promise<number | undefined> =>
    read(await (await fetch(`${flow.addresses.http}/metrics`)).text()).values[`jina_number_of_pending_requests${GATEWAY}`]
  const done = flow.post('/index', ['a']).drain()
  await begun.promise
  assert.is(await pending(), 1)
  door.resolve()
  await done
  assert.is(await pending(), 0)
})

test('T2: clients cannot fill the memory with endpoints that they make up', async () => {
  await using flow = await new Flow({ protocol: 'http', port: 0, metrics: true }).add({ name: 'leaf', uses: () => {} }).open()
  for (let i = 0; i < 150; i++) await flow.post(`/${i}`, ['a']).drain()
  const { values } = read(await (await fetch(`${flow.addresses.http}/metrics`)).text())
  const endpoints = Object.keys(values).filter((series) => series.startsWith('jina_document_processed_total'))
  assert.is(endpoints.length, 101)
  assert.is(values['jina_document_processed_total{executor="leaf",executor_endpoint="(other)",runtime_name="leaf/rep-0"}'], 50)
})

test('T2: endpoints of the Flow have their label, however many clients make up before; those share one', async () => {
  const bound: unknown[] = []
  const hear = (message: unknown): void => void bound.push([(message as Traces['executor']).endpoint, (message as Traces['executor']).bound])
  class Leaf extends Executor {
    static requests = { '/index': 'index', '/default': 'index' }
    index(): void {}
  }
  await using flow = await new Flow({ protocol: 'http', port: 0, metrics: true, exposeEndpoints: { '/shown': {} } })
    .add({ name: 'leaf', uses: Leaf })
    .add({ name: 'all', uses: () => {} })
    .open()
  for (let i = 0; i < 150; i++) await flow.post(`/${i}`, ['a']).drain()
  subscribe('tracing:sluice.executor:start', hear)
  for (const endpoint of ['/index', '/shown', '/made-up']) await flow.post(endpoint, ['a']).drain()
  unsubscribe('tracing:sluice.executor:start', hear)
  const { values } = read(await (await fetch(`${flow.addresses.http}/metrics`)).text())
  for (const executor of ['leaf', 'all'])
    for (const [endpoint, expected] of [
      ['/index', 1],
      ['/shown', 1],
      ['(other)', 151],
      ['/made-up', undefined],
      ['/0', undefined],
    ] as const)
      assert.is(
        values[`jina_document_processed_total{executor="${executor}",executor_endpoint="${endpoint}",runtime_name="${executor}/rep-0"}`],
        expected,
        `${executor} ${endpoint}`,
      )
  assert.equal(
    bound.filter((_, at) => at % 2 === 0),
    [
      ['/index', true],
      ['/shown', true],
      ['/made-up', false],
    ],
  )
})

test('T2: what stands in a name cannot forge a line', async () => {
  await using flow = await new Flow({ protocol: 'http', port: 0, metrics: true }).add({ name: 'leaf', uses: () => {} }).open()
  await flow.post('/a"} 1\njina_forged{x="\\', ['a']).drain()
  const text = await (await fetch(`${flow.addresses.http}/metrics`)).text()
  assert.not.match(text, /^jina_forged/m)
  assert.ok(text.includes('executor_endpoint="/a\\"} 1\\njina_forged{x=\\"\\\\"'))
})

test('T2: a meter that throws ends nothing, and monitor() without documentation is read by its name', async () => {
  const refuse = (): never => {
    throw new Error('not mine')
  }
  await using telemetry = await instrument({ tracing: false, metrics: { getMeter: () => new Proxy({}, { get: () => refuse }) } as never })
  await using flow = await new Flow().add({ name: 'leaf', uses: () => monitor({ name: 'leaf' }, 'reading_seconds', undefined, () => undefined) }).open()
  await flow.post('/index', ['a']).drain()
  assert.match(telemetry.prometheus(), /^# HELP jina_reading_seconds reading_seconds$/m)
  assert.throws(
    () => monitor({ name: 'leaf' }, 'process_request_seconds', '', () => 1),
    (error: any) => error.code === 'ERR_OPTION_RANGE',
  )
})

test('T2: what is pending when telemetry ends is pending no more', async () => {
  const [door, begun] = [deferred<void>(), deferred<void>()]
  const telemetry = await instrument({ tracing: false })
  await using flow = await new Flow()
    .add({
      name: 'leaf',
      uses: () => {
        begun.resolve()
        return door.promise
      },
    })
    .open()
  const done = flow.post('/index', ['a']).drain()
  await begun.promise
  await telemetry.close()
  assert.is(read(telemetry.prometheus()).values[`jina_number_of_pending_requests${GATEWAY}`], 0)
  door.resolve()
  await done
})

test('T2: options of instrument() that are none, and an endpoint at the path of metrics, are refused', async () => {
  for (const options of [{ tracign: false }, { metrics: 'x' }, { tracing: {} }, { exceptions: 1 }])
    await instrument(options as never).then(
      () => assert.unreachable(JSON.stringify(options)),
      (error) => assert.is(error.code, 'ERR_OPTION_TYPE', JSON.stringify(options)),
    )
  const exposeEndpoints = { '/read': { path: '/metrics', methods: ['GET'] } } as const
  const flow = new Flow({ protocol: 'http', port: 0, metrics: true, exposeEndpoints }).add({ name: 'leaf', uses: () => {} })
  await flow.open().then(
    () => assert.unreachable(),
    (error) => assert.is(error.code, 'ERR_OPTION_RANGE', error.message),
  )
})

test('T2: monitor() takes no name that is none, and hands on what its work gives and throws', async () => {
  const executor = { name: 'leaf' }
  assert.throws(
    () => monitor(executor, 'a b', '', () => 1),
    (error: any) => error.code === 'ERR_OPTION_RANGE',
  )
  assert.is(
    monitor(executor, 'a', '', () => 1),
    1,
  )
  assert.throws(
    () =>
      monitor(executor, 'a', '', () => {
        throw new Error('thrown')
      }),
    'thrown',
  )
  assert.is(await monitor(executor, 'a', '', async () => 2), 2)
})

test.run()
