import { RE2JS } from 're2js'
import { optionRange, say } from '../base/errors.js'
import type { Target } from './target.js'

/**
 * How large a pattern may be: its characters, a class of Unicode such as `\pL` counting for 50 as it is that much work, and all of it as many times as
 * its counts (`{3}`) say together. What that allows is compiled in a few milliseconds; `x{1000}` 300 times over took seconds, of everybody.
 */
const MAX_SIZE = 512

/** Patterns that are kept compiled, and names that each has been asked for: more than any graph has. */
const KEPT = 256

const known = new Map<string, Target>()

/** @throws RangeError (`ERR_OPTION_RANGE`) for a pattern that RE2 does not understand, or that is too large */
export function understand(pattern: string): Target {
  const before = known.get(pattern)
  if (before !== undefined) {
    // The one that was not asked for longest goes first.
    known.delete(pattern)
    known.set(pattern, before)
    return before
  }
  if (sizeOf(pattern) > MAX_SIZE)
    throw optionRange('targetExecutor', `a pattern of at most ${MAX_SIZE} characters, counted as often as counts such as {3} say`, pattern)
  let expression: RE2JS
  try {
    expression = RE2JS.compile(pattern)
  } catch (error) {
    throw optionRange('targetExecutor', `a regular expression in RE2's syntax (${say(error)})`, pattern)
  }
  const target = remembered((executor) => expression.matcher(executor).lookingAt())
  if (known.size === KEPT) known.delete(known.keys().next().value!)
  known.set(pattern, target)
  return target
}

/** What compiling a pattern may come to, at most: it is not parsed for it, so counts that stand beside each other multiply too. */
function sizeOf(pattern: string): number {
  let size = pattern.length
  if (size > MAX_SIZE) return size
  for (const _ of pattern.matchAll(/\\p/gi)) size += 50
  for (const [, least, most] of pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)) size *= Math.max(1, most ? Number(most) : Number(least) + 1)
  return size
}

function remembered(target: Target): Target {
  const answers = new Map<string, boolean>()
  return (executor) => {
    let answer = answers.get(executor)
    if (answer === undefined) {
      if (answers.size === KEPT) answers.clear()
      answers.set(executor, (answer = target(executor)))
    }
    return answer
  }
}
