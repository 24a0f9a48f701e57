// Changes that would break a promise, one line each, and the suites that must notice. By hand, when suites or the lines they hold have changed:
//   node test/mutations.mjs [part of a path …]
// Each is made in a copy of the project, whose suites must then fail; those that pass, and lines that are not there any more, are named.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** File, text that stands there once, what takes its place, the suite, and how the test begins that must fail. */
const MUTATIONS = [
  ['lib/stream/reader.ts', 'return busy ? undefined : closing', 'return closing', 'test/stream/in-flight.ts', '216, promise 6: return() does not wait'],
  ['lib/stream/receipts.ts', 'const received = this.#ripe > this.#way ? 1 : 0', 'const received = 1', 'test/stream/in-flight.ts', 'promise 1, R22'],
  ['lib/stream/flight.ts', 'for (const lost of behind) lost.abort(reason)', '', 'test/stream/in-flight.ts', 'promise 5, R156'],
  ['lib/stream/holder.ts', 'dropped.register(held.holder!, held, held)', '', 'test/post/dropped.ts', '200: a post that is dropped'],
  ['lib/post/batches.ts', 'if (i === 0) throw reason', '', 'test/post/post.ts', '216: a batch whose first document is bad'],
  ['lib/graph/walk.ts', 'if (scope.aborted) throw scope.reason', '', 'test/post/post.ts', 'P12, R51: after break'],
  [
    'lib/graph/patient.ts',
    'if (pending === undefined) return countdown?.end()',
    'if (pending === undefined) return',
    'test/graph/patient.ts',
    '216: an executor that answers',
  ],
  ['lib/graph/patient.ts', 'trial.tried = tried', '', 'test/graph/patient.ts', '216: the next attempt'],
  ['lib/graph/patient.ts', ' || parted || !isPassing(error)', ' || !isPassing(error)', 'test/graph/patient.ts', 'E3, R113: no attempt follows partial answers'],
  ['lib/graph/patient.ts', ' || parted || !isPassing(error)', ' || parted', 'test/graph/patient.ts', 'R113: no attempt follows an answer'],
  ['lib/graph/patient.ts', 'trial.linger(pending)', '', 'test/graph/patient.ts', 'R44: close() waits'],
  ['lib/graph/branches.ts', 'branch.branches = undefined', '', 'test/flow.ts', '216: only the executor at a join'],
  [
    'lib/graph/branches.ts',
    'all.push(request.fork(request.docs.clone()))',
    'all.push(request.fork(request.docs))',
    'test/flow.ts',
    'F3, E9: branches get copies',
  ],
  ['lib/graph/branches.ts', 'scope.abort(error)', '', 'test/flow.ts', 'R53: one branch fails'],
  ['lib/graph/replicas.ts', 'failures.splice(0).forEach(report)', '', 'test/graph/replicas.ts', 'F4: with ALL_ASYNC a failure before'],
  ['lib/graph/queue.ts', 'if (--batch.wanted === 0) batch.scope.abort(reason)', '', 'test/graph/batched.ts', 'P12: a batch is told to stop'],
  ['lib/executor.ts', ' && endpoint !== DRY_RUN', '', 'test/executor.ts', '216: a dry run'],
  ['lib/yields.ts', 'if (scope.aborted) throw scope.reason\n  }\n', '}\n', 'test/post/parts.ts', '216: a generator is not asked'],
  ['lib/yields.ts', 'request.fork(docs.clone())', 'request.fork(docs)', 'test/post/parts.ts', 'E3: token by token'],
  ['lib/lifecycle.ts', '[...parts].reverse()', '[...parts]', 'test/executor.ts', 'E6: opened once'],
  ['lib/running.ts', '.then(() => this.#background.whenDone())', '', 'test/graph/floating.ts', '216: close() waits for what floats'],
  ['lib/running.ts', 'request.scope.abort(reason)', '', 'test/flow.ts', '216: closeTimeout tells'],
  ['lib/running.ts', 'scope.abort(undefined)', '', 'test/flow.ts', '216: no timer stays'],
  ['lib/flow-options.ts', 'if (others.some((other) => other !== one)) throw', 'if (false as boolean) throw', 'test/graph/replicas.ts', 'F4: wrong numbers'],
  ['lib/config/package-module.ts', "!way.startsWith('..') && !isAbsolute(way)", 'true', 'test/config/npm.ts', '216: the module of a package'],
  ['lib/client/attempts.ts', ' && request.whole.emitted === emitted', '', 'test/client/attempts.ts', '216: grpc: a request is not sent again'],
  [
    'lib/gateway/gateway.ts',
    'await Promise.all(ports.map((port) => port.close()))\n      throw',
    'throw',
    'test/gateway/gateway.ts',
    '216: when the second port is taken',
  ],
  ['lib/wire/graphql/answer.ts', 'from + at', 'at', 'test/wire/graphql/many.ts', '148: of many documents, an error'],
  ['lib/wire/graphql/variables.ts', '[at, ...path]', 'path', 'test/wire/graphql/many.ts', '148: variables that do not fit'],
  ['lib/wire/graphql/handler.ts', 'isUnwritable(error) ? blamed(error, context) : error', 'error', 'test/gateway/unwritable.ts', '146'],
  ['lib/wire/graphql/options.ts', 'if (!(error instanceof ExecutorError)) console', 'console', 'test/gateway/logger.ts', '184: without a logger'],
  ['lib/gateway/gateway.ts', 'if (!(error instanceof ExecutorError)) console', 'console', 'test/gateway/logger.ts', '184: without a logger'],
  ['lib/gateway/gateway.ts', 'clearTimeout(timer)', '', 'test/gateway/gateway.ts', '216: no timer stays'],
  ['lib/gateway/gateway.ts', 'for (const port of this.#ports) port.unready()', '', 'test/gateway/gateway.ts', 'R135: during drainDelay'],
]

const wanted = process.argv.slice(2)
const copy = mkdtempSync(join(tmpdir(), 'sluice-mutations-'))
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const name of ['lib', 'test', 'package.json', 'tsconfig.json']) cpSync(name, join(copy, name), { recursive: true })
for (const name of ['node_modules', 'dist', 'docs', 'examples', 'README.md']) symlinkSync(join(process.cwd(), name), join(copy, name))

const unnoticed = []
for (const [file, line, other, suite, test] of MUTATIONS) {
  if (wanted.length > 0 && !wanted.some((part) => file.includes(part) || suite.includes(part))) continue
  const path = join(copy, file)
  const text = readFileSync(path, 'utf8')
  const parts = text.split(line)
  const label = `${file}: ${line.trim()} → ${other.trim() || 'nothing'}`
  let outcome = 'not there once'
  if (parts.length === 2) {
    writeFileSync(path, parts.join(other))
    const { stdout } = spawnSync(process.execPath, ['test/run.mjs', suite], { cwd: copy, encoding: 'utf8' })
    writeFileSync(path, text)
    const failed = [...stdout.matchAll(/^\s+FAIL {2}"(.*)"$/gm)].map(([, name]) => name)
    outcome = failed.some((name) => name.startsWith(test))
      ? 'noticed'
      : /, [1-9]\d* failed/.test(stdout)
        ? `only by others: ${failed.join(' · ') || 'a suite that did not end'}`
        : 'not noticed'
  }
  if (outcome !== 'noticed') unnoticed.push(label)
  console.log(`${label}\n    ${outcome}`)
}
console.log(unnoticed.length === 0 ? '\nAll were noticed' : `\n${unnoticed.length} were not:\n  ${unnoticed.join('\n  ')}`)
process.exitCode = unnoticed.length === 0 ? 0 : 1
