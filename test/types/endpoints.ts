// Checked by the compiler, never run. Endpoints that a Flow answers, and parameters that they must have.

import { z } from 'zod'
import { type Call, Executor, each, Flow, requests } from '../../lib/index.js'

class Index extends Executor {
  static requests = { '/index': 'index', '/search': 'search' } as const
  index({ docs }: Call): void {
    docs.length = 0
  }
  search(_: Call<{ score: number }>): void {}
}
class Update extends Executor {
  static requests = { '/update': 'update' } as const
  update(): void {}
}
class Any extends Executor {
  static requests = { '/any': 'any', '/default': 'any' } as const
  any(): void {}
}
class Decorated extends Executor {
  @requests('/decorated')
  decorated(): void {}
}
class Loose extends Executor {
  static requests = { '/loose': 'loose' }
  loose(): void {}
}
class Each extends Executor {
  static requests = { '/each': each(async (doc) => void doc.text) } as const
}

const closed = new Flow().add({ uses: Index }).add({ name: 'update', uses: Update })
closed.post('/index', 'x')
closed.post('/update')
closed.search('x')
closed.update()
closed.transform('/search')
closed.map(['x'], { on: '/search' })
// @ts-expect-error: misspelled
closed.post('/serach', 'x')
// @ts-expect-error: misspelled, with tags named
closed.post<{ lang: string }>('/serach', 'x')
closed.post<{ lang: string }>('/search', 'x')
// @ts-expect-error: nobody answers /delete
closed.delete()
// @ts-expect-error: nobody answers /delete
closed.delete('x')
// @ts-expect-error: misspelled
closed.transform('/serach')
// @ts-expect-error: misspelled
closed.map(['x'], { on: '/serach' })
// @ts-expect-error: nobody answers /, where map() goes by default
closed.map(['x'])
// What is only known as a text may be one
closed.post('/serach' as string, 'x')
closed.transform('/serach' as string)
declare const one: '/index' | '/update'
closed.post(one, 'x')

// Executors that do nothing answer nothing
closed.add({}).add({ name: 'b', needs: 'gateway' }).needs(['update', 'b'], { join: 'merge' }).needsAll().post('/index')
// @ts-expect-error: still misspelled
closed.add({}).add({ name: 'b', needs: 'gateway' }).needs(['update', 'b'], { join: 'merge' }).needsAll().post('/idnex')

// Who may answer any endpoint frees them all
closed.add({ uses: Any }).post('/whatever')
closed.add({ uses: ({ docs }) => void docs.texts }).post('/whatever')
closed.add({ uses: () => {} }).post('/whatever')
closed.add({ uses: (call: Call<{ score: number }>) => void call.docs }).post('/whatever')
closed.add({ uses: each((doc) => void doc.text) }).post('/whatever')
closed.add({ uses: Decorated }).post('/decorated')
closed.add({ uses: Loose }).post('/whatever')
closed.add({ uses: './executor.js' }).post('/whatever')
closed.add({ uses: { jtype: 'Export' } }).post('/whatever')
closed.add({ external: true, host: 'grpc://10.0.0.5' }).post('/whatever')
closed.add({ uses: Update, usesRequests: { '/other': 'update' } }).post('/other')
closed.needsAll({ uses: () => {} }).post('/whatever')
closed
  .add({
    uses: ({ docs }) => {
      throw new Error(docs[0]!.text)
    },
  })
  .post('/whatever')
// @ts-expect-error: nor is this one free
new Flow().add({ uses: Each }).post('/whatever')
new Flow().add({ uses: Each }).post('/each')

// A Flow that passes them takes any
new Flow({ unknownEndpoint: 'pass' }).add({ uses: Index }).post('/whatever')
new Flow({ unknownEndpoint: 'warn' }).add({ uses: Index }).post('/whatever')
// @ts-expect-error: this one refuses
new Flow({ unknownEndpoint: 'refuse' }).add({ uses: Index }).post('/whatever')
new Flow({ name: 'told' }).add({ uses: Index }).post('/index')
// Of a Flow without executors, of one that was read or that is only said to be one, nothing is known
new Flow().post('/whatever')
const read = await Flow.loadConfig('flow.yml')
read.post('/whatever')
read.add({ uses: Index }).post('/whatever')
new Flow<string>({ unknownEndpoint: 'pass' }).add({ needs: 'whatever' }).post('/whatever')
declare const said: Flow<'a'>
said.add({ uses: Index, needs: 'a' }).post('/whatever')
export const asAny: Flow<any> = closed
export const asText: Flow<string> = closed
export const plain: Flow = closed

// ── parameters that must be there ────────────────────────────────────────────────────────────────────────────

class Find extends Executor {
  static requests = { '/search': 'find', '/index': 'index' } as const
  static input = { '/search': { parameters: z.object({ top: z.number(), lang: z.string().optional() }) } } as const
  find(): void {}
  index(): void {}
}
const asking = new Flow().add({ name: 'find', uses: Find })
asking.post('/search', 'x', { parameters: { top: 5 } })
asking.post('/search', 'x', { parameters: { top: 5, other: true } })
asking.search('x', { parameters: { find: { top: 5 } } })
asking.search('x', { parameters: { find__top: 5 } })
asking.search('x', { parameters: { find__top: 5, find__lang: 'en', other: true } })
// @ts-expect-error: top is a number
asking.search('x', { parameters: { find__top: 'five' } })
// @ts-expect-error: find is who asks
asking.search('x', { parameters: { fnid__top: 5 } })
asking.transform('/search', { parameters: { top: 5 } })
asking.map('x', { on: '/search', parameters: { top: 5 } })
asking.index('x')
// @ts-expect-error: top is missing
asking.post('/search', 'x')
// @ts-expect-error: top is missing
asking.search('x')
// @ts-expect-error: top is missing
asking.post('/search', 'x', { requestSize: 5 })
// @ts-expect-error: top is missing
asking.post('/search', 'x', { parameters: { lang: 'en' } })
// @ts-expect-error: top is a number
asking.post('/search', 'x', { parameters: { top: 'five' } })
// @ts-expect-error: for this executor, too
asking.search('x', { parameters: { find: { top: 'five' } } })
// @ts-expect-error: top is missing
asking.transform('/search')
// @ts-expect-error: top is missing
asking.map('x', { on: '/search' })
asking.post('/search', 'x', { parameters: { top: 5 }, onDone: (response) => void response.docs.texts })
const told = new Flow().add({ uses: () => {}, input: { parameters: z.object({ top: z.number() }) } })
told.post('/', 'x', { parameters: { top: 5 } })
// @ts-expect-error: top is missing
told.post('/', 'x')
