// What bench/stores.ts does, done by SQLite: in a process of its own, as the driver may be of another Node.
//   node --import tsx bench/sqlite.ts FILE COUNT ASKED [path of better-sqlite3; else node:sqlite]
// Prints microseconds a document, as JSON.
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import { positions, recordOf, texts } from './kilobytes.js'

const [file, count, asked, driver] = process.argv.slice(2)
const COUNT = Number(count)
const PIECE = 1000

/** What both drivers have alike. */
interface Statement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): { record: Uint8Array }
  iterate(): Iterable<{ record: Uint8Array }>
}
interface Sqlite {
  exec(sql: string): unknown
  prepare(sql: string): Statement
}

const load = createRequire(import.meta.url)
const open = driver === undefined ? load('node:sqlite').DatabaseSync : load(driver)
const sqlite: Sqlite = new open(file)
sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE documents (at INTEGER PRIMARY KEY, id TEXT UNIQUE, record BLOB)')
const insert = sqlite.prepare('INSERT INTO documents VALUES (?, ?, ?)')
const one = sqlite.prepare('SELECT record FROM documents WHERE at = ?')
const byId = sqlite.prepare('SELECT record FROM documents WHERE id = ?')
const ids = Array.from({ length: COUNT }, (_, i) => (0xabcdef000000 + i).toString(16).padStart(32, '0'))

function timed(each: number, run: () => void): number {
  const start = performance.now()
  run()
  return ((performance.now() - start) * 1000) / each
}

let seen = 0
let put = 0
for (let from = 0; from < COUNT; from += PIECE) {
  const records = Array.from({ length: PIECE }, (_, i) => recordOf(ids[from + i]!, from + i))
  put += timed(COUNT, () => {
    sqlite.exec('BEGIN')
    for (const [i, record] of records.entries()) insert.run(from + i, ids[from + i], record)
    sqlite.exec('COMMIT')
  })
}
const at = positions(Number(asked), COUNT)
const all = sqlite.prepare('SELECT record FROM documents ORDER BY at')
const reads: (() => number)[] = [
  () =>
    timed(COUNT, () => {
      for (const { record } of all.iterate()) seen += record.length
    }),
  () =>
    timed(at.length, () => {
      for (const position of at) seen += one.get(position).record.length
    }),
  () =>
    timed(at.length, () => {
      for (const position of at) seen += byId.get(ids[position]).record.length
    }),
]
// Once, so that nothing is measured that is compiled meanwhile.
for (const read of reads) read()
const [scan, get, found] = reads.map((read) => read())
const length = recordOf(ids[0]!, 0).length
if (seen !== 2 * length * (COUNT + 2 * at.length) || texts.length !== PIECE) throw new Error(`SQLite gave ${seen} bytes`)
console.log(JSON.stringify({ put, scan, get, found }))
