// The README and the docs, executed: every block of code, YAML and commands in them, as a reader would paste it.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, resolve } from 'node:path'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
// As executors of the blocks import it.
import { Flow } from 'sluice'
import { createGraphQL } from 'sluice/graphql'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const run = promisify(execFile)
const TIME = 30_000 * Number(process.env.TEST_PATIENCE ?? 1)
// Inside the package, so that 'sluice' means the package itself.
const folder = resolve('.sluice/story')
const command = resolve('dist/cli/main.js')

interface Block {
  readonly file: string
  readonly line: number
  readonly language: string
  readonly code: string
}

const blocks = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)]
  .filter((file) => file.endsWith('.md'))
  .flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(
      ({ index, 1: language, 2: code }): Block => ({ file, line: text.slice(0, index).split('\n').length, language: language!, code: code! }),
    )
  })

/** Those that no test runs, and why. */
const NOT_RUN: readonly [code: string, reason: string][] = [
  ['npm install && npm start\n', 'installs the clone that runs this; what npm start runs, test/examples.ts does'],
  ['npm install && npm test\n', 'runs this very test'],
  ['source ──►', 'a picture of what bounds what, which test/executor/each.ts and test/post/post.ts hold'],
  ['Bun.serve({', 'needs Bun and Deno; test/gateway/elsewhere.ts runs it on each'],
  ['node test/run.mjs --runtime', 'fetches runtimes; CI runs them'],
  ["import { Flow } from 'sluice'\nimport { display }", 'needs a notebook, which test/kernels has'],
  ['POST /post\n', 'a request and its answer with parts left out; test/wire/http holds the envelope'],
  ['openssl rand -base64 32 > token\n', 'serves until it is ended; test/daemon runs the command'],
  ['npx sluice daemon --host', 'serves beyond this machine, with a certificate of its own; test/daemon runs the command'],
  ['$ npx sluice daemon status', 'a command with its output, which test/daemon holds'],
  ['npm install @nats-io/transport-node', 'needs a server of NATS; test/wire/nats runs the command'],
  ['mkdir hello', 'makes a folder, and a package in it'],
  ['npm install ../sluice/', 'installs the package, which .ci/package.mjs does'],
  ['npm run bench', 'measures for minutes'],
  ['claude mcp add', 'needs somebody else’s agent; test/wire/http/mcp asks as one does'],
  ['{\n  "mcpServers"', 'the same'],
  ...['hono', 'express', 'express-http', 'fastify', 'urql', 'apollo', 'relay', 'sse', 'tool', 'chat', 'openai', 'ai-sdk'].map((name): [string, string] => [
    `// ${name}.js\n`,
    'needs a package that test/frameworks.ts fetches, to run it',
  ]),
  ['// bun.js\n', 'needs Bun, on which .ci/package.mjs tries the package'],
  ['// deno.js\n', 'needs Deno, on which .ci/package.mjs tries the package'],
  ['                 ┌', 'a picture'],
  ['jtype: Flow\nexecutors:\n  - name: encode\n    external: true', 'needs an executor elsewhere; test/config loads such files'],
  ['git clone <the repository>', 'clones and installs, as .ci/run does'],
  ['70 passed,', 'what a run of tests says'],
  ['node test/run.mjs test/doc/document', 'a suite, which is run with all others'],
  ['+test(', 'a change, to try and to take out again'],
  ['+  /** How many words', 'the same'],
  ['node build.mjs --quick\nnode test/run.mjs test/doc/document', 'builds dist, on which other suites run'],
  ['docker build -t registry', 'needs an engine and a registry'],
  ['npx sluice export compose', 'needs an engine; test/cli/export runs the command'],
  ['kubectl create namespace', 'needs a cluster; test/cli/export runs the command, and .ci/manifests.mjs checks what it writes'],
  ['FROM node:22-slim\n', 'needs an engine and a registry; test/engine builds images as it does'],
  ['$ npx sluice top', 'a command with its output, which test/cli/top holds'],
  ['2026-11-29T03:12:07.412Z warn overload', 'lines of a log, which test/base/incidents.ts holds'],
]

/** What stands beside the files of the blocks. */
const BESIDE: Readonly<Record<string, string>> = {
  'executors.js': `import { Executor } from 'sluice'
    export class Tokenize extends Executor {
      static requests = { '/index': 'tokenize', '/default': 'tokenize' }
      tokenize({ docs }) { for (const doc of docs) doc.tags.tokens = (this.config.lower ? doc.text.toLowerCase() : doc.text).split(/\\W+/) }
    }`,
  'store/config.yml': 'jtype: Store\nmodules: ./store.js\n',
  'store/store.js': "import { Executor } from 'sluice'\nexport class Store extends Executor {}",
  'parser.js':
    "import { Executor } from 'sluice'\nexport class Parser extends Executor { static requests = { '/': 'parse' }\nparse({ docs }) { for (const doc of docs) doc.text = doc.text.toUpperCase() } }",
  'ocr.js': "import { Executor } from 'sluice'\nexport class Ocr extends Executor { static requests = { '/': 'read' }\nread() {} }",
  'documents.ndjson': '{"text":"Hello World"}\n{"text":"a b"}\n',
}

/** The Flow that a file of blocks is about: its first block of YAML, or that of the page about serving. */
const flowOf = (file: string): string =>
  [file, 'docs/serving.md']
    .map((file) => blocks.find((block) => block.file === file && block.language === 'yaml' && block.code.includes('jtype: Flow'))?.code)
    .find(Boolean)!

/** The name that a block says its file has: `// server.mjs: how to run it`. */
const nameOf = ({ code }: Block): string | undefined => /^(?:\/\/|#) ([\w-]+\.\w+)(?=[\n:])/.exec(code)?.[1]

let folders = 0
function folderFor(file: string): string {
  const home = `${folder}/${folders++}`
  const named = blocks.filter((block) => block.file === file && /^(js|yaml)$/.test(block.language)).flatMap((block) => [[nameOf(block), block.code]])
  for (const [name, content] of [...Object.entries({ ...BESIDE, 'flow.yml': flowOf(file) }), ...named]) {
    // The folder of a store is its own: what lies there is for the page that names it.
    if (name === undefined || (name.startsWith('store/') && !file.includes('yaml'))) continue
    mkdirSync(dirname(`${home}/${name}`), { recursive: true })
    writeFileSync(`${home}/${name}`, content!)
  }
  return home
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  const { port } = server.address() as { port: number }
  await new Promise((done) => server.close(done))
  return port
}

/** What a page serves in a block called server.mjs, at a port that is free, for as long as `work` takes: that gets the block with this port. */
async function beside(block: Block, work: (code: string, home: string) => Promise<string>): Promise<string> {
  const server = blocks.find((other) => other.file === block.file && nameOf(other) === 'server.mjs')!
  const home = folderFor(block.file)
  const port = String(await freePort())
  const at = (code: string): string => code.replaceAll('8080', port)
  writeFileSync(`${home}/server.mjs`, at(server.code))
  const child = spawn(process.execPath, ['server.mjs'], { cwd: home, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((end) => child.once('close', end))
  try {
    await Promise.race([new Promise((ready) => child.stdout.once('data', ready)), ended.then(() => assert.unreachable('the server ended'))])
    return await work(at(block.code), home)
  } finally {
    child.kill('SIGTERM')
    // Nothing where it came before it was waited for.
    assert.ok([0, null].includes(await ended))
  }
}

/** Runs commands one after the other: those that serve stay until the others are done. */
async function shell(block: Block): Promise<void> {
  const { file, code } = block
  if (code.startsWith('curl ')) {
    const said = await beside(block, async (code) => (await run('bash', ['-c', code], { timeout: TIME })).stdout)
    return assert.match(said, '"data":[{"id":')
  }
  const home = folderFor(file)
  const ports = new Map<string, number>()
  const serving: ChildProcess[] = []
  try {
    for (const line of code.split('\n')) {
      const [, called = ''] = /^npx sluice (.*?)(?:\s+#.*)?$/.exec(line) ?? []
      if (line === '') continue
      assert.not.equal(called, '', `${line} is not run: let the test know what it is`)
      for (const [port] of called.matchAll(/\b\d{4,5}\b/g)) if (!ports.has(port)) ports.set(port, await freePort())
      const args = called.replace(/\b\d{4,5}\b/g, (port) => String(ports.get(port))).split(/\s+/)
      if (args[0] !== 'flow' && args[0] !== 'executor') {
        await run(process.execPath, [command, ...args], { cwd: home, timeout: TIME })
        continue
      }
      const child = spawn(process.execPath, [command, ...args], { cwd: home, stdio: ['ignore', 'ignore', 'pipe'] })
      serving.push(child)
      await new Promise<void>((ready, fail) => {
        let said = ''
        child.stderr!.on('data', (data) => {
          said += data
          if (said.includes('Reach')) ready()
        })
        child.on('close', () => fail(new Error(`${line} ended:\n${said}`)))
      })
    }
    if (code.includes('--output results.ndjson')) assert.match(readFileSync(`${home}/results.ndjson`, 'utf8'), /"tokens"/)
  } finally {
    await Promise.all(serving.map((child) => child.exitCode ?? new Promise((ended) => child.once('close', ended) && child.kill('SIGTERM'))))
  }
}

const plain = async ({ language, code }: Block): Promise<string> =>
  language === 'js' ? code : (await transform(code, { loader: 'ts', target: 'es2022' })).code

const asksServer = (block: Block): boolean =>
  nameOf(block) !== 'server.mjs' && block.code.includes(':8080') && blocks.some((other) => other.file === block.file && nameOf(other) === 'server.mjs')

/** Whether a block runs among those of its page. */
const isModule = (block: Block): boolean =>
  /^[jt]s$/.test(block.language) && nameOf(block) !== 'server.mjs' && !asksServer(block) && !NOT_RUN.some(([start]) => block.code.startsWith(start))

/** What the modules of a page wrote, each in a folder of its own, all in one process that has to end by itself. */
const pages = new Map<string, Promise<ReadonlyMap<Block, string>>>()

async function pageOf(file: string): Promise<ReadonlyMap<Block, string>> {
  const modules = blocks.filter((block) => block.file === file && isModule(block))
  const homes = modules.map(() => resolve(folderFor(file)))
  for (const [at, block] of modules.entries()) writeFileSync(`${homes[at]}/block.mjs`, await plain(block))
  const mark = `---- ${crypto.randomUUID()} `
  const script = `for (const home of ${JSON.stringify(homes)}) {
    process.chdir(home)
    try { await import(require('node:url').pathToFileURL(home + '/block.mjs').href); console.log(${JSON.stringify(mark)}) }
    catch (error) { console.log(${JSON.stringify(`${mark}failed: `)} + (error?.stack ?? error)) }
  }`
  const main = `${folder}/${folders++}.mjs`
  writeFileSync(main, `import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)\n${script}`)
  const { stdout } = await run(process.execPath, [main], { timeout: 3 * TIME }).catch((error) => ({ stdout: `${error.stdout}\n${error}\n${error.stderr}` }))
  const said = stdout.split(mark)
  // What a module failed at stands behind its mark, before what the next one wrote.
  return new Map(
    modules.map((block, at) => [block, at + 1 < said.length ? (/^failed: /.test(said[at + 1]!) ? said[at + 1]! : said[at]!) : `failed: ${said.at(-1)}`]),
  )
}

/** Runs a module, its types taken away. What a comment behind console.log promises must be printed. */
async function module(block: Block): Promise<void> {
  const { file, code } = block
  if (nameOf(block) === 'server.mjs') return void (await beside(block, async () => ''))
  let stdout: string
  if (asksServer(block))
    stdout = await beside(block, async (code, home) => {
      writeFileSync(`${home}/block.mjs`, await plain({ ...block, code }))
      return (await run(process.execPath, ['block.mjs'], { cwd: home, timeout: TIME })).stdout
    })
  else {
    if (!pages.has(file)) pages.set(file, pageOf(file))
    stdout = (await pages.get(file)!).get(block)!
    assert.not.ok(/^failed: /.test(stdout), stdout)
  }
  for (const [, promised] of code.matchAll(/console\.log\(.*\) \/\/ (.+)$/gm)) {
    const flat = (text: string): string => text.replace(/\s+/g, '')
    assert.ok(flat(stdout).includes(flat(promised!)), `expected ${promised} in:\n${stdout}`)
  }
}

/** Loads what it describes, without a notice: a Flow, an executor, or the first line of either. */
async function yaml({ file, code }: Block): Promise<void> {
  const home = folderFor(file)
  const options = { onNotice: (notice: string): void => assert.unreachable(notice) as never }
  if (code.startsWith('# yaml-language-server')) {
    const path = /\$schema=\.\/node_modules\/sluice\/(\S+)/.exec(code)![1]!
    assert.is(JSON.parse(readFileSync(path, 'utf8')).title, 'A Flow of sluice')
    writeFileSync(`${home}/block.yml`, `${code}${flowOf(file)}`)
    await Flow.loadConfig(`${home}/block.yml`, options)
    return
  }
  const isFlow = /^(# .*\n)?jtype: Flow/.test(code)
  writeFileSync(`${home}/block.yml`, code)
  if (!isFlow) writeFileSync(`${home}/flow.yml`, 'jtype: Flow\nwith: { unknown_endpoint: pass }\nexecutors:\n  - uses: block.yml\n')
  const flow = await Flow.loadConfig(`${home}/${isFlow ? 'block' : 'flow'}.yml`, options)
  await flow.open({ serve: false })
  // As many as a batch of the docs wants: one alone would wait for others for 10 s.
  assert.is((await flow.post('/index', Array(10).fill('Hello')).docs()).length, 10)
  await flow.close()
}

/** Asks a Flow, which answers with the documents of the operation. */
async function graphql({ code }: Block): Promise<void> {
  await using flow = await new Flow().add({ name: 'encoder' }).open()
  const body = JSON.stringify({ query: code })
  const response = await createGraphQL(flow).fetch(
    new Request('http://localhost/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
  )
  const { data, errors } = (await response.json()) as { data: { docs: unknown[] }; errors?: unknown }
  assert.is(errors, undefined)
  assert.is(data.docs.length, 1)
}

test.before(() => void mkdirSync(folder, { recursive: true }))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('the README and the docs have their blocks, and each that is not run is there', () => {
  assert.ok(blocks.length >= 20)
  for (const [code] of NOT_RUN)
    assert.ok(
      blocks.some((block) => block.code.startsWith(code)),
      code,
    )
})

/** Jina's own examples, beside what they are here. */
const python = ({ file }: Block): void => assert.is(file, 'docs/jina.md')

const RUN: Readonly<Record<string, (block: Block) => unknown>> = { ts: module, js: module, sh: shell, yaml, graphql, python }

for (const block of blocks) {
  const { file, line, language, code } = block
  if (NOT_RUN.some(([start]) => code.startsWith(start))) continue
  const title = /^(?!import|\n|#).+$/m.exec(code)?.[0].slice(0, 60)
  test(`215: ${file}:${line}: ${title}`, async () => {
    const runs = RUN[language]
    assert.ok(runs, `nothing runs ${language || 'a block without a language'}: run it, or say in the list why not`)
    await runs!(block)
  })
}

test('the first example of the README runs as it stands, with plain Node, in six lines at most', async () => {
  const { language, code } = blocks.find(({ language }) => language === 'ts' || language === 'js')!
  assert.is(language, 'js')
  assert.ok(code.split('\n').filter((line) => line !== '' && !line.startsWith('//')).length <= 6)
  writeFileSync(`${folder}/flow.mjs`, code)
  const { stdout } = await run(process.execPath, [`${folder}/flow.mjs`], { timeout: TIME })
  assert.is(stdout, "[ 'HELLO', 'WORLD' ]\n")
})

test.run()
