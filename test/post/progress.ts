import '../support/clock.js'

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/index.js'
import { expected, Progress } from '../../lib/post/progress.js'
import type { ProgressOutput } from '../../lib/post/progress-output.js'
import { fake, real } from '../support/clock.js'
import { asProgram, codeUrl } from '../support/code.js'

const ESC = '\x1b'
const TOKEN = new RegExp(`${ESC}\\[[\\d;]*[A-Za-z]|[\\s\\S]`, 'gu')
const COLOR = new RegExp(`${ESC}\\[\\d+m`)

/** A terminal that remembers what was written, and shows what a person would see. */
class Terminal implements ProgressOutput {
  readonly writes: string[] = []
  constructor(
    readonly isTTY = true,
    readonly columns?: number,
  ) {}

  write(text: string): void {
    this.writes.push(text)
  }

  /** The lines on the screen: `\r` goes back to the first column, `ESC[K` erases to the end of the line. */
  get screen(): string[] {
    const lines = ['']
    let column = 0
    for (const [token] of this.writes.join('').matchAll(TOKEN)) {
      const line = lines.at(-1)!
      if (token === '\r') column = 0
      else if (token === '\n') column = lines.push('') * 0
      else if (token === `${ESC}[K`) lines[lines.length - 1] = line.slice(0, column)
      else if (!token.startsWith(ESC)) lines[lines.length - 1] = line.slice(0, column) + token + line.slice(++column)
    }
    return lines
  }
}

const response = (documents: number, error?: Error): any => ({ docs: Array(documents), error, routes: [] })

/** Runs `fn` with a clock that is set by hand. */
function timed(fn: (pass: (milliseconds: number) => void) => void): void {
  let now = 1_000_000
  fake.now = () => now
  try {
    fn((milliseconds) => {
      now += milliseconds
    })
  } finally {
    fake.now = undefined
  }
}

function environment(name: string, value: string): () => void {
  const before = process.env[name]
  process.env[name] = value
  return () => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  }
}

test('P9 a bar with requests, documents, rate, elapsed and remaining time', () => {
  timed((pass) => {
    const terminal = new Terminal(true, 120)
    const progress = new Progress(1000, terminal)
    for (let at = 0; at < 250; at++) {
      pass(20)
      progress.count(response(100))
    }
    assert.equal(terminal.screen, ['━━━━━━──────────────────  25% 250/1,000 requests · 25,000 documents · 5,000 docs/s · 0:05 · ETA 0:15'])
    progress.stop('done')
    assert.equal(terminal.screen, ['done: 250 requests, 25,000 documents in 5.0 s (5,000 docs/s)', ''])
  })
})

for (const [columns, line] of [
  [80, '━━━━━━────────────────  25% 250/1,000 requests · 5,000 docs/s · 0:05 · ETA 0:15'],
  [40, '━━━──────────  25% 250/1,000 · ETA 0:15'],
] as const)
  test(`P9 at ${columns} columns there is a bar, and what says least gives way`, () => {
    timed((pass) => {
      const terminal = new Terminal(true, columns)
      const progress = new Progress(1000, terminal)
      for (let at = 0; at < 250; at++) {
        pass(20)
        progress.count(response(100))
      }
      assert.equal(terminal.screen, [line])
      progress.stop('done')
    })
  })

test('P9 a spinner without a known length, and failures are said', () => {
  timed((pass) => {
    const terminal = new Terminal()
    const progress = new Progress(undefined, terminal)
    pass(3_725_000)
    progress.count(response(3))
    const [before] = terminal.screen
    pass(1000)
    progress.count(response(2, new Error('no')))
    const [after] = terminal.screen
    assert.match(before!, /^. 1 request · 3 documents · 0 docs\/s · 1:02:05$/)
    assert.match(after!, /^. 2 requests · 1 failed · 5 documents · 0 docs\/s · 1:02:06$/)
    assert.is.not(before![0], after![0], 'the spinner turns')
    progress.stop('failed')
    assert.equal(terminal.screen, ['failed: 2 requests, 1 failed, 5 documents in 3726.0 s (0 docs/s)', ''])
  })
})

test('P17: answers from the cache are told apart', () => {
  timed((pass) => {
    const terminal = new Terminal(true, 120)
    const progress = new Progress(2, terminal)
    pass(1000)
    progress.count({ ...response(3), routes: [{ cached: 3 }, { cached: 2 }, {}] })
    assert.match(terminal.screen[0]!, '3 documents · 5 cached · 3 docs/s')
    progress.stop('done')
    assert.equal(terminal.screen, ['done: 1 request, 3 documents, 5 answers from the cache in 1.0 s (3 docs/s)', ''])
  })
})

test('P9 drawn at most ten times a second', () => {
  timed((pass) => {
    const terminal = new Terminal()
    const progress = new Progress(10_000, terminal)
    for (let at = 0; at < 10_000; at++) {
      pass(1)
      progress.count(response(1))
    }
    assert.ok(terminal.writes.length >= 90 && terminal.writes.length <= 100, `${terminal.writes.length} drawings in 10 s`)
    progress.stop('done')
  })
})

test('P9 never wider than the terminal, where it could not be drawn over', () => {
  timed((pass) => {
    for (const columns of [10, 20, 40, 60, 80, 100]) {
      for (const expected of [undefined, 1000]) {
        const terminal = new Terminal(true, columns)
        const progress = new Progress(expected, terminal)
        pass(200)
        progress.count(response(1_000_000))
        assert.ok(terminal.screen[0]!.length < columns, `${columns}: ${terminal.screen[0]}`)
        progress.stop('done')
      }
    }
  })
})

for (const how of ['done', 'failed', 'stopped'] as const) {
  test(`P9 ${how}: one last line, on a terminal and elsewhere, and nothing after it`, () => {
    for (const isTTY of [true, false]) {
      const terminal = new Terminal(isTTY)
      const progress = new Progress(5, terminal)
      progress.count(response(10))
      progress.stop(how)
      progress.stop('done')
      assert.is(terminal.screen.length, 2)
      assert.match(terminal.screen[0]!, new RegExp(`^${how}: 1 request, 10 documents in 0\\.\\d s \\([\\d,]+ docs/s\\)$`))
      if (!isTTY) assert.is(terminal.writes.length, 1, 'plain: only the last line')
    }
  })
}

test('P9 NO_COLOR takes the colours, TERM=dumb the bar', () => {
  const draw = (): string => {
    const terminal = new Terminal()
    timed((pass) => {
      const progress = new Progress(undefined, terminal)
      pass(200)
      progress.count(response(1))
      progress.stop('done')
    })
    return terminal.writes.join('')
  }
  let restore = environment('NO_COLOR', '')
  assert.match(draw(), COLOR)
  restore()
  restore = environment('NO_COLOR', '1')
  assert.not.match(draw(), COLOR)
  restore()
  restore = environment('TERM', 'dumb')
  assert.not.match(draw(), new RegExp(`${ESC}|\r`))
  restore()
})

test('P9 no timer is left, and the one there is keeps no process alive', () => {
  const timers = new Set<NodeJS.Timeout>()
  fake.setInterval = (fn, time) => {
    const timer = real.setInterval(fn, time)
    timers.add(timer)
    return timer
  }
  fake.clearInterval = (timer) => {
    timers.delete(timer as NodeJS.Timeout)
    real.clearInterval(timer)
  }
  try {
    new Progress(1, new Terminal(false)).stop('done')
    const progress = new Progress(1, new Terminal())
    assert.equal(
      [...timers].map((timer) => timer.hasRef()),
      [false],
    )
    progress.stop('stopped')
    assert.is(timers.size, 0)
  } finally {
    fake.setInterval = fake.clearInterval = undefined
  }
})

test('P9 side by side, one draws and each says its end', () => {
  timed((pass) => {
    const terminal = new Terminal(true, 120)
    const [first, second] = [new Progress(undefined, terminal), new Progress(undefined, terminal)]
    pass(200)
    first.count(response(1))
    second.count(response(2))
    assert.match(terminal.screen.join('\n'), /^. 1 request · 1 document .*$/)
    first.stop('done')
    pass(200)
    second.count(response(2))
    assert.match(terminal.screen.join('\n'), /^done: 1 request.*\n. 2 requests · 4 documents .*$/)
    second.stop('stopped')
    assert.match(terminal.screen.join('\n'), /^done: .*\nstopped: 2 requests, 4 documents .*\n$/)
  })
})

test('P9 what others write has lines of its own, above the bar', () => {
  timed((pass) => {
    const terminal = new Terminal(true, 120)
    const progress = new Progress(10, terminal)
    const count = (): void => {
      pass(200)
      progress.count(response(1))
    }
    count()
    terminal.write('warn: one\n')
    assert.equal(terminal.screen, ['warn: one', ''])
    count()
    assert.match(terminal.screen.join('\n'), /^warn: one\n.*20% 2\/10 requests/)
    // What is not ended is not drawn over.
    terminal.write('half ')
    count()
    assert.equal(terminal.screen, ['warn: one', 'half '])
    terminal.write('a line\n')
    count()
    assert.match(terminal.screen.join('\n'), /^warn: one\nhalf a line\n.*40% 4\/10 requests/)
    terminal.write('open')
    progress.stop('done')
    assert.match(terminal.screen.join('\n'), /^warn: one\nhalf a line\nopen\ndone: 4 requests.*\n$/)
    assert.not.ok(Object.hasOwn(terminal, 'write'), 'as it was before')
  })
})

test('P9 where somebody takes over what is written to, as a bar is drawn, it stays taken over', () => {
  timed((pass) => {
    const terminal = new Terminal(true, 120)
    const progress = new Progress(10, terminal)
    pass(200)
    progress.count(response(1))
    const { write } = terminal
    const mine = (text: string): void => write.call(terminal, text)
    terminal.write = mine
    progress.stop('done')
    assert.is(terminal.write, mine)
    terminal.write('later\n')
    assert.match(terminal.screen.join('\n'), /^done: 1 request.*\nlater\n$/)
  })
})

test('P9 the total is what the inputs say, or what is said of them', () => {
  async function* endless() {
    yield 'x'
  }
  for (const [inputs, size, total, requests] of [
    [Array(95).fill('x'), 10, undefined, 10],
    [new Set(['a', 'b', 'c']), 2, undefined, 2],
    [endless(), 10, undefined, undefined],
    [endless(), 10, 95, 10],
    [endless(), 0, 95, 1],
    [endless(), 10, Infinity, undefined],
    [['a'], 1, 20, 20],
    ['one', 10, undefined, 1],
  ] as const)
    assert.is(expected(inputs, size, total), requests)
})

test('P9 without a stderr, as in a browser, it is silent', () => {
  const { process } = globalThis
  try {
    ;(globalThis as { process?: unknown }).process = undefined
    const progress = new Progress(3)
    progress.count(response(1))
    progress.stop('done')
  } finally {
    globalThis.process = process
  }
})

const index = JSON.stringify(codeUrl('lib/index'))
const ends: [string, string, RegExp][] = [
  [
    'stopped by its signal',
    `const stop = new AbortController()
     const post = flow.post('/', docs, { showProgress: true, prefetch: 1, signal: stop.signal })
     await (async () => { for await (const _ of post) stop.abort() })().catch(() => {})`,
    /^stopped: 1 request, 100 documents in /,
  ],
  [
    'stopped by who gave its inputs',
    `await flow.post('/', { isStopped: true, async *[Symbol.asyncIterator]() { yield 'x' } }, { showProgress: true, totalDocs: 300 }).drain()`,
    /^stopped: 1 request, 1 document in /,
  ],
  ['done', `await flow.post('/', docs, { showProgress: true }).drain()`, /^done: 3 requests, 300 documents in /],
  ['stopped', `for await (const _ of flow.post('/', docs, { showProgress: true })) break`, /^stopped: 1 request, 100 documents in /],
  ['failed', `await flow.post('/fail', docs, { showProgress: true, prefetch: 1 }).drain().catch(() => {})`, /^failed: 0 requests, 0 documents in /],
]
for (const [how, code, line] of ends) {
  test(`P9 a post that ends ${how} says so on stderr, and the process ends by itself`, async () => {
    const script = `import { Flow } from ${index}
      const docs = Array(300).fill('x')
      const flow = await new Flow().add({ uses: ({ endpoint }) => { if (endpoint === '/fail') throw new Error('no') } }).open()
      ${code}`
    const { stdout, stderr } = await promisify(execFile)(process.execPath, asProgram(script), { timeout: 20_000 })
    assert.is(stdout, '')
    assert.match(stderr, line)
    assert.is(stderr.split('\n').length, 2)
  })
}

test('P9 a post that nobody reads shows nothing', async () => {
  const written: unknown[] = []
  const { write } = process.stderr
  process.stderr.write = ((text: string) => written.push(text) > 0) as typeof write
  try {
    await using flow = await new Flow().add().open()
    await flow.post('/', 'x', { showProgress: true }).return()
  } finally {
    process.stderr.write = write
  }
  assert.equal(written, [])
})

test.run()
