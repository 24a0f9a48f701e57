import { isPlainObject } from '../doc/json.js'
import { textOf } from '../executor/version.js'
import type { Header } from '../request/request.js'

/** One key for all requests of a post, made when the first one comes. */
const known = new WeakMap<Header, string>()
const numbers = new WeakMap<WeakKey, number>()
let count = 0

/**
 * A text that two requests have in common if, and only if, no executor could tell their endpoints and parameters apart: by deep equality,
 * whatever the order of keys, of maps and of sets. As with `Object.is`, NaN is itself, and 0 is not -0; instances and functions equal only themselves.
 */
export function keyOf(header: Header): string {
  let key = known.get(header)
  if (key === undefined) {
    key = `${JSON.stringify(header.execEndpoint)}${written(header.parameters, itself)}`
    known.set(header, key)
  }
  return key
}

/**
 * A text that two values have in common if, and only if, they are deeply equal.
 * @param other what stands for what has no value to compare: instances, functions, symbols of their own
 */
export function written(value: unknown, other: (value: WeakKey) => string): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'symbol') return Symbol.keyFor(value) === undefined ? other(value as unknown as WeakKey) : `@${JSON.stringify(Symbol.keyFor(value))}`
  if (typeof value === 'function') return other(value)
  if (typeof value !== 'object' || value === null) return String(value)
  const write = (value: unknown): string => written(value, other)
  if (Array.isArray(value)) return `${value.length}[${value.map(write).join()}]`
  if (isPlainObject(value)) return unordered('{', Reflect.ownKeys(value), (key) => `${write(key)}:${write(value[key as string])}`)
  switch (Object.getPrototypeOf(value)) {
    case Date.prototype:
      return `Date ${Number(value)}`
    case Map.prototype:
      return unordered('Map{', [...(value as Map<unknown, unknown>)], ([key, inner]) => `${write(key)}:${write(inner)}`)
    case Set.prototype:
      return unordered('Set{', [...(value as Set<unknown>)], write)
    case ArrayBuffer.prototype:
      return bytes('ArrayBuffer', new Uint8Array(value as ArrayBuffer))
  }
  // Bytes, not numbers: there are NaNs of several kinds.
  if (ArrayBuffer.isView(value)) return bytes(value.constructor.name, new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  return other(value)
}

/**
 * A text of what an executor is told, for who keeps its answers: functions by their text; of instances, such as a client, only that there is one.
 * @param unseen called for a function without a text, of which it says only that there is one, too
 */
export function lasting(value: unknown, unseen?: () => void): string {
  return written(value, (value) => {
    const text = typeof value === 'function' ? textOf(value) : undefined
    if (typeof value === 'function' && text === undefined) unseen?.()
    return text === undefined ? `#${typeof value}` : JSON.stringify(text)
  })
}

function unordered<T>(opening: string, items: readonly T[], one: (item: T) => string): string {
  return `${opening}${items.map(one).sort().join()}}`
}

function bytes(type: string, values: Uint8Array): string {
  return `${type}[${values.join()}]`
}

/** What has no value to compare has a number. */
function itself(value: WeakKey): string {
  let number = numbers.get(value)
  if (number === undefined) {
    number = ++count
    numbers.set(value, number)
  }
  return `#${number}`
}
