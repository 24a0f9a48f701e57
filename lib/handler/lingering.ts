import { now } from '../base/clock.js'
import { Deadlines } from '../stream/deadlines.js'
import type { Scope } from '../stream/scope.js'

/** Milliseconds that a call has to end, once it was told to stop: who hears its signal needs none of them, and who is nearly done is let finish. */
export const GRACE = 1000

/** The most calls of one replica, or places of a gateway, that are given to others while what had them goes on. */
export const MOST_LINGERING = 1024

/**
 * Calls that nobody waits for any more, as their time is up or who asked left, and that go on all the same. After {@link GRACE} each gives its place to another, as
 * long as not too many have: what hangs for ever would hold all places else, and what is only slow would be asked for more than it can do.
 */
export class Lingering {
  /** Calls that were told to stop, and have not ended. */
  told = 0
  /** Since when there are any, on the clock for durations. */
  since = 0
  /** Those of them that gave their places away. */
  count = 0
  readonly #grace = new Deadlines(GRACE)

  /** @param most how many give theirs away; those beyond keep them until they end */
  constructor(readonly most: number) {}

  /**
   * Has an eye on a call.
   * @param free gives its place to another
   * @param onTold hears that it was told to stop
   * @returns for when it has ended. It tells whether its place had been given away
   */
  watch(scope: Scope, free: () => void, onTold?: () => void): () => boolean {
    let isTold = false
    let isFreed = false
    let late: ReturnType<Deadlines['set']> | undefined
    const unwatch = scope.watch(() => {
      isTold = true
      if (this.told++ === 0) this.since = now()
      late = this.#grace.set(() => {
        if (this.count >= this.most) return
        isFreed = true
        this.count++
        free()
      })
      onTold?.()
    })
    return () => {
      unwatch()
      if (isTold) this.told--
      if (late !== undefined) this.#grace.clear(late)
      if (isFreed) this.count--
      return isFreed
    }
  }
}
