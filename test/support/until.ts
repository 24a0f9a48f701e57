import { turn } from './turn.js'

const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)
/** Turns of the event loop that are looked at one by one: what goes on in this process is mostly done by then. */
const TURNS = 200
/** Milliseconds between looks from then on. Whoever waits for another process, or for a clock, would take a core from it otherwise. */
const LOOK = 2

/** Waits until something is so; fails, instead of waiting for ever, when it is not within some milliseconds. */
export async function until(holds: () => unknown, milliseconds = 10_000): Promise<void> {
  const end = performance.now() + milliseconds * PATIENCE
  for (let turns = 0; !(await holds()); turns++) {
    if (performance.now() > end) throw new Error(`Not so within ${milliseconds} ms: ${holds}`)
    await (turns < TURNS ? turn() : new Promise((resolve) => setTimeout(resolve, LOOK)))
  }
}
