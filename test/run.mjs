// Runs every suite in a process of its own, one more at a time than there are cores, as many wait more than they compute, and counts what they report.
//   node test/run.mjs [part of a path …]
// On a machine that is busy with other things, TEST_PATIENCE=4 gives everything four times as long.
// lib/ and test/ are compiled once, and suites run on that. A suite that says tsx loads TypeScript while it runs, and is run by tsx itself.
// test/interop, which installs Python Jina, runs only when it is named.
// A few suites that failed beside others are run once more, alone: what is broken fails again, and what only a busy machine disturbs is listed as such.
// uvu passes silently when a suite forgets `.run()` or a promise never settles. Here each file must print its totals, all
// of them passed, and end by itself in time.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { COMPILED, compile } from './compile.mjs'

const TIME = 300_000 * Number(process.env.TEST_PATIENCE ?? 1)
/** What takes longest is begun first, so that nothing long is left when all else is done: parts of paths, in that order. */
const LONGEST = [
  ...['network/liveness', 'cli/serve', 'cli/run', 'examples', 'config/npm', 'wire/held', 'gateway/floods', 'gateway/fairness', 'story', 'browser/client'],
  ...[
    'gateway/authenticate',
    'contract/',
    'context/wires',
    'config/save',
    'model/',
    'grpc/malformed',
    'http/limits',
    'network/',
    'config/round-trip',
    'package',
  ],
  ...['in-flight', 'websocket/pressure', 'grpc/resets', 'config/differential', 'proto/garbage', 'gateway/', 'config/hidden', 'context/flow', 'post/'],
]
const wanted = process.argv.slice(2)
const files = readdirSync('test', { recursive: true })
  .map((file) => join('test', String(file)))
  .filter((file) => file.endsWith('.ts') && /from 'uvu'/.test(readFileSync(file, 'utf8')))
  .filter((file) => (wanted.length === 0 ? !file.startsWith(join('test', 'interop')) : wanted.some((part) => file.includes(part))))
  .sort((one, other) => place(one) - place(other) || (one < other ? -1 : 1))

function place(file) {
  const at = LONGEST.findIndex((part) => file.includes(part))
  return at === -1 ? LONGEST.length : at
}

/** More that fail are no accident. */
const FEW = 3
/** What each suite came to, by its file. */
const results = new Map()
const seconds = []

async function run(file) {
  const began = performance.now()
  const how = /\btsx\b/.test(readFileSync(file, 'utf8')) ? ['--import', 'tsx', file] : ['--enable-source-maps', join(COMPILED, file.replace(/ts$/, 'js'))]
  const child = spawn(process.execPath, how, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, FORCE_COLOR: '0' } })
  let output = ''
  child.stdout.on('data', (data) => (output += data))
  child.stderr.on('data', (data) => (output += data))
  const timer = setTimeout(() => child.kill('SIGKILL'), TIME)
  const [code, signal] = await new Promise((resolve) => child.on('close', (...end) => resolve(end)))
  clearTimeout(timer)
  const took = (performance.now() - began) / 1000
  seconds.push({ file, took })
  const count = (label) => [...output.matchAll(new RegExp(`${label}:\\s+(\\d+)`, 'g'))].reduce((sum, [, n]) => sum + Number(n), 0)
  const [total, passed, skipped] = ['Total', 'Passed', 'Skipped'].map(count)
  const problem =
    signal !== null
      ? `did not end within ${TIME / 1000} s`
      : code !== 0
        ? `ended with ${code}`
        : total === 0
          ? 'reported no test: is .run() missing?'
          : total !== passed
            ? 'did not pass'
            : undefined
  const failed = total - passed + (problem !== undefined && total === passed ? 1 : 0)
  results.set(file, { passed, failed, skipped, broken: problem !== undefined })
  console.log(problem === undefined ? `  ok  ${file} (${passed}, ${took.toFixed(1)} s)` : `FAIL  ${file} ${problem}\n${output}`)
  for (const [, note] of output.matchAll(/^(skipped: .*)$/gm)) console.log(`      ${note}`)
}

await compile()
const queue = [...files]
await Promise.all(
  Array.from({ length: availableParallelism() + 1 }, async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await run(file)
  }),
)
const brokenNow = () => [...results].filter(([, { broken }]) => broken).map(([file]) => file)
const list = (title, files) => files.length > 0 && console.log(`\n${title}:\n${files.map((file) => `  ${file}`).join('\n')}`)
const once = brokenNow()
if (once.length > 0 && once.length <= FEW) {
  console.log('\nOnce more, alone:')
  for (const file of once) await run(file)
}
const broken = brokenNow()
const slowest = seconds.sort((a, b) => b.took - a.took).slice(0, 10)
console.log(`\nSlowest:\n${slowest.map(({ file, took }) => `  ${took.toFixed(1)} s  ${file}`).join('\n')}`)
list(
  'Failed beside others, and passed alone',
  once.filter((file) => !broken.includes(file)),
)
list('Broken', broken)
const sum = (what) => [...results.values()].reduce((sum, result) => sum + result[what], 0)
const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(sum)
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || files.length === 0 ? 1 : 0
