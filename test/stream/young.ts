// What enters and leaves is collected young. See lib/stream/register.ts for what keeps it from that.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** Who enters, and is to leave: of each, `enter(what)` and what it gives back are run many times, with a few inside. */
const WAYS: Record<string, { from: string; enter: string; bound?: number }> = {
  Register: { from: 'stream/register', enter: 'const all = new room.Register(); return (what) => all.enter(what)' },
  Keyed: {
    from: 'stream/keyed',
    enter: "const all = new room.Keyed(); let n = 0; return (what) => { const id = 'id' + n++; all.set(id, what); return () => all.delete(id) }",
  },
  Numbered: { from: 'stream/numbered', enter: 'const all = new room.Numbered(); return (what) => { const n = all.add(what); return () => all.delete(n) }' },
  Scope: { from: 'stream/scope', enter: 'const scope = new room.Scope(); return (what) => scope.watch(() => what)' },
  Deadlines: {
    from: 'stream/deadlines',
    enter: 'const all = new room.Deadlines(60000); return (what) => { const one = all.set(() => what); return () => all.clear(one) }',
  },
  UnderWay: {
    from: 'request/under-way',
    enter: 'const all = new room.UnderWay(); return (what) => { const one = all.enter(what); return () => all.leave(one) }',
  },
  Drain: { from: 'wire/drain', enter: 'const drain = new room.Drain(); return (what) => drain.enter(() => what)' },
  Parts: {
    from: 'wire/sharing',
    enter:
      'const parts = new room.Parts(); return (what) => { const one = { what, request: { scope: {} } }; parts.enter(one, 1); return () => parts.leave(one) }',
  },
  // It outlasts a turn, so the platform is told of it: see lib/stream/holder.ts.
  Iteration: {
    from: 'stream/in-flight',
    enter:
      'return (what) => { const all = room.inFlight([what], () => new Promise(setImmediate), { limit: 1 }); const next = all.next(); return () => all.return(next) }',
  },
  // A call is much more than what it holds here: 40 kB, of which 13 grew old once.
  'Client over HTTP': {
    from: 'client/index',
    bound: 2500,
    enter: `const { createServer } = await import('node:http')
      const header = { requestId: 'a', status: { code: 0, description: '', exception: null }, execEndpoint: '/', targetExecutor: '' }
      const answer = JSON.stringify({ header, parameters: {}, routes: [], data: [] }) + '\\n'
      const head = { 'content-type': 'application/x-ndjson', 'content-length': answer.length }
      const server = createServer((request, response) => request.resume().on('end', () => response.writeHead(200, head).end(answer)))
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      const client = new room.Client('http://127.0.0.1:' + server.address().port)
      return (what) => { const done = client.post('/', { text: 'a', tags: { of: what.holds.length } }).drain(); return () => done }`,
  },
  // A Map, for what the others are measured by.
  Map: {
    from: 'stream/fifo',
    enter: "const all = new Map(); let n = 0; return (what) => { const id = 'id' + n++; all.set(id, what); return () => all.delete(id) }",
  },
}

const CALLS = 10_000
const HOLDS = 300

/** Bytes that grow old of each call. Counted, not timed: a busy machine changes nothing. */
function grownOld(way: string): number {
  const { from, enter } = WAYS[way]!
  const script = `
    const room = await import(${JSON.stringify(new URL(`../../lib/${from}.js`, import.meta.url).href)})
    const enter = await (async () => { ${enter} })()
    const lane = async () => {
      for (let call = 0; call < ${CALLS / 4}; call++) {
        const leave = enter({ holds: new Array(${HOLDS}).fill(call) })
        // What is inside now grows old, and so does the table that it stands in.
        if (call === 50) for (let time = 0; time < 3; time++) gc({ type: 'minor' })
        await new Promise((resolve) => setImmediate(resolve))
        await leave()
      }
    }
    await Promise.all([lane(), lane(), lane(), lane()])
    process.exit()`
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--expose-gc', '--trace-gc-nvp', '--max-semi-space-size=1', '--input-type=module', '--eval', script],
    { encoding: 'utf8' },
  )
  assert.is(status, 0, stderr)
  const promoted = [...stdout.matchAll(/ promoted=(\d+)/g)].map(([, bytes]) => Number(bytes))
  assert.ok(promoted.length > 20, 'it is collected often enough to tell')
  return promoted.reduce((sum, bytes) => sum + bytes, 0) / CALLS
}

for (const way of Object.keys(WAYS)) {
  test(`what leaves a ${way} is ${way === 'Map' ? 'kept, which is what is measured here' : 'collected young'}`, () => {
    const bytes = grownOld(way)
    if (way === 'Map') assert.ok(bytes > HOLDS, `${bytes} bytes of each call grow old`)
    else assert.ok(bytes < (WAYS[way]!.bound ?? HOLDS), `${bytes} bytes of each call grow old`)
  })
}

test.run()
