// Runs every suite in a process of its own, and counts what they report: one more at a time than there are cores, and more while these wait and the machine has
// nothing else to do, as most suites wait more than they compute.
//   node test/run.mjs [part of a path …]
//   node test/run.mjs --runtime=bun [part of a path …]    the core suites on another runtime, as test/support/runtimes.mjs has them; test/runtimes.mjs takes all of them
// On a machine that is busy with other things, TEST_PATIENCE=4 gives everything four times as long.
// lib/ and test/ are compiled once, and suites run on that. A suite with a line `// By tsx: …` loads TypeScript while it runs, and is run by tsx itself: that
// costs three times as much, for each process that it begins, too.
// test/interop, which installs Python Jina, test/engine, which needs an engine of containers, and test/kernels, which needs those of notebooks, run only when
// they are named.
// A few suites that failed beside others are run once more, alone: what is broken fails again, and what only a busy machine disturbs is listed as such.
// uvu passes silently when a suite forgets `.run()` or a promise never settles. Here each file must print its totals, all
// of them passed, and end by itself in time.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { COMPILED, compile, inSources } from './compile.mjs'
import { CORE, knownOf, programOf, RUNTIMES } from './support/runtimes.mjs'

const TIME = 300_000 * Number(process.env.TEST_PATIENCE ?? 1)
/** After its last total, a suite has this long: what a test that failed has left open holds it for good. */
const END = TIME / 5
/** What takes longest is begun first, so that nothing long is left when all else is done: parts of paths, in that order. These have a process each, */
const LONG = [
  ...['cli/serve', 'cli/run', 'daemon/breaks', 'story', 'place/process', 'place/thread', 'place/daemon', 'gateway/bytes', 'gateway/health', 'wire/held'],
  ...['gateway/fairness', 'types/', 'examples', 'contract/external-nats', 'contract/client-nats', 'browser/', 'wire/deltas', 'grpc/malformed', 'http/limits'],
  ...['daemon/', 'gateway/authenticate', 'network/liveness', 'websocket/pressure', 'in-flight.load', 'contract/external-grpc', 'let-go', 'config/differential'],
  'graphql/short',
]
/** and these come next. */
const LONGEST = [
  ...LONG,
  ...['config/save', 'context/', 'proto/garbage', 'place/engine', 'network/', 'gateway/handles', 'contract/', 'gateway/garbled', 'config/'],
  ...['doc/memmap', 'cli/', 'client/breaker', 'client/by-name', 'flow/cached', 'telemetry/options', 'gateway/', 'post/checkpoint', 'graph/'],
  ...['handler/replicas', 'house', 'package', 'context-headers', 'shortage', 'model/', 'post/', 'client/', 'wire/'],
]
/** The line by which a suite asks for tsx. To name it is not to need it. */
const BY_TSX = /^\/\/ By tsx: /m
/** What a suite does to its process, or looks at there: none that says so shares one. To start and to load takes most of the others longer than their tests. */
const OWN =
  /^\/\/ By tsx: |support\/(?:clock|hand-clock|gc|gap|command|daemon|nats|connections)|\bprocess\.|node:(?:child_process|worker_threads|diagnostics_channel|inspector)|(?:globalThis|console)\.\w+ = |Property\(globalThis/m
/** As many share one, at most: one that fails there makes itself run again. */
const SHARED = 5
const NAMED = ['interop', 'engine', 'kernels']
const option = (name) =>
  process.argv
    .find((word) => word.startsWith(`--${name}=`))
    ?.split('=')
    .slice(1)
    .join('=')
/** Another runtime than this Node. */
const elsewhere = option('runtime')
const program = elsewhere === undefined ? process.execPath : await programOf(elsewhere)
/** What is known of it. */
const known = elsewhere === undefined ? {} : knownOf(elsewhere)
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const files = readdirSync('test', { recursive: true })
  .map((file) => join('test', String(file)))
  .filter((file) => file.endsWith('.ts') && /from 'uvu'/.test(readFileSync(file, 'utf8')))
  .filter((file) => elsewhere === undefined || CORE.some((room) => file.startsWith(join(room))))
  .filter((file) => (wanted.length === 0 ? !NAMED.some((folder) => file.startsWith(join('test', folder))) : wanted.some((part) => file.includes(part))))
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
/** Suites that did not pass in the process of several, or did not come to their turn there, and ran alone. */
const apart = []
/** Suites that were held by something when all their tests were over: most often a timer or a socket that is not let go of. */
const held = []
/** Seconds of that which are no accident of a busy machine. */
const HELD = 3
let running = 0

async function run(file) {
  const unsaid = known[slashes(file)] ?? {}
  if (typeof unsaid === 'string') {
    results.set(file, { passed: 0, failed: 0, skipped: 0, known: 0, broken: false, unrun: unsaid })
    return console.log(`      skipped: ${file}, as ${unsaid}`)
  }
  const compiled = compiledOf(file)
  const how =
    elsewhere !== undefined ? [...RUNTIMES[elsewhere].run, compiled] : BY_TSX.test(readFileSync(file, 'utf8')) ? ['--import', 'tsx', file] : [compiled]
  const { code, signal, output, took, late } = await ended(how, unsaid.held === undefined ? END : HELD * 1000)
  seconds.push({ file, took })
  if (late > HELD) held.push(`${file} (${late.toFixed(0)} s)`)
  const { total, passed, skipped } = totalsOf(output)
  const { held: heldBy, ...reasons } = unsaid
  const { explained, better } = judge(output, reasons)
  const all = total === passed + explained.length
  if (heldBy !== undefined && signal !== null) console.log(`      held on ${elsewhere}: ${file}: ${heldBy}`)
  const problem =
    signal !== null && (heldBy === undefined || total === 0)
      ? `did not end within ${TIME / 1000} s, or ${END / 1000} s after its last test`
      : code !== 0 && signal === null && (!all || explained.length === 0)
        ? `ended with ${code}`
        : total === 0
          ? 'reported no test: is .run() missing?'
          : !all
            ? 'did not pass'
            : better.length > 0
              ? `passes what is known to fail there. Take it off test/runtimes.json: ${better.join(', ')}`
              : undefined
  const failed = total - passed - explained.length + (problem !== undefined && all ? 1 : 0)
  results.set(file, { passed, failed, skipped, known: explained.length, broken: problem !== undefined })
  console.log(problem === undefined ? `  ok  ${file} (${passed}, ${took.toFixed(1)} s)` : `FAIL  ${file} ${problem}\n${inSources(output)}`)
  for (const [name, why] of explained) console.log(`      fails on ${elsewhere}: ${name}: ${why}`)
  for (const [, note] of output.matchAll(/^(skipped: .*)$/gm)) console.log(`      ${note}`)
}

/** Runs suites that share a process. Those that did not pass there run again, each alone: that is what counts. */
async function runTogether(files) {
  const { code, signal, output, late } = await ended([join('test', 'together.mjs'), ...files.map(compiledOf)], END)
  if (late > HELD) held.push(`${files.join(', ')} (${late.toFixed(0)} s)`)
  const sections = output.split(/^── /m)
  const again = files.filter((file) => {
    const said = sections.find((section) => section.startsWith(compiledOf(file))) ?? ''
    const [, took] = /^ {2}Took: +([\d.]+) s$/m.exec(said) ?? []
    const { total, passed, skipped } = totalsOf(said)
    if (took === undefined || total === 0 || passed !== total) return true
    seconds.push({ file, took: Number(took) })
    results.set(file, { passed, failed: 0, skipped, known: 0, broken: false })
    console.log(`  ok  ${file} (${passed}, ${Number(took).toFixed(1)} s)`)
    for (const [, note] of said.matchAll(/^(skipped: .*)$/gm)) console.log(`      ${note}`)
    return false
  })
  const isWhole = code === 0 && signal === null
  for (const file of isWhole || again.length > 0 ? again : files) {
    apart.push(file)
    await run(file)
  }
}

/** Runs a process of suites to its end, which is to come `endsIn` milliseconds after its last total. `late`: seconds that it took for that. */
async function ended(how, endsIn) {
  running++
  const began = performance.now()
  let reported = began
  const child = spawn(program, how, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, FORCE_COLOR: '0' } })
  const stop = () => child.kill('SIGKILL')
  let output = ''
  let end
  child.stdout.on('data', (data) => {
    output += data
    const [total, next] = ['Total:', '── '].map((text) => String(data).lastIndexOf(text))
    if (total === next) return
    clearTimeout(end)
    reported = performance.now()
    // The next one has begun.
    if (total > next) end = setTimeout(stop, endsIn)
  })
  child.stderr.on('data', (data) => (output += data))
  const timer = setTimeout(stop, TIME)
  const [code, signal] = await new Promise((resolve) => child.on('close', (...said) => resolve(said)))
  clearTimeout(timer)
  clearTimeout(end)
  running--
  const now = performance.now()
  return { code, signal, output, took: (now - began) / 1000, late: (now - reported) / 1000 }
}

/** What uvu says at the end of suites, all added. */
function totalsOf(output) {
  const count = (label) => [...output.matchAll(new RegExp(`${label}:\\s+(\\d+)`, 'g'))].reduce((sum, [, n]) => sum + Number(n), 0)
  return { total: count('Total'), passed: count('Passed'), skipped: count('Skipped') }
}

/** Tests that failed and are known to, with why, and what is known of tests that passed. What says that it is so sometimes may do either. */
function judge(output, reasons) {
  const failures = [...output.matchAll(/^ +FAIL +.*?"(.*)"$/gm)].map(([, name]) => name)
  const entries = Object.entries(reasons)
  const explained = failures.flatMap((name) =>
    entries
      .filter(([part]) => name.includes(part))
      .slice(0, 1)
      .map(([, why]) => [name, why]),
  )
  const better = entries.filter(([part, why]) => !/^sometimes/.test(why) && !failures.some((name) => name.includes(part))).map(([part]) => part)
  return { explained, better }
}

const compiledOf = (file) => join(COMPILED, file.replace(/ts$/, 'js'))
const slashes = (file) => file.replaceAll('\\', '/')

const cores = availableParallelism()
/** As many at a time in any case, and at most: memory has an end too. Where this process may use some of the cores alone, what the others do says nothing. */
const LEAST = cores + 1
const MOST = cpus().length === cores ? 4 * cores : LEAST
/** Milliseconds between looks at what the machine does, each of which may begin one: who begins computes first, and is seen by the next. */
const LOOK = 500
/** The part of all cores that has nothing to do, from which on another is begun. */
const IDLE = 0.3

/** Milliseconds that the cores were there, all together, and those in which they had nothing to do. */
function machine() {
  const all = cpus().flatMap(({ times }) => Object.values(times))
  const idle = cpus().map(({ times }) => times.idle)
  return [all, idle].map((times) => times.reduce((sum, time) => sum + time, 0))
}

/** What runs in a process each: a suite, or a list of those that share one. Each has its own where suites are named: whoever does that looks at one. */
function processes() {
  if (elsewhere !== undefined || wanted.length > 0) return [...files]
  const queue = []
  const open = new Map()
  for (const file of files) {
    const room = dirname(file)
    const shared = open.get(room)
    if (OWN.test(readFileSync(file, 'utf8')) || place(file) < LONG.length) queue.push(file)
    else if (shared?.length < SHARED) shared.push(file)
    else {
      open.set(room, [file])
      queue.push(open.get(room))
    }
  }
  return queue
}

const begin = (what) => (Array.isArray(what) ? runTogether(what) : run(what))

async function runAll() {
  const queue = processes()
  const others = []
  let before = machine()
  const timer = setInterval(() => {
    const now = machine()
    const [all, idle] = now.map((time, at) => time - before[at])
    before = now
    if (queue.length > 0 && running < MOST && idle > IDLE * all) others.push(begin(queue.shift()))
  }, LOOK)
  const inTurn = async () => {
    while (queue.length > 0) await begin(queue.shift())
  }
  await Promise.all(Array.from({ length: LEAST }, inTurn))
  clearInterval(timer)
  await Promise.all(others)
}

await compile({ yogaIsInside: elsewhere === undefined })
await runAll()
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
list('Not passed in one process with others, and run alone', apart)
list('Held by something behind their last test', held)
list('Broken', broken)
const sum = (what) => [...results.values()].reduce((sum, result) => sum + result[what], 0)
const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map(sum)
if (option('results') !== undefined)
  writeFileSync(option('results'), JSON.stringify(Object.fromEntries([...results].map(([file, result]) => [slashes(file), result]))))
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed > 0 || files.length === 0 ? 1 : 0
