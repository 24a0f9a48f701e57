/** A JSON Schema, or a part of one. */
export type Schema = { readonly [key: string]: unknown }

/** What a key of a configuration is, by its name in camelCase. */
export interface Key {
  /** What it is for, in a sentence or two: editors show it. */
  readonly about: string
  /** What its value may be. */
  readonly schema: Schema
  /** Another name of this key. */
  readonly as?: string | undefined
  /** Without a meaning here, and why: accepted, with a notice. */
  readonly ignored?: string | undefined
  /** What would change results and cannot be done: refused, unless its value says that it is not wanted. What to do instead. */
  readonly refused?: string | undefined
  /** Values that do not want it, beside false and what is empty. */
  readonly unless?: readonly unknown[]
  /** Can be given in code only; or where there. */
  readonly code?: true | string
}

/** Keys of one kind of object, by name. */
export type Keys = Readonly<Record<string, Key>>

export const ANY: Schema = {}
export const TEXT: Schema = { type: 'string' }
export const FLAG: Schema = { type: 'boolean' }
export const OBJECT: Schema = { type: 'object' }
export const WHOLE: Schema = { type: 'integer', minimum: 0 }
/** Where all numbers are whole: `.inf` is among them, and no integer to JSON Schema. */
const BEYOND: Schema = { type: 'number', minimum: 2 ** 53 }
/** A whole number, or `.inf`. */
export const COUNT: Schema = { anyOf: [WHOLE, BEYOND] }
/** One or more, or `.inf`. */
export const SOME: Schema = { anyOf: [{ type: 'integer', minimum: 1 }, BEYOND] }
export const TIME: Schema = { type: 'number', minimum: 0, maximum: 0x7fffffff }
export const TEXTS: Schema = { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } }
export const NAMES: Schema = { oneOf: [TEXT, { type: 'array', items: TEXT, minItems: 1 }] }
export const JOIN: Schema = { enum: ['concat', 'merge'] }
export const UNKNOWN: Schema = { enum: ['refuse', 'warn', 'pass'] }
/** Versions of the format that Jina reads: 1, with or without a minor number, and what came before it. */
export const VERSIONS = '^(?:1(?:\\.\\d+)?|legacy|)$'
export const VERSION: Schema = {
  anyOf: [
    { type: 'string', pattern: VERSIONS },
    { type: 'number', minimum: 1, maximum: 1.99 },
  ],
}

/** A number in quotes, as Jina takes it: exact, decimal, and by nobody read as octal. */
export const DECIMAL = '^[+-]?(?:0|[1-9]\\d{0,14})(?:\\.\\d{1,15})?$'

/** Whether a key takes numbers and no texts: there, a number in quotes is the number. */
export function isNumeric({ type, oneOf, anyOf, items }: Schema): boolean {
  if (type === 'number' || type === 'integer') return true
  if (type === 'array') return isNumeric((items ?? {}) as Schema)
  const ways = (oneOf ?? anyOf ?? []) as Schema[]
  return ways.some(isNumeric) && !ways.some((way) => way.type === 'string')
}

export function option(schema: Schema, about: string): Key {
  return { about, schema }
}

export function alias(as: string, schema: Schema, about = `Jina's other name for ${as}.`): Key {
  return { about, schema, as }
}

/** Several keys of one fate: `why` ends a notice. */
export function ignored(why: string, names: string): Keys {
  return Object.fromEntries(
    names.split(' ').map((name) => [name, { about: `Read for Jina's sake, and without a meaning: ${why}.`, schema: ANY, ignored: why }]),
  )
}

export function refused(schema: Schema, instead: string, unless: readonly unknown[] = []): Key {
  return { about: `Refused: ${instead}.`, schema, refused: instead, unless }
}
