// What goes wrong between the caller and the executors: kind, code, executor named, and what the other requests see.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { z } from 'zod'
import { Gateway } from '../../lib/gateway/index.js'
import { type Call, Document, Executor, Flow, type PostOptions } from '../../lib/index.js'
import { Counted } from '../../lib/wire/proto/counted.js'
import { readDocument } from '../../lib/wire/proto/document.js'
import { LazyDocument } from '../../lib/wire/proto/lazy.js'
import { Reader } from '../../lib/wire/proto/reader.js'
import { deferred } from '../support/deferred.js'
import { cannot } from './cannot.js'
import type { Row } from './contract.js'
import { type Answer, type Ends, isHere, type Opened, outcome, type Step, type Way } from './way.js'

const bad = ({ docs }: Call): boolean => docs[0]?.text === 'bad'

/** What each request of a post sees, or what ended the post. */
async function each(answers: AsyncIterable<Answer>, show = (_: Answer) => 'answered'): Promise<string> {
  const seen: string[] = []
  try {
    for await (const answer of answers) if (!answer.partial) seen.push(answer.error === undefined ? show(answer) : outcome(answer.error))
  } catch (error) {
    seen.push(`the post ends with ${outcome(error)}`)
  }
  return seen.join(', ')
}

/** How a post of one request ends. */
async function alone(it: Opened, text: any = 'bad', options?: PostOptions, show = (_: Answer) => 'answered'): Promise<string> {
  try {
    let seen = 'nothing'
    for await (const answer of it.post('/', [text], options)) seen = answer.error === undefined ? show(answer) : outcome(answer.error)
    return seen
  } catch (error) {
    return outcome(error)
  }
}

/** A bad request between two good ones of the same post, alone, and what comes after it. */
async function beside(way: Way, steps: readonly Step[], ends?: Ends, show?: (answer: Answer) => string): Promise<string> {
  await using it = await way.open(steps, ends)
  // What loads with the first request takes none of the time of those that are told.
  await alone(it, 'good')
  const among = await each(it.post('/', ['good', 'bad', 'fine'], { requestSize: 1, resultsInOrder: true, continueOnError: true }), show)
  const one = await alone(it, 'bad', {}, show)
  return `among others: ${among}; alone: ${one}; after: ${await alone(it, 'good')}`
}

const FAILED = 'ExecutorError ERR_EXECUTOR of actor'
const failing = (failure = FAILED, alone = failure): string => `among others: answered, ${failure}, answered; alone: ${alone}; after: answered`

const readAll = ({ docs }: Answer): string => (docs.every((doc) => doc.tags) ? 'answered' : '')

/** An executor that fails at the bad one. */
const row = (name: string, fail: (call: Call) => unknown, failure = FAILED): Row => ({
  name,
  expect: failing(failure),
  see: (way) => beside(way, [{ name: 'actor', uses: (call: Call) => (bad(call) ? (fail(call) as any) : undefined) }]),
})

/** An executor whose answer to the bad one cannot be written. */
const unwritable = (name: string, spoil: (doc: Document<any>) => unknown, steps = (actor: Step): readonly Step[] => [actor]): Row => ({
  name: `an answer that cannot be written: ${name}`,
  expect: (way) => (way.kind === 'inline' ? cannot('nothing is written in one process') : failing()),
  see: (way) => beside(way, steps({ name: 'actor', uses: (call: Call) => (bad(call) ? (spoil(call.docs[0]!) as any) : undefined) })),
})

function nested(depth: number): object {
  let value = {}
  for (let i = 0; i < depth; i++) value = { value }
  return value
}

const circle = (): object => {
  const value: any = {}
  value.value = value
  return value
}

/** A document that is garbage within, and goes on as the bytes that it is, as no end of ours lets it in. */
const unread = (): Document<any> =>
  new LazyDocument({ reader: new Reader(Uint8Array.of(0, 0), 100), model: 'v1', counted: new Counted(), read: readDocument }, 0, 2, 1)

/** A document that is none when it is there, in the dialect of a way. */
const unreadable = (way: Way): Document<any> =>
  way.kind === 'graphql' || way.protocol === 'http' ? Object.assign(new Document(), { toJSON: () => ({ text: 5 }) }) : unread()

/** An unreadable document at the same time as one that is in order, in one batch or at one join. */
const lazily = (name: string, more: (actor: Step) => readonly Step[]): Row => ({
  name: `a message that cannot be read, found late: ${name}`,
  expect: (way) =>
    way.kind === 'graphql' || way.protocol === 'http' || isHere(way)
      ? cannot('only protobuf is read late')
      : way.kind === 'external' && name === CONDITION
        ? cannot('the condition stands on this side of the wire')
        : `refused: ${connection(way, '').split(' ')[0]}; beside: answered; after: answered`,
  async see(way) {
    const read: Step = { name: 'actor', uses: ({ docs }: Call) => docs.forEach((doc) => void (doc.tags.read = true)) }
    await using it = await way.open(more(read))
    const [refused, good] = await Promise.all([alone(it, unread()), alone(it, 'good')])
    // Nobody in the graph failed at it: it is the fault of who asks.
    return `refused: ${refused.replace(/ .*/, '')}; beside: ${good}; after: ${await alone(it, 'good')}`
  },
})

const CONDITION = 'behind a condition'

const NUMBERS = [NaN, Infinity, -Infinity]

/** Numbers that JSON does not have, in one place of a document. */
const numbers = (
  place: string,
  put: (doc: Document<any>, value: number) => void,
  get: (doc: any) => number,
  refusedOn: (way: Way) => boolean = ({ kind }) => kind === 'graphql',
): Row => ({
  name: `NaN and infinities in ${place}`,
  // GraphQL's Float has none, nor has JSON where nothing says that a number is due.
  expect: (way) => (refusedOn(way) ? [FAILED, FAILED, FAILED].join(', ') : 'NaN, Infinity, -Infinity'),
  async see(way) {
    let at = 0
    await using it = await way.open([{ name: 'actor', uses: ({ docs }: Call) => put(docs[0]!, NUMBERS[at++]!) }])
    return await each(it.post('/', ['0', '1', '2'], { requestSize: 1, resultsInOrder: true, continueOnError: true, prefetch: 1 }), ({ docs }) =>
      String(get(docs[0])),
    )
  },
})

/** An executor that holds what it gets until its door opens. */
function held() {
  const door = deferred<void>()
  const called = deferred<AbortSignal>()
  const step: Step = {
    name: 'actor',
    uses: ({ docs, signal }: Call) => {
      if (docs[0]?.text === 'good') return
      called.resolve(signal)
      return Promise.race([door.promise, new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))])
    },
  }
  return { step, door, called: called.promise }
}

/** What a ConnectionError is on a way: of an executor elsewhere, it is what the executor failed at. */
export const connection = (way: Way, code: string): string => (way.kind === 'external' ? `${FAILED} (${code})` : `ConnectionError ${code}`)

const ONE_PROCESS = cannot('there is one process')

export const TABLE: readonly Row[] = [
  row('an executor throws an Error', () => {
    throw new TypeError('cannot do bad')
  }),
  {
    name: 'what an executor threw comes with its name and its words, and without its stack',
    expect: (way) =>
      way.kind === 'graphql'
        ? cannot('GraphQL has words alone')
        : isHere(way)
          ? cannot('a stack stays in this program')
          : 'TypeError: cannot do bad; stack: TypeError: cannot do bad',
    async see(way) {
      const thrower: Step = {
        name: 'actor',
        uses: () => {
          throw new TypeError('cannot do bad')
        },
      }
      await using it = await way.open([thrower])
      try {
        for await (const _ of it.post('/', ['x'])) return 'answered'
        return 'nothing'
      } catch (error: any) {
        const { name, message, stack } = error.cause
        return `${name}: ${message}; stack: ${stack}`
      }
    },
  },
  row('an executor rejects', () => Promise.reject(new RangeError('cannot do bad'))),
  row('an executor throws a text', () => {
    throw 'no'
  }),
  row('an executor throws nothing', () => {
    throw undefined
  }),
  row('an executor throws what throws when it is looked at', () => {
    throw new Proxy(
      {},
      {
        get() {
          throw new Error('do not look')
        },
        getPrototypeOf() {
          throw new Error('do not look')
        },
      },
    )
  }),
  row('an executor throws an Error whose message throws', () => {
    throw Object.defineProperty(new Error(), 'message', {
      get() {
        throw new Error('do not look')
      },
    })
  }),
  row('an executor leaves what is no document', ({ docs }) => void ((docs as any)[0] = null), 'ExecutorError ERR_EXECUTOR_RESULT of actor'),

  unwritable('a bigint in a tag', (doc) => void (doc.tags.n = 5n)),
  unwritable('a tag that contains itself', (doc) => void (doc.tags.value = circle())),
  unwritable('tags too deep', (doc) => void (doc.tags.value = nested(20_000))),
  unwritable('a toJSON that throws', (doc) => {
    doc.tags.value = {
      toJSON() {
        throw new Error('no')
      },
    }
  }),
  unwritable('a document in its own tags', (doc) => void (doc.tags.value = doc)),
  {
    ...unwritable('a bigint among results', () => ({ n: 5n })),
    // A mutation does not ask for them.
    expect: (way) => (way.kind === 'inline' ? cannot('nothing is written in one process') : failing(FAILED, way.kind === 'graphql' ? 'answered' : FAILED)),
  },
  {
    name: 'an answer that cannot be written: a piece of one',
    // Over GraphQL it is an error of that field of that piece.
    expect: (way) => (way.kind === 'inline' ? cannot('nothing is written in one process') : failing(way.kind === 'graphql' ? 'answered' : FAILED)),
    see: (way) =>
      beside(way, [
        {
          name: 'actor',
          async *uses(call: Call) {
            const [doc] = call.docs
            if (bad(call)) doc!.tags.n = 5n
            yield doc!
            // Too late: a piece was owed, and is not there.
            delete doc!.tags.n
          },
        },
      ]),
  },
  {
    name: 'an answer that cannot be read, found late: an executor behind reads it',
    expect: (way) =>
      way.kind === 'external' && way.protocol !== 'http'
        ? 'among others: answered, ExecutorError ERR_EXECUTOR, answered; alone: ExecutorError ERR_EXECUTOR; after: answered'
        : cannot('only an executor elsewhere can answer with bytes, and only protobuf is read late'),
    async see(way) {
      const garbage: Step = { name: 'actor', uses: (call: Call) => (bad(call) ? void (call.docs[0] = unread()) : undefined) }
      const seen = await beside(way, [garbage, { name: 'reader', uses: ({ docs }: Call) => docs.forEach((doc) => void (doc.tags.read = true)) }])
      // Which of the two is told is not settled.
      return seen.replaceAll(/ of \w+( \(\w+\))?/g, '')
    },
  },
  {
    name: 'an answer that cannot be read, found late: its receiver reads it',
    expect: (way) =>
      way.kind === 'client' && way.protocol !== 'http'
        ? 'among others: answered, ConnectionError ERR_PROTOCOL, answered; alone: ConnectionError ERR_PROTOCOL; after: answered'
        : cannot('only protobuf is read late'),
    see: (way) => beside(way, [{ name: 'actor', uses: (call: Call) => (bad(call) ? void (call.docs[0] = unread()) : undefined) }], {}, readAll),
  },
  {
    name: 'an answer that cannot be copied, where the graph forks',
    expect: 'among others: answered, ExecutorError ERR_EXECUTOR, answered; alone: ExecutorError ERR_EXECUTOR; after: answered',
    async see(way) {
      const spoil: Step = { name: 'actor', uses: (call: Call) => (bad(call) ? void (call.docs[0]!.tags.value = nested(20_000)) : undefined) }
      const seen = await beside(way, [spoil, { name: 'a', needs: 'actor' }, { name: 'b', needs: 'actor' }, { name: 'both', needs: ['a', 'b'] }])
      // Which place is told is not settled.
      return seen.replaceAll(/ of \w+/g, '')
    },
  },
  {
    name: 'an answer over the limit of this end',
    expect: (way) => (isHere(way) ? ONE_PROCESS : `alone: ${connection(way, 'ERR_TOO_LARGE')}; after: answered`),
    async see(way) {
      const actor: Step = { name: 'actor', uses: (call: Call) => (bad(call) ? void (call.docs[0]!.tags.large = 'x'.repeat(50_000)) : undefined) }
      await using it = await way.open([actor], { client: { maxMessageBytes: 10_000 } })
      return `alone: ${await alone(it)}; after: ${await alone(it, 'good')}`
    },
  },
  {
    name: 'a message over the limit of the other end',
    expect: (way) =>
      isHere(way)
        ? ONE_PROCESS
        : way.kind === 'graphql'
          ? cannot('GraphQL has a limit of its own, maxBodyBytes, that is tested beside')
          : `alone: ${connection(way, 'ERR_TOO_LARGE')}; after: answered`,
    async see(way) {
      await using it = await way.open([{ name: 'actor', uses: () => {} }], { gateway: { maxMessageBytes: 10_000 } })
      return `alone: ${await alone(it, { text: 'bad', blob: new Uint8Array(50_000) })}; after: ${await alone(it, 'good')}`
    },
  },

  {
    name: 'a message that cannot be read, at once: this end finds it',
    expect: (way) =>
      way.kind === 'graphql' ? cannot('it takes JSON, and makes no documents') : 'answered, the post ends with InputError ERR_INPUT; after: answered',
    async see(way) {
      await using it = await way.open([{ name: 'actor' }])
      const among = await each(it.post('/', ['good', { text: 5 } as any, 'fine'], { requestSize: 1, continueOnError: true }))
      return `${among}; after: ${await alone(it, 'good')}`
    },
  },
  {
    name: 'a message that cannot be read, at once: the other end finds it',
    expect: (way) =>
      isHere(way)
        ? ONE_PROCESS
        : way.kind === 'graphql'
          ? 'among others: the post ends with ConnectionError ERR_REFUSED; alone: ConnectionError ERR_REFUSED; after: answered'
          : failing(connection(way, 'ERR_REFUSED')),
    async see(way) {
      await using it = await way.open([{ name: 'actor' }])
      const options = { requestSize: 1, resultsInOrder: true, continueOnError: true }
      const among = await each(it.post('/', ['good', unreadable(way), 'fine'], options))
      return `among others: ${among}; alone: ${await alone(it, unreadable(way))}; after: ${await alone(it, 'good')}`
    },
  },
  lazily('in a chain', (actor) => [actor]),
  lazily('in a batch', (actor) => [{ ...actor, dynamicBatching: { preferredBatchSize: 2, timeout: 200 } }]),
  lazily('behind a fork', (actor) => [
    { name: 'first' },
    { ...actor, needs: 'first' },
    { name: 'other', needs: 'first' },
    { name: 'both', needs: ['actor', 'other'] },
  ]),
  lazily('with attempts', (actor) => [{ ...actor, retries: { attempts: 1, delay: 1 } }]),
  lazily('among replicas', (actor) => [{ ...actor, parallel: 2, polling: 'ALL' }]),
  lazily(CONDITION, (actor) => [{ ...actor, when: { tags__no: { $exists: false } } as any }]),

  numbers(
    'scores',
    (doc, value) => void (doc.scores = { cos: value } as any),
    ({ scores }) => scores.cos?.value,
  ),
  numbers(
    'weight',
    (doc, value) => void (doc.weight = value),
    ({ weight }) => weight,
  ),
  numbers(
    'tags',
    (doc, value) => void (doc.tags.n = value),
    ({ tags }) => tags.n,
    ({ protocol }) => protocol === 'http',
  ),
  numbers(
    'embeddings',
    (doc, value) => void (doc.embedding = Float64Array.of(value)),
    ({ embedding }) => embedding?.data[0],
    () => false,
  ),
  numbers(
    'locations',
    (doc, value) => void (doc.location = [value]),
    ({ location }) => location?.[0],
  ),

  {
    name: '179: an endpoint without a name is /',
    expect: 'root',
    async see(way) {
      class Root extends Executor {
        root({ docs, endpoint }: Call) {
          for (const doc of docs) doc.text = endpoint === '/' ? 'root' : endpoint
        }
        static requests = { '/': 'root' } as const
      }
      await using it = await way.open([{ name: 'actor', uses: Root }])
      return await each(it.post('', ['x'], { requestSize: 1 }), ({ docs }) => docs.texts.join())
    },
  },
  {
    name: '179: numbers that do not fit in 32 bits',
    expect: (way) => {
      const narrow = (isHere(way) && way.kind !== 'inline') || way.protocol === 'grpc' || way.protocol === 'websocket' || way.protocol === 'nats'
      return `granularity: ${narrow || way.kind === 'graphql' ? FAILED : '4294967296'}; weight: ${narrow ? FAILED : '1e+300'}`
    },
    async see(way) {
      await using it = await way.open([{ name: 'actor', uses: ({ docs }: Call) => void ((docs[0] as any)[docs[0]!.text] = Number(docs[0]!.tags.n)) }])
      const seen = async (field: string, n: string): Promise<string> =>
        `${field}: ${await alone(it, { text: field, tags: { n } }, { continueOnError: true }, ({ docs }) => String(docs[0][field]))}`
      return `${await seen('granularity', '4294967296')}; ${await seen('weight', '1e300')}`
    },
  },
  {
    name: 'an endpoint that nobody has: documents come back as they are',
    // A Flow knows its own, and says so at the call.
    expect: (way) => (isHere(way) ? 'OptionRangeError ERR_OPTION_RANGE' : 'x'),
    async see(way) {
      class Known extends Executor {
        known({ docs }: Call) {
          for (const doc of docs) doc.text = 'known'
        }
        static requests = { '/known': 'known' } as const
      }
      await using it = await way.open([{ name: 'actor', uses: Known }])
      try {
        return await each(it.post('/nobody', ['x'], { requestSize: 1 }), ({ docs }) => docs.texts.join())
      } catch (error) {
        return outcome(error)
      }
    },
  },
  {
    name: 'parameters that an executor does not take: nobody calls it, and nothing asks it again',
    expect:
      'among others: ExecutorError ERR_EXECUTOR_INPUT of actor, ExecutorError ERR_EXECUTOR_INPUT of actor; alone: ExecutorError ERR_EXECUTOR_INPUT of actor; after: 7; calls: 1',
    async see(way) {
      let calls = 0
      const uses = ({ docs, parameters }: Call) => {
        calls++
        for (const doc of docs) doc.text = String(parameters.n)
      }
      await using it = await way.open([{ name: 'actor', uses, retries: { attempts: 3, delay: 1 }, input: { parameters: z.object({ n: z.coerce.number() }) } }])
      const among = await each(it.post('/', ['a', 'b'], { requestSize: 1, continueOnError: true, parameters: { n: 'x' } }))
      const one = await alone(it, 'c', { parameters: {} })
      return `among others: ${among}; alone: ${one}; after: ${await alone(it, 'd', { parameters: { n: '7' } }, ({ docs }) => docs.texts.join())}; calls: ${calls}`
    },
  },
  {
    name: 'documents that an executor does not take leave alone, and what its schema adds comes back',
    expect: 'b EUR',
    async see(way) {
      const input = { text: z.string().max(2), tags: z.object({ currency: z.string().default('EUR') }) }
      await using it = await way.open([{ name: 'actor', uses: () => {}, input }])
      return await each(it.post('/', ['abc', 'b'], { continueOnError: true }), ({ docs }) => docs.map(({ text, tags }) => `${text} ${tags.currency}`).join())
    },
  },
  {
    name: 'an option that there is not',
    expect: (way) => (way.kind === 'graphql' ? cannot('mutate() and subscribe() have options of their own') : 'OptionTypeError ERR_OPTION_TYPE'),
    async see(way) {
      await using it = await way.open([{ name: 'actor' }])
      try {
        for await (const _ of it.post('/', ['x'], { requestsize: 1 } as any)) return 'answered'
        return 'empty'
      } catch (error) {
        return outcome(error)
      }
    },
  },
  {
    name: 'a target that is no pattern',
    expect: (way) => `${way.kind === 'graphql' ? 'ConnectionError ERR_REFUSED' : 'OptionRangeError ERR_OPTION_RANGE'}; after: answered`,
    async see(way) {
      await using it = await way.open([{ name: 'actor' }])
      return `${await alone(it, 'x', { targetExecutor: '(' })}; after: ${await alone(it, 'good')}`
    },
  },
  {
    name: 'busy: more requests than are let in and may wait',
    expect: (way) =>
      isHere(way)
        ? ONE_PROCESS
        : way.kind === 'fetch'
          ? cannot('createHttp() has no bound of its own')
          : `refused: ${connection(way, 'ERR_UNREACHABLE')}; inside: answered ×17; after: answered`,
    async see(way) {
      const { step, door, called } = held()
      await using it = await way.open([step], { gateway: { maxInFlight: 1 } })
      const inside = [alone(it, 'held')]
      await called
      // As many wait as may: one after the other, so that they are there.
      const waiting = Array.from({ length: 17 }, () => alone(it, 'held'))
      const refused = await Promise.race(waiting)
      door.resolve()
      const seen = (await Promise.all([...inside, ...waiting])).filter((one) => one === 'answered').length
      return `refused: ${refused}; inside: answered ×${seen}; after: ${await alone(it, 'good')}`
    },
  },
  {
    name: 'late: the timeout of this end',
    expect: (way) =>
      isHere(way)
        ? ONE_PROCESS
        : `alone: ${way.kind === 'external' ? 'ExecutorError ERR_EXECUTOR_TIMEOUT of actor' : 'ConnectionError ERR_TIMEOUT'}; its executor is told; after: answered`,
    async see(way) {
      const { step, called } = held()
      await using it = await way.open([step], { client: { timeout: 800 } })
      await alone(it, 'good')
      const late = await alone(it)
      const signal = await called
      if (!signal.aborted) await once(signal, 'abort')
      return `alone: ${late}; its executor is told; after: ${await alone(it, 'good')}`
    },
  },
  {
    name: 'late: the timeout of the gateway',
    expect: (way) =>
      isHere(way)
        ? ONE_PROCESS
        : `among others: answered, ${way.kind === 'external' || way.kind === 'graphql' ? `${connection(way, 'ERR_TIMEOUT')}, answered` : `the post ends with ${connection(way, 'ERR_TIMEOUT')}`}; alone: ${connection(way, 'ERR_TIMEOUT')}; after: answered`,
    see: (way) =>
      beside(
        way,
        [
          {
            name: 'actor',
            uses: (call: Call) => (bad(call) ? new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve())) : undefined),
          },
        ],
        { gateway: { timeout: 800 } },
      ),
  },
  {
    name: 'late: the timeout of an executor',
    expect: failing('ExecutorError ERR_EXECUTOR_TIMEOUT of actor'),
    see: (way) =>
      beside(way, [
        {
          name: 'actor',
          timeout: 800,
          uses: (call: Call) => (bad(call) ? new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve())) : undefined),
        },
      ]),
  },
  {
    name: 'gone: the other end dies half-way; what was answered is delivered',
    // A gateway says so before it hangs up; what serves createHttp() only hangs up.
    expect: (way) =>
      isHere(way) ? ONE_PROCESS : `answered, the post ends with ${connection(way, way.kind === 'fetch' ? 'ERR_DISCONNECTED' : 'ERR_UNREACHABLE')}`,
    async see(way) {
      const { step, called } = held()
      await using it = await way.open([step])
      const seen = each(it.post('/', ['good', 'held'], { requestSize: 1 }))
      await called
      // The first is here before the other end dies: it was sent first, and answered at once.
      await new Promise((resolve) => setTimeout(resolve, 100))
      await it.far!.die()
      return await seen
    },
  },
  {
    name: 'a port that is taken',
    expect: (way) =>
      way.protocol !== 'nats' && (way.kind === 'client' || way.kind === 'graphql')
        ? 'Gateway: ConnectionError ERR_REFUSED; Flow: ConnectionError ERR_REFUSED'
        : cannot('this way does not listen'),
    async see(way) {
      const taken = createServer().listen(0, '127.0.0.1')
      await once(taken, 'listening')
      const { port } = taken.address() as { port: number }
      const options = { protocol: way.protocol!, port, graphql: way.kind === 'graphql' }
      await using flow = await new Flow().add({ name: 'actor' }).open()
      const gateway = await Gateway.serve(flow, options).then(() => 'listens', outcome)
      const served = new Flow(options).add({ name: 'actor' })
      const opened = await served.open().then(() => 'listens', outcome)
      await served.close()
      taken.close()
      return `Gateway: ${gateway}; Flow: ${opened}`
    },
  },
]
