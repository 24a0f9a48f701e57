import { mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { type Call, Document, DocumentArray, Executor, ExecutorError, Flow, requests } from '../../lib/index.js'
import { within } from '../support/within.js'

const open = (uses: any, options: object = {}) => new Flow().add({ name: 'only', uses, ...options }).open()
const result = async (flow: Flow<any>, on: string) => (await flow.post(on, 'x').toArray())[0]!.parameters.__results__.only

class Base extends Executor {
  @requests('/bar')
  bar(): object {
    return { bar: 1 }
  }

  @requests(['/a', '/b'])
  several({ endpoint }: Call): object {
    return { several: endpoint }
  }

  @requests()
  rest(): object {
    return { rest: 1 }
  }
}

test('E1: methods answer the endpoints they are bound to, one of them all others', async () => {
  await using flow = await open(Base)
  assert.equal(await result(flow, '/bar'), { bar: 1 })
  assert.equal(await result(flow, '/a'), { several: '/a' })
  assert.equal(await result(flow, '/b'), { several: '/b' })
  assert.equal(await result(flow, '/else'), { rest: 1 })
})

test('E1: a bare @requests is the default too', async () => {
  class Bare extends Executor {
    @requests
    all(): object {
      return { all: 1 }
    }
  }
  await using flow = await open(Bare)
  assert.equal(await result(flow, '/x'), { all: 1 })
})

test('E1: a method takes all endpoints of several decorators', async () => {
  class Twice extends Executor {
    @requests('/a')
    @requests('/b')
    all({ endpoint }: Call): object {
      return { endpoint }
    }
  }
  await using flow = await open(Twice)
  assert.equal(await result(flow, '/a'), { endpoint: '/a' })
  assert.equal(await result(flow, '/b'), { endpoint: '/b' })
})

test('E3: what can be awaited is awaited, also when it is no promise of the platform', async () => {
  const thenable = { then: (resolve: (answer: object) => void) => void setImmediate(() => resolve({ n: 1 })) }
  await using flow = await open(() => thenable as any)
  assert.equal(await result(flow, '/'), { n: 1 })
  await using failing = await open(() => ({ then: (_: unknown, reject: (error: Error) => void) => void setImmediate(() => reject(new Error('no'))) }) as any)
  const error: any = await failing
    .post('/', 'x')
    .drain()
    .catch((error) => error)
  assert.is(error.cause.message, 'no')
})

test('R82: a class that is no Executor does not open', async () => {
  class Other {}
  const error: any = await open(Other).catch((error: unknown) => error)
  assert.is(error.code, 'ERR_USES_INVALID')
})

test('E1: static requests bind without decorators', async () => {
  class Plain extends Executor {
    static requests = { '/bar': 'foo', '/default': 'rest' }
    foo(): object {
      return { foo: 1 }
    }
    rest(): object {
      return { rest: 1 }
    }
  }
  await using flow = await open(Plain)
  assert.equal(await result(flow, '/bar'), { foo: 1 })
  assert.equal(await result(flow, '/x'), { rest: 1 })
})

test('E1: bindings are inherited; an overriding method keeps them, a binding of the subclass wins', async () => {
  class Derived extends Base {
    override bar(): object {
      return { bar: 2 }
    }

    @requests('/a')
    mine(): object {
      return { mine: 1 }
    }
  }
  await using flow = await open(Derived)
  assert.equal(await result(flow, '/bar'), { bar: 2 })
  assert.equal(await result(flow, '/a'), { mine: 1 })
  assert.equal(await result(flow, '/b'), { several: '/b' })
  await using base = await open(Base)
  assert.equal(await result(base, '/a'), { several: '/a' })
})

test('E1: with no matching endpoint and no default, the request passes untouched and the route does not name it', async () => {
  class Narrow extends Executor {
    @requests('/only')
    only({ docs }: Call): void {
      docs.length = 0
    }
  }
  for (const served of [false, true]) {
    await using flow = await new Flow(served ? { protocol: 'http', port: 0 } : { unknownEndpoint: 'pass' }).add({ uses: Narrow }).open()
    await using client = served ? new Client(flow.addresses['http']!) : undefined
    const [response] = await (client === undefined ? flow.post('/other', 'x') : client.post('/other', 'x')).toArray()
    assert.equal(response!.docs.texts, ['x'])
    assert.equal(
      response!.routes.map(({ executor }) => executor),
      ['gateway'],
    )
  }
})

test('an endpoint that no executor answers is refused in code, with the one that is meant; for clients, where the Flow says so', async () => {
  class Two extends Executor {
    static requests = { '/index': 'index', '/search': 'index' }
    index(): void {}
  }
  const said = /^post\(\) names \/idnex, which is no endpoint there\. There are \/index, \/search\. Did you mean \/index\?$/
  {
    await using flow = await new Flow().add({ uses: Two }).add({ name: 'joined' }).open()
    assert.throws(() => flow.post('/idnex', 'x'), said)
    assert.throws(() => flow.transform('/idnex')(['x']), said)
    assert.throws(() => flow.post('', 'x'), /names \/, which is no endpoint there/)
    assert.throws(() => flow.update('x'), /names \/update/)
    assert.is(await flow.index('x').drain(), 1)
    assert.is(await flow.post('_jina_dry_run_').drain(), 1)
  }
  // Where one takes all, none is unknown; where there is none, nothing is misspelled; what one elsewhere takes is its to say.
  for (const flow of [new Flow().add({ uses: Two }).add({ uses: () => {} }), new Flow(), new Flow().add({})]) {
    await using open = await flow.open()
    assert.is(await open.post('/idnex', 'x').drain(), 1)
  }
  await using flow = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: [0, 0, 0], unknownEndpoint: 'refuse' }).add({ uses: Two }).open()
  for (const protocol of ['grpc', 'http', 'websocket']) {
    await using client = new Client(flow.addresses[protocol]!)
    try {
      await client.post('/idnex', 'x').drain()
      assert.unreachable()
    } catch (error: any) {
      assert.is(error.code, 'ERR_REFUSED', protocol)
      assert.match(error.message, /Did you mean \/index\?$/)
    }
    assert.is(await client.post('/index', 'x').drain(), 1)
  }
  assert.throws(() => new Flow({ unknownEndpoint: 'ignore' as never }), /unknownEndpoint must be one of refuse, warn, pass/)
})

test('216: a dry run calls no executor, but one that is bound to it', async () => {
  const called: string[] = []
  class Bound extends Executor {
    static requests = { _jina_dry_run_: 'dry', '/default': 'rest' }
    dry(): void {
      called.push('bound')
    }
    rest(): void {
      called.push('rest')
    }
  }
  await using flow = await new Flow()
    .add({ name: 'function', uses: () => void called.push('function') })
    .add({ name: 'class', uses: Base })
    .open()
  const [response] = await flow.post('_jina_dry_run_', 'x').toArray()
  assert.equal(
    response!.routes.map(({ executor }) => executor),
    ['gateway'],
  )
  assert.equal(called, [])
  await using bound = await open(Bound)
  await bound.post('_jina_dry_run_', 'x').drain()
  assert.equal(called, ['bound'])
})

test('E1: functions are executors: plain, asynchronous, generators and async generators', async () => {
  const kinds: any[] = [
    ({ docs }: Call) => docs.map((doc) => `${doc.text}!`),
    async ({ docs }: Call) => docs.map((doc) => `${doc.text}!`),
    function* ({ docs }: Call) {
      for (const doc of docs) yield `${doc.text}!`
    },
    async function* ({ docs }: Call) {
      for (const doc of docs) yield `${doc.text}!`
    },
  ]
  for (const uses of kinds) {
    await using flow = await open(uses)
    assert.equal((await flow.post('/', ['a', 'b']).docs()).texts, ['a!', 'b!'])
  }
})

test('E1: an endpoint bound to what is no method does not open', async () => {
  class Wrong extends Executor {
    static requests = { '/x': 'nowhere' }
  }
  try {
    await open(Wrong)
    assert.unreachable()
  } catch (error: any) {
    assert.ok(error instanceof ExecutorError)
    assert.is(error.code, 'ERR_EXECUTOR_BINDING')
    assert.match(error.message, /\/x is bound to Wrong\.nowhere, which is not a method for requests/)
  }
  assert.throws(() => requests(5 as any), /endpoint/)
  // Nor one bound to what every executor has for other ends.
  for (const method of ['close', 'handle', 'constructor']) {
    class Inherits extends Executor {
      static requests = { '/x': method }
    }
    const error: any = await open(Inherits).catch((error) => error)
    assert.is(error.code, 'ERR_EXECUTOR_BINDING', method)
  }
})

test('E2, E5: usesWith is the config, usesMetas the metas, usesRequests re-binds', async () => {
  class Configured extends Executor<{ bar: number }> {
    @requests()
    all(): object {
      return { bar: this.config.bar, name: this.name, metas: this.metas, shard: this.shardId }
    }

    other(): object {
      return { other: 1 }
    }
  }
  await using flow = await open(Configured, { usesWith: { bar: 123 }, usesMetas: { description: 'mine' }, usesRequests: { '/index': 'other' } })
  assert.equal(await result(flow, '/x'), { bar: 123, name: 'only', metas: { name: 'Configured', description: 'mine' }, shard: 0 })
  assert.equal(await result(flow, '/index'), { other: 1 })
})

test('E5: a method that usesRequests binds loses its former endpoints', async () => {
  await using flow = await open(Base, { usesRequests: { '/new': 'bar' } })
  assert.equal(await result(flow, '/new'), { bar: 1 })
  assert.equal(await result(flow, '/bar'), { rest: 1 })
})

test('E3: nothing keeps the documents, documents replace them, a plain object is a result', async () => {
  const answers: [any, string[], any][] = [
    [undefined, ['x'], undefined],
    [null, ['x'], undefined],
    [new Document({ text: 'y' }), ['y'], undefined],
    [DocumentArray.from(['y', 'z']), ['y', 'z'], undefined],
    [['y', { text: 'z' }], ['y', 'z'], undefined],
    [new Set(['y']), ['y'], undefined],
    [[], [], undefined],
    [{ count: 1 }, ['x'], { count: 1 }],
    [Object.assign(Object.create(null), { count: 1 }), ['x'], { count: 1 }],
  ]
  for (const [answer, texts, expected] of answers) {
    await using flow = await open(() => answer)
    const [response] = await flow.post('/', 'x').toArray()
    assert.equal(response!.docs.texts, texts)
    assert.equal(expected && { ...response!.parameters.__results__.only }, expected)
  }
})

test('E3, R54: anything else is an error that names the executor', async () => {
  for (const answer of [5, 'text', true, Symbol('s'), new Date(), new Map([[1, 2]]), [5], () => 1]) {
    for (const uses of [() => answer, async () => answer]) {
      await using flow = await open(uses)
      try {
        await flow.post('/x', 'x').drain()
        assert.unreachable(String(answer))
      } catch (error: any) {
        assert.is(error.code, 'ERR_EXECUTOR_RESULT', String(answer))
        assert.match(error.message, /^only returned .* for \/x: return nothing, documents, or a plain object/)
        assert.is(error.executor, 'only')
        assert.ok(error.cause instanceof Error)
      }
    }
  }
})

test('188: @requests as a legacy decorator says which option to take out', () => {
  const legacy: any = requests
  for (const use of [
    () => legacy('/x')(Base.prototype, 'bar', {}),
    () => legacy()(Base.prototype, 'bar', {}),
    () => legacy(Base.prototype, 'bar', {}),
    () => legacy(Base.prototype, 'bar'),
  ])
    assert.throws(use, (error: any) => error.code === 'ERR_OPTION_TYPE' && /experimentalDecorators.*decoratorVersion.*static requests/.test(error.message))
})

test('204: what an executor leaves among the documents and is none fails the request in its name, wherever it stands', async () => {
  const ways: Record<string, [(call: Call) => unknown, RegExp]> = {
    'an object pushed': [({ docs }) => void docs.push({ text: 'raw' } as any), /^bad left an object at docs\[1\] for \/x: docs\.append\(\)/],
    'a text pushed': [({ docs }) => void docs.push('raw' as any), /^bad left "raw" at docs\[1\]/],
    holes: [({ docs }) => void (docs.length = 3), /^bad left undefined at docs\[1\]/],
    'null instead': [({ docs }) => void (docs[0] = null as any), /^bad left null at docs\[0\]/],
    'the array itself returned': [({ docs }) => docs.push({} as any) && docs, /^bad left an object/],
    'beside a plain object': [({ docs }) => docs.push({} as any) && { count: 2 }, /^bad left an object/],
    later: [async ({ docs }) => void docs.push({} as any), /^bad left an object/],
    'by a generator': [async function* ({ docs }: Call) {
      docs.push({} as any)
      yield
    }, /^bad left an object/],
    'by a generator that yields nothing': [async function* ({ docs }: Call) {
      if (docs.push({} as any) < 0) yield
    }, /^bad left an object/],
    'null returned among documents': [() => DocumentArray.of(null as any), /^bad returned an array of 1 \(.*not from null/],
  } // biome-ignore format: one way a line
  const graphs = {
    chain: (flow: Flow<any>) => flow.add({ name: 'next', uses: ({ docs }) => void docs.texts }),
    fork: (flow: Flow<any>) => flow.add({ name: 'a', needs: 'bad' }).add({ name: 'b', needs: 'bad' }).needs(['a', 'b'], { join: 'merge' }),
  }
  for (const [where, build] of Object.entries(graphs))
    for (const options of [{}, { retries: 1 }, { parallel: 2, polling: 'ALL' }, { dynamicBatching: { preferredBatchSize: 1 } }] as const)
      for (const [way, [uses, pattern]] of Object.entries(ways)) {
        await using flow = await build(new Flow<any>().add({ name: 'bad', uses: uses as any, ...options })).open()
        const [response] = await flow.post('/x', ['x'], { continueOnError: true }).toArray()
        const { error, docs } = response as any
        assert.instance(error, ExecutorError, `${way}, ${where} ${JSON.stringify(options)}`)
        assert.equal([error.code, error.executor], ['ERR_EXECUTOR_RESULT', 'bad'])
        assert.match(error.message, pattern, `${way}, ${where} ${JSON.stringify(options)}`)
        assert.ok(docs.every((doc: unknown) => doc instanceof Document))
      }
})

test('144, 204: an array that an executor keeps stays as it left it, also when its request fails of it', async () => {
  let kept: unknown[] = []
  await using flow = await new Flow()
    .add({
      name: 'keeper',
      uses: ({ docs }) => {
        kept = docs
        kept.push({ text: 'no document' })
      },
    })
    .open()
  const [response] = await flow.post('/', ['a'], { continueOnError: true }).toArray()
  assert.is((response!.error as ExecutorError).code, 'ERR_EXECUTOR_RESULT')
  assert.is(response!.docs.length, 1)
  assert.is(kept.length, 2)
})

test('204: what is returned is made documents, also in a DocumentArray', async () => {
  await using flow = await open(() => DocumentArray.of({ text: 'raw' } as any))
  const docs = await flow.post('/').docs()
  assert.instance(docs[0], Document)
  assert.equal(docs.texts, ['raw'])
})

test('204: what is thrown is read safely and whole: of another realm, and when it throws as it is looked at', async () => {
  const trap = () => {
    throw new Error('trapped')
  }
  const revoked = Proxy.revocable(new Error('gone'), {})
  revoked.revoke()
  const cases: [unknown, RegExp, string][] = [
    [runInNewContext("new TypeError('elsewhere')"), /: elsewhere$/, 'TypeError'],
    [runInNewContext("Object.assign(new Error(''), { name: 'Named' })"), /: Named$/, 'Named'],
    [Object.defineProperty(new Error('x'), 'message', { get: trap }), /: Error$/, 'Error'],
    [Object.defineProperties(new Error('x'), { message: { get: trap }, name: { get: trap } }), /: an Error$|: a Error$/, 'object'],
    [Object.defineProperty(new Error('told'), 'stack', { get: trap }), /: told$/, 'Error'],
    [Object.assign(new Error('x'), { message: Symbol('m') }), /: Symbol\(m\)$/, 'Error'],
    [Object.assign(new Error('x'), { message: { toString: trap } }), /: Error$/, 'Error'],
    [revoked.proxy, /: something that cannot be shown$/, 'object'],
    [new Proxy(new Error('x'), { getPrototypeOf: trap }), /: something that cannot be shown$/, 'object'],
    [Object.create(null), /: an object$/, 'object'],
    [undefined, /: undefined$/, 'ExecutorError'],
  ]
  for (const [thrown, pattern, name] of cases)
    for (const options of [
      {},
      { retries: { attempts: 1, delay: 0 } },
      { parallel: 2, polling: 'ALL_ASYNC' },
      { dynamicBatching: { preferredBatchSize: 1 } },
    ] as const)
      for (const uses of [
        () => {
          throw thrown
        },
        async () => {
          throw thrown
        },
      ]) {
        await using flow = await new Flow({ onBackgroundError: () => {} }).add({ name: 'bad', uses, ...options } as any).open()
        const [response] = await flow.post('/', ['x'], { continueOnError: true }).toArray()
        assert.match(response!.error!.message, pattern)
        assert.is((response!.error as ExecutorError).cause, thrown)
        assert.is(response!.status.exception!.name, name)
        assert.type(JSON.stringify(response), 'string')
      }
})

test('E3: a method gets documents, parameters, endpoint, request id and signal', async () => {
  let call: any
  await using flow = await open((given: Call) => {
    call = given
  })
  const [response] = await flow.post('/x', 'x', { parameters: { a: 1 } }).toArray()
  assert.equal(call.docs.texts, ['x'])
  assert.equal(call.parameters, { a: 1 })
  assert.is(call.endpoint, '/x')
  assert.is(call.requestId, response!.requestId)
  assert.ok(call.signal instanceof AbortSignal)
  assert.is(call.docsMatrix, undefined)
  assert.is(call.docsMap, undefined)
})

test('R47, R48: whatever an executor throws arrives as the cause', async () => {
  const circular: any = {}
  circular.self = circular
  const hostile = {
    get message(): string {
      throw new Error('getter')
    },
    toString(): string {
      throw new Error('toString')
    },
  }
  for (const thrown of [new Error('e'), 'text', 5, null, undefined, circular, hostile, Object.create(null), Symbol('s')]) {
    for (const uses of [
      () => {
        throw thrown
      },
      async () => {
        throw thrown
      },
    ]) {
      await using flow = await open(uses)
      try {
        await within(1000, flow.post('/', 'x').drain())
        assert.unreachable()
      } catch (error: any) {
        assert.is(error.code, 'ERR_EXECUTOR')
        assert.is(error.cause, thrown)
      }
      const [response] = await flow.post('/', 'x', { continueOnError: true }).toArray()
      assert.is(response!.status.code, 'ERROR')
      assert.ok(typeof JSON.stringify(response!.status) === 'string')
    }
  }
})

test('E6: opened once before the first request, closed once after the last, in reverse order', async () => {
  const log: string[] = []
  const logging = (name: string) =>
    class extends Executor {
      override async open(): Promise<void> {
        log.push(`open ${name}`)
      }
      override async close(): Promise<void> {
        log.push(`close ${name}`)
      }
      @requests()
      all(): void {
        log.push(`call ${name}`)
      }
    }
  const flow = await new Flow()
    .add({ uses: logging('a') })
    .add({ uses: logging('b') })
    .open()
  await flow.post('/', 'x').drain()
  await Promise.all([flow.close(), flow.close()])
  await flow.close()
  assert.equal(log, ['open a', 'open b', 'call a', 'call b', 'close b', 'close a'])
})

test('E6, R55: when one fails to open, those that did are closed in reverse order, and the error names it', async () => {
  const log: string[] = []
  const part = (name: string, failing = false) =>
    class extends Executor {
      override async open(): Promise<void> {
        await new Promise((resolve) => setImmediate(resolve))
        if (failing) throw new RangeError('no model')
        log.push(`open ${name}`)
      }
      override close(): void {
        log.push(`close ${name}`)
      }
    }
  const flow = new Flow()
    .add({ name: 'a', uses: part('a') })
    .add({ name: 'b', uses: part('b', true) })
    .add({ name: 'c', uses: part('c') })
  try {
    await flow.open()
    assert.unreachable()
  } catch (error: any) {
    assert.is(error.code, 'ERR_EXECUTOR_OPEN')
    assert.is(error.executor, 'b')
    assert.match(error.message, /b did not open: no model/)
    assert.ok(error.cause instanceof RangeError)
  }
  assert.equal(log, ['open a', 'open c', 'close c', 'close a'])
  assert.not(flow.isOpen)
})

test('E6, R55: a constructor that throws leaves no half-open flow', async () => {
  class Broken extends Executor {
    constructor(init: object) {
      super(init)
      throw new Error('constructor')
    }
  }
  const flow = new Flow().add({ name: 'b', uses: Broken })
  try {
    await flow.open()
    assert.unreachable()
  } catch (error: any) {
    assert.is(error.code, 'ERR_EXECUTOR_OPEN')
    assert.match(error.message, /b could not be made: constructor/)
  }
  assert.not(flow.isOpen)
})

test('E6: each executor has its own folder in the workspace', async () => {
  const base = await mkdtemp(join(tmpdir(), 'sluice-'))
  class Storing extends Executor {
    @requests()
    async all(): Promise<object> {
      return { workspace: this.workspace, isDirectory: (await stat(this.workspace)).isDirectory() }
    }
  }
  await using flow = await new Flow({ workspace: base })
    .add({ name: 'a', uses: Storing })
    .add({ name: 'b', uses: Storing, workspace: join(base, 'own') })
    .add({ name: 'c', uses: Storing, usesMetas: { workspace: join(base, 'metas') } })
    .open()
  const [response] = await flow.post('/', 'x').toArray()
  assert.equal(response!.parameters.__results__, {
    a: { workspace: `${base}/a/0`, isDirectory: true },
    b: { workspace: `${base}/own/b/0`, isDirectory: true },
    c: { workspace: `${base}/metas/c/0`, isDirectory: true },
  })
  await using bare = await open(Storing)
  try {
    await bare.post('/', 'x').drain()
    assert.unreachable()
  } catch (error: any) {
    assert.match(error.message, /only has no workspace: give one to the Flow/)
  }
})

test('163: a method that is replaced, before or after the Flow opens, is called in its place', async () => {
  class Shout extends Executor {
    @requests('/shout')
    shout({ docs }: Call): void {
      for (const doc of docs) doc.text += '!'
    }
  }
  class Louder extends Shout {}
  const before = mock.method(Shout.prototype, 'shout')
  for (const type of [Shout, Louder]) {
    await using flow = await open(type)
    assert.equal([flow.endpoints, (await flow.post('/shout', 'a').docs()).texts], [['/shout'], ['a!']])
    const after = mock.method(Shout.prototype, 'shout', ({ docs }: Call) => void (docs[0]!.text = 'mocked'))
    assert.equal((await flow.post('/shout', 'a').docs()).texts, ['mocked'])
    after.mock.restore()
    assert.equal((await flow.post('/shout', 'a').docs()).texts, ['a!'])
  }
  assert.is(before.mock.callCount(), 4)
})

function traced(method: any): any {
  return function (this: unknown, ...args: unknown[]): unknown {
    return { traced: method.apply(this, args) }
  }
}

test('163: a decorator that replaces the method stands above @requests or below', async () => {
  class Above extends Executor {
    @traced
    @requests('/a')
    run(): object {
      return { at: this.name }
    }
  }
  class Below extends Executor {
    @requests('/a')
    @traced
    run(): object {
      return { at: this.name }
    }
  }
  class Between extends Executor {
    @requests('/a')
    @traced
    @requests('/b')
    run(): object {
      return { at: this.name }
    }
  }
  class Overridden extends Above {
    override run(): object {
      return { traced: { at: 'over' } }
    }
  }
  for (const [type, on, at] of [
    [Above, '/a', 'only'],
    [Below, '/a', 'only'],
    [Between, '/a', 'only'],
    [Between, '/b', 'only'],
    [Overridden, '/a', 'over'],
  ] as const) {
    await using flow = await open(type)
    assert.equal(await result(flow, on), { traced: { at } }, `${type.name} ${on}`)
  }
})

test('163: so it is where decorators bring no metadata, as those of TypeScript where the platform has none', async () => {
  class Base extends Executor {
    run(): object {
      return { base: 1 }
    }
  }
  const initializers: ((this: unknown) => void)[] = []
  const context: any = { kind: 'method', name: 'run', static: false, private: false, addInitializer: (run: any) => initializers.push(run) }
  requests('/a')(Base.prototype.run, context)
  Base.prototype.run = traced(Base.prototype.run)
  class Shout extends Base {
    constructor(init: any) {
      super(init)
      for (const run of initializers) run.call(this)
    }
  }
  class Other extends Shout {
    static requests = { '/a': 'other', '/b': 'run' } as const
    other(): object {
      return { other: 1 }
    }
  }
  await using flow = await open(Shout)
  assert.equal(await result(flow, '/a'), { traced: { base: 1 } })
  await using other = await open(Other)
  assert.equal([await result(other, '/a'), await result(other, '/b')], [{ other: 1 }, { traced: { base: 1 } }])
})

test.run()
