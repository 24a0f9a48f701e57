// What the library says, and what becomes of it, when the system has run out of something.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sayOf } from '../../lib/base/errors.js'
import { shortage } from '../../lib/base/shortage.js'
import { Folder } from '../support/folder.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'

const run = promisify(execFile)
const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

test('226: what has run out is said with what to do', () => {
  const error = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' })
  assert.match(sayOf(error), /^EMFILE: too many open files\. .*ulimit -n/)
  assert.is(shortage(Object.assign(new Error('no'), { code: 'ENOENT' })), undefined)
  for (const none of [undefined, null, 'EMFILE', { code: 1 }, { code: 'toString' }]) assert.is(shortage(none), undefined)
})

test('226: without a file handle, who connects, reads or serves is told that, and of which file; then all goes on', async () => {
  const { key, cert, wrongName } = await certificates()
  const folder = new Folder()
  for (const [name, pair] of [
    ['first', { key, cert }],
    ['second', wrongName],
  ] as const) {
    folder.file(`${name}.key`, pair.key)
    folder.file(`${name}.crt`, pair.cert)
  }
  const args = [process.execPath, file('./shortage.mjs'), file('../../dist/index.js'), file('../../dist/client/index.js'), folder.path]
  const { stdout } = await within(60_000, run('sh', ['-c', 'ulimit -n 150; exec "$0" "$@"', ...args]))
  const { before, without, again, whose, errors } = JSON.parse(stdout) as Record<'before' | 'without' | 'again', Record<string, string>> & {
    whose: string
    errors: string[]
  }
  const well = {
    ...{ grpc: 'a!', http: 'a!', websocket: 'a!', csv: 'a!', lines: 'text!,a!', ndjson: 'a!', files: 'text\na\n!,text\nb\n!', yaml: 'a', served: 'served' },
  }
  assert.equal(before, well)
  assert.equal(again, well)
  for (const [name, said] of Object.entries(without)) assert.match(said, /EMFILE.*ulimit -n/, name)
  for (const name of ['grpc', 'http', 'websocket']) assert.match(without[name]!, /^ConnectionError ERR_UNREACHABLE /)
  for (const name of ['csv', 'lines', 'ndjson', 'files']) assert.match(without[name]!, /^InputError ERR_INPUT .*sluice-/)
  // The certificate that came meanwhile is taken once it can be read, though its file stayed as it was.
  assert.is(whose, 'elsewhere')
  assert.is(errors.filter((error) => /now\.(key|crt).*EMFILE/.test(error)).length, 1, errors.join('\n'))
})

test('226: the command says in a line that it cannot start, and why', async () => {
  const ended = await run('sh', ['-c', 'ulimit -n 24; exec "$0" "$@"', process.execPath, file('../../dist/cli/sluice.js'), '--version']).catch((error) => error)
  assert.match(ended.stderr, /^sluice: it cannot start: EMFILE.*ulimit -n.*\n$/)
  assert.is(ended.code, 1)
})

test.run()
