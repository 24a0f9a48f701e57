import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseYaml } from '../../lib/config/yaml.js'
import { ConfigError, Flow } from '../../lib/index.js'
import { codeUrl } from '../support/code.js'

const sluice = codeUrl('lib/index')
const root = mkdtempSync(join(tmpdir(), 'sluice-config-'))
const folder = join(root, 'flows')
process.on('exit', () => rmSync(root, { recursive: true, force: true }))

mkdirSync(folder)
writeFileSync(join(root, 'outside.mjs'), `export default () => {}`)
symlinkSync(join(root, 'outside.mjs'), join(folder, 'link.mjs'))
writeFileSync(join(folder, 'broken.mjs'), `export default (`)
writeFileSync(
  join(folder, 'executors.mjs'),
  `import { Executor } from ${JSON.stringify(sluice)}
  export class Suffix extends Executor {
    static requests = { '/index': 'add' }
    add({ docs, parameters }) { for (const doc of docs) doc.text += parameters.suffix ?? this.config.suffix }
    twice(call) { this.add(call); this.add(call) }
    about() { return { ...this.metas } }
  }
  export default ({ docs }) => { for (const doc of docs) doc.text = doc.text.toUpperCase() }
  export class Stranger { handle() {} }
  export const five = 5`,
)

let files = 0
function write(text: string | Uint8Array): string {
  const file = join(folder, `flow-${files++}.yml`)
  writeFileSync(file, text)
  return file
}

async function answer(file: string, on = '/index', text = 'a'): Promise<string> {
  await using flow = await (await Flow.loadConfig(file)).open()
  return (await flow.post(on, text).docs()).texts.join(' ')
}

test('F7 a Flow of classes and functions from modules beside the file', async () => {
  const file = write(`
jtype: Flow
version: '1'
with:
  name: shout
  close_timeout: 500
executors:
  - name: suffix
    uses: ./executors.mjs#Suffix
    uses_with: { suffix: '!' }
  - uses: ./executors.mjs
`)
  const flow = await Flow.loadConfig(file)
  assert.is(flow.name, 'shout')
  assert.is(flow.options.closeTimeout, 500)
  assert.equal(flow.executors, ['suffix', 'executor1'])
  assert.is(await answer(file), 'A!')
})

test('F7 !Flow and pods are the other names, and camelCase is read too', async () => {
  assert.is(await answer(write('!Flow\npods:\n  - { name: s, uses: executors.mjs#Suffix, usesWith: { suffix: "?" } }\n')), 'a?')
})

test('F7 an executor described by a dict, and what is laid over it', async () => {
  const file = write(`
jtype: Flow
executors:
  - name: s
    uses:
      jtype: Suffix
      py_modules: [./executors.mjs]
      with: { suffix: a, other: 1 }
      metas: { name: from-dict, description: adds }
      requests: { /about: about }
    uses_with: { suffix: z }
    uses_requests: { /index: twice }
`)
  assert.is(await answer(file), 'azz')
  await using flow = await (await Flow.loadConfig(file)).open()
  const [response] = await flow.post('/about').toArray()
  assert.equal(response!.parameters.__results__.s, { name: 'from-dict', description: 'adds' })
})

test('F7 branches and joins', async () => {
  const file = write(`
jtype: Flow
executors:
  - { name: a, uses: ./executors.mjs#Suffix, uses_with: { suffix: 1 } }
  - { name: b, uses: ./executors.mjs#Suffix, uses_with: { suffix: 2 }, needs: gateway }
  - { name: both, needs: [a, b], join: concat }
`)
  assert.is(await answer(file), 'a1 a2')
})

test('R74 an alias repeats what is anchored, and no more than a little', async () => {
  const file = write(
    'jtype: Flow\nexecutors:\n  - { name: a, uses: ./executors.mjs#Suffix, uses_with: &w { suffix: x } }\n  - { name: b, uses: ./executors.mjs#Suffix, uses_with: *w }\n',
  )
  assert.is(await answer(file), 'axx')
})

test('R76 20 000 keys are read in linear time', async () => {
  const time = async (count: number): Promise<number> => {
    const text = `with:\n${Array.from({ length: count }, (_, at) => `  k${at}: ${at}\n`).join('')}`
    let best = Infinity
    for (let tries = 0; tries < 3; tries++) {
      const start = process.cpuUsage()
      await parseYaml(text, { file: 'keys.yml' })
      best = Math.min(best, process.cpuUsage(start).user / 1000)
    }
    return best
  }
  await time(2_000)
  const [small, large] = [await time(2_000), await time(20_000)]
  assert.ok(large < 40 * small, `2 000 keys took ${small} ms, 20 000 took ${large} ms`)
})

test('R76 184 KB of keys are refused before they are read', async () => {
  const keys = Array.from({ length: 20_000 }, (_, at) => `  k${at}: ${at}\n`).join('')
  await refused(`jtype: Flow\nwith:\n${keys}`, undefined, undefined, /larger than 131072/)
})

test('R80 what YAML 1.1 and 1.2 read alike has that value', async () => {
  const { value } = await parseYaml('{ a: true, b: FALSE, c: ~, d: 12, e: 0x1F, f: 1.5, g: 1.5e+3, h: on, i: off, j: "012", k: localhost:80, l: 10.0.0.1 }', {
    file: 'x',
  })
  const expected = { a: true, b: false, c: null, d: 12, e: 31, f: 1.5, g: 1500, h: 'on', i: 'off', j: '012', k: 'localhost:80', l: '10.0.0.1' }
  assert.equal(value, expected)
})

for (const value of ['no', 'Yes', '012', '089', '0o17', '0b1', '1_000', '1_0.5', '12:30', '1e3', '1.5e3', '2020-01-01'])
  test(`R80 ${value} is refused, as YAML 1.1 and 1.2 differ`, async () => {
    await refused(`jtype: Flow\nwith:\n  name: ${value}\n`, 3, 'name', /YAML 1\.1 and 1\.2/)
  })

async function refused(text: string | Uint8Array, line: number | undefined, key: string | undefined, message: RegExp): Promise<void> {
  const file = write(text)
  const error = await Flow.loadConfig(file).then(
    () => assert.unreachable('was read'),
    (error: unknown) => error,
  )
  assert.instance(error, ConfigError)
  const { file: named, line: at, key: of, code } = error as ConfigError
  assert.match((error as ConfigError).message, message)
  assert.equal({ named, at, of, code }, { named: file, at: line, of: key, code: 'ERR_CONFIG' }, (error as ConfigError).message)
  assert.ok((error as ConfigError).message.startsWith(`${file}:${line === undefined ? ' ' : `${line}:`}`), (error as ConfigError).message)
  assert.is(({} as Record<string, unknown>).polluted, undefined)
}

const laughs = `jtype: Flow\na0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n${Array.from({ length: 9 }, (_, at) => `a${at + 1}: &a${at + 1} [${Array(9).fill(`*a${at}`).join(', ')}]`).join('\n')}\n`
const one = 'jtype: Flow\nexecutors:\n  - name: a\n'

const malformed: [string, string | Uint8Array, number | undefined, string | undefined, RegExp][] = [
  ['an empty file', '', 1, undefined, /a Flow is described by keys/],
  ['a list', '- a\n- b\n', 1, undefined, /not by an array of 2/],
  ['something else than a Flow', 'jtype: Gateway\n', 1, 'jtype', /"Gateway"/],
  ['no jtype', 'version: "1"\n', 1, 'jtype', /jtype: Flow/],
  ['R78 a misspelled key', 'jtype: Flow\nexecutor:\n  - name: a\n', 2, 'executor', /Did you mean executors\?/],
  ['R78 a misspelled option of the Flow', 'jtype: Flow\nwith:\n  prefech: 3\n', 3, 'prefech', /Did you mean prefetch\?/],
  ['R78 a misspelled key of an executor, in its own spelling', `${one}    use_with: {}\n`, 4, 'use_with', /Did you mean uses_with\?/],
  ['R78 a key that is like no other', `${one}    colour: red\n`, 4, 'colour', /Known: name, uses/],
  ['R78 a key given twice', 'jtype: Flow\nwith:\n  prefetch: 3\n  prefetch: 4\n', 4, 'prefetch', /twice, first on line 3/],
  ['R78 a key given under both its names', `${one}    uses_with: {}\n    usesWith: {}\n`, 5, 'usesWith', /twice, as uses_with and as usesWith/],
  ['R78 a tab', 'jtype: Flow\nwith:\n\tprefetch: 3\n', 3, undefined, /[Tt]ab/],
  ['R78 several documents', 'jtype: Flow\n---\njtype: Flow\n', 2, undefined, /a second document/],
  ['an open bracket', 'jtype: Flow\nwith: { prefetch: 3\n', 3, undefined, /end with a }/],
  ['R86 a size of the wrong type', 'jtype: Flow\nwith:\n  prefetch: ten\n', 3, 'prefetch', /an integer ≥ 0, or Infinity, not "ten"/],
  ['R86 a fractional size', 'jtype: Flow\nwith:\n  prefetch: 1.5\n', 3, 'prefetch', /an integer ≥ 0, or Infinity, not 1.5/],
  ['executors that are no list', 'jtype: Flow\nexecutors:\n  a: b\n', 2, 'executors', /a list, with a dash/],
  ['an executor that is a text', 'jtype: Flow\nexecutors:\n  - a\n', 3, 'executors', /not by "a"/],
  ['executors and pods', 'jtype: Flow\nexecutors: []\npods: []\n', 3, 'pods', /given twice, as executors and as pods/],
  ['two executors of one name', `${one}  - name: a\n`, 4, 'name', /already an executor called a/],
  ['a name that cannot be', 'jtype: Flow\nexecutors:\n  - name: gateway\n    uses: ./executors.mjs\n', 3, 'name', /cannot be called "gateway"/],
  [
    'an unknown need',
    'jtype: Flow\nexecutors:\n  - name: tokenize\n  - name: b\n    needs: tokenise\n',
    5,
    'needs',
    /no executor called tokenise. Did you mean tokenize\?/,
  ],
  ['a join that does not exist', `${one}    join: zip\n`, 4, 'join', /one of concat, merge/],
  ['a module that is not there', `${one}    uses: ./nothing.mjs\n`, 4, 'uses', /there is no "\.\/nothing\.mjs" in /],
  ['a module that cannot be imported', `${one}    uses: ./broken.mjs\n`, 4, 'uses', /broken\.mjs cannot be imported: .+/],
  ['an export that is not there', `${one}    uses: ./executors.mjs#Sufix\n`, 4, 'uses', /exports no Sufix. Did you mean Suffix\?/],
  ['an export that runs nothing', `${one}    uses: ./executors.mjs#five\n`, 4, 'uses', /five of .* is 5/],
  ['a class that is no Executor', `${one}    uses: ./executors.mjs#Stranger\n`, 4, 'uses', /does not extend the Executor/],
  ['an inherited name as export', `${one}    uses: ./executors.mjs#toString\n`, 4, 'uses', /exports no toString/],
  ['uses of another type', `${one}    uses: 5\n`, 4, 'uses', /must be text, not 5/],
  ['a dict without a module', `${one}    uses:\n      jtype: Suffix\n`, 5, 'jtype', /no module is named that exports Suffix/],
  ['R119 a module above', `${one}    uses: ./x/../../outside.mjs\n`, 4, 'uses', /leads out of the folder/],
  ['R119 a module by its absolute path', `${one}    uses: ${join(root, 'outside.mjs')}\n`, 4, 'uses', /leads out of the folder/],
  ['R119 a module by a link', `${one}    uses: ./link.mjs\n`, 4, 'uses', /a link that leads out/],
  ['R119 a data: address', `${one}    uses: data:text/javascript,export default 1\n`, 4, 'uses', /leads out of the folder/],
  ['R119 an http: address', `${one}    uses: 'http://localhost/x.mjs'\n`, 4, 'uses', /leads out of the folder/],
  ['R119 a module of Node', `${one}    uses: node:fs#rmSync\n`, 4, 'uses', /leads out of the folder/],
  ['R74 a billion laughs', laughs, 6, 'a4', /aliases repeat more than/],
  ['R75 an anchor that contains itself', 'jtype: Flow\nwith: &x\n  name: *x\n', 3, 'name', /stands inside of what it repeats/],
  ['an alias of nothing', 'jtype: Flow\nwith: *x\n', 2, 'with', /anchored as &x/],
  ['R77 20 000 lists in one another', `jtype: ${'['.repeat(20_000)}`, 1, undefined, /nested deeper than 100/],
  ['R77 101 objects in one another', `jtype: Flow\nwith: ${'{ a: '.repeat(101)}1${' }'.repeat(101)}\n`, 2, 'a', /nested deeper than 100/],
  ['R79 a tag that makes a function', 'jtype: Flow\nwith:\n  name: !!js/function "() => {}"\n', 3, 'name', /js\/function is not read/],
  ['R79 a tag of Python', 'jtype: Flow\nwith: !!python/object/apply:os.system [ls]\n', 2, 'with', /python.* is not read/],
  ['R79 an unknown tag', `${one}    uses_with: !Suffix {}\n`, 4, 'uses_with', /!Suffix is not read/],
  ['R79 !Flow further down', 'jtype: Flow\nwith: !Flow {}\n', 2, 'with', /!Flow is not read/],
  ['R81 __proto__', 'jtype: Flow\nwith:\n  __proto__: { polluted: 1 }\n', 3, '__proto__', /cannot be a key/],
  ['R81 constructor', 'jtype: Flow\nconstructor:\n  prototype: { polluted: 1 }\n', 2, 'constructor', /cannot be a key/],
  ['R81 prototype, deep down', `${one}    uses_with: { a: [{ prototype: 1 }] }\n`, 4, 'prototype', /cannot be a key/],
  ['a merge key', 'jtype: Flow\nwith:\n  <<: { name: a }\n', 3, '<<', /merge keys/],
  ['a key that is a number', 'jtype: Flow\nwith:\n  1: a\n', 3, undefined, /must be text/],
  ['R89 latin-1', new Uint8Array([...Buffer.from('jtype: Flow # '), 0xe9, 0x0a]), undefined, undefined, /UTF-8/],
  ['R89 a file that is too large', `jtype: Flow\n${'# padding\n'.repeat(110_000)}`, undefined, undefined, /larger than/],
]

test('R89 a byte order mark and CRLF are read', async () => {
  assert.is((await Flow.loadConfig(write('\ufeffjtype: Flow\r\nwith:\r\n  name: a\r\n'))).name, 'a')
})

test('a file that is not there', async () => {
  const error = await Flow.loadConfig(join(folder, 'nowhere.yml')).catch((error: unknown) => error)
  assert.instance(error, ConfigError)
  assert.match((error as Error).message, /nowhere\.yml: cannot be opened/)
})

test.run()

const refusals = suite('refused')
for (const [what, text, line, key, message] of malformed) refusals(what, () => refused(text, line, key, message))
refusals.run()
