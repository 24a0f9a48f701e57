// Changes that would break a promise, one line each, and the suite and the test that must notice. By hand, when suites or the lines they hold have changed:
//   node test/mutations.mjs [part of a path, of a line or of a test …]
// Each is made in a copy of the project, one after the other, so that whatever happens to this process, nothing here is changed. Those that go
// unnoticed, and lines that are not there any more, are named. On a busy machine, TEST_PATIENCE=4 gives everything four times as long.
import { spawn } from 'node:child_process'
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
  ['lib/wire/message.ts', ' || isTooLargeIn(status)', '', 'test/gateway/hostile.ts', '148: a request has at most maxDocuments'],
  ['lib/wire/graphql/options.ts', 'if (!(error instanceof ExecutorError)) console', 'console', 'test/gateway/logger.ts', '184: without a logger'],
  ['lib/gateway/gateway.ts', 'if (!(error instanceof ExecutorError)) console', 'console', 'test/gateway/logger.ts', '184: without a logger'],
  ['lib/gateway/gateway.ts', 'clearTimeout(timer)', '', 'test/gateway/gateway.ts', '216: no timer stays'],
  ['lib/gateway/gateway.ts', 'for (const port of this.#ports) port.unready()', '', 'test/gateway/gateway.ts', 'R135: during drainDelay'],
  // ── kept by a test that was written when it went unnoticed ──
  ['lib/stream/coalesce.ts', 'if (this.#came !== this.#seen) this.#watch()\n    else ', '', 'test/stream/coalesce.ts', '216: a source that gives some'],
  [
    'lib/stream/coalesce.ts',
    'new Promise<void>(later).then(this.#onTurn)',
    'later(this.#onTurn)',
    'test/context/flow.ts',
    '216: a source that is always ready',
  ],
  ['lib/stream/eventual.ts', 'next(true)', 'next()', 'test/post/bound.ts', '203: never more'],
  ['lib/stream/reader.ts', 'if (isThenable(this.#source[0])) lookAfter(this.#source)', '', 'test/stream/in-flight.protocol.ts', 'R160: promises of a list'],
  [
    'lib/post/batches.ts',
    'return eventual(() => new Eventual(from.open, ',
    'const opened = from.open()\n      return eventual(() => new Eventual(() => opened, ',
    'test/post/post.ts',
    'P2: nothing is read',
  ],
  ['lib/post/batches.ts', 'const position = this.#at - begun.length', 'const position = 0', 'test/post/post.ts', '216: what is no document'],
  ['lib/post/iterables.ts', 'position - begun.length', '0', 'test/post/post.ts', '216: what is no document'],
  ['lib/post/iterables.ts', "from.kind === 'sync' && size <= LARGE", "from.kind === 'sync'", 'test/post/post.ts', 'R31: documents that all'],
  [
    'lib/post/answers.ts',
    'if (!(error instanceof ExecutorError) && (error as ConnectionError | undefined)?.requestId === undefined) throw error',
    '',
    'test/post/post.ts',
    '216: with continueOnError',
  ],
  [
    'lib/post/callbacks.ts',
    'await place.before\n    if (scope.aborted) throw scope.reason',
    'await place.before',
    'test/post/callbacks.ts',
    'P7: after the iteration ended',
  ],
  [
    'lib/post/callbacks.ts',
    'if (error !== undefined && onError === undefined) ',
    'if (false as boolean) ',
    'test/post/callbacks.ts',
    '216: an executor that failed',
  ],
  [
    'lib/request/request.ts',
    'detached.id = this.id',
    'detached.id = this.id\n    detached.emit = this.emit',
    'test/post/parts.ts',
    '216: pieces of what floats',
  ],
  ['lib/request/request.ts', 'other.results = { ...this.results }', 'other.results = this.results', 'test/post/parts.ts', '216: a piece does not come'],
  ['lib/yields.ts', 'if (overdue()) await new Promise<void>(later)', '', 'test/post/parts.ts', '216: a generator that waits for nothing'],
  ['lib/graph/branches.ts', 'request.linger(Promise.allSettled(waited))', '', 'test/flow.ts', 'R53, R137'],
  ['lib/graph/join.ts', 'parts.map(({ docs }) => ({ docs: docs.clone() }))', 'parts', 'test/flow.ts', '216: a join that unites by id'],
  [
    'lib/graph/replica.ts',
    'this.#time = Math.min(MOST, Math.max(end - start, 2 * this.#time, FAILED))',
    '',
    'test/graph/replicas.ts',
    '216: a replica that fails at once',
  ],
  ['lib/flow.ts', 'if (opening !== undefined || this.#closing === undefined) {', '{', 'test/flow.ts', '216: close() called twice'],
  ['lib/flow.ts', 'await this.#closing?.catch(() => {})\n    if', 'if', 'test/flow.ts', '216: close() called twice'],
  ['lib/executor.ts', 'method in Executor.prototype', 'false', 'test/executor.ts', 'E1: an endpoint bound'],
  ['lib/config/save.ts', "['sslKeyfile', 'sslCertfile', 'tokenFile']", "['sslKeyfile', 'sslCertfile']", 'test/config/save.ts', '216: files of keys'],
  ['lib/wire/http/write.ts', '    if (message.ordinal !== undefined) throw error\n', '', 'test/gateway/unwritable.ts', '157: on every wire'],
  ['lib/wire/websocket/server/session.ts', '    if (message.ordinal !== undefined) throw error\n', '', 'test/gateway/unwritable.ts', '157: on every wire'],
  ['lib/wire/grpc/server/desk.ts', '      if (message.ordinal !== undefined) throw error\n', '', 'test/gateway/unwritable.ts', '157: on every wire'],
  ['lib/wire/http/streams.ts', '    lost.add(piece.requestId)\n', '', 'test/gateway/unwritable.ts', '157: nor does one'],
  [
    'lib/graph/queue.ts',
    'this.#leave(ticket, of(ticket.request, request, reason))',
    'this.#leave(ticket, reason)',
    'test/graph/batched.ts',
    '216: what a batch failed of',
  ],
  ['lib/graph/queue.ts', 'if (batch.done !== undefined) ticket.request.linger(batch.done)', '', 'test/graph/batched.ts', '216: close() waits for a batch'],
  ['lib/graph/queue.ts', 'if (item.ticket.over) continue', '', 'test/graph/batched.ts', '216: who left while few did'],
  ['lib/doc/document.ts', 'copy.#more.location = [...more.location]', 'copy.#more.location = more.location', 'test/doc/document.ts', 'E9: a clone has'],
  ['lib/graph/external.ts', ' || request.whole.emitted > emitted', '', 'test/graph/external.ts', '216: nobody elsewhere'],
  ['lib/request/copy.ts', 'copies.get(document) ?? document.clone()', 'document.clone()', 'test/graph/patient.ts', '216: a document that a join has'],
  ['lib/request/response.ts', '[...request.routes]', 'request.routes', 'test/post/parts.ts', '216: a piece does not come'],

  // ── features: each taken away ──
  ['lib/flow.ts', 'options.needs === undefined ? [last]', 'true ? [last]', 'test/flow.ts', 'F3, E9'],
  ['lib/flow.ts', 'floating: options.floating ?? false', 'floating: false', 'test/post/parts.ts', '216: pieces of what floats'],
  ['lib/flow.ts', "join: options.join ?? 'concat'", "join: 'concat'", 'test/flow.ts', '216: a join that unites by id'],
  ['lib/deployment.ts', 'if (options.when !== undefined) {', 'if (false as boolean) {', 'test/graph/when.ts', 'F3: what does not pass'],
  [
    'lib/deployment.ts',
    'if (Object.keys(options.dynamicBatching ?? {}).length > 0) {',
    'if (false as boolean) {',
    'test/graph/batched.ts',
    'F4: a batch goes out by size',
  ],
  [
    'lib/deployment.ts',
    'if (options.timeout !== undefined || options.retries !== undefined || options.signal !== undefined) {',
    'if (false as boolean) {',
    'test/graph/patient.ts',
    'R44',
  ],
  ['lib/graph/patient.ts', "typeof retries === 'number' ? { attempts: retries } : retries", '{ attempts: 0 }', 'test/graph/patient.ts', 'R113'],
  [
    'lib/graph/replicas.ts',
    "polling === 'ALL' ? this.#askAll(request) : this.#askFirst(request)",
    'this.#askFirst(request)',
    'test/graph/replicas.ts',
    'F4: ALL asks every replica',
  ],
  [
    'lib/graph/replicas.ts',
    "polling === 'ALL' ? this.#askAll(request) : this.#askFirst(request)",
    'this.#askAll(request)',
    'test/graph/replicas.ts',
    'F4: with ALL_ASYNC',
  ],
  ['lib/graph/replicas.ts', 'if (replica.load < this.#settings.concurrency) return', 'return', 'test/graph/replicas.ts', 'F4, R22, R23: concurrency'],
  ['lib/post/callbacks.ts', "await run('onAlways', () => onAlways?.(response))", '', 'test/post/callbacks.ts', 'P7'],
  ['lib/post/answers.ts', 'return resultsInOrder\n', 'return false\n', 'test/post/post.ts', 'P2: responses come'],
  ['lib/post/answers.ts', 'options.continueOnError === true || options.onError !== undefined', 'false', 'test/post/post.ts', 'P8: with continueOnError'],
  ['lib/options.ts', 'DEFAULT_FLUSH_AFTER = 100', 'DEFAULT_FLUSH_AFTER = Infinity', 'test/post/post.ts', 'R20, R171'],
  ['lib/request/request.ts', 'return this.#target?.(executor) ?? true', 'return true', 'test/post/post.ts', 'P6'],
  [
    'lib/request/request.ts',
    'return this.#empty ? {} : parametersFor!(this.parameters, names)',
    'return this.#empty ? {} : this.parameters',
    'test/post/post.ts',
    'P5',
  ],
  ['lib/instances.ts', 'const all = { ...flow.env, ...env }', 'const all = {}', 'test/flow.ts', 'E8'],
  ['lib/instances.ts', '...(usesRequests && { requests: usesRequests }),', '', 'test/executor.ts', 'E2, E5'],
  ['lib/doc/from/options.ts', 'if (onInvalid === undefined) throw error', 'throw error', 'test/doc/from.ts', 'D4: with onInvalid'],
  ['lib/graph/queue.ts', 'this.#flushAll || weight < this.#size', 'weight < this.#size', 'test/graph/batched.ts', 'F4: flushAll'],
  ['lib/graph/queue.ts', 'this.#weigh = weight\n', 'this.#weigh = () => 1\n', 'test/graph/batched.ts', 'F4: weight'],
  ['lib/cli/run.ts', 'resultsInOrder: inOrder,', '', 'test/cli/serve.ts', 'C1, P4'],
  ['lib/cli/run.ts', '    targetExecutor,\n    requestSize,', '    requestSize,', 'test/cli/run.ts', 'T1 whole responses'],
  [
    'lib/cli/run.ts',
    '{ timeout: options.timeout, maxAttempts: options.maxAttempts }',
    '{ timeout: options.timeout }',
    'test/cli/serve.ts',
    '216: sluice client',
  ],
  ['lib/cli/reach.ts', '{ ...options, headers, tls, docarray, token }', '{ ...options, tls, docarray, token }', 'test/cli/serve.ts', '216: sluice client'],
  ['lib/cli/serve.ts', 'uses, usesWith, env, workspace, parallel })', 'uses, usesWith, env, workspace })', 'test/cli/serve.ts', '216: sluice executor'],
  ['lib/cli/serve.ts', '    allowedHosts,\n    tokenFile,', '    tokenFile,', 'test/cli/serve.ts', '216: sluice executor'],
]

/** Milliseconds for a suite: what was broken may hang. */
const TIME = 120_000 * Number(process.env.TEST_PATIENCE ?? 1)

const wanted = process.argv.slice(2)
const chosen = MUTATIONS.filter((mutation) => wanted.length === 0 || wanted.some((part) => mutation.some((text) => text.includes(part))))
const copy = mkdtempSync(join(tmpdir(), 'sluice-mutations-'))
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const name of ['lib', 'test', 'package.json', 'tsconfig.json']) cpSync(name, join(copy, name), { recursive: true })
for (const name of ['node_modules', 'dist', 'docs', 'examples', 'README.md']) symlinkSync(join(process.cwd(), name), join(copy, name))

let running
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    running?.kill('SIGKILL')
    process.exit(130)
  })

/** The names of the tests of a suite that fail, and whether all of it was well. */
async function run(suite) {
  const env = { ...process.env, FORCE_COLOR: '0' }
  running = spawn(process.execPath, ['--import', 'tsx', suite], { cwd: copy, stdio: ['ignore', 'pipe', 'pipe'], env })
  let output = ''
  for (const stream of [running.stdout, running.stderr]) stream.on('data', (data) => (output += data))
  const timer = setTimeout(() => running.kill('SIGKILL'), TIME)
  const code = await new Promise((resolve) => running.on('close', resolve))
  clearTimeout(timer)
  const failed = [...output.matchAll(/^\s+FAIL {2}"(.*)"$/gm)].map(([, name]) => name)
  return { failed, ok: code === 0 && failed.length === 0 && /Total:\s+[1-9]/.test(output) }
}

async function outcomeOf([file, line, other, suite, test]) {
  const path = join(copy, file)
  const text = readFileSync(path, 'utf8')
  const parts = text.split(line)
  if (parts.length !== 2) return 'not there once'
  writeFileSync(path, parts.join(other))
  const { failed, ok } = await run(suite)
  writeFileSync(path, text)
  if (ok) return 'not noticed'
  return failed.some((name) => name.startsWith(test)) ? 'noticed' : `only by others: ${failed.join(' · ') || 'a suite that did not end'}`
}

const unnoticed = []
for (const [at, mutation] of chosen.entries()) {
  const [file, line, other] = mutation.map((text) => text.trim().replace(/\s+/g, ' '))
  const label = `${file}: ${line} → ${other || 'nothing'}`
  const outcome = await outcomeOf(mutation)
  if (outcome !== 'noticed') unnoticed.push(`${label}\n      ${outcome}`)
  console.log(`${at + 1}/${chosen.length} ${label}\n    ${outcome}`)
}
console.log(`\n${chosen.length - unnoticed.length} noticed, ${unnoticed.length} unnoticed`)
for (const label of unnoticed) console.log(`  ${label}`)
process.exitCode = unnoticed.length === 0 && chosen.length > 0 ? 0 : 1
