import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, cpSync, mkdirSync, openSync, readdirSync, rmSync, statfsSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { open } from 'lmdb'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Document, DocumentArrayMemmap, StoreError, seek } from '../../lib/doc/index.js'
import { Environment } from '../../lib/doc/store/environment.js'
import { openStore } from '../../lib/doc/store/store.js'
import { type Call, Executor, Flow } from '../../lib/index.js'
import { asProgram, code, codeUrl, flags } from '../support/code.js'
import { type Deferred, deferred } from '../support/deferred.js'
import { Folder } from '../support/folder.js'
import { pending } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const folder = new Folder()
let made = 0
const fresh = (): string => folder.file(`store-${made++}`)
const WRITER = code('test/doc/store/writer')

/** What a promise, or a call, fails with. */
async function failure(run: () => unknown): Promise<any> {
  try {
    await run()
  } catch (error) {
    return error
  }
  return assert.unreachable('nothing failed')
}

/** Does something with an array in a process of its own. */
function elsewhere(path: string, work: string): void {
  const program = `import { DocumentArrayMemmap } from ${JSON.stringify(codeUrl('lib/doc/index'))}
    const array = new DocumentArrayMemmap(${JSON.stringify(path)}); ${work}; await array.close()`
  execFileSync(process.execPath, asProgram(program))
}

const abc = ['a', 'b', 'c'].map((id) => ({ id, text: id.toUpperCase() }))

test('D3: a view cannot be changed, so that no change is lost unseen', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  const appended = await array.append({ id: 'a', text: 'A', tags: { list: [{ n: 1 }] }, chunks: [{ id: 'c' }], location: [1], scores: { s: 1 } })
  const views = [appended, await array.at(0), await array.get('a'), await array.set('a', appended)] as Document<any>[]
  for await (const view of array) views.push(view)
  const fields = [
    'id',
    'text',
    'blob',
    'tensor',
    'content',
    'tags',
    'uri',
    'weight',
    'embedding',
    'chunks',
    'matches',
    'scores',
    'evaluations',
    'location',
    'granularity',
  ]
  for (const view of views) {
    for (const field of fields) {
      const error = await failure(() => {
        ;(view as any)[field] = undefined
      })
      assert.is(error.code, 'ERR_STORE_VIEW', field)
      assert.match(error.message, 'edit()')
    }
    assert.is((await failure(() => view.merge(view))).code, 'ERR_STORE_VIEW')
    const chunk = view.chunks[0]!
    const inside: (() => unknown)[] = [
      () => (view.tags.x = 1),
      () => (view.tags.list[0].n = 2),
      () => view.tags.list.push(1),
      () => view.chunks.append('x'),
      () => view.chunks.clear(),
      () => (chunk.text = 'x'),
      () => (chunk.tags.x = 1),
      () => (view.matches[0] = chunk),
      () => (view.scores.t = { value: 1 }),
      () => (view.scores.s!.value = 2),
      () => (view.location as number[]).push(2),
    ]
    for (const change of inside) await failure(change)
    assert.is((await failure(() => (chunk.text = 'x'))).code, 'ERR_STORE_VIEW')
  }
  // A copy is one's own.
  const copy = views[1]!.clone()
  copy.tags.list.push(2)
  copy.chunks[0]!.text = 'mine'
  copy.chunks.append('x')
  copy.text = 'B'
  assert.equal((await array.get('a'))!.toJSON(), appended.toJSON())
  assert.is((await array.get('a'))!.text, 'A')
})

test('D3: edit() writes what it was given, and nothing when that throws', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  await array.extend(abc)
  const view = await array.edit('b', async (document) => {
    await 0
    document.text = 'changed'
    document.tags.n = 1
  })
  assert.is(view.text, 'changed')
  assert.equal((await array.at(1))!.tags, { n: 1 })
  const thrown = new Error('no')
  assert.is(
    await failure(() =>
      array.edit(0, (document) => {
        document.text = 'lost'
        throw thrown
      }),
    ),
    thrown,
  )
  assert.is((await array.at(0))!.text, 'A')
  assert.is((await failure(() => array.edit('x', () => {}))).code, 'ERR_DOCUMENT')
  await array.edit('c', (document) => {
    document.id = 'd'
  })
  assert.is(await array.get('c'), undefined)
  assert.is((await array.get('d'))!.text, 'C')
})

test('D3: an edit is written at the end of its scope, with and without using', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  await array.extend(abc)
  {
    using edit = await array.edit('a')
    edit.document.text = 'using'
  }
  assert.is((await array.get('a'))!.text, 'using')
  {
    await using edit = await array.edit('a')
    edit.document.text = 'await using'
  }
  assert.is((await array.get('a'))!.text, 'await using')
  const edit = await array.edit('a')
  edit.document.text = 'by hand'
  await edit[Symbol.asyncDispose]()
  edit.document.text = 'too late'
  await edit[Symbol.asyncDispose]()
  assert.is((await array.get('a'))!.text, 'by hand')
  const discarded = await array.edit('a')
  discarded.document.text = 'discarded'
  discarded.discard()
  discarded[Symbol.dispose]()
  assert.is((await array.get('a'))!.text, 'by hand')
})

test('D3: of two who edit one document, neither loses a change', async () => {
  const path = fresh()
  await using array = new DocumentArrayMemmap(path)
  await using other = new DocumentArrayMemmap(path)
  await array.append({ id: 'n', tags: { n: 0 } })
  const add = (to: DocumentArrayMemmap<Document<any>>): Promise<unknown> =>
    to.edit('n', async (document) => {
      const { n } = document.tags
      await 0
      document.tags.n = n + 1
    })
  await Promise.all(Array.from({ length: 20 }, (_, i) => add(i % 2 ? array : other)))
  assert.is((await array.get('n'))!.tags.n, 20)
  const edit = await array.edit('n')
  await other.delete('n')
  edit.document.text = 'x'
  assert.is((await failure(() => edit[Symbol.dispose]())).code, 'ERR_STORE_CONFLICT')
  assert.is(await array.length, 0)
})

test('D3: any number of edits of one document wait for each other, and one within another does not wait for itself', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  await array.append({ id: 'n', tags: { n: 0 } })
  const add = (document: Document<any>): void => void document.tags.n++
  await Promise.all(Array.from({ length: 200 }, () => array.edit('n', add)))
  assert.is((await array.get('n'))!.tags.n, 200)
  let within = 0
  const both = Array.from({ length: 3 }, () =>
    array.edit('n', async (document) => {
      if (within++ < 8) await array.edit('n', add)
      add(document)
    }),
  )
  await Promise.all(both)
  assert.is((await array.get('n'))!.tags.n, 211)
})

test('D3: what is iterated is what was there, whatever comes and goes meanwhile', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  await array.extend(Array.from({ length: 1000 }, (_, i) => ({ id: `${i}` })))
  const seen: string[] = []
  for await (const { id } of array) {
    seen.push(id)
    await array.append({ id: `new ${id}` })
    if (id === '10') for (let i = 500; i < 600; i++) await array.delete(String(i))
  }
  assert.is(seen.length, 900)
  assert.is(seen.includes('new 0'), false)
  // To the array itself, which would never end.
  await array.extend(array)
  assert.is(await array.length, 3600 + 200 - 2000 + 2000 - 200)
  for await (const { id } of array) {
    if (id === '3') await array.clear()
    assert.ok(Number(id) < 200, 'no more than was read already')
  }
})

test('D3: a million keys at a time are not held: a window is what one reading takes', async () => {
  const path = fresh()
  await using array = new DocumentArrayMemmap(path)
  // Some windows are bounded by their bytes, and one document is larger than any.
  const sizes = [...Array.from({ length: 300 }, (_, i) => i), 3 << 20, ...Array.from({ length: 40 }, () => 30_000)]
  await array.extend(sizes.map((size, i) => ({ id: `${i}`, blob: new Uint8Array(size).fill(i) })))
  let at = 0
  for await (const { id, blob } of array) {
    assert.is(id, `${at}`)
    assert.is(blob?.length ?? 0, sizes[at])
    if (sizes[at]! > 0) assert.is(blob!.at(-1), at % 256)
    at++
  }
  assert.is(at, sizes.length)
  assert.is((await array.at(300))!.blob!.length, 3 << 20)
  const store = await openStore(path)
  for (const [skipped, most] of [
    [0, 128],
    [301, 10],
  ] as const) {
    const { from, to } = store.range(skipped)
    assert.ok(store.window(from, to)!.ends.length <= most)
  }
  await store.close()
  const [first, second] = [array[Symbol.asyncIterator](), array[Symbol.asyncIterator]()]
  const together = await Promise.all(Array.from({ length: 400 }, () => first.next()))
  assert.equal(
    together.slice(0, 341).map(({ value }) => value.id),
    sizes.map((_, i) => `${i}`),
  )
  assert.ok(together.slice(341).every(({ done }) => done))
  await second.next()
  await second.return!()
  assert.equal(await second.next(), { done: true, value: undefined })
})

test('D3: documents that are asked for one by one stay what they are, whatever is asked for behind them', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  const sizes = [
    ...Array.from({ length: 60 }, (_, i) => i * 13),
    ...[250, 251, 252, 253, 254, 255, 256, 257, 511, 512, 513],
    4000,
    4080,
    4096,
    5000,
    40_000,
    0,
    1,
  ]
  const textOf = (at: number): string => String.fromCharCode(97 + (at % 26)).repeat(sizes[at]!)
  await array.extend(sizes.map((_, at) => ({ id: `${at}`, text: textOf(at) })))
  const order = [...sizes.keys()].sort((one, other) => ((one * 37) % 89) - ((other * 37) % 89))
  const views: [number, Document<any>][] = []
  for (const at of order) views.push([at, (await array.at(at))!], [at, (await array.get(`${at}`))!])
  // Read when all others were.
  for (const [at, view] of views) assert.equal([view.id, view.text], [`${at}`, textOf(at)])
})

test('D3: ids of any length and kind', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  const ids = ['x', 'ä'.repeat(400), 'long '.repeat(1000), `${'long '.repeat(1000)}!`, 'a\0b', 'a', `a\u0000${'5'.padStart(12, '0')}`, '😀', ' ']
  await array.extend(ids.map((id) => ({ id, text: `text of ${id}` })))
  await array.extend(ids.map((id) => ({ id, text: `second of ${id}` })))
  for (const id of ids) assert.is((await array.get(id))!.text, `text of ${id}`)
  for (const id of ids) assert.is(await array.delete(id), true)
  for (const id of ids) assert.is((await array.get(id))!.text, `second of ${id}`)
  await array.set(0, { id: 'a', text: 'before' })
  assert.is((await array.get('a'))!.text, 'before', 'the first of an id, also when it came later')
  await array.delete(0)
  assert.is((await array.get('a'))!.text, 'second of a')
  assert.is(await array.get(''), undefined)
})

test('D3: one path is one store, by whatever name; it closes with the last who uses it', async () => {
  const path = fresh()
  const array = new DocumentArrayMemmap(path)
  await array.append('a')
  const other = new DocumentArrayMemmap(pathToFileURL(path))
  const third = new DocumentArrayMemmap(`${path}/../${path.split('/').at(-1)}`)
  assert.is(await other.length, 1)
  assert.is(await third.length, 1)
  await other.append('b')
  assert.equal(await array.texts, ['a', 'b'])
  await other.close()
  await other.close()
  await array.append('c')
  assert.is(await third.length, 3)
  await Promise.all([array.close(), third.close()])
  await using again = new DocumentArrayMemmap(path)
  assert.equal(await again.texts, ['a', 'b', 'c'])
})

test('D3: what was written by threads and processes side by side is all there, and seen by all', async () => {
  const path = fresh()
  await using array = new DocumentArrayMemmap(path)
  await array.append('first')
  const COUNT = 200
  const threads = ['t1', 't2'].map(async (name) => {
    // Node loads TypeScript in a thread through what that registers.
    const loader = flags.length > 0 ? `const { register } = await import('tsx/esm/api'); register()` : ''
    const worker = new Worker(`void (async () => { ${loader}\nawait import(${JSON.stringify(codeUrl('test/doc/store/writer'))}) })()`, {
      eval: true,
      workerData: [path, name, `${COUNT}`],
    })
    // It ends by itself: to end it in the midst of what lmdb does ends this process.
    await Promise.all([once(worker, 'message'), once(worker, 'exit')])
  })
  const processes = ['p1', 'p2'].map(async (name) => {
    const child = spawn(process.execPath, [...flags, WRITER, path, name, `${COUNT}`], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [code] = await once(child, 'exit')
    assert.is(code, 0)
  })
  const own = (async () => {
    for (let i = 0; i < COUNT; i++) await array.append({ id: `own-${i}`, text: `own ${i}` })
  })()
  await within(60_000, Promise.all([...threads, ...processes, own]))
  await new Promise(setImmediate)
  const names = ['t1', 't2', 'p1', 'p2', 'own']
  assert.is(await array.length, 1 + COUNT * names.length)
  for (const name of names) for (let i = 0; i < COUNT; i += 17) assert.is((await array.get(`${name}-${i}`))!.text, `${name} ${i}`)
  const texts = await array.texts
  for (const name of names)
    assert.equal(
      texts.filter((text) => text.startsWith(`${name} `)),
      Array.from({ length: COUNT }, (_, i) => `${name} ${i}`),
      'each in its own order',
    )
})

test('D3: when another process prunes or clears, who has it open goes on in the new file', async () => {
  const path = fresh()
  await using array = new DocumentArrayMemmap(path)
  await array.extend(Array.from({ length: 2000 }, (_, i) => ({ id: `${i}`, text: 'x'.repeat(1000) })))
  for (let i = 0; i < 1500; i++) void array.delete('x')
  await Promise.all(Array.from({ length: 1500 }, (_, i) => array.delete(String(i))))
  elsewhere(path, 'await array.prune(); await array.append({ id: "theirs" })')
  await new Promise(setImmediate)
  assert.is(await array.length, 501)
  assert.is((await array.get('theirs'))!.id, 'theirs')
  await array.append({ id: 'ours' })
  assert.is((await array.at(-1))!.id, 'ours')
  elsewhere(path, 'await array.clear(); await array.append({ id: "new" })')
  // Writing first, without a look.
  await array.append({ id: 'after' })
  assert.is(await array.length, 2)
  assert.is((await array.at(0))!.id, 'new')
  assert.is(readdirSync(path).filter((name) => name.endsWith('.mdb')).length, 1, 'the old files are gone')
})

test('D3: a writer that is killed loses nothing that was on disk', async () => {
  const path = fresh()
  let acknowledged = 0
  for (let kill = 0; kill < 3; kill++) {
    const child = spawn(process.execPath, [...flags, WRITER, path, `k${kill}`, 'forever', '20'], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = 0
    for await (const line of createInterface(child.stdout)) {
      said = Number(line)
      if (said >= 100) child.kill('SIGKILL')
    }
    acknowledged += said
    await using array = new DocumentArrayMemmap(path)
    for (let i = 0; i < said; i++) assert.match((await array.get(`k${kill}-${i}`))!.text, `k${kill} ${i} `)
    assert.ok((await array.length) >= acknowledged)
    let count = 0
    for await (const { text } of array) if (text !== '') count++
    assert.is(count, await array.length)
  }
})

/** Something small to write to: a file system in memory, where one may be made. */
function smallDisk(): string | undefined {
  const path = folder.file(`small-${made++}`)
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', path], { stdio: 'ignore' })
    process.prependListener('exit', () => execFileSync('umount', ['-l', path], { stdio: 'ignore' }))
    return path
  } catch {
    return undefined
  }
}

test('D3: what others deleted is gone by position, too, also when a transaction of our own has failed', async () => {
  const path = fresh()
  await using array = new DocumentArrayMemmap(path)
  await array.extend(['a', 'b', 'c', 'd'].map((id) => ({ id })))
  assert.is((await array.at(0))!.id, 'a')
  elsewhere(path, 'await array.delete("a")')
  await until(async () => (await array.at(0))!.id === 'b')
  const { write } = Environment.prototype
  Environment.prototype.write = () => {
    throw new Error('the disk fails')
  }
  try {
    assert.instance(await failure(() => array.delete('b')), StoreError)
  } finally {
    Environment.prototype.write = write
  }
  elsewhere(path, 'await array.delete("c")')
  // Nobody looks in between.
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  assert.equal([(await array.at(0))!.id, (await array.at(1))!.id, await array.length], ['b', 'd', 2])
})

test('D3: flush() resolves when all that was written before is on disk, and not before', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  await array.extend(abc)
  await array.flush()
  const { sync } = Environment.prototype
  const doors: Deferred<void>[] = []
  Environment.prototype.sync = async function (this: Environment) {
    const door = deferred<void>()
    doors.push(door)
    await door.promise
    return sync.call(this)
  }
  try {
    await array.append({ id: 'd' })
    await until(() => doors.length === 1)
    // It is written while the disk is busy with what was written before.
    await array.append({ id: 'e' })
    const flushed = array.flush()
    assert.ok(await pending(flushed))
    doors[0]!.resolve()
    await until(() => doors.length === 2)
    assert.ok(await pending(flushed), 'what it was to bring there came later than this')
    doors[1]!.resolve()
    await within(10_000, flushed)
  } finally {
    Environment.prototype.sync = sync
    for (const door of doors) door.resolve()
  }
})

test('D3: on a full disk, what was acknowledged is there, and it goes on when there is room', async () => {
  const disk = smallDisk()
  if (disk === undefined) return console.log('not tried: no file system can be mounted here')
  await using array = new DocumentArrayMemmap(`${disk}/store`)
  let acknowledged = 0
  const error = await failure(async () => {
    for (;;) {
      await array.extend(Array.from({ length: 50 }, (_, i) => ({ id: `${acknowledged + i}`, text: 'x'.repeat(1000) })))
      acknowledged += 50
    }
  })
  assert.instance(error, StoreError)
  assert.is(error.code, 'ERR_STORE_FULL')
  assert.match(error.message, `${disk}/store`)
  assert.ok(acknowledged > 1000)
  assert.is(await array.length, acknowledged)
  for (let i = 0; i < acknowledged; i += 7) assert.is((await array.get(`${i}`))!.text.length, 1000)
  let count = 0
  for await (const { text } of array) count += text.length / 1000
  assert.is(count, acknowledged)
  assert.ok(statfsSync(disk).bavail < 1000)
  execFileSync('mount', ['-o', 'remount,size=64m', disk])
  await array.append({ id: 'after', text: 'x' })
  await array.flush()
  assert.is(await array.length, acknowledged + 1)
})

test('D3: on a full disk, no store is begun, pruned or cleared, and no process ends for it', async () => {
  const disk = smallDisk()
  if (disk === undefined) return console.log('not tried: no file system can be mounted here')
  await using array = new DocumentArrayMemmap(`${disk}/store`)
  await array.append({ id: 'a', text: 'A' })
  mkdirSync(`${disk}/other`)
  const ball = openSync(`${disk}/ball`, 'w')
  assert.throws(() => {
    for (;;) writeSync(ball, Buffer.alloc(4096))
  }, /ENOSPC/)
  closeSync(ball)
  for (const failing of [() => new DocumentArrayMemmap(`${disk}/other`).open(), () => array.prune(), () => array.clear()])
    assert.is((await failure(failing)).code, 'ERR_STORE_FULL')
  assert.is((await array.get('a'))!.text, 'A')
  rmSync(`${disk}/ball`)
  await array.clear()
  assert.is(await array.length, 0)
  assert.equal(
    readdirSync(`${disk}/store`).filter((name) => name.startsWith('.')),
    [],
  )
})

test('D3: what is no store, a broken one, or one of another version is named', async () => {
  const file = folder.file('file', 'x')
  assert.match(String(await failure(() => new DocumentArrayMemmap(file).open())), /file: no folder can be made/)

  const noise = fresh()
  mkdirSync(noise)
  writeFileSync(`${noise}/documents-1.mdb`, Buffer.alloc(100_000, 7))
  const broken = await failure(() => new DocumentArrayMemmap(noise).length)
  assert.is(broken.code, 'ERR_STORE_FORMAT')
  assert.match(broken.message, noise)

  const whole = fresh()
  {
    await using array = new DocumentArrayMemmap(whole)
    await array.extend(Array.from({ length: 1000 }, () => ({ text: 'x'.repeat(1000) })))
  }
  const cut = fresh()
  cpSync(whole, cut, { recursive: true })
  rmSync(`${cut}/documents-1.mdb-lock`)
  truncateSync(`${cut}/documents-1.mdb`, 100_000)
  assert.match(String(await failure(() => new DocumentArrayMemmap(cut).get('x'))), /cut off: it has 100000 of/)

  for (const size of [1, 100, 4096, 4097, 8192]) {
    const path = fresh()
    cpSync(whole, path, { recursive: true })
    truncateSync(`${path}/documents-1.mdb`, size)
    // Without a word of ours, lmdb ends the process.
    const tried = `import { DocumentArrayMemmap } from ${JSON.stringify(codeUrl('lib/doc/index'))}
      await new DocumentArrayMemmap(${JSON.stringify(path)}).open().catch((error) => console.log(error.code))`
    assert.match(execFileSync(process.execPath, asProgram(tried), { encoding: 'utf8' }), 'ERR_STORE_FORMAT')
  }

  const later = fresh()
  cpSync(whole, later, { recursive: true })
  const environment = open<Buffer, string>({ path: `${later}/documents-1.mdb`, noSubdir: true, encoding: 'binary' } as any)
  const state = environment.get('sluice')!
  state.writeDoubleLE(9, 0)
  await environment.put('sluice', state)
  await environment.close()
  const other = await failure(() => new DocumentArrayMemmap(later).open())
  assert.is(other.code, 'ERR_STORE_FORMAT')
  assert.match(other.message, /another version of sluice: format 9, where this one reads 1/)

  const foreign = fresh()
  mkdirSync(foreign)
  const theirs = open({ path: `${foreign}/documents-1.mdb`, noSubdir: true } as any)
  await theirs.put('x', 1)
  await theirs.close()
  assert.match(String(await failure(() => new DocumentArrayMemmap(foreign).open())), /a database of lmdb, but no store/)
})

test('D3: what cannot be written is refused before anything is, and leaves the rest as it was', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  await array.extend(abc)
  const error = await failure(() => array.extend([{ id: 'd' }, { id: 'e', tags: { n: 1n } } as any]))
  assert.is(error.code, 'ERR_DOCUMENT')
  assert.match(error.message, 'document e')
  assert.is(await array.length, 3)
  assert.is((await failure(() => array.append(5 as any))).code, 'ERR_DOCUMENT')
  assert.throws(() => new DocumentArrayMemmap('' as any), /a folder such as/)
  assert.throws(() => new DocumentArrayMemmap(5 as any), /a folder such as/)
  // What a source gave before it failed stays.
  const failed = await failure(() =>
    array.extend(
      (async function* () {
        yield { id: 'f' }
        throw new Error('torn')
      })(),
    ),
  )
  assert.is(failed.message, 'torn')
  assert.is((await array.at(-1))!.id, 'f')
})

test('D3: a document of 2 GiB is refused before it is written, and what comes with it is kept', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  const huge = { id: 'huge', blob: new Uint8Array(2 ** 31 - 2 ** 20) }
  for (const failing of [() => array.append(huge), () => array.extend([{ id: 'huge', blob: huge.blob }])]) {
    const error = await failure(failing)
    assert.is(error.code, 'ERR_DOCUMENT')
    assert.match(error.message, 'document huge takes more than 2146435072 bytes')
  }
  await array.append({ id: 'b' })
  assert.is((await failure(() => array.set('b', huge))).code, 'ERR_DOCUMENT')
  assert.is(await array.length, 1)
})

test('D3: documents nested deeper than the stack, or in themselves, are refused by their names', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  const levels = 20_000
  let fields: any = { id: 'in' }
  let document = new Document({ id: 'in' })
  for (let level = 0; level < levels; level++) {
    fields = { chunks: [fields] }
    document = new Document({ chunks: [document] })
  }
  document.id = 'deep'
  const itself: any = {}
  itself.matches = [itself]
  await array.append({ id: 'a' })
  for (const [like, name] of [
    [document, 'document deep'],
    [{ ...fields, id: 'deep' }, 'document deep'],
    [{ id: 'self', chunks: [itself] }, 'document self'],
  ] as const)
    for (const [what, failing] of Object.entries({
      append: () => array.append(like),
      extend: () => array.extend(['b', like]),
      set: () => array.set('a', like),
    })) {
      const error = await failure(failing)
      assert.is(error.code, 'ERR_DOCUMENT', `${what} of ${name}: ${error}`)
      assert.match(error.message, new RegExp(`^${name}: .* can be nested 100 levels deep`))
    }
  assert.match((await failure(() => array.extend(['c', itself]))).message, /^document 1: chunks and matches can be nested/)
  assert.match((await failure(() => array.edit('a', ({ chunks }) => void chunks.push(document)))).message, /^document a: .* can be nested 100 levels deep/)
  // What came before is kept, but where it was only found as both were to be written.
  assert.equal(await array.texts, ['', 'b', 'b', 'c'])
})

test('D3: what is no id is found nowhere, and takes nothing with it that others write', async () => {
  await using array = new DocumentArrayMemmap(fresh())
  await array.append({ id: 'a', text: 'a' })
  for (const none of [undefined, null, {}, ['a']] as any[]) {
    const others = [array.append('one'), array.set('a', { id: 'a', text: 'b' })]
    for (const failing of [array.set(none, 'x'), array.edit(none, () => {})])
      assert.is(
        (
          await failing.then(
            () => assert.unreachable(),
            (error) => error,
          )
        ).code,
        'ERR_DOCUMENT',
      )
    assert.equal([await array.delete(none), await array.get(none)], [false, undefined])
    await Promise.all(others)
  }
  assert.equal([await array.length, (await array.get('a'))!.text], [5, 'b'])
})

test('D3: who closes an array twice at once leaves another of the same path open', async () => {
  const path = fresh()
  await using kept = await new DocumentArrayMemmap(path).open()
  const array = await new DocumentArrayMemmap(path).open()
  await Promise.all([array.close(), array.close()])
  await kept.append({ id: 'a' })
  assert.is(await kept.length, 1)
})

test('D3: after close() it is said that it was closed, but for who opens it anew', async () => {
  const array = new DocumentArrayMemmap(fresh())
  await array.extend(abc)
  const iterator = array[Symbol.asyncIterator]()
  await iterator.next()
  const edit = await array.edit('a')
  await array.close()
  assert.is((await failure(() => edit[Symbol.asyncDispose]())).code, 'ERR_STORE_CLOSED')
  await iterator.next()
  // Whatever is asked of it: nothing opens the files again unseen.
  for (const ask of [
    () => array.length,
    () => array.at(0),
    () => array.append('d'),
    () => array.extend(abc),
    () => array.set(0, 'd'),
    () => array.delete(0),
    () => array.clear(),
    () => array.edit(0),
    () => array.texts,
    () => array.flush(),
    () => array.prune(),
    () => array[Symbol.asyncIterator]().next(),
    () => array[seek](0)[Symbol.asyncIterator]().next(),
  ]) {
    const error = await failure(ask)
    assert.is(error.code, 'ERR_STORE_CLOSED', String(ask))
    assert.match(error.message, 'open() it again')
  }
  await array.open()
  assert.is(await array.length, 3)
  await array.close()
  await array.close()
  const unopened = new DocumentArrayMemmap(fresh())
  await unopened.close()
  assert.is((await failure(() => unopened.length)).code, 'ERR_STORE_CLOSED')
})

test('D3: a store that another process has just begun, or that one that was killed had begun, is opened', async () => {
  for (const names of [[], ['documents'], ['documents', 'ids', 'twins', 'holes']]) {
    const path = fresh()
    mkdirSync(path)
    const root = open<Buffer, string>({ path: `${path}/documents-1.mdb`, noSubdir: true, encoding: 'binary', maxDbs: 8 } as any)
    for (const name of names) root.openDB({ name, encoding: 'binary' } as any)
    await root.close()
    await using array = new DocumentArrayMemmap(path)
    await array.append('a')
    assert.is(await array.length, 1)
  }
})

test('D3: a folder with files of somebody else is named, and left as it is', async () => {
  const path = fresh()
  mkdirSync(path)
  for (const name of ['notes.txt', 'data.mdb', 'lock.mdb', 'more']) writeFileSync(`${path}/${name}`, 'mine')
  const error = await failure(() => new DocumentArrayMemmap(path).open())
  assert.is(error.code, 'ERR_STORE_FORMAT')
  assert.is(error.path, path)
  assert.match(
    error.message,
    /no store of documents, and there are other files in it \("data.mdb", "lock.mdb", "more" and 1 more\): give it a folder of its own/,
  )
  assert.equal(readdirSync(path).sort(), ['data.mdb', 'lock.mdb', 'more', 'notes.txt'])
  // What systems leave in a folder is nobody's, and what others put beside a store later is no reason to refuse it.
  const own = fresh()
  mkdirSync(`${own}/lost+found`, { recursive: true })
  writeFileSync(`${own}/.gitignore`, '*')
  {
    await using array = new DocumentArrayMemmap(own)
    await array.extend(abc)
  }
  writeFileSync(`${own}/notes.txt`, 'mine')
  await using array = new DocumentArrayMemmap(own)
  assert.is(await array.length, 3)
})

test('D3: an executor keeps documents in one, and finds them by id', async () => {
  const path = fresh()
  class Keep extends Executor {
    static requests = { '/index': 'index', '/search': 'search' }
    readonly array = new DocumentArrayMemmap(path)
    async index({ docs }: Call): Promise<void> {
      await this.array.extend(docs)
    }
    async search({ docs }: Call): Promise<void> {
      for (const doc of docs) {
        const found = await this.array.get(doc.text)
        if (found !== undefined) doc.matches.append(found.clone())
      }
    }
    override async close(): Promise<void> {
      await this.array.close()
    }
  }
  {
    await using flow = await new Flow().add({ uses: Keep }).open()
    await flow
      .post(
        '/index',
        Array.from({ length: 500 }, (_, i) => ({ id: `${i}`, text: `text ${i}` })),
      )
      .drain()
    const [found] = await flow.post('/search', ['77']).docs()
    assert.is(found!.matches[0]!.text, 'text 77')
  }
  await using array = new DocumentArrayMemmap(path)
  assert.is(await array.length, 500)
})

test('D3: sluice/doc asks for lmdb when an array opens, and says how to get it', () => {
  const asModule = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`
  const hook = asModule('export async function resolve(name, context, next) { if (name === "lmdb") throw new Error("not here"); return next(name, context) }')
  const program = `import { register } from 'node:module'
    register(${JSON.stringify(hook)})
    const { DocumentArrayMemmap } = await import(${JSON.stringify(codeUrl('lib/doc/index'))})
    const array = new DocumentArrayMemmap('${fresh()}')
    await array.append('x').catch((error) => console.log(error.code, error.dependency, error.message))`
  const stdout = execFileSync(process.execPath, asProgram(program), { encoding: 'utf8' })
  assert.match(stdout, /ERR_DEPENDENCY lmdb .*npm install lmdb/)
})

test.run()
