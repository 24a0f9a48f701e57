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
  ['lib/\n', 'a map of folders, which test/house.ts holds'],
  ['source ──►', 'a picture of what bounds what, which test/executor/each.ts and test/post/post.ts hold'],
  ['POST /post\n', 'a request and its answer with parts left out; test/wire/http holds the envelope'],
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
  'documents.ndjson': '{"text":"Hello World"}\n{"text":"a b"}\n',
}

/** The Flow that a file of blocks is about: its first block of YAML. */
const flowOf = (file: string): string => blocks.find((block) => block.file === file && block.language === 'yaml' && block.code.includes('jtype: Flow'))!.code

let folders = 0
function folderFor(file: string): string {
  const home = `${folder}/${folders++}`
  for (const [name, content] of Object.entries({ ...BESIDE, ...(/README|yaml\.md/.test(file) ? { 'flow.yml': flowOf(file) } : {}) })) {
    mkdirSync(dirname(`${home}/${name}`), { recursive: true })
    writeFileSync(`${home}/${name}`, content)
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

/** Runs commands one after the other: those that serve stay until the others are done. */
async function shell({ file, code }: Block): Promise<void> {
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

/** Runs a module, its types taken away. What a comment behind console.log promises must be printed. */
async function module({ file, language, code }: Block): Promise<void> {
  const home = folderFor(file)
  const plain = language === 'js' ? code : (await transform(code, { loader: 'ts', target: 'es2022' })).code
  writeFileSync(`${home}/block.mjs`, plain)
  const { stdout } = await run(process.execPath, ['block.mjs'], { cwd: home, timeout: TIME })
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
  const isFlow = code.startsWith('jtype: Flow')
  writeFileSync(`${home}/block.yml`, code)
  if (!isFlow) writeFileSync(`${home}/flow.yml`, 'jtype: Flow\nexecutors:\n  - uses: block.yml\n')
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

const RUN: Readonly<Record<string, (block: Block) => unknown>> = { ts: module, js: module, sh: shell, yaml, graphql }

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
