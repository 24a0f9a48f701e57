/**
 * The longest that a 5 ms timer had to wait, in milliseconds that this thread can have computed: no more than passed, and no more than the
 * process computed. So neither others on the machine count, nor V8's threads beside this one, which hold nobody up.
 */
export async function longestGap(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = process.cpuUsage()
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
  return longest
}
