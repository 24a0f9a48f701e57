import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Eventual } from '../../lib/stream/eventual.js'
import { deferred } from '../support/deferred.js'

/** Answers `next()`s in their order, all in one turn, when it is told. */
class Asked implements AsyncIterableIterator<number> {
  #count = 0
  readonly #waiting: ((step: IteratorResult<number>) => void)[] = []

  next(): Promise<IteratorResult<number>> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  give(count: number): void {
    for (; count > 0; count--) this.#waiting.shift()!({ done: false, value: this.#count++ })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('promise 7: who asked while it opened is not overtaken by who asks when it is open', async () => {
  const door = deferred<void>()
  const asked = new Asked()
  const eventual = new Eventual(
    () => door.promise,
    () => asked,
  )
  const seen: number[] = []
  const ask = (): Promise<number> => eventual.next().then(({ value }) => seen.push(value))
  const early = [ask(), ask()]
  door.resolve()
  await turn()
  const late = [ask(), ask()]
  await turn()
  asked.give(4)
  await Promise.all([...early, ...late])
  assert.equal(seen, [0, 1, 2, 3])
})

test('steps are asked for in the order of the calls, also when the last early one has just been answered', async () => {
  const asked = new Asked()
  const eventual = new Eventual(
    () => {},
    () => asked,
  )
  const seen: string[] = []
  const ask = (who: string): Promise<unknown> => eventual.next().then(({ value }) => seen.push(`${who} ${value}`))
  const first = ask('a')
  await turn()
  asked.give(1)
  const second = first.then(() => Promise.all([ask('b'), ask('c')]))
  await turn()
  asked.give(2)
  await second
  assert.equal(seen, ['a 0', 'b 1', 'c 2'])
})

test.run()
