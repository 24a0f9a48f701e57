import { spawnSync } from 'node:child_process'
import { channel } from 'node:diagnostics_channel'
import { createServer, type Socket } from 'node:net'
import { context, metrics, trace } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Executor, Flow } from '../../lib/index.js'
import { instrument } from '../../lib/telemetry/index.js'
import { endpointOf } from '../../lib/telemetry/options.js'
import { codeUrl, flags } from '../support/code.js'
import { collector } from '../support/collector.js'
import { deferred } from '../support/deferred.js'
import { turn } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const YAML = (port: number): string => `
jtype: Flow
with:
  name: shop
  tracing: true
  traces_exporter_host: 127.0.0.1
  traces_exporter_port: ${port}
  metrics: true
  metrics_exporter_host: http://127.0.0.1
  metrics_exporter_port: ${port}
executors:
  - name: leaf
`

test('T2: Jina’s options of YAML send spans and metrics to a collector, by OTLP; all of it is there when the Flow is closed', async () => {
  const { port, spans, traces, metrics, close } = await collector()
  try {
    const flow = await Flow.loadConfig(YAML(port))
    await flow.open()
    await flow.post('/search', ['a']).drain()
    await within(20_000, flow.close())
    await until(() => spans.length >= 2 && metrics.length > 0)
    const text = (all: Buffer[]): string => Buffer.concat(all).toString('latin1')
    for (const said of ['post /search', 'leaf', 'service.name', 'shop']) assert.ok(text(traces).includes(said), said)
    assert.equal(
      spans.map(({ name, service }) => [name, service]),
      [
        ['/search', 'shop'],
        ['post /search', 'shop'],
      ],
    )
    for (const said of ['jina_receiving_request_seconds', 'jina_document_processed', 'gateway/rep-0']) assert.ok(text(metrics).includes(said), said)
  } finally {
    close()
  }
})

test('T2: with its own exporter, spans that executors make by the API are exported too, and nothing stays registered', async () => {
  const { port, spans, close } = await collector()
  try {
    await using flow = await new Flow({ tracing: true, tracesExporterPort: port })
      .add({ name: 'leaf', uses: () => trace.getTracer('mine').startSpan('of-my-own').end() })
      .open()
    await flow.post('/search', ['a']).drain()
    await within(20_000, flow.close())
    await until(() => spans.some(({ name }) => name === 'of-my-own'))
    assert.not(trace.getTracer('other').startSpan('late').isRecording())
    assert.is(context.active(), (await import('@opentelemetry/api')).ROOT_CONTEXT)
    assert.ok(metrics.getMeterProvider())
  } finally {
    close()
  }
})

test('T2: a collector that is not there keeps nobody waiting, and fails nothing', async () => {
  const { port, close } = await collector()
  close()
  const flow = await new Flow({ tracing: true, tracesExporterPort: port, metrics: true, metricsExporterPort: port })
    .add({ name: 'leaf', uses: () => {} })
    .open()
  await flow.post('/search', ['a']).drain()
  await within(30_000, flow.close())
})

test('T2: spans of one process go to one place; who wants another hears so', async () => {
  const provider = new BasicTracerProvider()
  await using _first = await instrument({ tracing: provider, metrics: false })
  await using _again = await instrument({ tracing: provider, metrics: false })
  const other = new Flow({ tracing: true, tracesExporterPort: 4317 }).add({ name: 'leaf', uses: () => {} })
  try {
    await other.open()
    assert.unreachable()
  } catch (error) {
    assert.is((error as any).code, 'ERR_OPTION_RANGE')
    assert.match((error as Error).message, /tracing of this process goes to the provider that was given already, and cannot go to http:\/\/127\.0\.0\.1:4317/)
  }
  assert.not(other.isOpen)
})

test('T2: options that are none are refused by name', async () => {
  for (const [options, code] of [
    [{ tracing: 'yes' }, 'ERR_OPTION_TYPE'],
    [{ tracing: true, tracesExporterPort: 99_999 }, 'ERR_OPTION_RANGE'],
    [{ metrics: true, metricsExporterHost: 5 }, 'ERR_OPTION_TYPE'],
    [{ tracing: true, tracesExporterHost: 'a b' }, 'ERR_OPTION_RANGE'],
    [{ protocol: 'http', port: 0, metrics: true, metricsExporterHost: 'a b' }, 'ERR_OPTION_RANGE'],
    [{ protocol: 'http', port: 0, monitoring: true, portMonitoring: -1 }, 'ERR_OPTION_RANGE'],
  ] as const) {
    try {
      await new Flow(options as never).add({ name: 'leaf', uses: () => {} }).open()
      assert.unreachable(JSON.stringify(options))
    } catch (error) {
      assert.is((error as any).code, code, JSON.stringify(options))
    }
  }
})

const isHeard = (): boolean => ['request:start', 'request:asyncEnd', 'executor:asyncEnd'].some((event) => channel(`tracing:sluice.${event}`).hasSubscribers)

test('T2: where telemetry cannot be had, nothing goes on, and executors that were opened are closed', async () => {
  const said: string[] = []
  class Model extends Executor {
    override open(): void {
      said.push('open')
    }
    override close(): void {
      said.push('close')
    }
  }
  const other = new BasicTracerProvider()
  await using first = await instrument({ tracing: other, metrics: false })
  for (const served of [{}, { protocol: 'http', port: 0 }] as const) {
    const flow = new Flow({ ...served, metrics: true, tracing: true, tracesExporterPort: 4317 }).add({ name: 'leaf', uses: Model })
    await flow.open().then(
      () => assert.unreachable(),
      (error) => assert.is(error.code, 'ERR_OPTION_RANGE'),
    )
    assert.equal(said.splice(0), ['open', 'close'])
  }
  await first.close()
  assert.not(isHeard())
  // What is wrong with the options is said before an executor opens.
  const flow = new Flow({ metrics: true, tracing: true, tracesExporterHost: 'a b' }).add({ name: 'leaf', uses: Model })
  await flow.open().then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /tracesExporterHost/),
  )
  assert.equal(said, [])
  assert.not(isHeard())
})

test('T2: a missing package is named, and ends no process', () => {
  const resolve = `export async function resolve(name, context, next) {
    if (name === '@opentelemetry/api') throw Object.assign(new Error('not here'), { code: 'ERR_MODULE_NOT_FOUND' })
    return next(name, context)
  }`
  const program = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(resolve)}))
    const { Flow } = await import(${JSON.stringify(codeUrl('lib/index'))})
    await new Flow({ tracing: true, metrics: true }).add({ name: 'leaf', uses: () => {} }).open().catch(({ code, dependency }) => console.log(code, dependency))`
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.is(stdout, 'ERR_DEPENDENCY @opentelemetry/api\n', stderr)
  assert.is(status, 0)
})

test('T2: a collector that takes calls and says nothing keeps nobody for longer than 2.5 s', async () => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => void sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  try {
    for (const served of [{}, { protocol: 'http', port: 0 }] as const) {
      const flow = await new Flow({ ...served, tracing: true, tracesExporterPort: port }).add({ name: 'leaf', uses: () => {} }).open()
      await flow.post('/search', ['a']).drain()
      const start = performance.now()
      await flow.close()
      assert.ok(performance.now() - start < 7000, `${performance.now() - start} ms`)
    }
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
})

test('T2: what floats when clients have their answers is told, also of a Flow that is served', async () => {
  const { port, spans, close } = await collector()
  const door = deferred<void>()
  const begun = deferred<void>()
  try {
    const flow = await new Flow({ protocol: 'http', port: 0, tracing: true, tracesExporterPort: port })
      .add({ name: 'leaf', uses: () => {} })
      .add({
        name: 'behind',
        floating: true,
        uses: async () => {
          begun.resolve()
          await door.promise
          trace.getTracer('mine').startSpan('of-one-that-floats').end()
        },
      })
      .open()
    await flow.post('/search', ['a']).drain()
    await begun.promise
    const address = flow.addresses.http!
    const closed = flow.close()
    while (
      await fetch(address).then(
        () => true,
        () => false,
      )
    )
      await turn()
    for (let turns = 0; turns < 5; turns++) await turn()
    door.resolve()
    await closed
    await until(() => spans.some(({ name }) => name === 'of-one-that-floats'))
    assert.not(isHeard())
  } finally {
    door.resolve()
    close()
  }
})

test('T2: hosts of exporters, as they may be written', () => {
  assert.is(endpointOf({ port: 4318 }), 'http://127.0.0.1:4318')
  assert.is(endpointOf({ host: 'collector' }), 'http://collector:4317')
  assert.is(endpointOf({ host: 'https://collector:443' }), 'https://collector:443')
  assert.is(endpointOf({ host: 'http://collector/' }), 'http://collector:4317')
  assert.is(endpointOf({ host: '[::1]:5' }), 'http://[::1]:5')
  assert.throws(
    () => endpointOf({ host: 'a b' }),
    (error: any) => error.code === 'ERR_OPTION_RANGE',
  )
  assert.is(endpointOf({ host: 'https://collector', port: 4317 }), 'https://collector:4317')
  assert.is(endpointOf({ host: '::1', port: 1 }), 'http://[::1]:1')
})

test.run()
