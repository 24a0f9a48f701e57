import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArrayMemmap, seek } from '../../lib/doc/index.js'
import { type Call, Document, Flow, fromLines, type Inputs, type PostOptions, type Response } from '../../lib/index.js'
import { CheckpointFile } from '../../lib/post/checkpoint-file.js'
import { Intervals } from '../../lib/post/intervals.js'
import { Progress } from '../../lib/post/progress.js'
import { asProgram, codeUrl } from '../support/code.js'
import { type Deferred, deferred } from '../support/deferred.js'
import { Folder } from '../support/folder.js'
import { turn } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const folder = new Folder()
let made = 0
const fresh = (): string => folder.file(`job-${made++}.checkpoint`)
const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `text ${i}`)

/** What an executor was given, one document a request, until its consumer has had enough. */
async function run(inputs: Inputs, options: PostOptions, taken = Infinity): Promise<{ given: string[]; responses: Response[]; error: any }> {
  const given: string[] = []
  const responses: Response[] = []
  let error: unknown
  await using flow = await new Flow({ prefetch: 4 }).add({ uses: ({ docs }: Call) => void given.push(...docs.texts) }).open()
  try {
    for await (const response of flow.post('/', inputs, { requestSize: 1, ...options })) if (responses.push(response) === taken) break
  } catch (thrown) {
    error = thrown
  }
  return { given, responses, error }
}

/** Inputs of each kind, of the same documents. */
const KINDS: Record<string, (all: string[]) => Inputs | Promise<Inputs>> = {
  'an array': (all) => all,
  'an iterable': (all) => new Set(all),
  'an async iterable': async function* (all: string[]): any {
    yield* all
  } as any,
  'a function': (all) => async () => all,
  'lines of a file': (all) => fromLines(folder.file(`lines-${made++}.txt`, all.join('\n'))),
  'an array on disk': async (all) => new DocumentArrayMemmap(folder.file(`store-${made++}`)).extend(all),
}

for (const [kind, make] of Object.entries(KINDS))
  test(`P15: ${kind}: a job goes on behind what its consumer asked past`, async () => {
    const checkpoint = fresh()
    const inputs = await make(texts(100))
    const first = await run(inputs, { checkpoint }, 40)
    assert.is(first.responses.length, 40)
    const second = await run(kind === 'an array on disk' ? inputs : await make(texts(100)), { checkpoint })
    assert.is(second.error, undefined)
    // The last one was taken, and the next not asked for.
    assert.is(second.given.length, 61)
    assert.equal([...new Set([...first.given, ...second.given])].sort(), texts(100).sort())
    const third = await run(kind === 'an array on disk' ? inputs : await make(texts(100)), { checkpoint })
    assert.is(third.given.length, 0)
    // More came behind.
    if (kind === 'an array') assert.equal((await run(texts(103), { checkpoint })).given, ['text 100', 'text 101', 'text 102'])
  })

test('P15: of responses out of order, each is noted by itself', async () => {
  const checkpoint = fresh()
  const stuck = new Set(['text 0', 'text 7'])
  const given: string[] = []
  {
    await using flow = await new Flow().add({ uses: ({ docs, signal }: Call) => (stuck.has(docs[0]!.text) ? once(signal, 'abort') : undefined) as any }).open()
    const post = flow.post('/', texts(20), { requestSize: 1, checkpoint, prefetch: 3 })
    for (let i = 0; i < 19; i++) await Promise.race([post.next(), new Promise((resolve) => setTimeout(resolve, i < 18 ? 5000 : 20))])
    await post.return()
  }
  const second = await run(texts(20), { checkpoint })
  assert.equal(second.given, ['text 0', 'text 7'])
  assert.equal(given, [])
})

test('P15: requests of other sizes, parts, and docs() and drain()', async () => {
  const checkpoint = fresh()
  await run(texts(95), { checkpoint, requestSize: 10 }, 4)
  const seen: number[] = []
  await using flow = await new Flow()
    .add({
      async *uses({ docs }: Call) {
        seen.push(docs.length)
        yield docs
        yield docs
      },
    } as any)
    .open()
  assert.is((await flow.post('/', texts(95), { checkpoint, requestSize: 7 }).docs()).length, 65)
  assert.is(
    seen.reduce((sum, length) => sum + length, 0),
    65,
  )
  assert.is(await flow.post('/', texts(95), { checkpoint }).drain(), 0)
})

test('P15: who asks ahead has nothing noted that it has not looked at', async () => {
  const checkpoint = fresh()
  {
    await using flow = await new Flow().add({ uses: () => {} }).open()
    const post = flow.post('/', texts(20), { requestSize: 1, checkpoint })
    // Three questions at once: when the fourth comes, one was looked at.
    const asked = [post.next(), post.next(), post.next()]
    await asked[0]
    await Promise.all([...asked, post.next()])
    await post.return()
  }
  assert.is((await run(texts(20), { checkpoint })).given.length, 19)
})

/** So many turns that all is done which does not wait for the consumer. */
async function rest(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await turn()
}

for (const prefetch of [1, 2, 5])
  for (const [kind, make] of Object.entries(KINDS))
    test(`P15: ${kind}, prefetch: ${prefetch}: the response that a consumer has in its hands is one of those that may be done twice`, async () => {
      let begun = 0
      await using flow = await new Flow({ prefetch }).add({ uses: () => void begun++ }).open()
      let taken = 0
      for await (const _ of flow.post('/', await make(texts(30)), { requestSize: 1, checkpoint: fresh() })) {
        await rest()
        assert.ok(begun - taken <= prefetch, `${begun} have begun, and ${taken} are done`)
        taken++
      }
      assert.equal([begun, taken], [30, 30])
    })

test('P15: who asks for more than may be under way gets it all', async () => {
  await using flow = await new Flow({ prefetch: 2 }).add({ uses: () => turn() }).open()
  const post = flow.post('/', texts(40), { requestSize: 1, checkpoint: fresh() })
  for (let round = 0; round < 4; round++) {
    const steps = await within(10_000, Promise.all(Array.from({ length: 10 }, () => post.next())))
    assert.ok(steps.every(({ done }) => !done))
    await rest()
  }
  assert.is((await within(10_000, post.next())).done, true)
})

test('P15: who leaves while the next request waits for him closes the source once, and lets go of the file', async () => {
  for (const leave of ['break', 'return', 'abort']) {
    const checkpoint = fresh()
    let closed = 0
    const inputs = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: 'text' }),
        return: () => {
          closed++
          return { done: true, value: undefined }
        },
      }),
    }
    const stop = new AbortController()
    await using flow = await new Flow({ prefetch: 2 }).add({ uses: () => {} }).open()
    const post = flow.post('/', inputs as any, { requestSize: 1, checkpoint, signal: stop.signal })
    await post.next()
    await rest()
    if (leave === 'break') for await (const _ of post) break
    else if (leave === 'return') await within(10_000, post.return())
    else {
      stop.abort(new Error('enough'))
      assert.match(String(await within(10_000, post.next().catch(String))), 'enough')
    }
    assert.is(closed, 1, leave)
    assert.not(existsSync(`${checkpoint}.lock`), leave)
  }
})

test('P15: of a list, what is left is what is not done, wherever that stands; promises of what is done fail for nobody', async () => {
  const checkpoint = fresh()
  const job = { endpoint: '/', targetExecutor: undefined, parameters: {} }
  const file = await CheckpointFile.open(checkpoint, job)
  for (const [start, end] of [
    [0, 3],
    [5, 6],
    [9, 12],
  ] as const)
    file.note(start, end)
  await file.close()
  const inputs = (): any[] => texts(20).map((text, at) => (at === 10 ? Promise.reject(new Error('nobody wants it')) : at % 2 ? text : new Document({ text })))
  const { given, error } = await run(inputs, { checkpoint, requestSize: 4 }, 2)
  assert.is(error, undefined)
  assert.equal(
    given.slice(0, 8),
    [3, 4, 6, 7, 8, 12, 13, 14].map((at) => `text ${at}`),
  )
  const after = await CheckpointFile.open(checkpoint, job)
  // The last one that was taken is not done.
  assert.equal([after.done.count, after.done.gap], [7 + 4, 8])
  await after.close()
  assert.is(new Set([...given, ...(await run(inputs, { checkpoint })).given]).size, 13)
  // What comes behind while it is read.
  const growing = texts(3)
  const grown: string[] = []
  await using flow = await new Flow({ prefetch: 1 })
    .add({
      uses: ({ docs }: Call) => {
        grown.push(...docs.texts)
        if (growing.length < 6) growing.push(`more ${growing.length}`)
      },
    })
    .open()
  const growth = fresh()
  await flow.post('/', growing, { checkpoint: growth, requestSize: 1 }).drain()
  assert.equal(grown, ['text 0', 'text 1', 'text 2', 'more 3', 'more 4', 'more 5'])
  const noted = await CheckpointFile.open(growth, job)
  assert.equal([...noted.done], [[0, 6]])
  await noted.close()
})

test('P15: requests that failed are tried again by the next run', async () => {
  const checkpoint = fresh()
  let down = true
  const given: string[] = []
  const work = async (): Promise<void> => {
    await using flow = await new Flow()
      .add({
        uses: ({ docs }: Call) => {
          given.push(...docs.texts)
          if (down && docs[0]!.text.endsWith('3')) throw new Error('down')
        },
      })
      .open()
    await flow.post('/', texts(20), { requestSize: 1, checkpoint, continueOnError: true }).drain()
  }
  await work()
  assert.is(given.splice(0).length, 20)
  down = false
  await work()
  assert.equal(given, ['text 3', 'text 13'])
})

test('P15: a source that can begin anywhere is asked to, and not read from its beginning', async () => {
  const checkpoint = fresh()
  const asked: number[] = []
  let read = 0
  const inputs = {
    async *[Symbol.asyncIterator]() {},
    async *[seek](skipped: number) {
      asked.push(skipped)
      for (let i = skipped; i < 1000; i++) {
        read++
        yield `text ${i}`
      }
    },
  }
  await run(inputs as any, { checkpoint }, 500)
  read = 0
  asked.length = 0
  const { given } = await run(inputs as any, { checkpoint })
  assert.is(given.length, 501)
  assert.ok(asked.includes(499))
  assert.ok(read < 501 + 70, `${read} were read`)
})

test('P15: another source, another endpoint and other parameters are noticed', async () => {
  const checkpoint = fresh()
  // In order: of which are done, the first ones.
  await run(texts(50), { checkpoint, parameters: { top: 1 }, resultsInOrder: true }, 30)
  const failure = async (inputs: Inputs, options: PostOptions = {}): Promise<string> => {
    const { error } = await run(inputs, { checkpoint, parameters: { top: 1 }, ...options })
    assert.is(error?.code, 'ERR_CHECKPOINT', String(error))
    assert.is(error.file, checkpoint)
    return error.message
  }
  assert.match(await failure(texts(50), { parameters: { top: 2 } }), 'another parameters')
  assert.match(await failure(texts(50), { parameters: { top: 1 }, targetExecutor: 'x' }), 'another targetExecutor')
  assert.match(await failure(['one more', ...texts(49)]), /the source has changed since the job began \(document 0 /)
  assert.match(await failure(new Set(['one more', ...texts(49)])), 'document 0')
  assert.match(await failure(texts(10)), 'it has 10 documents')
  assert.match(await failure(new Set(texts(10))), /it has 10 documents, and (29|3\d) were read/)
  // Whichever sample is missed first: what is said is how long it is.
  assert.match(await failure(texts(28)), /it has 28 documents, and (29|3\d) were read/)
  assert.match(await failure(await new DocumentArrayMemmap(folder.file(`store-${made++}`)).extend(texts(5))), /it has 5 documents, and (29|3\d) were read/)
  const unmeasured = { async *[Symbol.asyncIterator]() {}, [seek]: (skipped: number) => Readable.from(texts(5).slice(skipped)) }
  assert.match(await failure(unmeasured as any), 'document 5 was read of it, and is not there any more')
  await using flow = await new Flow().add({ uses: () => {} }).open()
  assert.match(
    await flow
      .post('/other', texts(50), { checkpoint, parameters: { top: 1 } })
      .drain()
      .then(String, String),
    /another endpoint \("\/", and this is "\/other"\)/,
  )
  assert.is((await run(texts(50), { checkpoint, parameters: { top: 1 } })).given.length, 21)
})

test('P15: two jobs on one checkpoint are refused, in one process and in two', async () => {
  const checkpoint = fresh()
  await using flow = await new Flow({ prefetch: 4 }).add({ uses: () => {} }).open()
  const first = flow.post('/', texts(20), { checkpoint, requestSize: 1 })
  await first.next()
  const refused = await flow
    .post('/', texts(20), { checkpoint })
    .drain()
    .then(String, (error) => error)
  assert.is(refused.code, 'ERR_CHECKPOINT')
  assert.match(refused.message, 'another job goes on with it, in this process: give each its own')
  const other = `import { CheckpointFile } from ${JSON.stringify(codeUrl('lib/post/checkpoint-file'))}
    await CheckpointFile.open(${JSON.stringify(checkpoint)}, { endpoint: '/', parameters: {} }).then(() => console.log('open'), (error) => console.log(error.message))`
  const elsewhere = (): string => execFileSync(process.execPath, asProgram(other), { encoding: 'utf8' })
  assert.match(elsewhere(), `another job goes on with it, in process ${process.pid}`)
  // Who was refused has left nothing, and taken nothing away.
  assert.ok(existsSync(`${checkpoint}.lock`))
  await first.return()
  assert.not(existsSync(`${checkpoint}.lock`))
  assert.match(elsewhere(), 'open')
  // What it left as it ended without closing is nobody's.
  assert.ok(existsSync(`${checkpoint}.lock`))
  assert.is(await flow.post('/', texts(20), { checkpoint }).drain(), 1)
  assert.not(existsSync(`${checkpoint}.lock`))
})

test('P15: prefetch: 0 bounds nothing that is done twice, and is refused', async () => {
  const { error, given } = await run(texts(5), { checkpoint: fresh(), prefetch: 0 })
  assert.is(error.code, 'ERR_OPTION_RANGE')
  assert.match(error.message, 'prefetch must be at least 1 with a checkpoint')
  assert.equal(given, [])
  assert.throws(() => new Flow().add({ uses: () => {} }) && (new Flow() as any).post('/', [], { checkpoint: 5 }))
  assert.is((await run(texts(5), { checkpoint: '' })).error.code, 'ERR_OPTION_TYPE')
})

test('P15: a file that was cut off or broken anywhere counts what is whole, and what is no checkpoint is named', async () => {
  const checkpoint = fresh()
  await run(texts(50), { checkpoint }, 31)
  // As a kill while it is written leaves it, and a power cut.
  appendFileSync(checkpoint, Buffer.from([1, 2, 3]))
  assert.is((await run(texts(50), { checkpoint }, 1)).given.length > 0, true)
  const bytes = readFileSync(checkpoint)
  const at = bytes.length - 16
  // What it says, that all is done, is not what its checksum says.
  bytes.fill(0, at, at + 12)
  bytes[at] = 1
  bytes[at + 7] = 50
  writeFileSync(checkpoint, bytes)
  const { given } = await run(texts(50), { checkpoint })
  assert.ok(given.length >= 19 && given.length <= 50)
  truncateSync(checkpoint, 20)
  assert.match(String((await run(texts(50), { checkpoint })).error), 'its head is broken')
  writeFileSync(checkpoint, 'something of my own\n'.repeat(9))
  assert.match(String((await run(texts(50), { checkpoint })).error), 'this is no checkpoint')
  assert.is(readFileSync(checkpoint, 'utf8').slice(0, 9), 'something', 'it is left as it was')
  assert.match(String((await run(texts(50), { checkpoint: `${folder.file('none')}/x/y` })).error), /ENOENT/)
})

test('P15: what was done about in order takes little room', async () => {
  const checkpoint = fresh()
  await run(texts(5000), { checkpoint })
  assert.ok(statSync(checkpoint).size > 5000 * 16)
  await run(texts(5000), { checkpoint })
  assert.ok(statSync(checkpoint).size < 2000, `${statSync(checkpoint).size} bytes`)
})

test('P15: a process that is killed repeats what was on the way, and no more', async () => {
  const checkpoint = fresh()
  const out = folder.file('out.txt', '')
  const code = `import { appendFileSync } from 'node:fs'
    import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
    const write = ({ docs }) => appendFileSync(${JSON.stringify(out)}, docs[0].text + '\\n')
    const later = (call) => new Promise((resolve) => setTimeout(() => resolve(write(call)), 1))
    // Also where no turn of the event loop comes between requests.
    const flow = await new Flow().add({ uses: Number(process.argv.at(-1)) % 2 ? write : later }).open()
    let count = 0
    for await (const _ of flow.post('/', Array.from({ length: 400 }, (_, i) => 'text ' + i), { checkpoint: ${JSON.stringify(checkpoint)}, requestSize: 1, prefetch: 8 }))
      if (++count === 60) process.kill(process.pid, 'SIGKILL')
    await flow.close()`
  let runs = 0
  for (let code_: number | null = null; code_ !== 0; runs++) {
    const child = spawn(process.execPath, [...asProgram(code), `${runs}`], { stdio: 'inherit' })
    ;[code_] = await once(child, 'exit')
    assert.ok(runs < 20)
  }
  const lines = readFileSync(out, 'utf8').trim().split('\n')
  assert.is(new Set(lines).size, 400)
  assert.ok(runs > 5)
  assert.ok(lines.length - 400 <= (runs - 1) * 8, `${lines.length - 400} twice in ${runs} runs`)
})

test('P15: a file that got long is written anew, with what it comes to', async () => {
  const path = fresh()
  const file = await CheckpointFile.open(path, { endpoint: '/', targetExecutor: undefined, parameters: {} })
  for (let at = 0; at < 70_000; at++) file.note(at, at + 1)
  file.settle()
  assert.ok(statSync(path).size > 1_000_000)
  await until(() => statSync(path).size < 1000)
  file.note(70_000, 70_001)
  await file.close()
  const again = await CheckpointFile.open(path, { endpoint: '/', targetExecutor: undefined, parameters: {} })
  assert.equal([again.done.count, again.done.gap], [70_001, 70_001])
  await again.close()
})

/** What all files of this process are brought to the disk by, while something is tried with it. */
async function withSync(sync: (this: any, own: () => Promise<void>) => Promise<void>, work: () => Promise<void>): Promise<void> {
  const handle = await open(folder.file(`probe-${made++}`), 'w')
  const files = Object.getPrototypeOf(handle) as { sync(): Promise<void> }
  const { sync: own } = files
  files.sync = function (this: any) {
    return sync.call(this, () => own.call(this))
  }
  try {
    await work()
  } finally {
    files.sync = own
    await handle.close()
  }
}

test('P15: a file that got long is written anew once at a time, however slow the disk is', async () => {
  const path = fresh()
  const job = { endpoint: '/', targetExecutor: undefined, parameters: {} }
  const file = await CheckpointFile.open(path, job)
  const clock = await CheckpointFile.open(fresh(), job)
  const doors: Deferred<void>[] = []
  let at = 0
  const note = (): void => {
    for (const end = at + 70_000; at < end; at++) file.note(at, at + 1)
    file.settle()
  }
  await withSync(
    async (own) => {
      const door = deferred<void>()
      doors.push(door)
      await door.promise
      return own()
    },
    async () => {
      note()
      await until(() => doors.length === 1)
      note()
      // What another one brings to the disk as long behind this as a second writing would be.
      for (let place = 0; place < 70_000; place++) clock.note(place, place + 1)
      clock.settle()
      await until(() => doors.length === 2)
      await rest()
      assert.is(doors.length, 2, 'that of the other one')
      const closed = Promise.all([file.close(), clock.close()])
      await until(() => {
        for (const door of doors) door.resolve()
        return Promise.race([closed.then(() => true), turn().then(() => false)])
      })
    },
  )
  const again = await CheckpointFile.open(path, job)
  assert.equal([again.done.count, again.done.gap], [140_000, 140_000])
  await again.close()
})

test('P15: the name of a file is brought to the disk with its folder, when it has it', async () => {
  const path = fresh()
  const folders: boolean[] = []
  await withSync(
    async function (this: any, own) {
      if ((await this.stat()).isDirectory()) folders.push(existsSync(path) && !existsSync(`${path}.new`))
      return own()
    },
    async () => {
      const file = await CheckpointFile.open(path, { endpoint: '/', targetExecutor: undefined, parameters: {} })
      await file.close()
    },
  )
  // Where there is no way to have a folder synced, nobody asks.
  assert.equal(folders, process.platform === 'win32' ? [] : [true])
})

test('P15: a source that somebody ended before it was through has not changed', async () => {
  const checkpoint = fresh()
  await run(new Set(texts(30)), { checkpoint })
  const stopped = { isStopped: true, [Symbol.iterator]: () => texts(5).values() }
  assert.is((await run(stopped as any, { checkpoint })).error, undefined)
  const asynchronous = { isStopped: true, [Symbol.asyncIterator]: () => Readable.from(texts(5))[Symbol.asyncIterator]() }
  assert.is((await run(asynchronous as any, { checkpoint })).error, undefined)
  assert.match(String((await run({ ...stopped, isStopped: false } as any, { checkpoint })).error), 'it has 5 documents')
})

test('P15: the progress bar says what was skipped', async () => {
  let shown = ''
  const progress = new Progress(undefined, { write: (text) => (shown += text) }, 1234)
  progress.count({ docs: new (await import('../../lib/index.js')).DocumentArray(), error: undefined, routes: [] })
  progress.stop('done')
  assert.match(shown, 'done: 1 request, 0 documents, 1,234 done before and skipped in')
})

test('P15: positions as intervals, added in any order', () => {
  let seed = 5
  const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below
  for (let round = 0; round < 50; round++) {
    const intervals = new Intervals()
    const flat = new Set<number>()
    for (let i = 0; i < 60; i++) {
      const start = random(200)
      const end = start + 1 + random(9)
      intervals.add(start, end)
      for (let at = start; at < end; at++) flat.add(at)
    }
    for (let at = 0; at < 220; at++) assert.is(intervals.has(at), flat.has(at))
    assert.is(intervals.count, flat.size)
    assert.is(intervals.end, Math.max(...flat) + 1)
    let gap = 0
    while (flat.has(gap)) gap++
    assert.is(intervals.gap, gap)
    let last = -1
    for (const [start, end] of intervals) {
      assert.ok(start > last && end > start)
      last = end
    }
  }
})

test('P15: an input that is a promise, and one that is no document, are what they are without a checkpoint', async () => {
  const checkpoint = fresh()
  const inputs = (): any[] => [Promise.resolve('a'), 'b', new Document({ text: 'c' }), Promise.resolve('d')]
  assert.equal((await run(inputs(), { checkpoint }, 2)).given.slice(0, 2), ['a', 'b'])
  assert.equal((await run(inputs(), { checkpoint })).given, ['b', 'c', 'd'])
  const { given, error } = await run(['a', 5 as any], { checkpoint: fresh() })
  assert.equal(given, ['a'])
  assert.is(error.code, 'ERR_INPUT')
  for (const make of [KINDS['an array']!, KINDS['an iterable']!, KINDS['an async iterable']!]) {
    const started = fresh()
    await run(await make(texts(9)), { checkpoint: started }, 4)
    const { error } = await run(await make([...texts(9), 5 as any]), { checkpoint: started })
    assert.is(error.code, 'ERR_INPUT')
    assert.match(error.message, 'Input 6 of post() is not a document')
    assert.match(error.message, 'not counting the 3 that are done')
  }
})

test.run()
