import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const TIME = 60_000
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
    assert.match(stdout, /"matches": \[/)
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

for (const [name, story] of Object.entries(stories)) test(`the example ${name}`, story)

test.run()
