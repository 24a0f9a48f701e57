// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
// What a variable holds may be a secret: no error of a load, no cause below it and no notice tells it.
import { inspect } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EXECUTOR_KEYS, METAS_KEYS, RETRIES_KEYS, USES_KEYS } from '../../lib/config/executor-keys.js'
import { loadFlow } from '../../lib/config/flow.js'
import { FLOW_KEYS, GATEWAY_KEYS, ROOT_KEYS } from '../../lib/config/flow-keys.js'
import { CORS_KEYS, GRAPHQL_KEYS, MCP_KEYS, TLS_KEYS, UI_KEYS } from '../../lib/config/serving-keys.js'
import { loadUses } from '../../lib/config/uses.js'
import type { FlowOptions } from '../../lib/flow/options.js'
import { Flow } from '../../lib/index.js'
import { Folder } from '../support/folder.js'

const root = new Folder()
root.file('text.mjs', 'export const upper = () => {}\nexport default upper')

/** What a load of this text tells, whether it succeeds or not. */
async function told(text: string, variables: { env?: Record<string, string>; context?: Record<string, unknown> }): Promise<{ error: any; all: string }> {
  const notices: string[] = []
  const error = await loadFlow(root.file('flow.yml', text), (options: FlowOptions) => new Flow<string>(options), {
    env: {},
    ...variables,
    onNotice: (notice) => notices.push(notice),
  }).catch((error: unknown) => error)
  const all = error instanceof Error ? inspect(error, { depth: 20, showHidden: true }) : ''
  return { error, all: `${all}\n${notices.join('\n')}` }
}

/** Files with `X` in each place that a value can stand in. */
const places: [where: string, text: string][] = [
  ...Object.keys(ROOT_KEYS).map((key): [string, string] => [
    key,
    `jtype: Flow\n${key === 'jtype' ? '' : `${key}: X\n`}`.replace(/^jtype: Flow\n$/, 'jtype: X\n'),
  ]),
  ...Object.keys(FLOW_KEYS).map((key): [string, string] => [`with.${key}`, `jtype: Flow\nwith:\n  ${key}: X\n`]),
  ...Object.keys(GATEWAY_KEYS).map((key): [string, string] => [`gateway.${key}`, `jtype: Flow\ngateway:\n  ${key}: X\n`]),
  ...Object.keys(EXECUTOR_KEYS).map((key): [string, string] => [`executor.${key}`, `jtype: Flow\nexecutors:\n  - ${key}: X\n`]),
  ...Object.keys(EXECUTOR_KEYS).map((key): [string, string] => [
    `external.${key}`,
    `jtype: Flow\nexecutors:\n  - external: true\n${key === 'external' ? '' : `    ${key}: X\n`}`,
  ]),
  ...Object.keys(EXECUTOR_KEYS).map((key): [string, string] => [`executor.${key}.a`, `jtype: Flow\nexecutors:\n  - ${key}: { a: X }\n`]),
  ...Object.keys(EXECUTOR_KEYS).map((key): [string, string] => [`executor.${key}[0]`, `jtype: Flow\nexecutors:\n  - ${key}: [ X ]\n`]),
  ...Object.keys(USES_KEYS).map((key): [string, string] => [`uses.${key}`, `jtype: Flow\nexecutors:\n  - uses: { modules: ./text.mjs, ${key}: X }\n`]),
  ...Object.keys(METAS_KEYS).map((key): [string, string] => [
    `metas.${key}`,
    `jtype: Flow\nexecutors:\n  - uses: { modules: ./text.mjs, metas: { ${key}: X } }\n`,
  ]),
  ...Object.keys(RETRIES_KEYS).map((key): [string, string] => [`retries.${key}`, `jtype: Flow\nexecutors:\n  - retries: { attempts: 1, ${key}: X }\n`]),
  ...Object.entries({ tls: TLS_KEYS, cors: CORS_KEYS, graphql: GRAPHQL_KEYS, ui: UI_KEYS, mcp: MCP_KEYS }).flatMap(([key, keys]) =>
    Object.keys(keys).map((inner): [string, string] => [`${key}.${inner}`, `jtype: Flow\nwith: { protocol: http, ${key}: { ${inner}: X } }\n`]),
  ),
  ['a list item', 'jtype: Flow\nexecutors: [ X ]\n'],
  ['a list item that is a file', 'jtype: Flow\nexecutors: [ "./X.yml" ]\n'],
  ['a name that is taken', 'jtype: Flow\nexecutors:\n  - name: X\n  - name: X\n'],
  ['a need that is not there', 'jtype: Flow\nexecutors:\n  - needs: [ X ]\n'],
  ['a need in a circle', 'jtype: Flow\nexecutors:\n  - { name: X, needs: [ b ] }\n  - { name: b, needs: [ X ] }\n'],
  ['an export', 'jtype: Flow\nexecutors:\n  - uses: "./text.mjs#X"\n'],
  ['a class', 'jtype: Flow\nexecutors:\n  - { uses: X, modules: ./text.mjs }\n'],
  ['a module', 'jtype: Flow\nexecutors:\n  - uses: "./X.mjs"\n'],
  ['a package', 'jtype: Flow\nexecutors:\n  - uses: "npm:X#y"\n'],
  ['Python', 'jtype: Flow\nexecutors:\n  - uses: "X.py"\n'],
  ['an image', 'jtype: Flow\nexecutors:\n  - uses: "docker://X"\n'],
  ['a file: URL', 'jtype: Flow\nexecutors:\n  - uses: "file:///X"\n'],
  ['JSON', 'jtype: Flow\nwith: { protocol: http, expose_endpoints: "{X" }\n'],
  ['JSON of an executor', 'jtype: Flow\nexecutors:\n  - polling: "{X"\n'],
  ['inline YAML', 'jtype: Flow\nexecutors:\n  - uses: |\n      modules: ./text.mjs\n      jtype: X\n'],
]

// A secret as it is, within other text, as a password of an address, with what names an export, and longer than what a message shows.
const SECRET = 'hunter2-Xq9z'
const values = [
  SECRET,
  `https://me:${SECRET}@db.example`,
  `./${SECRET}.mjs#${SECRET}`,
  `npm:${SECRET}#`,
  `{"a":"${SECRET}`,
  `${SECRET} `.repeat(20),
  `${SECRET}\n"q"`,
]

test('214: no error of a load and no notice tells what a variable holds, wherever it stands', async () => {
  let failures = 0
  for (const [at, [where, text]] of places.entries()) {
    const value = values[at % values.length]!
    for (const [reference, variables] of [
      ['${{ ENV.TOLD }}', { env: { TOLD: SECRET } }],
      ['${{ ENV.TOLD }}', { env: { TOLD: value } }],
      ['${{ CONTEXT.told }}', { context: { told: at % 2 === 0 ? value : { name: value, other: [value] } } }],
    ] as const) {
      const { error, all } = await told(text.replaceAll(/\bX\b/g, () => reference).replaceAll(/([{[,:] )(\$\{\{[^}]*\}\})/g, '$1"$2"'), variables)
      if (error instanceof Error) failures++
      assert.not.match(all, /hunter2|Xq9z/i, where)
    }
  }
  assert.ok(failures > 300, `only ${failures} failed`)
})

test('214: the reference is told in its place, and what stands in the file is told as it is', async () => {
  const { error } = await told('jtype: Flow\nexecutors:\n  - needs: ${{ ENV.BEFORE }}\n', { env: { BEFORE: 'ranker' } })
  assert.match(error.message, /flow\.yml:3:5: needs: there is no executor called \$\{\{ ENV\.BEFORE \}\}\. There are executor0, gateway/)
  assert.match(error.stack, /executor called \$\{\{ ENV/)
  const { error: composed } = await told('jtype: Flow\nexecutors:\n  - uses: ./${{ ENV.KIND }}.mjs\n', { env: { KIND: 'ranker' } })
  assert.match(composed.message, /there is no "\.\/\$\{\{ ENV\.KIND \}\}\.mjs" in /)
  const { error: known } = await told('jtype: Flow\n# a ranker\nexecutors:\n  - needs: ${{ ENV.BEFORE }}\n', { env: { BEFORE: 'ranker' } })
  assert.match(known.message, /no executor called ranker/)
  const { error: short } = await told('jtype: Flow\nexecutors:\n  - replicas: ${{ ENV.N }}\n    polling: ${{ ENV.P }}\n', { env: { N: '5', P: 'x' } })
  assert.match(short.message, /flow\.yml:4:5: polling: this must be one of ANY/)
})

test('214: nor does what an executor of its own YAML says', async () => {
  const error = await loadUses('modules: ./text.mjs\njtype: ${{ ENV.TOLD }}\n', { folder: root.path, env: { TOLD: SECRET } }).catch((error: unknown) => error)
  assert.match(inspect(error), /exports no \$\{\{ ENV\.TOLD \}\}/)
})

test.run()
