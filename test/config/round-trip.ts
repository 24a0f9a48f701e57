// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
// What is saved is loaded as the same Flow, or refused when it is saved: any Flow, with any option that YAML can hold.
import { resolve } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { flowSchema } from '../../lib/config/schema.js'
import { parseYaml } from '../../lib/config/yaml.js'
import { ADD_RULES, type AddOptions, FLOW_RULES, type FlowOptions } from '../../lib/flow/options.js'
import { ConfigError, Executor, Flow, FlowBuildError } from '../../lib/index.js'
import { volumeAt } from '../../lib/place/options.js'
import { Folder } from '../support/folder.js'
import { text } from '../support/yaml-text.js'
import { problems } from './validate.js'

const TOKEN = 'a-token-of-a-test-0'
const schema = flowSchema()

const key = text
const forbidden = fc.constantFrom('__proto__', 'constructor', 'prototype')
const number = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.maxSafeInteger(),
  fc.constantFrom(1e21, 2 ** 53, -(2 ** 60), 1e-7, 0.1 + 0.2, 1.5e300, 5e-324, Infinity, -Infinity),
)
const { value: anything } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, text, fc.boolean(), fc.constant(null), number, tie('list'), tie('map')),
  list: fc.array(tie('value'), { maxLength: 4 }),
  map: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}))
const rarely = <T, U>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<U>): fc.Arbitrary<T | U> =>
  fc.oneof({ weight: 60, arbitrary: usual }, { weight: 1, arbitrary: odd })
const objectWith = (keys: fc.Arbitrary<string>) => fc.array(fc.tuple(keys, anything), { maxLength: 4 }).map((entries) => Object.fromEntries(entries))
const object = rarely(fc.dictionary(key, anything, { maxKeys: 5, noNullPrototype: true }), objectWith(forbidden))
const texts = fc.dictionary(key, text, { maxKeys: 3, noNullPrototype: true })
const some = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }, requiredKeys: (keyof T)[] = []) =>
  fc.record(model, { requiredKeys, noNullPrototype: true })
const one = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof(arbitrary, fc.array(arbitrary, { minLength: 1, maxLength: 2 }))
const size = fc.integer({ min: 1, max: 2 ** 31 - 1 })
const time = fc.oneof(fc.nat(99_999), fc.double({ min: 0, max: 1000, noNaN: true }))
const patience = fc.oneof(fc.integer({ min: 1, max: 99_999 }), fc.double({ min: 1, max: 1000, noNaN: true }))
const bound = fc.oneof(fc.nat(99), fc.constant(Infinity))
const endpoint = fc.oneof(fc.constant('*'), fc.stringMatching(/^\/[a-zA-Z_]{1,8}$/))
const polling = fc.constantFrom('ANY', 'ALL', 'ALL_ASYNC', 'any')
const batching = some({ preferredBatchSize: fc.integer({ min: 1, max: 100 }), timeout: time, flushAll: fc.boolean() }, ['preferredBatchSize'])
const file = fc.constantFrom('keys/a.pem', '/etc/b.pem', './c $D.pem')
const origins = fc.array(fc.constantFrom('https://app.example', 'http://localhost:3000'), { minLength: 1, maxLength: 2 })
const cors = fc.oneof(fc.boolean(), origins, some({ origins, credentials: fc.boolean() }, ['origins']), fc.constant({ origins: '*' as const }))

const served = {
  protocol: one(fc.constantFrom('http', 'grpc', 'websocket', 'ws', 'HTTP')),
  port: one(fc.nat(65_535)),
  portExpose: fc.nat(65_535),
  host: rarely(fc.constantFrom('0.0.0.0', 'localhost', '$HOST', 'no'), text),
  tls: some({ key: text, cert: text, ca: text }, ['key', 'cert']),
  sslKeyfile: file,
  sslCertfile: file,
  cors: rarely(cors, anything),
  docarray: rarely(fc.constant('v1'), text),
  graphql: rarely(
    fc.oneof(
      fc.boolean(),
      some({
        path: fc.constantFrom('/graphql', '/g$A'),
        graphiql: fc.boolean(),
        introspection: fc.boolean(),
        cors,
        maxBodyBytes: size,
        maxDocuments: size,
        maxTokens: size,
        maxDepth: size,
        maxAliases: size,
        maxFields: size,
        maxDirectives: size,
        prefetch: bound,
      }),
    ),
    object,
  ),
  ui: fc.oneof(fc.boolean(), some({ documents: fc.boolean() })),
  mcp: fc.oneof(fc.boolean(), some({ endpoints: fc.constantFrom(['/a'], ['/a', '/b_c'], { '/a': 'Finds', '/b_c': '' }) })),
  title: text,
  description: text,
  tracing: fc.boolean(),
  tracesExporterHost: text,
  tracesExporterPort: fc.nat(65_535),
  metrics: fc.boolean(),
  metricsExporterHost: text,
  metricsExporterPort: fc.nat(65_535),
  monitoring: fc.boolean(),
  portMonitoring: fc.nat(65_535),
  noDebugEndpoints: fc.boolean(),
  noCrudEndpoints: fc.boolean(),
  exposeEndpoints: rarely(
    fc.dictionary(
      fc.stringMatching(/^\/[a-z]{1,5}$/),
      some({
        path: fc.stringMatching(/^\/[a-z]{6,9}$/),
        methods: fc.constantFrom(['POST'], ['GET', 'PUT']),
        summary: text,
        description: text,
        tags: fc.array(text),
      }),
      { maxKeys: 1, noNullPrototype: true },
    ),
    object,
  ),
  maxInFlight: fc.oneof(bound, fc.constant('auto')),
  maxBytesInFlight: bound,
  maxMessageBytes: size,
  maxDocuments: fc.oneof(size, fc.constant(Infinity)),
  maxJsonBytes: size,
  timeout: time,
  headersTimeout: time,
  bodyTimeout: time,
  keepalive: time,
  stallTimeout: time,
  maxConnectionAge: time,
  heartbeat: time,
  compression: fc.boolean(),
  exposeStacks: fc.boolean(),
  nats: fc.constantFrom<any>('nats://nats.example/shop/encode', { address: 'nats://nats.example/encode', prefix: 'team.sluice', durable: true }),
  drainDelay: time,
  authTimeout: time,
  token: fc.constantFrom<any>(TOKEN, [TOKEN], { ci: TOKEN }),
  tokenFile: one(file),
  openHealth: fc.boolean(),
  allowedHosts: fc.oneof(fc.constant(true as const), fc.array(fc.constantFrom('flow.example', '.example', 'no'), { minLength: 1, maxLength: 2 })),
}
const runtime = fc.constantFrom('inline', 'thread', 'process')
const store = { path: text, maxAge: fc.constantFrom(1, 86_400_000, Infinity), maxSize: fc.constantFrom<string | number>('512m', 2 ** 30, Infinity) }
const flowOptions = some<any>({
  name: text,
  prefetch: bound,
  prefetchDocuments: size,
  workspace: text,
  env: rarely(texts, fc.constant({ ...JSON.parse('{"__proto__":"x"}') })),
  join: fc.constantFrom('concat', 'merge'),
  unknownEndpoint: fc.constantFrom('refuse', 'warn', 'pass'),
  runtime,
  closeTimeout: time,
  cache: rarely(fc.oneof(text, some(store)), object),
  ...served,
})
/** Few at a time: together, many exclude each other. */
const few = <T extends object>(options: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.tuple(options, fc.nat(4), fc.infiniteStream(fc.nat())).map(([all, count, picks]) => {
    const names = Object.keys(all)
    const chosen = Array.from({ length: count }, () => names[picks.next().value! % Math.max(1, names.length)]).filter((name) => name !== undefined)
    return Object.fromEntries(chosen.map((name) => [name, (all as any)[name!]])) as T
  })

const general = {
  join: fc.constantFrom('concat', 'merge'),
  floating: fc.boolean(),
  polling: rarely(fc.oneof(polling, fc.dictionary(endpoint, polling, { noNullPrototype: true })), fc.dictionary(forbidden, polling)),
  concurrency: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(Infinity)),
  when: object,
  dynamicBatching: rarely(
    fc.oneof(batching, fc.dictionary(endpoint, batching, { minKeys: 1, noNullPrototype: true })),
    fc.oneof(object, fc.dictionary(text, batching, { noNullPrototype: true })),
  ),
  cache: rarely(
    fc.oneof(
      text,
      fc.boolean(),
      some({
        ...store,
        version: fc.constantFrom<string | number>('v2', 2),
        per: fc.constantFrom('document', 'request'),
        endpoints: fc.constantFrom<any>('/index', ['/index', '/search']),
        ids: fc.boolean(),
        failures: fc.boolean(),
        streams: fc.boolean(),
      }),
    ),
    object,
  ),
  timeout: patience,
  attemptTimeout: patience,
  stuckAfter: time,
  retries: fc.oneof(bound, some({ attempts: bound, delay: time, maxDelay: time }, ['attempts'])),
}
const here = some<any>({
  uses: rarely(
    fc.constantFrom(Executor, 'BaseExecutor', undefined),
    fc.constantFrom<any>('Nobody', { modules: [] }, { jtyp: 'X' }, () => {}),
  ),
  usesWith: object,
  usesMetas: rarely(some({ name: text, description: text, url: text, keywords: fc.array(text), workspace: text }), object),
  usesRequests: rarely(fc.dictionary(endpoint, text, { maxKeys: 2, noNullPrototype: true }), object),
  workspace: text,
  env: texts,
  parallel: fc.integer({ min: 1, max: 1000 }),
  runtime,
  memory: rarely(fc.constantFrom<string | number>('512m', 2 ** 30), text),
  cpus: fc.integer({ min: 1, max: 9 }),
  inheritEnv: fc.boolean(),
  unresponsiveAfter: patience,
  maxDeaths: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(Infinity)),
  prefixOutput: fc.boolean(),
  uploadFiles: one(file),
  lease: patience,
  ...general,
})
const elsewhere = some<any>(
  {
    external: fc.constant(true),
    host: rarely(one(fc.constantFrom('grpc://10.0.0.5', 'encoder$A', 'no')), text),
    port: one(fc.integer({ min: 1, max: 65_535 })),
    protocol: fc.constantFrom('grpc', 'http', 'websocket'),
    tls: rarely(fc.oneof(fc.boolean(), some({ ca: text })), object),
    headers: texts,
    metadata: texts,
    compression: fc.constantFrom('gzip', 'deflate'),
    maxMessageBytes: size,
    docarray: rarely(fc.constantFrom('v1', 'v2'), text),
    token: fc.constant(TOKEN),
    tokenFile: file,
    forwardIdentity: fc.boolean(),
    connectTimeout: patience,
    keepalive: time,
    unary: fc.boolean(),
    breaker: fc.boolean(),
    retryBudget: fc.constantFrom(0, 0.25, 3, Infinity),
    nats: fc.constant<any>({ prefix: 'team.sluice', servers: ['nats-2:4222'], durable: true }),
    readyTimeout: patience,
    ...general,
    uses: rarely(fc.constant(undefined), fc.constant(Executor)),
  },
  ['external'],
)
const contained = some<any>({
  usesWith: object,
  workspace: text,
  env: texts,
  parallel: fc.integer({ min: 1, max: 1000 }),
  runtime: fc.constant('container'),
  memory: fc.constantFrom<string | number>('512m', 2 ** 30),
  cpus: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.double({ min: 0.01, max: 4, noNaN: true })),
  maxDeaths: fc.integer({ min: 1, max: 9 }),
  prefixOutput: fc.boolean(),
  volumes: one(fc.constantFrom('./models:/models:ro', 'models:/m', '/data/a b:/d', '../x $A', '.')),
  ...{ gpus: text, network: text.filter((one) => !/^(AUTO|HOST|BRIDGE|NONE)$/.test(one)), user: text, pull: text, args: one(text), entrypoint: one(text) },
  dockerArgs: fc.array(text, { minLength: 1, maxLength: 2 }),
  readyTimeout: patience,
  ...general,
})
const name = fc.option(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,6}$/), { nil: undefined })
const executor = fc.tuple(
  name,
  fc.oneof(
    few(here).map((options) => ({ ...options, ...(/thread|process|daemon/.test((options as any).runtime) && { readyTimeout: 5000 }) })),
    few(elsewhere).map((options) => ({ external: true, host: 'encoder', ...options, ...((options as any).readyTimeout > 9 && { maxDeaths: 2 }) })),
    few(contained).map((options) => ({ uses: 'docker://registry.example/ocr:1', ...options })),
  ),
  fc.constantFrom('add', 'add', 'needs', 'needsAll'),
  fc.nat(),
)

/** Builds it as one does in code; undefined for what code refuses. */
function build(options: FlowOptions, executors: [string | undefined, AddOptions, string, number][]): Flow<string> | undefined {
  try {
    const flow = new Flow<string>(options)
    for (const [name, told, way, pick] of executors) {
      const named: any = { ...(name === undefined ? {} : { name }), ...told }
      if (named.uses === undefined) delete named.uses
      const before = flow.executors
      if (way === 'needsAll') flow.needsAll(named)
      else if (way === 'needs' && before.length > 1) flow.needs([before[pick % before.length]!, 'gateway'], named)
      else if (way === 'needs' && before.length > 0) flow.add({ ...named, needs: before[pick % before.length] })
      else flow.add(named)
    }
    return flow
  } catch {
    return undefined
  }
}

/** What a Flow is, under one name for each option, and with files by their whole path. */
function isWhat({ plan }: Flow<string>): unknown {
  const of = (options: any): unknown => {
    const { portExpose, token, ...told } = { ...options }
    if (portExpose !== undefined) told.port ??= portExpose
    for (const name of ['sslKeyfile', 'sslCertfile', 'tokenFile'])
      if (told[name] !== undefined) told[name] = Array.isArray(told[name]) ? told[name].map((one: string) => resolve(one)) : resolve(told[name])
    if (told.volumes !== undefined) told.volumes = [told.volumes].flat().map((one: string) => volumeAt(one, resolve))
    return { ...told, hasToken: token !== undefined }
  }
  const steps = plan.steps.map(({ options: { uses, ...options }, ...step }) => ({
    ...step,
    options: of(options),
    uses: uses === 'BaseExecutor' ? Executor : uses,
  }))
  return { name: plan.name, options: of(plan.options), steps }
}

/** -0 is 0 in YAML, too. */
const plain = (value: any): any =>
  typeof value === 'number'
    ? value + 0
    : Array.isArray(value)
      ? value.map(plain)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
        : value

test('214: any Flow is loaded as it was saved, saved again as it is, and valid by the schema; or refused when it is saved', async () => {
  const seen = { saved: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(few(flowOptions), fc.array(executor, { maxLength: 4 }), async (options, executors) => {
      const flow = build(options, executors as any)
      if (flow === undefined) return
      const saved = await flow.saveConfig().catch((error: unknown) => error)
      if (typeof saved !== 'string') {
        assert.ok(saved instanceof ConfigError || saved instanceof FlowBuildError, String((saved as Error)?.stack ?? saved))
        assert.ok(
          [flow.name, ...flow.executors].some((name) => (saved as Error).message.includes(name)),
          (saved as Error).message,
        )
        seen.refused++
        return
      }
      seen.saved++
      const variables = Object.fromEntries([...saved.matchAll(/\$\{\{ ENV\.(SLUICE_TOKEN\w*) \}\}/g)].map(([, name]) => [name!, TOKEN]))
      const again = await Flow.loadConfig(saved, { env: variables, onNotice: (notice) => assert.unreachable(`${notice}\n${saved}`) })
      assert.equal(plain(isWhat(again)), plain(isWhat(flow)), saved)
      assert.is(await again.saveConfig(), saved)
      assert.equal(problems((await parseYaml(saved, { file: 'saved' })).value, schema), [], saved)
    }),
    { numRuns: 1000, seed: 214, endOnFailure: true, includeErrorInReport: true },
  )
  assert.ok(seen.saved > 500 && seen.refused > 10, JSON.stringify(seen))
})

test('214: what is refused when it is saved names the executor and the key', async () => {
  const refusal = (options: FlowOptions, ...executors: AddOptions[]): Promise<string> => {
    const flow = new Flow<string>(options)
    for (const executor of executors) flow.add(executor)
    return flow.saveConfig().then(
      (text): string => {
        throw new Error(`was saved as ${text}`)
      },
      (error: Error) => {
        assert.ok(error instanceof ConfigError || error instanceof FlowBuildError, error.stack)
        return error.message
      },
    )
  }
  assert.match(await refusal({ name: 'shop' }, { name: 'b', usesMetas: { colour: 'red' } as object }), /b cannot be written down: .*colour/)
  assert.match(await refusal({ name: 'shop' }, { name: 'b', uses: 'Nobody' }), /b cannot be written down: .*uses: no module is named that exports Nobody/)
  assert.match(await refusal({ name: 'shop' }, { name: 'b', dynamicBatching: { twice: { preferredBatchSize: 2 } }, uses: Executor }), /b cannot .*twice/)
  assert.match(await refusal({ name: 'shop' }, { name: 'b', external: true, host: 'x', usesWith: {} }), /b is external/)
  assert.match(await refusal({ name: 'shop' }, { name: 'b', host: 'x' }), /b runs here/)
  assert.match(await refusal({ name: 'shop', port: 1, host: '' }), /shop cannot be written down: .*host/)
  assert.match(await refusal({ name: 'shop' }, { name: 'b', usesWith: { a: 'x'.repeat(200_000) } }), /shop cannot be written down: .*131072 bytes/)
  assert.match(await refusal({ name: 'shop' }, { name: 'b', usesWith: { a: [undefined] } }), /b\.usesWith\.a\[0\] is undefined/)
})

test('214: they are all options', () => {
  const code = ['onBackgroundError', 'onError', 'logger', 'authenticate', 'signal', 'input', 'output']
  const options = fc.sample(flowOptions, { numRuns: 400, seed: 1 }).flatMap((one) => Object.keys(one as object))
  for (const name of Object.keys(FLOW_RULES)) assert.ok(code.includes(name) || options.includes(name), name)
  const told = fc.sample(fc.oneof(here, elsewhere, contained), { numRuns: 400, seed: 1 }).flatMap((one) => Object.keys(one as object))
  for (const name of Object.keys(ADD_RULES)) assert.ok([...code, 'name', 'needs', 'replicas', 'shards'].includes(name) || told.includes(name), name)
})

test('214: a module of a Flow is where it was', async () => {
  const folder = new Folder()
  folder.file('text.mjs', 'export default () => {}')
  const flow = new Flow<string>().add({ uses: { modules: `${folder.path}/text.mjs`, with: { a: '$A ${{ ENV.B }}', n: 1e21 } } })
  const file = folder.file('flow.yml')
  const saved = await flow.saveConfig(file)
  const again = await Flow.loadConfig(file)
  assert.equal(again.plan.steps[0]!.options.usesWith, { a: '$A ${{ ENV.B }}', n: 1e21 })
  assert.match(saved, /modules: \.\/text\.mjs/)
})

test.run()
