// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
// The schema that editors have, and the loader, say the same of a file: random files, valid or broken in one place.
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BATCHING_KEYS, EXECUTOR_KEYS, METAS_KEYS, RETRIES_KEYS, USES_KEYS } from '../../lib/config/executor-keys.js'
import { loadFlow } from '../../lib/config/flow.js'
import { FLOW_KEYS, GATEWAY_KEYS, ROOT_KEYS } from '../../lib/config/flow-keys.js'
import type { Keys } from '../../lib/config/keys.js'
import { flowSchema } from '../../lib/config/schema.js'
import { CORS_KEYS, GRAPHQL_KEYS, MCP_KEYS, TLS_KEYS, UI_KEYS } from '../../lib/config/serving-keys.js'
import { parseYaml } from '../../lib/config/yaml.js'
import type { FlowOptions } from '../../lib/flow/options.js'
import { ConfigError, Flow } from '../../lib/index.js'
import { Folder } from '../support/folder.js'
import { problems } from './validate.js'

const schema = flowSchema()
const folder = new Folder()
folder.file('text.mjs', 'export default () => {}')
folder.file('part.yml', 'jtype: Deployment\n')

/**
 * Where they cannot agree: what only loading tells, as it is about several keys, other files, or what a text means. By what the loader says; nowhere is
 * the schema the stricter one.
 */
const ONLY_LOADING_TELLS: [reason: string, message: RegExp, file?: RegExp][] = [
  ['how large a number in quotes is', /an integer|a number of milliseconds|from 1 to 1000|a number of bytes|a number ≥ 0/, /"-?[\d.]+"/],
  ['whether tls is that of a server, or of a client', /a key with its certificate/, /"Deployment"/],
  ['whether compression is that of a server, or of a client', /compression: this must be true or false/, /"Deployment"/],
  [
    'whether a file, a module or an export is there',
    /there is no "|no module is named|exports no |names no package|is not installed|leads out of|is no module|cannot be imported|is Python|is an image|in Jina’s hub|which class of it/,
  ],
  [
    'how names fit together',
    /there is no executor called|already an executor called|needs itself|needs the same executor twice|circle|cannot be called|two executors or more/,
  ],
  ['a method of the class', /neither an endpoint, such as/],
  [
    'two keys that exclude or want each other',
    /given twice, as|Give one of them|given together with|with origins '\*'|left out where|false where HTTP is not spoken|one number, or one for each protocol|not be united|no more than|above maxMessageBytes|'v1' without gRPC|names of one number|each protocol once/,
  ],
  ['an executor on another machine', /another machine is external/],
  ['a token that is written out', /a token does not belong into this file/],
  [
    'what a text is: JSON, an address, an origin, a path, a host',
    /this is no JSON|origins such as|a path such as|an address: |hosts such as|must name a file|described by a text|not by ""|a path that begins/,
  ],
  ['a query of documents', /condition/],
]

/** One value of every kind. */
const odd = fc.constantFrom<any>(
  null,
  true,
  false,
  '',
  'text',
  'no',
  '1',
  '8080',
  '0.5',
  '-1',
  'true',
  0,
  1,
  -1,
  -2,
  1.5,
  3,
  1001,
  70_000,
  2 ** 31,
  2 ** 40,
  Infinity,
  NaN,
  [],
  ['a'],
  [1],
  [''],
  [null],
  {},
  { a: 1 },
  { a: 'b' },
  { a: null },
  { a: {} },
  { '/a': 'ANY' },
  { origins: '*' },
  'ANY',
  'grpc',
  ['grpc', 'http'],
  'v2',
  'merge',
  'gzip',
  './text.mjs',
  '{}',
  { preferred_batch_size: 2 },
  { attempts: 1 },
)

/** A value for a key that the loader most likely takes. */
const valid: Record<string, unknown[]> = {
  jtype: ['Flow'],
  name: ['a', 'b_1'],
  needs: ['gateway', ['gateway']],
  uses: ['./text.mjs', { modules: './text.mjs' }],
  modules: ['./text.mjs', ['./text.mjs']],
}

const kinds: [at: (value: object) => object, keys: Keys, base: object][] = [
  [(value) => ({ jtype: 'Flow', ...value }), ROOT_KEYS, {}],
  [(value) => ({ jtype: 'Flow', with: value }), FLOW_KEYS, {}],
  [(value) => ({ jtype: 'Flow', gateway: value }), GATEWAY_KEYS, {}],
  [(value) => ({ jtype: 'Flow', with: { protocol: 'http', graphql: value } }), GRAPHQL_KEYS, {}],
  [(value) => ({ jtype: 'Flow', with: { protocol: 'http', graphql: { cors: value } } }), CORS_KEYS, { origins: '*' }],
  [(value) => ({ jtype: 'Flow', with: { protocol: 'http', ui: value } }), UI_KEYS, {}],
  [(value) => ({ jtype: 'Flow', with: { protocol: 'http', mcp: value } }), MCP_KEYS, {}],
  [(value) => ({ jtype: 'Flow', with: { cors: value } }), CORS_KEYS, { origins: '*' }],
  [(value) => ({ jtype: 'Flow', with: { tls: value } }), TLS_KEYS, { key: 'k', cert: 'c' }],
  [(value) => ({ jtype: 'Flow', executors: [value] }), EXECUTOR_KEYS, {}],
  [(value) => ({ jtype: 'Flow', executors: [value] }), EXECUTOR_KEYS, { external: true, host: 'x' }],
  [(value) => ({ jtype: 'Flow', executors: [{ uses: value }] }), USES_KEYS, { modules: './text.mjs' }],
  [(value) => ({ jtype: 'Flow', executors: [{ uses: { modules: './text.mjs', metas: value } }] }), METAS_KEYS, {}],
  [(value) => ({ jtype: 'Flow', executors: [{ uses_metas: value }] }), METAS_KEYS, {}],
  [(value) => ({ jtype: 'Flow', executors: [{ retries: value }] }), RETRIES_KEYS, { attempts: 1 }],
  [(value) => ({ jtype: 'Flow', with: { retries: value } }), RETRIES_KEYS, { attempts: 1 }],
  [(value) => ({ jtype: 'Flow', executors: [{ dynamic_batching: value }] }), BATCHING_KEYS, { preferred_batch_size: 2 }],
  [(value) => ({ jtype: 'Flow', executors: [{ dynamic_batching: { '/a': value } }] }), BATCHING_KEYS, { preferred_batch_size: 2 }],
  [
    (value) => ({ jtype: 'Flow', executors: [{ uses: { modules: './text.mjs', dynamic_batching: { '/a': value } } }] }),
    BATCHING_KEYS,
    { preferred_batch_size: 2 },
  ],
  [(value) => ({ jtype: 'Deployment', with: value }), EXECUTOR_KEYS, {}],
]

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const file = fc.constantFrom(...kinds).chain(([at, keys, base]) =>
  fc
    .tuple(
      fc.constantFrom(...Object.keys(keys), 'colour', 'nam', '__typename'),
      odd,
      fc.constantFrom<'snake' | 'camel' | 'both'>('snake', 'snake', 'camel', 'both'),
      fc.boolean(),
      fc.nat(),
    )
    .map(([key, value, spelling, isValid, pick]) => {
      const given = isValid && valid[key] !== undefined ? valid[key][pick % valid[key].length] : value
      return at({ ...base, ...(spelling !== 'camel' ? { [snake(key)]: given } : {}), ...(spelling !== 'snake' ? { [key]: given } : {}) })
    }),
)

async function refusal(text: string): Promise<string | undefined> {
  return loadFlow(folder.file('flow.yml', text), (options: FlowOptions) => new Flow<string>(options), { env: {}, onNotice: () => {} }).then(
    () => undefined,
    (error: unknown) => {
      assert.instance(error, ConfigError, `${text}\n${(error as Error).stack}`)
      return (error as Error).message
    },
  )
}

/** YAML of it, in which numbers that JSON has not are written as YAML has them. */
const yaml = (value: unknown): string =>
  JSON.stringify(value, (_, one) => (typeof one === 'number' && !Number.isFinite(one) ? `#${one}` : one), 1).replace(
    /"#(-?)(Infinity|NaN)"/g,
    (_, sign, name) => (name === 'NaN' ? '.nan' : `${sign}.inf`),
  )

test('214: the schema and the loader take the same files', async () => {
  const seen = { taken: 0, refused: 0, apart: 0 }
  const apart = new Map<string, string>()
  await fc.assert(
    fc.asyncProperty(file, async (value) => {
      const text = yaml(value)
      const said = await refusal(text)
      const found = problems((await parseYaml(text, { file: 'x' })).value, schema)
      if ((said === undefined) === (found.length === 0)) seen[said === undefined ? 'taken' : 'refused']++
      else if (
        said !== undefined &&
        ONLY_LOADING_TELLS.some(([, message, about]) => message.test(said) && (about === undefined || about.test(JSON.stringify(value))))
      )
        seen.apart++
      else
        apart.set(
          JSON.stringify(value),
          said === undefined ? `the loader takes it, the schema says ${found[0]}` : `the schema takes it, the loader says ${said.replace(/^.*?: /, '')}`,
        )
    }),
    { numRuns: 3000, seed: 214 },
  )
  assert.equal([...apart].map(([value, why]) => `${value}: ${why}`).join('\n'), '', `${apart.size} of ${JSON.stringify(seen)}`)
  assert.ok(seen.taken > 700 && seen.refused > 700 && seen.apart < 500, JSON.stringify(seen))
})

test.run()
