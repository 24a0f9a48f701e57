// What holds for executors in real threads, in real processes, and in those of a real daemon alike.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import * as assert from 'uvu/assert'
import { runsOn } from '../../lib/base/runs-on.js'
import { DocumentArray } from '../../lib/doc/array.js'
import { Document } from '../../lib/doc/document.js'
import { type AddOptions, type ExecutorError, Flow } from '../../lib/index.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { asProgram, code, codeUrl } from '../support/code.js'
import { Folder } from '../support/folder.js'
import { soonest } from '../support/soonest.js'
import { within } from '../support/within.js'

type Runtime = 'thread' | 'process' | 'daemon'
type Test = (name: string, run: () => Promise<void>) => void

const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)
const folder = new Folder()
/** Of a daemon: where it is, and the modules that it is sent in place of those that reach for their neighbours. */
let there: { host?: string; token?: string } = {}
let doing = code('test/place/doing')
let checked = code('test/place/checked')

const flowOf = (runtime: Runtime, options: AddOptions = {}, more: object = {}): Flow<any> =>
  new Flow<any>(more).add({ name: 'doing', uses: `${doing}#Doing`, runtime, ...there, ...options } as any)

const first = async (flow: Flow<any>, on: string, input: any = 'x', options: object = {}): Promise<any> => {
  for await (const response of flow.post(on, [input], options)) if (!response.partial) return response.docs[0] ?? response
}

const isAlive = (pid: number): boolean => {
  try {
    // Where nobody collects the dead, they stay in the list.
    return process.kill(pid, 0) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Waits until something is so. */
async function until(what: () => unknown, milliseconds = 5000): Promise<number> {
  const start = performance.now()
  while (!(await what())) {
    if (performance.now() - start > milliseconds * PATIENCE) throw new Error(`${what} is still not so`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return performance.now() - start
}

const error = async (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => assert.unreachable('it did not fail'),
    (error) => error,
  )

export function workers(
  test: Test,
  runtime: Runtime,
  daemon?: { readonly there: { host: string; token: string }; sent(module: string): string; executors(): Promise<readonly unknown[]> },
): void {
  const of = (what: string): string => `${runtime}: ${what}`
  const its = daemon === undefined ? runtime : `process at ${daemon.there.host}`
  if (daemon !== undefined) [there, doing, checked] = [daemon.there, daemon.sent('test/place/doing'), daemon.sent('test/place/checked')]
  const isThread = runtime === 'thread'
  /** Whether its heap can have a limit, so that it is told when it is at its end. */
  const isLimited = runsOn === 'node' || (runsOn === 'deno' && !isThread)
  const small = isLimited ? { memory: '48m' } : {}
  /** What a runtime can be made to do from within: Deno lives on after a SIGSEGV that it sends itself, and only node hands out its handles. */
  const happens = (way: string): boolean => (way === 'OOM' ? isLimited : way === 'SIGSEGV' ? runsOn !== 'deno' : way === 'hang up' ? runsOn === 'node' : true)

  test(of('E8: an executor has its env, its folder, its number, its config, and the names it goes by'), async () => {
    process.env['SECRET_OF_TEST'] = 'secret'
    const own = { usesWith: { text: 'c' }, usesMetas: { name: 'other' }, env: { X: 'own\n$(id) "q" --privileged' }, parallel: 2, polling: 'ALL' as const }
    await using flow = await flowOf(runtime, own, { env: { X: 'flow', Y: 'y' }, workspace: folder.path }).open()
    const seen = new Set<number>()
    const { tags } = await first(flow, '/about', 'x', { parameters: { other: { top: 3 }, doing__low: 1, any: 2 } })
    seen.add(tags.shardId)
    assert.equal(tags.env, { X: 'own\n$(id) "q" --privileged', Y: 'y' }, '123: what is in it stays data')
    assert.is(tags.processEnv.X, 'own\n$(id) "q" --privileged')
    assert.is(tags.processEnv.HOME, process.env['HOME'] !== undefined)
    assert.is(tags.processEnv.SECRET, isThread ? 'secret' : undefined)
    assert.is(tags.workspace, true)
    assert.equal(tags.config, { text: 'c' })
    assert.is(tags.metas.name, 'other')
    assert.equal({ top: tags.parameters.top, low: tags.parameters.low, any: tags.parameters.any }, { top: 3, low: 1, any: 2 })
    assert.is(tags.pid === process.pid, isThread)
  })

  test(of('123: an environment that no process can have is refused, before one is begun'), async () => {
    for (const [env, names] of [
      [{ '': 'x' }, 'env ""'],
      [{ 'A=B': 'x' }, 'env "A=B"'],
      [{ 'A\0': 'x' }, 'env "A'],
      [{ A: 'x\0y' }, 'character of number 0 in env A'],
    ] as const) {
      const failure = await error(flowOf(runtime, { env: env as never }).open())
      assert.is(failure.code, 'ERR_USES_INVALID', names)
      assert.ok(failure.message.includes(names), failure.message)
    }
  })

  test(of('who asks, its trace and the branches of a join come along'), async () => {
    await using flow = await new Flow<any>()
      .add({ name: 'a', needs: 'gateway', uses: ({ docs }: any) => docs.map((doc: any) => ({ id: doc.id, text: 'a' })) })
      .add({ name: 'b', needs: 'gateway', uses: ({ docs }: any) => docs.map((doc: any) => ({ id: doc.id, text: 'b' })) })
      .add({ name: 'doing', needs: ['a', 'b'], uses: `${doing}#Doing`, runtime, ...there } as any)
      .open()
    const ask = async (on: string): Promise<Request> => {
      const request = new Request(new Header(on, {}), DocumentArray.from([new Document({ id: '1', text: 'x' })]), new Scope())
      request.identity = { user: 'ada' }
      request.contextHeaders = { traceparent: '00-1-2-01' }
      await flow.handle(request)
      return request
    }
    const { docs } = await ask('/about')
    assert.equal([docs[0]!.tags['identity'], docs[0]!.tags['headers']], [{ user: 'ada' }, { traceparent: '00-1-2-01' }])
    const { results } = await ask('/branches')
    assert.equal(results, { doing: { docs: 2, matrix: [['a'], ['b']], names: ['a', 'b'], same: true } })
  })

  test(of('embeddings cross as a column: arrays stay who gave them, vectors those of the executor, and nobody takes those of others away'), async () => {
    await using flow = await flowOf(runtime).open()
    const matrix = Float32Array.from({ length: 40 * 768 }, (_, at) => at % 768)
    const shared = new Float32Array(new SharedArrayBuffer(768 * 4))
    // Rows of a matrix, arrays of their own, one that other threads see; and documents without a vector would be in between elsewhere.
    const given = [
      ...Array.from({ length: 40 }, (_, at) => matrix.subarray(at * 768, (at + 1) * 768)),
      ...Array.from({ length: 20 }, (_, at) => new Float32Array(768).fill(at)),
      shared,
    ]
    const docs = given.map((embedding) => new Document({ embedding, text: 'x' }))
    for (let round = 0; round < 2; round++) {
      const back = await flow.post('/embed', docs, { requestSize: 100 }).docs()
      const vectors = back.map(({ embedding }: any) => embedding.data as Float32Array)
      assert.equal(
        vectors.map((vector: Float32Array) => [...vector]),
        given.map((vector) => Array.from(vector, (value) => value + 1)),
      )
      assert.is(new Set(vectors.map(({ buffer }: Float32Array) => buffer)).size, 1, 'each has memory of its own')
      assert.ok(vectors[0]!.buffer.byteLength <= 1 << 20)
      assert.ok(given.every(({ length }) => length === 768) && matrix[5] === 5 && shared[0] === 0, 'the arrays of who asks')
      if (runsOn !== 'node') continue
      try {
        structuredClone(vectors[0], { transfer: [vectors[0]!.buffer] })
      } catch (error: any) {
        assert.is(error.name, 'DataCloneError')
      }
      assert.ok(
        vectors.every(({ length }: Float32Array) => length === 768),
        'one took away those of the others',
      )
    }
    const { tags } = await first(flow, '/kept')
    assert.equal(tags.lengths, Array(122).fill(768))
    assert.equal(
      tags.firsts,
      [...given, ...given].map(([value]) => value! + 1),
    )
    assert.ok(tags.memory <= 1 << 20)
  })

  test(of('what an executor says of its documents is checked there, and known here'), async () => {
    await using flow = await new Flow<any>().add({ name: 'checked', uses: `${checked}#Checked`, runtime, ...there } as any).open()
    const responses: any[] = []
    for await (const response of flow.post('/check', [{ tags: { n: 2 } }, { tags: { n: 'no' } }], { continueOnError: true })) responses.push(response)
    assert.equal(
      responses[0].docs.map(({ tags }: any) => tags),
      [{ double: 4, top: 5 }],
    )
    assert.is(responses[0].failures[0].error.code, 'ERR_EXECUTOR_INPUT')
    const described = (await flow.describe())!.get('/check')!
    const json = (described.input.tags[0]!['~standard'] as any).jsonSchema.input()
    assert.equal(json.properties, { n: { type: 'number' } })
    assert.is((described.output[0]!.tags[0]!['~standard'] as any).jsonSchema.output().properties.double.type as string, 'number')
    assert.is(described.parameters[0]!.executor, 'checked')
  })

  test(of('a function of a module runs there too; what is handed over in code is refused, with what to write'), async () => {
    await using flow = await new Flow<any>().add({ name: 'fn', uses: `${doing}#named`, runtime, parallel: 1, ...there } as any).open()
    assert.is((await first(flow, '/')).text, 'fn/0')
    for (const uses of [() => {}, class Here extends Object.getPrototypeOf((await import('./doing.js')).Doing) {}]) {
      const refused = await error(new Flow<any>().add({ name: 'here', uses: uses as any, runtime, ...there }).open())
      assert.is(refused.code, 'ERR_USES_INVALID')
      assert.match(refused.message, /^here uses .*given in code and cannot go to a (thread|process).*write uses: '.\/module\.js#/)
    }
    const told = await error(flowOf(runtime, { usesWith: { f: () => {} } }).open())
    assert.match(told.message, /^doing cannot be told to a (thread|process|process at \S+): .*usesWith/)
    const away = await error(flowOf(runtime, { uses: './nothing.js#Here' }).open())
    assert.match(away.message, daemon === undefined ? /there is no "\.\/nothing\.js"/ : /doing has no "\.\/nothing\.js" to send/)
  })

  test(of('a Flow says it for all that have something to run, and an executor over it; what cannot be is refused'), async () => {
    await using flow = await new Flow<any>({ runtime })
      .add({ name: 'doing', uses: `${doing}#Doing`, parallel: 2, ...there } as any)
      .add({ name: 'passes' })
      .add({ name: 'here', uses: () => {}, runtime: 'inline' })
      .open()
    assert.ok(await first(flow, '/slow'))
    assert.equal(
      flow.workers,
      [0, 1].map((shardId) => ({ executor: 'doing', shardId, state: 'up' })),
    )
    for (const [options, reason] of [
      [{ cpus: 2 }, /takes what (the|its) machine gives, so cpus would do nothing/],
      [{ runtime: 'inline', memory: '1g', host: undefined, token: undefined }, /runs in this process, where memory would do nothing/],
      [{ runtime: 'container', host: undefined, token: undefined }, /runs in a container, and uses .*which is no image\. Put it into one/],
      // A daemon begins containers, too.
      ...(daemon === undefined ? ([[{ uses: 'docker://ocr' }, /an image, which cannot run in a place of runtime: '(thread|process)'/]] as const) : []),
      [{ runtime: 'inline', volumes: './a:/a', host: undefined, token: undefined }, /runs in no container, so volumes would do nothing/],
      [{ runtime: 'external', host: undefined, token: undefined }, /Write external: true/],
      [{ external: true, port: 1, uses: undefined }, /is external, and cannot run in a place of runtime/],
    ] as const) {
      const refused = await error(flowOf(runtime, options as AddOptions).open())
      assert.is(refused.code, 'ERR_USES_INVALID')
      assert.match(refused.message, reason)
    }
    assert.throws(() => flowOf(runtime, { memory: 'much' }), /memory must be bytes, or '512m', not "much"/)
  })

  test(of('64, 67: of 40 requests on two workers one kills its worker: the others are answered, it fails alone'), async () => {
    await using flow = await flowOf(runtime, { parallel: 2, ...small }).open()
    const ways = isThread ? ['exit', 'OOM'] : ['exit', 'SIGKILL', 'OOM']
    for (const way of ways.filter(happens)) {
      const inputs = Array.from({ length: 40 }, (_, at) => ({ id: `${at}`, text: at === 7 ? way : 'good' }))
      const answered = new Map<string, number>()
      const failed: ExecutorError[] = []
      for await (const { docs, error } of flow.post('/die', inputs, { requestSize: 1, prefetch: 40, continueOnError: true }))
        if (error === undefined) answered.set(docs[0]!.id, (answered.get(docs[0]!.id) ?? 0) + 1)
        else failed.push(error as ExecutorError)
      assert.is(answered.size, 39, way)
      assert.ok([...answered.values()].every((count) => count === 1))
      assert.is(failed.length, 1)
      assert.is(failed[0]!.code, 'ERR_EXECUTOR')
      assert.match(failed[0]!.message, new RegExp(`^doing failed at /die .*document 7.*: its ${its} ${SAID[way]}.*, 3 times \\(maxDeaths: 3\\)$`))
    }
  })

  test(of('67: nobody fails beside one that takes long to end its worker'), async () => {
    await using flow = await flowOf(runtime).open()
    const inputs = Array.from({ length: 8 }, (_, at) => ({ id: `${at}`, text: at === 2 ? 'exit late' : 'good' }))
    const failed: string[] = []
    let answered = 0
    for await (const { error } of flow.post('/die', inputs, { requestSize: 1, prefetch: 8, continueOnError: true })) {
      if (error === undefined) answered++
      else failed.push(error.message)
    }
    assert.is(answered, 7, failed.join('\n'))
    assert.match(failed[0]!, /document 2.*3 times/)
  })

  test(of('67: where all replicas are asked, one that kills each of them fails alone, too'), async () => {
    await using flow = await flowOf(runtime, { parallel: 3, polling: 'ALL', maxDeaths: 2 }).open()
    const inputs = Array.from({ length: 6 }, (_, at) => ({ id: `${at}`, text: at === 3 ? 'exit' : 'good' }))
    const answered: string[] = []
    const failed: ExecutorError[] = []
    for await (const { docs, error } of flow.post('/die', inputs, { requestSize: 1, prefetch: 6, continueOnError: true }))
      if (error === undefined) answered.push(docs[0]!.id)
      else failed.push(error as ExecutorError)
    assert.equal(answered.sort(), ['0', '1', '2', '4', '5'])
    assert.is(failed.length, 1)
    assert.match(failed[0]!.message, /document 3/)
  })

  test(of('65: how a worker ended is named, and the next request is answered'), async () => {
    await using flow = await flowOf(runtime, { maxDeaths: 1, ...small }).open()
    const ways = isThread ? ['exit', 'exit 0', 'throw', 'OOM'] : ['exit', 'exit 0', 'throw', 'OOM', 'SIGKILL', 'SIGSEGV', 'hang up']
    for (const way of ways.filter(happens)) {
      const failed = await error(within(20_000, first(flow, '/die', way)))
      assert.match(failed.message, new RegExp(`its ${its} ${SAID[way]}`), way)
      assert.is(failed.cause.name, 'WorkerExit')
      if (way === 'exit') assert.is(failed.cause.exitCode, 7)
      if (way === 'SIGSEGV') assert.is(failed.cause.signal, 'SIGSEGV')
      assert.is((await first(flow, '/die', 'good')).text, 'good')
    }
  })

  test(of('67: with maxDeaths: 1, what was there is never sent twice, and retries do not bring it back'), async () => {
    await using flow = await flowOf(runtime, { maxDeaths: 1, retries: 3 }).open()
    const failed = await error(first(flow, '/die', 'exit'))
    assert.match(failed.message, /exit code 7 \(maxDeaths: 1\)$/)
  })

  test(of('what handed on partial answers is not sent again'), async () => {
    await using flow = await flowOf(runtime).open()
    const texts: string[] = []
    const failed = await error(
      (async () => {
        for await (const { delta } of flow.post('/parted', [''])) texts.push(delta![0]!.text!)
      })(),
    )
    assert.equal(texts, ['a'])
    assert.match(failed.message, /It had handed on partial answers/)
  })

  test(of('66: one that ends at each start is begun anew with waits, says that it is unhealthy, and comes back'), async () => {
    const crash = folder.file(`crash-${runtime}`)
    const said: string[] = []
    const logger = ({ level, event, executor, fields }: any) => said.push(`${level} ${event} ${executor}/${fields?.replica} ${fields?.reason ?? ''}`)
    const flow = flowOf(runtime, { usesWith: { crash } }, { logger })
    await flow.open()
    try {
      assert.equal(flow.workers, [{ executor: 'doing', shardId: 0, state: 'up' }])
      writeFileSync(crash, '')
      const failed = await error(first(flow, '/die', 'exit'))
      assert.is(failed.cause.code, 'ERR_UNREACHABLE')
      assert.match(failed.message, /it is unhealthy: its .* exit code 3, 5 times in a row without an answer/)
      assert.is(flow.workers[0]!.state, 'unhealthy')
      assert.match(flow.workers[0]!.reason!, /exit code 3/)
      assert.equal(await flow.health(true), { ready: false, reason: 'doing is unhealthy' })
      assert.match(said[0]!, /^warn replica\.gone doing\/0 its (thread|process|process at \S+) ended with exit code 7$/)
      assert.is((await error(first(flow, '/slow'))).cause.code, 'ERR_UNREACHABLE')
      assert.ok(flow.isOpen)
      rmSync(crash)
      await until(() => flow.workers[0]!.state === 'up', 10_000)
      assert.ok(await first(flow, '/slow'))
    } finally {
      await flow.close()
    }
  })

  test(of('66: as long as one replica lives, requests wait for it, and none goes to one that is unhealthy'), async () => {
    const crash = folder.file(`crash-one-${runtime}`)
    await using flow = await flowOf(runtime, { usesWith: { crash }, parallel: 2, concurrency: 1, maxDeaths: 1 }).open()
    writeFileSync(crash, '')
    assert.is((await error(first(flow, '/die', 'exit'))).code, 'ERR_EXECUTOR')
    await until(() => flow.workers.some(({ state }) => state === 'unhealthy'), 20_000)
    assert.is(flow.workers.filter(({ state }) => state === 'up').length, 1)
    await within(20_000 * PATIENCE, Promise.all(Array.from({ length: 6 }, () => first(flow, '/slow'))))
    // Those that wait behind what ends the last one, too, fail once that is unhealthy, and wait no longer.
    const [killer, ...others] = [error(first(flow, '/die', 'exit')), ...Array.from({ length: 3 }, () => error(first(flow, '/slow')))]
    assert.is((await killer!).cause.name, 'WorkerExit')
    for (const failed of await within(30_000 * PATIENCE, Promise.all(others))) assert.is(failed.cause.code, 'ERR_UNREACHABLE')
    assert.ok(flow.workers.every(({ state }) => state === 'unhealthy'))
    rmSync(crash)
    await until(() => flow.workers.some(({ state }) => state === 'up'), 20_000)
    await within(20_000 * PATIENCE, Promise.all(Array.from({ length: 6 }, () => first(flow, '/slow'))))
  })

  test(of('66: one that ends before it was ever open keeps the Flow from opening, and nothing is left'), async () => {
    const crash = folder.file(`start-${runtime}`, '')
    const failed = await error(flowOf(runtime, { usesWith: { crash, text: 'no model.bin here' }, parallel: 2 }).open())
    assert.is(failed.code, 'ERR_EXECUTOR_OPEN')
    assert.match(failed.message, /exit code 3/)
    // Only node hands out what a thread writes.
    if (!isThread || runsOn === 'node') assert.match(failed.message, /exit code 3\. The end of its log:\n[\s\S]*no model\.bin here/)
  })

  test(of('66: one that never gets ready is ended, whether it computes or waits, and keeps the Flow from opening'), async () => {
    const late = ['make', 'open'].map((hangs) => error(flowOf(runtime, { usesWith: { hangs }, readyTimeout: 700 }).open()))
    for (const failed of await within(60_000, Promise.all(late))) {
      assert.is(failed.code, 'ERR_EXECUTOR_OPEN')
      assert.match(failed.message, new RegExp(`^doing did not open: its ${its} did not (make|open) its executor within 700 ms \\(readyTimeout\\)`))
    }
  })

  for (const hangs of ['make', 'open'])
    test(of(`R137: close() while an executor hangs in ${hangs} has an end, and nothing is left of it`), async () => {
      const tells = folder.file(`tells-${hangs}`)
      rmSync(tells, { force: true })
      const handles = (): number => process.getActiveResourcesInfo().filter((name) => /Process|MessagePort|Timeout/.test(name)).length
      const before = handles()
      const flow = flowOf(runtime, { usesWith: { hangs, tells } }, { closeTimeout: 300 }).add({ name: 'other', needs: 'gateway', uses: () => {} })
      const opening = error(flow.open())
      await until(() => existsSync(tells) && readFileSync(tells, 'utf8') !== '', 20_000)
      await within(20_000, Promise.all([flow.close(), flow[Symbol.asyncDispose]()]))
      const failed = await opening
      assert.is(failed.code, 'ERR_EXECUTOR_OPEN')
      assert.is(failed.executor, 'doing')
      assert.is(failed.message, 'doing did not open: flow was closed before this was done (closeTimeout)')
      assert.is(failed.cause.code, 'ERR_FLOW_CLOSED')
      if (!isThread) await until(() => !isAlive(Number(readFileSync(tells, 'utf8'))), 2000)
      await until(() => handles() <= before)
      if (daemon !== undefined) await until(async () => (await daemon.executors()).length === 0)
    })

  test(of('R137: close() while a replica that is begun anew hangs in open has an end, and so has an abort of what waits for it'), async () => {
    const tells = folder.file(`tells-again-${runtime}`)
    rmSync(tells, { force: true })
    const crash = folder.file(`hangs-again-${runtime}`)
    rmSync(crash, { force: true })
    const flow = await flowOf(runtime, { usesWith: { crash, hangs: 'open again', tells } }, { closeTimeout: 300 }).open()
    writeFileSync(crash, '')
    const controller = new AbortController()
    const aborted = error(first(flow, '/die', 'exit', { signal: controller.signal }))
    await until(() => existsSync(tells) && readFileSync(tells, 'utf8') !== '', 20_000)
    const waits = error(first(flow, '/slow'))
    controller.abort(new Error('enough'))
    assert.is((await within(1000, aborted)).message, 'enough')
    await within(20_000, flow.close())
    assert.is((await within(1000, waits)).code, 'ERR_FLOW_CLOSED')
    if (!isThread) await until(() => !isAlive(Number(readFileSync(tells, 'utf8'))), 2000)
  })

  test(of('46: an abort while a replica is begun anew settles, and nothing is left of it'), async () => {
    const flow = await flowOf(runtime, {}).open()
    const controller = new AbortController()
    const { tags } = await first(flow, '/waited')
    const dying = error(first(flow, '/die', 'exit', { signal: controller.signal }))
    await until(() => flow.workers[0]!.state === 'restarting')
    controller.abort(new Error('enough'))
    assert.is((await within(1000, dying)).message, 'enough')
    await within(5000, flow.close())
    if (!isThread) assert.not(isAlive(tags.pid))
  })

  test(of('an abort and a break reach the executor, and its worker lives on'), async () => {
    await using flow = await flowOf(runtime).open()
    const { tags } = await first(flow, '/waited')
    let times = 0
    await soonest(100, async () => {
      const controller = new AbortController()
      const waiting = error(first(flow, '/wait', `aborted ${++times}`, { signal: controller.signal }))
      await until(async () => (await first(flow, '/waited')).tags.waiting === times)
      controller.abort(new Error('enough'))
      assert.is((await waiting).message, 'enough')
      return until(async () => (await first(flow, '/waited')).tags.aborted.includes(`aborted ${times}: enough`))
    })
    for await (const _ of flow.post('/pieces', ['x'], { parameters: { count: 1e9 } })) break
    const after = await first(flow, '/waited')
    assert.is(after.tags.pid, tags.pid)
    const counted = (await first(flow, '/count')).tags.made
    assert.is((await first(flow, '/count')).tags.made, counted, 'its generator ended')
  })

  test(of('what is larger than a frame may be fails alone, by name, there and back, and ends no worker'), async () => {
    await using flow = await flowOf(runtime, { retries: 2 }).open()
    const { tags } = await first(flow, '/waited')
    // Nobody writes to this memory, so there is none.
    const bytes = 2_200_000_000
    for (const failed of [
      await error(first(flow, '/slow', { blob: new Uint8Array(bytes) })),
      await error(first(flow, '/large', 'x', { parameters: { bytes } })),
    ]) {
      assert.is(failed.code, 'ERR_EXECUTOR')
      assert.is(failed.cause.code, 'ERR_TOO_LARGE')
      assert.match(failed.message, /doing\/0: (the request|its answer) takes more than 2147418112 bytes\. Send fewer documents/)
    }
    assert.is((await first(flow, '/waited')).tags.pid, tags.pid)
  })

  test(of('of more requests than go on their way at once, the others wait here, and all are answered'), async () => {
    await using flow = await flowOf(runtime).open()
    // Of thirty, eleven fill the way. What a worker has not said yet is less than that has room for.
    const text = 'x'.repeat(700 << 10)
    const asked = Array.from({ length: 30 }, (_, at) => first(flow, '/slow', { id: `${at}`, text }, { parameters: { milliseconds: 1 } }))
    const answered = await within(60_000 * PATIENCE, Promise.all(asked))
    assert.equal(
      answered.map(({ id }) => id),
      asked.map((_, at) => `${at}`),
    )
  })

  test(of('what sends another request while it is written takes nothing from that one, nor it from that'), async () => {
    await using flow = await flowOf(runtime).open()
    let inner: Promise<any> | undefined
    const toJSON = (): string => {
      inner ??= first(flow, '/about', { id: 'inner' })
      return 'written'
    }
    const outer = await within(10_000 * PATIENCE, first(flow, '/about', new Document({ id: 'outer', tags: { of: { toJSON } } as any })))
    assert.equal([outer.id, (await within(10_000 * PATIENCE, inner!)).id], ['outer', 'inner'])
  })

  test(of('a consumer that takes no pieces pauses the generator behind the wall'), async () => {
    await using flow = await flowOf(runtime).open()
    const post = flow.post('/pieces', [''], { parameters: { count: 500 } })
    const answers = post[Symbol.asyncIterator]()
    await answers.next()
    await first(flow, '/slow')
    const { made } = (await first(flow, '/count')).tags
    assert.ok(made < 40, `${made} were made`)
    let pieces = 1
    for (let next = await answers.next(); !next.done; next = await answers.next()) if (next.value.partial) pieces++
    assert.is(pieces, 500)
  })

  test(of('close() runs that of the executor, and does not wait for ever'), async () => {
    const flow = await flowOf(runtime, { usesWith: { hangs: 'close' } }, { closeTimeout: 200 }).open()
    const start = performance.now()
    assert.match((await error(within(4000, flow.close()))).message, /did not close in time, and its (thread|process|process at \S+) was ended/)
    assert.ok(performance.now() - start >= 190)
  })

  test(of('one that is silent is ended where that was asked for, and where not, may compute as long as it likes'), async () => {
    await using flow = await flowOf(runtime, { maxDeaths: 1, unresponsiveAfter: 300 }).open()
    const failed = await error(within(10_000, first(flow, '/die', 'spin')))
    assert.match(failed.message, /said nothing for 300 ms while it had requests \(unresponsiveAfter\)/)
    assert.ok(await first(flow, '/slow', 'x', { parameters: { milliseconds: 600 } }))
    await using patient = await flowOf(runtime, { maxDeaths: 1 }).open()
    assert.ok(await first(patient, '/busy', 'x', { parameters: { milliseconds: 600 } }))
  })

  test(of('one that is silent when a request comes, and so never begins with it, is ended, too'), async () => {
    await using flow = await flowOf(runtime, { maxDeaths: 1, unresponsiveAfter: 300 }).open()
    assert.ok(await first(flow, '/die', 'spin then'))
    const failed = await error(within(10_000, first(flow, '/slow')))
    assert.match(failed.message, /said nothing for 300 ms while it had requests \(unresponsiveAfter\)/)
    assert.ok(await first(flow, '/slow'))
  })

  if (!isThread)
    test(of('one that is stopped as a whole is ended, too, where it has requests'), async () => {
      await using flow = await flowOf(runtime, { maxDeaths: 1, unresponsiveAfter: 300 }).open()
      const failed = await error(within(10_000, first(flow, '/die', 'SIGSTOP')))
      assert.match(failed.message, /said nothing for 300 ms while it had requests \(unresponsiveAfter\)/)
      const { tags } = await first(flow, '/waited')
      process.kill(tags.pid, 'SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, 600))
      assert.is(flow.workers[0]!.state, 'up', 'nobody waits for it')
      assert.match((await error(within(10_000, first(flow, '/slow')))).message, /said nothing for 300 ms/)
      assert.not.equal((await first(flow, '/waited')).tags.pid, tags.pid)
    })

  test(of('F12: what an executor computes goes on beside what this thread computes'), async () => {
    await using flow = await flowOf(runtime).open()
    const answer = first(flow, '/busy', 'x', { parameters: { milliseconds: 500 } })
    await new Promise((resolve) => setTimeout(resolve, 20))
    const from = Date.now()
    while (Date.now() < from + 500);
    const to = Date.now()
    const { tags } = await answer
    assert.ok(tags.from < to && from < tags.to, `here ${from}–${to}, there ${tags.from}–${tags.to}`)
  })

  test(of('memory is the limit of its heap, or refused where the runtime keeps none'), async () => {
    if (!isLimited) {
      const refused = await error(flowOf(runtime, { memory: '64m' }).open())
      assert.is(refused.code, 'ERR_USES_INVALID')
      return assert.match(refused.message, /^doing runs in a (thread|process) of (Bun|Deno), which .*\. Take /)
    }
    await using flow = await flowOf(runtime, { memory: '64m' }).open()
    const { heap } = (await first(flow, '/about')).tags
    assert.ok(heap > 56 && heap <= 64, `${heap} MiB`)
    const refused = await error(flowOf(runtime, { memory: 512 }).open())
    assert.is(refused.code, 'ERR_USES_INVALID')
    assert.match(refused.message, /^doing has memory: 512, with which no (thread|process) begins\. Give at least '8m'; a number is bytes/)
  })

  // A daemon's executors write where the daemon does.
  if (daemon === undefined)
    test(of('69: what it writes goes through, with its name in front where that is asked for, and stops nobody'), async () => {
      const program = `
      import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
      const options = { name: 'doing', uses: ${JSON.stringify(`${doing}#Doing`)}, runtime: '${runtime}', prefixOutput: true, usesWith: { text: 'closed' } }
      const flow = await new Flow().add(options).open()
      for (const bytes of [5e6, 500]) {
        await flow.post('/write', ['x'], { parameters: { bytes } }).drain()
        process.stderr.write('answered\\n')
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
      await flow.close()`
      const child = spawn(process.execPath, asProgram(program), { stdio: ['ignore', 'pipe', 'pipe'] })
      let lines = 0
      let last = ''
      let told = ''
      child.stderr.on('data', (text) => (told += text))
      for await (const line of createInterface(child.stdout)) {
        if (line === `[doing/0] ${'x'.repeat(99)}`) lines++
        last = line
      }
      assert.match(told, /answered\nanswered/)
      assert.ok(lines > 1000, `${lines} lines`)
      if (runtime === 'process') assert.is(last, '[doing/0] closed 0')
    })

  test(of('a Flow that nobody closes keeps no process alive, and its workers end with it'), async () => {
    const program = `
      import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
      const flow = await new Flow().add({ name: 'doing', uses: ${JSON.stringify(`${doing}#Doing`)}, runtime: '${runtime}', ...${JSON.stringify(there)} }).open()
      for await (const { docs } of flow.post('/waited', ['x'])) console.log(docs[0].tags.pid)`
    const child = spawn(process.execPath, asProgram(program), { stdio: ['ignore', 'pipe', 'inherit'] })
    let pid = ''
    child.stdout.on('data', (text) => (pid += text))
    const [exit] = await within(15_000, new Promise<any[]>((resolve) => child.on('close', (...end) => resolve(end))))
    assert.is(exit, 0)
    if (!isThread) await until(() => !isAlive(Number(pid)), 500)
  })

  if (runtime === 'process')
    test(of('68: a SIGKILL of the parent leaves no child, idle or busy, and no program that one began'), async () => {
      const program = `
        import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
        const flow = await new Flow().add({ name: 'doing', uses: ${JSON.stringify(`${doing}#Doing`)}, runtime: 'process', parallel: 2, polling: { '*': 'ANY', '/program': 'ALL' } }).open()
        const pids = new Set()
        for await (const { docs } of flow.post('/waited', ['x'])) pids.add(docs[0].tags.pid)
        const [{ tags }] = await flow.post('/program', ['x']).docs()
        console.log([...pids, tags.pid0, tags.pid1].join())
        flow.post('/busy', ['x'], { parameters: { milliseconds: 60_000 } }).drain()`
      const child = spawn(process.execPath, asProgram(program), { stdio: ['ignore', 'pipe', 'inherit'] })
      const line = await within(15_000, new Promise<string>((resolve) => child.stdout.once('data', (text) => resolve(String(text)))))
      await new Promise((resolve) => setTimeout(resolve, 150))
      const pids = childrenOf(child.pid!)
      assert.is(pids.length, 2)
      const [one, ...programs] = line.split(',').map(Number)
      assert.ok(pids.includes(one!))
      assert.is(programs.filter(isAlive).length, 2)
      child.kill('SIGKILL')
      const took = await until(() => [...pids, ...programs].every((pid) => !isAlive(pid)))
      assert.ok(took < 500 * PATIENCE, `${took} ms`)
    })

  if (runtime === 'process')
    test(of('65: a program that it began holds up neither what comes after its death, nor close(), and ends with it'), async () => {
      const flow = await flowOf(runtime, { maxDeaths: 1 }).open()
      const begun = async (): Promise<number> => (await first(flow, '/program')).tags.pid
      const pid = await begun()
      assert.match((await error(within(20_000, first(flow, '/die', 'exit')))).message, /exit code 7/)
      const other = await within(20_000, begun())
      await within(20_000, flow.close())
      for (const one of [pid, other]) await until(() => !isAlive(one))
    })

  // Threads are of the process that runs this.
  if (!isThread)
    test(of('140: signals that all processes get do not end one: its Flow does'), async () => {
      await using flow = await flowOf(runtime).open()
      const { tags } = await first(flow, '/waited')
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(tags.pid, signal)
      await first(flow, '/slow')
      assert.is((await first(flow, '/waited')).tags.pid, tags.pid)
    })
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
}

const SAID: Record<string, string> = {
  exit: 'ended with exit code 7',
  'exit 0': 'ended with exit code 0',
  throw: 'ended by what nobody caught: nobody catches this',
  OOM: 'ran out of memory',
  SIGKILL: 'was ended by SIGKILL',
  SIGSEGV: 'was ended by SIGSEGV',
  'hang up': 'hung up',
}
