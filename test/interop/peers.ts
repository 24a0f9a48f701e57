// Executors of Python's Jina in a Flow of ours, in place of its own gateway.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { deadPort } from '../support/nobody.js'
import { flow } from './process.js'
import { interop } from './python.js'

const alone = { kind: 'deployment', include_gateway: false, protocol: ['grpc' as const], name: 'theirs' }
const inputs = (count: number, tags: object = {}) => Array.from({ length: count }, (_, i) => ({ text: `text ${i}`, tags }))

await interop(test, async (python) => {
  test('175: a Python Executor gets as many requests of one post at once as prefetch and concurrency allow', async () => {
    await using theirs = await flow(python, alone)
    const host = theirs.address('grpc')
    const took = async (post: (on: string, inputs: object[], options: object) => { drain(): Promise<unknown> }, prefetch = 12) => {
      await post('/late', inputs(1), { requestSize: 1 }).drain()
      const start = performance.now()
      await post('/late', inputs(12, { ms: 300 }), { requestSize: 1, prefetch }).drain()
      return performance.now() - start
    }
    await using client = new Client(host)
    await using ours = await new Flow().add({ name: 'theirs', external: true, host }).open()
    await using several = await new Flow().add({ name: 'theirs', external: true, host: [host, host] }).open()
    await using few = await new Flow().add({ name: 'theirs', external: true, host, concurrency: 4 }).open()
    const [all, others, direct] = [await took(ours.post.bind(ours)), await took(several.post.bind(several)), await took(client.post.bind(client))]
    // One after the other, they take 3.6 s.
    for (const time of [all, others, direct]) assert.ok(time < 2000, `${time} ms`)
    assert.ok((await took(few.post.bind(few))) >= 890, 'three rounds of four')
    console.log(`12 requests of 0.3 s: ${all.toFixed(0)} ms, at two addresses ${others.toFixed(0)}, by a Client ${direct.toFixed(0)}`)
  })

  test('175: an error, parameters and results come from single calls as from streams', async () => {
    await using theirs = await flow(python, alone)
    await using ours = await new Flow().add({ name: 'theirs', external: true, host: theirs.address('grpc') }).open()
    const [failed] = await ours.post('/fail', 'x', { continueOnError: true }).toArray()
    assert.is(failed!.status.exception!.name, 'ValueError')
    const [answered] = await ours.post('/pictures', 'x', { parameters: { a: 1, theirs__b: 2 } }).toArray()
    const [result] = Object.values((answered!.parameters as any).__results__) as any
    assert.equal(result.parameters, { a: 1, b: 2 })
  })

  test('181: a Python generator streams, from our Client and as an external executor, and its pieces are there before its end', async () => {
    await using theirs = await flow(python, alone)
    const host = theirs.address('grpc')
    await using client = new Client(host)
    await using ours = await new Flow().add({ name: 'theirs', external: true, host }).open()
    for (const post of [client.post.bind(client), ours.post.bind(ours)]) {
      const seen: string[] = []
      for await (const { docs, partial } of post('/tokens', ['one two three', 'four'])) seen.push(`${partial ? '+' : ''}${docs.texts.join()}`)
      assert.equal(seen, ['+one', '+two', '+three', '+four', 'one,two,three,four'])
    }
    // Who leaves after the first piece leaves nothing.
    for await (const { docs } of ours.post('/tokens', 'a b c')) {
      assert.equal([...docs.texts], ['a'])
      break
    }
    const [whole] = await ours
      .post('/tokens', 'a b')
      .toArray()
      .then((all) => all.slice(-1))
    assert.equal([...whole!.docs.texts], ['a', 'b'])
  })

  test('174: targets and parameters for one executor, by the names they have in our Flow', async () => {
    await using theirs = await flow(python, alone)
    const host = theirs.address('grpc')
    await using ours = await new Flow().add({ name: 'first', external: true, host }).add({ name: 'second', external: true, host }).open()
    const told = async (options: object) => {
      const [{ tags }] = (await ours.post('/trail', 'x', options).docs()) as any
      return tags.trail
    }
    assert.is(await told({}), '/theirs/theirs')
    assert.is(await told({ targetExecutor: 'first' }), '/theirs')
    assert.is(await told({ targetExecutor: 'fir|sec' }), '/theirs/theirs')
    assert.is(await told({ targetExecutor: 'theirs' }), undefined)
    const seen = async (targetExecutor: string, parameters: object) => {
      const [{ tags }] = (await ours.post('/told', 'x', { targetExecutor, parameters }).docs()) as any
      const { count: _, shard: __, ...rest } = tags.told
      return rest
    }
    const parameters = { keep: 1, first__top: 2, second__top: 3, third__top: 4 }
    assert.equal(await seen('first', parameters), { keep: 1, top: 2 })
    assert.equal(await seen('second', parameters), { keep: 1, top: 3 })
    const nested = { first: { top: 5 } }
    assert.equal(await seen('first', nested), { top: 5 })
    assert.equal(await seen('second', nested), nested)
  })

  test('8: conditions with $or before Python Executors', async () => {
    await using theirs = await flow(python, alone)
    await using ours = await new Flow()
      .add({ name: 'theirs', external: true, host: theirs.address('grpc'), when: { $or: [{ tags__a: { $eq: 1 } }, { tags__b: { $eq: 2 } }] } })
      .open()
    const docs = [{ tags: { a: 1 } }, { tags: { a: 2 } }, { tags: { b: 2 } }]
    const trails = (await ours.post('/trail', docs).docs()).map(({ tags }: any) => tags.trail)
    assert.equal([...trails], ['/theirs', '/theirs'])
  })

  test('8: dead replicas are passed over; where all are dead, the error names all addresses that were tried; one that is late, its own', async () => {
    await using theirs = await flow(python, alone)
    const host = theirs.address('grpc')
    const dead = [`grpc://127.0.0.1:${await deadPort()}`, `grpc://127.0.0.1:${await deadPort()}`]
    await using half = await new Flow().add({ name: 'theirs', external: true, host: [...dead, host] }).open()
    assert.is((await half.post('/upper', inputs(20), { requestSize: 1 }).docs()).length, 20)
    await using none = await new Flow().add({ name: 'theirs', external: true, host: dead }).open()
    const [failed] = await none.post('/upper', 'x', { continueOnError: true }).toArray()
    for (const address of dead) assert.match(failed!.status.description, address)
    await using late = await new Flow().add({ name: 'theirs', external: true, host, timeout: 200 }).open()
    const [slow] = await late.post('/late', inputs(1, { ms: 2000 }), { continueOnError: true }).toArray()
    assert.match(slow!.status.description, /theirs took longer than 200 ms/)
  })

  test('8: dynamic batching unites requests of one post for a Python Executor, and its own unites ours; two of them share the work', async () => {
    const batched = { ...alone, uses_dynamic_batching: { '/told': { preferred_batch_size: 4, timeout: 5000 } } }
    await using one = await flow(python, alone)
    await using two = await flow(python, batched)
    const counts = async (options: object) => {
      await using ours = await new Flow().add({ name: 'theirs', external: true, ...options } as any).open()
      const docs = await ours.post('/told', inputs(8), { requestSize: 1, prefetch: 8 }).docs()
      return [...docs].map(({ tags }: any) => tags.told.count)
    }
    assert.equal(await counts({ host: one.address('grpc'), dynamicBatching: { preferredBatchSize: 4, timeout: 5000 } }), Array(8).fill(4))
    // What comes between its reaching four and its asking the Executor, Jina (3.27.5) takes along, and cuts into fours: a rest may be alone.
    const theirs = await counts({ host: two.address('grpc') })
    assert.ok(Math.max(...theirs) > 1 && Math.max(...theirs) <= 4, String(theirs))
    assert.equal((await counts({ host: [one.address('grpc'), one.address('grpc')] })).length, 8)
  })
})

test.run()
