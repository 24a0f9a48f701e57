// P17: sluice run --cache, and cache in YAML: a second run calls for what changed alone, and says so.
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { published } from '../support/code.js'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
folder.file('package.json', '{ "type": "module" }')
folder.file(
  'executors.js',
  `import { Executor } from ${JSON.stringify(pathToFileURL(published('index')).href)}
  import { appendFileSync } from 'node:fs'
  export class Shout extends Executor {
    static version = 1
    static requests = { '/': 'shout' }
    shout({ docs }) {
      for (const doc of docs) appendFileSync(${JSON.stringify(folder.file('given.txt', ''))}, doc.text + '\\n')
      for (const doc of docs) doc.text += '!'
    }
  }`,
)

async function run(flow: string, texts: string[], ...args: string[]): Promise<{ given: string[]; output: string[]; stderr: string }> {
  writeFileSync(folder.file('given.txt'), '')
  const input = folder.file('input.txt', texts.join('\n'))
  const command = new Command(['run', flow, '-i', input, '--in-order', ...args])
  const { code } = await command.end
  assert.is(code, 0, command.stderr)
  const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
  return {
    given: lines(readFileSync(folder.file('given.txt'), 'utf8')),
    output: lines(command.stdout).map((line) => JSON.parse(line).text),
    stderr: command.stderr,
  }
}

test('P17: --cache, and with: cache', async () => {
  const plain = folder.file('flow.yml', 'jtype: Flow\nexecutors:\n  - uses: ./executors.js#Shout\n')
  const cache = folder.file('cache')
  assert.equal((await run(plain, ['a', 'b'], '--cache', cache)).given, ['a', 'b'])
  const again = await run(plain, ['c', 'b'], '--cache', cache)
  assert.equal([again.given, again.output], [['c'], ['c!', 'b!']])
  assert.match(again.stderr, 'done: 1 request, 2 documents, 1 answer from the cache in')
  const said = folder.file(
    'said.yml',
    `jtype: Flow\nwith: { cache: ${cache} }\nexecutors:\n  - uses: ./executors.js#Shout\n    cache: { max_age: .inf, max_size: 1g }\n`,
  )
  assert.equal((await run(said, ['b', 'd'])).given, ['d'])
})

test.run()
