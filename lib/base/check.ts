import { optionRange, optionType } from './errors.js'
import { misspelled } from './node.js'

/** What checks an option. @throws OptionTypeError, OptionRangeError that name it */
export type Rule = (name: string, value: any) => void

type Words<S extends string> = S extends `${infer First} ${infer Others}` ? First | Words<Others> : S

/** One rule for several options, whose names stand in a row. */
export function ruled<S extends string>(rule: Rule, names: S): Record<Words<S>, Rule> {
  return Object.fromEntries(names.split(' ').map((name) => [name, rule])) as Record<Words<S>, Rule>
}

/** What is checked where it is used: here, there is no more to it than its name. */
export function free(): void {}

/** What is one of a few words. @param flags `'i'`, where capitals do not count */
export function word(words: string, flags?: 'i'): Rule {
  const pattern = new RegExp(`^(${words.replaceAll(' ', '|')})$`, flags)
  return (name, value) => {
    if (typeof value !== 'string' || !pattern.test(value)) throw optionRange(name, `one of ${words.replaceAll(' ', ', ')}`, value)
  }
}

/** One, or a list of one or more. */
export function oneOrMore(rule: Rule): Rule {
  return (name, value) => {
    const list = [value].flat()
    // An empty one is refused as what is none.
    for (const one of list.length > 0 ? list : [value]) rule(name, one)
  }
}

/** What is of one of these types, or an object. */
export function unless(types: string): Rule {
  return (name, value) => void (types.includes(typeof value) || object(name, value))
}

/** Checks every given option by its own rule. An unknown one is most often a known one misspelled, so it is refused. */
export function check<O extends object>(where: string, options: O, rules: Record<string, Rule>): O {
  object(`The options of ${where}`, options)
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(rules, name))
      throw misspelled(where, name, rules) ?? optionType(`An option of ${where}`, `one of ${Object.keys(rules).join(', ')}`, name)
    const value = options[name as keyof O]
    if (value !== undefined) rules[name]!(name, value)
  }
  return options
}

export function flag(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw optionType(name, 'true or false', value)
}

export function string(name: string, value: unknown): void {
  if (typeof value !== 'string') throw optionType(name, 'a string', value)
}

export function callback(name: string, value: unknown): void {
  if (typeof value !== 'function') throw optionType(name, 'a function', value)
}

export function object(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw optionType(name, 'an object', value)
}

/** @param fits whether a number is what is expected */
export function numeric(name: string, value: unknown, expected: string, fits: boolean): void {
  if (typeof value !== 'number') throw optionType(name, expected, value)
  if (!fits) throw optionRange(name, expected, value)
}

/** Integers; Infinity, where nothing is too large. @param or what else may be said, before a comma */
export function integers(least: number, most = Infinity, or = ''): Rule {
  const expected = or + (most < Infinity ? `an integer from ${least} to ${most}` : `an integer ≥ ${least}, or Infinity`)
  // What is left of Infinity is NaN.
  return (name, value) => numeric(name, value, expected, value >= least && value <= most && !(value % 1))
}

/** 0 is Infinity's other name where it means "no bound". */
export const count = integers(0)
export const some = integers(1)

export function share(name: string, value: unknown): void {
  numeric(name, value, 'a number ≥ 0, or Infinity', (value as number) >= 0)
}

/** Timers that are longer fire at once on every platform. */
function span(least: number): Rule {
  return (name, value) => numeric(name, value, `a number of milliseconds from ${least} to 2147483647`, value >= least && value <= 2147483647)
}

export const milliseconds = span(0)
/** In which something must be done: in no time, nothing is. */
export const patience = span(1)

/** When a failed request is tried again. */
export interface Retries {
  /** How often, after the first try. An integer ≥ 0; Infinity: until it succeeds, or nobody wants it any more. Once the Flow closes, once at most. */
  attempts: number
  /** Milliseconds before the second try; each further wait is twice as long, up to `maxDelay`, less a random part of up to a half. Default 100. */
  delay?: number | undefined
  /** Milliseconds no wait exceeds. Default 5000. */
  maxDelay?: number | undefined
}

export function retries(name: string, value: unknown): void {
  if (typeof value === 'number') return count(name, value)
  check(name, value as Retries, { attempts: count, delay: milliseconds, maxDelay: milliseconds })
  count(`attempts of ${name}`, (value as Retries).attempts)
}

/** Bytes, or a text such as `'512m'`. */
export function memory(name: string, value: unknown): void {
  if (typeof value === 'object' || !/^[1-9]\d*[kmg]?$/i.test(value as string)) throw optionRange(name, "bytes, or '512m'", value)
}

export function abortSignal(name: string, value: unknown): void {
  if (!(value instanceof AbortSignal)) throw optionType(name, 'an AbortSignal', value)
}

/** Where to listen. An empty text, as of a variable that is not set, is every address there is to Node: that must be said. */
export function host(name: string, value: unknown): void {
  string(name, value)
  if ((value as string).trim() === '')
    throw optionRange(name, "an address: '127.0.0.1' is this machine only, '0.0.0.0' everybody who can reach it. Leave it out for 127.0.0.1", value)
}
