import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { code } from '../support/code.js'
import { within } from '../support/within.js'
import { workers } from './workers.js'

workers(test, 'process')

test('process: 218: one that cannot be begun, as no file handle is left, ends nobody, and is begun once there are some', async () => {
  const script = fileURLToPath(new URL('./handles.mjs', import.meta.url))
  const { stdout } = await within(
    60_000,
    promisify(execFile)('sh', ['-c', 'ulimit -n 200; exec "$0" "$@"', process.execPath, script, code('lib/index'), `${code('test/place/doing')}#Doing`]),
  )
  assert.equal(JSON.parse(stdout), { opening: 'ERR_EXECUTOR_OPEN', container: 'ERR_EXECUTOR_OPEN', dying: 'ERR_EXECUTOR', after: 'good' })
})

test.run()
