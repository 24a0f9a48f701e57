import { closeSync, createReadStream, openSync, readdirSync, readlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Document,
  DocumentError,
  fromCsv,
  fromFiles,
  fromLines,
  fromNdarray,
  fromNdjson,
  InputError,
  ParseError,
  type TextSource,
} from '../../lib/index.js'
import { collect } from '../support/collect.js'
import { Folder } from '../support/folder.js'
import { Source } from '../support/source.js'
import { within } from '../support/within.js'

const folder = new Folder()
const bytes = (text: string, encoding: BufferEncoding = 'utf8'): Uint8Array => new Uint8Array(Buffer.from(text, encoding))
const textsOf = async (documents: AsyncIterable<Document>): Promise<string[]> => (await collect(documents)).items.map(({ text }) => text)

/** Every way to give a text: D4. */
const ways: Record<string, (text: string, name: string) => TextSource> = {
  'a path': (text, name) => folder.file(name, text),
  'a file: URL': (text, name) => pathToFileURL(folder.file(name, text)),
  'the text of a file: URL': (text, name) => pathToFileURL(folder.file(name, text)).href,
  'a Node stream': (text, name) => createReadStream(folder.file(name, text), { highWaterMark: 3 }),
  'a Node stream of texts': (text, name) => createReadStream(folder.file(name, text), { highWaterMark: 3, encoding: 'utf8' }),
  'a web stream': (text, name) => Readable.toWeb(createReadStream(folder.file(name, text), { highWaterMark: 3 })) as unknown as AsyncIterable<Uint8Array>,
  'a Blob': (text) => new Blob([text]),
  'an array of one text': (text) => [text],
  'code units one by one': (text) => Array.from({ length: text.length }, (_, at) => text[at]!),
  'bytes one by one': (text) => Array.from(bytes(text), (byte) => Uint8Array.of(byte)),
  'an async generator': async function* (this: unknown, text: string) {
    yield* bytes(text).length > 0 ? [bytes(text)] : []
  } as (text: string) => TextSource,
}

for (const [way, give] of Object.entries(ways)) {
  test(`D4: lines, NDJSON and CSV come from ${way}`, async () => {
    assert.equal(await textsOf(fromLines(give('one\ntwo ü€𝄞\n', 'a.txt'))), ['one', 'two ü€𝄞'])
    assert.equal(await textsOf(fromNdjson(give('{"text":"one"}\n"two 𝄞"\n', 'a.ndjson'))), ['one', 'two 𝄞'])
    assert.equal(await textsOf(fromCsv(give('text,a\none,1\n"two\n𝄞",2\n', 'a.csv'))), ['one', 'two\n𝄞'])
  })
}

test('D4: lines are what is between line ends; blank ones count, a last line feed begins none', async () => {
  assert.equal(await textsOf(fromLines(['a\r\n\n b \r\nc'])), ['a', '', ' b ', 'c'])
  assert.equal(await textsOf(fromLines(['a\nb\rc\n'])), ['a', 'b\rc'])
})

test('R89: an empty file gives nothing', async () => {
  const path = folder.file('empty', '')
  for (const from of [fromLines, fromNdjson, fromCsv]) {
    assert.equal(await collect(from(path)), { items: [], error: undefined })
    assert.equal(await collect(from([])), { items: [], error: undefined })
    assert.equal(await collect(from(['\ufeff'])), { items: [], error: undefined })
  }
})

test('R89: a byte order mark is dropped at the beginning, and nowhere else', async () => {
  assert.equal(await textsOf(fromLines(folder.file('bom.txt', '\ufeffa\n\ufeffb\n'))), ['a', '\ufeffb'])
  assert.equal(await textsOf(fromLines(['\ufeffa\n', '\ufeffb\n'])), ['a', '\ufeffb'])
  assert.equal(await textsOf(fromNdjson([bytes('\ufeff'), bytes('"a"\n')])), ['a'])
  assert.equal(await textsOf(fromCsv(['\ufeff"text"\na\n'])), ['a'])
})

test('R89: CRLF and LF may be mixed', async () => {
  assert.equal(await textsOf(fromNdjson(['"a"\r\n\r\n"b"\n'])), ['a', 'b'])
  assert.equal(await textsOf(fromCsv(['text,n\r\na,1\n\r\n"b\r\nc",2\r\n'])), ['a', 'b\r\nc'])
})

test('R89: latin-1 is an error with file, line and column, after the documents before it', async () => {
  const path = folder.file('latin.txt', bytes('ok\nauch ok\nd\xe9j\xe0\nmore\n', 'latin1'))
  const { items, error } = await collect(fromLines(path))
  assert.equal(
    items.map(({ text }) => text),
    ['ok', 'auch ok'],
  )
  assert.instance(error, ParseError)
  assert.is(error.code, 'ERR_PARSE')
  assert.equal([error.file, error.line, error.column], [path, 3, 2])
  assert.match(error.message, `${path}:3:2: not UTF-8`)
})

test('R89: onInvalid leaves the line out that is not UTF-8, wherever chunks are cut', async () => {
  const text = bytes('a\n\xff\nb\xac\n\xe2\x82', 'latin1')
  for (const chunks of [[text], Array.from(text, (byte) => Uint8Array.of(byte))]) {
    const errors: ParseError[] = []
    const texts = await textsOf(fromLines(chunks, { onInvalid: (error) => errors.push(error) }))
    assert.equal(texts, ['a'])
    assert.equal(
      errors.map(({ line, column }) => [line, column]),
      [
        [2, 1],
        [3, 2],
        [4, 1],
      ],
    )
  }
})

test('R89: a gigabyte without a line end is refused, and not read into memory', async () => {
  const path = folder.file('huge', 'text')
  truncateSync(path, 2 ** 30)
  for (const from of [fromLines, fromNdjson, fromCsv]) {
    const before = process.memoryUsage().rss
    const { items, error } = await within(5_000, collect(from(path)))
    assert.is(items.length, 0)
    assert.match(error.message, /huge:1: longer than 16777216 bytes.*maxLength/)
    assert.ok(process.memoryUsage().rss - before < 150e6)
  }
})

test('R89: large inputs stream in constant memory', async () => {
  const block = bytes(`"${'x'.repeat(1022)}"\n`.repeat(64))
  function* chunks(): Generator<Uint8Array> {
    for (let i = 0; i < 4_000; i++) yield block
  }
  let count = 0
  let top = 0
  let base = 0
  for await (const _ of fromNdjson(chunks())) {
    if (++count % 10_000 !== 0) continue
    const { rss } = process.memoryUsage()
    if (count === 50_000) base = rss
    top = Math.max(top, rss)
  }
  assert.is(count, 256_000)
  assert.ok(top - base < 60e6, `grew by ${top - base}`)
})

test('D4: maxLength is exact, and counts bytes', async () => {
  for (const cut of [1, 2, 100]) {
    const text = bytes('12345\n1234€\nok\nlonger\n')
    const chunks = Array.from({ length: Math.ceil(text.length / cut) }, (_, i) => text.subarray(i * cut, (i + 1) * cut))
    const errors: number[] = []
    const texts = await textsOf(fromLines(chunks, { maxLength: 6, onInvalid: ({ line }) => errors.push(line) }))
    assert.equal(texts, ['12345', 'ok'])
    assert.equal(errors, [2, 4])
  }
})

test('D4: a bad line of NDJSON is an error with file, line and column, after the documents before it', async () => {
  const path = folder.file('bad.ndjson', '{"text":"a"}\n\n{"text":}\n{"text":"b"}\n')
  const { items, error } = await collect(fromNdjson(path))
  assert.equal(
    items.map(({ text }) => text),
    ['a'],
  )
  assert.instance(error, ParseError)
  assert.equal([error.code, error.file, error.line, error.column], ['ERR_PARSE', path, 3, 9])
  assert.instance(error.cause, SyntaxError)
})

for (const [line, column] of [
  ['{"a":trux}', 9],
  ['{"a":tru', 9],
  ['[1,,2]', 4],
  ['{"a" 1}', 6],
  ['{a:1}', 2],
  ['{"a":1} x', 9],
  ['{"text":"\\x"}', 11],
  ['"open', 6],
  ['nope', 2],
  ['-', 2],
] as const) {
  test(`D4: the column of ${line} is ${column}`, async () => {
    const { error } = await collect(fromNdjson([line]))
    assert.equal([error.line, error.column], [1, column])
  })
}

test('D4: with onInvalid bad lines are skipped and told, in order', async () => {
  const story: unknown[] = []
  const source = ['"a"\n{\n"b"\n[]\n17\nnull\n{"weight":"heavy"}\n{"chunks":[{"blob":"?"}]}\n"c"\n']
  for await (const { text } of fromNdjson(source, { onInvalid: (error) => story.push([error.line, (error.cause as Error).name]) })) story.push(text)
  assert.equal(story, [
    'a',
    [2, 'SyntaxError'],
    'b',
    [4, 'DocumentError'],
    [5, 'DocumentError'],
    [6, 'DocumentError'],
    [7, 'DocumentError'],
    [8, 'DocumentError'],
    'c',
  ])
})

test('R98: the error names the field that is wrong', async () => {
  for (const [json, field] of [
    ['{"blob":"@@"}', 'blob'],
    ['{"tensor":[[1],[2,3]]}', 'tensor'],
    ['{"embedding":["a"]}', 'embedding'],
    ['{"granularity":-1}', 'granularity'],
    ['{"scores":{"cos":{}}}', 'scores.cos.value'],
    [`{"tensor":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'tensor'],
  ] as const) {
    const { error } = await collect(fromNdjson([json]))
    assert.instance(error, ParseError)
    assert.instance(error.cause, DocumentError)
    assert.ok(error.message.includes(field), error.message)
  }
})

test('D4: what onInvalid throws ends the iteration, and closes the source', async () => {
  const stop = new Error('enough')
  const source = new Source(['{\n', '"a"\n'])
  const { items, error } = await collect(
    fromNdjson(source, {
      onInvalid: () => {
        throw stop
      },
    }),
  )
  assert.equal([items.length, error, source.returns], [0, stop, 1])
})

test('D4, R97: NDJSON takes the names of Jina and keeps unknown keys as tags', async () => {
  const { items } = await collect(
    fromNdjson(['{"mime_type":"text/plain","parent_id":"p","scores":{"cos":{"value":1,"op_name":"x","ref_id":"r"}},"prop1":5,"uri":null}']),
  )
  const [document] = items
  assert.equal([document!.mimeType, document!.parentId, document!.uri], ['text/plain', 'p', undefined])
  assert.equal(document!.scores, { cos: { value: 1, opName: 'x', refId: 'r' } })
  assert.equal(document!.tags, { prop1: 5 })
})

test('R81: keys that name prototypes do no harm', async () => {
  const errors: ParseError[] = []
  const json = '{"__proto__":{"polluted":1}}\n{"constructor":{"prototype":{"polluted":1}},"tags":{"__proto__":{"polluted":1}}}\n'
  const { items } = await collect(fromNdjson([json], { onInvalid: (error) => errors.push(error) }))
  assert.is(({} as any).polluted, undefined)
  assert.is(errors.length, 1)
  assert.is((items[0]!.clone().merge(items[0]!.clone()).tags as any).polluted, undefined)
  const csv = await collect(fromCsv(['constructor,__proto__\n1,2\n']))
  assert.match(csv.error.message, /^input:1:13: .*__proto__/)
  const { items: rows } = await collect(fromCsv(['constructor,toString\n1,2\n']))
  assert.equal(Object.entries(rows[0]!.tags), [
    ['constructor', '1'],
    ['toString', '2'],
  ])
})

test('D4: fieldResolver maps columns to fields, other columns go to tags', async () => {
  const csv = 'question,category,weight,id,Vector,empty\nwhy?,a,0.5,x,"[1,2]",\nhow?,b,,,,\n'
  const { items } = await collect(fromCsv([csv], { fieldResolver: { question: 'text', category: 'label', Vector: 'embedding' } }))
  assert.equal(items[0]!.toJSON(), { id: 'x', text: 'why?', embedding: [1, 2], weight: 0.5, tags: { label: 'a', empty: '' } })
  assert.equal([items[1]!.text, items[1]!.weight, items[1]!.embedding, items[1]!.id.length], ['how?', undefined, undefined, 32])
})

test('D4: a header of its own, and another delimiter', async () => {
  const { items } = await collect(fromCsv(['a\t"b\tc"\n\t\n\n'], { delimiter: '\t', header: ['text', 'rest'] }))
  assert.is(items.length, 2, 'a row of empty cells is a row, an empty line is none')
  assert.equal([items[0]!.text, items[0]!.tags], ['a', { rest: 'b\tc' }])
})

for (const [row, line, column, message] of [
  ['1,abc,x', 3, 3, /"weight": must be a number, not "abc"/],
  ['"a\nb",0x10,x', 4, 4, /must be a number/],
  ['"a,b",abc,x', 3, 7, /must be a number/],
  ['1,2', 3, 4, /a row of 2 cells, where there are 3 columns/],
  ['1,2,3,4', 3, 7, /a row of 4 cells, where there are 3 columns/],
  ['1,2,5" disk', 3, 5, /quote inside a cell/],
  ['"1"x,2,3', 3, 1, /behind a closing quote/],
  ['1,2,-1', 3, 5, /granularity must be an integer/],
  ['1,2,"', 3, 5, /a quote opens here and is not closed before the end/],
] as const) {
  test(`D4: the row ${JSON.stringify(row)} is an error at ${line}:${column}, and the others are kept`, async () => {
    const csv = `text,weight,granularity\nfirst,1,0\n${row}\nlast,2,0\n`
    const path = folder.file('row.csv', csv.replaceAll('\n', '\r\n'))
    const strict = await collect(fromCsv(path))
    assert.equal(
      strict.items.map(({ text }) => text),
      ['first'],
    )
    assert.instance(strict.error, ParseError)
    assert.equal([strict.error.file, strict.error.line, strict.error.column], [path, line, column])
    assert.match(strict.error.message, message)
    const errors: ParseError[] = []
    const { items } = await collect(fromCsv(path, { onInvalid: (error) => errors.push(error) }))
    assert.equal(
      items.map(({ text }) => text),
      ['first', 'last'],
    )
    assert.is(errors.length, 1)
  })
}

test('D4: a row with a line that is not UTF-8 is left out whole, and lines are still counted right', async () => {
  const errors: ParseError[] = []
  const csv = bytes('text,n\n"a\n\xe9\nb",1\nc,2\nd\n', 'latin1')
  const texts = await textsOf(fromCsv([csv], { onInvalid: (error) => errors.push(error) }))
  assert.equal(texts, ['c'])
  assert.equal(
    errors.map(({ line }) => line),
    [3, 4, 6],
  )
})

test('D4: errors in the header are not skipped', async () => {
  for (const [csv, options, message] of [
    ['a,b\n1,2\n', { fieldResolver: { c: 'text' } }, /input:1:1: there is no column "c".*there are "a", "b"/],
    ['a,a\n1,2\n', {}, /input:1:3: the columns "a" and "a" both fill "a"/],
    ['text,q\n1,2\n', { fieldResolver: { q: 'text' } }, /input:1:6: the columns "text" and "q" both fill "text"/],
  ] as const) {
    const { items, error } = await collect(fromCsv([csv], { ...options, onInvalid: () => assert.unreachable() }))
    assert.is(items.length, 0)
    assert.match(error.message, message)
  }
})

test('D4: a quote that is never closed is found without reading all behind it', async () => {
  const errors: ParseError[] = []
  const csv = `text\n"open\n${'fill\n'.repeat(1000)}`
  const texts = await textsOf(fromCsv([csv], { maxLength: 1000, onInvalid: (error) => errors.push(error) }))
  assert.is(texts.length, 1000)
  assert.equal(
    errors.map(({ line, column, message }) => [line, column, /within 1000 bytes/.test(message)]),
    [[2, 1, true]],
  )
})

test('D4: any table survives CSV, however it is cut', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r\n', ' ', 'é', '𝄞'), maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(cell, cell), { maxLength: 8 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom('\n', '\r\n'),
      async (rows, size, end) => {
        const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`
        const text = bytes(['x,y', ...rows.map((row) => row.map(quote).join(','))].join(end))
        const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.subarray(i * size, (i + 1) * size))
        const { items, error } = await collect(fromCsv(chunks))
        assert.is(error, undefined)
        assert.equal(
          items.map(({ tags }) => [tags.x, tags.y]),
          rows,
        )
      },
    ),
    { numRuns: 200 },
  )
})

const tree = (): void => {
  folder.file('tree/b.PNG', Uint8Array.of(1, 2))
  folder.file('tree/a.txt', '\ufefftext ü')
  folder.file('tree/deep/c.txt', bytes('\xe9', 'latin1'))
  folder.file('tree/.hidden', 'x')
  folder.file('tree/Z', 'x')
}

test('D4: files come sorted, with uri and type, and are not read unless told', async () => {
  tree()
  const cwd = folder.path
  const { items } = await collect(fromFiles(['tree/*', 'tree/a*', '!tree/*.none', 'tree/**'], { cwd }))
  assert.equal(
    items.map(({ uri, mimeType, contentType }) => [uri!.slice(cwd.length + 1), mimeType, contentType]),
    [
      ['tree/Z', undefined, undefined],
      ['tree/a.txt', 'text/plain', undefined],
      ['tree/b.PNG', 'image/png', undefined],
      ['tree/deep/c.txt', 'text/plain', undefined],
    ],
  )
  assert.is((await collect(fromFiles('tree/**', { cwd, recursive: false }))).items.length, 3)
  assert.is((await collect(fromFiles('tree', { cwd }))).items.length, 4)
  assert.is((await collect(fromFiles('tree/*.none', { cwd, allowEmpty: true }))).items.length, 0)
})

test('D4: files are read as bytes or text', async () => {
  tree()
  const cwd = folder.path
  const [png] = (await collect(fromFiles('tree/*.PNG', { cwd, read: 'blob' }))).items
  assert.equal([...png!.blob!], [1, 2])
  assert.equal(await textsOf(fromFiles('tree/*.txt', { cwd, read: 'text' })), ['text ü'])
  const { error } = await collect(fromFiles('tree/**/*.txt', { cwd, read: 'text' }))
  assert.match(error.message, /c\.txt:1:1: not UTF-8/)
  const errors: ParseError[] = []
  assert.equal(await textsOf(fromFiles('tree/**/*.txt', { cwd, read: 'text', onInvalid: (error) => errors.push(error) })), ['text ü'])
  assert.is(errors.length, 1)
})

test('D4: rows of a tensor are views of it', async () => {
  const data = Float32Array.from({ length: 12 }, (_, i) => i)
  const { items } = await collect(fromNdarray({ data, shape: [3, 2, 2] }))
  assert.equal(
    items.map(({ tensor }) => [...tensor!.data]),
    [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9, 10, 11],
    ],
  )
  assert.equal(items[0]!.tensor!.shape, [2, 2])
  assert.is(items[1]!.tensor!.data.buffer, data.buffer)
  data[4] = -1
  assert.is(items[1]!.tensor!.data[0], -1)
})

test('D4: rows come from nested lists and iterables too, into an embedding if told', async () => {
  const lists = await collect(
    fromNdarray([
      [1, 2],
      [3, 4],
    ]),
  )
  assert.equal(
    lists.items.map(({ tensor }) => [...tensor!.data]),
    [
      [1, 2],
      [3, 4],
    ],
  )
  const row = Uint8Array.of(1, 2)
  for (const rows of [[row], new Set([row]), new Source([row])]) {
    const { items } = await collect(fromNdarray(rows, { field: 'embedding' }))
    assert.is(items[0]!.embedding!.data, row)
    assert.is(items[0]!.tensor, undefined)
  }
})

test('R98: what has no rows is refused', async () => {
  for (const wrong of [new Float32Array(3), { data: new Float32Array(3), shape: [3] }, { data: new Float32Array(3), shape: [2, 2] }, 5, null, {}])
    assert.throws(
      () => fromNdarray(wrong as any),
      (error: unknown) => error instanceof DocumentError,
    )
  const { items, error } = await collect(fromNdarray([[1], ['a']] as any))
  assert.is(items.length, 1)
  assert.match(error.message, /^Row 1: tensor must hold numbers/)
})

/** How many handles of this process lead to a file. */
function handles(path: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  }).length
}

if (process.platform === 'linux') {
  test('R1, R2: an early break has closed the file when it is over', async () => {
    const path = folder.file('many.txt', 'text\n'.repeat(50_000))
    const probe = openSync(path, 'r')
    assert.is(handles(path), 1)
    closeSync(probe)
    for (const from of [fromLines, fromCsv]) {
      for await (const _ of from(path)) {
        assert.is(handles(path), 1)
        break
      }
      assert.is(handles(path), 0)
    }
    const { error } = await collect(fromNdjson(path))
    assert.instance(error, ParseError)
    assert.is(handles(path), 0)
  })
} else console.log('skipped: open files can be counted on Linux only')

test('R1, R2: a source is closed exactly once, and break waits for it', async () => {
  for (const from of [fromLines, fromNdjson, fromCsv]) {
    let closed = false
    const source = new Source(['"text"\n', '"a"\n', '"b"\n'], {
      closed: async () => {
        await new Promise((resolve) => setImmediate(resolve))
        closed = true
      },
    })
    for await (const _ of from(source)) break
    assert.equal([source.returns, closed], [1, true])
  }
})

test('R1: a generator that is never started opens nothing', async () => {
  const source = new Source(['a\n'])
  const lines = fromLines(source)
  await lines.return()
  assert.equal([source.opened, source.returns], [0, 0])
  await fromLines('/nowhere/at/all').return()
})

test('R1: a Node stream is destroyed by an early break', async () => {
  const stream = Readable.from(['a\n', 'b\n'])
  for await (const _ of fromLines(stream)) break
  assert.ok(stream.destroyed)
})

test("a source's own failure is passed on, after the lines before it", async () => {
  const failure = new Error('line is down')
  const source = new Source(['a\nb\nha'], {
    before: (read) => {
      if (read === 1) throw failure
    },
  })
  const { items, error } = await collect(fromLines(source))
  assert.is(error, failure)
  assert.equal(
    items.map(({ text }) => text),
    ['a', 'b'],
  )
})

test('R18, R19: chunks that are none are refused', async () => {
  for (const chunk of [null, undefined, Number.NaN, 5, {}, new Float32Array(1), new ArrayBuffer(1)]) {
    const { error } = await collect(fromLines([chunk] as any))
    assert.instance(error, InputError)
    assert.match(error.message, /strings or Uint8Arrays, not/)
  }
  assert.equal(await textsOf(fromLines(['', 'a', '', new Uint8Array(0)])), ['a'])
  const { error } = await collect(fromLines({ [Symbol.asyncIterator]: () => ({ next: async () => 5 }) } as any))
  assert.instance(error, TypeError)
})

test('sources and options are checked at the call', () => {
  for (const source of [undefined, null, 5, {}, bytes('a'), new URL('https://example.org/a')])
    assert.throws(
      () => fromLines(source as any),
      (error: any) => error.code === 'ERR_OPTION_TYPE',
    )
  for (const [options, code] of [
    [{ maxLength: 0 }, 'ERR_OPTION_RANGE'],
    [{ maxLength: 1.5 }, 'ERR_OPTION_RANGE'],
    [{ maxLength: Number.NaN }, 'ERR_OPTION_RANGE'],
    [{ maxLength: '4' }, 'ERR_OPTION_TYPE'],
    [{ onInvalid: true }, 'ERR_OPTION_TYPE'],
    [{ oninvalid: () => {} }, 'ERR_OPTION_TYPE'],
  ] as const)
    for (const from of [fromLines, fromNdjson, fromCsv])
      assert.throws(
        () => from([], options as any),
        (error: any) => error.code === code,
      )
  for (const [options, code] of [
    [{ delimiter: ',,' }, 'ERR_OPTION_RANGE'],
    [{ delimiter: '"' }, 'ERR_OPTION_RANGE'],
    [{ header: [] }, 'ERR_OPTION_TYPE'],
    [{ header: ['a', 'a'] }, 'ERR_OPTION_RANGE'],
    [{ fieldResolver: { a: 5 } }, 'ERR_OPTION_TYPE'],
    [{ header: ['a'], fieldResolver: { b: 'text' } }, 'ERR_OPTION_RANGE'],
  ] as const)
    assert.throws(
      () => fromCsv([], options as any),
      (error: any) => error.code === code,
    )
  for (const options of [{ read: 'all' }, { recursive: 1 }, { cwd: 5 }])
    assert.throws(
      () => fromFiles('*', options as any),
      (error: any) => error.code === 'ERR_OPTION_TYPE',
    )
  assert.throws(
    () => fromFiles([5] as any),
    (error: any) => error.code === 'ERR_OPTION_TYPE',
  )
  assert.throws(
    () => fromNdarray([[1]], { field: 'text' as any }),
    (error: any) => error.code === 'ERR_OPTION_TYPE',
  )
})

test('a file that is not there is the platform’s error, when it is read', async () => {
  const { error } = await collect(fromLines('/nowhere/at/all.txt'))
  assert.is(error.code, 'ENOENT')
  assert.match(error.message, /\/nowhere\/at\/all\.txt/)
})

test('185: lines and rows may end with carriage returns alone, cut anywhere', async () => {
  const csv = 'id,text\r1,a\r2,"b\r"\r'
  for (let cut = 0; cut <= csv.length; cut++) {
    const chunks = [csv.slice(0, cut), csv.slice(cut)]
    assert.equal(await textsOf(fromCsv(chunks)), ['a', 'b\n'], String(cut))
  }
  assert.equal(await textsOf(fromLines(['a\r', 'b\r'])), ['a', 'b'])
  assert.equal(await textsOf(fromLines(['a\r'])), ['a'])
  assert.equal(await textsOf(fromLines(['a\r', '\nb'])), ['a', 'b'])
})

test('20: a first line of two bytes comes at once, although its source waits for the answer', async () => {
  const lines = fromLines(
    (async function* () {
      yield new TextEncoder().encode('a\n')
      await new Promise(() => {})
    })(),
  )
  assert.is((await within(5000, lines.next())).value?.text, 'a')
})

test('185: UTF-16 with its mark is read, and without it is told', async () => {
  const text = Buffer.from('\ufeffid,text\r\n1,größer 𝄞\r\n', 'utf16le')
  for (const bytes of [text, Buffer.from(text).swap16()])
    for (const size of [1, 3, 7, bytes.length]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
      assert.equal(await textsOf(fromCsv(chunks)), ['größer 𝄞'])
    }
  const { error } = await collect(fromCsv([text.subarray(2)]))
  assert.match(error.message, /input:1: not UTF-8 text, maybe UTF-16.*iconv/)
})

test('185: columns named like fields, and other delimiters, are answered with what to do', async () => {
  const said = async (text: string): Promise<string> => (await collect(fromCsv([text]))).error.message
  assert.match(await said('location,text\nBerlin,a\n'), /input:2:1: "location": .*named like a field.*fieldResolver: \{ "location": "tags.location" \}/)
  assert.match(await said('weight,text\nheavy,a\n'), /must be a number, not "heavy".*"tags.weight"/)
  assert.match(await said('tensor,text\n[[1],a\n'), /"tags.tensor"/)
  assert.match(await said('id;text\n1;a\n'), /input:1:1: the header is one cell.*delimiter: ";"/)
  const { items } = await collect(fromCsv(['location,text\nBerlin,a\n'], { fieldResolver: { location: 'tags.location' } }))
  assert.equal(items[0]!.tags, { location: 'Berlin' })
  assert.equal(await textsOf(fromCsv(['text\na\n'])), ['a'])
})

test('185: names that look like patterns are found by name', async () => {
  const names = ['Dropbox (Personal)', 'v{1}', 'a,b', '+notes+', 'a+(b)', '[old]', '[a-c]', 'x!(y)', '@(home)', '!important', 'C#', 'what?', 'star*', "it's"]
  for (const name of names) folder.file(`odd/${name}/f.txt`, 'x')
  for (const name of names) {
    const uris = async (pattern: string, options = {}): Promise<string[]> => (await collect(fromFiles(pattern, options))).items.map(({ uri }) => uri!)
    const home = join(folder.path, 'odd', name)
    for (const pattern of [`${home}/*.txt`, `${home}/f.txt`, home, `${home}/**`]) assert.equal(await uris(pattern), [join(home, 'f.txt')], pattern)
    assert.equal(await uris('*.txt', { cwd: home }), [join(home, 'f.txt')])
    assert.equal(await uris(`${home}/f.txt`, { cwd: folder.path }), [join(home, 'f.txt')])
  }
})

test('185: nothing found is an error that names it, unless allowed', async () => {
  const said = async (pattern: string, options = {}): Promise<string> => (await collect(fromFiles(pattern, options))).error.message
  assert.match(await said(join(folder.path, 'no/such.txt')), /there is no file or folder ".*such\.txt".*allowEmpty/)
  assert.match(await said(join(folder.path, '*.nothing')), /no file matches ".*nothing"/)
  assert.match(await said('*', { cwd: join(folder.path, 'nowhere') }), /there is no folder ".*nowhere", which cwd names/)
  for (const pattern of ['no/such.txt', '*.nothing']) assert.is((await collect(fromFiles(pattern, { cwd: folder.path, allowEmpty: true }))).items.length, 0)
})

test.run()
