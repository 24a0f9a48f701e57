import { turn } from './turn.js'

const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)

/** Waits, turn by turn of the event loop, until something is so; fails, instead of waiting for ever, when it is not within some milliseconds. */
export async function until(holds: () => unknown, milliseconds = 10_000): Promise<void> {
  const end = performance.now() + milliseconds * PATIENCE
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`Not so within ${milliseconds} ms: ${holds}`)
    await turn()
  }
}
