// Checked by the compiler, never run. What is wrong with a name, or with a class and how it is bound and configured: each line that must not compile says so.
import { type Call, Executor, type ExecutorClass, each, Flow, requests } from '../../lib/index.js'

class Needy extends Executor<{ lower: boolean; top?: number }> {
  static requests = { '/a': 'foo' } as const
  foo(_: Call): void {}
  bar(): void {}
}
class Easy extends Executor<{ lower?: boolean }> {
  static requests = { '/a': 'foo' }
  foo(_: Call): void {}
}
class Decorated extends Executor {
  @requests('/a')
  foo(_: Call): void {}
}
class Absent extends Executor {
  static requests = { '/a': 'foo', '/b': 'baz' } as const
  foo(): void {}
}
class Standing extends Executor {
  static requests = { '/a': each((doc) => void doc.text), '/b': 'later' } as const
  later = each((doc) => void doc.text)
}

// ── a configuration that must be there ──────────────────────────────────────────────────────────────────────
// @ts-expect-error: lower must be given
new Flow().add({ uses: Needy })
// @ts-expect-error: lower must be given
new Flow().add({ uses: Needy, usesWith: {} })
// @ts-expect-error: lower must be given, also here
new Flow().add({ name: 'a' }).add({ name: 'b', needs: 'gateway' }).needs(['a', 'b'], { uses: Needy })
// @ts-expect-error: lower must be given, also here
new Flow().add({}).needsAll({ uses: Needy })
// @ts-expect-error: misspelled
new Flow().add({ uses: Needy, usesWith: { lower: true, tpo: 5 } })
new Flow().add({ uses: Needy, usesWith: { lower: true } })
new Flow().add({ uses: Easy })
new Flow().add({ uses: './easy.js#Easy' })
new Flow().add({ uses: { jtype: 'Easy', modules: './easy.js' } })
declare const any: ExecutorClass
new Flow().add({ uses: any })

// ── methods that are bound ──────────────────────────────────────────────────────────────────────────────────
// @ts-expect-error: there is no baz
new Flow().add({ uses: Absent })
// @ts-expect-error: there is no baz
new Flow().add({ uses: Decorated, usesRequests: { '/b': 'baz' } })
// @ts-expect-error: there is no baz
new Flow().add({ uses: Needy, usesWith: { lower: true }, usesRequests: { '/b': 'bar', '/c': 'baz' } })
new Flow().add({ uses: Needy, usesWith: { lower: true }, usesRequests: { '/b': 'bar' } }).post('/whatever')
new Flow().add({ uses: Standing })
declare const bound: Record<string, string>
new Flow().add({ uses: Decorated, usesRequests: bound })
new Flow().add({ uses: './easy.js#Easy', usesRequests: { '/b': 'baz' } })

// ── names that are taken ────────────────────────────────────────────────────────────────────────────────────
// @ts-expect-error: there is an a
new Flow().add({ name: 'a' }).add({ name: 'a' })
// @ts-expect-error: there is an a
new Flow().add({ name: 'a' }).add({ name: 'b', needs: 'gateway' }).needs(['a', 'b'], { name: 'a' })
// @ts-expect-error: there is an a
new Flow().add({ name: 'a' }).needsAll({ name: 'a', uses: Easy })
new Flow().add({ name: 'a' }).add({}).add({}).add({ name: 'b' })
new Flow<string>().add({ name: 'a' }).add({ name: 'a' })
declare const some: Flow<'a' | 'b'>
some.add({ name: 'c' }).add({ name: 'd', needs: 'a' })
declare const name: string
new Flow().add({ name: 'a' }).add({ name: name as 'b' })

// ── fields that there are not ───────────────────────────────────────────────────────────────────────────────
const flow = new Flow().add({ uses: Easy })
// @ts-expect-error: misspelled
flow.post('/a', { txt: 'x' })
// @ts-expect-error: misspelled
flow.post('/a', [{ text: 'x', tgs: {} }])
// @ts-expect-error: misspelled
flow.post('/a', 'x', { requestsize: 3 })
// @ts-expect-error: misspelled
flow.open({ serv: false })
// @ts-expect-error: misspelled
flow.block({ sgnal: AbortSignal.timeout(1) })
// @ts-expect-error: misspelled
Flow.loadConfig('flow.yml', { contxt: {} })
