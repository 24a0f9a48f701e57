// Documents on disk: what DocumentArrayMemmap adds to lmdb, with the same bytes in the same run.
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Database, open } from 'lmdb'
import { Document, Flow } from 'sluice'
import { DocumentArrayMemmap } from 'sluice/doc'
import { install, kept, programOf } from '../test/support/runtimes.mjs'
import { positions, recordOf, texts } from './kilobytes.js'
import { median } from './measure.js'
import { atMost, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

const COUNT = quick ? 30_000 : 1_000_000
/** Documents that are asked for one by one. */
const ASKED = quick ? 20_000 : 200_000
const ROUNDS = quick ? 3 : 5
const PIECE = 1000
const must: Target[] = []

title('stores', `What does DocumentArrayMemmap cost beside lmdb itself? ${COUNT.toLocaleString('en-US')} documents with a text of 1 kB.`)

const folder = mkdtempSync(join(tmpdir(), 'sluice-stores-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const made = (from: number): Document[] => Array.from({ length: PIECE }, (_, i) => new Document({ text: texts[(from + i) % texts.length]! }))

async function timed(run: () => unknown): Promise<number> {
  const start = performance.now()
  await run()
  return performance.now() - start
}

// ── what writing costs ───────────────────────────────────────────────────────────────────────────────────

const array = new DocumentArrayMemmap(join(folder, 'array'))
const raw = open<Buffer, string>({ path: join(folder, 'raw'), encoding: 'binary' })
const both = open<Buffer, string>({ path: join(folder, 'both'), encoding: 'binary' })
const documents: Database<Buffer, number> = raw.openDB({ name: 'documents', encoding: 'binary', keyEncoding: 'uint32' })
const withIds = {
  documents: both.openDB({ name: 'documents', encoding: 'binary', keyEncoding: 'uint32' }) as Database<Buffer, number>,
  ids: both.openDB({ name: 'ids', encoding: 'binary' }) as Database<Buffer, string>,
}
const keyBytes = (key: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(key)
  return bytes
}

await array.open()
const ids: string[] = []
const writing = { array: [] as number[], raw: [] as number[], ids: [] as number[] }
// In turns, piece by piece, so that what disturbs the machine disturbs all.
for (let from = 0; from < COUNT; from += PIECE) {
  const piece = made(from)
  for (const { id } of piece) ids.push(id)
  const records = piece.map(({ id }, i) => recordOf(id, from + i))
  const runs: [keyof typeof writing, () => unknown][] = [
    ['array', () => array.extend(piece)],
    [
      'raw',
      () => {
        let last: Promise<boolean> | undefined
        for (const [i, record] of records.entries()) last = documents.put(from + i, record)
        return last
      },
    ],
    [
      'ids',
      () => {
        let last: Promise<boolean> | undefined
        for (const [i, record] of records.entries()) {
          withIds.documents.put(from + i, record)
          last = withIds.ids.put(piece[i]!.id, keyBytes(from + i))
        }
        return last
      },
    ],
  ]
  const first = (from / PIECE) % runs.length
  for (const [name, run] of [...runs.slice(first), ...runs.slice(0, first)]) writing[name].push(((await timed(run)) * 1000) / PIECE)
}
const flushing = await timed(() => array.flush())
await Promise.all([raw.flushed, both.flushed])
const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0) / all.length

// ── what reading costs ───────────────────────────────────────────────────────────────────────────────────

const asked = positions(ASKED, COUNT)
const askedIds = asked.map((at) => ids[at]!)
let seen = 0
const reads: Record<string, { readonly each: number; run(): unknown }> = {
  'lmdb: getRange': {
    each: COUNT,
    run() {
      for (const { value } of documents.getRange()) seen += value.length
    },
  },
  'array: for await, untouched': {
    each: COUNT,
    async run() {
      for await (const document of array) if (document !== undefined) seen++
    },
  },
  'array: for await, the text read': {
    each: COUNT,
    async run() {
      for await (const { text } of array) seen += text.length
    },
  },
  'lmdb: get by number': {
    each: ASKED,
    run() {
      for (const at of asked) seen += documents.get(at)!.length
    },
  },
  'array: at()': {
    each: ASKED,
    async run() {
      for (const at of asked) if ((await array.at(at)) !== undefined) seen++
    },
  },
  'array: at(), the text read': {
    each: ASKED,
    async run() {
      for (const at of asked) seen += (await array.at(at))!.text.length
    },
  },
  'lmdb: get by id, and get by number': {
    each: ASKED,
    run() {
      for (const id of askedIds) seen += withIds.documents.get(withIds.ids.get(id)!.readUInt32BE())!.length
    },
  },
  'array: get() by id': {
    each: ASKED,
    async run() {
      for (const id of askedIds) if ((await array.get(id)) !== undefined) seen++
    },
  },
}
const reading = new Map<string, number[]>(Object.keys(reads).map((name) => [name, []]))
for (let round = -1; round < ROUNDS; round++) {
  for (const [name, { each, run }] of Object.entries(reads)) {
    const time = ((await timed(run)) * 1000) / each
    if (round >= 0) reading.get(name)!.push(time)
  }
}
const taken = (name: string): number => median(reading.get(name)!)
/** Of each round by itself: what disturbs a machine for longer disturbs both. */
const times = (name: string, beside: string): number => median(reading.get(name)!.map((time, round) => time / reading.get(beside)![round]!))

say('## Microseconds a document', `Writing in turns, ${PIECE} documents at a time, to the acknowledgement; flushing what was left took ${figure(flushing)} ms.`)
table(
  ['', 'µs'],
  [
    ['lmdb: put by number', figure(sum(writing.raw))],
    ['lmdb: put by number, and the number by id', figure(sum(writing.ids))],
    ['array: extend(), which finds by both', figure(sum(writing.array))],
    ...Object.keys(reads).map((name) => [name, figure(taken(name))]),
  ],
)

// ── beside SQLite ────────────────────────────────────────────────────────────────────────────────────────

const SQLITE = '12.11.1'
const BINARY = 'build/Release/better_sqlite3.node'

/** The path of better-sqlite3, which is a dependency of nothing here: fetched into a folder of caches, and compiled where this Node has its headers. */
async function betterSqlite(): Promise<string> {
  const binary = await kept(`better-sqlite3-${SQLITE}-abi${process.versions.modules}`, `node_modules/better-sqlite3/${BINARY}`, async (folder) => {
    await install(folder, `better-sqlite3@${SQLITE}`)
    const here = dirname(dirname(process.execPath))
    // Else its script waits for a server that has it made.
    const headers = existsSync(join(here, 'include/node/node.h')) && { npm_config_build_from_source: 'true', npm_config_nodedir: here }
    await promisify(execFile)('npm', ['rebuild', 'better-sqlite3'], { cwd: folder, timeout: 1_800_000, env: { ...process.env, ...headers } })
  })
  return binary.slice(0, -BINARY.length - 1)
}

async function sqlite(): Promise<{ name: string; program: string; driver: string[] }> {
  try {
    return { name: `better-sqlite3 ${SQLITE}`, program: process.execPath, driver: [await betterSqlite()] }
  } catch (error) {
    say(`better-sqlite3 could not be had: ${(error as Error).message.split('\n')[0]}. What Node 22 has itself stands here in its place.`)
    return { name: 'node:sqlite', program: await programOf('node22'), driver: [] }
  }
}

try {
  const { name, program, driver } = await sqlite()
  const args = ['--import', 'tsx', 'bench/sqlite.ts', join(folder, 'sqlite.db'), `${COUNT}`, `${ASKED}`, ...driver]
  const { stdout } = await promisify(execFile)(program, args)
  const { put, scan, get, found } = JSON.parse(stdout) as Record<'put' | 'scan' | 'get' | 'found', number>
  say(`## Beside SQLite`, `The same records by ${name}, with WAL and \`synchronous = NORMAL\`, in a table with an index by id.`)
  table(
    ['', 'µs'],
    [
      [`insert, ${PIECE} in a transaction`, figure(put)],
      ['scan in order', figure(scan)],
      ['get by number', figure(get)],
      ['get by id', figure(found)],
    ],
  )
} catch (error) {
  say(`SQLite was not measured: ${(error as Error).message.split('\n')[0]}`)
}

// ── what a checkpoint costs ──────────────────────────────────────────────────────────────────────────────

/** Opening and closing a checkpoint bring it to the disk each: so long a job as one that is worth going on with. */
const REQUESTS = quick ? 4000 : 100_000
const jobs: Record<'without' | 'with', number[]> = { without: [], with: [] }
{
  await using flow = await new Flow({ prefetch: 16 }).add({ uses: () => new Promise<void>((resolve) => setTimeout(resolve, 1)) }).open()
  const inputs = Array.from({ length: REQUESTS }, () => new Document({ text: 'x' }))
  for (let round = -1; round < (quick ? 3 : 5); round++) {
    const runs = Object.keys(jobs) as (keyof typeof jobs)[]
    for (const name of round % 2 ? runs : runs.reverse()) {
      const checkpoint = name === 'with' ? join(folder, `job-${round}.checkpoint`) : undefined
      const time = await timed(() => flow.post('/', inputs, { requestSize: 1, checkpoint }).drain())
      if (round >= 0) jobs[name].push(time)
    }
  }
}
const over = (median(jobs.with.map((time, round) => time / jobs.without[round]!)) - 1) * 100
say(
  '## A checkpoint',
  `${REQUESTS.toLocaleString('en-US')} requests of one document to an executor of 1 ms, 16 under way: ${figure(median(jobs.without) / 1000)} s without, ${figure(median(jobs.with) / 1000)} s with a checkpoint.`,
)

must.push(
  atMost('wall time that a checkpoint adds', 3, over, ' %'),
  atMost('for await, untouched, beside getRange', 1.15, times('array: for await, untouched', 'lmdb: getRange'), ' times'),
  atMost('for await, the text read, beside getRange', 2, times('array: for await, the text read', 'lmdb: getRange'), ' times'),
  atMost('at() beside get', 1.15, times('array: at()', 'lmdb: get by number'), ' times'),
  atMost('at(), the text read, beside get', 2, times('array: at(), the text read', 'lmdb: get by number'), ' times'),
  atMost('get() by id beside two gets', 1.15, times('array: get() by id', 'lmdb: get by id, and get by number'), ' times'),
  atMost('extend() beside puts of the bytes and the id', 1.15, sum(writing.array) / sum(writing.ids), ' times'),
)
await array.close()
await Promise.all([raw.close(), both.close()])
say(`It took ${elapsed()}. ${seen > 0 ? '' : 'Nothing was seen.'}`)
targets(must)
