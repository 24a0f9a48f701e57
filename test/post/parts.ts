// Partial answers: what an async generator yields reaches the consumer piece by piece, and the last response has it all.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type AddOptions,
  type Call,
  Document,
  DocumentArray,
  Executor,
  type ExecutorError,
  Flow,
  type FlowOptions,
  type Response,
  requests,
} from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import { serve } from '../support/graphql.js'
import { turn as oneTurn, pending } from '../support/turn.js'
import { within } from '../support/within.js'

/** Turns of the event loop, more than one: what was under way for long steps aside for a turn. */
const turn = async (): Promise<void> => {
  for (let i = 0; i < 4; i++) await oneTurn()
}

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const failure = (promise: Promise<unknown>): Promise<any> =>
  within(
    2000,
    promise.then(
      () => assert.unreachable('It was to fail'),
      (error) => error,
    ),
  )

const flowOf = (uses: AddOptions['uses'], options: AddOptions = {}, flow: FlowOptions = {}): Promise<Flow<string>> =>
  new Flow<string>(flow).add({ name: 'only', uses, ...options } as any).open()

/** Yields a document for each letter of each text. */
async function* letters({ docs }: Call) {
  for (const { text } of docs) for (const letter of text) yield letter
}

/** `text|text 0 partial` */
const shown = ({ docs, ordinal, partial, error }: Response<any>): string =>
  `${docs.texts.join('|')} ${ordinal}${partial ? ' partial' : ''}${error === undefined ? '' : ' failed'}`

const all = async (responses: AsyncIterable<Response<any>>): Promise<string[]> => {
  const list: string[] = []
  for await (const response of responses) list.push(shown(response))
  return list
}

// ── what comes ───────────────────────────────────────────────────────────────────────────────────────────

test('E3: what a generator yields comes as partial responses of the same request; the last has it all', async () => {
  for (const uses of [
    letters,
    class extends Executor {
      @requests()
      async *run(call: Call) {
        yield* letters(call)
      }
    },
  ]) {
    await using flow = await flowOf(uses)
    const responses = await within(1000, flow.post('/', 'abc', { parameters: { p: 1 } }).toArray())
    assert.equal(responses.map(shown), ['a 0 partial', 'b 1 partial', 'c 2 partial', 'a|b|c 3'])
    assert.is(new Set(responses.map(({ requestId }) => requestId)).size, 1)
    for (const response of responses) {
      assert.ok(response.docs instanceof DocumentArray)
      assert.equal([response.status.code, response.error, response.header.execEndpoint], ['SUCCESS', undefined, '/'])
      assert.equal(response.parameters, { p: 1, __results__: {} })
      const { partial, ordinal } = response.toJSON() as any
      assert.equal([partial, ordinal], response.partial ? [true, response.ordinal] : [undefined, undefined])
    }
  }
})

test('E3: an answer that is no generator is one response, which is not partial', async () => {
  await using flow = await flowOf(() => {})
  assert.equal(await all(flow.post('/', 'a')), ['a 0'])
})

test('E3: pieces of every kind: documents, init objects, texts, bytes, arrays of them; generators that give nothing', async () => {
  const pieces = [
    'text',
    { text: 'init' },
    new Document({ text: 'document' }),
    DocumentArray.from(['one', 'two']),
    ['three', { text: 'four' }],
    [],
    new Uint8Array([1]),
  ]
  await using flow = await flowOf(async function* () {
    yield* pieces as any
  })
  assert.equal(await all(flow.post('/', 'x')), [
    'text 0 partial',
    'init 1 partial',
    'document 2 partial',
    'one|two 3 partial',
    'three|four 4 partial',
    ' 5 partial',
    ' 6 partial',
    'text|init|document|one|two|three|four| 7',
  ])
  await using empty = await flowOf(async function* () {})
  assert.equal(await all(empty.post('/', 'kept')), ['kept 0'])
})

test('E3: token by token: the same document, grown and yielded again, is one document in the end, and pieces stay as they were', async () => {
  await using flow = await flowOf(async function* ({ docs }) {
    for (const doc of docs) {
      const answer = new Document<{ tokens?: number }>({ text: '' })
      for (const token of ['Once ', 'upon ', 'a time']) {
        answer.text += token
        answer.tags.tokens = (answer.tags.tokens ?? 0) + 1
        yield answer
      }
      doc.text = 'not in the answer'
    }
  })
  const responses = await within(1000, flow.post('/', ['q', 'r']).toArray())
  assert.equal(
    responses.map(({ docs }) => docs.texts),
    [['Once '], ['Once upon '], ['Once upon a time'], ['Once '], ['Once upon '], ['Once upon a time'], ['Once upon a time', 'Once upon a time']],
  )
  assert.equal(
    responses.map(({ docs }) => docs[0]!.tags.tokens),
    [1, 2, 3, 1, 2, 3, 3],
  )
  assert.is(new Set(responses.map(({ docs }) => docs[0]!.id)).size, 2)
})

test('E3: a bare yield hands on the documents as they are now', async () => {
  await using flow = await flowOf(async function* ({ docs }) {
    for (let i = 0; i < 2; i++) {
      for (const doc of docs) doc.text += '.'
      yield
    }
    docs.append('new')
  })
  assert.equal(await all(flow.post('/', ['a', 'b'])), ['a.|b. 0 partial', 'a..|b.. 1 partial', 'a..|b..|new 2'])
})

test('R54: a piece that is no document fails the request by the name of the executor, behind the pieces before', async () => {
  let closed = 0
  await using flow = await flowOf(async function* () {
    try {
      yield 'fine'
      yield 5 as any
    } finally {
      closed++
    }
  })
  const responses = await within(1000, flow.post('/', 'x', { continueOnError: true }).toArray())
  assert.equal(responses.map(shown), ['fine 0 partial', 'x 1 failed'])
  const { code, executor, message } = responses[1]!.error as ExecutorError
  assert.equal([code, executor], ['ERR_EXECUTOR_RESULT', 'only'])
  assert.match(message, /5/)
  assert.is(closed, 1)
})

test('E3: other executors of a chain work on the whole answer, once; ordinals go on', async () => {
  const calls: string[] = []
  await using flow = await new Flow()
    .add({ uses: letters })
    .add({ uses: ({ docs }) => void calls.push(docs.texts.join('')) })
    .add({
      uses: async function* ({ docs }) {
        for (const doc of docs) {
          doc.text += '!'
          yield doc
        }
      },
    })
    .open()
  assert.equal(await all(flow.post('/', 'ab')), ['a 0 partial', 'b 1 partial', 'a! 2 partial', 'b! 3 partial', 'a!|b! 4'])
  assert.equal(calls, ['ab'])
})

// ── when it comes ────────────────────────────────────────────────────────────────────────────────────────

test('216: a piece does not come to show what executors behind it returned', async () => {
  await using flow = await new Flow()
    .add({ name: 'first', uses: () => ({ n: 1 }) })
    .add({
      name: 'pieces',
      uses: async function* ({ docs }) {
        yield docs[0]!
      },
    })
    .add({ name: 'last', uses: () => ({ n: 3 }) })
    .open()
  const [piece, whole] = await within(1000, flow.post('/', 'x').toArray())
  assert.equal(piece!.parameters.__results__, { first: { n: 1 } })
  assert.equal(whole!.parameters.__results__, { first: { n: 1 }, last: { n: 3 } })
  const stops = (response: typeof piece) => response!.routes.map(({ executor }) => executor)
  assert.equal(stops(piece), ['gateway', 'first', 'pieces'])
  assert.equal(stops(whole), ['gateway', 'first', 'pieces', 'last'])
})

test('E3, P2: the first piece is there before the third is asked for', async () => {
  const reached: string[] = []
  const door = deferred<void>()
  await using flow = await flowOf(async function* () {
    yield 'first'
    reached.push('second')
    yield 'second'
    reached.push('third')
    await door.promise
    yield 'third'
  })
  const post = flow.post('/', 'x')
  assert.is(shown((await within(1000, post.next())).value), 'first 0 partial')
  assert.not(reached.includes('third'))
  assert.is(shown((await within(1000, post.next())).value), 'second 1 partial')
  const third = post.next()
  assert.ok(await pending(third))
  door.resolve()
  assert.is(shown((await within(1000, third)).value), 'third 2 partial')
  assert.is(shown((await within(1000, post.next())).value), 'first|second|third 3')
  assert.ok((await post.next()).done)
})

test('P4: a generator is ahead of a slow consumer by one piece at most', async () => {
  for (const options of [{}, { resultsInOrder: true }, { onDone: () => {} }, { prefetch: 1 }, { prefetch: 0 }, { showProgress: false }]) {
    let made = 0
    await using flow = await flowOf(async function* () {
      for (; made < 6; ) yield `${made++}`
    })
    const post = flow.post('/', 'x', options)
    for (let taken = 1; taken <= 6; taken++) {
      await within(1000, post.next())
      for (let i = 0; i < 3; i++) await turn()
      assert.ok(made <= taken + 1, `${made} made, ${taken} taken`)
    }
    await post.return()
  }
})

test('P4, P12: an endless generator and a consumer that breaks: it ends, its finally has run, its signal is aborted', async () => {
  for (const options of [{}, { resultsInOrder: true }, { onAlways: () => {} }]) {
    let made = 0
    const closed = deferred<AbortSignal>()
    await using flow = await flowOf(async function* ({ signal }) {
      try {
        for (;;) yield `${made++}`
      } finally {
        closed.resolve(signal)
      }
    })
    let taken = 0
    for await (const { partial } of flow.post('/', 'x', options)) {
      assert.ok(partial)
      if (++taken === 50) break
    }
    assert.ok((await within(1000, closed.promise)).aborted)
    assert.ok(made <= 52)
  }
})

test('216: a generator is not asked for another piece once its consumer left, not even for one that would be thrown away', async () => {
  for (const options of [{}, { resultsInOrder: true }, { onAlways: () => {} }]) {
    let made = 0
    const closed = deferred<void>()
    await using flow = await flowOf(async function* () {
      try {
        for (;;) yield `${made++}`
      } finally {
        closed.resolve()
      }
    })
    const post = flow.post('/', 'x', options)
    await within(1000, post.next())
    await turn()
    const offered = made
    await post.return()
    await within(1000, closed.promise)
    assert.is(made, offered)
  }
})

test('P12: an abort while a piece waits ends with its reason, and closes the generator', async () => {
  for (const options of [{}, { resultsInOrder: true }, { onDone: () => {} }]) {
    const controller = new AbortController()
    const closed = deferred<void>()
    await using flow = await flowOf(async function* () {
      try {
        yield 'a'
        yield 'b'
        yield 'c'
      } finally {
        closed.resolve()
      }
    })
    const post = flow.post('/', 'x', { ...options, signal: controller.signal })
    await within(1000, post.next())
    for (let i = 0; i < 3; i++) await turn()
    controller.abort('enough')
    await within(1000, closed.promise)
    assert.is(await failure(post.next()), 'enough')
    assert.ok((await post.next()).done)
  }
})

test('P12: close() tells a generator whose consumer reads no more', async () => {
  const closed = deferred<void>()
  const flow = await flowOf(
    async function* () {
      try {
        for (;;) yield 'piece'
      } finally {
        closed.resolve()
      }
    },
    {},
    { closeTimeout: 1 },
  )
  const post = flow.post('/', 'x')
  await within(1000, post.next())
  await within(1000, flow.close())
  await post.return()
  await within(1000, closed.promise)
})

// ── several at once ──────────────────────────────────────────────────────────────────────────────────────

test('P2: in order, several generators at once: all pieces of a request, then its response, then those of the next', async () => {
  const turns = new Map<string, number>([
    ['ab', 4],
    ['cd', 0],
    ['ef', 2],
  ])
  await using flow = await flowOf(async function* ({ docs }) {
    const [{ text }] = docs as any
    for (const letter of text) {
      for (let i = turns.get(text)!; i > 0; i--) await turn()
      yield letter
    }
  })
  assert.equal(await within(1000, all(flow.post('/', ['ab', 'cd', 'ef'], { requestSize: 1, resultsInOrder: true }))), [
    'a 0 partial',
    'b 1 partial',
    'a|b 2',
    'c 0 partial',
    'd 1 partial',
    'c|d 2',
    'e 0 partial',
    'f 1 partial',
    'e|f 2',
  ])
})

test('P2: as completed, a slow generator does not hold the pieces of others', async () => {
  const door = deferred<void>()
  await using flow = await flowOf(async function* ({ docs }) {
    const { text } = docs[0]!
    yield `${text}1`
    if (text === 'slow') await door.promise
    yield `${text}2`
  })
  const post = flow.post('/', ['slow', 'fast'], { requestSize: 1 })
  const first: string[] = []
  for (let i = 0; i < 4; i++) first.push(shown((await within(1000, post.next())).value))
  assert.equal(first.toSorted(), ['fast1 0 partial', 'fast1|fast2 2', 'fast2 1 partial', 'slow1 0 partial'])
  door.resolve()
  assert.equal(await within(1000, all(post)), ['slow2 1 partial', 'slow1|slow2 2'])
})

test('P4, R22: pieces do not loosen the bound on requests', async () => {
  for (const prefetch of [1, 3]) {
    let begun = 0
    let whole = 0
    let peak = 0
    const full = deferred<void>()
    await using flow = await flowOf(async function* () {
      peak = Math.max(peak, ++begun - whole)
      // However long a turn lasts, the first ones are inside together.
      if (begun === prefetch) full.resolve()
      await full.promise
      for (let i = 0; i < 4; i++) yield `${i}`
    })
    let inputs = 0
    const source = function* () {
      while (inputs < 12) {
        inputs++
        assert.ok(inputs - whole <= prefetch, `${inputs} read, ${whole} received`)
        yield 'x'
      }
    }
    let parts = 0
    for await (const { partial } of flow.post('/', source, { requestSize: 1, prefetch })) {
      if (partial) parts++
      else whole++
      if (parts % 3 === 0) await turn()
    }
    assert.equal([parts, whole, peak], [48, 12, prefetch])
  }
})

// ── callbacks and errors ─────────────────────────────────────────────────────────────────────────────────

test('P7: callbacks hear of every piece, in order, awaited, before it is handed on', async () => {
  for (const resultsInOrder of [false, true]) {
    await using flow = await flowOf(letters)
    const log: string[] = []
    let inside = 0
    const hear = (name: string) => async (response: Response) => {
      assert.is(++inside, 1)
      await turn()
      inside--
      log.push(`${name} ${shown(response)}`)
    }
    const received: string[] = []
    for await (const response of flow.post('/', ['ab', 'cd'], { requestSize: 1, resultsInOrder, onDone: hear('done'), onAlways: hear('always') })) {
      assert.ok(log.includes(`always ${shown(response)}`))
      received.push(shown(response))
    }
    const called = log.filter((entry) => entry.startsWith('done')).map((entry) => entry.slice(5))
    assert.equal(called, received, 'in the order in which they are handed on')
    assert.equal(
      log,
      received.flatMap((name) => [`done ${name}`, `always ${name}`]),
    )
    assert.is(received.length, 6)
    if (resultsInOrder) assert.equal(received, ['a 0 partial', 'b 1 partial', 'a|b 2', 'c 0 partial', 'd 1 partial', 'c|d 2'])
  }
})

test('P7, R52: a callback that throws for a piece ends the iteration, and closes the generator', async () => {
  const closed = deferred<void>()
  await using flow = await flowOf(async function* () {
    try {
      for (const piece of ['a', 'b', 'c']) yield piece
    } finally {
      closed.resolve()
    }
  })
  const received: string[] = []
  const error = await failure(
    (async () => {
      for await (const response of flow.post('/', 'x', {
        onDone: ({ docs }) => {
          if (docs.texts[0] === 'b') throw new Error('cannot take it')
        },
      }))
        received.push(shown(response))
    })(),
  )
  assert.equal([error.code, error.callback, error.cause?.message], ['ERR_CALLBACK', 'onDone', 'cannot take it'])
  assert.equal(received, ['a 0 partial'])
  await within(1000, closed.promise)
})

test('P8: a failure behind pieces: they come, then the error, or with continueOnError the failed response', async () => {
  for (const resultsInOrder of [false, true])
    for (const callbacks of [{}, { onAlways: () => {} }]) {
      await using flow = await flowOf(async function* ({ docs }) {
        yield `${docs[0]!.text}1`
        yield `${docs[0]!.text}2`
        if (docs[0]!.text === 'bad') throw new Error('broken')
      })
      const received: string[] = []
      const error = await failure(
        (async () => {
          for await (const response of flow.post('/', 'bad', { resultsInOrder, ...callbacks })) received.push(shown(response))
        })(),
      )
      assert.equal(received, ['bad1 0 partial', 'bad2 1 partial'])
      assert.equal([error.executor, error.cause.message], ['only', 'broken'])
      const lenient = await within(1000, all(flow.post('/', ['bad', 'good'], { requestSize: 1, continueOnError: true, resultsInOrder: true, ...callbacks })))
      assert.equal(lenient, ['bad1 0 partial', 'bad2 1 partial', 'bad 2 failed', 'good1 0 partial', 'good2 1 partial', 'good1|good2 2'])
    }
})

test('R51: a generator whose neighbour failed is told, and makes no more pieces', async () => {
  const inside = deferred<void>()
  const closed = deferred<void>()
  let made = 0
  let until = 0
  await using flow = await flowOf(async function* ({ docs }) {
    if (docs[0]!.text === 'bad') {
      await inside.promise
      until = made
      throw new Error('broken')
    }
    try {
      for (;;) {
        if (made === 2) inside.resolve()
        yield `${made++}`
      }
    } finally {
      closed.resolve()
    }
  })
  const error = await failure(flow.post('/', ['endless', 'bad'], { requestSize: 1 }).drain())
  assert.is(error.cause.message, 'broken')
  await within(1000, closed.promise)
  assert.ok(made <= until + 10, `${made - until} more`)
})

// ── who leaves them out ──────────────────────────────────────────────────────────────────────────────────

test('P2, P14: docs(), drain() and transform() see each request once', async () => {
  await using flow = await flowOf(letters)
  assert.equal((await flow.post('/', ['ab', 'c'], { requestSize: 1, resultsInOrder: true }).docs()).texts, ['a', 'b', 'c'])
  assert.is(await flow.post('/', ['ab', 'c'], { requestSize: 1 }).drain(), 2)
  const texts: string[] = []
  for await (const doc of flow.transform('/', { requestSize: 1, resultsInOrder: true })(['ab', 'c'])) texts.push(doc.text)
  assert.equal(texts, ['a', 'b', 'c'])
})

test('P9: progress counts requests, not pieces', async () => {
  await using flow = await flowOf(letters)
  const { write } = process.stderr
  let output = ''
  process.stderr.write = ((text: string) => {
    output += text
    return true
  }) as typeof write
  try {
    await flow.post('/', ['ab', 'c'], { requestSize: 1, showProgress: true }).drain()
  } finally {
    process.stderr.write = write
  }
  assert.match(output, /done: 2 requests, 3 documents/)
})

test('G2: a GraphQL mutation gives the whole answer, once', async () => {
  await using flow = await flowOf(letters)
  await using server = await serve(flow)
  const { data, errors } = await within(5000, server.ask('mutation { docs(data: [{ text: "ab" }, { text: "c" }]) { text } }'))
  assert.is(errors, undefined)
  assert.equal(data, { docs: [{ text: 'a' }, { text: 'b' }, { text: 'c' }] })
})

// ── through the graph ────────────────────────────────────────────────────────────────────────────────────

test('E3, E9: from the branches of a fork pieces come as they are made; the last response is the joined one', async () => {
  await using flow = await new Flow()
    .add({ name: 'a', needs: 'gateway', uses: letters })
    .add({
      name: 'b',
      needs: 'gateway',
      uses: async function* ({ docs }) {
        for (const { text } of docs) for (const letter of text) yield letter.toUpperCase()
      },
    })
    .needs(['a', 'b'])
    .open()
  const responses = await within(1000, all(flow.post('/', 'xy')))
  assert.is(responses.at(-1), 'x|y|X|Y 4')
  const parts = responses.slice(0, -1)
  assert.equal(parts.map((name) => name[0]).toSorted(), ['X', 'Y', 'x', 'y'])
  assert.equal(
    parts.map((name) => name.slice(2)),
    ['0 partial', '1 partial', '2 partial', '3 partial'],
  )
})

test('E3, F4: replicas: ANY hands pieces on, ALL those of every replica, ALL_ASYNC none', async () => {
  class Worker extends Executor {
    static requests = { '/default': 'work' }
    async *work({ docs }: Call) {
      for (const doc of docs) {
        doc.matches.append({ id: `${this.shardId}` })
        yield doc
      }
    }
  }
  const found = async (polling: 'ANY' | 'ALL' | 'ALL_ASYNC'): Promise<string[]> => {
    await using flow = await flowOf(Worker, { parallel: 2, polling })
    const responses = await within(1000, flow.post('/', 'x').toArray())
    return responses.map(({ docs, partial, ordinal }) => `${docs[0]!.matches.map(({ id }) => id)} ${ordinal}${partial ? ' partial' : ''}`)
  }
  assert.equal(await found('ANY'), ['0 0 partial', '0 1'])
  assert.equal((await found('ALL')).toSorted(), ['0 0 partial', '0,1 2', '1 1 partial'])
  // On a busy machine, the first may step aside for a turn of the loop.
  assert.match((await found('ALL_ASYNC')).join('; '), /^[01] 0$/)
})

test('E3: a floating generator runs to its end, and its pieces are nobody’s', async () => {
  const done = deferred<number>()
  const flow = await new Flow()
    .add({ name: 'a' })
    .add({
      name: 'log',
      floating: true,
      uses: async function* () {
        let made = 0
        while (made < 5) yield `${made++}`
        done.resolve(made)
      },
    })
    .open()
  assert.equal(await within(1000, all(flow.post('/', 'x'))), ['x 0'])
  assert.is(await within(1000, done.promise), 5)
  await within(1000, flow.close())
})

test('216: pieces of what floats are not handed on, not even while others are waited for', async () => {
  const door = deferred<void>()
  await using flow = await new Flow()
    .add({ name: 'slow', needs: 'gateway', uses: () => door.promise })
    .add({
      name: 'log',
      needs: 'gateway',
      floating: true,
      uses: async function* () {
        yield 'a piece'
        yield 'another'
        door.resolve()
      },
    })
    .open()
  assert.equal(await within(1000, all(flow.post('/', 'x'))), ['x 0'])
})

test('E3, F4: in batches of several requests pieces are collected, and dealt back', async () => {
  await using flow = await flowOf(
    async function* ({ docs }) {
      for (const doc of docs) yield { id: doc.id, text: `${doc.text}!` }
    },
    { dynamicBatching: { preferredBatchSize: 3, timeout: 60_000 } },
  )
  assert.equal(await within(1000, all(flow.post('/', ['a', 'b', 'c'], { requestSize: 1, resultsInOrder: true }))), ['a! 0', 'b! 0', 'c! 0'])
})

test('E3, R44: a generator whose time is up in the middle: its pieces, then the failure, and no piece after', async () => {
  const door = deferred<void>()
  const closed = deferred<void>()
  const flow = await flowOf(
    async function* () {
      try {
        yield 'a'
        await door.promise
        yield 'too late'
        yield 'not made'
      } finally {
        closed.resolve()
      }
    },
    { timeout: 20, retries: 3 },
  )
  const responses = await within(2000, flow.post('/', 'x', { continueOnError: true }).toArray())
  assert.equal(responses.map(shown), ['a 0 partial', 'x 1 failed'])
  assert.is((responses[1]!.error as ExecutorError).code, 'ERR_EXECUTOR_TIMEOUT')
  door.resolve()
  await within(1000, closed.promise)
  await within(1000, flow.close())
})

test('E3: a generator that fails before its first piece is tried again, and leaves nothing of the first time', async () => {
  let calls = 0
  await using flow = await flowOf(
    async function* ({ docs }) {
      for (const doc of docs) doc.text += '!'
      if (calls++ === 0) throw new Error('again')
      yield
    },
    { retries: { attempts: 1, delay: 1 } },
  )
  assert.equal(await within(1000, all(flow.post('/', 'x'))), ['x! 0 partial', 'x! 1'])
})

test('216: a generator that waits for nothing lets timers have their turn, also when nobody takes its pieces yet, or ever', async () => {
  const endless = async function* (_: Call) {
    let fired = false
    const timer = setTimeout(() => {
      fired = true
    }, 5)
    for (let n = 0; !fired && n < 100_000; n++) yield
    clearTimeout(timer)
    assert.ok(fired)
  }
  const door = deferred<void>()
  const held = async function* (call: Call) {
    if (call.docs[0]!.text === 'first') await door.promise
    else yield* endless(call)
  }
  await using flow = await flowOf(held)
  // Behind one that is waited for, pieces are kept.
  const post = flow.post('/', ['first', 'second'], { requestSize: 1, resultsInOrder: true })
  const ended = within(20_000, post.drain())
  const behind = await flowOf(endless, { dynamicBatching: { preferredBatchSize: 1 } })
  await within(20_000, behind.post('/', 'x').drain())
  await behind.close()
  door.resolve()
  await ended
})

test('P11: posts at once: each gets its own pieces', async () => {
  await using flow = await flowOf(async function* (call) {
    for await (const letter of letters(call)) {
      await turn()
      yield letter
    }
  })
  const words = ['ab', 'cde', 'f', 'ghij']
  const received = await within(1000, Promise.all(words.map((word) => all(flow.post('/', word)))))
  assert.equal(
    received,
    words.map((word) => [...[...word].map((letter, at) => `${letter} ${at} partial`), `${[...word].join('|')} ${word.length}`]),
  )
})

test('P2, R38: in order, a generator holds the only place while one before it waits for that', async () => {
  for (const callbacks of [{}, { onDone() {} }]) {
    await using flow = await new Flow()
      .add({ name: 'uneven', uses: ({ docs }) => (docs[0]!.text === '0' ? new Promise<void>((resolve) => setTimeout(resolve, 20)) : undefined) })
      .add({
        name: 'gen',
        concurrency: 1,
        async *uses({ docs }) {
          for (const doc of docs) for (const token of 'abc') yield Object.assign(doc, { text: doc.text + token })
        },
      })
      .open()
    const texts: string[] = []
    const run = async () => {
      for await (const { docs } of flow.post('/', ['0', '1', '2'], { requestSize: 1, resultsInOrder: true, ...callbacks })) texts.push(...docs.texts)
    }
    await within(5000, run())
    assert.equal(
      texts,
      ['0', '1', '2'].flatMap((n) => [`${n}a`, `${n}ab`, `${n}abc`, `${n}abc`]),
    )
  }
})

test('R57: all through, no rejection was left unhandled', async () => {
  await turn()
  assert.is(unhandled, 0)
})

test.run()
