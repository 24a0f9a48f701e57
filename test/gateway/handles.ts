// What a service needs is there before it is ready.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
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

test.run()
