// The core suites on each runtime, and a table of what they came to: what docs/runtimes.md has.
//   node test/runtimes.mjs [--share] [--runtimes=bun,deno] [part of a path …]
// --share takes the few suites by which CI knows each runtime. One that cannot be had is left out, and said so.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CORE, programOf, RUNTIMES, SHARE } from './support/runtimes.mjs'

const words = process.argv.slice(2)
const share = words.includes('--share')
const names =
  words
    .find((word) => word.startsWith('--runtimes='))
    ?.split('=')[1]
    .split(',') ?? Object.keys(RUNTIMES)
const wanted = words.filter((word) => !word.startsWith('--'))
const parts = wanted.length > 0 ? wanted : share ? SHARE : []
const folder = mkdtempSync(join(tmpdir(), 'sluice-runtimes-'))
/** By runtime: what each suite came to. */
const results = new Map()
let broken = false

try {
  for (const name of names) {
    const { title, version } = RUNTIMES[name] ?? {}
    try {
      await programOf(name)
    } catch (error) {
      // What is misspelled is no runtime that cannot be had.
      if (title === undefined) throw error
      console.log(`skipped: ${title} ${version}: ${error.message}`)
      continue
    }
    console.log(`\n── ${title} ${version}`)
    const file = join(folder, `${name}.json`)
    const child = spawn(process.execPath, ['test/run.mjs', `--runtime=${name}`, `--results=${file}`, ...parts], { stdio: 'inherit' })
    if ((await new Promise((resolve) => child.on('close', resolve))) !== 0) broken = true
    results.set(name, JSON.parse(readFileSync(file, 'utf8')))
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const rooms = [
  ...new Set(
    CORE.map((part) =>
      part
        .split('/')
        .slice(0, part.startsWith('test/wire/') ? 3 : 2)
        .join('/'),
    ),
  ),
]
const cell = (suites) => {
  const sum = (what) => suites.reduce((all, suite) => all + suite[what], 0)
  const [passed, failed, skipped, known] = ['passed', 'failed', 'skipped', 'known'].map(sum)
  const unrun = suites.filter((suite) => suite.unrun !== undefined).length
  const beside = [
    failed > 0 && `**${failed} failed**`,
    known > 0 && `${known} cannot`,
    unrun > 0 && `${unrun} ${unrun === 1 ? 'suite' : 'suites'} not run`,
    skipped > 0 && `${skipped} skipped`,
  ].filter(Boolean)
  return [passed, ...beside].join(', ')
}
const rows = [...rooms, undefined].map((room) => [
  room?.replace('test/', '') ?? 'all',
  ...[...results.values()].map((suites) =>
    cell(
      Object.entries(suites)
        .filter(([file]) => room === undefined || file.startsWith(`${room}/`))
        .map(([, suite]) => suite),
    ),
  ),
])
const line = (cells) => `| ${cells.join(' | ')} |`
console.log(`\n${line(['suites', ...[...results.keys()].map((name) => `${RUNTIMES[name].title} ${RUNTIMES[name].version}`)])}`)
console.log(line(['---', ...[...results.keys()].map(() => '---:')]))
for (const row of rows) console.log(line(row))
process.exitCode = broken ? 1 : 0
