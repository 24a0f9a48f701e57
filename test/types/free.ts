// Checked by the compiler, never run. What a Flow must take though the compiler knows little of it, or much.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { z } from 'zod'
import {
  type AddOptions,
  type Call,
  type CallOf,
  type Document,
  type DocumentArray,
  Executor,
  type ExecutorClass,
  each,
  Flow,
  type FlowOptions,
  type InputSchemas,
  type Post,
  type Response,
  type Uses,
} from '../../lib/index.js'

class A extends Executor {
  static requests = { '/a': 'a' } as const
  a(_: Call<{ x: number }>): void {}
}
class B extends Executor {
  static requests = { '/b': 'b' } as const
  b(_: Call<{ y: number }>): void {}
}
class R extends Executor {
  static requests: Record<string, string> = { '/b': 'b' }
  b(): void {}
}
class Ask extends Executor {
  static requests = { '/a': 'a' } as const
  static input = { tags: z.object({ p: z.number() }), parameters: z.object({ top: z.number() }) }
  a(_: CallOf<typeof Ask>): void {}
}
new Flow().add({ uses: R }).post('/whatever')
new Flow().add({ uses: {} as any }).post('/whatever')
declare const cls: ExecutorClass
new Flow().add({ uses: cls }).post('/whatever')
declare const uses: Uses
new Flow().add({ uses }).post('/whatever')
declare const cond: boolean
const either = new Flow().add({ uses: cond ? A : B })
either.post('/a')
either.post('/b')
either
  .add({ uses: A })
  .add({ uses: (_: Call<{ x: number }>) => {} })
  .post('/whatever')
let flow = new Flow()
flow = flow.add({ uses: A })
flow = flow.add({ uses: Ask })
flow = new Flow().add({ uses: Ask, name: 'ask' }).add({ name: 'b', uses: B })
function build(): Flow<'a'> {
  return new Flow().add({ name: 'a', uses: Ask })
}
async function built(): Promise<Flow> {
  return await new Flow().add({ name: 'a', uses: A }).open()
}
function takes(flow: Flow<any>): void {
  flow.post('/whatever')
}
takes(new Flow().add({ uses: A }))
takes(flow)
takes(new Flow().add({ uses: Ask }))
function gen<N extends string, K>(flow: Flow<N, K>): Flow<N, K> {
  return flow
}
gen(new Flow().add({ name: 'a', uses: A })).post('/a')
declare const schemas: InputSchemas
new Flow().add({ uses: () => {}, input: schemas }).post('/', [{ tags: { a: 1 } }])
declare const unknown: StandardSchemaV1
new Flow().add({ uses: ({ docs }) => void docs[0]?.tags.x, input: { tags: unknown, parameters: unknown } }).post('/', [{ tags: { a: 1 } }])
const union = z.discriminatedUnion('kind', [z.object({ kind: z.literal('a'), n: z.number() }), z.object({ kind: z.literal('b'), s: z.string() })])
const un = new Flow().add({
  uses: ({ docs }) =>
    docs.forEach(({ tags }) => {
      if (tags.kind === 'a') tags.n.toFixed()
      else tags.s.length
    }),
  input: { tags: union },
})
un.post('/', { tags: { kind: 'a', n: 1 } })
for await (const { docs } of un.post('/')) {
  const { tags } = docs[0]!
  if (tags.kind === 'a') tags.n.toFixed()
}
un.add({ uses: () => {}, output: { tags: z.looseObject({ more: z.boolean() }) } }).add({ uses: (_: Call<{ more: boolean; kind: string }>) => {} })
interface Mine {
  lang: string
}
const mine = new Flow().add({ uses: (_: Call<Mine>) => {} })
const p: Post<Mine> = mine.post('/')
const ds: DocumentArray<Document<Mine>> = await mine.post('/').docs()
function show(response: Response<any>): void {
  void response.docs[0]?.tags.lang
}
for await (const response of mine.post('/')) show(response)
const loop = new Flow()
for (const name of ['a', 'b']) loop.add({ name, uses: A })
loop.post('/whatever')
const spread: Partial<AddOptions> = { timeout: 5 }
new Flow().add({ uses: A, timeout: 5, ...(cond && { retries: 2 }) }).post('/a')
declare const fo: FlowOptions
new Flow(fo).add({ uses: A }).post('/whatever')
new Flow({ ...fo, name: 'x' }).add({ uses: A }).post('/whatever')
new Flow({ join: 'merge', port: 5 }).add({ uses: A }).post('/a')
new Flow()
  .add({
    uses: each(async function* (doc) {
      yield doc
    }),
  })
  .post('/')
new Flow()
  .add({
    uses: async function* ({ docs }) {
      yield docs
    },
  })
  .post('/')
new Flow().add({ uses: ({ docs }) => docs.filter((doc) => doc.text) }).post('/')
new Flow().add({ uses: ({ docs }) => ({ n: docs.length }) }).post('/')
new Flow()
  .add({
    uses: ({ docs, parameters }) => {
      docs[0]!.tags.n = parameters.n
    },
  })
  .post('/')
new Flow().add({ floating: cond, external: cond, uses: A }).post('/a')
new Flow()
  .add({ name: 'x', uses: A })
  .add({ name: 'y', needs: cond ? 'x' : 'gateway', uses: B })
  .post('/a')
new Flow()
  .add({ name: 'x', uses: A })
  .add({ needs: ['executor0', 'x'] })
  .post('/a')
// What is there, though of no known type, may be right
new Flow().add({ uses: (_: Call<{ a: unknown }>) => {} }).add({ uses: (_: Call<{ a: string }>) => {} })
// Helpers that build on any Flow
function longer<N extends string>(flow: Flow<N>) {
  return flow.add({ name: 'more', uses: A }).add({ needs: 'more', uses: Ask })
}
function longest<N extends string, K>(flow: Flow<N, K>, needs: N) {
  return flow
    .add({ name: 'more', uses: Ask })
    .add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.tags.text = doc.text)) })
    .add({ needs, uses: each((doc) => void doc.text) })
    .needs(['more', needs], { uses: (_: Call<{ x: number }>) => {} })
    .needsAll({ uses: () => {}, input: { tags: z.object({ x: z.number() }) } })
}
function with_<N extends string, K, U extends Uses>(flow: Flow<N, K>, uses: U) {
  return flow.add({ uses })
}
async function asks<N extends string>(flow: Flow<N, any>): Promise<void> {
  const [doc] = await flow.add({ name: 'more', uses: A }).add({ needs: 'more', uses: Ask }).post('/whatever', 'x').docs()
  doc!.tags.x = 1
}
const some = new Flow().add({ name: 'some', uses: (_: Call<{ x: string }>) => {} })
longer(some).add({ needs: ['some', 'more'] })
longest(some, 'some').add({ needs: ['some', 'more'] })
with_(some, A)
asks(some)
void [p, ds, build, built, spread]
