// Executors of a Flow that begin in processes of their own, all at once.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/index.js'
import { isAlive } from '../support/daemon.js'
import { Folder } from '../support/folder.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const folder = new Folder()

/** A module that says which process it is in, and throws when its door is opened. */
function module(name: string) {
  const [tells, door] = [`${folder.path}/${name}-tells`, `${folder.path}/${name}-door`]
  const file = folder.file(
    `${name}.mjs`,
    `import { existsSync, writeFileSync } from 'node:fs'
    writeFileSync(${JSON.stringify(tells)}, String(process.pid))
    while (!existsSync(${JSON.stringify(door)})) await new Promise((resolve) => setTimeout(resolve, 10))
    throw new Error('thrown by ${name}')`,
  )
  return {
    step: { name, uses: `${file}#None` },
    pid: (): number => (existsSync(tells) ? Number(readFileSync(tells, 'utf8')) : 0),
    open: (): void => writeFileSync(door, ''),
  }
}

test('executors in processes begin side by side; of several that cannot, the first of the graph is named, and none behind it is left', async () => {
  const all = ['first', 'middle', 'last'].map(module)
  const [first, middle, last] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0]]
  const flow = new Flow({ runtime: 'process' }).add(first.step).add(middle.step).add(last.step)
  const opening = flow.open().then(
    () => assert.unreachable('it did open'),
    (error) => error,
  )
  await until(() => all.every(({ pid }) => pid() > 0), 60_000)
  middle.open()
  await until(() => !isAlive(last.pid()), 20_000)
  assert.ok(isAlive(first.pid()), 'it may fail, too')
  first.open()
  const failure = await within(20_000, opening)
  assert.match(failure.message, /thrown by first/)
  for (const { pid } of all) assert.not.ok(isAlive(pid()))
})

test.run()
