import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Document, DocumentArray } from '../lib/index.js'
import { emptyMessage } from '../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../lib/wire/proto/index.js'
import { named, perItem, race, ratio, worst } from './measure.js'
import { atMost, elapsed, figure, isChild, say, type Target, table, targets, title } from './report.js'

const SIZE = 100
const ROUNDS = 5
const must: Target[] = []

title('codec', 'What does it cost to read a message of Jina and to write it again, next to the code that protobufjs generates?')

/** The code that protobufjs makes of bench/codec.proto, which is what its users run. */
function generated(): { decode(bytes: Uint8Array): unknown; encode(message: unknown): { finish(): Uint8Array } } {
  const folder = mkdtempSync(join(tmpdir(), 'codec-'))
  try {
    symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
    const file = join(folder, 'static.cjs')
    const pbjs = resolve('node_modules/protobufjs-cli/bin/pbjs')
    execFileSync(process.execPath, [pbjs, '-t', 'static-module', '-w', 'commonjs', '--no-comments', '-o', file, 'bench/codec.proto'], { stdio: 'inherit' })
    return createRequire(import.meta.url)(file).jina.DataRequestProto
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const protobufjs = generated()
const text = 'All the documents of a batch are about as long as this, which is what a gloss or a title is. '.padEnd(100, 'x')
const message = (docs: object[]) =>
  emptyMessage({
    requestId: '0123456789abcdef0123456789abcdef',
    execEndpoint: '/index',
    parameters: { top_k: 10 },
    routes: [{ executor: 'gateway', startTime: 1_700_000_000_000 }],
    docs: DocumentArray.from(docs as any),
  })
const id = (i: number): string => i.toString(16).padStart(32, '0123456789abcdef')

const payloads = [
  {
    name: 'an id, 100 bytes of text and 3 tags',
    bound: 0.45,
    bytes: encodeMessage(message(Array.from({ length: SIZE }, (_, i) => ({ id: id(i), text, tags: { lang: 'en', number: i, title: `number ${i}` } })))),
    // Tags can be written into: whoever gets them has the document written anew.
    read: (document: Document) => document.text.length + document.id.length + Object.keys(document.tags).length,
  },
  {
    name: 'an id and 768 float32',
    // May be missed: each vector has a buffer of its own, so that none keeps its message or is detached with another. Making and freeing a buffer of 3 KiB
    // takes some 0.8 of the 0.9 µs that reading a vector does; in a buffer for all, it would be half.
    bound: 0.8,
    bytes: encodeMessage(
      message(Array.from({ length: SIZE }, (_, i) => ({ id: id(i), embedding: Float32Array.from({ length: 768 }, (_, at) => i + at / 768) }))),
    ),
    read: (document: Document) => document.id.length + document.embedding!.data.length,
  },
]

for (const { name, bound, bytes, read } of payloads) {
  let seen = 0
  const results = await race(
    [
      {
        name: 'sluice, every document read',
        run() {
          const message = decodeMessage(bytes)
          for (const document of message.docs) seen += read(document)
          seen += encodeMessage(message).length
        },
      },
      { name: 'sluice, untouched', run: () => (seen += encodeMessage(decodeMessage(bytes)).length) },
      { name: 'protobufjs static', run: () => (seen += protobufjs.encode(protobufjs.decode(bytes)).finish().length) },
    ],
    { rounds: ROUNDS, warmups: 8, window: 40 },
  )
  if (isChild && seen === 0) throw new Error('Nothing was read')
  const again = protobufjs.encode(protobufjs.decode(bytes)).finish()
  if (Buffer.compare(encodeMessage(decodeMessage(bytes)), bytes) !== 0 || again.length !== bytes.length) throw new Error('The codecs disagree')
  say(`## ${SIZE} documents of ${name}`, `${bytes.length.toLocaleString('en-US')} bytes, decoded and encoded. CPU ns per document.`)
  const baseline = named(results, 'protobufjs static')
  table(
    ['codec', 'median', 'best–worst', '× protobufjs'],
    results.map((result) => {
      const { median, best, worst } = perItem(result, SIZE)
      return [result.name, figure(median), `${figure(best)}–${figure(worst)}`, figure(ratio(result, baseline))]
    }),
  )
  must.push(atMost(`${name}, read and written: × protobufjs`, bound, worst(named(results, 'sluice, every document read'), baseline)))
}

if (!targets(must)) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
