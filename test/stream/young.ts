// What enters and leaves is collected young. See lib/stream/register.ts for what keeps it from that.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/** Who enters, and is to leave: of each, `enter(what)` and what it gives back are run many times, with a few inside. */
const WAYS: Record<string, { from: string; enter: string }> = {
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
    const enter = (() => { ${enter} })()
    const lane = async () => {
      for (let call = 0; call < ${CALLS / 4}; call++) {
        const leave = enter({ holds: new Array(${HOLDS}).fill(call) })
        // What is inside now grows old, and so does the table that it stands in.
        if (call === 50) for (let time = 0; time < 3; time++) gc({ type: 'minor' })
        await new Promise((resolve) => setImmediate(resolve))
        leave()
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
    else assert.ok(bytes < HOLDS, `${bytes} bytes of each call grow old`)
  })
}

test.run()
