// What grows piece by piece: who asks sees what was appended, and the whole, on every way in.
import { type Call, delta, each } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import type { Row } from './contract.js'
import { type Answer, outcome, type Step, type Way } from './way.js'

const say = (value: unknown): string => JSON.stringify(value)

const actor = (uses: (call: Call<any, any>) => AsyncIterable<any>, more: Partial<Step> = {}): Step => ({ ...more, name: 'actor', uses: uses as any })

const letters = ['a', 'b', 'c']

/** Says its letters to each of its documents, in turns. */
async function* spell({ docs }: Call<any, any>) {
  for (const letter of letters) for (const doc of docs) yield delta(doc, { text: letter })
}

/** What is seen of each answer: whether it is partial, what was appended to which document, and the documents. */
const seen = ({ partial, delta, docs }: Answer): unknown =>
  delta === undefined ? [partial, [...docs.texts]] : [partial, delta.map(({ at, text }) => `${at}${text}`).join(' '), [...docs.texts]]

async function all(way: Way, steps: readonly Step[], inputs: any = [{ id: 'x', text: '' }], options = {}): Promise<Answer[]> {
  await using it = await way.open(steps)
  const found: Answer[] = []
  for await (const answer of it.post('/tokens', inputs, options)) found.push(answer)
  return found
}

/** What becomes of a post, and what was seen before. */
async function until(way: Way, steps: readonly Step[]): Promise<string> {
  await using it = await way.open(steps)
  const found: unknown[] = []
  try {
    for await (const answer of it.post('/tokens', [{ id: 'x', text: '' }])) found.push(seen(answer))
    return say({ found })
  } catch (error) {
    return say({ found, failed: outcome(error) })
  }
}

/** A failure of the actor, by name. */
const failed = (code: string) => `ExecutorError ${code} of actor`

export const DELTAS: readonly Row[] = [
  {
    name: 'deltas: what was appended comes as it is made, each with the whole of its moment; the whole comes last',
    expect: say([
      [true, '0a', ['a']],
      [true, '0b', ['ab']],
      [true, '0c', ['abc']],
      [false, ['abc']],
    ]),
    see: async (way) => say((await all(way, [actor(spell)])).map(seen)),
  },
  {
    name: 'deltas: the documents of a request grow in turns, and two that have one id stay two',
    expect: say([
      [true, '0a', ['xa']],
      [true, '1a', ['ya']],
      [true, '0b', ['xab']],
      [true, '1b', ['yab']],
      [true, '0c', ['xabc']],
      [true, '1c', ['yabc']],
      [false, ['xabc', 'yabc']],
    ]),
    async see(way) {
      const inputs = ['x', 'y'].map((text) => ({ id: 'one', text }))
      return say((await all(way, [actor(spell)], inputs)).map(seen))
    },
  },
  {
    name: 'deltas: each() of several documents side by side',
    expect: say({ pieces: 6, x: 'abc', y: 'abc', whole: ['xabc', 'yabc'] }),
    async see(way) {
      const step: Step = {
        name: 'actor',
        uses: each(async function* (doc) {
          for (const letter of letters) yield delta(doc, { text: letter })
        }),
      }
      const found = await all(
        way,
        [step],
        ['x', 'y'].map((text) => ({ id: text, text })),
      )
      const parts = found.filter(({ partial }) => partial)
      const of = (wanted: string) => parts.flatMap(({ delta }) => delta!.flatMap(({ id, text }) => (id === wanted ? [text] : []))).join('')
      return say({ pieces: parts.length, x: of('x'), y: of('y'), whole: found.at(-1)!.docs.texts })
    },
  },
  {
    name: 'deltas: bytes are appended, and tags are set',
    expect: say([
      ['1,2', { n: 1 }, '0,1,2', { kept: true, n: 1 }],
      ['255', null, '0,1,2,255', { kept: true, n: 1 }],
      [null, { n: 2, more: [1, null] }, '0,1,2,255', { kept: true, n: 2, more: [1, null] }],
      ['0,1,2,255', { kept: true, n: 2, more: [1, null] }],
    ]),
    async see(way) {
      const grow = actor(async function* ({ docs: [doc] }) {
        yield delta(doc!, { blob: Uint8Array.of(1, 2), tags: { n: 1 } })
        yield delta(doc!, { blob: Uint8Array.of(255) })
        yield delta(doc!, { tags: { n: 2, more: [1, null] } })
      })
      const list = (bytes: Uint8Array | undefined) => (bytes === undefined ? null : [...bytes].join())
      const found = await all(way, [grow], [{ id: 'x', blob: Uint8Array.of(0), tags: { kept: true } }])
      return say(
        found.map(({ delta, docs: [doc] }) =>
          delta === undefined ? [list(doc.blob), doc.tags] : [list(delta[0]!.blob), delta[0]!.tags ?? null, list(doc.blob), doc.tags],
        ),
      )
    },
  },
  {
    name: 'deltas: several in one piece, and whole documents in between',
    expect: say([
      [true, '0a 1b 0c', ['xac', 'yb']],
      [true, ['new']],
      [true, '0d', ['newd']],
      [true, '1e', ['ybe']],
      [false, ['newd', 'ybe']],
    ]),
    async see(way) {
      const mixed = actor(async function* ({ docs: [one, two] }) {
        yield [delta(one!, { text: 'a' }), delta(two!, { text: 'b' }), delta(one!, { text: 'c' })]
        one!.text = 'new'
        yield one
        yield delta(one!, { text: 'd' })
        yield delta(two!, { text: 'e' })
      })
      return say(
        (
          await all(
            way,
            [mixed],
            ['x', 'y'].map((text) => ({ id: text, text })),
          )
        ).map(seen),
      )
    },
  },
  {
    name: 'deltas: two branches stream side by side, and neither sees what the other appends',
    expect: say({ pieces: 80, texts: 2, whole: 1 }),
    async see(way) {
      const count = (name: string): Step => ({
        name,
        needs: 'gateway',
        uses: async function* ({ docs: [doc] }: Call<any, any>) {
          for (let at = 0; at < 40; at++) yield delta(doc!, { text: `${name}${at} ` })
        } as any,
      })
      const found = await all(way, [count('a'), count('b'), { name: 'both', needs: ['a', 'b'] }])
      const parts = found.filter(({ partial }) => partial)
      const texts = new Map<number, string>()
      for (const { delta } of parts) for (const { at, text } of delta!) texts.set(at, (texts.get(at) ?? '') + text)
      const full = (name: string) => Array.from({ length: 40 }, (_, at) => `${name}${at} `).join('')
      const right = [...texts.values()].filter((text) => text === full('a') || text === full('b'))
      return say({ pieces: parts.length, texts: right.length, whole: found.length - parts.length })
    },
  },
  {
    name: 'deltas: of replicas under ALL, all are handed on',
    expect: say({ pieces: 6, grown: ['abc', 'abc'], whole: 1 }),
    async see(way) {
      const found = await all(way, [actor(spell, { parallel: 2, polling: 'ALL' })])
      const parts = found.filter(({ partial }) => partial)
      const texts = new Map<number, string>()
      for (const { delta } of parts) for (const { at, text } of delta!) texts.set(at, (texts.get(at) ?? '') + text)
      return say({ pieces: parts.length, grown: [...texts.values()], whole: found.length - parts.length })
    },
  },
  {
    name: 'deltas: who waits in a batch gets the whole',
    expect: say([[false, ['abc']]]),
    see: async (way) => say((await all(way, [actor(spell, { dynamicBatching: { preferredBatchSize: 1 } })])).map(seen)),
  },
  {
    name: 'deltas: executors behind get the whole, and their changes are in the last answer alone',
    expect: say([
      [true, '0a', ['a']],
      [true, '0b', ['ab']],
      [true, '0c', ['abc']],
      [false, ['ABC']],
    ]),
    async see(way) {
      const upper: Step = { name: 'upper', uses: ({ docs }: Call) => void (docs[0]!.text = docs[0]!.text.toUpperCase()) }
      return say((await all(way, [actor(spell), upper])).map(seen))
    },
  },
  {
    name: 'deltas: what was handed on is not tried again',
    expect: say({ found: [[true, '0a', ['a']]], failed: failed('ERR_EXECUTOR'), tries: 1 }),
    async see(way) {
      let tries = 0
      const breaks = actor(
        async function* ({ docs: [doc] }) {
          tries++
          yield delta(doc!, { text: 'a' })
          throw new Error('broken')
        },
        { retries: 3 },
      )
      return say({ ...JSON.parse(await until(way, [breaks])), tries })
    },
  },
  {
    name: 'deltas: one that has no sense fails its executor, in its name',
    expect: say({ found: [[true, '0a', ['a']]], failed: failed('ERR_EXECUTOR_RESULT') }),
    see: (way) =>
      until(way, [
        actor(async function* ({ docs: [doc] }) {
          yield delta(doc!, { text: 'a' })
          yield delta(doc!, { blob: Uint8Array.of(1) })
        }),
      ]),
  },
  {
    name: 'deltas: tags that cannot be written fail their executor, in its name',
    expect: (way) =>
      say(
        way.kind === 'inline'
          ? {
              found: [
                [true, '0a', ['a']],
                [true, '0b', ['ab']],
                [false, ['ab']],
              ],
            }
          : { found: [[true, '0a', ['a']]], failed: failed('ERR_EXECUTOR') },
      ),
    see: (way) =>
      until(way, [
        actor(async function* ({ docs: [doc] }) {
          yield delta(doc!, { text: 'a' })
          yield delta(doc!, { text: 'b', tags: { big: 1n } })
        }),
      ]),
  },
  {
    name: 'deltas: who leaves stops the generator',
    expect: say({ stopped: true, after: [true, '0a', ['a']] }),
    async see(way) {
      const stopped = deferred<void>()
      let first = true
      const endless = actor(async function* ({ docs: [doc], signal }) {
        if (!first) return yield delta(doc!, { text: 'a' })
        first = false
        try {
          for (;;) {
            yield delta(doc!, { text: 'a' })
            await new Promise((resolve) => setImmediate(resolve))
            if (signal.aborted) return
          }
        } finally {
          stopped.resolve()
        }
      })
      await using it = await way.open([endless])
      for await (const { partial } of it.post('/tokens', [{ id: 'x', text: '' }])) if (partial) break
      await stopped.promise
      for await (const answer of it.post('/tokens', [{ id: 'x', text: '' }])) return say({ stopped: true, after: seen(answer) })
      return 'nothing'
    },
  },
]
