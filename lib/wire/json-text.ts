import { MAX_NESTING } from '../doc/json-value.js'
import { later, overdue } from '../stream/event-loop.js'

/** Up to this many characters, text is parsed as a whole, which holds the loop for some 3 ms at most: 256 Ki. */
const WHOLE = 1 << 18
/** How many characters of a longer text are parsed in one go: 128 Ki. */
const PIECE = 1 << 17

export interface ParseOptions {
  /** How deep it may be nested. Default {@link MAX_NESTING}. */
  readonly deepest?: number
  /** Gets to see the value, or the pieces that it is put together from, each in an array or an object. It may throw. */
  readonly look?: (value: unknown) => void
}

/** JSON that is nested too deep. */
export class TooDeep extends Error {
  constructor(deepest: number) {
    super(`Nested deeper than ${deepest} levels`)
  }
}

/**
 * What JSON.parse makes of a text. Long ones are parsed in pieces, and others are served in between: then it is a promise.
 * @throws SyntaxError for what is no JSON, {@link TooDeep}, and what `look` throws
 */
export function parseJson(text: string, options: ParseOptions = {}): unknown {
  if (text.length > WHOLE) return inPieces(text, PIECE, options)
  const { deepest = MAX_NESTING, look } = options
  const value: unknown = JSON.parse(text)
  // Every level takes two characters, so a short text need not be looked at.
  if (text.length > 2 * deepest && typeof value === 'object' && value !== null && !isFlat(value, deepest)) throw new TooDeep(deepest)
  look?.(value)
  return value
}

function isFlat(value: object, levels: number): boolean {
  if (levels === 0) return false
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item = value[i]
      if (typeof item === 'object' && item !== null && !isFlat(item, levels - 1)) return false
    }
    return true
  }
  for (const key in value) {
    const inner = (value as Record<string, unknown>)[key]
    if (typeof inner === 'object' && inner !== null && !isFlat(inner, levels - 1)) return false
  }
  return true
}

/** @param size about how many characters are parsed in one go */
export async function inPieces(text: string, size: number, { deepest = MAX_NESTING, look }: ParseOptions = {}): Promise<unknown> {
  const start = afterBlanks(text, 0)
  const first = text.charCodeAt(start)
  if (first !== BRACKET && first !== BRACE) {
    const value: unknown = JSON.parse(text)
    look?.(value)
    return value
  }
  const pieces = new Pieces(text, start, size, deepest, look)
  // To put the text together has taken of this turn already.
  await new Promise<void>((resolve) => later(resolve))
  while (pieces.step()) if (overdue(true)) await new Promise<void>((resolve) => later(resolve))
  return pieces.root
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BRACKET = 0x5b
const BRACKET_END = 0x5d
const BACKSLASH = 0x5c
const BRACE = 0x7b
const BRACE_END = 0x7d

type Container = unknown[] | Record<string, unknown>

/**
 * Looks for commas to cut at, has the platform parse what is between them, and puts that together. What is open at a cut is closed for the
 * parser, and taken apart again: its containers are the ones that the next piece goes on in. So every character is read by the parser, but
 * brackets and commas at which something ends or begins, which are looked at here.
 */
class Pieces {
  readonly root: Container
  /** The containers that stand already and are still open, each the last item of the one before. */
  readonly #made: Container[]
  /** What opened each level, from 1. */
  readonly #kinds: number[]
  /** Where the last name of each level begins. */
  readonly #names = [0, 0]
  #depth = 1
  #at: number
  /** Where the piece begins: all of it is inside of the last container of `made`. */
  #from: number
  /** Whether the piece follows a comma, so that something must be in it. */
  #due = false
  /** Whether an item of the last container was just completed: nothing but its comma or its end may follow. */
  #complete = false

  constructor(
    private readonly text: string,
    start: number,
    private readonly size: number,
    private readonly deepest: number,
    private readonly look: ((value: unknown) => void) | undefined,
  ) {
    const kind = text.charCodeAt(start)
    this.root = kind === BRACKET ? [] : {}
    this.#made = [this.root]
    this.#kinds = [0, kind]
    this.#at = this.#from = start + 1
  }

  /** Goes on by a piece. @returns false when all is done */
  step(): boolean {
    const { text, size } = this
    const kinds = this.#kinds
    const made = this.#made
    let depth = this.#depth
    let string = 0
    for (let at = this.#at; at < text.length; at++) {
      switch (text.charCodeAt(at)) {
        case QUOTE:
          if (this.#complete) this.#broken(at)
          string = at
          at = closing(text, at)
          if (at === -1) this.#broken(text.length)
          break
        case COLON:
          this.#names[depth] = string
          break
        case COMMA:
          if (this.#complete) {
            this.#blank(at)
            this.#begin(at + 1, true)
          } else if (at - this.#from >= size) {
            this.#cut(at, depth)
            this.#depth = depth
            this.#at = at + 1
            return true
          }
          break
        case BRACKET:
        case BRACE:
          if (this.#complete) this.#broken(at)
          if (depth === this.deepest) throw new TooDeep(depth)
          kinds[++depth] = text.charCodeAt(at)
          break
        case BRACKET_END:
        case BRACE_END:
          // The end of each is two after its beginning.
          if (kinds[depth] !== text.charCodeAt(at) - 2) this.#broken(at)
          if (depth-- > made.length) break
          this.#end(at)
          if (depth === 0) {
            const rest = afterBlanks(text, at + 1)
            if (rest < text.length) this.#broken(rest)
            return false
          }
      }
    }
    return this.#broken(text.length)
  }

  /** All that is open becomes containers to go on in. */
  #cut(at: number, depth: number): void {
    const before = beforeBlanks(this.text, at)
    const last = this.text.charCodeAt(before)
    if (before < this.#from || last === BRACKET || last === BRACE) this.#broken(at)
    let ends = ''
    for (let level = depth; level > this.#made.length; level--) ends += this.#kinds[level] === BRACKET ? ']' : '}'
    this.#take(at, ends)
    for (let level = this.#made.length; level < depth; level++) {
      const container = this.#made[level - 1]!
      if (Array.isArray(container)) this.#made.push(container.at(-1) as Container)
      else {
        const start = this.#names[level]!
        const name = JSON.parse(this.text.slice(start, closing(this.text, start) + 1)) as string
        this.#made.push(container[name] as Container)
      }
    }
    this.#begin(at + 1, true)
  }

  /** The last container ends here. */
  #end(at: number): void {
    if (this.#complete) this.#blank(at)
    else this.#take(at, '')
    this.#made.pop()
    this.#begin(at + 1, false)
    this.#complete = true
  }

  #begin(from: number, due: boolean): void {
    this.#from = from
    this.#due = due
    this.#complete = false
  }

  /** Adds what is in the piece to the last container. */
  #take(to: number, ends: string): void {
    const container = this.#made.at(-1)!
    const piece = this.text.slice(this.#from, to)
    const value = JSON.parse(Array.isArray(container) ? `[${piece}${ends}]` : `{${piece}${ends}}`) as Container
    this.look?.(value)
    let some = false
    if (Array.isArray(container)) {
      for (const item of value as unknown[]) container.push(item)
      some = (value as unknown[]).length > 0
    } else
      for (const name of Object.keys(value)) {
        put(container, name, (value as Record<string, unknown>)[name])
        some = true
      }
    if (!some && this.#due) this.#broken(to)
  }

  #blank(to: number): void {
    const next = afterBlanks(this.text, this.#from)
    if (next < to) this.#broken(next)
  }

  #broken(at: number): never {
    const { text } = this
    throw new SyntaxError(
      at >= text.length
        ? 'Unexpected end of JSON input'
        : `Unexpected token ${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))} in JSON at position ${at}`,
    )
  }
}

/** As JSON.parse does: a name like `__proto__` is a name like others. */
function put(container: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') container[name] = value
  else Object.defineProperty(container, name, { value, enumerable: true, configurable: true, writable: true })
}

/** Where the string ends that begins here: at its quote, or -1. */
function closing(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let escapes = 0
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes++
    if (escapes % 2 === 0) return at
  }
  return -1
}

function afterBlanks(text: string, from: number): number {
  let at = from
  while (at < text.length && isBlank(text.charCodeAt(at))) at++
  return at
}

function beforeBlanks(text: string, to: number): number {
  let at = to - 1
  while (at >= 0 && isBlank(text.charCodeAt(at))) at--
  return at
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}
