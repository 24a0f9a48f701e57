/** How waits between tries grow. */
export interface Backoff {
  /** Milliseconds before the second try. */
  readonly delay: number
  /** Milliseconds no wait exceeds. */
  readonly maxDelay: number
  /** By what each wait is longer than the one before. */
  readonly growth: number
}

/** As gRPC's clients wait, but for their first second: most of what comes back comes back sooner, and what stays away is not asked more often for that. */
export const BACKOFF: Backoff = { delay: 100, maxDelay: 5000, growth: 2 }

/**
 * Milliseconds to wait: between a half and the whole of it, so that those who failed together do not come back together.
 * @param failed how many tries failed before the last
 */
export function backoff({ delay, maxDelay, growth }: Backoff, failed: number): number {
  return Math.min(delay * growth ** Math.min(failed, 30), maxDelay) * (1 - Math.random() / 2)
}
