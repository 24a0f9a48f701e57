import { execFile, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { within } from './support/within.js'

const TIME = 60_000
const CHROMIUM = '/usr/bin/chromium'
const tsx = import.meta.resolve('tsx')
const examples = resolve('examples')
// They write where they are started.
const cwd = mkdtempSync(join(tmpdir(), 'sluice-examples-'))
process.on('exit', () => rmSync(cwd, { recursive: true, force: true }))

/** Runs to the end. @throws when the exit code is not 0 */
function run(args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, args, { cwd, timeout: TIME, env: { ...process.env, NO_COLOR: '1' } })
}

function script(name: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(['--import', tsx, join(examples, name, 'main.ts'), ...args])
}

/** How each example is run, and what it must say. */
const stories: Record<string, () => Promise<void>> = {
  // Its image needs an engine and a registry; test/engine has one like it. What is in it runs here, in a process.
  async container() {
    const folder = join(examples, 'container')
    const [, entry] = /"executor", "\.\/(\S+)"\]/.exec(readFileSync(join(folder, 'Dockerfile'), 'utf8'))!
    // As it is there once npm has installed sluice beside it.
    const app = join(cwd, 'app')
    cpSync(folder, app, { recursive: true })
    mkdirSync(join(app, 'node_modules'))
    symlinkSync(resolve('.'), join(app, 'node_modules/sluice'), 'junction')
    const program = `import { Flow } from ${JSON.stringify(pathToFileURL(resolve('dist/index.js')).href)}
      const flow = await new Flow().add({ name: 'shout', uses: ${JSON.stringify(join(app, entry!))}, runtime: 'process' }).open()
      console.log((await flow.post('/', ['hello']).docs()).texts)
      await flow.close()`
    const { stdout } = await run(['--import', tsx, '--input-type=module', '--eval', program])
    assert.is(stdout.trim(), "[ 'HELLO!' ]")
  },

  async graphql() {
    const { stdout } = await script('graphql')
    assert.match(stdout, /^A mutation:\n[\s\S]*"text": "telescope"/)
    assert.match(stdout, /\nA subscription:\n(?: {2}(?:rabit: .*rabbit.*|abacuss: .*abacus.*)\n){2}$/)
  },

  async 'paid-api'() {
    const args = ['--documents', '600', '--rate', '300']
    // Stopped: what is paid for is written, and the same command goes on behind it.
    const first = execFile(process.execPath, ['--import', tsx, join(examples, 'paid-api', 'main.ts'), ...args], { cwd, timeout: TIME })
    let said = ''
    first.stdout!.on('data', (data) => {
      if (said === '') first.kill('SIGINT')
      said += data
    })
    await new Promise((resolve) => first.once('close', resolve))
    assert.match(said, /Stopped: the same command goes on\n$/)
    const before = Number(/(\d+) of 600 documents are done/.exec(said)![1])
    assert.ok(before < 600)
    const { stdout, stderr } = await script('paid-api', ...args)
    if (before > 0) assert.ok(stdout.startsWith(`${before} documents are done already\n`))
    assert.match(stdout, /\n599 of 600 documents are done, 1 failed\n\d+ calls are paid: \d+ for answers, \d+ for what failed\. 0 answers were paid twice/)
    assert.match(stderr, /^done: \d+ requests/m)
    const ids = (file: string) =>
      readFileSync(join(cwd, '.sluice/paid-api', file), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    assert.is(new Set(ids('results.ndjson').map(({ id }) => id)).size, 599)
    assert.is(ids('results.ndjson').length, 599, 'each once')
    assert.equal(
      ids('failures.ndjson').map(({ doc, executor, attempts, error }) => [doc.id, executor, attempts, error.code, error.message.split(': ').slice(1).join()]),
      [['a13', 'summarize', 1, 'ERR_EXECUTOR', '422,this text has no summary']],
    )
    assert.match((await script('paid-api', ...args)).stdout, /^599 documents are done already\nSummarizing\n1 documents failed: once more\n599 of 600/)
  },

  // A crash in the middle; the same command goes on behind what is done, and each element is there once.
  async elements() {
    const crashed = await script('elements', '--anew', '--crash-after', '40').catch((error) => error)
    assert.is(crashed.signal, 'SIGKILL')
    const { stdout, stderr } = await script('elements')
    const [, before] = /^(\d+) elements are in the store already\n/.exec(stdout)!
    assert.ok(Number(before) >= 36 && Number(before) < 111, before)
    assert.match(stdout, /\n111 elements are defined\. Not in the dictionary: /)
    assert.match(stdout, /\nGold: a soft yellow malleable ductile .*\nHelium: .*\nTungsten: /)
    assert.match(stderr, /^done: \d+ requests, \d+ documents, \d+ done before and skipped/m)
  },

  async questions() {
    const { stdout } = await script('questions', 'What is a telescope?', 'What is a blorp?')
    assert.match(stdout, /telescope: a magnifier of images of distant objects\. See also: \w/)
    assert.match(stdout, /I do not know what blorp means\.\n$/)
  },

  // In a browser: words come, and the button stops them, on the server too.
  async chat() {
    if (!existsSync(CHROMIUM)) return console.log(`skipped: the page of examples/chat, as there is no Chromium at ${CHROMIUM}`)
    const { chromium } = await import('playwright-core')
    const server = spawn(process.execPath, ['--import', tsx, join(examples, 'chat', 'main.ts')], { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise<number | null>((end) => server.once('close', end))
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] })
    try {
      let said = ''
      const told = (pattern: RegExp): Promise<RegExpExecArray> =>
        new Promise((found) => {
          const look = (): void => {
            const match = pattern.exec(said)
            if (match !== null) found(match)
          }
          server.stdout.on('data', (data) => {
            said += data
            look()
          })
          look()
        })
      const [, address] = await within(TIME, told(/The page is at (\S+)/))
      const page = await browser.newPage()
      await page.goto(address!)
      await page.click('button:has-text("Ask")')
      await page.waitForFunction('document.querySelector("output").textContent.startsWith("You said: Tell me of rivers")')
      const stopped = told(/Stopped after (\d+) of (\d+) words/)
      await page.click('#stop')
      await page.waitForFunction('document.querySelector("output").textContent.endsWith("stopped.")')
      const [, words, all] = await within(TIME, stopped)
      assert.ok(Number(words) < Number(all))
    } finally {
      await browser.close()
      server.kill('SIGINT')
      assert.is(await ended, 0)
    }
  },

  // Next.js itself weighs some 300 MB, and is not fetched for this: what it calls is called here as it does, with a Request.
  async next() {
    const program = `import { POST } from ${JSON.stringify(pathToFileURL(join(examples, 'next/app/api/flow/[...path]/route.ts')).href)}
      const ask = (accept) => POST(new Request('http://localhost/api/flow/post', { method: 'POST', headers: { 'content-type': 'application/json', accept }, body: '{"data":[{"text":"two words"}],"execEndpoint":"/"}' }))
      console.log((await (await ask('application/json')).json()).data[0].text)
      console.log((await (await ask('application/x-ndjson')).text()).trim().split('\\n').length)
      await (await globalThis.flow).close()`
    const { stdout } = await run(['--import', tsx, '--input-type=module', '--eval', program])
    assert.is(stdout, 'TWO WORDS\n3\n')
  },

  // It needs a kernel, which test/kernels has. Here: what is saved with it is what it shows.
  async notebook() {
    const { cells } = JSON.parse(readFileSync(join(examples, 'notebook/reviews.ipynb'), 'utf8'))
    const shown = cells.flatMap(({ outputs = [] }: any) => outputs.flatMap(({ data = {} }: any) => Object.keys(data)))
    assert.ok(shown.includes('image/svg+xml') && shown.includes('text/html'))
  },

  async threads() {
    const { stdout } = await script('threads')
    assert.match(stdout, /^216 texts in [\d.]+ s\. Asked \d+ times meanwhile: the slowest answer took \d+ ms\nthe moon: .*the moon/)
  },

  async plot() {
    await script('plot', 'flow.svg')
    assert.is(readFileSync(join(cwd, 'flow.svg'), 'utf8'), readFileSync(resolve('docs/flow.svg'), 'utf8'))
  },

  async run() {
    const folder = join(examples, 'run')
    const { stdout } = await run([resolve('dist/cli/main.js'), 'run', join(folder, 'flow.yml'), '--on', '/label', '--input', join(folder, 'tickets.ndjson')])
    const labels = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(labels[0], {
      id: 't-1',
      text: 'I was charged twice, please send the refund to [address]',
      tags: { lang: 'en', topic: 'billing', urgent: false },
    })
    assert.equal(
      labels.map(({ tags }) => [tags.topic, tags.urgent]),
      [
        ['billing', false],
        ['login', true],
        ['other', false],
      ],
    )
  },

  // With the model itself: test/interop/semantic.ts.
  async 'wordnet-semantic'() {
    const error = await script('wordnet-semantic', '--python', './no-python').catch((error) => error)
    assert.is(error.code, 1)
    assert.match(error.stderr, /^The model runs in Python, with jina, numpy, .*: there is no \.\/no-python\.\nRun this again with --install: /)
    const bare = await script('wordnet-semantic', '--python', process.execPath).catch((error) => error)
    assert.match(bare.stderr, /lacks /)
  },

  async wordnet() {
    const first = await script('wordnet', '--limit', '3000')
    assert.match(first.stderr, /^done: \d+ requests, 3,000 documents in /m)
    assert.match(first.stdout, /fear of spiders\n( +\d+\.\d\d {2}.+\n){3}/)
    assert.match(first.stdout, /score: \{ value: \d/)
    const again = await script('wordnet', '--keep')
    assert.is(again.stderr, '')
    assert.is(again.stdout, first.stdout.replace('\nIndexing WordNet\n', ''), 'the index is kept, and answers the same')
  },
}

test('every example is run here', () => {
  assert.equal(readdirSync(examples).sort(), Object.keys(stories).sort())
})

// What is in them runs in test/engine.
test('examples/wordnet has the files of Compose that sluice export writes of its Flow', async () => {
  const app = join(cwd, 'cluster')
  cpSync(join(examples, 'wordnet'), app, { recursive: true })
  // As its image has it: a loader takes TypeScript for CommonJS elsewhere.
  writeFileSync(join(app, 'package.json'), '{ "type": "module" }')
  mkdirSync(join(app, 'node_modules'))
  for (const [name, path] of [
    ['sluice', '.'],
    ['lmdb', 'node_modules/lmdb'],
  ] as const)
    symlinkSync(resolve(path), join(app, 'node_modules', name), 'junction')
  const told = ['--root', app, '--image', 'sluice-wordnet:1', '--build', app, '--queue']
  await run(['--import', tsx, resolve('dist/cli/main.js'), 'export', 'compose', join(app, 'flow.yml'), app, ...told])
  for (const name of ['docker-compose.yml', 'docker-compose.flow.yml'])
    assert.is(readFileSync(join(app, name), 'utf8'), readFileSync(join(examples, 'wordnet', name), 'utf8'))
})

for (const [name, story] of Object.entries(stories)) test(`the example ${name}`, story)

test.run()
