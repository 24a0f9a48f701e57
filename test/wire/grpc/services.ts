// The services beside the requests: health, reflection, what Jina's gateways ask; and what is sent by who speaks no protobuf.
import { execFileSync } from 'node:child_process'
import { status as Code, Metadata } from '@grpc/grpc-js'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { DocumentArray } from '../../../lib/doc/array.js'
import { type Call, Executor, Flow, requests } from '../../../lib/index.js'
import { readFields, textOf, writeFields } from '../../../lib/wire/grpc/fields.js'
import { METHODS } from '../../../lib/wire/grpc/methods.js'
import { emptyMessage, type Message } from '../../../lib/wire/message.js'
import {
  decodeEndpoints,
  decodeInfo,
  decodeMessage,
  decodeSchemas,
  decodeSingle,
  decodeStatus,
  encodeMessage,
  encodeMessages,
  encodeSingle,
} from '../../../lib/wire/proto/index.js'
import { collect } from '../../support/collect.js'
import { serveGrpc as serve } from '../../support/serving.js'
import { within } from '../../support/within.js'
import { Raw } from './raw.js'
import { world } from './world.js'

const bytes = (encoded: Uint8Array): Buffer => Buffer.from(encoded)
const message = (texts: string[], more: Partial<Message> = {}): Message =>
  emptyMessage({ requestId: 'one', execEndpoint: '/', docs: DocumentArray.from(texts.map((text) => ({ text }))), ...more })

test('G3: health: check and watch, by service and over all, until the server drains', async () => {
  const it = await world(() => {})
  {
    using raw = new Raw(it.server.address)
    const check = async (service: string) => {
      const { answer, status } = await within(10_000, raw.unary(METHODS.check, writeFields([1, service])))
      return answer === undefined ? Code[status.code] : readFields(answer)
    }
    for (const service of ['', 'jina.JinaRPC', 'jina.JinaSingleDataRequestRPC', 'grpc.health.v1.Health']) assert.equal(await check(service), [[1, 1]], service)
    assert.is(await check('jina.Nothing'), 'NOT_FOUND')

    const watched = raw.server(METHODS.watch, writeFields([1, 'jina.JinaRPC']))
    watched.on('error', () => {})
    const changes = watched[Symbol.asyncIterator]()
    const next = async () => readFields((await within(10_000, changes.next())).value)
    assert.equal(await next(), [[1, 1]])
    const unknown = raw.server(METHODS.watch, writeFields([1, 'jina.Nothing']))
    unknown.on('error', () => {})
    assert.equal(readFields((await within(10_000, unknown[Symbol.asyncIterator]().next())).value), [[1, 3]])
    it.server.unready()
    assert.equal(await next(), [[1, 2]])
    assert.equal(await check(''), [[1, 2]])
    await within(10_000, it.server.drain())
    watched.cancel()
    unknown.cancel()
  }
  await it[Symbol.asyncDispose]()
})

test('G3: reflection: services, files by name and by symbol, and what they import', async () => {
  await using it = await world(() => {})
  using raw = new Raw(it.server.address)
  for (const method of [METHODS.reflection, METHODS.reflectionAlpha]) {
    const asked = [
      writeFields([7, '*']),
      writeFields([4, 'jina.JinaRPC']),
      writeFields([4, 'jina.JinaRPC.Call']),
      writeFields([4, 'docarray.DocumentProto.text']),
      writeFields([3, 'google/protobuf/struct.proto']),
      writeFields([4, 'no.such.Thing']),
      writeFields([6, 'jina.DataRequestProto']),
      writeFields([1, 'host']),
    ]
    const { answers, status } = await within(10_000, raw.converse(method, asked))
    assert.is(status.code, Code.OK)
    const told = answers.map((answer, index) => {
      const fields = readFields(answer)
      assert.equal(fields.find(([number]) => number === 2)?.[1], asked[index], 'the question is in the answer')
      const [number, value] = fields.at(-1)!
      return [number, readFields(value as Uint8Array)] as const
    })
    const services = told[0]![1].map(([, service]) => textOf(readFields(service as Uint8Array), 1))
    for (const service of ['jina.JinaRPC', 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection']) assert.ok(services.includes(service), service)
    const names = (at: number) => told[at]![1].map(([, file]) => textOf(readFields(file as Uint8Array), 1))
    assert.is(names(1)[0], 'jina.proto')
    assert.equal([...names(1)].sort(), [
      'docarray.proto',
      'google/protobuf/empty.proto',
      'google/protobuf/struct.proto',
      'google/protobuf/timestamp.proto',
      'jina.proto',
    ])
    assert.is(names(2)[0], 'jina.proto')
    assert.is(names(3)[0], 'docarray.proto')
    assert.equal(names(4), ['google/protobuf/struct.proto'])
    assert.equal(
      told.map(([number]) => number),
      [6, 4, 4, 4, 4, 7, 5, 7],
    )
  }
})

test('G3: the descriptors are what the .proto files say', () => {
  execFileSync(process.execPath, ['lib/wire/grpc/reflection/build.mjs', '--check'])
})

test('E10: gateways of docarray ≥ 0.30 are told what documents are, where it is known what comes in', async () => {
  const described = new Map([
    [
      '/search',
      {
        input: { tags: [z.object({ n: z.int(), list: z.array(z.string()), deep: z.object({}) })], text: [] },
        parameters: [],
        output: [{ tags: [z.object({ score: z.number().describe('how near') })], text: [z.string()], before: [] }],
      },
    ],
    [
      '/same',
      {
        input: { tags: [z.object({ n: z.number().default(1) })], text: [] },
        parameters: [{ executor: 'x', schema: z.object({ k: z.boolean() }) }],
        output: [],
      },
    ],
    ['/unknown', { input: { tags: [], text: [] }, parameters: [], output: [{ tags: [z.object({ score: z.number() })], text: [], before: [] }] }],
  ])
  for (const docarray of ['v1', 'v2'] as const) {
    await using it = await world(() => {}, { docarray, endpoints: () => ['/search', '/same', '/unknown'], describe: async () => described })
    using raw = new Raw(it.server.address)
    const { answer } = await within(10_000, raw.unary(METHODS.endpoints, bytes(new Uint8Array())))
    assert.equal(decodeEndpoints(answer!), ['/search', '/same', '/unknown'])
    if (docarray === 'v1') assert.equal(decodeSchemas(answer!), {})
    else
      assert.equal(decodeSchemas(answer!), {
        '/search': {
          input: {
            name: 'SearchDocument',
            model: {
              title: 'SearchDocument',
              type: 'object',
              properties: {
                id: { title: 'Id', type: 'string' },
                n: { title: 'n', type: 'integer' },
                list: { title: 'list', type: 'array', items: { type: 'string' } },
                deep: { title: 'deep' },
              },
            },
          },
          output: {
            name: 'SearchResult',
            model: {
              title: 'SearchResult',
              type: 'object',
              properties: {
                id: { title: 'Id', type: 'string' },
                n: { title: 'n', type: 'integer' },
                list: { title: 'list', type: 'array', items: { type: 'string' } },
                deep: { title: 'deep' },
                text: { title: 'Text', type: 'string' },
                score: { title: 'score', description: 'how near', type: 'number' },
              },
            },
          },
          parameters: { name: null, model: null },
          is_generator: false,
          is_singleton_doc: false,
        },
        '/same': {
          input: {
            name: 'SameDocument',
            model: {
              title: 'SameDocument',
              type: 'object',
              properties: { id: { title: 'Id', type: 'string' }, n: { title: 'n', default: 1, type: 'number' } },
            },
          },
          output: {
            name: 'SameDocument',
            model: {
              title: 'SameDocument',
              type: 'object',
              properties: { id: { title: 'Id', type: 'string' }, n: { title: 'n', default: 1, type: 'number' } },
            },
          },
          parameters: { name: 'SameParameters', model: { title: 'SameParameters', type: 'object', properties: { k: { title: 'k', type: 'boolean' } } } },
          is_generator: false,
          is_singleton_doc: false,
        },
      })
  }
})

test('E10: documents have their own id and text in what gateways are told, and what says no property is not told', async () => {
  const said = (schema: object): StandardSchemaV1 => {
    const say = () => schema as Record<string, unknown>
    return {
      '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }), jsonSchema: { input: say, output: say } },
    } as StandardSchemaV1
  }
  const described = (tags: StandardSchemaV1, text: StandardSchemaV1[] = []) => ({ input: { tags: [tags], text }, parameters: [], output: [] })
  const descriptions = new Map(
    Object.entries({
      '/own': described(z.object({ id: z.int(), text: z.array(z.string()), n: z.int() }), [z.string()]),
      '/empty': described(z.object({})),
      '/null': described(said({ type: 'object', properties: null })),
      '/odd': described(said({ type: 'object', properties: { a: true, b: null, c: { type: 'array', items: null } } })),
    }),
  )
  await using it = await world(() => {}, { docarray: 'v2', endpoints: () => [...descriptions.keys()], describe: async () => descriptions })
  using raw = new Raw(it.server.address)
  const { answer, status } = await within(10_000, raw.unary(METHODS.endpoints, bytes(new Uint8Array())))
  assert.is(status.code, Code.OK, status.details)
  const told = decodeSchemas(answer!) as Record<string, any>
  assert.equal(Object.keys(told).sort(), ['/odd', '/own'], 'a class without a field drops it')
  const id = { title: 'Id', type: 'string' }
  assert.equal(told['/own'].input.model.properties, { id, text: { title: 'Text', type: 'string' }, n: { title: 'n', type: 'integer' } })
  assert.equal(told['/odd'].input.model.properties, { id, a: { title: 'a' }, b: { title: 'b' }, c: { title: 'c' } })
})

test('E10: parameters that do not fit are answered on a stream of others, which goes on; one request alone ends with INVALID_ARGUMENT', async () => {
  class Strict extends Executor {
    static requests = { '/': 'all' }
    static input = { parameters: z.object({ n: z.number() }) }
    all() {}
  }
  await using it = await world(Strict)
  using raw = new Raw(it.server.address)
  const asked = (parameters: object) => bytes(encodeMessage(message(['a'], { execEndpoint: '/', parameters })))
  const { answers, status } = await within(10_000, raw.converse(METHODS.call, [asked({ n: 'x' }), asked({ n: 1 })]))
  assert.is(status.code, Code.OK, status.details)
  const told = answers.map((answer) => decodeMessage(answer).status)
  assert.equal(told.map((one) => one?.exception?.args[1]).sort(), ['ERR_EXECUTOR_INPUT', undefined])
  const alone = await within(10_000, raw.unary(METHODS.single, asked({})))
  assert.is(alone.status.code, Code.INVALID_ARGUMENT)
  assert.match(alone.status.details, /^worker does not take the parameters of request \S+ at \/: parameters\.n: /)
})

test('C6: what a gateway asks an executor: endpoints, status, dry run, one request, several', async () => {
  await using it = await world(({ docs }) => ({ count: docs.length }), { endpoints: () => ['/index', '/search'] })
  using raw = new Raw(it.server.address)
  const ask = async (method: string, sent: Uint8Array = new Uint8Array()) => {
    const { answer, status } = await within(10_000, raw.unary(method, bytes(sent)))
    assert.is(status.code, Code.OK, status.details)
    return { answer: answer!, metadata: status.metadata }
  }
  assert.equal(decodeEndpoints((await ask(METHODS.endpoints)).answer), ['/index', '/search'])
  assert.equal(decodeSchemas((await ask(METHODS.endpoints)).answer), {})
  assert.equal(decodeInfo((await ask(METHODS.info)).answer).envs, {})
  assert.is(decodeStatus((await ask(METHODS.dryRun)).answer).code, 'SUCCESS')
  const single = await ask(METHODS.single, encodeMessage(message(['a', 'b'], { parameters: { p: 1, __results__: { before: { n: 1 } } } })))
  assert.equal(decodeMessage(single.answer).parameters, { p: 1, __results__: { before: { n: 1 }, worker: { count: 2 } } })
  assert.equal(single.metadata.get('is-error'), [])
  const parts = [message(['a', 'b'], { parameters: { __results__: { x: { n: 1 } } } }), message(['c'], { parameters: { __results__: { y: { n: 2 } } } })]
  const several = decodeMessage((await ask(METHODS.several, encodeMessages(parts))).answer)
  assert.equal(several.docs.texts, ['a', 'b', 'c'])
  assert.equal(several.parameters['__results__'], { x: { n: 1 }, y: { n: 2 }, worker: { count: 3 } })
})

test('C6: an executor that fails is an answer with is-error, and a dry run that fails says so', async () => {
  class Failing extends Executor {
    // Gateways ask so whether all is well; executors that do not answer it themselves are.
    static requests = { '/default': 'fail', _jina_dry_run_: 'fail' }
    fail() {
      throw new TypeError('no')
    }
  }
  await using it = await world(Failing as any)
  using raw = new Raw(it.server.address)
  const { answer, status } = await within(10_000, raw.unary(METHODS.single, bytes(encodeMessage(message(['a'])))))
  assert.is(decodeMessage(answer!).status?.exception?.name, 'TypeError')
  assert.equal(status.metadata.get('is-error'), ['true'])
  assert.is(decodeStatus((await within(10_000, raw.unary(METHODS.dryRun, Buffer.alloc(0)))).answer!).code, 'ERROR')
  assert.is(await it.client.isReady(), false)
})

test('C6: an executor without a Flow around it', async () => {
  class Alone extends Executor {
    @requests('/sync')
    sync() {
      throw new TypeError('at once')
    }
    @requests('/async')
    async async() {
      throw new RangeError('later')
    }
    @requests('/good')
    good({ docs }: Call) {
      return { count: docs.length }
    }
  }
  const reported: Error[] = []
  const server = await serve(new Alone({ name: 'alone' }), { onError: (error) => reported.push(error) })
  using raw = new Raw(server.address)
  const ask = async (execEndpoint: string) => {
    const { answer, status } = await within(10_000, raw.unary(METHODS.single, bytes(encodeMessage(message(['a'], { execEndpoint })))))
    assert.is(status.code, Code.OK, status.details)
    return decodeMessage(answer!)
  }
  assert.equal((await ask('/good')).parameters['__results__'], { alone: { count: 1 } })
  for (const [endpoint, name] of [
    ['/sync', 'TypeError'],
    ['/async', 'RangeError'],
  ] as const) {
    const { status } = await ask(endpoint)
    assert.is(status?.exception?.name, name)
    assert.is(status?.exception?.executor, 'alone')
  }
  assert.equal(reported, [])
  await server.close()
})

test('C6: stream_doc: one document in, each that is yielded out', async () => {
  await using it = await world(async function* ({ docs }: any) {
    for (let i = 0; i < 3; i++) yield { text: `${docs[0]!.text} ${i}` }
  } as any)
  using raw = new Raw(it.server.address)
  const { items } = await within(10_000, collect<Buffer>(raw.server(METHODS.document, bytes(encodeSingle(message(['a']))))))
  assert.equal(
    items.map((item) => decodeSingle(item).docs.texts),
    [['a 0'], ['a 1'], ['a 2']],
  )
})

test('211: stream_doc: what executors behind a generator made of its documents follows its pieces', async () => {
  const flow = await new Flow()
    .add({
      name: 'generator',
      async *uses({ docs }: Call) {
        yield docs[0]!
      },
    })
    .add({ name: 'behind', uses: ({ docs }: Call) => docs.forEach((doc) => void (doc.text += ', behind')) })
    .open()
  const server = await serve(flow)
  {
    using raw = new Raw(server.address)
    const { items } = await within(10_000, collect<Buffer>(raw.server(METHODS.document, bytes(encodeSingle(message(['a']))))))
    assert.equal(
      items.map((item) => decodeSingle(item).docs.texts),
      [['a'], ['a, behind']],
    )
  }
  await server.close()
  await flow.close()
})

test('211: an answer that cannot be written is told by is-error, too, and stacks in its routes stay here', async () => {
  await using it = await world(({ docs }) => void (docs[0]!.tags.n = 5n))
  using raw = new Raw(it.server.address)
  const { answer, status } = await within(10_000, raw.unary(METHODS.single, bytes(encodeMessage(message(['a'])))))
  assert.match(decodeMessage(answer!).status!.description, /n is a bigint/)
  assert.equal(status.metadata.get('is-error'), ['true'])
  const stop = {
    executor: 'before',
    startTime: 1,
    status: { code: 'ERROR' as const, description: 'no', exception: { name: 'E', args: [], stacks: ['at /secret'], executor: 'before' } },
  }
  await using fine = await world(() => {})
  using other = new Raw(fine.server.address)
  const passed = await within(10_000, other.unary(METHODS.single, bytes(encodeMessage(message(['a'], { routes: [stop] })))))
  const { routes, status: good } = decodeMessage(passed.answer!)
  assert.is.not(good?.code, 'ERROR')
  assert.equal(routes[0]!.status?.exception, { name: 'E', args: [], stacks: [], executor: 'before' })
})

test('C6: stream_doc of what is no generator, and of what fails', async () => {
  await using it = await world(({ docs }) => {
    if (docs[0]!.text === 'bad') throw new Error('no')
  })
  using raw = new Raw(it.server.address)
  const ask = async (text: string) =>
    (await within(10_000, collect<Buffer>(raw.server(METHODS.document, bytes(encodeSingle(message([text]))))))).items.map((item) => decodeSingle(item))
  assert.equal(
    (await ask('good')).map(({ docs }) => docs.texts),
    [['good']],
  )
  assert.equal(
    (await ask('bad')).map(({ status }) => status?.code),
    ['ERROR'],
  )
})

test('R59: answers that came before what is malformed are delivered', async () => {
  await using it = await world(() => {})
  using raw = new Raw(it.server.address)
  const call = raw.bidi(METHODS.call)
  const ended = new Promise<any>((resolve) => call.on('error', resolve))
  call.write(bytes(encodeMessage(message(['a']))))
  const [first] = await within(10_000, new Promise<Buffer[]>((resolve) => call.once('data', (data) => resolve([data]))))
  assert.equal(decodeMessage(first!).docs.texts, ['a'])
  call.write(Buffer.from([0xff, 0xff, 0xff]))
  assert.is((await within(10_000, ended)).code, Code.INVALID_ARGUMENT)
})

test('R100: a method that is not there', async () => {
  await using it = await world(() => {})
  using raw = new Raw(it.server.address)
  assert.is((await within(10_000, raw.unary('/jina.JinaRPC/Nothing', Buffer.alloc(0)))).status.code, Code.UNIMPLEMENTED)
  const odd = new Metadata()
  odd.set('__prefetch__', '-5')
  odd.set('sluice-partial', 'yes')
  assert.is((await within(10_000, raw.converse(METHODS.call, [bytes(encodeMessage(message(['a'])))], odd))).answers.length, 1)
})

test('C6: no partial answers for who does not ask for them', async () => {
  await using it = await world(async function* () {
    yield { text: 'first' }
    yield { text: 'second' }
  } as any)
  using raw = new Raw(it.server.address)
  const sent = [bytes(encodeMessage(message(['a'])))]
  assert.is((await within(10_000, raw.converse(METHODS.call, sent))).answers.length, 1)
  const asking = new Metadata()
  asking.set('sluice-partial', '1')
  const { answers } = await within(10_000, raw.converse(METHODS.call, sent, asking))
  assert.equal(
    answers.map((answer) => decodeMessage(answer).ordinal),
    [0, 1, undefined],
  )
})

test.run()
