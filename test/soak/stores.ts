// A process writes documents and is killed, again and again: what it was told to be on disk is there each time, and nothing stands between.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DocumentArrayMemmap } from 'sluice/doc'
import { conclude, count } from './report.js'

const KILLS = Number(process.env['SOAK_COUNT'] ?? 100)
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? Infinity)
const WRITER = new URL('../doc/store/writer.ts', import.meta.url).pathname

const start = performance.now()
const path = mkdtempSync(join(tmpdir(), 'sluice-soak-'))
process.on('exit', () => rmSync(path, { recursive: true, force: true }))

let kills = 0
let acknowledged = 0
let lost = 0
let broken = 0
for (; kills < KILLS && performance.now() - start < SECONDS * 1000; kills++) {
  const child = spawn(process.execPath, ['--import', 'tsx', WRITER, path, `k${kills}`, 'forever', '10'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = 0
  for await (const line of createInterface(child.stdout)) {
    if (said === 0) setTimeout(() => child.kill('SIGKILL'), 20 + ((kills * 37) % 200))
    said = Number(line)
  }
  acknowledged += said
  await using array = new DocumentArrayMemmap(path)
  for (let i = 0; i < said; i++) if (!(await array.get(`k${kills}-${i}`))?.text.startsWith(`k${kills} ${i} `)) lost++
  // In order, none between, none twice: what was acknowledged of all that were killed before, too.
  let at = -1
  let name = ''
  let seen = 0
  for await (const { text } of array) {
    const [whose = '', number] = text.split(' ')
    at = whose === name ? at + 1 : 0
    name = whose
    if (Number(number) !== at) broken++
    seen++
  }
  if (seen < acknowledged || seen !== (await array.length)) broken++
}

conclude([
  {
    what: `${count(kills)} writers killed, ${count(acknowledged)} documents on disk: lost`,
    seen: count(lost),
    bound: '0',
    met: lost === 0 && acknowledged > 0,
  },
  { what: 'documents out of place after a kill', seen: count(broken), bound: '0', met: broken === 0 },
])
