// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the code of a module
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadUses } from '../../lib/config/uses.js'
import { ConfigError, Flow } from '../../lib/index.js'
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

test('F10 without consent, nothing is installed', async () => {
  await refused(
    loadUses('npm:@sluice-test/shout@1.2.3', { folder: source.path, file: 'flow.yml', line: 3, key: 'uses' }),
    /^flow\.yml:3: uses: .* npm install .* allowInstall: true/,
  )
})

test('F10 with consent, npm installs into the cache, without install scripts, and once', async () => {
  const requests: string[] = []
  const data = readFileSync(tarball)
  const registry = createServer((request, response) => {
    requests.push(request.url!)
    const { port } = registry.address() as AddressInfo
    const version = {
      ...manifest,
      dist: { tarball: `http://127.0.0.1:${port}/shout.tgz`, integrity: `sha512-${createHash('sha512').update(data).digest('base64')}` },
    }
    if (request.url === '/shout.tgz') response.end(data)
    else if (decodeURIComponent(request.url!) === '/@sluice-test/shout')
      response.end(JSON.stringify({ name: manifest.name, 'dist-tags': { latest: '1.2.3' }, versions: { '1.2.3': version } }))
    else response.writeHead(404).end('{}')
  })
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve))
  const cache = new Folder()
  const before = { ...process.env }
  process.env.npm_config_registry = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`
  process.env.npm_config_cache = join(cache.path, 'npm')
  const place = { folder: source.path, allowInstall: { cache: join(cache.path, 'sluice') } }
  try {
    const [{ uses }, again] = await Promise.all([loadUses('npm:@sluice-test/shout@1.2.3#shout', place), loadUses('npm:@sluice-test/shout@1.2.3#shout', place)])
    assert.is(await answer(uses), 'a!')
    assert.is(uses, again.uses)
    const home = join(cache.path, 'sluice', '@sluice-test+shout@1.2.3')
    assert.equal(readdirSync(join(cache.path, 'sluice')), ['@sluice-test+shout@1.2.3'])
    assert.not(readdirSync(join(home, 'node_modules/@sluice-test/shout')).includes('ran'))
    assert.ok(lstatSync(join(home, 'node_modules/sluice')).isSymbolicLink())
    assert.is(realpathSync(join(home, 'node_modules/sluice')), realpathSync('.'))
    const count = requests.length
    assert.is((await loadUses('npm:@sluice-test/shout@1.2.3', { ...place, allowInstall: { cache: place.allowInstall.cache } })).uses, uses)
    assert.is(requests.length, count)
    await refused(loadUses('npm:@sluice-test/nothing@1.0.0', place), /@sluice-test\/nothing@1\.0\.0 could not be installed: npm ended with 1/)
    assert.equal(readdirSync(join(cache.path, 'sluice')), ['@sluice-test+shout@1.2.3'])
  } finally {
    for (const name of ['npm_config_registry', 'npm_config_cache']) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
    registry.closeAllConnections()
    registry.close()
  }
})

test.run()
