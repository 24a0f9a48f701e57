import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/index.js'
import { code, codeUrl } from '../support/code.js'
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

test('process: one that the system refuses to begin anew is tried again, and its requests hear of it', async () => {
  const flow = await new Flow<any>().add({ name: 'doing', uses: `${code('test/place/doing')}#Doing`, runtime: 'process', inheritEnv: true } as any).open()
  const ask = (text: string): Promise<any> => flow.post(text === 'x' ? '/about' : '/die', [text]).docs()
  try {
    // More than a system hands on.
    process.env['TOO_MUCH'] = 'x'.repeat(4 << 20)
    const failure = await within(20_000, ask('SIGKILL')).then(
      () => assert.unreachable(),
      (error) => error,
    )
    assert.match(failure.message, /unhealthy: its process could not be started/)
  } finally {
    delete process.env['TOO_MUCH']
  }
  while (flow.workers[0]!.state !== 'up') await new Promise((resolve) => setTimeout(resolve, 20))
  assert.is((await ask('x')).length, 1)
  await flow.close()
})

test('process: one that does not close in time is told of, though nothing else keeps this process', async () => {
  const script = `
    const { Flow } = await import(process.argv[1])
    const flow = await new Flow({ closeTimeout: 300 }).add({ name: 'doing', uses: process.argv[2], usesWith: { hangs: 'close' }, runtime: 'process' }).open()
    await flow.close().catch((error) => console.log(error.message))`
  const { stdout } = await within(
    60_000,
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, codeUrl('lib/index'), `${code('test/place/doing')}#Doing`]),
  )
  assert.match(stdout, /^doing did not close in time, and its process was ended/)
})

test.run()
