// Endpoints that options name: what is misspelled is told, not taken without a word.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, Executor, Flow, type FlowOptions, type LogRecord } from '../../lib/index.js'
import { deadPort } from '../support/nobody.js'

class Shard extends Executor {
  static requests = { '/search': 'search', '/index': 'index' } as const
  search() {}
  index() {}
}

class Rest extends Shard {
  static override requests = { '/default': 'rest' } as any
  rest() {}
}

/** What opening ends with, and what the logger hears. */
async function told(add: AddOptions, options: FlowOptions = {}): Promise<{ error: any; heard: string[] }> {
  const heard: string[] = []
  const logger = ({ event, error }: LogRecord) => void heard.push(`${event} ${(error as Error).message}`)
  const flow = new Flow({ logger, ...options }).add({ name: 'shards', ...add } as object)
  const error = await flow.open().then(
    () => undefined,
    (error) => error,
  )
  await flow.close()
  return { error, heard }
}

const batching = { preferredBatchSize: 2 }

test('an endpoint in polling or dynamicBatching that the executor does not have is refused, with the one that is meant', async () => {
  for (const add of [{ polling: { '/serach': 'ALL' } }, { polling: { search: 'ALL', '*': 'ANY' } }, { dynamicBatching: { '/serach': batching } }] as const) {
    const { error } = await told({ uses: Shard, parallel: 2, ...add })
    assert.is(error?.code, 'ERR_OPTION_RANGE')
    assert.match(
      error.message,
      /^(polling|dynamicBatching) of shards names \/?\w+, which is no endpoint there\. There are \/search, \/index\. Did you mean \/search\?$/,
    )
  }
  for (const add of [
    { polling: { '/search': 'ALL', '*': 'ANY' } },
    { polling: 'ALL' },
    { dynamicBatching: { '/index': batching, '*': batching } },
    { dynamicBatching: batching },
    { polling: { '/found': 'ALL' }, usesRequests: { '/found': 'search' } },
  ] as const)
    assert.equal(await told({ uses: Shard, parallel: 2, ...add }), { error: undefined, heard: [] }, JSON.stringify(add))
})

test('where a method takes all other endpoints, what looks misspelled is a warning; a function takes whatever there is', async () => {
  const { error, heard } = await told({ uses: Rest, polling: { '/serach': 'ALL', '/another': 'ALL', '/default': 'ALL' } })
  assert.is(error, undefined)
  assert.equal(heard, [
    'endpoint.unknown polling of shards names /serach, for which there is no method of its own. Did you mean /search?',
    'endpoint.unknown polling of shards names /default, which is an endpoint like others to it: * is all that are not named',
  ])
  assert.equal(await told({ uses: () => {}, polling: { '/serach': 'ALL' }, dynamicBatching: { '/x': batching } }), { error: undefined, heard: [] })
})

test('a class with methods of which none is bound is refused, with what to write', async () => {
  class Index extends Executor {
    static request = { '/index': 'index' } as const
    override open() {}
    index() {}
    get size() {
      return 1
    }
  }
  class More extends Index {
    rank() {}
  }
  const { error } = await told({ uses: More })
  assert.is(error?.code, 'ERR_EXECUTOR_BINDING')
  assert.match(
    error.message,
    /^shards answers no endpoint: nothing binds rank\(\), index\(\) to one\. Put @requests\('\/rank'\) above it, or static requests = /,
  )
  class OnPurpose extends Index {
    static requests = {}
  }
  assert.is((await told({ uses: OnPurpose })).error, undefined)
  assert.is((await told({ uses: Index, usesRequests: { '/index': 'index' } })).error, undefined)
})

test('an executor without uses, as at a join, makes no endpoint of what it passes on', async () => {
  const forked = (join: object) =>
    new Flow()
      .add({ name: 'one', uses: Shard, needs: 'gateway' })
      .add({ name: 'other', uses: Shard, needs: 'gateway' })
      .add({ name: 'joined', needs: ['one', 'other'], ...join })
  await using flow = await forked({}).open()
  assert.equal(flow.endpoints, ['/search', '/index'])
  await using rest = await forked({ uses: Rest }).open()
  assert.ok(rest.endpoints.includes('/default'))
  await using nothing = await new Flow().add().open()
  assert.equal(nothing.endpoints, ['/default'], 'where there is nothing else, any endpoint will do')
  const served = forked({})
  const error = await served.open({ serve: { protocol: 'http', port: 0, exposeEndpoints: { '/zzz': {} } } }).catch((error: Error) => error)
  assert.match((error as Error).message, /^exposeEndpoints of flow names \/zzz, which is no endpoint there\. There are \/search, \/index$/)
})

test('a class that answers nothing, or an endpoint without a slash, is a warning', async () => {
  class Nothing extends Executor {
    override close() {}
  }
  class Bare extends Executor {
    static requests = { search: 'search' } as const
    search() {}
  }
  assert.match((await told({ uses: Nothing })).heard.join(), /^endpoint\.unknown shards has no method for any endpoint, and documents pass it by/)
  assert.match(
    (await told({ uses: Bare })).heard.join(),
    /^endpoint\.unknown shards has a method for search: without a slash, it is another endpoint than \/search$/,
  )
})

test('what an executor elsewhere answers is not known before it is there', async () => {
  const port = await deadPort()
  assert.equal(await told({ external: true, port, polling: { '/serach': 'ALL' }, dynamicBatching: { '/serach': batching } }), { error: undefined, heard: [] })
})

test('exposeEndpoints of a served Flow name endpoints that there are', async () => {
  const { error } = await told({ uses: Shard }, { protocol: 'http', exposeEndpoints: { '/serach': { path: '/find' } } } as FlowOptions)
  assert.is(error?.code, 'ERR_OPTION_RANGE')
  assert.match(error.message, /^exposeEndpoints of flow names \/serach.*Did you mean \/search\?$/)
  assert.is((await told({ uses: Shard }, { protocol: 'http', exposeEndpoints: { '/search': { path: '/find' } } } as FlowOptions)).error, undefined)
})

test('what only a server is told is refused where nothing is served, and what is no protocol when it is given', async () => {
  for (const given of [{ token: 'a'.repeat(16) }, { cors: true }, { maxInFlight: 3 }, { authenticate: () => ({}) }, { host: '0.0.0.0', timeout: 5 }] as const) {
    const flow = new Flow(given as FlowOptions).add({ uses: Shard })
    const error: any = await flow.open().catch((error) => error)
    assert.is(error.code, 'ERR_USES_INVALID', Object.keys(given).join())
    assert.match(error.message, new RegExp(`^flow is not served, so ${Object.keys(given).join(', ')} would do nothing\\. Say protocol or port`))
    await flow.open({ serve: false })
    await flow.close()
    await flow.open({ serve: { port: 0 } })
    await flow.close()
  }
  assert.is((await told({ uses: Shard }, { prefetch: 3, title: 'x', cors: false, onError() {} })).error, undefined)
  for (const build of [
    () => new Flow({ protocol: 'htp' as any }),
    () => new Flow({ protocol: ['grpc', 5 as any] }),
    () => new Flow().add({ protocol: 'htp' as any }),
  ])
    assert.throws(build, (error: any) => error.code === 'ERR_OPTION_RANGE' && /protocol must be one of grpc, http, websocket, ws/.test(error.message))
})

test.run()
