import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Command } from '../support/command.js'

async function said(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const command = new Command(args)
  const { code } = await command.end
  return { code, stdout: command.stdout, stderr: command.stderr }
}

test('T5: sluice explain says of each code what the page of errors says', async () => {
  const { stdout } = await said('explain')
  const codes = stdout.match(/ERR_\w+/g)!
  assert.equal(
    codes,
    [...readFileSync('docs/errors.md', 'utf8').matchAll(/^### (\w+)$/gm)].map(([, code]) => code),
  )
  for (const code of ['ERR_USES_INVALID', 'uses_invalid']) {
    const { stdout, code: exit } = await said('explain', code)
    assert.is(exit, 0)
    assert.match(stdout, /^ERR_USES_INVALID\n\n.*\n\nWhat to do: .*docs\/yaml\.md#what-uses-can-be.*\n\nIn the docs: docs\/errors\.md#err_uses_invalid\n$/)
    assert.not.match(stdout, /[`*]/)
  }
  const other = await said('explain', 'ERR_NEED_UNKOWN')
  assert.is(other.code, 2)
  assert.match(other.stderr, /no error of sluice has the code ERR_NEED_UNKOWN\. Did you mean ERR_NEED_UNKNOWN\?/)
})

test('T5: a command that fails with a code says how to read about it', async () => {
  const { code, stderr } = await said('run', 'nowhere.yml')
  assert.is(code, 1)
  assert.match(stderr, /\nMore about it: sluice explain ERR_CONFIG\n$/)
  assert.not.match((await said('run')).stderr, /More about it/)
})

test.run()
