// What add() can say of an executor, wherever that runs: the same comes of it in each place.
import type { Call, Executor } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import { cannot } from './cannot.js'
import type { Cannot, Row } from './contract.js'
import { type Answer, isHere, type Step, type Way } from './way.js'

const say = (value: unknown): string => JSON.stringify(value)

/** Where the Flow that asks runs the executor. */
const here = (expected: object) => (way: Way) => (isHere(way) ? say(expected) : cannot('another Flow runs the executor'))

async function all(answers: AsyncIterable<Answer>): Promise<Answer[]> {
  const found: Answer[] = []
  for await (const answer of answers) found.push(answer)
  return found
}

const actor = (uses: (this: Executor<any>, call: Call) => unknown, more: object = {}): Step => ({ ...more, name: 'actor', uses }) as Step

/** Whether each replica has a folder of its own that is there. */
const folderOf = (way: Way): string | Cannot =>
  way.name === 'container' ? cannot('a container has its folder from the engine, and test/engine looks for it') : here({ folders: 2, has: true })(way)

export const SETTINGS: readonly Row[] = [
  {
    name: 'settings: an executor sees its name, its config and its env',
    expect: here({ name: 'actor', config: { a: [1, { b: 'ü' }] }, env: { X: 'a "b"\n$(c)' } }),
    async see(way) {
      const told = { usesWith: { a: [1, { b: 'ü' }] }, env: { X: 'a "b"\n$(c)' } }
      const look = actor(function ({ docs }) {
        const { name, config, env } = this
        docs[0]!.tags = { name, config, env }
      }, told)
      await using it = await way.open([look])
      const [answer] = await all(it.post('/', ['x']))
      return say(answer!.docs[0].tags)
    },
  },
  {
    name: 'settings: each replica has a folder of its own',
    expect: folderOf,
    async see(way) {
      const folders = new Set<string>()
      let has = true
      const look = actor(
        function () {
          folders.add(this.workspace)
          has &&= this.hasWorkspace
        },
        // A daemon gives one without being told.
        { parallel: 2, polling: 'ALL', ...(way.name !== 'daemon' && { workspace: '.sluice/contract' }) },
      )
      await using it = await way.open([look])
      await all(it.post('/', ['x']))
      return say({ folders: folders.size, has })
    },
  },
  {
    name: 'settings: no more than concurrency requests are in a replica at once, and those who wait are answered',
    expect: here({ answered: 20, bounded: true }),
    async see(way) {
      let [inside, most] = [0, 0]
      const count = actor(
        async () => {
          most = Math.max(most, ++inside)
          await new Promise((resolve) => setImmediate(resolve))
          inside--
        },
        { concurrency: 2 },
      )
      await using it = await way.open([count])
      const found = await all(it.post('/', Array(20).fill('x'), { requestSize: 1, prefetch: 20 }))
      return say({ answered: found.length, bounded: most <= 2 })
    },
  },
  {
    name: 'settings: of several replicas, one that is free is asked',
    expect: here({ answered: 2, replicas: 2 }),
    async see(way) {
      const replicas = new Set<unknown>()
      const both = deferred<void>()
      const meet = actor(
        function () {
          if (replicas.add(this).size === 2) both.resolve()
          return both.promise
        },
        { parallel: 2, concurrency: 1 },
      )
      await using it = await way.open([meet])
      const found = await all(it.post('/', ['a', 'b'], { requestSize: 1 }))
      return say({ answered: found.length, replicas: replicas.size })
    },
  },
  {
    name: 'settings: under ALL every replica is asked, and under ALL_ASYNC the first who answers is heard',
    expect: here({ all: [['x'], 2], first: [['x'], 2] }),
    async see(way) {
      let asked = 0
      const door = deferred<void>()
      const count = actor(() => void asked++, { parallel: 2, polling: 'ALL' })
      await using every = await way.open([count])
      const [whole] = await all(every.post('/', ['x']))
      const seen = [whole!.docs.texts, asked]
      asked = 0
      const wait = actor(() => (++asked === 1 ? door.promise : undefined), { parallel: 2, polling: 'ALL_ASYNC' })
      await using one = await way.open([wait])
      const [first] = await all(one.post('/', ['x']))
      door.resolve()
      return say({ all: seen, first: [first!.docs.texts, asked] })
    },
  },
  {
    name: 'settings: each try has the documents as they came',
    expect: here({ seen: ['x', 'x', 'x'], texts: ['x!'] }),
    async see(way) {
      const seen: string[] = []
      const third = actor(
        ({ docs }) => {
          seen.push(docs[0]!.text)
          docs[0]!.text += '!'
          if (seen.length < 3) throw new Error('not yet')
        },
        { retries: { attempts: 2, delay: 1 } },
      )
      await using it = await way.open([third])
      const [answer] = await all(it.post('/', ['x']))
      return say({ seen, texts: answer!.docs.texts })
    },
  },
  {
    name: 'settings: a try that takes too long is told to stop, and another is made',
    expect: here({ texts: ['x'], told: true }),
    async see(way) {
      let tries = 0
      const told = deferred<void>()
      const second = actor(
        ({ signal }) => {
          if (++tries > 1) return
          signal.addEventListener('abort', () => told.resolve())
          return told.promise
        },
        // On a busy machine, others may be late, too.
        { attemptTimeout: 50, retries: { attempts: 100, delay: 1 } },
      )
      await using it = await way.open([second])
      const [answer] = await all(it.post('/', ['x']))
      await told.promise
      return say({ texts: answer!.docs.texts, told: true })
    },
  },
  {
    name: 'settings: a condition lets documents through, in their order, and the others go no further',
    expect: here(['A', 'C']),
    async see(way) {
      const shout = actor(({ docs }) => docs.forEach((doc) => void (doc.text = doc.text.toUpperCase())), { when: { tags__go: { $eq: true } } })
      await using it = await way.open([shout])
      const given = ['a', 'b', 'c'].map((text) => ({ text, tags: { go: text !== 'b' } }))
      const [answer] = await all(it.post('/', given))
      return say(answer!.docs.texts)
    },
  },
  {
    name: 'settings: documents of several requests are one batch, and each gets its own back',
    expect: here({ calls: [4], texts: ['A', 'B', 'C', 'D'] }),
    async see(way) {
      const calls: number[] = []
      const shout = actor(
        ({ docs }) => {
          calls.push(docs.length)
          for (const doc of docs) doc.text = doc.text.toUpperCase()
        },
        { dynamicBatching: { preferredBatchSize: 4, timeout: 20_000 } },
      )
      await using it = await way.open([shout])
      const found = await all(it.post('/', ['a', 'b', 'c', 'd'], { requestSize: 1, prefetch: 4, resultsInOrder: true }))
      return say({ calls, texts: found.flatMap(({ docs }) => docs.texts) })
    },
  },
]
