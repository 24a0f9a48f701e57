import { ConfigError, OptionRangeError, OptionTypeError, show } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import { DECIMAL, isNumeric, type Keys, VERSIONS } from './keys.js'
import type { Notices } from './notices.js'
import type { Substituted } from './variables.js'
import type { Parsed, Place } from './yaml.js'

/** A configuration that is being read. */
export interface Reading {
  readonly parsed: Parsed
  readonly substituted: Substituted
  readonly notices: Notices
}

/** An object of a configuration whose keys are known, in camelCase or snake_case. Its errors say file, line, column and key. */
export class Fields {
  /** What is given and has a meaning, by names in camelCase; an empty value counts as not given. */
  readonly all: Readonly<Record<string, unknown>>
  readonly reading: Reading
  readonly #object: object
  /** The keys as they are written, by their names in camelCase. */
  readonly #written = new Map<string, string>()

  /**
   * @param what what stands here, for messages: `a Flow`
   * @param at where it stands, should it be no object
   * @throws ConfigError for what is no object, keys that are not known, that cannot be honoured, and one given under several of its names
   */
  constructor(reading: Reading, value: unknown, what: string, keys: Keys, at: Place) {
    const known = Object.keys(keys).filter((name) => {
      const { ignored, refused, code, as } = keys[name]!
      return ignored === undefined && refused === undefined && as === undefined && code === undefined
    })
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new ConfigError(`${what} is described by keys (${known.join(', ')}), not by ${show(value ?? undefined)}`, at)
    this.reading = reading
    this.#object = value
    const all: Record<string, unknown> = {}
    for (const [written, given] of Object.entries(value)) {
      const camel = written.replace(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase())
      const key = Object.hasOwn(keys, camel) ? keys[camel]! : undefined
      if (key === undefined) throw new ConfigError(`${what} has no such key. ${suggestion(written, camel, known, keys)}`, this.#at(written))
      const name = key.as ?? camel
      const before = this.#written.get(name)
      if (before !== undefined) throw new ConfigError(`given twice, as ${before} and as ${written}`, this.#at(written))
      this.#written.set(name, written)
      if (key.code) throw this.error(name, `this is ${show(given)} here, and can be given in code only${key.code === true ? '' : `: ${key.code}`}`)
      if (given === null) continue
      if (key.ignored !== undefined) reading.notices.note(written, key.ignored, this.place(name))
      else if (key.refused === undefined) all[name] = isNumeric(key.schema) ? unquoted(given) : given
      else if (!isNothing(given) && !key.unless?.includes(given)) throw this.error(name, `cannot be honoured: ${key.refused}`)
    }
    this.all = all
  }

  get(name: string): any {
    return this.all[name]
  }

  /** Where a key stands, as errors take it. Without a name: where all of it stands. */
  place(name?: string): Place {
    return name === undefined ? this.reading.parsed.place(this.#object) : this.#at(this.#written.get(name) ?? name)
  }

  #at(written: string): Place {
    return { ...this.reading.parsed.place(this.#object, written), key: written }
  }

  error(name: string, reason: string, cause?: unknown): ConfigError {
    // A cause may tell a part of what a variable holds.
    return new ConfigError(reason, this.place(name), cause === undefined || this.isSubstituted(name) ? undefined : { cause })
  }

  /** Whether a value, or a part of it, came from outside of the file. */
  isSubstituted(name: string): boolean {
    return this.#source(name) !== undefined
  }

  #source(name: string): string | undefined {
    return this.reading.substituted.source(this.#object, this.#written.get(name) ?? name)
  }

  /** A key that must be text: what a variable gave is taken as text, also if it looks like a number. */
  text(name: string): string | undefined {
    const value = this.all[name]
    const text = typeof value === 'string' || value === undefined ? value : this.#source(name)
    if (value !== undefined && text === undefined) throw this.error(name, `this must be text, not ${show(value)}`)
    return text
  }

  /** @throws ConfigError for a version of the format that nobody reads */
  version(): void {
    const version = this.all.version
    if (version !== undefined && !(/^(?:string|number)$/.test(typeof version) && VERSIONED.test(String(version))))
      throw this.error('version', `${show(version)} is no version of this format. Write version: '1', or leave it out`)
  }

  /** A key that is a text, or a list of texts. */
  names(name: string): string[] {
    const value = this.all[name]
    if (Array.isArray(value)) {
      const odd = value.find((one) => typeof one !== 'string')
      if (odd !== undefined) throw this.error(name, `this must be a list of texts: ${show(odd)} is none`)
      return value
    }
    return value === undefined ? [] : [this.text(name)!]
  }

  /** A key whose values are texts by name: numbers and truth values are taken as they are written. */
  texts(name: string): Record<string, string> | undefined {
    const value = this.all[name]
    if (value === undefined) return undefined
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.error(name, `this must be texts by name, not ${show(value)}`)
    const { parsed, substituted } = this.reading
    return Object.fromEntries(
      Object.entries(value).map(([key, given]) => {
        const text = typeof given === 'string' ? given : (substituted.source(value, key) ?? parsed.source(value, key))
        if (text === undefined) throw new ConfigError(`this must be text, not ${show(given)}`, { ...parsed.place(value, key), key })
        return [key, text]
      }),
    )
  }

  /** A key that is an object with known keys itself. */
  fields(name: string, what: string, keys: Keys): Fields | undefined {
    return this.all[name] === undefined ? undefined : new Fields(this.reading, this.all[name], what, keys, this.place(name))
  }

  /** The items of a key that is a list, and where each stands. */
  list(name: string): { value: unknown; place: Place }[] {
    const items = this.all[name] ?? []
    if (!Array.isArray(items)) throw this.error(name, `this is a list, with a dash before each item, not ${show(items)}`)
    const { key } = this.place(name)
    return items.map((value, index) => ({ value, place: { ...this.reading.parsed.place(items, index), key } }))
  }

  /** Checks each value that has a rule by it. */
  check(rules: Record<string, (name: string, value: unknown) => void>): void {
    for (const [name, value] of Object.entries(this.all)) this.rule(name, value, rules[name])
  }

  /** Checks a value that stands for a key. */
  rule(name: string, value: unknown, rule: ((name: string, value: any) => void) | undefined): void {
    try {
      rule?.('this', value)
    } catch (error) {
      if (!(error instanceof OptionTypeError || error instanceof OptionRangeError)) throw error
      // What a variable holds may be a secret.
      if (this.isSubstituted(name)) throw this.error(name, error.message.replace(/, not .*$/s, ', not what its variable holds'))
      throw this.error(name, error.message, error)
    }
  }
}

const VERSIONED = new RegExp(VERSIONS)
const QUOTED = new RegExp(DECIMAL)

/** Numbers in quotes as the numbers, as Jina's command line reads them. */
function unquoted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unquoted)
  return typeof value === 'string' && QUOTED.test(value) ? Number(value) : value
}

function isNothing(value: unknown): boolean {
  return value === false || value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
}

function suggestion(written: string, name: string, known: readonly string[], keys: Keys): string {
  const near = nearest(name, known) ?? nearest(name, Object.keys(keys))
  if (near === undefined) return `Known: ${known.join(', ')}`
  return `Did you mean ${written.includes('_') ? near.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : near}?`
}
