// What YAML reads differently from Python is refused: fixtures/pyyaml.json has what PyYAML 6.0.3 (safe_load) makes of some 1,700 plain scalars of
// the signs that numbers, dates and truth values are made of: a text, a truth value, null, or { number } and { other } as Python prints them.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { substitute } from '../../lib/config/variables.js'
import { parseYaml } from '../../lib/config/yaml.js'
import { ConfigError, Flow } from '../../lib/index.js'
import { Folder } from '../support/folder.js'

type Python = string | boolean | null | { number: string } | { other: string }
const python = JSON.parse(readFileSync('test/config/fixtures/pyyaml.json', 'utf8')) as Record<string, Python>

async function read(yaml: string): Promise<unknown> {
  const parsed = await parseYaml(yaml, { file: 'a.yml' })
  substitute(parsed, { env: { NAME: 'x' } })
  return (parsed.value as { k: unknown }).k
}

async function refused(yaml: string): Promise<string> {
  const error = await read(yaml).then(
    (value) => assert.unreachable(`${yaml} was read as ${value}`),
    (error: unknown) => error,
  )
  assert.instance(error, ConfigError, yaml)
  return (error as Error).message
}

function isSame(value: unknown, expected: Python): boolean {
  if (typeof expected !== 'object' || expected === null) return value === expected
  if (!('number' in expected)) return false
  const number = Number(expected.number.replace(/^(-?)inf$/, '$1Infinity'))
  return Object.is(value, number) || (value === 0 && number === 0)
}

test('214: a plain scalar is what Python reads, or refused; on and off are texts, as in Jina', async () => {
  let taken = 0
  for (const [source, expected] of Object.entries(python)) {
    const value = await read(`k: ${source}`).catch((error) => {
      assert.instance(error, ConfigError)
      return ConfigError
    })
    if (value === ConfigError) continue
    taken++
    if (/^o(?:n|ff)$/i.test(source)) assert.is(value, source)
    else assert.ok(isSame(value, expected), `${source}: ${JSON.stringify(value)}, and in Python ${JSON.stringify(expected)}`)
  }
  assert.ok(taken > 800, `only ${taken} are taken`)
})

test('214: a value is what its tag says, or refused', async () => {
  assert.is(await read('k: !!float 1'), 1)
  assert.is(await read('k: !!int "31"'), 31)
  assert.is(await read('k: !!str 012'), '012')
  assert.is(await read('k: !!bool true'), true)
  for (const value of ['!!bool yes', '!!float 0x1F', '!!null none', '!!int 1.5', '!!int 12:30', '!!int one'])
    assert.match(await refused(`k: ${value}`), /its tag !!/)
  assert.match(await refused('%YAML 1.1\n---\nk: off'), /%YAML 1\.1 is not read/)
})

test('214: a reference that is not closed is no text', async () => {
  for (const value of ['$' + '{{ ENV.NAME', '$' + '{{ ENV.NAME }', '"$' + '{{ a{b }}"', 'a $' + '{{ NAME }} b $' + '{{'])
    assert.match(await refused(`k: ${value}`), /is not closed/)
  assert.is(await read('k: $$' + '{{ ENV.NAME }'), '$' + '{{ ENV.NAME }')
})

test("214: a timeout of the whole Flow is every executor's, by both names, and -1 is none", async () => {
  const folder = new Folder()
  folder.file('stuck.mjs', 'export default ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))')
  folder.file('well.mjs', 'export default () => {}')
  const answer = async (told: string, module: string): Promise<string> => {
    await using flow = await (await Flow.loadConfig(folder.file('flow.yml', `jtype: Flow\nwith: { ${told} }\nexecutors:\n  - uses: ./${module}\n`))).open()
    return flow
      .post('/', 'a')
      .drain()
      .then(
        () => 'answered',
        (error) => error.code,
      )
  }
  for (const name of ['timeout', 'timeout_send']) {
    assert.is(await answer(`${name}: 30`, 'stuck.mjs'), 'ERR_EXECUTOR_TIMEOUT')
    assert.is(await answer(`${name}: -1`, 'well.mjs'), 'answered')
  }
})

test.run()
