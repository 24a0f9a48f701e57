import { OptionRangeError, OptionTypeError, SluiceError, show } from '../base/errors.js'

/** What is shorter is no secret, and may be a part of any word: it is hidden only where it stands alone. */
const SHORT = 4
/** No message has that much of a value. */
const LONG = 2000
/** What lies deeper in a value is not looked at: no configuration is read that deep. */
const DEPTH = 100
/** What divides paths, addresses and names of packages. */
const BETWEEN = /[\\/#@:?&=,;\s]+/
/** What says the same of every error. */
const FIXED = ['stack', 'name', 'code', 'key']

/**
 * What a load got from its variables. They may hold secrets, and messages are read by others: where one would be told, the reference stands
 * by which it was got. What stands in the configuration itself is no secret to its readers.
 */
export class Hidden {
  /** What is hidden, in small letters, and the reference that stands in its place. */
  readonly #forms = new Map<string, string>()
  #known = ''
  #pattern: RegExp | undefined

  /** Takes a text that readers of messages have: a configuration, or its name. */
  know(text: string): void {
    this.#known += `\n${text.toLowerCase()}`
    this.#pattern = undefined
  }

  /**
   * @param value what a reference stands for, or a text with it
   * @param reference as the configuration has it
   */
  add(value: unknown, reference: string, depth = 0): void {
    if (typeof value === 'object' && value !== null) {
      if (depth < DEPTH) for (const one of Object.values(value)) this.add(one, reference, depth + 1)
      return
    }
    if (typeof value !== 'string' && typeof value !== 'number') return
    const text = String(value)
    // As it is, and as messages quote it.
    for (const form of [text, JSON.stringify(text).slice(1, -1), show(text).slice(1, -1)]) this.#hide(form, reference)
    // A message may say only the export, the file or the host of it.
    for (const part of text.split(BETWEEN)) if (part.length >= SHORT) this.#hide(part, reference)
  }

  #hide(text: string, reference: string): void {
    const form = text.toLowerCase()
    if (form === '' || form.length > LONG || this.#forms.has(form)) return
    this.#forms.set(form, reference)
    this.#pattern = undefined
  }

  /** A message without what is hidden. */
  in(message: string): string {
    this.#pattern ??= this.#patternOf()
    return message.replace(this.#pattern, (found) => this.#forms.get(found.toLowerCase()) ?? found)
  }

  #patternOf(): RegExp {
    const forms = [...this.#forms.keys()].filter((form) => !this.#known.includes(form)).sort((one, other) => other.length - one.length)
    const literals = forms.map((form) => {
      const literal = form.replace(/[^\p{L}\p{N}\s]/gu, (sign) => (sign.length > 1 ? sign : `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`))
      return form.length < SHORT ? `(?<![\\w.:])${literal}(?![\\w.])` : literal
    })
    return new RegExp(literals.join('|') || '(?!)', 'gi')
  }

  /** The same error, which tells nothing of what is hidden: neither by its message nor by its causes. */
  keep(error: unknown): unknown {
    if (!(error instanceof SluiceError || error instanceof OptionTypeError || error instanceof OptionRangeError)) return error
    if (error.cause !== undefined && this.#tells(error.cause)) delete error.cause
    const { message, stack } = error
    const told = this.in(message)
    if (told === message) return error
    const set = (name: string, value: unknown): unknown => Object.defineProperty(error, name, { ...Object.getOwnPropertyDescriptor(error, name), value })
    for (const [name, value] of Object.entries(error)) if (typeof value === 'string' && !FIXED.includes(name)) set(name, this.in(value))
    set('message', told)
    // Its frames are of the code.
    if (typeof stack === 'string') error.stack = stack.replace(message, () => told)
    return error
  }

  #tells(value: unknown, depth = 0): boolean {
    if (typeof value === 'string') return this.in(value) !== value
    if (typeof value !== 'object' || value === null) return false
    // Who can tell what lies there?
    if (depth === DEPTH) return true
    return Object.getOwnPropertyNames(value).some((name) => !FIXED.includes(name) && this.#tells((value as Record<string, unknown>)[name], depth + 1))
  }
}
