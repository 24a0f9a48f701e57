import { createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import { PassThrough, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Call, Document, DocumentArray, DocumentError, Flow, ParseError } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import { Folder } from '../support/folder.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const folder = new Folder()
const some = () =>
  DocumentArray.from([
    { id: 'a', text: 'one\ntwo' },
    { id: 'b', blob: Uint8Array.of(0, 255), tags: { n: [1, { deep: true }] }, matches: [{ id: 'c', weight: 0.5 }] },
  ])
const lines = '{"id":"a","text":"one\\ntwo"}\n{"id":"b","blob":"AP8=","tags":{"n":[1,{"deep":true}]},"matches":[{"id":"c","weight":0.5}]}\n'
const rejection = async (promise: Promise<unknown>): Promise<any> =>
  within(5_000, promise).then(
    () => assert.unreachable('it did not reject'),
    (error) => error,
  )

for (const name of ['a.ndjson', 'a.jsonl', 'a', 'a.json', 'A.JSON']) {
  test(`D2: what is saved to ${name} is loaded again`, async () => {
    const path = folder.file(name)
    await some().save(path)
    if (!/json$/i.test(name) || name === 'a.ndjson') assert.is(readFileSync(path, 'utf8'), lines)
    else assert.equal(JSON.parse(readFileSync(path, 'utf8')), JSON.parse(JSON.stringify(some())))
    const loaded = await DocumentArray.load(path)
    assert.instance(loaded, DocumentArray)
    assert.equal(JSON.stringify(loaded), JSON.stringify(some()))
    assert.equal(JSON.stringify(await DocumentArray.load(pathToFileURL(path))), JSON.stringify(some()))
  })
}

test('D2: format goes over the extension', async () => {
  const path = folder.file('format.json')
  await some().save(path, { format: 'ndjson' })
  assert.is(readFileSync(path, 'utf8'), lines)
  assert.is((await DocumentArray.load(path, { format: 'ndjson' })).length, 2)
})

test('D2: an empty array is saved as such, and a path is written over', async () => {
  for (const name of ['e.ndjson', 'e.json']) {
    const path = folder.file(name, 'something longer that was there before')
    await new DocumentArray().save(path)
    assert.is(readFileSync(path, 'utf8'), name === 'e.json' ? '[]\n' : '')
    assert.is((await DocumentArray.load(path)).length, 0)
  }
})

test('D2: an array larger than one write arrives whole', async () => {
  const many = DocumentArray.from(Array.from({ length: 5_000 }, (_, i) => ({ id: String(i), text: 'é'.repeat(i % 200) })))
  for (const name of ['many.ndjson', 'many.json']) {
    const path = folder.file(name)
    await many.save(path)
    assert.equal((await DocumentArray.load(path)).texts, many.texts)
  }
})

test('D2, R73: a stream is written to with its backpressure, and left open', async () => {
  const doors = [deferred<void>(), deferred<void>()]
  let text = ''
  let writes = 0
  const stream = new Writable({
    write(chunk, _, callback) {
      text += chunk
      void doors[writes++]!.promise.then(() => callback())
    },
  })
  let saved = false
  const saving = some()
    .save(stream)
    .then(() => {
      saved = true
    })
  await until(() => writes > 0)
  assert.not(saved)
  doors[0]!.resolve()
  await within(5_000, saving)
  doors[1]!.resolve()
  await some().save(stream)
  assert.is(text, lines + lines)
  assert.not(stream.writableEnded)
  assert.equal([stream.listenerCount('error'), stream.listenerCount('close')], [0, 0])
})

test('D2: saves to one stream at the same time keep their lines whole', async () => {
  for (const web of [false, true]) {
    let text = ''
    const decoder = new TextDecoder()
    const stream = web
      ? new WritableStream<Uint8Array>({ write: (chunk) => void (text += decoder.decode(chunk)) })
      : new PassThrough().on('data', (chunk) => {
          text += chunk
        })
    const arrays = Array.from({ length: 4 }, (_, a) => DocumentArray.from(Array.from({ length: 3_000 }, (_, i) => ({ id: `${a}.${i}`, text: 'some text' }))))
    await Promise.all(arrays.map((array) => array.save(stream)))
    const loaded = await DocumentArray.load([text])
    assert.is(loaded.length, 12_000)
    assert.is(new Set(loaded.map(({ id }) => id)).size, 12_000)
  }
})

test('D2: onAlways can save every response', async () => {
  const path = folder.file('responses.ndjson')
  const exclaim = ({ docs }: Call) => {
    for (const document of docs) document.text += '!'
  }
  const stream = createWriteStream(path)
  const flow = await new Flow().add({ uses: exclaim }).open()
  const inputs = Array.from({ length: 250 }, (_, i) => String(i))
  for await (const _ of flow.post('/', inputs, { requestSize: 10, onAlways: (response) => response.docs.save(stream) }));
  await flow.close()
  stream.end()
  await finished(stream)
  assert.equal((await DocumentArray.load(path)).texts.sort(), inputs.map((text) => `${text}!`).sort())
})

test('R73: a write that fails rejects, and crashes nothing', async () => {
  const failure = new Error('disk is full')
  const failing = new Writable({ write: (_chunk, _encoding, callback) => callback(failure) })
  assert.is(await rejection(some().save(failing)), failure)
  assert.is((await rejection(some().save(failing))).code, 'ERR_STREAM_DESTROYED')
  const ended = new PassThrough()
  ended.end()
  assert.is((await rejection(some().save(ended))).code, 'ERR_STREAM_WRITE_AFTER_END')
  const web = new WritableStream<Uint8Array>({
    write() {
      throw failure
    },
  })
  assert.is(await rejection(some().save(web)), failure)
  const hanging = new Writable({ write() {} })
  const saving = rejection(some().save(hanging))
  setImmediate(() => hanging.destroy())
  assert.match((await saving).message, /closed|destroyed/)
  await new Promise((resolve) => setImmediate(resolve))
})

test('R73: a path that cannot be written rejects with the platform’s error', async () => {
  assert.is((await rejection(some().save('/nowhere/at/all.ndjson'))).code, 'ENOENT')
  mkdirSync(folder.file('taken.ndjson'))
  assert.is((await rejection(some().save(folder.file('taken.ndjson')))).code, 'EISDIR')
  if (process.platform === 'linux') assert.is((await rejection(some().save('/dev/full'))).code, 'ENOSPC')
})

test('what is no JSON is named', async () => {
  const wrong = DocumentArray.from([{ id: 'fine' }, { id: 'big', tags: { n: 1n } }])
  const error = await rejection(wrong.save(folder.file('wrong.ndjson')))
  assert.instance(error, DocumentError)
  assert.match(error.message, /Document 1 \(big\) cannot be written as JSON/)
})

for (const name of ['numbers.ndjson', 'numbers.json'])
  test(`158: numbers that JSON does not have are saved to ${name} and loaded again as they were`, async () => {
    const path = folder.file(name)
    const numbers = [Number.NaN, Infinity, -Infinity, 0.5]
    const given = numbers.map((n) => ({
      weight: n,
      offset: n,
      location: [1, n],
      scores: { cos: { value: n, opName: 'x' } },
      evaluations: { recall: n },
      tensor: { data: Float64Array.of(n), shape: [] },
      embedding: Float64Array.of(n, 1),
      chunks: [{ weight: n }],
    }))
    await DocumentArray.from(given).save(path)
    const loaded = await DocumentArray.load(path)
    loaded.forEach((document, at) => {
      const n = numbers[at]!
      assert.equal([document.weight, document.offset, document.location], [n, n, [1, n]])
      assert.equal([document.scores, document.evaluations], [{ cos: { value: n, opName: 'x' } }, { recall: { value: n } }])
      assert.equal([document.tensor!.shape, [...document.tensor!.data], [...document.embedding!.data]], [[], [n], [n, 1]])
      assert.equal([document.chunks[0]!.weight], [n])
      assert.equal(new Document(document.toJSON()).toJSON(), document.toJSON())
    })
    assert.match(readFileSync(path, 'utf8'), /"weight":"NaN".*"weight":"Infinity".*"weight":"-Infinity".*"weight":0.5/s)
    for (const text of ['nan', 'inf', '1', '+Infinity', '']) assert.throws(() => new Document({ weight: text as any }), /weight must be a number/)
    for (const list of [['NaN', 'x'], ['1']]) {
      assert.throws(() => new Document({ location: list as any }), /location must be a list of numbers/)
      assert.throws(() => new Document({ embedding: list as any }), /embedding must hold numbers only/)
    }
  })

test('158, 178: what a file would hold as nothing, or as null, is refused by its place', async () => {
  const nothing: [unknown, string][] = [
    [Number.NaN, 'tags.of is NaN'],
    [[1, -Infinity], 'tags.of[1] is -Infinity'],
    [Float32Array.of(1, Infinity), 'tags.of[1] is Infinity'],
    [new Map([['a', 1]]), 'tags.of is a Map'],
    [{ inner: new Set([1]) }, 'tags.of.inner is a Set'],
    [new Error('lost'), 'tags.of is a Error'],
    [/a/, 'tags.of is a RegExp'],
    [5n, 'tags.of is a bigint'],
  ]
  for (const [of, place] of nothing)
    for (const document of [
      { id: 'a', tags: { of } },
      { id: 'a', chunks: [{ matches: [{ tags: { of } }] }] },
    ]) {
      const error = await rejection(DocumentArray.from([document]).save(folder.file('refused.ndjson')))
      assert.instance(error, DocumentError)
      assert.ok(error.message.startsWith(`Document 0 (a) cannot be written as JSON: ${place}, which JSON does not have: make it `), error.message)
    }
  const kept = new DocumentArray()
  kept.append({ tags: { bytes: Buffer.of(1, 2), vector: Float32Array.of(0.5), big: BigInt64Array.of(3n), date: new Date(0), nothing: undefined } })
  await kept.save(folder.file('kept.ndjson'))
  const [loaded] = await DocumentArray.load(folder.file('kept.ndjson'))
  assert.equal(loaded!.tags, { bytes: [1, 2], vector: [0.5], big: [3], date: '1970-01-01T00:00:00.000Z' })
})

test('D4: broken files are told by file, line and column', async () => {
  const path = folder.file('broken.json', '[\n{"id":"a"},\n{"id":}\n]\n')
  const error = await rejection(DocumentArray.load(path))
  assert.instance(error, ParseError)
  assert.equal([error.file, error.line, error.column], [path, 3, 7])
  assert.match((await rejection(DocumentArray.load(folder.file('object.json', '{"id":"a"}')))).message, /object\.json:1:1: the file must hold an array/)
  const bad = folder.file('bad.json', '[{"id":"a"}, 5, {"id":"b"}]')
  assert.match((await rejection(DocumentArray.load(bad))).message, /bad\.json:1: document 1: .*not from 5/)
  const errors: ParseError[] = []
  assert.is((await DocumentArray.load(bad, { onInvalid: (error) => errors.push(error) })).length, 2)
  assert.is(errors.length, 1)
  assert.is((await rejection(DocumentArray.load(['"a"\n{\n']))).line, 2)
})

test('targets, sources and options are checked', async () => {
  for (const target of [undefined, null, 5, {}]) assert.is((await rejection(some().save(target as any))).code, 'ERR_OPTION_TYPE')
  for (const options of [{ format: 'xml' }, { fromat: 'json' }]) {
    assert.is((await rejection(some().save(folder.file('never'), options as any))).code, 'ERR_OPTION_TYPE')
    assert.is((await rejection(DocumentArray.load(['"a"'], options as any))).code, 'ERR_OPTION_TYPE')
  }
  assert.is((await rejection(DocumentArray.load(5 as any))).code, 'ERR_OPTION_TYPE')
  assert.instance((await DocumentArray.load(['"a"']))[0], Document)
})

test.run()
