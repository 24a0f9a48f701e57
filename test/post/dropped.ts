// Posts that nobody holds any more while an executor waits as `fetch(url, { signal })` does: they are told, and leave nothing.
import { getEventListeners } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow, type PostOptions } from '../../lib/index.js'
import { inFlight } from '../../lib/stream/index.js'
import { deferred } from '../support/deferred.js'
import { gc } from '../support/gc.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'

/** What holds on to whoever waits, as a socket does, until it is told to let go. */
const waiting = new Set<() => void>()

function wait(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      waiting.delete(resolve)
      reject(signal.reason)
    }
    waiting.add(resolve)
    signal.addEventListener('abort', settle, { once: true })
  })
}

async function collected(refs: readonly WeakRef<object>[]): Promise<void> {
  for (let tries = 0; tries < 5 && (waiting.size > 0 || refs.some((ref) => ref.deref() !== undefined)); tries++) await gc()
  assert.is(waiting.size, 0)
  assert.is(refs.filter((ref) => ref.deref() !== undefined).length, 0)
}

test('200: a post that is dropped while an executor waits is collected, its executors are told, and close() need not wait', async () => {
  const forms: Record<string, PostOptions> = {
    'as they complete': {},
    'in order': { resultsInOrder: true },
    'with callbacks': { onDone() {} },
    'under a signal that lives on': { signal: new AbortController().signal },
  }
  for (const [name, options] of Object.entries(forms)) {
    const flow = await new Flow({ closeTimeout: 60_000 })
      .add({ uses: ({ docs, signal }) => (docs[0]!.text === 'slow' ? wait(signal) : undefined), concurrency: 50 })
      .open()
    const refs: WeakRef<object>[] = []
    const start = async (): Promise<void> => {
      const post = flow.post('/', ['fast', 'slow', 'fast', 'slow'], { requestSize: 1, prefetch: 3, ...options })
      refs.push(new WeakRef(post))
      await post.next()
    }
    for (let i = 0; i < 10; i++) await start()
    assert.ok(waiting.size >= 10, name)
    await turn()
    await collected(refs)
    if (options.signal !== undefined) assert.is(getEventListeners(options.signal, 'abort').length, 0)
    await within(2000, flow.close())
  }
})

test('200: so is a bare inFlight, with a signal and without, also when it is asked and not awaited', async () => {
  for (const signal of [undefined, new AbortController().signal]) {
    const refs: WeakRef<object>[] = []
    const start = async (): Promise<void> => {
      const it = inFlight([1, 2, 3], (n, { signal }): unknown => (n === 1 ? n : wait(signal)), { limit: 2, signal })
      refs.push(new WeakRef(it))
      await it.next()
    }
    for (let i = 0; i < 10; i++) await start()
    await turn()
    await collected(refs)
  }
})

test('200: who waits for a result without its iterator gets it, and then the rest is told', async () => {
  const door = deferred<string>()
  const told = deferred<void>()
  const start = (): Promise<IteratorResult<unknown>> => {
    const it = inFlight(
      [1, 2],
      (n, { signal }): Promise<unknown> => {
        if (n === 1) return door.promise
        return wait(signal).finally(told.resolve)
      },
      { limit: 2 },
    )
    return it.next()
  }
  const next = start()
  await gc()
  assert.is(waiting.size, 1)
  door.resolve('there')
  assert.equal(await within(1000, next), { done: false, value: 'there' })
  await within(1000, told.promise)
})

test('200: a source that is read when its post is dropped is not closed: nobody said so', async () => {
  const door = deferred<number>()
  let closed = false
  const start = async (): Promise<void> => {
    const source = (async function* () {
      try {
        yield 1
        yield await door.promise
        yield 3
      } finally {
        closed = true
      }
    })()
    await inFlight(source, async (n) => n, { limit: 2 }).next()
  }
  await start()
  await turn()
  await gc()
  door.resolve(2)
  await gc()
  assert.is(closed, false)
})

test('200: whoever waits in a loop is not taken for gone', async () => {
  const door = deferred<void>()
  await using flow = await new Flow().add({ uses: () => door.promise }).open()
  const docs = flow.post('/', ['a', 'b', 'c'], { requestSize: 1 }).docs()
  await gc()
  await gc()
  door.resolve()
  assert.is((await within(2000, docs)).length, 3)
})

test.run()
