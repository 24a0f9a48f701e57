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
    'lib/handler/retry.ts',
    'if (pending === undefined) return own?.end()',
    'if (pending === undefined) return',
    'test/handler/retry.ts',
    '216: an executor that answers',
  ],
  ['lib/handler/retry.ts', 'trial.attempt = { tried,', 'trial.attempt = { tried: new Set(),', 'test/handler/retry.ts', '216: the next attempt'],
  ['lib/handler/retry.ts', ' || parted || request', ' || request', 'test/handler/retry.ts', 'E3, R113: no attempt follows partial answers'],
  ['lib/handler/retry.ts', ' || !passing(error)', '', 'test/handler/retry.ts', 'R113: no attempt follows an answer'],
  ['lib/handler/retry.ts', 'trial.linger(pending)', '', 'test/handler/retry.ts', 'R44: close() waits'],
  ['lib/graph/branches.ts', 'branch.branches = undefined', '', 'test/flow/flow.ts', '216: only the executor at a join'],
  [
    'lib/graph/branches.ts',
    'all.push(fork(request, request.docs.clone()))',
    'all.push(fork(request, request.docs))',
    'test/flow/flow.ts',
    'F3, E9: branches get copies',
  ],
  ['lib/graph/branches.ts', 'scope.abort(error)', '', 'test/flow/flow.ts', 'R53: one branch fails'],
  ['lib/handler/replicas.ts', 'failures.splice(0).forEach(report)', '', 'test/handler/replicas.ts', 'F4: with ALL_ASYNC a failure before'],
  ['lib/handler/batch-queue.ts', 'if (--batch.wanted === 0) batch.scope.abort(reason)', '', 'test/handler/batching.ts', 'P12: a batch is told to stop'],
  ['lib/executor/executor.ts', ' && endpoint !== DRY_RUN', '', 'test/executor/executor.ts', '216: a dry run'],
  ['lib/executor/generator.ts', 'if (scope.aborted) throw scope.reason\n  }\n', '}\n', 'test/post/parts.ts', '216: a generator is not asked'],
  ['lib/executor/generator.ts', 'fork(request, docs.clone())', 'fork(request, docs)', 'test/post/parts.ts', 'E3: token by token'],
  ['lib/base/lifecycle.ts', '[...parts].reverse()', '[...parts]', 'test/executor/executor.ts', 'E6: opened once'],
  ['lib/flow/open-flow.ts', '.then(() => this.#background.whenDone())', '', 'test/graph/floating.ts', '216: close() waits for what floats'],
  ['lib/flow/open-flow.ts', 'request.scope.abort(reason)', '', 'test/flow/flow.ts', '216: closeTimeout tells'],
  ['lib/flow/open-flow.ts', 'scope.abort(undefined)', '', 'test/flow/flow.ts', '216: no timer stays'],
  ['lib/flow/options.ts', 'if (others.some((other) => other !== one)) throw', 'if (false as boolean) throw', 'test/handler/replicas.ts', 'F4: wrong numbers'],
  ['lib/config/package-module.ts', "!way.startsWith('..') && !isAbsolute(way)", 'true', 'test/config/npm.ts', '216: the module of a package'],
  ['lib/handler/retry.ts', ' || parted || request', ' || request', 'test/client/retry.ts', '216: grpc: a request is not sent again'],
  [
    'lib/gateway/gateway.ts',
    'await Promise.all(ports.map((port) => port.close()))\n      throw',
    'throw',
    'test/gateway/gateway.ts',
    '216: when the second port is taken',
  ],
  ['lib/wire/graphql/server/answer.ts', 'from + at', 'at', 'test/wire/graphql/many.ts', '148: of many documents, an error'],
  ['lib/wire/graphql/server/variables.ts', '[at, ...path]', 'path', 'test/wire/graphql/many.ts', '148: variables that do not fit'],
  ['lib/wire/graphql/server/fetch.ts', 'isUnwritable(error) ? blamed(error, context, report) : error', 'error', 'test/gateway/unwritable.ts', '146'],
  [
    'lib/wire/outcome.ts',
    "if (isTooLarge(error) || isTooLarge(error.cause)) return 'tooLarge'",
    '',
    'test/gateway/hostile.ts',
    '148: a request has at most maxDocuments',
  ],
  [
    'lib/wire/graphql/server/answer.ts',
    'left -= ((document.embedding?.data.length ?? 0) + (document.tensor?.data.length ?? 0)) / NUMBERS',
    '',
    'test/wire/graphql/many.ts',
    '148: documents with long vectors are many',
  ],
  [
    'lib/wire/graphql/server/docs.ts',
    "if (request.method === 'GET' && !isPreflighted(request))",
    'if (false as boolean)',
    'test/wire/graphql/safety.ts',
    'R118: a GET',
  ],
  ['lib/wire/graphql/server/docs.ts', 'signal: request.signal,', '', 'test/wire/graphql/abort.ts', 'R43: a client that leaves'],
  ['lib/wire/graphql/server/body.ts', ' || Array.isArray(json)', '', 'test/wire/graphql/limits.ts', 'R96: a list'],
  ['lib/wire/graphql/options.ts', 'if (!(error instanceof ExecutorError)) console', 'console', 'test/gateway/logger.ts', '184: without a logger'],
  ['lib/gateway/gateway.ts', 'if (!(error instanceof ExecutorError)) console', 'console', 'test/gateway/logger.ts', '184: without a logger'],
  ['lib/gateway/gateway.ts', 'clearTimeout(timer)', '', 'test/gateway/gateway.ts', '216: no timer stays'],
  ['lib/gateway/gateway.ts', 'for (const port of this.#ports) port.unready()', '', 'test/gateway/gateway.ts', 'R135: during drainDelay'],
  [
    'lib/wire/grpc/status.ts',
    'busy: Code.RESOURCE_EXHAUSTED',
    'busy: Code.UNAVAILABLE',
    'test/contract/client-grpc.ts',
    'client grpc: on the wire itself: busy',
  ],
  ['lib/wire/http/status.ts', 'busy: 503', 'busy: 429', 'test/contract/client-http.ts', 'client http: on the wire itself: busy'],
  ['lib/wire/websocket/status.ts', 'tooLarge: 1009', 'tooLarge: 1008', 'test/contract/client-websocket.ts', 'client websocket: on the wire itself: tooLarge'],
  ['lib/wire/graphql/status.ts', "'TIMEOUT', status: 504", "'TIMEOUT', status: 503", 'test/contract/graphql.ts', 'graphql: on the wire itself: late'],
  ['lib/handler/limits.ts', 'time.lift()', '', 'test/wire/context-headers.ts', '217: once an answer has begun'],
  ['lib/stream/scope.ts', 'child.deadline = this.deadline', '', 'test/wire/context-headers.ts', '217: grpc: an executor elsewhere gets the trace'],
  [
    'lib/handler/limits.ts',
    'if (deadline !== undefined && deadline.left <= 0) throw this.#late(request, deadline.left)',
    '',
    'test/wire/context-headers.ts',
    '217: HTTP JSON: who has no time left',
  ],
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
  ['lib/request/lineage.ts', 'own.id = request.id', 'own.id = request.id\n  own.emit = request.emit', 'test/post/parts.ts', '216: pieces of what floats'],
  ['lib/request/lineage.ts', 'other.results = { ...request.results }', 'other.results = request.results', 'test/post/parts.ts', '216: a piece does not come'],
  ['lib/executor/generator.ts', 'if (overdue()) await new Promise<void>(later)', '', 'test/post/parts.ts', '216: a generator that waits for nothing'],
  ['lib/graph/branches.ts', 'request.linger(Promise.allSettled(waited))', '', 'test/flow/flow.ts', 'R53, R137'],
  ['lib/graph/join.ts', 'parts.map(({ docs }) => ({ docs: docs.clone() }))', 'parts', 'test/flow/flow.ts', '216: a join that unites by id'],
  [
    'lib/handler/replica.ts',
    'this.#time = Math.min(MOST, Math.max(end - start, 2 * this.#time, FAILED))',
    '',
    'test/handler/replicas.ts',
    '216: a replica that fails at once',
  ],
  ['lib/flow/flow.ts', 'if (opening !== undefined || this.#closing === undefined) {', '{', 'test/flow/flow.ts', '216: close() called twice'],
  ['lib/flow/flow.ts', 'await this.#closing?.catch(() => {})\n    if', 'if', 'test/flow/flow.ts', '216: close() called twice'],
  ['lib/executor/executor.ts', 'method in Executor.prototype', 'false', 'test/executor/executor.ts', 'E1: an endpoint bound'],
  ['lib/config/save.ts', "['sslKeyfile', 'sslCertfile', 'tokenFile']", "['sslKeyfile', 'sslCertfile']", 'test/config/save.ts', '216: files of keys'],
  ['lib/wire/http/write.ts', '    if (message.ordinal !== undefined) throw error\n', '', 'test/gateway/unwritable.ts', '157: on every wire'],
  ['lib/wire/websocket/server/session.ts', '    if (message.ordinal !== undefined) throw error\n', '', 'test/gateway/unwritable.ts', '157: on every wire'],
  ['lib/wire/grpc/server/calls-under-way.ts', '      if (message.ordinal !== undefined) throw error\n', '', 'test/gateway/unwritable.ts', '157: on every wire'],
  [
    'lib/wire/http/server/upload-stream.ts',
    'written.set(piece, { message, text: await stream.write(message) })',
    '',
    'test/gateway/unwritable.ts',
    '157: nor does one follow it in the answers to',
  ],
  ['lib/wire/unseen.ts', 'times === AGAIN || ', 'true || ', 'test/network/restarted.ts', '177: http: what was written to a connection'],
  ['lib/wire/http/client/transport-node.ts', 'req.shouldKeepAlive = false', '', 'test/network/restarted.ts', '177: after a 500'],
  ['lib/wire/websocket/server/session.ts', 'this.#ending = drained()', 'this.#ending = DONE', 'test/network/restarted.ts', '230: websocket: what is sent'],
  ['lib/wire/grpc/client/channel.ts', 'this.#handshakes!.end()', '{}', 'test/network/let-go.ts', '232: a port that accepts connections'],
  [
    'lib/wire/proto/lazy.ts',
    "'constructor', { value: Document,",
    "'constructor', { value: LazyDocument,",
    'test/contract/client-grpc.ts',
    'client grpc: story: documents are of one class',
  ],
  [
    'lib/handler/batch-queue.ts',
    'this.#leave(ticket, of(ticket.request, request, reason))',
    'this.#leave(ticket, reason)',
    'test/handler/batching.ts',
    '216: what a batch failed of',
  ],
  [
    'lib/handler/batch-queue.ts',
    'if (batch.done !== undefined) ticket.request.linger(batch.done)',
    '',
    'test/handler/batching.ts',
    '216: close() waits for a batch',
  ],
  ['lib/handler/batch-queue.ts', 'if (item.ticket.over) continue', '', 'test/handler/batching.ts', '216: who left while few did'],
  ['lib/doc/document.ts', "else if (field !== 'embedding') fields[field] = copyJson(value)", '', 'test/doc/document.ts', 'E9: a clone has'],
  ['lib/handler/retry.ts', ' || parted || request', ' || request', 'test/place/external.ts', '216: nobody elsewhere'],
  ['lib/request/lineage.ts', 'copies.get(document) ?? document.clone()', 'document.clone()', 'test/handler/retry.ts', '216: a document that a join has'],
  ['lib/request/response.ts', '[...request.routes]', 'request.routes', 'test/post/parts.ts', '216: a piece does not come'],

  // ── kept from the first on ──
  ['lib/doc/array.ts', 'known.get(other.id)?.pop()', 'known.get(other.id)?.at(-1)', 'test/doc/array.ts', 'E9, 166: merge unites by id, the n-th of an id'],
  ['lib/doc/document.ts', '{ ...(value as T) } : {', '(value as T) : {', 'test/doc/document.ts', 'D1: tags are copied one level deep, bytes and'],
  [
    'lib/doc/document.ts',
    'copy.#tags = copyJson(this.#tags)',
    'copy.#tags = { ...this.#tags }',
    'test/doc/document.ts',
    'E9: a clone has the same id and shares nothing',
  ],
  ['lib/doc/document.ts', 'fields[field] = value.clone()', 'fields[field] = value', 'test/doc/document.ts', 'E9: a clone has the same id and shares nothing'],
  ['lib/doc/document.ts', "'arrayBuffer' in like || ", '', 'test/doc/document.ts', '161: what stands behind getters is read; what'],
  [
    'lib/doc/document.ts',
    "else if (key === '__proto__') throw new DocumentError('ERR_DOCUMENT', 'A document cannot have a tag named __proto__')",
    '',
    'test/doc/document.ts',
    'R81: keys that name prototypes are data or',
  ],
  [
    'lib/executor/executor.ts',
    'answer === request.docs) this.#check(request, call)',
    'answer === request.docs) void 0',
    'test/executor/executor.ts',
    '204: what an executor leaves among the',
  ],
  [
    'lib/executor/executor.ts',
    '      this.#check(request, call)\n      request.answer',
    '      request.answer',
    'test/executor/executor.ts',
    '204: what an executor leaves among the',
  ],
  [
    'lib/executor/executor.ts',
    'answer instanceof DocumentArray && stranger(answer) < 0',
    'answer instanceof DocumentArray',
    'test/executor/executor.ts',
    '204: what an executor leaves among the',
  ],
  ['lib/post/options.ts', 'options.prefetch ?? prefetch,', 'options?.prefetch,', 'test/post/post.ts', 'P4, R22–R24: never more than prefetch requests'],
  [
    'lib/flow/flow.ts',
    'error === undefined && !partial ? docs',
    'error === undefined ? docs',
    'test/post/parts.ts',
    'P2, P14: docs(), drain() and transform() see',
  ],
  ['lib/flow/flow.ts', '    this.#opening = undefined\n    if (opening', '    if (opening', 'test/flow/flow.ts', '206: open(), close(), open(): the last word'],
  [
    'lib/handler/batching.ts',
    'for (const queue of this.#queues.values()) queue.flush()',
    '',
    'test/handler/batching.ts',
    'G5: close() sends what waits at once',
  ],
  ['lib/handler/batching.ts', 'if (this.#hurried) queue.flush()', '', 'test/handler/batching.ts', 'G5: close() sends at once, too, what reaches'],
  ['lib/handler/batching.ts', '|| request.docs.length === 0', '', 'test/handler/batching.ts', 'P5: requests without documents do not wait'],
  ['lib/graph/branches.ts', 'if (node.floating) background.fail(error)', '', 'test/graph/floating.ts', 'floating: a failure is reported, never lost,'],
  ['lib/handler/retry.ts', 'moves-- > 0 && tried', 'tried', 'test/place/external.ts', '224: each address is asked once'],
  ['lib/base/retry-policy.ts', 'Math.max(0, TRIES - addresses)', '0', 'test/place/external.ts', '224: each address is asked once'],
  ['lib/handler/retry.ts', 'if (!copies) adopt(request, trial)', '', 'test/place/external.ts', '174: what comes back with a failure'],
  ['lib/handler/retry.ts', 'this.#ends ? request.scope.child() : request.scope', 'request.scope.child()', 'test/handler/retry.ts', '175: requests of one post'],
  ['lib/client/client.ts', 'this.#connection = undefined', '', 'test/client/closing.ts', '183: http: a Client has one life'],
  [
    'lib/handler/parameter-key.ts',
    "Object.is(value, -0) ? '-0' : String(value)",
    'String(value)',
    'test/handler/parameter-key.ts',
    '143: what JSON cannot tell apart has keys of',
  ],
  ['lib/handler/parameter-key.ts', '.sort()', '', 'test/handler/parameter-key.ts', '143: order of keys, of maps and of sets does'],
  [
    'lib/handler/retry.ts',
    'await (this.#hurried ? new Promise<void>(later) : ',
    'await (this.#hurried ? undefined : ',
    'test/handler/retry.ts',
    '197: between two attempts there is a turn of',
  ],
  [
    'lib/handler/retry.ts',
    'last || !copies ? fork(request, request.docs, scope) : copyOf(request, scope)',
    'fork(request, request.docs, scope)',
    'test/handler/retry.ts',
    'a failed attempt leaves no trace: no document',
  ],
  ['lib/stream/backoff.ts', ' * (1 - Math.random() / 2)', '', 'test/handler/retry.ts', 'R109: waits double up to the most, less a'],
  [
    'lib/handler/retry.ts',
    'own?.pause()\n        limit?.pause()\n        try',
    'try',
    'test/handler/retry.ts',
    '205: the time that a consumer takes is not the',
  ],
  ['lib/handler/retry.ts', 'if (!this.#policy.tells) own?.start()', 'own?.start()', 'test/handler/retry.ts', 'F4, R44: in the line before a replica that'],
  [
    'lib/handler/retry.ts',
    '        scope.abort(reason)\n        trial',
    '        trial',
    'test/handler/retry.ts',
    'R44: an executor that hangs is told, and its',
  ],
  ['lib/handler/retry.ts', 'if (this.#signal?.aborted) throw this.#signal.reason', '', 'test/handler/retry.ts', 'P12: the signal of an executor ends what it'],
  [
    'lib/handler/retry.ts',
    'if (this.#signal !== undefined) listen(this.#signal, this)',
    '',
    'test/handler/retry.ts',
    'P12: the signal of an executor ends what it',
  ],
  [
    'lib/handler/retry.ts',
    'if (this.#signal !== undefined) unlisten(this.#signal, this)',
    '',
    'test/handler/retry.ts',
    'P12: the signal of an executor ends what it',
  ],
  ['lib/handler/retry.ts', 'for (const go of [...this.#waits]) go()', '', 'test/handler/retry.ts', '197: once close() began, a request is tried'],
  [
    'lib/request/lineage.ts',
    'batch.identity = first.identity',
    'batch.identity = first.identity\n  batch.emit = first.emit',
    'test/post/parts.ts',
    'E3, F4: in batches of several requests pieces',
  ],
  [
    'lib/handler/batch-queue.ts',
    'this.#context.runInAsyncScope(this.#run, this, batch)',
    'this.#run(batch)',
    'test/context/flow.ts',
    '141: a batch of several requests runs in the',
  ],
  ['lib/handler/batch-queue.ts', 'results.sort((a, b) => a.at - b.at)', '', 'test/handler/batching.ts', 'E3: a request that went out in several batches'],
  [
    'lib/handler/batch-queue.ts',
    'if (request.docs.some(({ id }, at) => id !== rest[at] && known.has(id))) throw',
    'if (false as boolean) throw',
    'test/handler/batching.ts',
    'F4, R54: an answer in another order is refused:',
  ],
  [
    'lib/handler/batch-queue.ts',
    'if (request.docs.length !== rest.length) throw',
    'if (false as boolean) throw',
    'test/handler/batching.ts',
    'R54: an answer of another length is an error',
  ],
  [
    'lib/handler/batch-queue.ts',
    'if (finished !== undefined) ticket.request.linger(finished)',
    '',
    'test/handler/batching.ts',
    'R44: close() waits for a batch whose time was up',
  ],
  [
    'lib/handler/replica.ts',
    'if (this.load > 0) time = Math.max(time, at - this.#since)\n    else ',
    '',
    'test/handler/replicas.ts',
    'F4, R34: a replica that hangs from its first',
  ],
  [
    'lib/handler/replica.ts',
    'time /= 2 ** ((at - this.#measured) / HALF_LIFE)',
    'time /= 1',
    'test/handler/replicas.ts',
    'F4: a replica that was slow once gets another',
  ],
  ['lib/handler/replicas.ts', 'part.emit = undefined', '', 'test/post/parts.ts', 'E3, F4: replicas: ANY hands pieces on, ALL'],
  [
    'lib/handler/replicas.ts',
    '    } catch (error) {\n      scope.abort(error)\n      request.linger(Promise.allSettled(answers))',
    '    } catch (error) {\n      request.linger(Promise.allSettled(answers))',
    'test/handler/replicas.ts',
    'F4, R53: with ALL, a failure tells the others,',
  ],
  ['lib/handler/replicas.ts', 'if (heard) report(error)\n        else ', '', 'test/handler/replicas.ts', 'F4: with ALL_ASYNC the first answer goes on,'],
  ['lib/handler/replicas.ts', 'if (!request.scope.aborted) for', 'for', 'test/handler/replicas.ts', 'F4, P12: with ALL_ASYNC a consumer that leaves'],
  [
    'lib/handler/replicas.ts',
    'const unwatch = request.scope.watch((reason) => scope.abort(reason))',
    'const unwatch = () => {}',
    'test/handler/replicas.ts',
    'F4, P12: with ALL_ASYNC a consumer that leaves',
  ],
  [
    'lib/handler/replicas.ts',
    'for (const copy of copies) copy.results = undefined',
    '',
    'test/handler/replicas.ts',
    'F4, E3: with ALL, plain objects stand under',
  ],
  [
    'lib/handler/replicas.ts',
    'const parts = this.#replicas.map(() => copyOf(request, scope))',
    'const parts = this.#replicas.map(() => fork(request, request.docs, scope))',
    'test/handler/replicas.ts',
    'F4: with ALL_ASYNC the first answer goes on,',
  ],
  [
    'lib/handler/replicas.ts',
    'at === 0 ? fork(request, request.docs, scope) : copyOf(request, scope)',
    'fork(request, request.docs, scope)',
    'test/handler/replicas.ts',
    'F4: ALL asks every replica once, each with',
  ],
  ['lib/handler/replicas.ts', '(tried?.has(replica) ? FAR : 0)', '0', 'test/handler/retry.ts', '216: the next attempt goes to a replica that'],
  ['lib/handler/replicas.ts', 'if (replica.dealing) return\n', '', 'test/handler/replicas.ts', 'F4, R30: thousands who wait for an executor'],
  ['lib/handler/when.ts', 'docs.length === 0 && request.emptied', 'false', 'test/handler/when.ts', 'F3: when none is left, the executor is not'],
  [
    'lib/base/lifecycle.ts',
    'await closeAll(parts.filter((part) => opened.has(part))).catch(() => {})',
    '',
    'test/executor/executor.ts',
    'E6, R55: when one fails to open, those that did',
  ],
  ['lib/base/lifecycle.ts', 'if (failures.length === 1) throw failures[0]', '', 'test/flow/flow.ts', 'E6: all executors are closed, whatever some'],
  ['lib/base/check.ts', 'if (!Object.hasOwn(rules, name)) throw', 'if (false as boolean) throw', 'test/post/post.ts', 'R86: options are checked at the call'],
  ['lib/post/batches.ts', 'if (isThenable(from.items[0])) lookAfter(from.items)\n', '\n', 'test/post/post.ts', 'R160: a promise that is rejected is a failure'],
  ['lib/post/batches.ts', '    lookAfter(rest)\n', '', 'test/post/post.ts', 'R160: a promise that is rejected is a failure'],
  ['lib/post/batches.ts', 'if (Math.min(size, from.items.length) <= LARGE) ', '', 'test/post/post.ts', 'R31: documents that all go into one request do'],
  [
    'lib/post/callbacks.ts',
    'this.#options.resultsInOrder === true ? this.queue() : undefined',
    'undefined',
    'test/post/callbacks.ts',
    'P7: callbacks run in the order in which',
  ],
  [
    'lib/post/callbacks.ts',
    "    if (scope.aborted) throw scope.reason\n    await run('onAlways'",
    "    await run('onAlways'",
    'test/post/callbacks.ts',
    'P7: nor by onAlways, behind an onDone or',
  ],
  ['lib/post/callbacks.ts', '      await parts\n', '', 'test/post/parts.ts', 'P8: a failure behind pieces: they come, then'],
  [
    'lib/post/callbacks.ts',
    'this.#callbacks.over ??= { reason }\n      throw',
    'throw',
    'test/post/callbacks.ts',
    'P8: a callback that throws at a partial answer',
  ],
  [
    'lib/post/callbacks.ts',
    'return turn.isNext ? handed : Promise.resolve()',
    'return Promise.resolve()',
    'test/post/parts.ts',
    'P4: a generator is ahead of a slow consumer by',
  ],
  ['lib/post/callbacks.ts', 'parts === undefined ? hand() : parts.then(hand)', 'hand()', 'test/post/parts.ts', 'P7: callbacks hear of every piece, in order,'],
  [
    'lib/post/callbacks.ts',
    'if (failure === undefined || continueOnError) return',
    'if (failure === undefined) return',
    'test/post/callbacks.ts',
    'P8: with continueOnError, a callback that',
  ],
  ['lib/post/iterables.ts', 'await this.return().catch(ignore)', '', 'test/post/post.ts', 'R160: a promise that is rejected is a failure'],
  ['lib/post/iterables.ts', 'if (!reading) this.#close()', '', 'test/post/post.ts', 'R1, R5: a source whose item is no document is'],
  ['lib/post/iterables.ts', 'this.position++', '', 'test/post/post.ts', '216: a batch whose first document is bad sends'],
  ['lib/post/options.ts', ' ?? options.maxDocuments ?? prefetchDocuments', '', 'test/post/post.ts', 'prefetchDocuments of a Flow is that of its posts'],
  ['lib/post/answers.ts', '() => discard(inputs),', '', 'test/post/post.ts', 'return() closes a stream once'],
  ['lib/post/post.ts', 'prefetch || Infinity', 'prefetch || 16', 'test/post/post.ts', 'P4: the option of a post wins over the Flow’s;'],
  ['lib/post/post.ts', 'if (!partial) all.extend', 'all.extend', 'test/post/parts.ts', 'P2, P14: docs(), drain() and transform() see'],
  ['lib/post/post.ts', 'if (!partial) count++', 'count++', 'test/post/parts.ts', 'P2, P14: docs(), drain() and transform() see'],
  ['lib/post/watch.ts', '.next(true)', '.next()', 'test/post/bound.ts', '203: never more than prefetch between source'],
  ['lib/post/watch.ts', 'else if (!step.value.partial) ', 'else ', 'test/post/parts.ts', 'P9: progress counts requests, not pieces'],
  [
    'lib/request/request.ts',
    'Object.defineProperty(this.results, executor, { value: result, enumerable: true, configurable: true, writable: true })',
    'this.results[executor] = result',
    'test/flow/flow.ts',
    'R82: an executor called __proto__ is an',
  ],
  ['lib/flow/open-flow.ts', '    hurry()\n    if (this', '    if (this', 'test/handler/batching.ts', 'G5: close() sends what waits at once'],
  ['lib/flow/open-flow.ts', 'this.#background.scope.abort(reason)', '', 'test/graph/floating.ts', 'floating: a consumer that leaves does not stop'],
  ['lib/flow/open-flow.ts', 'abandon?.(reason)', '', 'test/flow/flow.ts', '216: closeTimeout tells the executors of'],
  [
    'lib/flow/open-flow.ts',
    'else finished.then(() => inside.leave(visit))',
    'else inside.leave(visit)',
    'test/handler/retry.ts',
    'R44: close() waits for an executor whose time',
  ],
  [
    'lib/flow/open-flow.ts',
    "walk = (await import('../handler/when.js')).inOrder(walk)",
    'void walk',
    'test/handler/when.ts',
    'F3: what does not pass is gone for all that',
  ],
  ['lib/stream/flatten.ts', '.next(true)', '.next()', 'test/post/bound.ts', '203: never more than prefetch between source'],
  [
    'lib/stream/flight.ts',
    'if (this.#held === this.#limit) return this.#receipts.confirm()',
    'if (this.#held > this.#limit) return this.#receipts.confirm()',
    'test/stream/in-flight.ts',
    'promise 1, R22, R23, R24: never more than the',
  ],
  [
    'lib/stream/flight.ts',
    'if (place !== undefined && !this.#order!.isNext(place)) {',
    'if (false as boolean) {',
    'test/stream/emit.ts',
    'P2: in order, parts wait for all items before,',
  ],
  [
    'lib/stream/flight.ts',
    'place.parts.push(new Piece(value, ignore))\n      return ready',
    'return new Promise((taken) => void place.parts!.push(new Part(value, taken)))',
    'test/stream/emit.ts',
    'P2: in order, parts wait for all items before,',
  ],
  [
    'lib/stream/flight.ts',
    'this.#results.push(part)\n',
    'this.#results.push(part)\n      taken()\n',
    'test/stream/emit.ts',
    'P4: who awaits its parts makes the next one no',
  ],
  [
    'lib/stream/flight.ts',
    'if (this.#phase === Phase.Draining && this.#end !== undefined) return this.#settle()',
    '',
    'test/stream/in-flight.ts',
    'promise 4: the error of a source wins over an',
  ],
  [
    'lib/stream/flight.ts',
    '    this.#release()\n    this.#scope.abort(reason)\n',
    '    this.#release()\n',
    'test/stream/in-flight.ts',
    'promise 5: a failing item: results finished',
  ],
  ['lib/stream/flight.ts', '    place.abort(reason)\n', '', 'test/stream/in-flight.ts', 'promise 4, R156: ordered, the error of an item'],
  [
    'lib/stream/flight.ts',
    'if (this.#phase === Phase.Ending) this.#endInPlace()',
    '',
    'test/stream/in-flight.ts',
    'promise 4, R156: ordered, the error of an item',
  ],
  [
    'lib/stream/flight.ts',
    'if (this.#phase === Phase.Fresh) this.#context.runInAsyncScope(this.#open, this, holder)',
    'if (this.#phase === Phase.Fresh) this.#open(holder)',
    'test/context/flow.ts',
    '141: the context is that of the call of post(),',
  ],
  [
    'lib/stream/flight.ts',
    'if (!this.#reader.busy) this.#context.runInAsyncScope(this.#pump, this)',
    'if (!this.#reader.busy) this.#pump()',
    'test/context/flow.ts',
    '141: the context is that of the call of post(),',
  ],
  [
    'lib/stream/flight.ts',
    'if (opened) this.#context.runInAsyncScope(this.#leave, this, reason)',
    'if (opened) this.#leave(reason)',
    'test/context/flow.ts',
    '141: the context is that of the call of post(),',
  ],
  ['lib/stream/iteration.ts', 'handing.length > 0', 'false', 'test/post/bound.ts', '203: never more than prefetch between source'],
  [
    'lib/handler/limits.ts',
    'scope.aborted ? undefined : this.#tell(request, error)',
    'this.#tell(request, error)',
    'test/gateway/logger.ts',
    '184: who left is no failure; what is late is a',
  ],
  [
    'lib/stream/wait-queue.ts',
    'this.#leave(waiter)\n        reject(reason)',
    'reject(reason)',
    'test/gateway/limits.ts',
    'G4: places are given in order; who is told to',
  ],
  [
    'lib/stream/wait-queue.ts',
    'this.#turns.push(line)\n    }\n    waiter.go(given)',
    '}\n    waiter.go(given)',
    'test/stream/permits.ts',
    '223: tenants take turns',
  ],
  ['lib/stream/wait-queue.ts', '? newest : other', '? other : other', 'test/stream/permits.ts', '217: once time was up for some'],
  ['lib/stream/wait-queue.ts', 'line.lapsed = now()', 'line.lapsed = -Infinity', 'test/stream/permits.ts', '217: once time was up for some'],
  ['lib/stream/permits.ts', 'this.#free <= this.#kept && ', 'false && ', 'test/stream/permits.ts', '223: some permits are kept'],
  ['lib/wire/context-headers.ts', '? address : JSON.stringify(identity)', '? address : undefined', 'test/gateway/fairness.ts', '223: http'],
  [
    'lib/stream/coalesce.ts',
    'this.#waiter === undefined || this.#reading) return',
    'this.#waiter === undefined) return',
    'test/stream/coalesce.ts',
    'who asks for a batch while',
  ],
  ['lib/handler/limits.ts', '          time.lift()\n', '', 'test/gateway/limits.ts', 'G4: an answer in parts must begin in time, and'],
  ['lib/executor/generator.ts', 'request.countPart()', '0', 'test/post/parts.ts', 'E3, E9: from the branches of a fork pieces come'],
  ['lib/executor/generator.ts', '      check?.()\n', '', 'test/executor/executor.ts', '204: what an executor leaves among the'],

  // ── features: each taken away ──
  ['lib/flow/flow.ts', '[options.needs ?? last].flat()', '[last]', 'test/flow/flow.ts', 'F3, E9'],
  ['lib/flow/flow.ts', 'floating: options.floating ?? false', 'floating: false', 'test/post/parts.ts', '216: pieces of what floats'],
  ['lib/flow/flow.ts', "join: options.join ?? 'concat'", "join: 'concat'", 'test/flow/flow.ts', '216: a join that unites by id'],
  ['lib/flow/deployment.ts', 'if (options.when !== undefined) {', 'if (false as boolean) {', 'test/handler/when.ts', 'F3: what does not pass'],
  [
    'lib/flow/deployment.ts',
    'if (Object.keys(options.dynamicBatching ?? {}).length > 0) {',
    'if (false as boolean) {',
    'test/handler/batching.ts',
    'F4: a batch goes out by size',
  ],
  [
    'lib/flow/deployment.ts',
    'if ([timeout, attemptTimeout, retries, signal].some((given) => given !== undefined)) {',
    'if (false as boolean) {',
    'test/handler/retry.ts',
    'R44',
  ],
  ['lib/handler/retry.ts', "typeof retries === 'number' ? { attempts: retries } : retries", '{ attempts: 0 }', 'test/handler/retry.ts', 'R113'],
  [
    'lib/handler/replicas.ts',
    "polling === 'ALL' ? this.#askAll(request) : this.#askFirst(request)",
    'this.#askFirst(request)',
    'test/handler/replicas.ts',
    'F4: ALL asks every replica',
  ],
  [
    'lib/handler/replicas.ts',
    "polling === 'ALL' ? this.#askAll(request) : this.#askFirst(request)",
    'this.#askAll(request)',
    'test/handler/replicas.ts',
    'F4: with ALL_ASYNC',
  ],
  ['lib/handler/replicas.ts', 'if (replica.load < this.#settings.concurrency) return', 'return', 'test/handler/replicas.ts', 'F4, R22, R23: concurrency'],
  ['lib/post/callbacks.ts', "await run('onAlways', () => onAlways?.(response))", '', 'test/post/callbacks.ts', 'P7'],
  ['lib/post/answers.ts', 'return resultsInOrder\n', 'return false\n', 'test/post/post.ts', 'P2: responses come'],
  ['lib/post/answers.ts', 'options.continueOnError === true || onError !== undefined', 'false', 'test/post/post.ts', 'P8: with continueOnError'],
  ['lib/post/options.ts', 'DEFAULT_FLUSH_AFTER = 100', 'DEFAULT_FLUSH_AFTER = Infinity', 'test/post/post.ts', 'R20, R171'],
  ['lib/request/request.ts', 'return this.#target?.(executor) ?? true', 'return true', 'test/post/post.ts', 'P6'],
  [
    'lib/request/request.ts',
    'return this.#empty ? {} : parametersFor!(this.parameters, names, without)',
    'return this.#empty ? {} : this.parameters',
    'test/post/post.ts',
    'P5',
  ],
  ['lib/place/inline.ts', 'const all = { ...flow.env, ...env }', 'const all = {}', 'test/flow/flow.ts', 'E8'],
  ['lib/place/inline.ts', '...(usesRequests && { requests: usesRequests }),', '', 'test/executor/executor.ts', 'E2, E5'],
  ['lib/doc/from/options.ts', 'if (onInvalid === undefined) throw error', 'throw error', 'test/doc/from.ts', 'D4: with onInvalid'],
  ['lib/handler/batch-queue.ts', 'this.#flushAll || weight < this.#size', 'weight < this.#size', 'test/handler/batching.ts', 'F4: flushAll'],
  ['lib/handler/batch-queue.ts', 'this.#weigh = weight\n', 'this.#weigh = () => 1\n', 'test/handler/batching.ts', 'F4: weight'],
  ['lib/cli/run.ts', 'resultsInOrder: inOrder,', '', 'test/cli/serve.ts', 'C1, P4'],
  ['lib/cli/run.ts', '    targetExecutor,\n    requestSize,', '    requestSize,', 'test/cli/run.ts', 'T1 whole responses'],
  ['lib/cli/run.ts', '{ timeout, attemptTimeout, retries, maxAttempts }', '{ timeout, attemptTimeout }', 'test/cli/serve.ts', '216: sluice client'],
  [
    'lib/cli/reach.ts',
    '{ ...flagged(reach, FLAGS), ...options, headers, tls, token, tokenFile }',
    '{ ...flagged(reach, FLAGS), ...options, tls, token, tokenFile }',
    'test/cli/serve.ts',
    '216: sluice client',
  ],
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
