// What becomes of the requests of one of several replicas that has ended, while another can take them.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../lib/doc/array.js'
import { Document } from '../../lib/doc/document.js'
import type { AddOptions } from '../../lib/flow/options.js'
import { Background } from '../../lib/graph/background.js'
import { Replicas } from '../../lib/handler/replicas.js'
import { supervised } from '../../lib/place/supervised.js'
import type { LifeEvents, Sent, Worker } from '../../lib/place/worker-life.js'
import { Header, Request } from '../../lib/request/request.js'
import { Numbered } from '../../lib/stream/numbered.js'
import { Scope } from '../../lib/stream/scope.js'
import { deferred } from '../support/deferred.js'
import { pending, turn } from '../support/turn.js'
import { until } from '../support/until.js'

const DESCRIPTION = { endpoints: ['/', '/all'], metas: {}, schemas: {} }

/** A worker that does what it is told by hand. */
class Hand implements Worker {
  readonly calls = new Numbered<Sent>()
  hasRoom = true
  readonly opens = deferred<void>()

  constructor(readonly events: LifeEvents) {}

  async make() {
    return DESCRIPTION
  }

  open() {
    return this.opens.promise
  }

  async close() {
    this.kill()
  }

  send(sent: Sent) {
    sent.call = this.calls.add(sent)
  }

  abort() {}

  kill() {
    this.events.end({ how: 'was ended' })
  }

  hold() {}

  get texts(): string[] {
    return Array.from(this.calls, ({ request }) => request.docs[0]!.text)
  }

  answer() {
    const [sent] = this.calls
    this.calls.delete(sent!.call)
    this.events.answered(sent!)
    sent!.resolve()
    this.events.ready()
  }

  die() {
    const had = Array.from(this.calls, ({ call }) => call)
    this.events.end({ how: 'ended with exit code 7', exitCode: 7 })
    for (const call of had) this.calls.delete(call)
  }
}

/** Replicas that are open, with their workers: the last ones that they have begun. */
async function open(parallel: number, options: Partial<AddOptions> = {}, concurrency = Infinity) {
  const workers: Hand[] = []
  const begun = Array.from({ length: parallel }, () => 0)
  const step = { name: 'doing', needs: [], options: { parallel, ...options } } as any
  const { replicas, among, handlers, parts } = await supervised(step, {}, new Scope(), 'thread', (shardId) => (events) => {
    begun[shardId]!++
    return (workers[shardId] = new Hand(events))
  })
  const settings = { name: 'doing', concurrency, polling: options.polling, background: new Background() }
  const inner = new Replicas(handlers, settings)
  const handler = among!(inner)
  for (const worker of workers) worker.opens.resolve()
  await Promise.all(parts.map((part) => part.open()))
  const ask = (text: string, endpoint = '/'): Promise<void> => {
    const asked = Promise.resolve(handler.handle(new Request(new Header(endpoint, {}), DocumentArray.from([new Document({ text })]), new Scope())))
    asked.catch(() => {})
    return asked
  }
  /** Waits until each has begun a worker so many times. */
  const again = (...times: number[]) => until(() => times.every((count, at) => begun[at] === count))
  return { workers, replicas, inner, ask, again }
}

const failed = (inner: Replicas): number => inner.status({ addresses: false } as any).replicas.reduce((sum, one) => sum + one.failed, 0)

test('66: what a replica had that ended goes to one that has nothing to do, at once', async () => {
  const { workers, inner, ask, again } = await open(2)
  const asked = ask('a')
  assert.equal(workers[0]!.texts, ['a'])
  workers[0]!.die()
  await turn()
  assert.equal(workers[1]!.texts, ['a'], 'the first is not back yet')
  await again(2)
  workers[1]!.answer()
  await asked
  assert.is(failed(inner), 0)
})

test('66: of several, one at a time goes to one that has nothing to do, each alone, and its own takes the rest when it is back', async () => {
  const { workers, ask, again } = await open(2)
  const other = ask('other')
  workers[1]!.hasRoom = true
  const asked = [ask('a')]
  while (workers[0]!.texts.length + workers[1]!.texts.length < 4) asked.push(ask('abcdef'[asked.length]!))
  const had = workers[0]!.texts
  assert.is(had.length, 2)
  workers[0]!.die()
  await turn()
  const busy = workers[1]!.texts
  assert.is(busy.length, 2, 'it has something to do')
  workers[1]!.answer()
  await turn()
  assert.is(workers[1]!.texts.length, 1)
  workers[1]!.answer()
  await turn()
  assert.equal(workers[1]!.texts, [had[0]])
  workers[1]!.answer()
  await turn()
  assert.equal(workers[1]!.texts, [had[1]])
  workers[1]!.answer()
  await again(2)
  workers[0]!.opens.resolve()
  await Promise.all([other, ...asked])
})

test('66: what waits for a replica with something to do goes back to its own when that is back first', async () => {
  const { workers, ask, again } = await open(2)
  const asked = [ask('a'), ask('b')]
  workers[0]!.die()
  const [mine] = ['a', 'b'].filter((text) => !workers[1]!.texts.includes(text))
  await again(2)
  workers[0]!.opens.resolve()
  await turn()
  assert.equal(workers[0]!.texts, [mine])
  workers[0]!.answer()
  workers[1]!.answer()
  await Promise.all(asked)
})

test('66: a request that ended a second one waits for that to be back, though a third has nothing to do', async () => {
  const { workers, ask, again } = await open(3)
  const asked = ask('a')
  workers[0]!.die()
  await turn()
  const second = workers.findIndex(({ texts }) => texts.length > 0)
  workers[second]!.die()
  await turn()
  assert.equal(
    workers.flatMap(({ texts }) => texts),
    [],
  )
  await again(...[0, 1, 2].map((at) => (at === 0 || at === second ? 2 : 1)))
  workers[second]!.opens.resolve()
  await turn()
  assert.equal(workers[second]!.texts, ['a'])
  workers[second]!.die()
  await asked.then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /exit code 7, 3 times \(maxDeaths: 3\)/),
  )
})

test('66: where all are asked, each waits for its own', async () => {
  const { workers, ask, again } = await open(2, { polling: { '/all': 'ALL' } })
  const asked = ask('a', '/all')
  await turn()
  workers[1]!.answer()
  workers[0]!.die()
  await turn()
  assert.equal(workers[1]!.texts, [])
  await again(2)
  workers[0]!.opens.resolve()
  await turn()
  assert.equal(workers[0]!.texts, ['a'])
  workers[0]!.answer()
  await asked
})

test('66: one that is begun anew is given nothing while another is up, however busy that is; what waits in front of it goes there, too', async () => {
  const { workers, ask, again } = await open(2)
  workers[0]!.hasRoom = false
  workers[1]!.hasRoom = false
  const asked = [ask('a'), ask('b')]
  workers[1]!.hasRoom = true
  workers[1]!.events.ready()
  workers[0]!.die()
  await turn()
  assert.is(workers[1]!.texts.length, 2, 'nobody died of what was not sent')
  asked.push(ask('c'))
  assert.is(workers[1]!.texts.length, 3)
  workers[1]!.die()
  await turn()
  asked.push(ask('d'))
  assert.ok(await pending(asked.at(-1)!), 'where none is up, it waits for any')
  await again(2, 2)
  workers[0]!.opens.resolve()
  await turn()
  assert.equal(workers[0]!.texts.length, 1)
  for (let left = 4; left > 0; left--) {
    workers[0]!.answer()
    await turn()
  }
  await Promise.all(asked)
})

test('66: a replica that took over has no more at once than its concurrency', async () => {
  const { workers, ask, again } = await open(2, {}, 1)
  const asked = [ask('a')]
  workers[0]!.die()
  await turn()
  assert.equal(workers[1]!.texts, ['a'])
  asked.push(ask('b'))
  assert.equal(workers[1]!.texts, ['a'])
  await again(2)
  workers[0]!.opens.resolve()
  await turn()
  assert.equal(workers[0]!.texts, ['b'], 'the first that has a place')
  workers[0]!.answer()
  workers[1]!.answer()
  await Promise.all(asked)
})

test('66: of those who wait for a place, none goes to one that is begun anew', async () => {
  const { workers, ask } = await open(2, {}, 1)
  const asked = ['a', 'b', 'c'].map((text) => ask(text))
  workers[0]!.die()
  await turn()
  for (let left = 3; left > 0; left--) {
    assert.is(workers[1]!.texts.length, 1)
    workers[1]!.answer()
    await turn()
  }
  await Promise.all(asked)
})

test.run()
