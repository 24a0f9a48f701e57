// What both arrays of documents have: in memory, and on disk.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray, DocumentArrayMemmap, type DocumentList } from '../../lib/doc/index.js'
import { Flow } from '../../lib/index.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
let made = 0

const ARRAYS: Record<string, () => DocumentList & Partial<AsyncDisposable>> = {
  'in memory': () => new DocumentArray(),
  'on disk': () => new DocumentArrayMemmap(folder.file(`list-${made++}`)),
}

const idsOf = async (list: DocumentList): Promise<string> => {
  let ids = ''
  for await (const { id } of list) ids += id
  return ids
}

for (const [where, make] of Object.entries(ARRAYS)) {
  const each = (name: string, run: (list: DocumentList) => Promise<void>): void =>
    test(`D3: ${where}, ${name}`, async () => {
      const list = make()
      await list.extend(['a', 'b', 'c'].map((id) => ({ id, text: id.toUpperCase(), tags: { at: id } })))
      await run(list)
      await list[Symbol.asyncDispose]?.()
    })

  each('by position and by id', async (list) => {
    assert.is(await list.length, 3)
    assert.is((await list.at(1))!.text, 'B')
    assert.is((await list.at(-1))!.text, 'C')
    assert.is(await list.at(3), undefined)
    assert.is(await list.at(-4), undefined)
    assert.is((await list.get('c'))!.text, 'C')
    assert.is(await list.get('x'), undefined)
    assert.equal((await list.get('a'))!.tags, { at: 'a' })
  })

  each('append and extend go behind the others', async (list) => {
    assert.is((await list.append({ id: 'd', text: 'D' })).text, 'D')
    assert.is(await list.extend(['x', { id: 'e' }]), list)
    assert.is(await list.length, 6)
    assert.is((await list.at(5))!.id, 'e')
    await list.extend([])
    assert.is(await list.length, 6)
  })

  each('delete moves up those behind', async (list) => {
    assert.is(await list.delete('a'), true)
    assert.is((await list.at(0))!.id, 'b')
    assert.is(await list.delete(-1), true)
    assert.is(await idsOf(list), 'b')
    assert.is(await list.delete('a'), false)
    assert.is(await list.delete(1), false)
    await list.append({ id: 'a', text: 'again' })
    assert.is((await list.at(1))!.text, 'again')
    assert.is((await list.get('a'))!.text, 'again')
  })

  each('set puts another in the place of one', async (list) => {
    assert.is((await list.set('b', { text: 'new' })).id, 'b', 'it is known by the id that it was named by')
    assert.is((await list.get('b'))!.text, 'new')
    await list.set(0, { id: 'z', text: 'Z' })
    assert.is(await list.get('a'), undefined)
    assert.is((await list.get('z'))!.text, 'Z')
    assert.is(await idsOf(list), 'zbc')
    for (const absent of ['x', 3, -4])
      try {
        await list.set(absent, 'y')
        assert.unreachable()
      } catch (error: any) {
        assert.is(error.code, 'ERR_DOCUMENT', String(error))
        assert.match(error.message, String(absent))
      }
    assert.is(await idsOf(list), 'zbc')
  })

  each('between two positions there is none', async (list) => {
    // Also where some are missing, and positions are counted.
    await list.extend(Array.from({ length: 5 }, (_, i) => ({ id: `${i}` })))
    for (const _ of [1, 2]) {
      const before = await idsOf(list)
      for (const where of [0.5, 1.5, -0.5, Number.NaN, Infinity]) {
        assert.is(await list.delete(where), false, `${where}`)
        try {
          await list.set(where, 'y')
          assert.unreachable(`${where}`)
        } catch (error: any) {
          assert.is(error.code, 'ERR_DOCUMENT', String(error))
        }
      }
      assert.is(await idsOf(list), before)
      await list.delete(2)
    }
    assert.is((await list.at(1.7))!.id, 'b', 'as at() of lists has it')
  })

  each('of documents with one id, the first is found', async (list) => {
    await list.extend([
      { id: 'a', text: 'second' },
      { id: 'a', text: 'third' },
    ])
    assert.is((await list.get('a'))!.text, 'A')
    await list.delete('a')
    assert.is((await list.get('a'))!.text, 'second')
    await list.delete('a')
    assert.is((await list.get('a'))!.text, 'third')
    await list.delete('a')
    assert.is(await list.get('a'), undefined)
    assert.is(await idsOf(list), 'bc')
  })

  each('clear leaves nothing, and it goes on', async (list) => {
    await list.clear()
    assert.is(await list.length, 0)
    assert.is(await idsOf(list), '')
    assert.is(await list.get('a'), undefined)
    assert.is(await list.at(0), undefined)
    await list.append({ id: 'n' })
    assert.is((await list.at(0))!.id, 'n')
    assert.is(await list.length, 1)
  })

  each('columns', async (list) => {
    await list.append({ embedding: [1, 2], blob: Uint8Array.of(1) })
    assert.equal(await list.texts, ['A', 'B', 'C', ''])
    assert.equal((await list.embeddings).slice(2), [undefined, { data: Float64Array.of(1, 2), shape: [2] }])
    assert.equal((await list.contents).slice(2), ['C', Uint8Array.of(1)])
  })

  each('paths through chunks and matches', async (list) => {
    await list.append({ id: 'd', chunks: [{ id: '1', matches: [{ id: '2' }] }], matches: [{ id: '3' }] })
    const ids = async (paths: string): Promise<string> => Array.from(await list.traverseFlat(paths), ({ id }) => id).join('')
    assert.is(await ids('r,cm, m'), 'abcd23')
    assert.is(await ids('c'), '1')
    assert.throws(() => list.traverse('x'), /'c' \(chunks\)/)
  })

  each('save', async (list) => {
    for (const name of ['saved.ndjson', 'saved.json']) {
      const file = folder.file(name)
      await list.save(file)
      assert.match(readFileSync(file, 'utf8'), '"text":"B"')
      assert.equal((await DocumentArray.load(file)).texts, ['A', 'B', 'C'])
      await using onDisk = await DocumentArrayMemmap.load(folder.file(`list-${made++}`), file)
      assert.equal(await onDisk.texts, ['A', 'B', 'C'])
    }
  })

  each('it is an input of post(), whose documents executors may change', async (list) => {
    await using flow = await new Flow()
      .add({
        uses: ({ docs }) => {
          for (const doc of docs) {
            doc.text += '!'
            doc.tags.seen = true
          }
        },
      })
      .open()
    const docs = await flow.post('/', list, { requestSize: 2 }).docs()
    assert.equal(docs.texts.sort(), ['A!', 'B!', 'C!'])
  })
}

test('D3: both arrays have what a DocumentList has, and deletions far apart change no position behind them', async () => {
  await using disk = new DocumentArrayMemmap(folder.file('model'))
  const memory = new DocumentArray()
  const all = Array.from({ length: 10_000 }, (_, i) => ({ id: `${i}`, text: `text ${i}` }))
  memory.extend(all)
  await disk.extend(all)
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 48271) % 2147483647
    return seed % below
  }
  // A whole segment goes, others get holes at their edges and anywhere.
  const places = [...Array.from({ length: 4200 }, () => 3000), 4095, 4096, 0, -1, ...Array.from({ length: 500 }, () => random(5000))]
  for (const place of places) memory.delete(place)
  await Promise.all(places.map((place) => disk.delete(place)))
  assert.is(await disk.length, memory.length)
  assert.equal(await disk.texts, memory.texts)
  for (let at = -memory.length; at < memory.length; at += 37) assert.is((await disk.at(at))!.id, memory.at(at)!.id, `at ${at}`)
  for (let i = 0; i < 10_000; i += 101) assert.is((await disk.get(`${i}`))?.text, memory.get(`${i}`)?.text)
  const size = async (): Promise<number> => (await disk.at(4000))!.text.length
  const before = await size()
  await disk.prune()
  assert.is(await size(), before)
  assert.equal(await disk.texts, memory.texts)
})

test.run()
