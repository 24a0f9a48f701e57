import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { flags, published } from '../support/code.js'
import { Folder } from '../support/folder.js'

/** A run of `sluice hub` in a folder, with what it finds in its environment. */
async function hub(cwd: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [...flags, published('cli/main'), 'hub', ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (data) => (said.stdout += data))
  child.stderr.on('data', (data) => (said.stderr += data))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, ...said }
}

const GOOD = {
  name: '@sluice-test/voices',
  version: '1.2.3',
  description: 'Voices.',
  license: 'MIT',
  keywords: ['sluice-executor'],
  type: 'module',
  exports: './voices.js',
  files: ['voices.js'],
  peerDependencies: { sluice: '*' },
}
const VOICES = `import { Executor } from 'sluice'
export class Shout extends Executor {
  static metas = { description: 'Shouts.' }
  static requests = { '/shout': 'shout', '/default': 'say' }
  shout({ docs }) { for (const doc of docs) doc.text = doc.text.toUpperCase() }
  say() {}
}
export const whisper = ({ docs }) => { for (const doc of docs) doc.text = doc.text.toLowerCase() }
export default Shout
export const LOUD = 3
`

/** A package in a folder, which finds sluice. */
function packageOf(manifest: object, files: Record<string, string> = { 'voices.js': VOICES }): string {
  const folder = new Folder()
  folder.file('package.json', JSON.stringify(manifest))
  for (const [name, text] of Object.entries(files)) folder.file(name, text)
  mkdirSync(folder.file('node_modules'))
  symlinkSync(resolve('.'), folder.file('node_modules/sluice'))
  return folder.path
}

test('T1: sluice hub show says what a package in a folder offers, once each, and what it takes', async () => {
  const folder = packageOf(GOOD)
  const { code, stdout, stderr } = await hub(folder, ['show', '.'])
  assert.is(code, 0, stderr)
  assert.is(
    stdout,
    `@sluice-test/voices 1.2.3: Voices.

Shout
  Shouts.
  uses: npm:@sluice-test/voices@1.2.3#Shout
  answers /shout, *

whisper
  uses: npm:@sluice-test/voices@1.2.3#whisper
  answers *
`,
  )
  const json = JSON.parse((await hub(folder, ['show', folder, '--json'])).stdout)
  assert.equal(
    json.executors.map(({ name, endpoints }: { name: string; endpoints: string[] }) => [name, endpoints]),
    [
      ['Shout', ['/shout', '*']],
      ['whisper', ['*']],
    ],
  )
})

test('T1: sluice hub show finds what is installed, and fetches nothing that is not', async () => {
  const project = new Folder()
  project.file('package.json', '{}')
  mkdirSync(project.file('node_modules/@sluice-test'), { recursive: true })
  symlinkSync(packageOf(GOOD), project.file('node_modules/@sluice-test/voices'))
  assert.match((await hub(project.path, ['show', '@sluice-test/voices'])).stdout, /answers \/shout/)
  const env = { npm_config_registry: 'http://127.0.0.1:9/', XDG_CACHE_HOME: project.file('cache') }
  for (const name of ['@sluice-test/voices@1.2.4', 'nobody'])
    for (const command of ['show', 'install']) {
      const { code, stderr } = await hub(project.path, [command, name], env)
      assert.is(code, 2, stderr)
      assert.ok(stderr.includes(`${name} ${command === 'show' ? 'is' : 'was'} not installed. `), stderr)
    }
  assert.not(existsSync(project.file('cache')))
})

test('T1: sluice hub check takes a package that is well made, and says of another all that is wrong with it', async () => {
  const good = await hub(packageOf({ ...GOOD, types: 'x' }, { 'voices.js': VOICES, 'README.md': '# Voices' }), ['check'])
  assert.is(good.code, 0, good.stderr + good.stdout)
  assert.match(good.stdout, /^better {2}whisper does not say .*\noffers {2}Shout: \/shout, \*\noffers {2}whisper: \*\nIt can be published: npm publish\n$/)

  const wrong = async (manifest: object, files?: Record<string, string>): Promise<string> => {
    const { code, stdout } = await hub(packageOf({ ...GOOD, ...manifest }, files), ['check'])
    assert.is(code, 1, stdout)
    const lines = stdout.split('\n').filter((line) => line.startsWith('wrong'))
    assert.is(lines.length, 1, stdout)
    return lines[0]!
  }
  assert.match(await wrong({ name: 'Voices' }), /name is "Voices"/)
  assert.match(await wrong({ private: true }), /private is true/)
  assert.match(await wrong({ version: '1' }), /version is "1"/)
  assert.match(await wrong({ peerDependencies: {} }), /not in peerDependencies/)
  assert.match(await wrong({ dependencies: { sluice: '*' } }), /sluice is in dependencies/)
  assert.match(await wrong({ scripts: { postinstall: 'node fetch-model.js' } }), /scripts\.postinstall does not run/)
  assert.match(await wrong({ exports: './gone.js' }), /package\.json: @sluice-test\/voices says that its module is \.\/gone\.js, which is not in it/)
  assert.match(await wrong({ files: ['other'] }), /voices\.js is its module, and npm would not pack it/)
  assert.match(await wrong({}, { 'voices.js': 'export const LOUD = 3' }), /exports no executor/)
  assert.match(await wrong({}, { 'voices.js': 'import "nowhere-at-all"' }), /cannot be imported: /)
  assert.match(await wrong({}, { 'voices.js': 'export class Old {}' }), /Old .* does not extend the Executor/)
  assert.match(await wrong({}, { 'voices.js': `import { Executor } from 'sluice'\nexport class Idle extends Executor {}` }), /Idle answers no endpoint/)
  assert.match(await wrong({ sluice: { image: 3 } }), /sluice\.image is 3/)
})

test('T1: sluice hub install asks npm with consent alone, and what it installs is found by show', async () => {
  const folder = packageOf({ ...GOOD, scripts: { postinstall: `node -e "require('fs').writeFileSync('ran', '')"` } })
  const project = new Folder()
  project.file('package.json', '{}')
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', project.path], { cwd: folder, stdio: 'ignore' })
  const data = readFileSync(project.file('sluice-test-voices-1.2.3.tgz'))
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url!)
    const dist = { tarball: `${address}voices.tgz`, integrity: `sha512-${createHash('sha512').update(data).digest('base64')}` }
    if (request.url === '/voices.tgz') response.end(data)
    else response.end(JSON.stringify({ name: GOOD.name, 'dist-tags': { latest: '1.2.3' }, versions: { '1.2.3': { ...GOOD, dist } } }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const env = { npm_config_registry: address, npm_config_cache: project.file('npm'), XDG_CACHE_HOME: project.file('cache') }
  try {
    const refused = await hub(project.path, ['install', '@sluice-test/voices@1.2.3'], env)
    assert.is(refused.code, 2)
    assert.match(refused.stderr, /was not installed\. Say yes to the question, or give --yes/)
    assert.equal(asked, [])
    const { code, stdout, stderr } = await hub(project.path, ['install', '@sluice-test/voices@1.2.3', '--yes'], env)
    assert.is(code, 0, stderr)
    const [, where] = /^@sluice-test\/voices@1\.2\.3 is in (\S+)\nuses: npm:@sluice-test\/voices@1\.2\.3#Name/.exec(stdout)!
    assert.ok(where!.startsWith(join(project.path, 'cache')))
    assert.not(existsSync(join(where!, 'ran')))
    const times = asked.length
    assert.ok(times > 0)
    assert.match((await hub(project.path, ['show', '@sluice-test/voices@1.2.3'], env)).stdout, /answers \/shout/)
    assert.is((await hub(project.path, ['install', '@sluice-test/voices@1.2.3'], env)).code, 0)
    assert.is(asked.length, times)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test.run()
