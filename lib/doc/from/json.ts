/** What may come next: a value, where a list or an object just began also its end, a key, what is behind a key, and what is behind a value. */
type Wanted = 'value' | 'first value' | 'key' | 'first key' | 'colon' | 'more'

const SPACE = /[ \t\n\r]*/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON has none within texts
const LETTERS = /[^"\\\u0000-\u001f]*/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y
const INTEGER = /-?(?:0|[1-9]\d*)/y
const FRACTION = /\.\d+/y
const EXPONENT = /[eE][+-]?\d+/y
const WORDS: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' }

/** Where JSON stops to be JSON. */
class Wrong {
  constructor(readonly at: number) {}
}

/**
 * The column (from 1) at which text that is no JSON stops to be JSON: of what is not complete, that behind its end. Engines say it in words of their
 * own, or not at all; so it is looked for here, once a text is known to be wrong.
 */
export function columnOf(text: string): number {
  const open: ('}' | ']')[] = []
  let wanted: Wanted = 'value'
  try {
    for (let at = behind(SPACE, text, 0); at < text.length; at = behind(SPACE, text, at)) {
      const letter = text[at]!
      if (wanted === 'more' || (wanted === 'first value' && letter === ']') || (wanted === 'first key' && letter === '}')) {
        const end = open.at(-1)
        if (letter === end) open.pop()
        else if (letter !== ',' || end === undefined) return at + 1
        wanted = letter === ',' ? (end === '}' ? 'key' : 'value') : 'more'
        at++
      } else if (wanted === 'colon') {
        if (letter !== ':') return at + 1
        wanted = 'value'
        at++
      } else if (wanted === 'key' || wanted === 'first key') {
        at = string(text, at)
        wanted = 'colon'
      } else if (letter === '{' || letter === '[') {
        open.push(letter === '{' ? '}' : ']')
        wanted = letter === '{' ? 'first key' : 'first value'
        at++
      } else {
        at = letter === '"' ? string(text, at) : letter in WORDS ? word(text, at, WORDS[letter]!) : number(text, at)
        wanted = 'more'
      }
    }
  } catch (wrong) {
    if (wrong instanceof Wrong) return wrong.at + 1
    throw wrong
  }
  return text.length + 1
}

/** Where a match ends that begins here; -1 without one. */
function behind(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : -1
}

function string(text: string, start: number): number {
  if (text[start] !== '"') throw new Wrong(start)
  for (let at = behind(LETTERS, text, start + 1); ; at = behind(LETTERS, text, at)) {
    if (text[at] === '"') return at + 1
    if (text[at] !== '\\') throw new Wrong(at)
    const end = behind(ESCAPE, text, at)
    if (end < 0) throw new Wrong(Math.max(at + 1, behind(/\\u[\da-fA-F]*/y, text, at)))
    at = end
  }
}

function word(text: string, start: number, wanted: string): number {
  for (let at = 0; at < wanted.length; at++) if (text[start + at] !== wanted[at]) throw new Wrong(start + at)
  return start + wanted.length
}

function number(text: string, start: number): number {
  let at = behind(INTEGER, text, start)
  if (at < 0) throw new Wrong(text[start] === '-' ? start + 1 : start)
  if (text[at] === '.') {
    const end = behind(FRACTION, text, at)
    if (end < 0) throw new Wrong(at + 1)
    at = end
  }
  if (text[at] === 'e' || text[at] === 'E') {
    const end = behind(EXPONENT, text, at)
    if (end < 0) throw new Wrong(behind(/[eE][+-]?/y, text, at))
    at = end
  }
  return at
}
