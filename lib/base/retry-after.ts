import { now, onWall } from './clock.js'

/**
 * How long whoever failed asks to be left alone: milliseconds, from the `retryAfter` of what was thrown, or of its cause. A number is milliseconds, as all durations here;
 * a text is what the HTTP header says, seconds or a date (RFC 9110, 10.2.3). Undefined where nothing is said, or nothing that can be understood.
 */
export function retryAfter(error: unknown): number | undefined {
  const said = look(error)
  const milliseconds =
    typeof said === 'number'
      ? said
      : said instanceof Date
        ? said.getTime() - onWall(now())
        : typeof said === 'string' && said.trim() !== ''
          ? /^\s*\d+(\.\d+)?\s*$/.test(said)
            ? Number(said) * 1000
            : Date.parse(said) - onWall(now())
          : Number.NaN
  // A timer that is longer fires at once.
  return milliseconds >= 0 ? Math.min(milliseconds, 0x7fffffff) : undefined
}

function look(error: unknown): unknown {
  try {
    const { retryAfter, cause } = (error ?? {}) as { retryAfter?: unknown; cause?: { retryAfter?: unknown } | null }
    return retryAfter ?? cause?.retryAfter
  } catch {
    return undefined
  }
}
