// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EXECUTOR_KEYS } from '../../lib/config/executor-keys.js'
import { FLOW_KEYS, ROOT_KEYS } from '../../lib/config/flow-keys.js'
import { flowSchema } from '../../lib/config/schema.js'
import { ADD_RULES, FLOW_RULES } from '../../lib/flow/options.js'
import { problems } from './validate.js'

const schema: any = flowSchema()
const { flow, executor } = schema.$defs

test('F7 the schema describes every key, in both spellings', () => {
  for (const [keys, { properties }] of [
    [ROOT_KEYS, flow],
    [EXECUTOR_KEYS, executor],
  ] as const) {
    for (const [name, { code }] of Object.entries(keys)) {
      if (code) continue
      for (const spelling of [name, name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]) {
        const found = properties[spelling].$ref === undefined ? properties[spelling] : properties[properties[spelling].$ref.split('/').at(-1)]
        assert.ok(found.description.length > 10, spelling)
      }
    }
  }
  assert.ok(schema.$defs.options.properties.close_timeout)
  assert.is(JSON.parse(JSON.stringify(schema)).$schema, 'https://json-schema.org/draft/2020-12/schema')
})

test('F7 the tables know every option of Flow and add(), and describe it', () => {
  for (const name of Object.keys(FLOW_RULES)) assert.not.match(FLOW_KEYS[name]!.about, /^An option of/, name)
  for (const name of Object.keys(ADD_RULES)) assert.not.match(EXECUTOR_KEYS[name]!.about, /^An option of/, name)
})

const one = (executor: object): object => ({ jtype: 'Flow', executors: [executor] })

for (const [what, value] of [
  ['a misspelled key', { jtype: 'Flow', executor: [] }],
  ['another kind of file', { jtype: 'Gateway' }],
  ['executors that are no list', { jtype: 'Flow', executors: { a: {} } }],
  ['a misspelled option', { jtype: 'Flow', with: { prefech: 3 } }],
  ['an option of the wrong type', { jtype: 'Flow', with: { prefetch: [] } }],
  ['a function', { jtype: 'Flow', with: { on_background_error: 'x' } }],
  ['an executor that is no object', one([])],
  ['a misspelled key of an executor', one({ use: './x.js' })],
  ['too many replicas', one({ replicas: 1001 })],
  ['a way of polling that there is none', one({ polling: 'SOME' })],
  ['batches without a size', one({ dynamic_batching: { timeout: 5 } })],
  ['a misspelled key of uses', one({ uses: { jtype: 'X', module: './x.js' } })],
  ['needs of nobody', one({ needs: [] })],
] as const)
  test(`F7 the schema refuses ${what}`, () => assert.ok(problems(value, schema).length > 0))

for (const value of [
  {},
  one({}),
  one({ external: false, host: 'localhost', replicas: '${{ ENV.N }}', needs: null }),
  { jtype: 'Deployment', with: { uses: 'x.yml' } },
])
  test(`F7 the schema takes ${JSON.stringify(value)}`, () => assert.equal(problems(value, schema), []))

test.run()
