// Packs the package, installs it into an empty folder, and uses it there as a stranger would: with the Node that runs this, and with the
// lowest that it promises, by whatever installs packages.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'sluice-package-'))
const run = (command, ...args) => execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

const ON_LOWEST = `import { Flow } from 'sluice'
import { Client } from 'sluice/client'
import { createGraphQL } from 'sluice/graphql'

const flow = await new Flow({ port: [0, 0, 0], protocol: ['grpc', 'http', 'websocket'] })
  .add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) })
  .open()
const seen = [process.version, (await flow.post('/', 'a').docs())[0].text]
for (const address of Object.values(flow.addresses)) {
  const client = new Client(address)
  seen.push((await client.post('/', 'b').docs())[0].text)
  await client.close()
}
const body = JSON.stringify({ query: 'mutation { docs(data: { text: "c" }) { text } }' })
const request = new Request('http://localhost/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
seen.push(await (await createGraphQL(flow).fetch(request)).text())
await flow.close()
console.log(seen.join(' '))
`
const TYPED = `import { type } from 'arktype'
import { type Call, type CallOf, type Document, each, Executor, Flow } from 'sluice'
import * as v from 'valibot'
import { z } from 'zod'

class Price extends Executor {
  static requests = { '/search': 'search' } as const
  static output = { tags: z.object({ price: z.number() }) }
  search({ docs }: CallOf<typeof Price>): void {
    for (const { tags } of docs) tags.price = 1
  }
}
const top = { parameters: v.object({ top: v.number() }), tags: v.object({ price: v.number() }) }
const rank = each(async (doc, { parameters }) => void (doc.tags.rank = doc.tags.price * parameters.top), { input: top, output: { tags: type({ rank: 'number' }) } })
class Rank extends Executor {
  static requests = { '/search': rank } as const
}
export const flow = new Flow().add({ name: 'price', uses: Price }).add({ name: 'rank', uses: Rank })
const [doc] = await flow.post('/search', 'x', { parameters: { top: 2 } }).docs()
export const sum: number | undefined = doc && doc.tags.price + doc.tags.rank
// @ts-expect-error: misspelled
flow.post('/serach', 'x', { parameters: { top: 2 } })
// @ts-expect-error: top is missing
flow.post('/search', 'x')
// @ts-expect-error: rank is a number
flow.add({ uses: () => {}, input: { tags: v.object({ rank: v.string() }) } })
// @ts-expect-error: rank is a number
flow.add({ uses: () => {}, input: { tags: type({ rank: 'string' }) } })
// @ts-expect-error: so it is where branches meet
flow.add({ name: 'other', needs: 'price', uses: (_: Call<{ rank: string }>) => {} }).needs(['rank', 'other'], { uses: (_: Call<{ rank: number }>) => {} })
export const any = (doc: Document<any>): Document => doc
`
const SEEN = 'a! b! b! b! {"data":{"docs":[{"text":"c!"}]}}'

try {
  const [{ filename, files }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  )
  const stray = files
    .map(({ path }) => path)
    .filter(
      (path) =>
        !/^(dist\/|docs\/\w+\.md$|bench\/results\/(jina|wires|in-flight)\.md$|docs\/(flow\.svg|live-(phone-)?(light|dark)\.jpg)$|package\.json$|README\.md$|CHANGELOG\.md$|LICENSE$)/.test(
          path,
        ),
    )
  if (stray.length > 0) throw new Error(`The package holds what it should not: ${stray.join(', ')}`)

  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }')
  // Without install scripts: there must be none to miss.
  run(
    'npm',
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    `./${filename}`,
    `typescript@${JSON.parse(readFileSync(join(root, 'node_modules/typescript/package.json'), 'utf8')).version}`,
    '@types/node@20',
  )

  writeFileSync(
    join(folder, 'use.ts'),
    `import { type Call, Executor, Flow } from 'sluice'
import { createGraphQL } from 'sluice/graphql'
import { inFlight } from 'sluice/stream'
import { fromNdjson } from 'sluice/doc'

class Upper extends Executor<{ mark: string }> {
  static requests = { '/up': 'up' }
  up({ docs }: Call): void {
    for (const doc of docs) doc.text = doc.text.toUpperCase() + this.config.mark
  }
}
const flow = await new Flow().add({ name: 'upper', uses: Upper, usesWith: { mark: '!' } }).open()
const { texts } = await flow.post('/up', fromNdjson(['{"text": "a"}\\n{"text": "b"}\\n'])).docs()
const body = JSON.stringify({ query: 'mutation { docs(data: { text: "c" }, execEndpoint: "/up") { text } }' })
const answer = await createGraphQL(flow).fetch(new Request('http://localhost/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body }))
const squares: number[] = []
for await (const square of inFlight([1, 2, 3], async (n) => n * n, { limit: 2, ordered: true })) squares.push(square)
console.log(JSON.stringify({ texts, answer: await answer.json(), squares }))
await flow.close()
`,
  )
  run(
    'npx',
    'tsc',
    '--strict',
    '--target',
    'es2022',
    '--module',
    'nodenext',
    '--lib',
    'es2023,esnext.disposable,esnext.decorators,dom,dom.asynciterable',
    '--types',
    'node',
    'use.ts',
  )
  types()
  const output = run('node', 'use.js')
  const expected = JSON.stringify({ texts: ['A!', 'B!'], answer: { data: { docs: [{ text: 'C!' }] } }, squares: [1, 4, 9] })
  if (output.trim() !== expected) throw new Error(`A stranger saw ${output} instead of ${expected}`)

  writeFileSync(join(folder, 'executors.js'), 'export const shout = ({ docs }) => { for (const doc of docs) doc.text += "!" }\n')
  writeFileSync(join(folder, 'flow.yml'), 'jtype: Flow\nexecutors:\n  - name: shout\n    uses: ./executors.js#shout\n')
  writeFileSync(join(folder, 'in.ndjson'), '{"id": "1", "text": "a"}\n')
  run('npx', 'sluice', 'run', 'flow.yml', '--input', 'in.ndjson', '--output', 'out.ndjson')
  const written = JSON.parse(readFileSync(join(folder, 'out.ndjson'), 'utf8'))
  if (written.text !== 'a!') throw new Error(`sluice run wrote ${JSON.stringify(written)}`)
  console.log(`The package works from an empty folder (${files.length} files).`)
  beginners(join(folder, filename))
  onLowestNode(join(folder, filename))
  onOthers(join(folder, filename))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** What `sluice new` makes, as a beginner goes on with it: by npm, in both languages. */
function beginners(tarball) {
  for (const [name, ...args] of [['hello'], ['hello-js', '--javascript']]) {
    run('npx', 'sluice', 'new', name, '--sluice', tarball, ...args)
    const cwd = join(folder, name)
    const npm = (...args) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    const { status, stderr } = spawnSync('npm', ['install', '--no-audit', '--no-fund'], { cwd, encoding: 'utf8' })
    if (status !== 0 || /warn/.test(stderr)) throw new Error(`npm install of a new project (${name}) warns:\n${stderr}`)
    npm('test')
    if (!npm('start').includes('Documents go in, { words: 3')) throw new Error(`npm start of a new project (${name}) shows something else`)
    rmSync(join(cwd, 'node_modules'), { recursive: true })
    // It ends with an error where an install script is neither allowed nor refused.
    execFileSync('npx', ['--yes', 'pnpm@12.23.0', 'install'], { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
    if (!npm('start').includes('Documents go in, { words: 3')) throw new Error(`a new project (${name}) of pnpm shows something else`)
    console.log(`sluice new ${name} ${args.join(' ')}: it installs by npm and pnpm, its tests pass, and it runs.`)
  }
}

/** What the compiler knows by schemas of each library, with the types of all that is loaded checked too; what it says of a Flow can be written down. */
function types() {
  const version = (name) => `${name}@${JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version}`
  run('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', ...['zod', 'valibot', 'arktype'].map(version))
  writeFileSync(join(folder, 'typed.ts'), TYPED)
  for (const [module, resolution] of Object.entries({ nodenext: 'nodenext', esnext: 'bundler' })) {
    const strict = [
      '--strict',
      '--exactOptionalPropertyTypes',
      '--noUncheckedIndexedAccess',
      '--skipLibCheck',
      'false',
      '--declaration',
      '--outDir',
      `typed-${resolution}`,
    ]
    const lib = ['--target', 'es2022', '--lib', 'es2023,esnext.disposable,esnext.decorators,dom,dom.asynciterable', '--types', 'node']
    run('npx', 'tsc', ...strict, ...lib, '--module', module, '--moduleResolution', resolution, 'typed.ts')
    console.log(`Types hold where modules are resolved as by ${resolution}.`)
  }
  const least = { node: ['', '/gateway', '/graphql'], page: [] }
  const known = { node: { lib: ['es2022'], types: ['node'] }, page: { lib: ['es2022', 'dom'], types: [] } }
  for (const [where, more] of Object.entries(least)) {
    const names = ['/client', '/doc', '/stream', '/notebook', ...more]
    writeFileSync(join(folder, `${where}.ts`), names.map((name, at) => `export type * as e${at} from 'sluice${name}'`).join('\n'))
    const compilerOptions = { strict: true, noEmit: true, target: 'es2022', module: 'nodenext', skipLibCheck: false, ...known[where] }
    writeFileSync(join(folder, `tsconfig.${where}.json`), JSON.stringify({ compilerOptions, files: [`${where}.ts`] }))
    run('npx', 'tsc', '-p', `tsconfig.${where}.json`)
    console.log(`Types hold in a ${where} where no more is known than there has to be.`)
  }
}

/** Row 186: installed with npm, yarn 1 and pnpm, each told to refuse what does not fit the lowest Node of `engines`, and used on it. */
function onLowestNode(tarball) {
  const lowest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.replace(/^>=/, '')
  const tools = join(folder, 'tools')
  const install = (...packages) => {
    mkdirSync(tools, { recursive: true })
    writeFileSync(join(tools, 'package.json'), '{ "private": true }')
    execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { cwd: tools, stdio: ['ignore', 'ignore', 'pipe'] })
  }
  try {
    install(`node-${process.platform}-${process.arch}@${lowest}`, 'npm@10.9.4', 'yarn@1.22.22', 'pnpm@9.15.9')
  } catch (error) {
    // Not for every platform is there a Node to be had from npm.
    if (process.env.CI) throw error
    return console.log(`Not tried on Node ${lowest}, which cannot be had here: ${String(error.stderr).split('\n')[0]}`)
  }
  const node = join(tools, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin')
  const env = { ...process.env, PATH: `${node}${delimiter}${process.env.PATH}` }
  const managers = {
    npm: ['npm/bin/npm-cli.js', 'install', '--engine-strict', '--ignore-scripts', '--no-audit', '--no-fund', tarball],
    yarn: ['yarn/bin/yarn.js', 'add', '--ignore-scripts', '--non-interactive', '--cache-folder', join(tools, 'yarn'), `file:${tarball}`],
    pnpm: ['pnpm/bin/pnpm.cjs', 'add', '--config.engine-strict=true', '--ignore-scripts', '--store-dir', join(tools, 'pnpm'), tarball],
  }
  for (const [name, [script, ...args]] of Object.entries(managers)) {
    const cwd = join(tools, `with-${name}`)
    mkdirSync(cwd)
    writeFileSync(join(cwd, 'package.json'), '{ "name": "stranger", "version": "1.0.0", "license": "MIT", "type": "module", "private": true }')
    writeFileSync(join(cwd, 'use.js'), ON_LOWEST)
    const run = (...args) => execFileSync(join(node, 'node'), args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    run(join(tools, 'node_modules', script), ...args)
    const output = run('use.js').trim()
    const expected = `v${/^\d+\.\d+$/.test(lowest) ? `${lowest}.0` : lowest} ${SEEN}`
    if (output !== expected) throw new Error(`Installed with ${name}, a stranger on Node ${lowest} saw ${output} instead of ${expected}`)
    console.log(`${name} installs it for Node ${lowest}, where it works.`)
  }
}

/** Row 191: on Bun, where `ws` is Bun's own, and on Deno: whoever of them can be had from npm for this machine. */
function onOthers(tarball) {
  const others = {
    Bun: { package: '@oven/bun-linux-x64-baseline', version: '1.4.5', binary: 'bin/bun', args: [] },
    Deno: { package: '@deno/linux-x64-glibc', version: '2.9.6', binary: 'deno', args: ['run', '--allow-all', '--node-modules-dir=manual'] },
  }
  const cwd = join(folder, 'elsewhere')
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module", "private": true }')
  writeFileSync(join(cwd, 'use.js'), ON_LOWEST)
  const npm = (...packages) =>
    execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  npm(tarball)
  for (const [name, { package: wanted, version, binary, args }] of Object.entries(others)) {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      console.log(`Not tried on ${name}: this is not Linux on x64.`)
      continue
    }
    npm(`${wanted}@${version}`)
    const output = execFileSync(join(cwd, 'node_modules', wanted, binary), [...args, 'use.js'], { cwd, encoding: 'utf8', timeout: 60_000 }).trim()
    if (output.replace(/^v\S+ /, '') !== SEEN) throw new Error(`A stranger on ${name} ${version} saw ${output} instead of ${SEEN}`)
    console.log(`It works on ${name} ${version}.`)
  }
}
