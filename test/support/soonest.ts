const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)
const TRIES = 10

/**
 * Fails when something takes longer than some milliseconds, each time it is tried: a machine that is busy with other things holds it up now and
 * then, a fault always. `TEST_PATIENCE=4` gives it four times as long.
 * @param once does it, and says how many milliseconds it took
 */
export async function soonest(most: number, once: () => Promise<number>): Promise<void> {
  const seen: number[] = []
  for (let tries = 0; tries < TRIES; tries++) {
    const took = await once()
    if (took < most * PATIENCE) return
    seen.push(Math.round(took))
  }
  throw new Error(`It took ${seen.join(', ')} ms, not ${most}`)
}

/** Milliseconds that work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}
