import { turn } from './turn.js'

const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)
/** Turns of the event loop that are looked at one by one: what goes on in this process is mostly done by then. */
const TURNS = 200
/** Milliseconds between looks from then on. Whoever waits for another process, or for a clock, would take a core from it otherwise. */
const LOOK = 2
/** The same where a look asks somebody, from the first on, each time longer than before: to answer costs more than to look, and who is asked is who is waited for. */
const ASK = { first: 2, growth: 1.5, most: 30 }

/** Waits until something is so; fails, instead of waiting for ever, when it is not within some milliseconds. */
export async function until(holds: () => unknown, milliseconds = 10_000): Promise<void> {
  const end = performance.now() + milliseconds * PATIENCE
  let pause = ASK.first
  for (let turns = 0; ; turns++) {
    const said = holds()
    const asks = said instanceof Promise
    if (await said) return
    if (performance.now() > end) throw new Error(`Not so within ${milliseconds} ms: ${holds}`)
    if (!asks && turns < TURNS) await turn()
    else await new Promise((resolve) => setTimeout(resolve, asks ? pause : LOOK))
    if (asks) pause = Math.min(ASK.most, pause * ASK.growth)
  }
}
