// One story, told on every way in: what post() promises when all goes well.
import { isDeepStrictEqual } from 'node:util'
import { type Call, Document } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import { within } from '../support/within.js'
import { cannot } from './cannot.js'
import type { Row } from './contract.js'
import { type Answer, isHere, outcome, type Step, type Way } from './way.js'

const LIST = 'documents are sent as one list'
const say = (value: unknown): string => JSON.stringify(value)

/** Does what the text of its first document says. */
const shout: Step = {
  name: 'actor',
  uses: ({ docs, parameters }: Call) => {
    for (const doc of docs) doc.text = `${doc.text.toUpperCase()}${parameters.mark ?? ''}`
    return { count: docs.length }
  },
}
const second: Step = { name: 'second', uses: () => {} }

/** A step that tells its name under the documents that it saw, and with which parameters. */
const witness = (name: string, more: Partial<Step> = {}): Step => ({
  ...more,
  name,
  uses: ({ docs, parameters }: Call) => {
    const { top, mode } = parameters
    for (const doc of docs) doc.tags[name] = { top, mode }
  },
})

async function all(answers: AsyncIterable<Answer>): Promise<Answer[]> {
  const found: Answer[] = []
  for await (const answer of answers) found.push(answer)
  return found
}

const tokens = (name: string, pieces: number, more: Partial<Step> = {}): Step => ({
  ...more,
  name,
  uses: async function* ({ docs }: Call) {
    for (const doc of docs)
      for (let piece = 0; piece < pieces; piece++) {
        doc.text += `${name}${piece} `
        yield doc
      }
  },
})

/** Pieces come in the order in which each was made, the whole comes last, and all of them come. */
async function pieces(way: Way, steps: readonly Step[]): Promise<string> {
  await using it = await way.open(steps)
  const found = await all(it.post('/tokens', [{ id: 'x', text: '' }]))
  const parts = found.filter(({ partial }) => partial)
  const numbered = new Set(parts.map(({ ordinal }) => ordinal)).size === parts.length
  const counts: Record<string, number> = {}
  let inOrder = true
  for (const { docs } of parts) {
    const [, name = '', piece = ''] = /([a-z]+)(\d+) $/.exec(docs.texts.at(-1)!) ?? []
    if (Number(piece) !== (counts[name] ?? 0)) inOrder = false
    counts[name] = Number(piece) + 1
  }
  const wholes = found.filter(({ partial }) => !partial).map(({ docs }) => docs.texts.map((text) => text.trim().split(' ').length))
  return say({ parts: Object.fromEntries(Object.entries(counts).sort()), inOrder, numbered, wholes: wholes.length === 1 ? wholes : wholes.length })
}

/** Whether an executor that waits hears that nobody wants its answer any more. */
async function told(way: Way, leave: (it: AsyncIterable<Answer>, called: Promise<unknown>, controller: AbortController) => Promise<unknown>): Promise<string> {
  const called = deferred<void>()
  const heard = deferred<void>()
  const wait: Step = {
    name: 'actor',
    uses: ({ docs, signal }: Call) => {
      if (docs[0]?.text !== 'wait') return
      signal.addEventListener('abort', () => heard.resolve())
      called.resolve()
      return heard.promise
    },
  }
  await using it = await way.open([wait])
  const controller = new AbortController()
  const options = { requestSize: 1, signal: controller.signal, continueOnError: true }
  const left = await leave(it.post('/', ['go', 'wait'], options), called.promise, controller)
  await heard.promise
  const [after] = await all(it.post('/', ['still there']))
  return say({ left, after: after?.docs.texts })
}

export const STORY: readonly Row[] = [
  {
    name: 'story: a stream comes back in the order of its inputs',
    expect: say({ responses: 10, texts: true, sizes: true }),
    async see(way) {
      await using it = await way.open([shout, second])
      async function* inputs() {
        for (let i = 0; i < 100; i++) yield { text: `text ${i}`, tags: { i } }
      }
      const found = await all(it.post('/', inputs, { requestSize: 10, resultsInOrder: true }))
      const texts = found.flatMap(({ docs }) => docs.texts)
      return say({ responses: found.length, texts: texts.every((text, i) => text === `TEXT ${i}`), sizes: found.every(({ docs }) => docs.length === 10) })
    },
  },
  {
    name: 'story: callbacks are called for each response, in order',
    expect: (way) => (way.kind === 'graphql' ? cannot('subscriptions have no callbacks') : say(['a', 'b', 'c', 'd'])),
    async see(way) {
      await using it = await way.open([second])
      const done: string[] = []
      await all(it.post('/', ['a', 'b', 'c', 'd'], { requestSize: 1, resultsInOrder: true, onDone: ({ docs }) => void done.push(...docs.texts) }))
      return say(done)
    },
  },
  {
    name: 'story: as completed, nobody waits for a slow one before it',
    expect: say(['quick', 'slow']),
    async see(way) {
      const door = deferred<void>()
      const slow: Step = { name: 'actor', uses: ({ docs }: Call) => (docs[0]!.text === 'slow' ? door.promise : undefined) }
      await using it = await way.open([slow])
      const found: string[] = []
      for await (const { docs } of it.post('/', ['slow', 'quick'], { requestSize: 1 })) {
        found.push(...docs.texts)
        door.resolve()
      }
      return say(found)
    },
  },
  {
    name: 'story, 20, 171: a source that waits for the answer to what it gave gets it, by default',
    expect: (way) => (way.kind === 'graphql' ? cannot(LIST) : say(['A', 'B', 'C'])),
    async see(way) {
      await using it = await way.open([shout])
      let door = deferred<void>()
      async function* inputs() {
        for (const text of ['a', 'b', 'c']) {
          yield text
          await door.promise
          door = deferred<void>()
        }
      }
      const found: string[] = []
      for await (const { docs } of it.post('/', inputs)) {
        found.push(...docs.texts)
        door.resolve()
      }
      return say(found)
    },
  },
  {
    name: 'story: never more than prefetch requests are under way, at either end',
    expect: (way) => (way.kind === 'graphql' ? cannot(LIST) : say({ received: 200, near: true, far: true })),
    async see(way) {
      let inside = 0
      let most = 0
      const count: Step = {
        name: 'actor',
        uses: async () => {
          most = Math.max(most, ++inside)
          await new Promise((resolve) => setImmediate(resolve))
          inside--
        },
      }
      await using it = await way.open([count])
      let taken = 0
      let received = 0
      let ahead = 0
      function* inputs() {
        for (let i = 0; i < 200; i++) {
          ahead = Math.max(ahead, ++taken - received)
          yield 'x'
        }
      }
      for await (const _ of it.post('/', inputs, { requestSize: 1, prefetch: 4 })) received++
      return say({ received, near: ahead <= 4, far: most <= 4 })
    },
  },
  {
    name: 'story: partial answers of one generator stream through, the whole comes last',
    expect: say({ parts: { a: 40 }, inOrder: true, numbered: true, wholes: [[40]] }),
    see: (way) => pieces(way, [tokens('a', 40)]),
  },
  {
    name: 'story: partial answers of one generator are its documents, piece by piece',
    expect: say([
      [true, 0, ['xa']],
      [true, 1, ['xab']],
      [true, 2, ['ya']],
      [true, 3, ['yab']],
      [false, 4, ['xab', 'yab']],
    ]),
    async see(way) {
      const letters: Step = {
        name: 'actor',
        uses: async function* ({ docs }: Call) {
          for (const doc of docs)
            for (const letter of ['a', 'b']) {
              doc.text += letter
              yield doc
            }
        },
      }
      await using it = await way.open([letters])
      return say((await all(it.post('/tokens', ['x', 'y']))).map(({ partial, ordinal, docs }) => [partial, ordinal, docs.texts]))
    },
  },
  {
    name: 'story: partial answers of two branches stream through, more than any window has room for',
    expect: say({ parts: { a: 40, b: 40 }, inOrder: true, numbered: true, wholes: [[40, 40]] }),
    see: (way) => pieces(way, [tokens('a', 40, { needs: 'gateway' }), tokens('b', 40, { needs: 'gateway' }), { name: 'both', needs: ['a', 'b'] }]),
  },
  {
    name: 'story: partial answers of shards under ALL stream through, more than any window has room for',
    expect: say({ parts: 80, wholes: 1 }),
    async see(way) {
      await using it = await way.open([
        {
          name: 'shards',
          parallel: 2,
          polling: 'ALL',
          uses: async function* ({ docs }: Call) {
            for (let i = 0; i < 40; i++) yield docs[0]!
          },
        },
      ])
      const found = await all(it.post('/tokens', [{ id: 'x', text: '' }]))
      return say({ parts: found.filter(({ partial }) => partial).length, wholes: found.filter(({ partial }) => !partial).length })
    },
  },
  {
    name: 'story: parameters reach all, those of one executor reach that one, and all come back',
    expect: say({
      seen: { one: { top: 9, mode: 'm' }, two: { top: 5, mode: 'x' } },
      back: { top: 5, one: { top: 9 }, two__mode: 'x', mode: 'm', other: [1, null, { deep: true }] },
      stops: ['one', 'two'],
    }),
    async see(way) {
      await using it = await way.open([witness('one'), witness('two')])
      const parameters = { top: 5, one: { top: 9 }, two__mode: 'x', mode: 'm', other: [1, null, { deep: true }] }
      const [answer] = await all(it.post('/', ['a'], { requestSize: 1, parameters }))
      const { __results__, ...back } = answer!.parameters
      return say({ seen: answer!.docs[0].tags, back, stops: [...new Set(answer!.routes.map(({ executor }) => executor))].filter((name) => name !== 'gateway') })
    },
  },
  {
    name: 'story: what executors return comes back under their names',
    expect: say({ actor: { count: 2 } }),
    async see(way) {
      await using it = await way.open([shout, second])
      const [answer] = await all(it.post('/', ['a', 'b'], { requestSize: 2 }))
      return say(answer!.parameters.__results__)
    },
  },
  {
    name: 'story: it is ready, and routes say when who was asked',
    expect: say({ ready: true, stops: ['actor', 'second'], times: true }),
    async see(way) {
      await using it = await way.open([shout, second])
      const [{ routes }] = (await all(it.post('/', ['a'], { requestSize: 1 }))) as [Answer]
      const own = routes.filter(({ executor }) => executor !== 'gateway') as any[]
      const times = own.every(({ startTime, endTime }) => new Date(startTime).getTime() <= new Date(endTime).getTime())
      return say({ ready: await it.isReady(), stops: [...new Set(own.map(({ executor }) => executor))], times })
    },
  },
  {
    name: 'story: a post without documents is one request',
    expect: say(1),
    async see(way) {
      await using it = await way.open([shout])
      return say((await all(it.post('/'))).length)
    },
  },
  {
    name: 'story: a target names those who are asked, from the start of their names',
    expect: say({ one: ['one'], two: ['two'], 't.*': ['two', 'three'], nobody: [], wo: [] }),
    async see(way) {
      await using it = await way.open([witness('one'), witness('two'), witness('three')])
      const asked: Record<string, string[]> = {}
      for (const targetExecutor of ['one', 'two', 't.*', 'nobody', 'wo']) {
        const [answer] = await all(it.post('/', ['a'], { requestSize: 1, targetExecutor }))
        asked[targetExecutor] = Object.keys(answer!.docs[0].tags)
      }
      return say(asked)
    },
  },
  {
    name: 'story: documents of every kind come back as they are',
    expect: say(true),
    async see(way) {
      await using it = await way.open([second])
      const given = new Document({
        id: 'one',
        text: 'grüße 🌊',
        embedding: { data: Float32Array.of(1.5, -2, 3.25, 0), shape: [2, 2] },
        tags: { text: 'x', number: 1.5, yes: true, none: null, list: [1, 'a', { b: false }], deep: { er: {} } },
        uri: 'file:///x',
        mimeType: 'text/plain',
        weight: 0.5,
        parentId: 'p',
        granularity: 1,
        adjacency: 2,
        modality: 'm',
        offset: 0.25,
        location: [1, 2],
        scores: { cos: { value: 0.25, opName: 'cosine', description: 'd', refId: 'r' } },
        chunks: [{ id: 'c', blob: Uint8Array.of(0, 1, 255), chunks: [{ id: 'cc', tensor: Float64Array.of(1, 2) }] }],
        matches: [{ id: 'm', text: 'match', matches: [{ id: 'mm', parentId: 'deep' }] }],
      })
      const plain = (document: unknown): unknown => JSON.parse(JSON.stringify(document))
      const [answer] = await all(it.post('/', [given.clone()]))
      return isDeepStrictEqual(plain(answer!.docs[0]), plain(given)) ? say(true) : say(answer!.docs[0])
    },
  },
  {
    name: 'story: typed arrays in tags are lists, on their way there',
    expect: (way) =>
      way.kind === 'graphql'
        ? cannot('who asks writes JSON')
        : isHere(way)
          ? cannot('nothing is written in one process')
          : say({ vector: [1, 0.5], deep: [{ bytes: [7] }, 'x'], none: [] }),
    async see(way) {
      await using it = await way.open([second])
      const tags = { vector: Float32Array.of(1, 0.5), deep: [{ bytes: Uint8Array.of(7) }, 'x'], none: Float64Array.of() }
      const [answer] = await all(it.post('/', [{ tags }]))
      return say(answer!.docs[0].tags)
    },
  },
  {
    name: 'story: typed arrays in tags are lists, on their way back',
    expect: (way) => (way.kind === 'inline' ? cannot('nothing is written in one process') : say({ vector: [1, 0.5], bytes: [7], large: [1] })),
    async see(way) {
      const tags = { vector: Float32Array.of(1, 0.5), bytes: Uint8Array.of(7), large: BigInt64Array.of(1n) }
      const left: Step = { name: 'actor', uses: ({ docs }: Call) => void (docs[0]!.tags = tags) }
      await using it = await way.open([left])
      const [answer] = await all(it.post('/', ['x']))
      return say(answer!.docs[0].tags)
    },
  },
  {
    name: 'story: large documents',
    expect: say([true, 7]),
    async see(way) {
      await using it = await way.open([second])
      // GraphQL takes 4 MiB by default.
      const size = way.kind === 'graphql' ? 2_000_000 : 5_000_000
      const [answer] = await all(it.post('/', [{ blob: new Uint8Array(size).fill(7) }]))
      const { blob } = answer!.docs[0]
      return say([blob.length === size, blob[size - 1]])
    },
  },
  {
    name: 'story: posts at the same time get their own documents',
    expect: say(true),
    async see(way) {
      await using it = await way.open([shout])
      const own = Array.from({ length: 20 }, async (_, at) => {
        const given = Array.from({ length: 20 }, (_, i) => `${at}-${i}`)
        const texts = (await all(it.post('/', given, { requestSize: 3 }))).flatMap(({ docs }) => docs.texts)
        return say(texts.sort()) === say(given.sort())
      })
      return say((await Promise.all(own)).every(Boolean))
    },
  },
  {
    name: 'story: documents are of one class, read or not, in forks, joins and answers, and others can be made by it',
    expect: say({ seen: 'Document', made: ['a!', 'b!'] }),
    async see(way) {
      const seen = new Set<string>()
      const look = ({ docs }: Call) => {
        for (const doc of docs) {
          const Class = doc.constructor as typeof Document
          seen.add(new Class({ id: doc.id, text: 'made' }).text === 'made' && Class.from('x').text === 'x' ? Class.name : 'broken')
          if (Class !== Document || Object.getPrototypeOf(doc.clone()).constructor !== Document) seen.add('another')
          for (const part of [...doc.chunks, ...doc.matches]) if (part.constructor !== Document) seen.add('another')
        }
      }
      const anew: Step = {
        name: 'joiner',
        needs: ['left', 'right'],
        uses: ({ docs }: Call) => docs.map((doc) => new (doc.constructor as typeof Document)({ id: doc.id, text: `${doc.text}!` })),
      }
      await using it = await way.open([
        { name: 'left', needs: 'gateway', uses: look },
        { name: 'right', needs: 'gateway', uses: look, shards: 2, polling: 'ALL' },
        anew,
      ])
      const [answer] = await all(
        it.post('/', [
          { id: 'a', text: 'a', chunks: [{ text: 'c' }] },
          { id: 'b', text: 'b' },
        ]),
      )
      for (const doc of answer!.docs) if (doc.constructor !== Document) seen.add('another')
      return say({ seen: [...seen].join(), made: [...new Set(answer!.docs.texts)].sort() })
    },
  },
  {
    name: 'story: a break stops the executor',
    expect: say({ left: 'break', after: ['still there'] }),
    see: (way) =>
      told(way, async (it, called) => {
        for await (const _ of it) {
          await called
          break
        }
        return 'break'
      }),
  },
  {
    name: 'story: an abort stops the executor, with its reason',
    expect: say({ left: 'enough', after: ['still there'] }),
    see: (way) =>
      told(way, async (it, called, controller) => {
        const ended = all(it).then(
          () => 'ended',
          (error) => error,
        )
        await called
        controller.abort('enough')
        return ended
      }),
  },
  {
    name: 'story: who leaves ends a generator that waits for nothing',
    expect: say(['still there']),
    async see(way) {
      const ended = deferred<void>()
      const forever: Step = {
        name: 'actor',
        uses: async function* ({ docs }: Call) {
          if (docs[0]?.text === 'still there') return void (yield docs[0])
          try {
            for (;;) yield docs[0]!
          } finally {
            ended.resolve()
          }
        },
      }
      await using it = await way.open([forever])
      let count = 0
      for await (const _ of it.post('/tokens', ['x'])) if (++count === 50) break
      await ended.promise
      return say((await all(it.post('/tokens', ['still there']))).at(-1)!.docs.texts)
    },
  },
  {
    name: 'story: this end is closed: what is under way fails, and stops its executor',
    expect: (way) =>
      isHere(way) || way.kind === 'external'
        ? say({ under: 'answered', texts: ['wait'], after: 'FlowStateError ERR_FLOW_NOT_OPEN' })
        : say({ under: 'ConnectionError ERR_DISCONNECTED', texts: [], after: 'ConnectionError ERR_DISCONNECTED' }),
    async see(way) {
      const called = deferred<void>()
      const door = deferred<void>()
      const heard = deferred<void>()
      const wait: Step = {
        name: 'actor',
        uses: ({ docs, signal }: Call) => {
          if (docs[0]?.text !== 'wait') return
          signal.addEventListener('abort', () => heard.resolve())
          called.resolve()
          return Promise.race([door.promise, heard.promise])
        },
      }
      await using it = await way.open([wait])
      const texts: string[] = []
      const under = (async () => {
        for await (const answer of it.post('/', ['wait'])) texts.push(...answer.docs.texts)
      })().then(outcome, outcome)
      await called.promise
      const closing = it.close()
      // A Flow lets finish what is inside.
      if (isHere(way) || way.kind === 'external') door.resolve()
      else await heard.promise
      const end = await under
      await closing
      const after = await Promise.resolve()
        .then(() => all(it.post('/', ['go'])))
        .then(() => 'answered', outcome)
      return say({ under: end, texts, after })
    },
  },
  {
    name: 'story: the other end closes: what is under way is answered, then it is not ready and nobody there',
    expect: (way) =>
      isHere(way)
        ? cannot('there is one end')
        : say({
            under: ['wait'],
            ready: way.kind === 'external',
            after: way.kind === 'external' ? 'ExecutorError ERR_EXECUTOR of actor (ERR_UNREACHABLE)' : 'ConnectionError ERR_UNREACHABLE',
          }),
    async see(way) {
      const called = deferred<void>()
      const door = deferred<void>()
      const wait: Step = {
        name: 'actor',
        uses: ({ docs }: Call) => {
          if (docs[0]?.text !== 'wait') return
          called.resolve()
          return door.promise
        },
      }
      await using it = await way.open([wait])
      const under = all(it.post('/', ['wait']))
      await called.promise
      const closing = it.far!.drain()
      door.resolve()
      const texts = (await under).flatMap(({ docs }) => docs.texts)
      await within(15_000, closing)
      const ready = await it.isReady()
      const after = await all(it.post('/', ['go'])).then(() => 'answered', outcome)
      return say({ under: texts, ready, after })
    },
  },
]
