import { ConfigError, OptionRangeError, OptionTypeError, show } from '../errors.js'
import { nearest } from '../nearest.js'
import type { Parsed } from './yaml.js'

/** An object of a configuration whose keys are known, in camelCase or snake_case. Its errors say file, line and key. */
export class Fields {
  /** What is given, by names in camelCase; an empty value counts as not given. */
  readonly all: Readonly<Record<string, unknown>>
  readonly #parsed: Parsed
  readonly #file: string
  readonly #object: object
  /** The keys as they are written, by their names in camelCase. */
  readonly #written = new Map<string, string>()

  /**
   * @param what what stands here, for messages: `a Flow`
   * @param line where it stands, should it be no object
   * @throws ConfigError for what is no object, keys that are not known, and one given under both its names
   */
  constructor(parsed: Parsed, file: string, value: unknown, what: string, known: readonly string[], place: { line?: number | undefined; key?: string } = {}) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ConfigError(`${what} is described by keys (${known.join(', ')}), not by ${show(value ?? undefined)}`, { file, ...place })
    }
    this.#parsed = parsed
    this.#file = file
    this.#object = value
    const all: Record<string, unknown> = {}
    for (const [key, given] of Object.entries(value)) {
      const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
      const before = this.#written.get(name)
      this.#written.set(name, key)
      if (!known.includes(name)) throw this.error(name, `${what} has no such key. ${suggestion(key, name, known)}`)
      if (before !== undefined) throw this.error(name, `given twice, as ${before} and as ${key}`)
      if (given !== null) all[name] = given
    }
    this.all = all
  }

  get(name: string): unknown {
    return this.all[name]
  }

  /** Where a key stands, as errors take it. */
  place(name: string): { file: string; line: number | undefined; key: string } {
    const key = this.#written.get(name) ?? name
    return { file: this.#file, line: this.#parsed.line(this.#object, key), key }
  }

  error(name: string, reason: string, cause?: unknown): ConfigError {
    return new ConfigError(reason, this.place(name), cause === undefined ? undefined : { cause })
  }

  /** A key that is an object with known keys itself. */
  fields(name: string, what: string, known: readonly string[]): Fields | undefined {
    if (this.all[name] === undefined) return undefined
    return new Fields(this.#parsed, this.#file, this.all[name], what, known, this.place(name))
  }

  /** A key that is a list of such objects. */
  list(name: string, what: string, known: readonly string[]): Fields[] {
    const items = this.all[name] ?? []
    if (!Array.isArray(items)) throw this.error(name, `this is a list, with a dash before each item, not ${show(items)}`)
    return items.map((item, index) => new Fields(this.#parsed, this.#file, item, what, known, { line: this.#parsed.line(items, index), key: name }))
  }

  /** Checks each value that has a rule by it. */
  check(rules: Record<string, (name: string, value: unknown) => void>): void {
    for (const [name, value] of Object.entries(this.all)) {
      try {
        rules[name]?.('this', value)
      } catch (error) {
        throw error instanceof OptionTypeError || error instanceof OptionRangeError ? this.error(name, error.message, error) : error
      }
    }
  }
}

function suggestion(key: string, name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  if (near === undefined) return `Known: ${known.join(', ')}`
  return `Did you mean ${key.includes('_') ? near.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : near}?`
}
