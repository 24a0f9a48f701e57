// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
// By tsx: the executors of its configurations are TypeScript, loaded while it runs.
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as v from 'valibot'
import { z } from 'zod'
import { loadFlow } from '../../lib/config/flow.js'
import { saveFlow } from '../../lib/config/save.js'
import { flowSchema } from '../../lib/config/schema.js'
import { loadUses } from '../../lib/config/uses.js'
import { parseYaml } from '../../lib/config/yaml.js'
import type { AddOptions, FlowOptions, Plan } from '../../lib/flow/options.js'
import { ConfigError, Executor, Flow } from '../../lib/index.js'
import { codeUrl } from '../support/code.js'
import { Folder } from '../support/folder.js'
import { text } from '../support/yaml-text.js'
import { problems } from './validate.js'

const fixtures = resolve('test/config/fixtures')

/** A Flow that keeps what it was told. */
class Told extends Flow<string> {
  readonly told: AddOptions[] = []
  override add(options: any): any {
    this.told.push(options)
    return super.add(options)
  }
}

function planOf(options: FlowOptions, told: readonly AddOptions[], names: readonly string[] = []): Plan {
  const steps = told.map((options, at) => ({
    name: names[at] ?? options.name ?? `executor${at}`,
    needs: [],
    join: 'concat' as const,
    floating: false,
    options,
  }))
  return { name: options.name ?? 'flow', options, steps }
}

const load = (from: string, allowOutside = false): Promise<Told> =>
  loadFlow(from, (options: FlowOptions) => new Told(options), { env: {}, allowOutside, onNotice: assert.unreachable })

async function refused(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.catch((error: unknown) => error)
  assert.instance(error, ConfigError)
  assert.match((error as Error).message, message)
}

const { uses: suffix } = await loadUses('executors/text.ts#Suffix', { folder: fixtures })

test('F7 a Flow is written as people write it', async () => {
  const plan = planOf({ name: 'mine', closeTimeout: 100 }, [
    { name: 'a', uses: suffix, usesWith: { suffix: 'no' }, dynamicBatching: { '/index': { preferredBatchSize: 2, flushAll: true } } },
    { needs: ['a', 'gateway'], join: 'merge', polling: { '/search': 'ALL' }, retries: { attempts: 2, maxDelay: 50 } },
  ])
  assert.is(
    (await saveFlow(plan)).replace(/\.\/test\S+fixtures/, '.'),
    `jtype: Flow
version: "1"
with:
  name: mine
  close_timeout: 100
executors:
  - name: a
    uses_with:
      suffix: "no"
    dynamic_batching:
      /index:
        preferred_batch_size: 2
        flush_all: true
    uses: ./executors/text.ts#Suffix
  - needs:
      - a
      - gateway
    join: merge
    polling:
      /search: ALL
    retries:
      attempts: 2
      max_delay: 50
`,
  )
})

test('F7 modules are named by their way from the file', async () => {
  const folder = new Folder()
  const module = folder.file(
    'code/a b#c/mine.mjs',
    `import { Executor } from ${JSON.stringify(codeUrl('lib/index'))}\nexport class Mine extends Executor {}\nexport default () => {}`,
  )
  folder.file('code/exec.yml', 'jtype: Mine\nmodules: "a b#c/mine.mjs"\n')
  const { uses: mine } = await loadUses(`${module}#Mine`, { folder: '/', allowOutside: true })
  const { uses: run } = await loadUses(`${module}#`, { folder: '/', allowOutside: true })
  const plan = planOf({}, [
    { uses: mine },
    { uses: run },
    { uses: Executor },
    { uses: `${module}#Mine` },
    { uses: join(folder.path, 'code/exec.yml') },
    { uses: `jtype: Mine\nmodules: ${JSON.stringify(module)}\nwith: { a: $A }\n` },
    { uses: { jtype: 'default', modules: [module], metas: { name: 'x' } } },
    { uses: 'BaseExecutor' },
    {},
  ])
  const file = join(folder.path, 'flow.yml')
  const text = await saveFlow(plan, file)
  assert.is(readFileSync(file, 'utf8'), text)
  assert.equal(
    ((await parseYaml(text, { file })).value as any).executors.map(({ uses }: any) => uses),
    [
      './code/a b#c/mine.mjs#Mine',
      './code/a b#c/mine.mjs#default',
      'BaseExecutor',
      './code/a b#c/mine.mjs#Mine',
      './code/exec.yml',
      'jtype: Mine\nmodules: ./code/a b#c/mine.mjs\nwith:\n  a: $A\n',
      { jtype: 'default', modules: ['./code/a b#c/mine.mjs'], metas: { name: 'x' } },
      'BaseExecutor',
      undefined,
    ],
  )
  await refused(
    saveFlow(plan, join(folder.path, 'code/a b#c/deep.yml')).then(),
    /^(?!.*executor0).*executor4 cannot be written down: its module .* lies outside/,
  )
  mkdirSync(join(folder.path, 'other'))
  await refused(
    saveFlow(planOf({}, [{ name: 'mine', uses: mine }]), join(folder.path, 'other/flow.yml')),
    /mine cannot be written down: its module .*mine\.mjs lies outside of .*other/,
  )
  const outside = join(folder.path, 'other/flow.yml')
  await saveFlow(planOf({}, [{ name: 'mine', uses: mine }]), outside, { allowOutside: true })
  await refused(load(outside), /leads out/)
  assert.equal((await load(outside, true)).told, [{ name: 'mine', uses: mine }])
})

test('216: files of keys and tokens are named from the file where they lie below it, and else by where they are', async () => {
  const folder = new Folder()
  const file = folder.file('flow.yml')
  const flow = new Flow({
    sslKeyfile: folder.file('tls/key.pem'),
    sslCertfile: resolve('cert.pem'),
    tokenFile: [folder.file('keys/tokens'), resolve('tokens')],
  }).add({
    name: 'there',
    external: true,
    host: 'grpc://127.0.0.1:1',
    tokenFile: folder.file('keys/token'),
  })
  await flow.saveConfig(file)
  const { value } = (await parseYaml(readFileSync(file, 'utf8'), { file })) as any
  assert.is(value.with.ssl_keyfile, 'tls/key.pem')
  assert.is(value.with.ssl_certfile, resolve('cert.pem'))
  assert.equal(value.with.token_file, ['keys/tokens', resolve('tokens')])
  assert.is(value.executors[0].token_file, 'keys/token')
})

test('F7 what was given in code is refused, with the executor’s name', async () => {
  class Mine extends Executor {}
  const refuse = (options: AddOptions, message: RegExp) => refused(saveFlow(planOf({ name: 'shop' }, [{ name: 'b', ...options }])), message)
  await refuse({ uses: Mine }, /uses: b cannot be written down: it uses the function Mine, which was given in code.*'\.\/module\.js#Export'/)
  await refuse({ uses: () => {} }, /b cannot be written down: it uses the function/)
  await refuse({ when: () => true }, /shop cannot be written down: b\.when is the function/)
  await refuse({ signal: new AbortController().signal }, /b\.signal is a AbortSignal/)
  await refuse({ dynamicBatching: { preferredBatchSize: 1, weight: () => 1 } }, /b\.dynamicBatching\.weight is/)
  await refuse({ input: { text: v.string() } }, /b\.input is an object of schemas, which is given in code only/)
  await refuse({ output: { text: z.string() } }, /b\.output is an object of schemas/)
  await refuse({ usesWith: { a: [new Date(0)] } }, /b\.usesWith\.a\[0\] is a Date/)
  await refuse({ usesWith: { a: 1n } }, /b\.usesWith\.a is 1/)
  await refuse({ usesWith: JSON.parse('{"__proto__": 1}') as object }, /b\.usesWith\.__proto__ is a name that cannot be a key/)
  const circle: Record<string, unknown> = {}
  circle.self = circle
  await refuse({ usesWith: circle }, /contains itself/)
  await refused(saveFlow(planOf({ onBackgroundError: () => {} }, [])), /onBackgroundError is the function/)
  await refused(saveFlow(planOf({}, []), '/nowhere/flow.yml'), /nowhere\/flow\.yml: cannot be written/)
})

// ── any Flow ───────────────────────────────────────────────────────────────────────────────────────────────

const key = text.filter((name) => !['__proto__', 'constructor', 'prototype'].includes(name))
const { value: anything } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.boolean(),
    fc.constant(null),
    fc.integer(),
    fc.double({ noNaN: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
    fc.maxSafeInteger(),
    tie('list'),
    tie('map'),
  ),
  list: fc.array(tie('value'), { maxLength: 4 }),
  map: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}))
const object = fc.dictionary(key, anything, { maxKeys: 5, noNullPrototype: true })
const endpoint = fc.stringMatching(/^\/[a-z]{1,5}$/)
const polling = fc.constantFrom('ANY', 'ALL', 'ALL_ASYNC', 'any')
const batching = fc.record(
  { preferredBatchSize: fc.integer({ min: 1, max: 100 }), timeout: fc.nat(1000), flushAll: fc.boolean() },
  { requiredKeys: ['preferredBatchSize'], noNullPrototype: true },
)
const opts = { requiredKeys: [] as [], noNullPrototype: true }
const executor = fc.record(
  {
    uses: fc.constantFrom(suffix, undefined),
    usesWith: object,
    usesMetas: fc.record({ name: text, description: text }, opts),
    usesRequests: fc.dictionary(endpoint, text, { maxKeys: 2, noNullPrototype: true }),
    join: fc.constantFrom('concat', 'merge'),
    workspace: text,
    env: fc.dictionary(key, text, { maxKeys: 3, noNullPrototype: true }),
    floating: fc.boolean(),
    parallel: fc.integer({ min: 1, max: 1000 }),
    polling: fc.oneof(polling, fc.dictionary(endpoint, polling, { noNullPrototype: true })),
    concurrency: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(Infinity)),
    when: object,
    dynamicBatching: fc.oneof(batching, fc.dictionary(endpoint, batching, { minKeys: 1, noNullPrototype: true })),
    timeout: fc.integer({ min: 1, max: 100_000 }),
    attemptTimeout: fc.integer({ min: 1, max: 100_000 }),
    stuckAfter: fc.integer({ min: 0, max: 100_000 }),
    retries: fc.oneof(
      fc.nat(9),
      fc.record({ attempts: fc.nat(9), delay: fc.nat(99), maxDelay: fc.nat(99) }, { requiredKeys: ['attempts'], noNullPrototype: true }),
    ),
  },
  opts,
)
const flowOptions = fc.record(
  {
    name: text,
    prefetch: fc.oneof(fc.nat(99), fc.constant(Infinity)),
    prefetchDocuments: fc.integer({ min: 1, max: 99 }),
    workspace: text,
    env: fc.dictionary(key, text, { noNullPrototype: true }),
    join: fc.constantFrom('concat', 'merge'),
    closeTimeout: fc.nat(9999),
  },
  opts,
)

const schema = flowSchema()

test('F7 what is saved is loaded as the same, and valid by the schema', async () => {
  await fc.assert(
    fc.asyncProperty(flowOptions, fc.array(executor, { maxLength: 4 }), fc.boolean(), async (options, executors, isNamed) => {
      const told = executors.map((executor, at) => ({ ...(isNamed ? { name: `e-${at}` } : {}), ...executor })) as AddOptions[]
      for (const one of told) if (one.uses === undefined) delete one.uses
      const saved = await saveFlow(planOf(options as FlowOptions, told))
      const again = await load(saved)
      assert.equal(again.options, options)
      assert.equal(again.told, told)
      const { value } = await parseYaml(saved, { file: 'saved' })
      assert.equal(problems(value, schema), [], saved)
    }),
    { numRuns: 400 },
  )
})

test.run()
