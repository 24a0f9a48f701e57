// The core suites on each runtime, and a table of what they came to.
//   node test/runtimes.mjs [--share | --whole] [--table] [--runtimes=node,bun,deno] [part of a path …]
// `node` is the one that runs this; the others are those of test/support/runtimes.mjs, which are fetched. --share takes the few suites by which CI knows each of these.
// --whole has each Node run all suites there are, by itself, as npm test does on a machine that has no other.
// --table writes what all suites came to into docs/runtimes.md, with what is known to fail: columns of runtimes that were not run stay, and `--runtimes=` runs none.
// One that cannot be had is left out, and said so.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { CORE, programOf, RUNTIMES, SHARE } from './support/runtimes.mjs'
import { columnOf, pageWith, tableOf, wholeOf } from './support/runtimes-page.mjs'

const PAGE = 'docs/runtimes.md'
const words = process.argv.slice(2)
const share = words.includes('--share')
const whole = words.includes('--whole')
const table = words.includes('--table')
const here = { title: `Node ${process.versions.node.split('.')[0]}`, version: process.versions.node }
const names =
  words
    .find((word) => word.startsWith('--runtimes='))
    ?.split('=')[1]
    .split(',')
    .filter(Boolean) ?? (share ? Object.keys(RUNTIMES) : ['node', ...Object.keys(RUNTIMES)])
const wanted = words.filter((word) => !word.startsWith('--'))
const parts = wanted.length > 0 ? wanted : share ? SHARE : CORE
if (whole && (share || wanted.length > 0)) throw new Error('--whole takes all suites: leave --share and parts of paths out')
if (table && parts !== CORE) throw new Error('--table tells what all suites came to: leave --share and parts of paths out')
const folder = mkdtempSync(join(tmpdir(), 'sluice-runtimes-'))
/** What stands in the table, by the title and version of a runtime. */
const columns = {}
let broken = false

try {
  for (const name of names) {
    const { title, version } = (name === 'node' ? here : RUNTIMES[name]) ?? {}
    let program = process.execPath
    try {
      if (name !== 'node') program = await programOf(name)
    } catch (error) {
      // What is misspelled is no runtime that cannot be had.
      if (title === undefined) throw error
      console.log(`skipped: ${title} ${version}: ${error.message}`)
      continue
    }
    // The runner itself is a program of Node.
    if (whole && !name.startsWith('node')) continue
    console.log(`\n── ${title} ${version}`)
    const file = join(folder, `${name}.json`)
    const suites = whole ? [] : name === 'node' ? parts : [`--runtime=${name}`, ...parts]
    const child = spawn(whole ? program : process.execPath, ['test/run.mjs', `--results=${file}`, ...suites], {
      stdio: 'inherit',
      // Suites that call node by its name are to get this one.
      env: whole ? { ...process.env, PATH: `${dirname(program)}${delimiter}${process.env.PATH}` } : process.env,
    })
    if ((await new Promise((resolve) => child.on('close', resolve))) !== 0) broken = true
    const results = JSON.parse(readFileSync(file, 'utf8'))
    columns[`${title.split(' ')[0]} ${version}`] = whole ? wholeOf(results) : columnOf(results)
    // At once: who ends it half-way keeps what was run.
    if (table) writePage()
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

if (table) writePage()
console.log(`\n${tableOf(columns)}`)
process.exitCode = broken ? 1 : 0

function writePage() {
  writeFileSync(PAGE, pageWith(readFileSync(PAGE, 'utf8'), columns))
}
