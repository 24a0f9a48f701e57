// A Flow that is closed while it opens, and what is made for it side by side.
import '../support/clock.js'

import { mkdirSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { notOpen } from '../../lib/base/lifecycle.js'
import { Executor, Flow } from '../../lib/index.js'
import { allOrNone, whileWanted } from '../../lib/stream/all-or-none.js'
import { Scope } from '../../lib/stream/scope.js'
import { codeUrl } from '../support/code.js'
import { deferred } from '../support/deferred.js'
import { Folder } from '../support/folder.js'
import { clock } from '../support/hand-clock.js'
import { pending, turn } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const folder = new Folder()

const thrown = async (work: Promise<unknown>): Promise<any> =>
  within(
    5000,
    work.then(
      () => assert.unreachable('it did not fail'),
      (error) => error,
    ),
  )

/** Executors that say what they do, and open when their doors do. */
function opening() {
  const log: string[] = []
  const doors = new Map<string, ReturnType<typeof deferred<void>>>()
  class Opening extends Executor {
    override async open() {
      log.push(`open ${this.name}`)
      const door = deferred<void>()
      doors.set(this.name, door)
      await door.promise
      log.push(`opened ${this.name}`)
    }
    override close() {
      log.push(`close ${this.name}`)
    }
  }
  return { Opening, log, doors }
}

test('R137: close() while an executor opens gives it closeTimeout, and names it then', async () => {
  const { Opening, log, doors } = opening()
  const flow = new Flow({ closeTimeout: 300 })
    .add({ name: 'fast', uses: Opening })
    .add({ name: 'slow', uses: Opening, parallel: 2 })
    .add({ name: 'other', uses: Opening })
  const open = flow.open()
  await until(() => log.length === 4)
  doors.get('fast')!.resolve()
  using time = clock()
  const closing = [flow.close(), flow.close(), flow[Symbol.asyncDispose]()]
  await time.pass(299)
  assert.ok(await pending(Promise.race([open, ...closing])))
  await time.pass(1)
  const error = await thrown(open)
  await within(5000, Promise.all(closing))
  assert.is(error.code, 'ERR_EXECUTOR_OPEN')
  assert.is(error.executor, 'slow')
  assert.is(error.message, 'slow, other did not open: flow was closed before this was done (closeTimeout)')
  assert.is(error.cause.code, 'ERR_FLOW_CLOSED')
  assert.equal(log.slice(4), ['opened fast', 'close fast'])
  assert.not.ok(flow.isOpen)
  // It is too late for it, and it is closed all the same.
  doors.get('other')!.resolve()
  await turn()
  assert.equal(log.slice(6), ['opened other', 'close other'])
})

test('R137: of close() in time, no timer stays, and open() gives a Flow that is closed', async () => {
  const { Opening, log, doors } = opening()
  const flow = new Flow().add({ name: 'one', uses: Opening })
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const open = flow.open()
  await until(() => log.length === 1)
  const closing = flow.close()
  assert.is(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before + 1)
  doors.get('one')!.resolve()
  assert.is(await within(5000, open), flow)
  await within(5000, closing)
  assert.equal(log, ['open one', 'opened one', 'close one'])
  assert.is(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before)
})

test('R137: the last word holds, also where nothing was begun when it was said', async () => {
  const { Opening, log } = opening()
  const flow = new Flow({ closeTimeout: 0 }).add({ name: 'one', uses: Opening })
  const opens = [flow.open()]
  const closings = [flow.close()]
  opens.push(flow.open())
  closings.push(flow.close())
  const last = flow.open()
  for (const open of opens) assert.is((await thrown(open)).code, 'ERR_EXECUTOR_OPEN')
  await within(5000, Promise.all(closings))
  await until(() => log.length > 0)
  assert.ok(await pending(last))
  const end = flow.close()
  assert.is((await thrown(last)).code, 'ERR_EXECUTOR_OPEN')
  await within(5000, end)
})

test('R137: close() does not wait for a module that is never loaded', async () => {
  const flow = new Flow({ closeTimeout: 0 })
    .add({ name: 'first' })
    .add({
      name: 'hangs',
      uses: `${folder.file('hangs.mjs', 'globalThis.begunOfTest = true\nawait new Promise(() => {})\nexport const Hangs = () => {}')}#Hangs`,
    })
    .add({ name: 'behind', uses: () => {} })
  const open = flow.open()
  await until(() => (globalThis as { begunOfTest?: boolean }).begunOfTest)
  const closing = flow.close()
  assert.is((await thrown(open)).message, 'hangs, behind did not open: flow was closed before this was done (closeTimeout)')
  await within(5000, closing)
})

test('constructors of executors in this process run in the order of the graph', async () => {
  const log: string[] = []
  mkdirSync(folder.path, { recursive: true })
  const module = folder.file(
    'noted.mjs',
    `import { Executor } from ${JSON.stringify(codeUrl('lib/index'))}
    export class Noted extends Executor { constructor(init) { super(init); globalThis.logOfTest.push(this.name) } }`,
  )
  Object.assign(globalThis, { logOfTest: log })
  class Noted extends Executor {
    constructor(init: any) {
      super(init)
      log.push(this.name)
    }
  }
  await using _ = await new Flow()
    .add({ name: 'a', uses: `${module}#Noted` })
    .add({ name: 'b', uses: Noted })
    .add({ name: 'c', uses: () => {} })
    .add({ name: 'd', uses: Noted })
    .open()
  assert.equal(log, ['a', 'b', 'd'])
})

test('all or none: those behind a failure are told to stop, those before it are waited for, and theirs is the first', async () => {
  const doors = [deferred<number>(), deferred<number>(), deferred<number>()]
  const undone: number[] = []
  const told: unknown[] = []
  const scope = new Scope()
  const all = allOrNone(
    scope,
    doors.map(({ promise }, at) => (own) => {
      own.watch((reason: any) => told.push([at, reason.message]))
      return promise
    }),
    (value) => undone.push(value),
  )
  doors[1]!.reject(new Error('second'))
  await turn()
  assert.equal(told, [[2, 'second']])
  doors[2]!.resolve(2)
  assert.ok(await pending(all))
  doors[0]!.reject(new Error('first'))
  assert.is((await thrown(all)).message, 'first')
  assert.equal(undone, [2])
  let begun = 0
  scope.abort(new Error('closed'))
  const none = allOrNone(scope, [async () => ++begun], () => {})
  assert.is((await thrown(none)).message, 'closed')
  assert.is(begun, 0)
})

test('what comes when nobody wants it any more is let go of', async () => {
  const scope = new Scope()
  const door = deferred<number>()
  const undone: number[] = []
  const waiting = whileWanted(scope, door.promise, (value) => undone.push(value))
  scope.abort(new Error('closed'))
  assert.is((await thrown(waiting)).message, 'closed')
  door.resolve(3)
  await turn()
  assert.equal(undone, [3])
  assert.is(notOpen(['a', 'a', 'b'], new Error('why')).message, 'a, b did not open: why')
})

test.run()
