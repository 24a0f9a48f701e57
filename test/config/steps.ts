// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
// By tsx: the executors of its configurations are TypeScript, loaded while it runs.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadFlow } from '../../lib/config/flow.js'
import type { AddOptions, FlowOptions } from '../../lib/flow/options.js'
import { ConfigError, Flow } from '../../lib/index.js'

class Told extends Flow<string> {
  readonly told: AddOptions[] = []
  override add(options: any): any {
    this.told.push(options)
    return super.add(options)
  }
}

const load = (text: string): Promise<Told> => loadFlow(text, (options: FlowOptions) => new Told(options), { env: { N: '3', PORT: '8080' }, onNotice: () => {} })

/** What `add()` is told of one executor, without what it uses. */
async function told(keys: string, above = ''): Promise<AddOptions> {
  const { told } = await load(`jtype: Flow\n${above}executors:\n  - ${keys}\n`)
  const { uses: _, ...options } = told[0]!
  return options
}

test('F4 instances: one number, under any of its names', async () => {
  assert.equal(await told('replicas: ${{ ENV.N }}'), { replicas: 3 })
  assert.equal(await told('{ replicas: 1, shards: 2, polling: all }'), { shards: 2, polling: 'all' })
  assert.equal(await told('{ replicas: 1, parallel: 1 }'), { parallel: 1 })
  assert.equal(await told('name: a', 'with: { replicas: 2 }\n'), { replicas: 2, name: 'a' })
  assert.equal(await told('shards: 4', 'with: { replicas: 2 }\n'), { shards: 4 })
})

test('P17: cache: a folder, true or false, or in full', async () => {
  assert.equal(await told('cache: ./cache'), { cache: './cache' })
  assert.equal(await told('cache: false'), { cache: false })
  assert.equal(await told('cache: { path: c, max_age: .inf, max_size: 512m, per: request, version: 2, endpoints: [/a] }'), {
    cache: { path: 'c', maxAge: Infinity, maxSize: '512m', per: 'request', version: 2, endpoints: ['/a'] },
  })
  assert.equal((await load('jtype: Flow\nwith: { cache: { path: c, max_size: 5 } }\n')).options, { cache: { path: 'c', maxSize: 5 } })
  const failure = (keys: string, above?: string): Promise<string> => told(keys, above).then(String, String)
  assert.match(await failure('cache: 5'), /cache.*described by keys \(path/)
  assert.match(await failure('cache: { path: c, max_sise: 5 }'), /max_sise: cache has no such key. Did you mean max_size\?/)
  assert.match(await failure('cache: { path: c, per: batch }'), /per: .*one of document, request/)
  assert.match(await failure('cache: { path: c, max_age: 0 }'), /max_age: .*≥ 1/)
  assert.match(await failure('name: a', 'with: { cache: { path: c, per: request } }\n'), /per: cache has no such key/)
})

test('E8 env: texts, as they are written', async () => {
  assert.equal(await told('env: { A: 1.0, B: 0x1F, C: true, D: text, E: "${{ ENV.PORT }}", F: "${{ root.executors[0].env.A }}" }'), {
    env: { A: '1.0', B: '0x1F', C: 'true', D: 'text', E: '8080', F: '1.0' },
  })
  const { options } = await load('jtype: Flow\nwith: { env: { A: 1.50 }, name: "${{ ENV.PORT }}", prefetch: "${{ ENV.N }}" }\n')
  assert.equal(options, { env: { A: '1.50' }, name: '8080', prefetch: 3 })
})

test('F11, F7 an executor that runs elsewhere is told where', async () => {
  assert.equal(await told('{ external: true, host: [a.example, b.example], port: 51000, tls: true, headers: { token: x } }'), {
    external: true,
    host: ['a.example', 'b.example'],
    port: 51000,
    tls: true,
    headers: { token: 'x' },
  })
})

test('F11, F7 an executor that runs elsewhere is told how it is spoken to, in the words of Jina too', async () => {
  assert.equal(await told('{ external: true, port: 1, compression: Gzip, grpc_metadata: { token: 1.0 }, max_message_bytes: 9 }'), {
    ...{ external: true, port: 1, compression: 'gzip', metadata: { token: '1.0' }, maxMessageBytes: 9 },
  })
  assert.equal(await told('{ external: true, port: 1, compression: NoCompression }'), { external: true, port: 1 })
})

test('F11, F7 what has no effect on one that runs elsewhere is dropped with a notice, and it loads and opens; so the other way round', async () => {
  const notices: string[] = []
  const load = (keys: string, above = '') =>
    Flow.loadConfig(`jtype: Flow\n${above}executors:\n  - ${keys}\n`, { onNotice: (notice) => notices.push(notice.replace(/^.*: (.*?) has.*$/, '$1')) })
  const idle =
    'uses: docker://a, uses_with: { a: 1 }, uses_metas: { name: a }, uses_requests: { /a: b }, replicas: 2, workspace: a, env: { a: b }, py_modules: a.py'
  await using there = await (await load(`{ external: true, port: 1, ${idle} }`, 'with: { shards: 2 }\n')).open()
  assert.equal(there.plan.steps[0]!.options, { external: true, port: 1 })
  assert.equal(notices.sort(), ['env', 'py_modules', 'replicas', 'uses', 'uses_metas', 'uses_requests', 'uses_with', 'workspace'])
  notices.length = 0
  await using here = await (await load('{ host: localhost, port: 1, protocol: GRPC, compression: Gzip, grpc_metadata: { a: b }, headers: { a: b } }')).open()
  assert.equal(here.plan.steps[0]!.options, {})
  assert.equal(notices.sort(), ['compression', 'grpc_metadata', 'headers', 'port', 'protocol'])
})

test('F7 what Jina writes for nothing in particular is nothing here', async () => {
  assert.equal(await told('{ timeout: -1, retries: -1, external: false, uses_before: null, host: 0.0.0.0, no_reduce: true, py_modules: null }'), {})
  assert.equal(await told('{ timeout_send: 500, retries: { attempts: 2, max_delay: 9 } }'), { attemptTimeout: 500, retries: { attempts: 2, maxDelay: 9 } })
  assert.equal(await told('polling: \'{"/search": "ALL"}\''), { polling: { '/search': 'ALL' } })
})

test('F7 batches: of a file over those of the executor, by endpoint, method, or all', async () => {
  const uses = 'uses: test/config/fixtures/executors/batched.jaml'
  const { dynamicBatching } = await told(uses)
  assert.equal(Object.keys(dynamicBatching!), ['/default', '/search'])
  assert.equal(await told(`{ ${uses}, uses_dynamic_batching: { preferred_batch_size: 7 } }`), {
    workspace: 'batched',
    dynamicBatching: { preferredBatchSize: 7 },
  })
  assert.equal(await told(`{ ${uses}, dynamic_batching: { upper: { preferred_batch_size: 5, use_dynamic_batching: false } } }`), { workspace: 'batched' })
  assert.equal((await told(`{ ${uses}, dynamic_batching: { upper: { preferred_batch_size: 5 } } }`)).dynamicBatching, { '/default': { preferredBatchSize: 5 } })
})

test('E5 what the Flow says wins over what the executor says, key by key', async () => {
  const uses =
    'uses: { jtype: Suffix, modules: test/config/fixtures/executors/text.ts, with: { a: 1, b: 1 }, metas: { name: x, description: y }, requests: { /a: add, /b: twice } }'
  assert.equal(await told(`{ ${uses}, uses_with: { b: 2 }, uses_metas: { name: z }, uses_requests: { /c: twice } }`), {
    usesWith: { a: 1, b: 2 },
    usesMetas: { name: 'z', description: 'y' },
    usesRequests: { '/a': 'add', '/c': 'twice' },
  })
})

test('R87 what is handed down is checked where it stands', async () => {
  for (const [value, message] of [
    ['replicas: 0', /configuration:2:9: replicas: .*1 to 1000/],
    ['timeout_send: 1e+99', /timeout_send|1e\+99/],
  ] as const) {
    const error = await load(`jtype: Flow\nwith: { ${value} }\nexecutors: [{}]\n`).catch((error: unknown) => error)
    assert.instance(error, ConfigError)
    assert.match((error as Error).message, message)
  }
})

test.run()
