// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
// By tsx: the executors of its configurations are TypeScript, loaded while it runs.
import { symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { resolveUses } from '../../lib/config/resolve.js'
import { loadUses, type UsesPlace } from '../../lib/config/uses.js'
import { ConfigError, Executor } from '../../lib/index.js'
import { Folder } from '../support/folder.js'
import { CharacterEncoder } from './fixtures/encoder/index.js'
import { Suffix, Upper } from './fixtures/executors/text.js'

const fixtures = resolve('test/config/fixtures')
const inFixtures: UsesPlace = { folder: fixtures }
/** As `Flow.add()` does. */
const inCode: UsesPlace = { folder: process.cwd(), allowOutside: true }

async function refused(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.catch((error: unknown) => error)
  assert.instance(error, ConfigError)
  assert.match((error as Error).message, message)
}

test('F10 classes and functions are taken as they are', async () => {
  const run = (): void => {}
  assert.equal(await loadUses(Suffix, inCode), { uses: Suffix })
  assert.equal(await loadUses(run, inCode), { uses: run })
})

test('F10 a module and its export, TypeScript where a loader is registered', async () => {
  assert.equal(await loadUses('./executors/text.ts#Suffix', inFixtures), { uses: Suffix })
  assert.type((await loadUses('executors/plain.mjs', inFixtures)).uses, 'function')
  for (const path of [`${fixtures}/executors/text.ts`, pathToFileURL(`${fixtures}/executors/text.ts`).href, 'test/config/fixtures/executors/text.ts'])
    assert.equal(await loadUses(`${path}#Upper`, inCode), { uses: Upper })
})

test('E4 a YAML file: its modules lie beside it', async () => {
  assert.equal(await loadUses('encoder/config.yml', inFixtures), {
    uses: CharacterEncoder,
    usesWith: { dim: 4 },
    usesMetas: {
      name: 'CharacterEncoder',
      description: 'Encodes texts by their length',
      url: 'https://example.com/character-encoder',
      keywords: ['text', 'encoder'],
    },
  })
})

test('E4 inline text, with jtype, a tag, or in one line', async () => {
  const expected = { uses: Suffix, usesWith: { suffix: 1 } }
  for (const text of [
    'jtype: Suffix\nmodules: ./executors/text.ts\nwith: { suffix: 1 }\n',
    '!Suffix\npy_modules: [executors/text.ts]\nwith: { suffix: ${{ CONTEXT.one }} }'.replace(
      '{ suffix: ${{ CONTEXT.one }} }',
      '\n  suffix: ${{ CONTEXT.one }}',
    ),
    '{ jtype: Suffix, metas: { py_modules: executors/text.ts }, with: { suffix: 1 } }',
  ])
    assert.equal(await loadUses(text, { ...inFixtures, context: { one: 1 } }), expected)
})

test('E4 an object, in either spelling, whose texts are not looked through for variables', async () => {
  const config = { jtype: 'Suffix', py_modules: './executors/text.ts', with: { suffix: '${{ ENV.X }}' }, requests: { '/index': 'twice' } }
  const expected = { uses: Suffix, usesWith: { suffix: '${{ ENV.X }}' }, usesRequests: { '/index': 'twice' } }
  assert.equal(await loadUses(config as object, inFixtures), expected)
  assert.equal(await loadUses({ jtype: 'Suffix', modules: ['executors/plain.mjs', 'executors/text.ts#Upper'] }, inFixtures), { uses: Suffix })
})

test('E4 what else its own YAML says', async () => {
  const { uses, dynamicBatching, workspace } = await loadUses('executors/batched.jaml', inFixtures)
  assert.is(uses, Upper)
  assert.is(workspace, 'batched')
  assert.equal(dynamicBatching, { '/default': { preferredBatchSize: 10, timeout: 50 }, '/search': { preferredBatchSize: 2, timeout: 10, flushAll: true } })
})

test('E4 the base class passes through', async () => {
  assert.equal(await loadUses('BaseExecutor', inFixtures), { uses: Executor })
})

test('R119 code may name what it likes, but no addresses and no modules of Node', async () => {
  for (const uses of [
    'http://localhost/x.mjs',
    'https://localhost/x.mjs',
    'data:text/javascript,export default 1',
    'node:fs#rmSync',
    'blob:nodedata:1',
    'NODE:fs',
  ])
    await refused(loadUses(uses, inCode), /leads out of the folder/)
  await refused(loadUses('./a\0b.mjs', inCode), /is no path/)
  await refused(loadUses('', inCode), /not by ""/)
  await refused(loadUses(5 as never, inCode), /not by 5/)
})

test('R119 a link that stays inside is followed', async () => {
  const folder = new Folder()
  folder.file('real.mjs', 'export default () => {}')
  symlinkSync(join(folder.path, 'real.mjs'), join(folder.path, 'link.mjs'))
  assert.type((await loadUses('./link.mjs', { folder: folder.path })).uses, 'function')
})

test('R81 an object from JSON cannot smuggle names in', async () => {
  await refused(loadUses(JSON.parse('{"__proto__": {"modules": "x"}, "modules": "./executors/text.ts"}') as object, inFixtures), /no such key/)
})

test('F10 what code says lies over what the executor says of itself', async () => {
  const uses = { jtype: 'Suffix', modules: './executors/text.ts', with: { a: 1, b: 1 }, workspace: 'own' }
  const { dynamicBatching, ...batched } = await resolveUses('s', { uses: 'executors/batched.jaml', workspace: 'mine' }, inFixtures)
  assert.equal(batched, { uses: Upper, workspace: 'mine' })
  assert.equal(Object.keys(dynamicBatching!), ['/default', '/search'])
  assert.equal(await resolveUses('s', { name: 's', uses, usesWith: { b: 2 } }, inFixtures), {
    name: 's',
    uses: Suffix,
    usesWith: { a: 1, b: 2 },
    workspace: 'own',
  })
  assert.equal(await resolveUses('s', { uses: Suffix, timeout: 5 }), { uses: Suffix, timeout: 5 })
  assert.is((await resolveUses('s', { uses: 'test/config/fixtures/executors/text.ts#Upper' })).uses, Upper)
  await refused(resolveUses('store', { uses: './nothing.js' }), /^store: uses: there is no ".\/nothing.js" in /)
})

test('F7 errors of objects name the executor’s place', async () => {
  await refused(loadUses({ jtype: 'X' }, { ...inCode, file: 'my flow', key: 'uses' }), /^my flow: jtype: no module is named that exports X/)
})

test.run()
