// Of a package that is missing, who catches nothing sees what to do, on a screen of 24 lines.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { missing } from '../../lib/base/dependency.js'
import { DependencyError } from '../../lib/base/errors.js'
import { codeUrl, flags } from '../support/code.js'

test('what is missing is named, with what it is for and how to get it; what else is wrong is told, too', async () => {
  const absent = missing('not-there', 'To fly', await import('not-there' as string).catch((error) => error))
  assert.instance(absent, DependencyError)
  assert.equal([absent.dependency, absent.message], ['not-there', 'To fly, the package not-there is needed: npm install not-there'])
  const pnp = "sluice tried to access @a/wings (a peer dependency) but it isn't provided by your application\n\nRequired package: …"
  const unplugged = Object.assign(new Error(pnp), { code: 'MODULE_NOT_FOUND' })
  assert.is(missing('@a/wings', 'To fly', unplugged).message, 'To fly, the package @a/wings is needed: npm install @a/wings')
  const broken = missing('there', 'To fly', new Error('wrong ELF class'))
  assert.is(broken.message, 'To fly, the package there is needed: npm install there (wrong ELF class)')
  // Of a package that is there, and lacks one of its own.
  const lacking = Object.assign(new Error("Cannot find package 'wings' imported from there"), { code: 'ERR_MODULE_NOT_FOUND' })
  assert.match(missing('there', 'To fly', lacking).message, /npm install there \(Cannot find package 'wings'/)
})

test('it has its frames, and who tests for them finds them where they are', () => {
  function here() {
    return new DependencyError('wings', 'none')
  }
  const { stackTraceLimit } = Error
  assert.match(here().stack!, /^DependencyError: none\n\s+at here /)
  assert.is(Error.stackTraceLimit, stackTraceLimit)
})

for (const [how, program] of Object.entries({
  'awaited in a module': 'await open()',
  'that nobody awaits': 'open()',
}))
  test(`an error ${how} begins with its message, and not with a line of sluice`, () => {
    const code = `
      const { missing } = await import(${JSON.stringify(codeUrl('lib/base/dependency'))})
      async function open() {
        await import('not-there').catch((cause) => { throw missing('not-there', 'To fly', cause) })
      }
      ${program}`
    const { stderr, status } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', code], { encoding: 'utf8' })
    assert.is(status, 1)
    const lines = stderr.trim().split('\n')
    assert.ok(lines.length < 24, stderr)
    const at = lines.findIndex((line) => line.includes('DependencyError: To fly, the package not-there is needed: npm install not-there'))
    assert.ok(at >= 0 && at < 6, stderr)
    assert.not.match(lines.slice(0, at).join('\n'), /missing|DependencyError/)
  })

test.run()
