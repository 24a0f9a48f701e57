// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadFlow } from '../../lib/config/flow.js'
import { escapeDollars, substitute, type Variables } from '../../lib/config/variables.js'
import { parseYaml } from '../../lib/config/yaml.js'
import type { FlowOptions } from '../../lib/flow/options.js'
import { ConfigError, Flow } from '../../lib/index.js'

async function read(text: string, variables: Variables): Promise<any> {
  const parsed = await parseYaml(text, { file: 'x.yml' })
  substitute(parsed, variables)
  return parsed.value
}

async function refused(text: string, variables: Variables, message: RegExp): Promise<void> {
  const error = await read(text, variables).catch((error: unknown) => error)
  assert.instance(error, ConfigError)
  assert.match((error as Error).message, message)
}

test('R88 the value of a variable is never read as YAML', async () => {
  const evil = '{ a: 1 }\n__proto__:\n  polluted: 1\n- &a [*a]\n!!js/function'
  assert.equal(await read('a: ${{ ENV.X }}\nb: x${{ CONTEXT.x }}', { env: { X: evil }, context: { x: evil } }), { a: evil, b: `x${evil}` })
  assert.equal(await read('a: ${{ ENV.X }}', { env: { X: '[1, 2]' } }), { a: '[1, 2]' })
})

test('R88 nor as the YAML of an executor, or as a reference', async () => {
  const load = (env: Variables['env']) =>
    loadFlow('jtype: Flow\nexecutors:\n  - uses: ${{ ENV.X }}\n', (options: FlowOptions) => new Flow<string>(options), env === undefined ? {} : { env })
  for (const X of ['jtype: X\nmodules: ./x.mjs', '{ modules: ./x.mjs }', 'jtype: BaseExecutor']) {
    const error = await load({ X }).catch((error: unknown) => error)
    assert.match((error as Error).message, /configuration:3:5: uses: the value of a variable is never read as YAML/)
  }
  assert.equal(await read('a: ${{ ENV.X }}', { env: { X: '${{ ENV.Y }} $Y', Y: 'secret' } }), { a: '${{ ENV.Y }} $Y' })
})

test('R88 what a variable is, by its text', async () => {
  const env = { A: '5', B: '-0.5e3', C: 'true', D: 'null', E: '05', F: '', G: ' 5', H: 'TRUE', I: 'no', J: '9007199254740993', K: '1e999', L: '"5"' }
  const text = Object.keys(env)
    .map((name) => `${name}: \${{ ENV.${name} }}`)
    .join('\n')
  assert.equal(await read(text, { env }), { ...env, A: 5, B: -500, C: true, D: null })
})

test('R88 names are looked for in the context, then in the environment', async () => {
  assert.equal(await read('[ "${{ A }}", "${{ B }}", "${{ B.c }}", "${{ C }}" ]', { context: { A: 1, B: { c: [2] } }, env: { A: 'x', C: 'y' } }), [
    1,
    { c: [2] },
    [2],
    'y',
  ])
  assert.equal(await read('a: ${{ CONTEXT.list[1]["b c"] }}', { context: { list: [0, { 'b c': 7 }] } }), { a: 7 })
  await refused('a: ${{ CONTEXT.modl }}', { context: { model: 1 } }, /x\.yml:1:1: a: .* Did you mean model\?/)
  await refused('a: x${{ CONTEXT.model }}', { context: { model: {} } }, /an object, which cannot be a part of a text/)
  await refused('a: ${{ toString }}', { env: {} }, /not set: toString/)
})

test('R88 keys, dollars, and what is like a reference, stay as they are', async () => {
  const text = 'when: { $eq: 5 }\nprice: $5\nend: ^a$\njq: ${a.b} ${1} {{ x }} $\ndouble: $$ $$HOME $$${{ ENV.A }} $$$HOME\n'
  assert.equal(await read(text, { env: { A: '1' } }), {
    when: { $eq: 5 },
    price: '$5',
    end: '^a$',
    jq: '${a.b} ${1} {{ x }} $',
    double: '$$ $HOME $${{ ENV.A }} $$HOME',
  })
})

test('F7 what is written with escaped dollars is read again', async () => {
  for (const text of ['$HOME', '$$HOME', '$$$HOME', '${{ ENV.A }}', '$', '$$', '${HOME}', 'a$b$$c', '$$$${x}'])
    assert.equal(await read(`a: ${JSON.stringify(escapeDollars(text))}`, { env: {} }), { a: text })
})

test('R88 references inside of the file: this, root, lists, in any order', async () => {
  const text =
    'a: ${{ root.b.c }}\nb: { c: "${{ this.d }}!", d: "${{ root.list[1].x }}", n: 1.50 }\nlist: [ 0, { x: 5 }, "${{ this.e }}" ]\ne: ${{ ENV.E }}\nf: ${{ root.b.n }}\ng: v${{ root.b.n }}'
  assert.equal(await read(text, { env: { E: '7' } }), { a: '5!', b: { c: '5!', d: 5, n: 1.5 }, list: [0, { x: 5 }, 7], e: 7, f: 1.5, g: 'v1.50' })
})

test('R74 references do not explode either', async () => {
  const laughs = `a0: ${'x'.repeat(100)}\n${Array.from({ length: 40 }, (_, at) => `a${at + 1}: "\${{ root.a${at} }}\${{ root.a${at} }}"`).join('\n')}`
  await refused(laughs, { env: {} }, /a text of more than 1048576 characters/)
  const chain = `a0: x\n${Array.from({ length: 20_000 }, (_, at) => `a${20_000 - at}: "\${{ root.a${19_999 - at} }}"`).join('\n')}`
  await refused(chain, { env: {} }, /more than 100 references lead from one to the next/)
  await refused('a: ${{ root.b }}\nb: ${{ root.c }}\nc: ${{ root.a }}', {}, /in a circle/)
})

test('R88 without an environment given, that of the process', async () => {
  process.env.SLUICE_TEST_VARIABLE = 'here'
  assert.equal(await read('a: ${{ ENV.SLUICE_TEST_VARIABLE }}', {}), { a: 'here' })
})

test.run()
