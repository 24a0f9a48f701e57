// What people see of the types: in their editor, in messages of the compiler, and in the docs.
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Program } from '../support/typescript.js'
import { within } from '../support/within.js'

const TIME = 120_000

const EXECUTORS = `import { z } from 'zod'
import { type Call, each, Executor, Flow } from 'sluice'

class Price extends Executor {
  static requests = { '/price': 'price', '/other': 'other' } as const
  static output = { '/price': { tags: z.object({ price: z.number() }) } }
  price(): void {}
  other(): void {}
}
class Label extends Executor {
  static requests = { '/price': 'label' } as const
  label(_: Call<{ label: string }, { top: number }>): void {}
}
`

/** A Flow of so many executors that say endpoints, tags and parameters. */
const long = (count: number): string => {
  const classes = Array.from(
    { length: count },
    (_, n) => `class E${n} extends Executor {
  static requests = { '/index': 'index', '/e${n}': 'index' } as const
  index(_: Call<{ tag${n}: string }, { p${n}: number }>): void {}
}`,
  )
  const added = classes.map((_, n) => `  .add({ name: 's${n}', uses: E${n} })`)
  return [`import { type Call, Executor, Flow } from 'sluice'`, ...classes, 'export const long = new Flow()', ...added].join('\n')
}

test('E10: hovers are short', async () => {
  using editor = await new Program('hovers', {}).editor(
    'hovers.ts',
    `${EXECUTORS}
const flow = new Flow().add({ name: 'price', uses: Price }).add({ name: 'label', uses: Label })
//    ^ flow
const responses = flow.post('/price', 'x')
//    ^ responses
flow.post('/price', 'x')
//   ^ post
for await (const { docs } of responses) docs[0]!.tags
//                                               ^ tags
new Flow().add({ uses: ({ docs }) => void docs[0]!.tags })
//                                                 ^ free
flow.add({ uses: each((doc) => void doc.tags.price, { input: { tags: z.object({ price: z.number() }) } }) })
//                                      ^ each
${long(30).replace("import { type Call, Executor, Flow } from 'sluice'", '')}
const all = long
//    ^ long
`,
  )
  const hover = (name: string) => within(TIME, editor.hover(name))
  assert.is(await hover('responses'), 'const responses: Post<{ price: number; label: string; }>')
  assert.match(await hover('tags'), /^\(.*\.tags: \{ price: number; label: string; \}$/)
  assert.match(await hover('free'), /\.tags: Tags$/)
  assert.match(await hover('each'), /\.tags: \{ price: number; \} & Tags$/)
  const post = await hover('post')
  assert.match(
    post,
    /\.post<Inferred, "\/price">\(on: "\/price", inputs\?: Inputs<any>, options\?: PostOptions<.*\): Post<\{ price: number; label: string; \}>$/,
  )
  const flow = await hover('flow')
  assert.match(flow, /^const flow: Flow<"label" \| "price", FlowTypes<"\/other" \| "\/price", \{/)
  assert.ok(flow.length < 700 && post.length < 700, `${flow.length} ${post.length}`)
  const all = await hover('long')
  assert.ok(all.length < 900, `${all.length}: ${all}`)
  for (const text of [flow, post, all]) assert.not.match(text, /\b(extends|infer|keyof)\b/)
})

test('T5: hovers of what people hold name types that they can import', async () => {
  using editor = await new Program('named', {}).editor(
    'named.ts',
    `${EXECUTORS}
import { Client } from 'sluice/client'
const flow = new Flow().add({ name: 'price', uses: Price })
flow.workers
//   ^ workers
flow.addresses
//   ^ addresses
flow.port
//   ^ port
const client = new Client('grpc://127.0.0.1:1')
client.breaker
//     ^ breaker
client.address
//     ^ address
client.mutate
//     ^ mutate
client.post
//     ^ posted
for await (const response of flow.post('/price', 'x')) {
  const { docs, failures, routes, delta, status, header } = response
  //      ^ docs
  void [failures, routes, delta, status, header]
  //    ^ failures
  void [routes, docs[0]!.embedding, docs[0]!.scores]
  //    ^ routes
  void [delta, docs]
  //    ^ delta
  void [status, docs]
  //    ^ status
  void [header, docs]
  //    ^ header
}
`,
  )
  const exported = new Set(
    ['index', 'client/index', 'doc/index', 'gateway/index'].flatMap((entry) =>
      [...readFileSync(`lib/${entry}.ts`, 'utf8').matchAll(/\b[A-Z]\w+/g)].map(String),
    ),
  )
  const ofPlatform = ['Readonly', 'Record', 'Promise', 'ReadonlyMap', 'Partial', 'Map', 'Uint8Array', 'ArrayBufferLike', 'Error']
  for (const place of 'workers addresses port breaker address mutate posted docs failures routes delta status header'.split(' ')) {
    const text = await within(TIME, editor.hover(place))
    // What stands before the last name is the Flow, which has a test of its own.
    const own = text.replace(/^\(\w+\) .*?\.(?=\w+(?:<|\(|:))/, '').replaceAll(/"[^"]*"/g, '')
    const names = [...own.matchAll(/(?<![.\w])[A-Z]\w+/g)].map(String)
    assert.equal(
      names.filter((name) => !exported.has(name) && !ofPlatform.includes(name)),
      [],
      `${place}: ${text}`,
    )
  }
})

test('E10: endpoints are completed, also where others may be answered', async () => {
  using editor = await new Program('completions', {}).editor(
    'completions.ts',
    `${EXECUTORS}
const flow = new Flow().add({ name: 'price', uses: Price })
flow.post('')
//         ^ post
flow.transform('')
//              ^ transform
flow.add({ uses: () => {} }).post('')
//                                 ^ free
flow.map('x', { on: '' })
//                   ^ map
`,
  )
  for (const name of ['post', 'transform', 'free', 'map']) {
    const words = await within(TIME, editor.complete(name))
    assert.equal(words.filter((word) => word.startsWith('/')).sort(), ['/other', '/price'], name)
  }
})

test('E10: a long Flow costs the compiler little, and is not too deep for it', async () => {
  const [short, sixty] = await Promise.all([1, 60].map((count) => within(TIME, new Program(`long-${count}`, { 'long.ts': long(count) }).check())))
  assert.equal([short!.errors, sixty!.errors], [[], []])
  // 21,000 types an executor: sixty have 61 endpoints, each of which is known behind each.
  const each = (sixty!.instantiations - short!.instantiations) / 59
  assert.ok(each < 30_000, `${each} instantiations an executor`)
})

test('E10: sixty executors are not too deep, whatever they say, nor to be taken for any Flow', async () => {
  const head = `import { z } from 'zod'\nimport { type Call, type CallOf, each, Executor, Flow } from 'sluice'\nconst takes = (_: Flow): void => {}\n`
  const sixty = (line: (n: number) => string): string => Array.from({ length: 60 }, (_, n) => line(n)).join('\n')
  const typed = `${head}${sixty(
    (n) => `class E${n} extends Executor {
  static requests = { '/e': 'e', '/e${n}': 'e' } as const
  e(_: Call<{ t${n}: string }>): void {}
}`,
  )}
const flow = new Flow()${sixty((n) => `.add({ name: 's${n}', uses: E${n} })`)}
takes(flow)
const [doc] = await flow.post('/e', 'x').docs()
const [first] = await flow.post('/e0', 'x').docs()
export const all: [string, string, string] = [doc!.tags.t0, doc!.tags.t59, first!.tags.t0]
`
  const schemas = `${head}${sixty((n) =>
    `class E${n} extends Executor {
  static requests = { '/e': 'e', '/e${n}': 'e' } as const
  static input = { tags: z.object({ t${n - 1}: z.string(), in${n}: z.number() }) }
  static output = { tags: z.object({ t${n}: z.string() }) }
  e(_: CallOf<typeof E${n}>): void {}
}`.replaceAll('t-1', 'start'),
  )}
const flow = new Flow()${sixty((n) => `.add({ name: 's${n}', uses: E${n} })`)}
takes(flow)
flow.post('/e', [{ tags: { in0: 1 } }, { text: 'x', tags: { in59: 1 } }])
// @ts-expect-error: a number
flow.post('/e', [{ tags: { in0: 'x' } }])
`
  const replaced = `${head}const flow = new Flow()
  .add({ uses: () => {}, output: { tags: z.object({ kept: z.number(), maybe: z.number().optional() }) } })
${sixty((n) => `.add({ uses: each((doc) => void doc.text, { output: { tags: z.object({ t: z.${n % 2 ? 'string' : 'number'}() }) } }) })`)}
takes(flow)
const [doc] = await flow.post('/e', [{ tags: { a: 1 } }]).docs()
const { kept, maybe, t }: { kept: number; maybe?: number | undefined; t: string } = doc!.tags
// @ts-expect-error: it may be missing
export const wrong: number = doc!.tags.maybe
void [kept, maybe, t]
`
  const { errors } = await within(TIME, new Program('sixty', { 'typed.ts': typed, 'schemas.ts': schemas, 'replaced.ts': replaced }).check())
  assert.equal(errors, [])
})

test('E10: messages name what is wrong: the endpoints that there are, and the tag', async () => {
  const { errors } = await within(
    TIME,
    new Program('messages', {
      'messages.ts': `${EXECUTORS}
const flow = new Flow().add({ name: 'price', uses: Price })
flow.post('/pirce')
flow.delete('x')
flow.add({ uses: () => {}, input: { tags: z.object({ price: z.string() }) } })
new Flow().add({ uses: () => {}, input: { tags: z.object({ size: z.string() }) } }).post('/', [{ tags: { size: 5 } }])
`,
    }).check(),
  )
  const due = [
    /Argument of type '"\/pirce"' is not assignable to parameter of type '"\/other" \| "\/price"'/,
    /'string' is not assignable to parameter of type 'Unanswered<"\/delete", "\/other" \| "\/price">'/,
    /WrongTag<"price", number, string>/,
    /Type 'number' is not assignable to type 'string'/,
  ]
  assert.is(errors.length, due.length, errors.join('\n'))
  for (const [at, pattern] of due.entries()) assert.match(errors[at]!, pattern)
})

test('E10: what stands in the docs compiles', async () => {
  const files: Record<string, string> = {}
  for (const file of ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((file) => file.endsWith('.md'))) {
    const text = readFileSync(file, 'utf8')
    for (const { index, 1: code } of text.matchAll(/^```ts\n([\s\S]*?)^```$/gm))
      files[`${file.replaceAll(/\W/g, '-')}-line-${text.slice(0, index).split('\n').length}.ts`] = `${code}\nexport {}\n`
  }
  assert.ok(Object.keys(files).length > 15)
  assert.equal((await within(TIME, new Program('docs', files).check())).errors, [])
})

test.run()
