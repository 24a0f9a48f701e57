// The README, executed: every TypeScript block in it, as a reader would paste it.
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const run = promisify(execFile)
// Inside the package, so that 'sluice' means the package itself.
const folder = '.sluice/story'
const blocks = [...readFileSync('README.md', 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!)

test.before(() => void mkdirSync(folder, { recursive: true }))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('the README has its blocks', () => {
  assert.ok(blocks.length >= 5)
})

for (const [index, code] of blocks.entries()) {
  const title = /^(?!import|\n).+$/m.exec(code)?.[0].slice(0, 60)
  test(`README, block ${index + 1}: ${title}`, async () => {
    const file = `${folder}/${index}.ts`
    writeFileSync(file, code)
    const { stdout } = await run(process.execPath, ['--import', 'tsx', file], { timeout: 30_000 })
    // What a comment behind console.log promises must be printed.
    for (const [, promised] of code.matchAll(/console\.log\(.*\) \/\/ (.+)$/gm)) {
      const flat = (text: string): string => text.replace(/\s+/g, '')
      assert.ok(flat(stdout).includes(flat(promised!)), `expected ${promised} in:\n${stdout}`)
    }
  })
}

test('the first example of the README runs as it stands, with plain Node, in six lines at most', async () => {
  const readme = readFileSync('README.md', 'utf8')
  const [, language, code] = /```(\w+)\n(import [\s\S]*?|\/\/ [\s\S]*?)```/.exec(readme)!
  assert.is(language, 'js')
  assert.ok(code!.split('\n').filter((line) => line !== '' && !line.startsWith('//')).length <= 6)
  writeFileSync(`${folder}/flow.mjs`, code!)
  const { stdout } = await run(process.execPath, [`${folder}/flow.mjs`], { timeout: 30_000 })
  assert.is(stdout, "[ 'HELLO', 'WORLD' ]\n")
})

test.run()
