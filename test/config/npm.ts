// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the code of a module
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadUses } from '../../lib/config/uses.js'
import { ConfigError, Flow } from '../../lib/index.js'
import { code } from '../support/code.js'
import { Folder } from '../support/folder.js'

const npm = (...args: string[]): string => execFileSync('npm', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })

/** A package as a tarball, made by npm. Its install script would leave a mark. */
const source = new Folder()
const manifest = {
  name: '@sluice-test/shout',
  version: '1.2.3',
  type: 'module',
  exports: { '.': { types: './index.d.ts', import: './lib/shout.js' } },
  scripts: { install: `node -e "require('fs').writeFileSync('ran', '')"` },
  peerDependencies: { sluice: '*' },
}
source.file('package/package.json', JSON.stringify(manifest))
source.file('package/lib/shout.js', 'export const shout = ({ docs }) => { for (const doc of docs) doc.text = `${doc.text}!` }\nexport default shout')
npm('pack', join(source.path, 'package'), '--pack-destination', source.path)
const tarball = join(source.path, 'sluice-test-shout-1.2.3.tgz')

async function refused(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.catch((error: unknown) => error)
  assert.instance(error, ConfigError)
  assert.match((error as Error).message, message)
}

async function answer(uses: unknown): Promise<string> {
  await using flow = await new Flow().add({ uses: uses as never }).open()
  return (await flow.post('/', 'a').docs()).texts.join()
}

/** A registry with one version of the package. */
async function registryOf(data: Buffer, taken: string[]): Promise<{ address: string; close(): void }> {
  const server = createServer((request, response) => {
    taken.push(`${request.headers.authorization ?? 'nobody'} ${request.url}`)
    const version = {
      ...manifest,
      dist: { tarball: `${address}shout.tgz`, integrity: `sha512-${createHash('sha512').update(data).digest('base64')}` },
    }
    if (request.url === '/shout.tgz') response.end(data)
    else if (decodeURIComponent(request.url!) === '/@sluice-test/shout')
      response.end(JSON.stringify({ name: manifest.name, 'dist-tags': { latest: '1.2.3' }, versions: { '1.2.3': version } }))
    else response.writeHead(404).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    address,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

test('F10 a package that is installed where Node would look needs no consent and no network', async () => {
  const project = new Folder()
  project.file('package.json', '{}')
  project.file('flows/deep/flow.yml', '')
  npm('install', '--offline', '--ignore-scripts', '--legacy-peer-deps', '--prefix', project.path, `file:${tarball}`)
  const place = { folder: join(project.path, 'flows/deep'), allowInstall: { cache: join(project.path, 'none') } }
  for (const uses of ['npm:@sluice-test/shout', 'npm:@sluice-test/shout@1.2.3#shout']) {
    assert.is(await answer((await loadUses(uses, { ...place, allowInstall: false })).uses), 'a!')
    assert.is(await answer((await loadUses({ jtype: 'shout', modules: uses }, place)).uses), 'a!')
  }
  await refused(loadUses('npm:@sluice-test/shout#whisper', place), /npm:@sluice-test\/shout exports no whisper\. It exports default, shout/)
  await refused(loadUses('npm:@sluice-test/shout@1.2.4', { ...place, allowInstall: false }), /@sluice-test\/shout@1\.2\.4 is not installed/)
})

test('216: the module of a package lies inside it, whatever its description or a link says', async () => {
  const project = new Folder()
  project.file('outside.mjs', 'export default () => {}')
  for (const [name, description] of Object.entries({
    above: { main: '../../outside.mjs' },
    exported: { exports: './../../outside.mjs' },
    linked: { main: 'inside.mjs' },
  }))
    project.file(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', ...description }))
  symlinkSync(join(project.path, 'outside.mjs'), join(project.path, 'node_modules/linked/inside.mjs'))
  for (const name of ['above', 'exported', 'linked'])
    await refused(loadUses(`npm:${name}`, { folder: project.path, allowInstall: false }), /says that its module is .*, which is not in it/)
})

test('F10 without consent, nothing is installed', async () => {
  await refused(
    loadUses('npm:@sluice-test/shout@1.2.3', { folder: source.path, file: 'flow.yml', line: 3, key: 'uses' }),
    /^flow\.yml:3: uses: .* npm install .* allowInstall: true/,
  )
})

test('F10 with consent, npm installs into the cache, without install scripts, and once', async () => {
  const requests: string[] = []
  const registry = await registryOf(readFileSync(tarball), requests)
  const cache = new Folder()
  const before = { ...process.env }
  process.env.npm_config_registry = registry.address
  process.env.npm_config_cache = join(cache.path, 'npm')
  const place = { folder: source.path, allowInstall: { cache: join(cache.path, 'sluice') } }
  try {
    const [{ uses }, again] = await Promise.all([loadUses('npm:@sluice-test/shout@1.2.3#shout', place), loadUses('npm:@sluice-test/shout@1.2.3#shout', place)])
    assert.is(await answer(uses), 'a!')
    assert.is(uses, again.uses)
    const [entry, ...others] = readdirSync(join(cache.path, 'sluice'))
    assert.match(entry!, /^@sluice-test\+shout@1\.2\.3-[\da-f]{12}$/)
    assert.equal(others, [])
    const home = join(cache.path, 'sluice', entry!)
    assert.not(readdirSync(join(home, 'node_modules/@sluice-test/shout')).includes('ran'))
    assert.ok(lstatSync(join(home, 'node_modules/sluice')).isSymbolicLink())
    assert.is(realpathSync(join(home, 'node_modules/sluice')), resolve(code('lib/index'), '../..'))
    const count = requests.length
    assert.is((await loadUses('npm:@sluice-test/shout@1.2.3', { ...place, allowInstall: { cache: place.allowInstall.cache } })).uses, uses)
    assert.is(requests.length, count)
    await refused(loadUses('npm:@sluice-test/nothing@1.0.0', place), /@sluice-test\/nothing@1\.0\.0 could not be installed: npm ended with 1/)
    assert.equal(readdirSync(join(cache.path, 'sluice')), [entry])
  } finally {
    for (const name of ['npm_config_registry', 'npm_config_cache']) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
    registry.close()
  }
})

test("213: a scope comes from the registry of the project's own .npmrc, and one project's package is not another's", async () => {
  const other = new Folder()
  other.file('package/package.json', JSON.stringify(manifest))
  other.file('package/lib/shout.js', 'export const shout = ({ docs }) => { for (const doc of docs) doc.text = `${doc.text}?` }')
  npm('pack', join(other.path, 'package'), '--pack-destination', other.path)
  const taken: [string[], string[]] = [[], []]
  const registries = [
    await registryOf(readFileSync(tarball), taken[0]),
    await registryOf(readFileSync(join(other.path, 'sluice-test-shout-1.2.3.tgz')), taken[1]),
  ] as const
  const cache = new Folder()
  const allowInstall = { cache: cache.path }
  const [first, second] = [new Folder(), new Folder()]
  for (const [at, project] of [first, second].entries()) {
    const { address } = registries[at]!
    project.file('package.json', '{}')
    project.file('.npmrc', `@sluice-test:registry=${address}\n${address.replace('http:', '')}:_authToken=token${at}\ncache=${join(cache.path, `npm${at}`)}\n`)
    project.file('flows/flow.yml', '')
  }
  try {
    const load = async (project: Folder): Promise<string> =>
      answer((await loadUses('npm:@sluice-test/shout@1.2.3#shout', { folder: join(project.path, 'flows'), allowInstall })).uses)
    assert.is(await load(first), 'a!')
    assert.is(await load(second), 'a?')
    assert.is(await load(first), 'a!')
    for (const [at, requests] of taken.entries()) {
      assert.ok(requests.length > 0)
      for (const request of requests) assert.match(request, new RegExp(`^Bearer token${at} `))
    }
    const entries = readdirSync(cache.path).filter((name) => name.startsWith('@'))
    assert.is(entries.length, 2)
    // Tokens stay where they were.
    for (const entry of entries) assert.not(readdirSync(join(cache.path, entry)).includes('.npmrc'))
  } finally {
    for (const { close } of registries) close()
  }
})

test('213: an entry of the cache that lost a file is installed anew', async () => {
  const registry = await registryOf(readFileSync(tarball), [])
  const [cache, project] = [new Folder(), new Folder()]
  project.file('package.json', '{}')
  project.file('.npmrc', `@sluice-test:registry=${registry.address}\ncache=${join(cache.path, 'npm')}\n`)
  const place = { folder: project.path, allowInstall: { cache: join(cache.path, 'sluice') } }
  try {
    const { uses } = await loadUses('npm:@sluice-test/shout@1.2.3#shout', place)
    const [entry] = readdirSync(place.allowInstall.cache)
    const module = join(place.allowInstall.cache, entry!, 'node_modules/@sluice-test/shout/lib/shout.js')
    rmSync(module)
    await loadUses('npm:@sluice-test/shout@1.2.3#shout', place)
    assert.ok(existsSync(module))
    assert.is(await answer(uses), 'a!')
    assert.equal(readdirSync(place.allowInstall.cache), [entry])
  } finally {
    registry.close()
  }
})

test.run()
