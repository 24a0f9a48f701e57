// Ten times more documents than there is memory for, in a control group of 200 MB: written, iterated, found by id, posted through a Flow.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Flow } from 'sluice'
import { DocumentArrayMemmap } from 'sluice/doc'
import { conclude, count } from './report.js'

/** Megabytes of documents. */
const SIZE = Number(process.env['SOAK_COUNT'] ?? 2000)
const ROOM = 200
const SELF = 'SLUICE_ROOM'
const DOCUMENTS = SIZE * 100
const EACH = 10_000

if (process.env[SELF] !== undefined) await inside(process.env[SELF])
else outside()

async function inside(path: string): Promise<void> {
  const text = 'x'.repeat(EACH)
  const array = new DocumentArrayMemmap(path)
  for (let from = 0; from < DOCUMENTS; from += 100)
    await array.extend(Array.from({ length: 100 }, (_, i) => ({ id: `${from + i}`, text: `${from + i} ${text}` })))
  // As the next process does, who finds a file larger than its memory.
  await array.close()
  await array.open()
  let at = 0
  for await (const { text } of array) if (!text.startsWith(`${at++} `)) throw new Error(`at ${at}: ${text.slice(0, 20)}`)
  for (let i = 0; i < 5000; i++) {
    const id = String((i * 7919) % DOCUMENTS)
    if (!(await array.get(id))?.text.startsWith(`${id} `)) throw new Error(`by id: ${id}`)
  }
  await using flow = await new Flow().add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.tags.length = doc.text.length)) }).open()
  let posted = 0
  for await (const { docs } of flow.post('/', array)) posted += docs.length
  await array.close()
  if (at !== DOCUMENTS || posted !== DOCUMENTS) throw new Error(`${at} iterated, ${posted} posted`)
  console.log(`resident ${Math.round(process.memoryUsage().rss / 1e6)}`)
}

function outside(): never {
  const path = mkdtempSync(join(tmpdir(), 'sluice-room-'))
  process.on('exit', () => rmSync(path, { recursive: true, force: true }))
  const group = `/sys/fs/cgroup/memory/sluice-${process.pid}`
  let limited = false
  try {
    mkdirSync(group)
    writeFileSync(`${group}/memory.limit_in_bytes`, String(ROOM << 20))
    limited = true
    process.on('exit', () => rmdirSync(group))
  } catch {
    console.log('not in a control group, which cannot be made here: with a heap of 64 MB, and what is resident is looked at')
  }
  const flags = limited ? [] : ['--max-old-space-size=64']
  const command = `${limited ? `echo $$ > ${group}/cgroup.procs && ` : ''}exec "$0" ${flags.join(' ')} --import tsx ${new URL(import.meta.url).pathname}`
  const { status, signal, stdout, stderr } = spawnSync('sh', ['-c', command, process.execPath], { encoding: 'utf8', env: { ...process.env, [SELF]: path } })
  const failed = status === 0 ? '' : `${signal ?? status}: ${stderr.slice(-300)}`
  const peak = limited ? Math.round(Number(readFileSync(`${group}/memory.max_usage_in_bytes`, 'utf8')) / 1e6) : Number.NaN
  const size = failed === '' ? Math.round(statSync(join(path, 'documents-1.mdb')).size / 1e6) : 0
  conclude([
    {
      what: `${count(DOCUMENTS)} documents, a file of ${count(size)} MB, in ${limited ? `a control group of ${ROOM} MB` : 'a heap of 64 MB'}: written, iterated, found by id, posted`,
      seen: failed || `all, ${limited ? `at most ${peak} MB with the cache of files, ` : ''}${/resident \d+/.exec(stdout)?.[0]} MB at the end`,
      bound: 'all',
      met: failed === '',
    },
  ])
}
