/** What {@link longestGap} saw, in milliseconds of CPU. */
export interface Gap {
  readonly longest: number
  /** Of the whole work. */
  readonly total: number
}

/** Milliseconds. docs/guarantees.md says 50, which bench/held.ts measures; here the best of some tries is judged, and should be well below. */
const HELD_UP = 35
/** What runs for the first time is compiled, and takes longer. */
const TRIES = 7

/**
 * The longest that a 5 ms timer had to wait, in milliseconds that this thread can have computed: no more than passed, and no more than the
 * process computed. So neither others on the machine count, nor V8's threads beside this one, which hold nobody up.
 */
export async function longestGap(work: () => Promise<unknown>): Promise<Gap> {
  let longest = 0
  const begin = process.cpuUsage()
  let last = begin
  let at = performance.now()
  const look = () => {
    const { user, system } = process.cpuUsage(last)
    const now = performance.now()
    longest = Math.max(longest, Math.min((user + system) / 1000, now - at))
    last = process.cpuUsage()
    at = now
  }
  const timer = setInterval(look, 5)
  await work()
  look()
  clearInterval(timer)
  const { user, system } = process.cpuUsage(begin)
  return { longest, total: (user + system) / 1000 }
}

/**
 * Fails when work holds timers back by 35 ms and by more than a share of its own computing, each time it is tried. Both are to be: on a slow
 * machine every step takes longer, and so does the whole; and the collector may stop everybody once, but not each time.
 */
export async function letsOthersIn(share: number, work: () => Promise<unknown>): Promise<void> {
  const seen: string[] = []
  for (let tries = 0; tries < TRIES; tries++) {
    const { longest, total } = await longestGap(work)
    if (longest < HELD_UP || longest < share * total) return
    seen.push(`${longest.toFixed(0)} of ${total.toFixed(0)} ms`)
  }
  throw new Error(`Timers were held back for ${seen.join(', ')}`)
}
