// Documents that fail while the others of their request go on: who is blamed, how often it was tried, and that the good ones are there, once each.
import { type Call, each, type PostOptions } from '../../lib/index.js'
import { cannot } from './cannot.js'
import type { Row } from './contract.js'
import { type Answer, type Opened, outcome, type Step, type Way } from './way.js'

const ON: PostOptions = { continueOnError: true }
const ONE = 'ExecutorError ERR_EXECUTOR of actor'
const isBad = (text: string): boolean => text.startsWith('bad')

/** Fails the bad ones, and marks the good ones. */
const picky = (name: string, more: Partial<Step> = {}): Step => ({
  ...more,
  name,
  uses: each((doc) => {
    if (isBad(doc.text)) throw new TypeError(`not ${doc.text}`)
    doc.tags[name] = true
  }),
})

/** As `picky`, by hand, with something that is done to the bad one first. */
const failing = (bad: (call: Call, at: number) => unknown): Step => ({
  name: 'actor',
  uses: (call: Call) => call.docs.forEach((doc, at) => void (isBad(doc.text) && call.fail(doc, bad(call, at)))),
})

/** One answer: the texts of its documents, and who failed at what, by the executor that the failure names and that its error does. */
function told({ docs, failures, error }: Pick<Answer, 'failures' | 'error'> & { docs: { readonly texts: readonly string[] } }): string {
  const failed = failures.map(({ doc, executor, error, attempts }) => {
    const why = outcome(error)
    return `${doc.text} at ${why}${why.endsWith(` of ${executor}`) ? '' : `, not ${executor}`}${attempts === 1 ? '' : `, tries: ${attempts}`}`
  })
  return [docs.texts.join(), ...failed.map((one) => `failed: ${one}`), ...(error === undefined ? [] : [outcome(error)])].join('; ')
}

/** Each answer, or what ended the post. */
async function seen(it: Opened, inputs: readonly any[], options: PostOptions = ON, show: (answer: Answer) => string = told): Promise<string> {
  const all: string[] = []
  try {
    for await (const answer of it.post('/', inputs, options)) if (!answer.partial) all.push(show(answer))
  } catch (error) {
    all.push(`the post ends with ${outcome(error)}`)
  }
  return all.join(' | ')
}

const MIXED = ['a', 'bad', 'c']

/** One request with a bad document among good ones. */
const row = (name: string, steps: readonly Step[], expect: Row['expect'], { inputs = MIXED, show = told as (answer: Answer) => string } = {}): Row => ({
  name: `failures: ${name}`,
  expect,
  async see(way) {
    await using it = await way.open(steps)
    return `${await seen(it, inputs, ON, show)}; after: ${await seen(it, ['fine'])}`
  },
})

const GONE = `a,c; failed: bad at ${ONE}; after: fine`
const tagged = (answer: Answer): string => `${told(answer)}; marked by ${[...answer.docs].map(({ tags }) => Object.keys(tags).sort().join('+')).join()}`

const NO_WIRE = cannot('nothing is written in one process')
const overWires =
  (expected: string): Row['expect'] =>
  (way: Way) =>
    way.kind === 'inline' ? NO_WIRE : expected

export const FAILURE_ROWS: readonly Row[] = [
  row('one among good ones leaves, and the others go on', [picky('actor')], GONE),
  row('one that an executor names by call.fail()', [failing(() => new RangeError('not this'))], GONE),
  {
    name: 'failures: without continueOnError, the first ends the post, behind what came before it',
    // A subscription has no end of that kind, and a mutation is one request.
    expect: (way) => (way.kind === 'graphql' ? `a,b | c; failed: bad at ${ONE} | d,e; after: fine` : `a,b | the post ends with ${ONE}; after: fine`),
    async see(way) {
      await using it = await way.open([picky('actor')])
      const options = { requestSize: 2, resultsInOrder: true }
      return `${await seen(it, ['a', 'b', 'bad', 'c', 'd', 'e'], options)}; after: ${await seen(it, ['fine'])}`
    },
  },
  {
    name: 'failures: onFailure is called for each, before onDone of its response, and ends nothing',
    expect: (way) => (way.kind === 'graphql' ? cannot('GraphQL has no callbacks') : 'bad of a,c; done; bad too of ; done: a,c | '),
    async see(way) {
      await using it = await way.open([picky('actor')])
      const heard: string[] = []
      const options: PostOptions = {
        requestSize: 3,
        resultsInOrder: true,
        onFailure: ({ doc }, { docs }) => void heard.push(`${doc.text} of ${docs.texts.join()}`),
        onDone: () => void heard.push('done'),
      }
      const answers = await seen(it, [...MIXED, 'bad too'], options, ({ docs }) => docs.texts.join())
      return `${heard.join('; ')}: ${answers}`
    },
  },
  {
    name: 'failures: each is tried by itself, and nobody buys a good one again for a bad neighbour',
    expect: `a,c; failed: bad at ${ONE}, tries: 3; calls: a,bad,bad,bad,c`,
    async see(way) {
      const calls: string[] = []
      const tried: Step = {
        name: 'actor',
        uses: each(
          (doc) => {
            calls.push(doc.text)
            if (isBad(doc.text)) throw new Error('not this')
          },
          { retries: 2, delay: 0 },
        ),
      }
      await using it = await way.open([tried])
      return `${await seen(it, MIXED)}; calls: ${calls.sort().join()}`
    },
  },
  {
    name: 'failures: an executor behind is handed what is left, and of a request that failed whole nothing',
    expect: `a,c; failed: bad at ${ONE} | ; failed: bad too at ${ONE}; failed: bad three at ${ONE}; behind: a,c`,
    async see(way) {
      const handed: string[] = []
      await using it = await way.open([picky('actor'), { name: 'behind', uses: ({ docs }: Call) => void handed.push(docs.texts.join()) }])
      const inOrder = await seen(it, MIXED)
      return `${inOrder} | ${await seen(it, ['bad too', 'bad three'])}; behind: ${handed.join(' | ')}`
    },
  },
  row(
    'two branches fail the same document: both say so, and the good ones are united',
    [picky('left', { needs: 'gateway' }), picky('right', { needs: 'gateway' }), { name: 'both', needs: ['left', 'right'], join: 'merge' }],
    'a,c; failed: bad at ExecutorError ERR_EXECUTOR of left; failed: bad at ExecutorError ERR_EXECUTOR of right; marked by left+right,left+right; after: fine',
    { show: tagged },
  ),
  row(
    'one branch fails it, and the other has it',
    [picky('left', { needs: 'gateway' }), { name: 'right', needs: 'gateway' }, { name: 'both', needs: ['left', 'right'], join: 'merge' }],
    'a,bad,c; failed: bad at ExecutorError ERR_EXECUTOR of left; after: fine',
    { show: ({ docs, failures, error }) => told({ docs: { texts: [...docs.texts].sort() }, failures, error }) },
  ),
  row(
    'what failed before a fork is told once behind it',
    [picky('actor'), { name: 'left', needs: 'actor' }, { name: 'right', needs: 'actor' }, { name: 'both', needs: ['left', 'right'], join: 'merge' }],
    GONE,
  ),
  row('in two executors one after the other, each its own', [failing(() => new Error('one')), picky('second')], `a,c; failed: bad at ${ONE}; after: fine`),
  {
    name: 'failures: in a batch, each goes to the request that its document came with',
    expect: `a; failed: bad one at ${ONE} | c; failed: bad two at ${ONE}`,
    async see(way) {
      await using it = await way.open([{ ...picky('actor'), dynamicBatching: { preferredBatchSize: 4, timeout: 5000 } }])
      return (await Promise.all([seen(it, ['a', 'bad one']), seen(it, ['bad two', 'c'])])).join(' | ')
    },
  },
  {
    name: 'failures: among replicas that are all asked, one that failed in each is told, and no good one is lost',
    expect: `a,c; failed: bad at ${ONE}; failed: bad at ${ONE}`,
    async see(way) {
      await using it = await way.open([{ ...picky('actor'), parallel: 2, polling: 'ALL' }])
      return await seen(it, MIXED)
    },
  },
  row(
    'one that cannot be written is told with its id and its text alone, and fails no neighbour',
    [
      failing(({ docs }, at) => {
        docs[at]!.tags.n = 5n
        return new Error('not this')
      }),
    ],
    overWires(`a,c; failed: bad at ${ONE}; tags: ; after: fine`),
    { show: (answer) => `${told(answer)}; tags: ${Object.keys(answer.failures[0]!.doc.tags).join()}` },
  ),
  row(
    'what throws when it is looked at is told all the same',
    [failing(() => new Proxy({}, { get: fall, getPrototypeOf: fall, has: fall, ownKeys: fall }))],
    GONE,
  ),
  row(
    'a text, or nothing, instead of an Error',
    [failing((_, at) => (at === 1 ? 'no' : undefined))],
    `c; failed: bad at ${ONE}; failed: bad too at ${ONE}; after: fine`,
    {
      inputs: ['bad', 'bad too', 'c'],
    },
  ),
  {
    name: 'failures: beside requests that fail as a whole, each kind in its own place',
    expect: `a,c; failed: bad at ${ONE} | broken,d,d; ${ONE} | e`,
    async see(way) {
      const both: Step = {
        name: 'actor',
        uses: (call: Call) => {
          if (call.docs[0]!.text === 'broken') throw new Error('all of it')
          for (const doc of call.docs) if (isBad(doc.text)) call.fail(doc, new Error('not this'))
        },
      }
      await using it = await way.open([both])
      return await seen(it, [...MIXED, 'broken', 'd', 'd', 'e'], { ...ON, requestSize: 3, resultsInOrder: true })
    },
  },
  {
    name: 'failures: of a generator, which names one and hands on pieces of the others',
    expect: `a,c; failed: bad at ${ONE}`,
    async see(way) {
      const streaming: Step = {
        name: 'actor',
        async *uses(call: Call) {
          for (const doc of call.docs) {
            if (isBad(doc.text)) call.fail(doc, new Error('not this'))
            else yield doc
          }
        },
      }
      await using it = await way.open([streaming])
      const all: string[] = []
      for await (const answer of it.post('/tokens', MIXED, ON)) if (!answer.partial) all.push(told(answer))
      return all.join(' | ')
    },
  },
]

function fall(): never {
  throw new Error('do not look')
}
