import '../support/clock.js'
import { rmSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Tokens, tokenFrom } from '../../lib/wire/tokens.js'
import { fake } from '../support/clock.js'
import { Folder } from '../support/folder.js'

const OLD = 'a-token-of-before-0'
const NEW = 'a-token-of-after-00'

/** Tokens of a file, on a clock that is set by hand. */
async function tokensOf(text: string) {
  const file = new Folder().file('tokens', text)
  const told: string[] = []
  let time = 1
  fake.now = () => time
  const tokens = new Tokens(undefined, file, ({ message }) => void told.push(message))
  await tokens.open()
  return {
    file,
    told,
    /** Whether a token lets in, so many milliseconds later. */
    async lets(token: string, later: number): Promise<boolean> {
      time += later
      return (await tokens.holder(token)) !== undefined
    },
  }
}

test.after.each(() => {
  fake.now = undefined
})

const REVOKED = {
  emptied: (file: string) => writeFileSync(file, ''),
  broken: (file: string) => writeFileSync(file, 'short\n'),
  gone: (file: string) => rmSync(file),
}

for (const [what, revoke] of Object.entries(REVOKED))
  test(`G6: the tokens of a file that is ${what} hold on for 10 s, and no longer`, async () => {
    const { file, told, lets } = await tokensOf(`${OLD}\n`)
    assert.ok(await lets(OLD, 0))
    revoke(file)
    assert.ok(await lets(OLD, 1500))
    assert.is(told.length, 1)
    assert.ok(await lets(OLD, 5000))
    assert.not(await lets(OLD, 5500))
    assert.is(told.length, 2, told.join())
    assert.match(told[1]!, /let nobody in any more/)
    assert.not(await lets(OLD, 5000))
    assert.is(told.length, 2)
    writeFileSync(file, `${NEW}\n`)
    assert.ok(await lets(NEW, 1500))
    assert.not(await lets(OLD, 0))
  })

for (const [what, revoke] of Object.entries(REVOKED))
  test(`G6: the tokens of a file that is ${what} hold on from then on, not from the next question on`, async () => {
    const { now } = Date
    for (const [away, lets] of [
      [20_000, false],
      [5000, true],
    ] as const) {
      const it = await tokensOf(`${OLD}\n`)
      assert.ok(await it.lets(OLD, 0))
      revoke(it.file)
      Date.now = () => now() + away
      try {
        assert.is(await it.lets(OLD, away), lets)
        assert.is(it.told.length, lets ? 1 : 2, it.told.join())
        assert.not(await it.lets(OLD, 20_000))
      } finally {
        Date.now = now
      }
    }
  })

test('G6: a file that was away for a look is read again', async () => {
  const { file, lets } = await tokensOf(`${OLD}\n`)
  rmSync(file)
  assert.ok(await lets(OLD, 1500))
  writeFileSync(file, `${NEW}\n`)
  assert.ok(await lets(NEW, 1500))
  assert.not(await lets(OLD, 0))
})

test('G6: while a file is looked at, nobody gets in by what it held before', async () => {
  const { file, lets } = await tokensOf(`${OLD}\n`)
  writeFileSync(file, `${NEW}\n`)
  assert.equal(await Promise.all([lets(OLD, 1500), lets(OLD, 0), lets(NEW, 0)]), [false, false, true])
})

test('G6: who has no name is called the same when the tokens of another file let nobody in any more', async () => {
  const folder = new Folder()
  const [first, second] = [folder.file('first', `${OLD}\n`), folder.file('second', `${NEW}\n`)]
  let time = 1
  fake.now = () => time
  const tokens = new Tokens(undefined, [first, second], () => {})
  await tokens.open()
  assert.equal(await tokens.holder(NEW), { token: 1 })
  rmSync(first)
  for (; time < 15_000; time += 1500) assert.equal(await tokens.holder(NEW), { token: 1 })
  assert.is(await tokens.holder(OLD), undefined)
  writeFileSync(first, `${OLD}\n`)
  time += 1500
  assert.equal(await tokens.holder(OLD), { token: 0 })
})

test('G6: tokens that were given let in, whatever becomes of files beside them', async () => {
  const tokens = new Tokens([OLD], '/nowhere/at/all', () => {})
  await tokens.open().then(
    () => assert.unreachable(),
    (error) => assert.is(error.code, 'ERR_CONFIG'),
  )
  fake.now = () => -1e9
  assert.equal(await tokens.holder(OLD), { token: 0 })
})

test('who brings the token of a file brings that of before while the file is broken', async () => {
  let time = 1
  fake.now = () => time
  const file = new Folder().file('own', `${OLD}\n`)
  const token = tokenFrom(file)
  assert.is(await token(), OLD)
  writeFileSync(file, '')
  time += 1500
  assert.is(await token(), OLD)
  writeFileSync(file, `${NEW}\n`)
  time += 1500
  assert.is(await token(), NEW)
})

test.run()
