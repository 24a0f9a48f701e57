import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Call, Flow } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import { pending } from '../support/turn.js'
import { within } from '../support/within.js'

const mark =
  (name: string) =>
  ({ docs }: Call) => {
    for (const doc of docs) doc.text += name
  }

test('floating: no response waits for it, and what it does to its documents is not seen', async () => {
  const door = deferred<void>()
  const seen = deferred<string[]>()
  const flow = await new Flow()
    .add({ name: 'a', uses: mark('a') })
    .add({
      name: 'log',
      floating: true,
      uses: async ({ docs }) => {
        await door.promise
        for (const doc of docs) doc.text += '?'
        seen.resolve(docs.texts)
      },
    })
    .add({ name: 'b', uses: mark('b') })
    .open()
  const [response] = await within(1000, flow.post('/', '-').toArray())
  assert.equal(response!.docs.texts, ['-ab'])
  assert.equal(
    response!.routes.map(({ executor }) => executor),
    ['gateway', 'a', 'b'],
  )
  const closing = flow.close()
  door.resolve()
  assert.equal(await within(1000, seen.promise), ['-a?'])
  await within(1000, closing)
  assert.equal(response!.docs.texts, ['-ab'])
})

test('floating: what needs it floats with it', async () => {
  const done = deferred<string[]>()
  await using flow = await new Flow()
    .add({ name: 'log', floating: true, uses: mark('l') })
    .add({ name: 'more', needs: 'log', uses: ({ docs }) => done.resolve(docs.texts) })
    .open()
  assert.equal((await within(1000, flow.post('/', '-').docs())).texts, ['-'])
  assert.equal(await within(1000, done.promise), ['-l'])
})

test('floating: a failure is reported, never lost, and disturbs no response', async () => {
  const reported = deferred<any>()
  await using flow = await new Flow({ onBackgroundError: (error) => reported.resolve(error) })
    .add({ name: 'a', uses: mark('a') })
    .add({
      name: 'log',
      floating: true,
      uses: async () => {
        throw new Error('disk')
      },
    })
    .open()
  assert.equal((await within(1000, flow.post('/x', '-').docs())).texts, ['-a'])
  const error = await within(1000, reported.promise)
  assert.is(error.code, 'ERR_EXECUTOR')
  assert.is(error.executor, 'log')
  assert.is(error.cause.message, 'disk')
})

test('floating: by default a failure is logged', async () => {
  const { error } = console
  const logged = deferred<string>()
  console.error = (message: string) => logged.resolve(message)
  try {
    await using flow = await new Flow()
      .add({
        name: 'log',
        floating: true,
        uses: () => {
          throw new Error('disk')
        },
      })
      .open()
    await flow.post('/', '-').drain()
    assert.match(await within(1000, logged.promise), /sluice: in the background: log failed at \/ .*disk/)
  } finally {
    console.error = error
  }
})

test('floating: a consumer that leaves does not stop it; close() does when its time is up', async () => {
  const inside = deferred<AbortSignal>()
  const flow = await new Flow({ closeTimeout: 5 })
    .add({ name: 'a' })
    .add({
      name: 'log',
      floating: true,
      uses: async ({ signal }) => {
        inside.resolve(signal)
        await new Promise(() => {})
      },
    })
    .open()
  for await (const _ of flow.post('/', ['a', 'b'], { requestSize: 1 })) break
  const signal = await within(1000, inside.promise)
  assert.not(signal.aborted)
  await within(1000, flow.close())
  assert.ok(signal.aborted)
})

test('216: close() waits for what floats, and tells it nothing before its time is up', async () => {
  const [inside, door] = [deferred<void>(), deferred<void>()]
  let told: boolean | undefined
  const flow = await new Flow({ closeTimeout: 60_000 })
    .add({ name: 'a' })
    .add({
      name: 'log',
      floating: true,
      uses: async ({ signal }) => {
        inside.resolve()
        await door.promise
        told = signal.aborted
      },
    })
    .open()
  await flow.post('/', 'x').drain()
  await within(1000, inside.promise)
  const closed = flow.close()
  assert.ok(await pending(closed))
  door.resolve()
  await within(5000, closed)
  assert.is(told, false)
})

test('floating: what others fail at, or a consumer that leaves, is no failure of what floats behind', async () => {
  const reports: unknown[] = []
  const inside = deferred<void>()
  const door = deferred<void>()
  const flow = await new Flow({ onBackgroundError: (error) => reports.push(error) })
    .add({
      name: 'head',
      uses: async ({ docs }) => {
        if (docs[0]!.text === 'bad') throw new Error('no')
        inside.resolve()
        await door.promise
      },
    })
    .add({ name: 'log', floating: true })
    .add({ name: 'more', needs: 'log' })
    .open()
  const error: any = await within(
    1000,
    flow
      .post('/', 'bad')
      .drain()
      .catch((error) => error),
  )
  assert.is(error.executor, 'head')
  const post = flow.post('/', 'good')
  const pending = post.next()
  await inside.promise
  await post.return()
  door.resolve()
  await pending
  await within(1000, flow.close())
  assert.equal(reports, [])
})

test('floating: a failure is reported once, not again for what floats behind it', async () => {
  const reports: any[] = []
  const flow = await new Flow({ onBackgroundError: (error) => reports.push(error) })
    .add({
      name: 'log',
      floating: true,
      uses: () => {
        throw new Error('disk')
      },
    })
    .add({ name: 'more', needs: 'log' })
    .open()
  await flow.post('/', 'x').drain()
  await within(1000, flow.close())
  assert.equal(
    reports.map(({ executor }) => executor),
    ['log'],
  )
})

test('floating: a Flow of floating executors only gives back what came in', async () => {
  let calls = 0
  await using flow = await new Flow()
    .add({ floating: true, uses: () => void calls++ })
    .add({ floating: true, uses: () => void calls++ })
    .open()
  assert.equal((await within(1000, flow.post('/', '-').docs())).texts, ['-'])
  await within(1000, flow.close())
  assert.is(calls, 2)
})

test.run()
