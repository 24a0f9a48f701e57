/**
 * The column (from 1) at which text stops to be JSON, if the engine tells.
 * V8 leaves the position out of its commonest message; then the shortest beginning of the text is searched that is wrong already.
 */
export function columnOf(text: string, error: unknown): number | undefined {
  const told = positionOf(text, error)
  if (told === undefined) return undefined
  if (told !== UNKNOWN) return told + 1
  let right = 0
  let wrong = text.length
  while (wrong - right > 1) {
    const middle = (right + wrong) >>> 1
    if (isWrong(text.slice(0, middle))) wrong = middle
    else right = middle
  }
  return wrong
}

const UNKNOWN = -1

/** `undefined` in an engine whose messages say nothing that is understood here. */
function positionOf(text: string, error: unknown): number | undefined {
  const message = error instanceof SyntaxError ? error.message : ''
  if (/end of (JSON input|data)|Unexpected EOF/.test(message)) return text.length
  const position = / at position (\d+)/.exec(message)
  if (position !== null) return Number(position[1])
  const column = /at line 1 column (\d+)/.exec(message)
  if (column !== null) return Number(column[1]) - 1
  return message.startsWith('Unexpected token') ? UNKNOWN : undefined
}

/** Wrong, and not just incomplete. */
function isWrong(text: string): boolean {
  try {
    JSON.parse(text)
    return false
  } catch (error) {
    const at = positionOf(text, error)
    return at === UNKNOWN || (at !== undefined && at < text.length)
  }
}
