import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jsonLineOf, toStderr } from '../../lib/base/log-line.js'
import { Flow, type LogRecord } from '../../lib/index.js'
import { logRequests } from '../../lib/telemetry/index.js'
import { until } from '../support/until.js'

const TRACE = '0af7651916cd43dd8448eb211c80319c'

const ask = (address: string, path: string, headers: Record<string, string> = {}): Promise<globalThis.Response> =>
  fetch(`${address}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent: `00-${TRACE}-b7ad6b7169203331-01`, ...headers },
    body: '{"data":[{"text":"a secret text"}],"parameters":{"password":"a secret word"}}',
  })

test('T2: what fails is logged with its request, executor, endpoint and trace', async () => {
  const records: LogRecord[] = []
  await using flow = await new Flow({ protocol: 'http', port: 0, logger: (record) => void records.push(record) })
    .add({
      name: 'printer',
      uses() {
        throw new Error('no paper')
      },
    })
    .open()
  await ask(flow.addresses.http!, '/index', { 'x-request-id': 'abc' })
  const [{ time, error, ...record }] = records as [LogRecord]
  assert.equal(record, { level: 'error', event: 'executor.failed', requestId: 'abc', endpoint: '/index', executor: 'printer', traceId: TRACE })
})

test('T2: each answered request is logged where it is asked for, and nothing that it brought is in it', async () => {
  const records: LogRecord[] = []
  const end = await logRequests((record) => void records.push(record))
  await using flow = await new Flow({ protocol: 'http', port: 0 }).add({ name: 'first', uses: () => {} }).open()
  await ask(flow.addresses.http!, '/index', { 'x-request-id': 'abc', authorization: 'Bearer a-secret-token' })
  await until(() => records.length === 1)
  end()
  await ask(flow.addresses.http!, '/index')
  assert.is(records.length, 1)
  const [{ time, fields, ...record }] = records as [LogRecord]
  assert.equal(record, { level: 'debug', event: 'request.answered', requestId: 'abc', endpoint: '/index', traceId: TRACE })
  assert.equal({ ...fields, milliseconds: 0 }, { milliseconds: 0, docs: 1, protocol: 'http', method: 'POST /index' })
  assert.not.match(jsonLineOf(records[0]!), /secret/)
})

test('T2: the command line says as much as it is asked for, in lines or JSON', () => {
  const { write } = process.stderr
  const said = (style: Parameters<typeof toStderr>[0]): string[] => {
    const lines: string[] = []
    process.stderr.write = ((text: string) => lines.push(text) > 0) as typeof write
    try {
      for (const level of ['debug', 'info', 'warn', 'error'] as const) toStderr(style)({ level, time: 0, event: 'x.y' })
    } finally {
      process.stderr.write = write
    }
    return lines
  }
  const levels = (lines: string[]): string[] => lines.map((line) => /debug|info|warn|error/.exec(line)![0])
  assert.equal(levels(said({})), ['info', 'warn', 'error'])
  assert.equal(levels(said({ quiet: true })), ['warn', 'error'])
  assert.equal(levels(said({ verbose: true })), ['debug', 'info', 'warn', 'error'])
  for (const line of said({ format: 'json' })) assert.is(JSON.parse(line).event, 'x.y')
})

test.run()
