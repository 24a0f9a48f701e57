import { optionRange, optionType } from './errors.js'

/** Checks every given option by its own rule. An unknown one is most often a known one misspelled, so it is refused. */
export function check<O extends object>(where: string, options: O, rules: Record<string, (name: string, value: any) => void>): O {
  if (typeof options !== 'object' || options === null) throw optionType(`The options of ${where}`, 'an object', options)
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(rules, name)) throw optionType(`An option of ${where}`, `one of ${Object.keys(rules).join(', ')}`, name)
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

/** An integer ≥ 0; Infinity is 0's other name where 0 means "no bound". */
export function count(name: string, value: unknown): void {
  if (typeof value !== 'number') throw optionType(name, 'a number', value)
  if (value !== Infinity && !(Number.isInteger(value) && value >= 0)) throw optionRange(name, 'an integer ≥ 0', value)
}

export function milliseconds(name: string, value: unknown): void {
  if (typeof value !== 'number') throw optionType(name, 'a number of milliseconds', value)
  // Longer timers fire at once on every platform.
  if (!(value >= 0 && value <= 0x7fffffff)) throw optionRange(name, 'a number of milliseconds from 0 to 2147483647', value)
}

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
  if (typeof value === 'number') count(name, value)
  else {
    check(name, value as Retries, { attempts: count, delay: milliseconds, maxDelay: milliseconds })
    count(`attempts of ${name}`, (value as Retries).attempts)
  }
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

/** The most documents of a request. */
export function documents(name: string, value: unknown): void {
  count(name, value)
  if (value === 0) throw optionRange(name, 'an integer ≥ 1, or Infinity for no limit', value)
}

/** The most bytes of a message: as many as one of protobuf, or of WebSocket, can have. */
export function bytes(name: string, value: unknown): void {
  count(name, value)
  if (!((value as number) >= 1 && (value as number) <= 0x7fffffff)) throw optionRange(name, 'a number of bytes from 1 to 2147483647', value)
}
