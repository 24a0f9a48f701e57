// sluice run flow.ts where TypeScript is native: on Bun, on Deno, and on newer Nodes. On others it says how to load it.
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runsOn } from '../../lib/base/runs-on.js'
import { published } from '../support/code.js'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'

const isNative = runsOn !== 'node' || Boolean((process.features as { typescript?: unknown }).typescript)
const folder = new Folder()
folder.file('package.json', '{ "type": "module" }')
folder.file('marks.ts', `export const MARK: string = '!'`)
const flow = folder.file(
  'flow.ts',
  `import { type Call, Flow } from ${JSON.stringify(pathToFileURL(published('index')).href)}
  import { MARK } from './marks.ts'
  interface Tags { loud?: boolean }
  export default new Flow().add({ uses: ({ docs }: Call<Tags>): void => { for (const doc of docs) doc.text += MARK } })`,
)
const input = folder.file('input.txt', 'a\nb\n')

test(`T6: sluice run flow.ts, on ${runsOn}: ${isNative ? 'TypeScript is read as it is' : 'it says how to load TypeScript'}`, async () => {
  const command = new Command(['run', flow, '-i', input, '--in-order', '--request-size', '1'])
  const { code } = await command.end
  if (isNative) assert.equal([code, command.texts], [0, 'a! b!'], command.stderr)
  else {
    assert.is(code, 1)
    assert.match(command.stderr, 'a loader: NODE_OPTIONS=')
  }
})

test.run()
