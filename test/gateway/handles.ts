// What a service needs is there before it is ready.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { broken } from '../support/features.js'
import { Whole } from '../support/whole.js'
import { within } from '../support/within.js'

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

test('218: a gateway answers whatever clients ask for while its process has no file handle left', async () => {
  const script = file('./handles.mjs')
  const { stdout } = await within(
    60_000,
    promisify(execFile)('sh', [
      '-c',
      `ulimit -n 200; exec "$0" "$@"`,
      process.execPath,
      script,
      file('../../dist/index.js'),
      file('../../dist/client/index.js'),
    ]),
  )
  const answers = JSON.parse(stdout) as Record<string, string>
  assert.match(answers.pattern!, /^200 .*"a!"/)
  assert.match(answers.pieces!, /^200 .*event: partial/)
  assert.match(answers.parameters!, /^200 .*"a!"/)
  assert.match(answers.upload!, /^200 .*"a!".*"b!"/)
  assert.match(answers.elsewhere!, /^200 .*"a!\?"/)
})

test("218: handlers for somebody else's server load what requests need when they are made", async () => {
  const entries = ['index', 'gateway/index', 'wire/graphql/index'].map((entry) => file(`../../dist/${entry}.js`))
  const { stdout } = await within(
    60_000,
    promisify(execFile)('sh', ['-c', `ulimit -n 200; exec "$0" "$@"`, process.execPath, file('./handles-bare.mjs'), ...entries]),
  )
  const answers = JSON.parse(stdout) as Record<string, string>
  assert.match(answers.pattern!, /^200 .*"a!"/)
  assert.match(answers.parameters!, /^200 .*"a!"/)
  assert.match(answers.pieces!, /^200 .*event: partial/)
  assert.match(answers.upload!, /^200 .*"a!".*"b!"/)
  assert.match(answers.graphql!, /^200 .*"a!"/)
})

test('218: nothing is loaded any more once a gateway is ready, whatever clients ask for, and when it closes', async () => {
  await using whole = await Whole.start({ watched: true })
  assert.equal(await broken(whole.addresses), {})
  await whole.ask('close')
  assert.equal(await whole.ask('loaded'), [])
})

test('218: a time without a file handle, under load, is told when it begins and when it ends, and all works again behind it', async () => {
  await using whole = await Whole.start({ limit: 200 })
  const records = whole.records()
  let [over, full] = [false, false]
  const wrong: string[] = []
  /** A new connection each time. Who tries again has an answer in the end; who does not may hear that nobody is there while there is no handle. */
  const load = async (wire: 'grpc' | 'http' | 'websocket', retries: number): Promise<void> => {
    while (!over) {
      const during = full
      await using client = new Client(whole.addresses[wire], { retries: { attempts: retries, delay: 20, maxDelay: 200 } })
      const { texts } = await client
        .post('/', ['a'], { targetExecutor: 'plain' })
        .docs()
        .catch((error) => ({ texts: [during || full ? 'a!' : String(error)] }))
      if (texts.join() !== 'a!') wrong.push(`${wire}: ${texts}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const clients = (['grpc', 'http', 'websocket'] as const).flatMap((wire) => [load(wire, 0), load(wire, 99)])
  await whole.ask('full')
  full = true
  await records.until('handles.spent')
  await whole.ask('free')
  await records.until('handles.back')
  full = false
  over = true
  await within(20_000, Promise.all(clients))
  assert.equal(wrong, [])
  assert.equal(await broken(whole.addresses), {})
  const told = records.all.filter(({ event }) => event !== 'executor.failed' && event !== 'document.failed').map(({ event }) => event)
  assert.equal(told, ['handles.spent', 'handles.back'])
})

test.run()
