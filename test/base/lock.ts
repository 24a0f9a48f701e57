import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { lock } from '../../lib/base/lock.js'
import { Folder } from '../support/folder.js'

const GONE = JSON.stringify({ pid: 99_999_999, thread: 0, machine: hostname(), begun: '1', token: 'gone' })

test('of many at once one alone has it, also where they find what another has left, and nothing is left beside it', async () => {
  for (const before of [undefined, GONE]) {
    const folder = new Folder()
    const path = `${folder.path}/lock`
    if (before !== undefined) writeFileSync(path, before)
    const all = await Promise.all(Array.from({ length: 20 }, () => lock(path)))
    const has = all.filter((one) => typeof one !== 'string')
    assert.is(has.length, 1)
    assert.equal(readdirSync(folder.path), ['lock'])
    await has[0]!()
    assert.equal(readdirSync(folder.path), [])
  }
})

test('nobody finds it before it says whose it is', async () => {
  const path = `${new Folder().path}/lock`
  const found = new Set<string>()
  let over = false
  const look = async (): Promise<void> => {
    while (!over) found.add(await readFile(path, 'utf8').catch(() => 'none'))
  }
  const looks = [look(), look(), look()]
  for (let round = 0; round < 60; round++) {
    const leave = await lock(path)
    assert.type(leave, 'function')
    await (leave as () => Promise<void>)()
  }
  over = true
  await Promise.all(looks)
  found.delete('none')
  assert.ok(found.size > 0)
  for (const text of found) assert.type(JSON.parse(text || '{}').token, 'string', `found: '${text}'`)
})

test('who was taken to be gone does not remove, when he leaves, what another has by now', async () => {
  const folder = new Folder()
  const path = `${folder.path}/lock`
  const leave = await lock(path)
  const another = JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), pid: process.ppid, token: 'another' })
  writeFileSync(path, another)
  await (leave as () => Promise<void>)()
  assert.is(readFileSync(path, 'utf8'), another)
  assert.equal(readdirSync(folder.path), ['lock'])
})

test('who leaves waits for who is just taking over, and leaves that to him', async () => {
  const folder = new Folder()
  const path = `${folder.path}/lock`
  const leave = (await lock(path)) as () => Promise<void>
  const own = readFileSync(path, 'utf8')
  const over = (await lock(`${path}.over`)) as () => Promise<void>
  const left = leave()
  writeFileSync(path, GONE)
  await over()
  await left
  assert.is(readFileSync(path, 'utf8'), GONE)
  // Where he has changed his mind, it goes.
  writeFileSync(path, own)
  const again = await lock(path)
  assert.type(again, 'function')
  const held = (await lock(`${path}.over`)) as () => Promise<void>
  const gone = (again as () => Promise<void>)()
  await held()
  await gone
  assert.not(existsSync(path))
})

test.run()
