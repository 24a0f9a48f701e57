/** The known name that a misspelled one most likely means, if one is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase()
  let best: string | undefined
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const edits = distance(wanted, candidate.toLowerCase())
    if (edits < least && candidate !== name) [best, least] = [candidate, edits]
  }
  return best
}

/** Names that are listed where none is meant: of more, nobody reads them. */
export const FEW = 12

/** A question after the name that is meant, if one is near. */
export function meant(name: string, known: readonly string[]): string | undefined {
  const near = nearest(name, known)
  return near && `Did you mean ${near}?`
}

/** What to say behind a name of which there is none: the one that is meant, or all, where they are few. */
export function meantOrAll(name: string, known: readonly string[]): string {
  return meant(name, known) ?? (known.length > FEW ? '' : `There ${known.length === 1 ? 'is' : 'are'} ${known.join(', ') || 'none'}`)
}

/** How many characters must be inserted, left out or replaced (Levenshtein). */
function distance(from: string, to: string): number {
  // Keys come from files: a name of a megabyte is like no other.
  if (from.length > 100) return Infinity
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1))
    row = next
  }
  return row[to.length]!
}
