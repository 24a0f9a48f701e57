// Runs the benches, each in a process of its own, one after the other; prints their tables and keeps them in bench/results.
//   node bench/run.mjs [--quick] [part of a name …]
// They measure dist/, so build first: `npm run bench` does.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'

const BENCHES = [
  'in-flight',
  'post',
  'context',
  'events',
  'viewers',
  'each',
  'deltas',
  'turns',
  'held',
  'memory',
  'prefetch',
  'limits',
  'bytes',
  'overload',
  'breaker',
  'tenants',
  'graph',
  'scale',
  'codec',
  'stores',
  'cache',
  'import',
  'wires',
  'graphql',
  'passthrough',
  'nats',
  'queues',
  'manifests',
  'jina',
  'places',
]
const quick = process.argv.includes('--quick')
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const broken = []
const missed = []
const skipped = []

for (const name of BENCHES.filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))) {
  const child = spawn(process.execPath, ['--import', 'tsx', `bench/${name}.ts`, ...(quick ? ['--quick'] : [])], { stdio: ['ignore', 'pipe', 'inherit'] })
  let report = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    report += text
    process.stdout.write(text)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  const misses = report.split('\n').filter((line) => /\|\s+no \|$/.test(line))
  for (const line of misses) missed.push(`${name}: ${line}`)
  const [skip] = /^skipped: .*$/m.exec(report) ?? []
  if (skip !== undefined) skipped.push(`${name}: ${skip}`)
  if (code !== 0 && misses.length === 0) broken.push(`${name} ended with ${code}`)
  else if (!quick && skip === undefined) writeFileSync(`bench/results/${name}.md`, report)
}

for (const line of broken) console.log(`Broken: ${line}`)
for (const line of missed) console.log(`Missed: ${line}`)
for (const line of skipped) console.log(line)
process.exitCode = broken.length > 0 || missed.length > 0 ? 1 : 0
