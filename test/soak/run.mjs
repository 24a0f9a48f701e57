// What takes too long for every run of the tests: more cases against the model, a million hostile messages, and the like.
//   npm run soak -- [part …] [--share=0.02] [--seconds=900]
// `share` is how much of each is done, `seconds` an end to each part, as far as it has come. Writes bench/results/soak.md when it does all of
// a part, or is given an end; a part that was not run keeps its figures.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'

const RESULTS = 'bench/results/soak.md'
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const option = (name) => process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1]
const share = Number(option('share') ?? 1)
const seconds = option('seconds')
/** Another than that of the tests, whose cases it would only repeat. */
const SEED = Number(process.env.SOAK_SEED ?? 10)

const some = (count) => Math.max(1, Math.round(count * share))
const env = (count) => ({ SOAK_COUNT: String(some(count)), SOAK_SEED: String(SEED), ...(seconds !== undefined && { SOAK_SECONDS: seconds }) })

/** What a suite of the tests says, as one row. */
const suite = (file, what, env) => ({
  file,
  env,
  rows: (output, code) => {
    const count = (label) => Number(new RegExp(`${label}:\\s+(\\d+)`).exec(output)?.[1] ?? 0)
    const met = code === 0 && count('Total') > 0 && count('Total') === count('Passed')
    return [{ what, seen: met ? 'held' : 'failed', bound: 'held', met }]
  },
})

const CASES = 100_000
const model = (way, part) =>
  suite(`test/model/${way}.ts`, `${some(CASES * part).toLocaleString('en-US')} cases, ${way === 'inline' ? 'in process' : way}`, {
    MODEL_RUNS: String(some(CASES)),
    MODEL_SEED: String(SEED),
  })

const FUZZ = 50
const fuzz = (file, what) => suite(file, what, { SLUICE_FUZZ_RUNS: String(some(FUZZ)) })

/** In the tests, the formats are tried as often as a fiftieth is. */
const PARTS = {
  model: {
    question: 'Random cases against docs/guarantees.md',
    runs: () => [model('inline', 0.7), model('grpc', 0.1), model('http', 0.1), model('websocket', 0.1)],
  },
  hostile: { question: 'Hostile messages, and an innocent client beside them', runs: () => [{ file: 'test/soak/hostile.ts', env: env(1_000_000) }] },
  credentials: { question: 'Credentials that are none', runs: () => [{ file: 'test/soak/credentials.ts', env: env(100_000) }] },
  day: { question: 'A day in production, all at once', runs: () => [{ file: 'test/soak/day.ts', env: env(600) }] },
  restart: { question: 'A rolling restart under load', runs: () => [{ file: 'test/soak/restart.ts', env: env(50) }] },
  stores: {
    question: 'Documents on disk: writers that are killed, ten times more than there is memory for, and a job that goes on',
    runs: () => [
      { file: 'test/soak/stores.ts', env: env(100) },
      { file: 'test/soak/room.ts', env: env(2000) },
      { file: 'test/soak/resume.ts', env: env(50) },
    ],
  },
  live: { question: 'The live page, looked at while requests go by', runs: () => [{ file: 'test/soak/live.ts', env: env(1_000_000) }] },
  places: { question: 'Processes of executors, killed at random', runs: () => [{ file: 'test/soak/places.ts', env: env(1000) }] },
  containers: {
    question: 'Containers of executors, killed at random (by node .ci/engine.mjs, where no engine runs)',
    runs: () => [{ file: 'test/soak/containers.ts', env: env(50) }],
  },
  daemon: { question: 'A daemon and its executors, killed at random', runs: () => [{ file: 'test/soak/daemon.ts', env: env(200) }] },
  nats: {
    question: 'A durable queue of NATS, its workers and its gateway killed at random, its server restarted',
    runs: () => [{ file: 'test/soak/nats.ts', env: env(10_000) }],
  },
  formats: {
    question: 'Broken bytes',
    runs: () =>
      some(FUZZ) === 1
        ? []
        : [
            fuzz('test/wire/proto/garbage.ts', `${(20_000 * some(FUZZ)).toLocaleString('en-US')} broken documents`),
            fuzz('test/gateway/hostile.ts', `${(600 * some(FUZZ)).toLocaleString('en-US')} broken messages, each answered before the next twenty`),
          ],
  },
}

/** What could not be run here, and why. */
const skipped = []

function run({ file, env, rows }) {
  const child = spawn(process.execPath, ['--import', 'tsx', file], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env, FORCE_COLOR: '0' } })
  let output = ''
  child.stdout.on('data', (data) => (output += data))
  return new Promise((resolve) =>
    child.on('close', (code) => {
      const said = rows?.(output, code) ?? [...output.matchAll(/^row (.*)$/gm)].map(([, row]) => JSON.parse(row))
      const failed = code !== 0 && said.every(({ met }) => met)
      if (code !== 0) console.log(output)
      skipped.push(...[...output.matchAll(/^skipped: (.*)$/gm)].map(([, why]) => why))
      resolve(failed ? [...said, { what: file, seen: `ended with ${code}`, bound: 'ends well', met: false }] : said)
    }),
  )
}

const table = (rows) =>
  [
    '| what | bound | seen | met |',
    '|---|---:|---:|---:|',
    ...rows.map(({ what, bound, seen, met }) => `| ${what} | ${bound} | ${seen} | ${met ? 'yes' : 'no'} |`),
  ].join('\n')

/** Puts the figures of a part in place of those before. */
function write(name, question, rows, took) {
  const title = '# soak\n\nWhat holds for long, and what is left then? `npm run soak`; a part each, as it was last run.\n'
  const text = existsSync(RESULTS) ? readFileSync(RESULTS, 'utf8') : title
  const sections = text.split(/^(?=## )/m).filter((section) => !section.startsWith(`## ${name}\n`))
  const where = `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}, seed ${SEED}, ${took} s`
  sections.push(`## ${name}\n\n${question}. ${where}.\n\n${table(rows)}\n\n`)
  writeFileSync(RESULTS, `${sections.map((section) => section.trimEnd()).join('\n\n')}\n`)
}

const failed = []
let held = 0
for (const [name, { question, runs }] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const start = performance.now()
  const rows = []
  for (const one of runs()) rows.push(...(await run(one)))
  const took = Math.round((performance.now() - start) / 1000)
  if (rows.length === 0) continue
  console.log(`\n${name}: ${question}, ${took} s\n${table(rows)}`)
  held += rows.filter(({ met }) => met).length
  failed.push(...rows.filter(({ met }) => !met).map(({ what }) => `${name}: ${what}`))
  if (share === 1) write(name, question, rows, took)
}
for (const why of skipped) console.log(`\nskipped: ${why}`)
const not = skipped.length > 0 ? `, ${skipped.length} skipped` : ''
console.log(`\nsoak: ${held} held, ${failed.length} failed${not}${failed.map((what) => `\n  ${what}`).join('')}`)
process.exitCode = failed.length > 0 || held === 0 ? 1 : 0
