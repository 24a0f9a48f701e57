// Documents that grow by deltas, and come whole in between: what is read of each piece, by whatever way it came, is what a model says.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { type Call, delta, Flow, type Response } from '../../lib/index.js'
import { events } from '../support/sse.js'

const test = suite('deltas')
const RUNS = { seed: 1104, numRuns: 60 * Number(process.env['TEST_RUNS'] ?? 1) }

type Grow = { doc: number; text?: string; blob?: number[]; tags?: Record<string, unknown> }
/** What the executor does: `quiet` and `replace` it does without a word. */
type Step = { grow: Grow[] } | { whole: number[] } | { nothing: true } | { quiet: number; value: number } | { replace: number; text: string }

/** What one piece is to whoever reads it. */
interface Piece {
  partial: boolean
  delta?: object[]
  docs: object[]
}

// ── the executor, and what it is to be seen as ───────────────────────────────────────────────────────────

const bytes = (list: readonly number[] | undefined) => (list === undefined ? undefined : Uint8Array.from(list))

async function* perform({ docs, parameters }: Call<any, any>) {
  const given = [...docs]
  for (const step of JSON.parse(parameters.script)) {
    if (step.grow) {
      const list = step.grow.map(({ doc, text, blob, tags }: Grow) => delta(given[doc]!, { text, blob: bytes(blob), tags }))
      yield list.length === 1 ? list[0] : list
    } else if (step.whole) yield step.whole.map((at: number) => given[at])
    else if (step.nothing) yield
    else if (step.quiet !== undefined) given[step.quiet]!.tags.quiet = step.value
    else given[step.replace]!.text = step.text
  }
}

/** As JSON has a document, without what is empty: some wires leave that out. */
function plain({ id, text, blob, tags }: any): object {
  const full = text || (blob?.length ? (typeof blob === 'string' ? blob : Buffer.from(blob).toString('base64')) : undefined)
  return { id, ...(full && { content: full }), ...(tags && Object.keys(tags).length > 0 && { tags: JSON.parse(JSON.stringify(tags)) }) }
}

const saidOf = ({ at, id, text, blob, tags }: any): object =>
  JSON.parse(JSON.stringify({ at, id, text: text || undefined, blob: blob?.length ? Buffer.from(blob).toString('base64') : undefined, tags }))

interface Given {
  id: string
  text?: string
  blob?: number[]
}

/** @returns the pieces, and whether a document goes whole that ends within a character, which UTF-8 has no word for */
function expected(docs: readonly Given[], script: readonly Step[]): { pieces: Piece[]; halved: boolean } {
  let halved = false
  const sent = (doc: { text?: string | undefined }) => {
    if (doc.text !== undefined && !(doc.text as any).isWellFormed()) halved = true
  }
  const real = docs.map(({ id, text, blob }) => ({ id, text, blob: blob && [...blob], tags: {} as Record<string, unknown> }))
  const copy = (doc: (typeof real)[number]) => structuredClone(doc)
  const known: ((typeof real)[number] | undefined)[] = docs.map(() => undefined)
  const numbers = new Map<number, number>()
  const stale = new Set<number>()
  const order = new Set<number>()
  let wholes = false
  const pieces: Piece[] = []
  const apply = (doc: (typeof real)[number], { text, blob, tags }: Grow) => {
    if (text !== undefined) doc.text = (doc.text ?? '') + text
    if (blob !== undefined) doc.blob = [...(doc.blob ?? []), ...blob]
    Object.assign(doc.tags, tags)
  }
  for (const step of script) {
    if ('grow' in step) {
      const said: object[] = []
      const grown = new Map<number, object>()
      for (const change of step.grow) {
        const { doc: at, text, blob, tags } = change
        order.add(at)
        if (!text && !blob?.length && Object.keys(tags ?? {}).length === 0) continue
        if (!numbers.has(at)) numbers.set(at, numbers.size)
        const last = known[at]
        const came = stale.delete(at)
        if (last === undefined || came || (last.text ?? '') !== (real[at]!.text ?? '')) {
          known[at] = copy(real[at]!)
          sent(real[at]!)
        }
        apply(real[at]!, change)
        apply(known[at]!, change)
        said.push(saidOf({ at: numbers.get(at), id: real[at]!.id, text, blob, tags: tags && Object.keys(tags).length > 0 ? tags : undefined }))
        grown.set(at, plain(known[at]))
      }
      if (said.length > 0) pieces.push({ partial: true, delta: said, docs: [...grown.values()] })
    } else if ('whole' in step) {
      wholes = true
      for (const at of step.whole) {
        order.add(at)
        stale.add(at)
        sent(real[at]!)
      }
      pieces.push({ partial: true, docs: step.whole.map((at) => plain(real[at])) })
    } else if ('nothing' in step) {
      for (const at of docs.keys()) stale.add(at)
      real.forEach(sent)
      pieces.push({ partial: true, docs: real.map(plain) })
    } else if ('quiet' in step) real[step.quiet]!.tags.quiet = step.value
    else real[step.replace]!.text = step.text
  }
  real.forEach(sent)
  pieces.push({ partial: false, docs: (wholes ? [...order].map((at) => real[at]!) : real).map(plain) })
  return { pieces, halved }
}

const someText = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 5 }), fc.constantFrom('', ' a', '\n', '"', '\ud83d', '\ude00', '🌊'))
const someTags = fc.dictionary(
  fc.constantFrom('a', 'b', 'done', 'toString'),
  fc.oneof(fc.integer({ min: -9, max: 9 }), fc.string({ maxLength: 3 }), fc.constant(null), fc.array(fc.boolean(), { maxLength: 2 })),
  { maxKeys: 2 },
)
const given = fc.array(
  fc.oneof(
    fc.record({ id: fc.constantFrom('a', 'b', 'c'), text: fc.constantFrom('', 'x', 'grüße') }),
    fc.record({ id: fc.constantFrom('a', 'b', 'd'), blob: fc.array(fc.nat(255), { maxLength: 3 }) }),
    fc.record({ id: fc.constantFrom('e', 'a') }),
  ),
  { minLength: 1, maxLength: 4 },
) as fc.Arbitrary<Given[]>

const cases = given.chain((docs) => {
  const one = fc.nat(docs.length - 1)
  const texts = docs.flatMap(({ blob }, at) => (blob ? [] : [at]))
  const grow = one.chain((doc) => {
    const more: Record<string, fc.Arbitrary<unknown>> = docs[doc]!.blob ? { blob: fc.array(fc.nat(255), { maxLength: 40 }) } : { text: someText }
    return fc.record({ doc: fc.constant(doc), ...more, tags: someTags }, { requiredKeys: ['doc', ...Object.keys(more)] as any }) as fc.Arbitrary<Grow>
  })
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ grow: fc.array(grow, { minLength: 1, maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ whole: fc.uniqueArray(one, { minLength: 1 }) }) },
    { weight: 1, arbitrary: fc.record({ nothing: fc.constant(true as const) }) },
    { weight: 1, arbitrary: fc.record({ quiet: one, value: fc.nat(9) }) },
    ...(texts.length === 0 ? [] : [{ weight: 1, arbitrary: fc.record({ replace: fc.constantFrom(...texts), text: fc.constantFrom('new', '') }) }]),
  )
  return fc.record({ docs: fc.constant(docs), script: fc.array(step, { maxLength: 12 }) })
})

/** As text in JSON, which has halves of characters, on every wire. */
const scripted = (script: readonly Step[]) => ({ script: JSON.stringify(script) })

// ── the ways ─────────────────────────────────────────────────────────────────────────────────────────────

type Way = (docs: readonly object[], script: readonly Step[]) => Promise<Piece[]>

const pieceOf = ({ partial, delta, docs }: Response): Piece => ({ partial, ...(delta && { delta: delta.map(saidOf) }), docs: docs.map(plain) })

/** Through post(). Half of the pieces are read when they come, half of them when all is over: each is as it was. */
const posted =
  (post: (on: string, inputs: any, options: any) => AsyncIterable<Response>): Way =>
  async (docs, script) => {
    const all: (Piece | Response)[] = []
    for await (const response of post('/', docs, { parameters: scripted(script) })) all.push(all.length % 2 === 0 ? response : pieceOf(response))
    return all.map((one) => ('status' in one ? pieceOf(one as Response) : one))
  }

/** What a client does that reads a wire itself: by the words of docs/protocol.md, and nothing else. */
class Mirror {
  readonly #known = new Map<number, any>()

  read({ data = [], delta, partial }: any): Piece {
    if (delta === undefined || delta === null) return { partial: partial === true, docs: data.map(plain) }
    let next = 0
    const grown = new Map<number, object>()
    const said = delta.map(({ at, id, text, blob, tags }: any) => {
      if (id !== undefined) this.#known.set(at, structuredClone(data[next++]))
      const doc = this.#known.get(at)
      if (text !== undefined) doc.text = (doc.text ?? '') + text
      if (blob !== undefined) doc.blob = Buffer.concat([Buffer.from(doc.blob ?? '', 'base64'), Buffer.from(blob, 'base64')]).toString('base64')
      if (tags !== undefined) doc.tags = { ...doc.tags, ...tags }
      grown.set(at, plain(doc))
      return JSON.parse(JSON.stringify({ at, id: doc.id, text, blob, tags }))
    })
    return { partial: true, delta: said, docs: [...grown.values()] }
  }
}

const requestOf = (docs: readonly object[], script: readonly Step[]) => ({ data: docs, execEndpoint: '/', parameters: scripted(script) })
const inJson = (docs: readonly any[]) => docs.map(({ blob, ...rest }) => ({ ...rest, ...(blob && { blob: Buffer.from(blob).toString('base64') }) }))

const ask = (url: string, accept: string, body: object) =>
  fetch(`${url}/post`, { method: 'POST', headers: { 'content-type': 'application/json', accept, 'sluice-deltas': '1' }, body: JSON.stringify(body) })

const lines =
  (url: string): Way =>
  async (docs, script) => {
    const mirror = new Mirror()
    const text = await (await ask(url, 'application/x-ndjson', requestOf(inJson(docs), script))).text()
    return text
      .trimEnd()
      .split('\n')
      .map((line) => mirror.read(JSON.parse(line)))
  }

const sse =
  (url: string): Way =>
  async (docs, script) => {
    const mirror = new Mirror()
    const all: Piece[] = []
    for await (const { event, data } of events(await ask(url, 'text/event-stream', requestOf(inJson(docs), script)))) {
      if (event === 'end') break
      assert.is(event, data.delta ? 'delta' : data.partial ? 'partial' : 'response')
      all.push(mirror.read(data))
    }
    return all
  }

const upload =
  (url: string): Way =>
  async (docs, script) => {
    const mirror = new Mirror()
    const query = new URLSearchParams({ parameters: JSON.stringify(scripted(script)), request_size: '100' })
    const headers = { 'content-type': 'application/x-ndjson', 'sluice-deltas': '1' }
    const body = inJson(docs)
      .map((doc) => `${JSON.stringify(doc)}\n`)
      .join('')
    const text = await (await fetch(`${url}/post?${query}`, { method: 'POST', headers, body })).text()
    return text
      .trimEnd()
      .split('\n')
      .map((line) => mirror.read(JSON.parse(line)))
  }

const frames =
  (url: string): Way =>
  async (docs, script) => {
    const socket = new WebSocket(`${url}/?partial=1&deltas=1`, 'json')
    await new Promise((resolve) => socket.once('open', resolve))
    const mirror = new Mirror()
    const all: Piece[] = []
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('message', (data) => all.push(mirror.read(JSON.parse(String(data)))))
    socket.send(JSON.stringify(requestOf(inJson(docs), script)))
    socket.send('{}')
    await closed
    return all
  }

const SUBSCRIPTION = `subscription ($data: [StrawberryDocumentInput!], $parameters: JSONScalar) { docs(data: $data, parameters: $parameters, execEndpoint: "/", requestSize: 0) {
  docs { id text blob tags } ...more } }
  fragment more on DocsResponse { partial delta { at id fresh text blob tags } }`

const graphql =
  (client: Client): Way =>
  async (docs, script) => {
    const mirror = new Mirror()
    const all: Piece[] = []
    const some = (fields: object) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
    for await (const { data } of client.subscribe(SUBSCRIPTION, { data: inJson(docs), parameters: JSON.stringify(scripted(script)) })) {
      const { docs, partial, delta } = data.docs
      // The id stands with each there.
      const named = delta?.map(({ id, fresh, ...rest }: any) => ({ ...some(rest), ...(fresh && { id }) }))
      all.push(mirror.read({ data: docs.map(some), partial, delta: named }))
    }
    return all
  }

let close: () => Promise<void>
const ways: Record<string, Way> = {}
test.before(async () => {
  const flow = await new Flow({ name: 'near' }).add({ name: 'actor', uses: perform as any }).open()
  const gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true, onError: () => {} })
  const { grpc, http, websocket } = gateway.addresses as Record<string, string>
  const clients = [new Client(grpc!), new Client(http!), new Client(websocket!)]
  const behind = await Promise.all([grpc, http, websocket].map((host) => new Flow().add({ name: 'elsewhere', external: true, host: host! }).open()))
  const front = await Gateway.serve(behind[0]!, { protocol: 'websocket', onError: () => {} })
  clients.push(new Client(front.addresses.websocket!))
  ways['in process'] = posted((...args) => flow.post(...args) as any)
  for (const [at, name] of ['grpc', 'http', 'websocket', 'websocket, behind that grpc'].entries())
    ways[name] = posted((...args) => clients[at]!.post(...args) as any)
  for (const [at, name] of ['grpc', 'http', 'websocket'].entries()) ways[`elsewhere over ${name}`] = posted((...args) => behind[at]!.post(...args) as any)
  Object.assign(ways, { lines: lines(http!), sse: sse(http!), upload: upload(http!), frames: frames(websocket!), graphql: graphql(clients[1]!) })
  close = async () => {
    for (const client of clients) await client.close()
    await front.close(0)
    for (const flow of behind) await flow.close()
    await gateway.close(0)
    await flow.close()
  }
})
test.after(() => close())

const NAMES = [
  'in process',
  'grpc',
  'http',
  'websocket',
  'websocket, behind that grpc',
  'elsewhere over grpc',
  'elsewhere over http',
  'elsewhere over websocket',
  'lines',
  'sse',
  'upload',
  'frames',
  'graphql',
]
const UTF8 = /grpc|websocket/
for (const name of NAMES)
  test(`what grows is read as it was with each piece: ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ docs, script }) => {
        const { pieces, halved } = expected(docs, script)
        if (halved && UTF8.test(name)) return
        const inputs = docs.map(({ id, text, blob }) => ({ id, ...(text !== undefined && { text }), ...(blob && { blob: bytes(blob) }) }))
        assert.equal(await ways[name]!(inputs, script), pieces)
      }),
      { ...RUNS, ...(name === 'in process' && { numRuns: RUNS.numRuns * 10 }) },
    )
  })

test.run()
