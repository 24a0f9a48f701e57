// One job of many documents into an array on disk, whose process is killed again and again: all are there, and little is done twice.
import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Document, Flow } from 'sluice'
import { DocumentArrayMemmap } from 'sluice/doc'
import { conclude, count } from './report.js'

const KILLS = Number(process.env['SOAK_COUNT'] ?? 50)
const DOCUMENTS = KILLS * 2000
const PREFETCH = 16
const SIZE = 10
const FOLDER = 'SLUICE_RESUME'

if (process.env[FOLDER] !== undefined) await job(process.env[FOLDER])
else await jobs()

/** What does the work, once or as far as it comes. */
async function job(folder: string): Promise<void> {
  await using array = new DocumentArrayMemmap(join(folder, 'array'))
  await using flow = await new Flow({ prefetch: PREFETCH })
    .add({
      async uses({ docs }) {
        appendFileSync(join(folder, 'work'), `${docs.length}\n`)
        process.stdout.write('.')
        for (const doc of docs) if ((await array.get(doc.id)) === undefined) await array.append(doc)
      },
    })
    .open()
  const inputs = {
    *[Symbol.iterator]() {
      for (let i = 0; i < DOCUMENTS; i++) yield new Document({ id: `${i}`, text: `text ${i}` })
    },
  }
  for await (const _ of flow.post('/', inputs, { requestSize: SIZE, checkpoint: join(folder, 'checkpoint') }));
}

async function jobs(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-resume-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  let kills = 0
  for (;;) {
    const child = spawn(process.execPath, ['--import', 'tsx', new URL(import.meta.url).pathname], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, [FOLDER]: folder },
    })
    // In the midst of its work: when it has begun so many requests, which differs.
    let begun = 0
    child.stdout.on('data', (dots) => {
      begun += dots.length
      if (kills < KILLS && begun > 20 + ((kills * 31) % 60)) child.kill('SIGKILL')
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code === 0) break
    kills++
    if (kills > KILLS) throw new Error(`It ended by itself with ${code}`)
  }
  const work = readFileSync(join(folder, 'work'), 'utf8')
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line), 0)
  await using array = new DocumentArrayMemmap(join(folder, 'array'))
  let missing = 0
  for (let i = 0; i < DOCUMENTS; i++) if ((await array.get(`${i}`)) === undefined) missing++
  const twice = work - DOCUMENTS
  const bound = kills * PREFETCH * SIZE
  conclude([
    {
      what: `a job of ${count(DOCUMENTS)} documents, killed ${count(kills)} times in the midst of it: missing`,
      seen: count(missing),
      bound: '0',
      met: missing === 0,
    },
    { what: 'of these, worked on twice', seen: count(twice), bound: `≤ ${count(bound)}`, met: twice > 0 && twice <= bound },
  ])
}
