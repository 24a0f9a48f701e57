// A limit that finds itself, in services that are simulated: time is what is said here, and passes from event to event.
import '../support/clock.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AdaptiveLimit } from '../../lib/stream/adaptive-limit.js'
import { fake } from '../support/clock.js'

/** Numbers as by chance, always the same. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

interface Service {
  /** Milliseconds that a request takes once it has its place; of batches, all of it. */
  readonly work: (endpoint: string, random: () => number) => number
  /** How many are worked on at once, by time. */
  readonly places: (time: number) => number
  /** How many go together, and how long one waits for others. */
  readonly batch?: { readonly size: number; readonly wait: number }
  readonly endpoint?: (random: () => number) => string
  /** Requests a second, by time. */
  readonly rate: (time: number) => number
  /** Milliseconds that who asks waits. What waits longer in line leaves, and what takes longer is not done. */
  readonly patience?: number
}

interface Asked {
  readonly endpoint: string
  readonly at: number
  began: number
}

/** Runs a service for so many seconds. @returns what was seen in each second */
function simulate(service: Service, seconds: number, seed = 1): { limit: number; done: number; p99: number }[] {
  const random = chance(seed)
  const { patience = Infinity } = service
  let time = 0
  fake.now = () => time
  const events: { at: number; run: () => void }[] = []
  const later = (wait: number, run: () => void): void => {
    const event = { at: time + wait, run }
    let low = 0
    let high = events.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (events[middle]!.at > event.at) low = middle + 1
      else high = middle
    }
    events.splice(low, 0, event)
  }
  const line: Asked[] = []
  const queue: Asked[] = []
  let inside = 0
  let busy = 0
  let gathering = false
  const seen = Array.from({ length: seconds }, () => ({ limit: 0, took: [] as number[] }))
  let limit = 0
  const adaptive = new AdaptiveLimit((now) => {
    limit = now
    enter()
  })
  limit = adaptive.limit
  const enter = (): void => {
    while (line.length > 0 && inside < limit) {
      // Who came last goes first, as in the queue of the library once times are up.
      const asked = patience < Infinity ? line.pop()! : line.shift()!
      if (time - asked.at > patience) continue
      inside++
      asked.began = time
      queue.push(asked)
      work()
    }
  }
  const finish = (asked: Asked): void => {
    inside--
    const took = time - asked.at
    const isDone = took <= patience
    if (isDone) seen[Math.floor(time / 1000)]?.took.push(took)
    while (line.length > 0 && time - line[0]!.at > patience) line.shift()
    adaptive.end(asked.endpoint, asked.began, isDone, line.length > 0)
    enter()
  }
  const start = (batch: Asked[]): void => {
    busy++
    later(service.work(batch[0]!.endpoint, random), () => {
      busy--
      for (const asked of batch) finish(asked)
      work()
    })
  }
  const work = (): void => {
    const { batch } = service
    while (queue.length > 0 && busy < service.places(time)) {
      if (batch === undefined) start([queue.shift()!])
      else if (queue.length >= batch.size) start(queue.splice(0, batch.size))
      else {
        if (!gathering) {
          gathering = true
          later(batch.wait, () => {
            gathering = false
            if (queue.length > 0 && busy < service.places(time)) start(queue.splice(0, batch.size))
            work()
          })
        }
        return
      }
    }
  }
  const ask = (): void => {
    line.push({ endpoint: service.endpoint?.(random) ?? '/', at: time, began: 0 })
    enter()
    later((-Math.log(1 - random()) * 1000) / service.rate(time), ask)
  }
  later(0, ask)
  for (let second = 0; second < seconds; second++) later((second + 1) * 1000 - 0.001, () => void (seen[second]!.limit = adaptive.limit))
  while (time < seconds * 1000) {
    const event = events.pop()!
    time = event.at
    event.run()
  }
  fake.now = undefined
  return seen.map(({ limit, took }) => ({ limit, done: took.length, p99: took.sort((a, b) => a - b)[Math.floor(took.length * 0.99)] ?? 0 }))
}

const mean = (all: readonly number[]): number => all.reduce((sum, one) => sum + one, 0) / all.length
const from = (seen: ReturnType<typeof simulate>, first: number, to = seen.length) => {
  const part = seen.slice(first, to)
  return { limit: mean(part.map(({ limit }) => limit)), done: mean(part.map(({ done }) => done)), p99: mean(part.map(({ p99 }) => p99)) }
}
if (process.env.SHOW)
  (globalThis as any).show = (name: string, seen: ReturnType<typeof simulate>) => console.log(name, seen.map(({ limit, done }) => `${limit}:${done}`).join(' '))
const show = (name: string, seen: ReturnType<typeof simulate>): void => (globalThis as any).show?.(name, seen)

for (const seed of [1, 2, 3])
  test(`4 places of 40 ms, at ten times that: some 4 to 10 are inside, and as much is done as can be (${seed})`, () => {
    const seen = simulate({ work: () => 40, places: () => 4, rate: () => 1000, patience: 500 }, 40, seed)
    show('4x40', seen)
    const { limit, done, p99 } = from(seen, 5)
    assert.ok(limit >= 4 && limit <= 10, `limit ${limit}`)
    assert.ok(done >= 92, `${done} a second`)
    assert.ok(p99 < 500, `p99 ${p99}`)
  })

for (const seed of [1, 2, 3])
  test(`it opens again when there are four times as many places (${seed})`, () => {
    const seen = simulate({ work: () => 40, places: (time) => (time < 30_000 ? 4 : 16), rate: () => 4000, patience: 500 }, 60, seed)
    show('x4', seen)
    assert.ok(from(seen, 10, 30).limit <= 10, `limit before ${from(seen, 10, 30).limit}`)
    assert.ok(from(seen, 42).done >= 350, `${from(seen, 42).done} a second`)
    assert.ok(from(seen, 42).limit <= 40, `limit ${from(seen, 42).limit}`)
  })

test('and closes when there are as few again', () => {
  const seen = simulate({ work: () => 40, places: (time) => (time < 30_000 ? 16 : 4), rate: () => 4000, patience: 500 }, 70)
  show('/4', seen)
  assert.ok(from(seen, 50).limit <= 12, `limit ${from(seen, 50).limit}`)
  assert.ok(from(seen, 50).done >= 88, `${from(seen, 50).done} a second`)
})

test('the same in work that takes now more and now less, with times that are up', () => {
  const seen = simulate({ work: (_, random) => 5 - Math.log(1 - random()) * 35, places: () => 4, rate: () => 1000, patience: 1000 }, 90)
  show('exponential', seen)
  const { limit, done } = from(seen, 20)
  assert.ok(limit >= 4 && limit <= 16, `limit ${limit}`)
  assert.ok(done >= 85, `${done} a second`)
})

test('batches are not taken for a queue: all that fit in one may be inside', () => {
  const seen = simulate({ work: () => 50, places: () => 1, batch: { size: 32, wait: 100 }, rate: () => 2000, patience: 1000 }, 90)
  show('batch', seen)
  assert.ok(from(seen, 30).done >= 0.85 * 640, `${from(seen, 30).done} a second`)
})

test('what is slow and well is not throttled: streams of some seconds, of which as many go as are asked for', () => {
  const seen = simulate({ work: (_, random) => 1000 + random() * 9000, places: () => Infinity, rate: () => 40 }, 240)
  show('streams', seen)
  // 40 a second of 5.5 s are 220 inside.
  assert.ok(from(seen, 180).done >= 38, `${from(seen, 180).done} a second`)
})

test('nor is one endpoint that takes a hundred times as long as another', () => {
  const seen = simulate(
    {
      work: (endpoint) => (endpoint === '/slow' ? 4000 : 40),
      places: () => Infinity,
      endpoint: (random) => (random() < 0.05 ? '/slow' : '/quick'),
      rate: () => 400,
    },
    240,
  )
  show('two endpoints', seen)
  // 380 a second of 40 ms are 15, and 20 of 4 s are 80.
  assert.ok(from(seen, 120).done >= 390, `${from(seen, 120).done} a second`)
})

test('two kinds of latency behind one name, as of a cache, leave places enough', () => {
  const seen = simulate({ work: (_, random) => (random() < 0.8 ? 5 : 200), places: () => 32, rate: () => 5000, patience: 2000 }, 120)
  show('bimodal', seen)
  // 44 ms in the mean: 32 places do 727 a second.
  assert.ok(from(seen, 40).done >= 600, `${from(seen, 40).done} a second`)
})

test('bursts teach nothing that holds: between them, the limit stays', () => {
  const seen = simulate({ work: () => 40, places: () => 16, rate: (time) => (time % 5000 < 1000 ? 2000 : 20) }, 120)
  show('bursts', seen)
  assert.ok(from(seen, 60).done >= 300, `${from(seen, 60).done} a second of 416`)
})

test('few that come by chance change nothing', () => {
  const seen = simulate({ work: (_, random) => 500 + random() * 1500, places: () => 8, rate: () => 3 }, 120)
  show('few', seen)
  assert.ok(seen.every(({ limit }) => limit === seen[0]!.limit))
})

test('calls of a minute, of which 200 go at once: the limit finds that, slowly', () => {
  const seen = simulate({ work: (_, random) => 50_000 + 20_000 * random(), places: () => 200, rate: () => 10 }, 6000)
  show(
    'minutes',
    seen.filter((_, n) => n % 120 === 0),
  )
  const found = from(seen, 3600)
  assert.ok(found.limit > 120, String(found.limit))
  // 200 places do 3.3 a second.
  assert.ok(found.done > 2.8, String(found.done))
})

test('it stays from 4 to 1024, however much more is done with more, or as much with less', () => {
  /** The limits that there were, of a service that is always full. @param pace how many are done in a millisecond */
  const limits = (pace: (limit: number) => number, seconds: number): number[] => {
    let time = 0
    fake.now = () => time
    const adaptive = new AdaptiveLimit(() => {})
    const seen: number[] = []
    while (time < seconds * 1000) {
      const { limit } = adaptive
      time += 1 / pace(limit)
      adaptive.end('/', time - limit / pace(limit), true, true)
      seen.push(limit)
    }
    fake.now = undefined
    return seen
  }
  assert.is(Math.max(...new Set(limits((limit) => limit / 1000, 100))), 1024)
  assert.is(Math.min(...new Set(limits(() => 0.1, 300))), 4)
})

test.run()
