// sluice run --checkpoint and --append: a job that was killed goes on, and its output with it.
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { published } from '../support/code.js'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
folder.file('package.json', '{ "type": "module" }')
const flow = folder.file(
  'flow.mjs',
  `import { Flow } from ${JSON.stringify(pathToFileURL(published('index')).href)}
  let count = 0
  export default new Flow().add({ uses: async ({ docs }) => {
    await new Promise((resolve) => setTimeout(resolve, 1))
    for (const doc of docs) doc.text += '!'
    if (++count === Number(process.env.DIE_AT)) process.kill(process.pid, 'SIGKILL')
  } })`,
)
const input = folder.file('input.txt', `${Array.from({ length: 300 }, (_, i) => `line ${i}`).join('\n')}\n`)

async function run(args: string[], dieAt = ''): Promise<Command & { readonly code: number | null }> {
  process.env['DIE_AT'] = dieAt
  const command = new Command(['run', flow, '-i', input, '--request-size', '1', ...args])
  const { code } = await command.end
  return Object.assign(command, { code })
}

test('P15: a run that was killed goes on behind what it wrote, and says how much was done', async () => {
  const [output, checkpoint] = [folder.file('output.ndjson'), folder.file('job.checkpoint')]
  const args = ['--output', output, '--append', '--checkpoint', checkpoint, '--prefetch', '4']
  for (const at of ['100', '80']) assert.is((await run(args, at)).code, null)
  // As a kill within a line leaves it.
  writeFileSync(output, '{"text":"half of a li', { flag: 'a' })
  const last = await run(args)
  assert.is(last.code, 0, last.stderr)
  assert.match(last.stderr, /done: 1\d\d requests?, 1\d\d documents, 1\d\d done before and skipped/)
  const texts = readFileSync(output, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).text)
  assert.is(new Set(texts).size, 300)
  assert.ok(texts.includes('line 299!') && !texts.includes('half of a li'))
  assert.ok(texts.length <= 300 + 2 * 4, `${texts.length} lines`)
  const again = await run(args)
  assert.is(again.code, 0)
  assert.match(again.stderr, '300 done before and skipped')
  writeFileSync(input, `one more\n${readFileSync(input, 'utf8')}`)
  const other = await run(args)
  assert.is(other.code, 1)
  assert.match(other.stderr, 'job.checkpoint: the source has changed')
})

test('P15: a run that is stopped while it reads past what is done says so, and nothing of another source', async () => {
  const checkpoint = folder.file('stopped.checkpoint')
  writeFileSync(input, Array.from({ length: 30 }, (_, i) => `line ${i}\n`).join(''))
  assert.is((await run(['--checkpoint', checkpoint])).code, 0)
  const loud = folder.file('loud.mjs', `${readFileSync(flow, 'utf8')}\nprocess.stderr.write('loaded')`)
  const command = new Command(['run', loud, '--input-format', 'lines', '--request-size', '1', '--checkpoint', checkpoint])
  command.child.stdin.write('line 0\nline 1\n')
  await command.has('stderr', 'loaded')
  command.child.kill('SIGINT')
  assert.equal(await command.end, { code: 130, signal: null }, command.stderr)
  assert.match(command.stderr, 'stopped by SIGINT')
  assert.not.match(command.stderr, 'changed')
})

test('P15: --append writes behind what is there; results of a job that goes on need it', async () => {
  const output = folder.file('grown.ndjson', '{"text":"there"}\n')
  writeFileSync(input, 'a\nb\n')
  assert.is((await run(['--output', output, '--append', '--in-order'])).code, 0)
  assert.match(readFileSync(output, 'utf8'), /^\{"text":"there"\}\n.*"a!".*\n.*"b!".*\n$/)
  const refused = await run(['--output', output, '--checkpoint', folder.file('x')])
  assert.is(refused.code, 2)
  assert.match(refused.stderr, '--checkpoint needs --append with --output')
  const same = await run(['--output', output, '--append', '--checkpoint', output])
  assert.is(same.code, 2)
  assert.match(same.stderr, 'cannot be the checkpoint and another file at once')
  const straight = await run(['--checkpoint', folder.file('to-stdout')])
  assert.is(straight.code, 0, straight.stderr)
  assert.match(straight.stdout, '"b!"')
})

test.run()
