// What every way in promises, told once. `story.ts` has what a post() does when all goes well, `settings.ts` what comes of what add() says, `deltas.ts` what streams piece by piece, `table.ts`, `strangers.ts`, `door.ts`, `statuses.ts`
// and `failures.ts` what
// goes wrong: each row is one thing that happens, each way in a column, each cell what the caller sees, as one line of text.
//
// To add a row: an object in one of those files. `see` makes it happen on a way in and says what was seen; `expect` says what is right, for
// all ways or by way, or `cannot(reason)` where it cannot happen. Nothing in a line may depend on how fast the machine is.
// To add a way in: an object in `ways.ts` that opens a graph and closes the loop, and six lines as in `inline.ts`.
// What is wrong today stands in `known-reds.ts`, and nowhere else. A cell of that list that turns right fails until it is taken off it.
import * as assert from 'uvu/assert'
import { natsServerFile, WITHOUT } from '../support/nats.js'
import { DELTAS } from './deltas.js'
import { DOOR } from './door.js'
import { FAILURE_ROWS } from './failures.js'
import { KNOWN_REDS } from './known-reds.js'
import { SETTINGS } from './settings.js'
import { STATUS_ROWS } from './statuses.js'
import { STORY } from './story.js'
import { STRANGERS } from './strangers.js'
import { TABLE } from './table.js'
import { outcome, type Way } from './way.js'

/** Why a cell is empty. */
export interface Cannot {
  readonly because: string
}

export interface Row {
  readonly name: string
  /** What is right, in the words of `see`. */
  readonly expect: string | ((way: Way) => string | Cannot)
  readonly see: (way: Way) => Promise<string>
  /** It waits for times that are real, and computes nothing: it is begun behind the first cell, and runs beside the others. */
  readonly beside?: true
}

/** Milliseconds after which nothing is going to happen any more, on the busiest machine. */
const PATIENCE = 20_000 * Number(process.env['TEST_PATIENCE'] ?? 1)
/** For cells that are known to hang. */
const KNOWN_TO_HANG = 2000

interface Suite {
  (name: string, test: () => Promise<void>): void
  after(hook: () => void): void
}

export const ROWS: readonly Row[] = [...STORY, ...SETTINGS, ...DELTAS, ...TABLE, ...STRANGERS, ...DOOR, ...STATUS_ROWS, ...FAILURE_ROWS]

/** Registers a test for each row, on one way in. */
export function contract(test: Suite, way: Way): void {
  if (way.protocol === 'nats' && natsServerFile === undefined) return void test(`${way.name}: not here`, async () => console.log(`\n${WITHOUT}`))
  const reds = KNOWN_REDS.filter(({ ways }) => ways.includes(way.name))
  const waiting = ROWS.filter(({ beside, expect }) => beside && typeof (typeof expect === 'string' ? expect : expect(way)) === 'string')
  const begun = new Map<Row, Promise<string>>()
  for (const row of ROWS) {
    const red = reds.find(({ name }) => name === row.name)
    const expected = typeof row.expect === 'string' ? row.expect : row.expect(way)
    test(`${way.name}: ${row.name}`, async () => {
      if (typeof expected !== 'string') return void assert.is(red, undefined, `it cannot happen (${expected.because}): take it off the known reds`)
      const hangs = red?.seen.endsWith(HANGS) ?? false
      const seen = await (begun.get(row) ?? cell(row, way, hangs ? KNOWN_TO_HANG : PATIENCE))
      // What is loaded with the first of all takes none of their time.
      if (begun.size === 0) for (const row of waiting) begun.set(row, cell(row, way, PATIENCE))
      if (red === undefined) return void assert.is(seen, expected)
      assert.is.not(seen, expected, `this is right now. Take '${row.name}' on ${way.name} (row ${red.row}) off the list in known-reds.ts`)
      assert.is(seen, red.seen, `this is still wrong (row ${red.row}), but in another way: write in known-reds.ts what is seen`)
    })
  }
  test(`${way.name}: the known reds are rows of the contract, each once`, async () => {
    for (const { name } of reds) {
      assert.is(ROWS.filter((row) => row.name === name).length, 1, name)
      assert.is(reds.filter((red) => red.name === name).length, 1, name)
    }
  })
  // What hangs for ever holds the process, too.
  test.after(() => {
    if (reds.length > 0) setTimeout(() => process.exit(), 1000).unref()
  })
}

const HANGS = 'no end'

/** What is seen, whatever happens: also what would end the process. */
export async function cell(row: Row, way: Way, patience: number): Promise<string> {
  let crashed: (error: unknown) => void
  let timer: ReturnType<typeof setTimeout>
  const crash = new Promise<string>((resolve) => {
    crashed = (error) => resolve(`the process ends: ${outcome(error)}`)
  })
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(HANGS), patience)
  })
  // What runs beside others is not to blame for what they do.
  if (!row.beside) process.on('uncaughtException', crashed!).on('unhandledRejection', crashed!)
  try {
    const seen = await Promise.race([row.see(way).catch((error) => `failed: ${outcome(error)} ${error?.message ?? ''}`), crash, late])
    // What is thrown where nobody catches comes after.
    await new Promise((resolve) => setImmediate(resolve))
    return await Promise.race([crash, seen])
  } finally {
    clearTimeout(timer!)
    process.off('uncaughtException', crashed!).off('unhandledRejection', crashed!)
  }
}
