import './clock.js'
import { fake, real } from './clock.js'
import { turn } from './turn.js'

/** A clock that is set by hand, and the timers that it runs. */
export function clock() {
  let time = 1000
  const timers: { at: number; run: () => void }[] = []
  fake.now = () => time
  fake.setTimeout = (run, milliseconds) => {
    const timer = { at: time + milliseconds, run, unref() {} }
    timers.push(timer)
    return timer
  }
  fake.clearTimeout = (timer) => {
    const at = timers.indexOf(timer)
    if (at < 0) real.clearTimeout(timer)
    else timers.splice(at, 1)
  }
  return {
    now: (): number => time,
    async pass(milliseconds: number): Promise<void> {
      const end = time + milliseconds
      for (;;) {
        const [next] = timers.sort((one, other) => one.at - other.at)
        if (next === undefined || next.at > end) break
        timers.shift()
        time = Math.max(time, next.at)
        next.run()
        await turn()
      }
      time = end
      await turn()
    },
    [Symbol.dispose]() {
      fake.now = undefined
      fake.setTimeout = undefined
      fake.clearTimeout = undefined
    },
  }
}
