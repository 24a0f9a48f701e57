import { FlowBuildError, say, show } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import type { Document } from '../doc/document.js'
import { FIELDS } from '../doc/fields.js'

/**
 * A condition in the query language of docarray 0.21, which Jina 3 takes for `when`: fields by name, tags as `tags__lang` and what is
 * within them as `tags__a__b`, each with what must hold: `$eq`, `$neq`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$regex` (RE2, found
 * anywhere), `$size`, `$exists`; united by `$and`, `$or`, `$not`. A text such as `'{tags__other}'` stands for another field.
 */
export interface Query {
  readonly [key: string]: unknown
}

/** Decides which documents an executor gets: a function, or a query. */
export type Condition = ((document: Document<any>) => boolean) | Query

type Predicate = (document: Document) => boolean
type Read = (document: Document) => unknown

const OWN = ['id', 'text', 'tags', 'contentType', ...new Set(FIELDS.values())]
const LOGICAL = ['$and', '$or', '$not']

/** How a value of a document stands to that of a query. What is not there is in no order, of no size, and in no text. */
const OPERATORS: Record<string, (value: unknown, other: any) => boolean> = {
  $eq: isEqual,
  $neq: (value, other) => !isEqual(value, other),
  $gt: (value, other) => comparable(value, other) && (value as number) > other,
  $gte: (value, other) => comparable(value, other) && (value as number) >= other,
  $lt: (value, other) => comparable(value, other) && (value as number) < other,
  $lte: (value, other) => comparable(value, other) && (value as number) <= other,
  $in: (value, others) => among(value, others),
  $nin: (value, others) => !among(value, others),
  $size: (value, size) => (typeof value === 'string' || Array.isArray(value)) && value.length === size,
  $exists: (value, wanted) => isThere(value) === wanted,
}

/**
 * Makes a condition a function.
 * @throws FlowBuildError (`ERR_CONDITION_INVALID`) that names the executor, and what is no query in it
 */
export async function predicate(executor: string, condition: Condition): Promise<Predicate> {
  const wrong = (reason: string): FlowBuildError => new FlowBuildError('ERR_CONDITION_INVALID', `when of ${executor}: ${reason}`)
  if (typeof condition === 'function') {
    const promised =
      'a condition answers true or false at once, not with a promise, which would always hold. Ask in an executor before, and leave the answer in the tags'
    if (/^Async/.test(condition.constructor.name)) throw wrong(promised)
    return (document) => {
      const held: unknown = condition(document)
      if (typeof (held as PromiseLike<unknown> | undefined)?.then !== 'function') return Boolean(held)
      Promise.resolve(held).catch(() => {})
      throw wrong(promised)
    }
  }
  const patterns = new Map<string, (text: string) => boolean>()
  for (const pattern of regexes(condition)) {
    const { RE2JS } = await import('re2js')
    try {
      const compiled = RE2JS.compile(pattern)
      patterns.set(pattern, (text) => compiled.matcher(text).find())
    } catch (error) {
      throw wrong(`$regex must be a regular expression in RE2's syntax (${say(error)}), not ${show(pattern)}`)
    }
  }

  const all = (query: unknown): Predicate => {
    if (typeof query !== 'object' || query === null || Array.isArray(query))
      throw wrong(`a query is an object such as { tags__lang: { $eq: 'en' } }, not ${show(query)}`)
    const parts = Object.entries(query).map(([key, value]) => (key.startsWith('$') ? logical(key, value, all) : field(key, value)))
    return (document) => parts.every((part) => part(document))
  }
  const logical = (key: string, value: unknown, of: (query: unknown) => Predicate): Predicate => {
    if (!LOGICAL.includes(key)) throw unknown(key, [...LOGICAL, ...Object.keys(OPERATORS), '$regex'])
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    // The keys of an object are united as those of a list (docarray).
    const parts = (isObject ? Object.entries(value).map(([key, inner]) => ({ [key]: inner })) : [value].flat()).map(of)
    if (key === '$or') return (document) => parts.some((part) => part(document))
    return (document) => parts.every((part) => part(document)) !== (key === '$not')
  }
  const field = (path: string, conditions: unknown): Predicate => {
    const read = reader(path)
    const of = (conditions: unknown): Predicate => {
      if (typeof conditions !== 'object' || conditions === null || Object.keys(conditions).length === 0)
        throw wrong(`${path} needs an operator, such as { ${path}: { $eq: ${JSON.stringify(conditions) ?? 1} } }`)
      const parts = Object.entries(conditions).map(([key, value]) => (LOGICAL.includes(key) ? logical(key, value, of) : operator(read, key, value)))
      return (document) => parts.every((part) => part(document))
    }
    return of(conditions)
  }
  const operator = (read: Read, key: string, value: unknown): Predicate => {
    if (key === '$regex') {
      const matches = patterns.get(value as string)
      if (matches === undefined) throw wrong(`$regex takes a text, not ${show(value)}`)
      return (document) => {
        const text = read(document)
        return typeof text === 'string' && matches(text)
      }
    }
    const holds = Object.hasOwn(OPERATORS, key) ? OPERATORS[key] : undefined
    if (holds === undefined) throw unknown(key, [...Object.keys(OPERATORS), '$regex', ...LOGICAL])
    if (key === '$exists' && typeof value !== 'boolean') throw wrong(`$exists takes true or false, not ${show(value)}`)
    if ((key === '$in' || key === '$nin') && !Array.isArray(value)) throw wrong(`${key} takes a list, not ${show(value)}`)
    const other = typeof value === 'string' ? /^\{\s*(\w+)\s*\}$/.exec(value) : null
    if (other === null) return (document) => holds(read(document), value)
    const readOther = reader(other[1]!)
    return (document) => holds(read(document), readOther(document))
  }
  const reader = (path: string): Read => {
    const [name = '', ...keys] = path.split('__')
    const own = FIELDS.get(name) ?? (name === 'content_type' ? 'contentType' : name)
    if (!OWN.includes(own)) throw unknown(name, OWN, `. A tag is written tags__${name}`)
    return (document) =>
      keys.reduce<any>(
        (value, key) => (typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? value[key] : undefined),
        (document as any)[own],
      )
  }
  const unknown = (key: string, known: readonly string[], more = ''): FlowBuildError => {
    const near = nearest(key, known)
    return wrong(`there is no ${key}. ${near === undefined ? `There are ${known.join(', ')}` : `Did you mean ${near}?`}${more}`)
  }
  return all(condition)
}

function* regexes(query: unknown): Generator<string> {
  if (typeof query !== 'object' || query === null) return
  for (const [key, value] of Object.entries(query)) {
    if (key === '$regex' && typeof value === 'string') yield value
    else yield* regexes(value)
  }
}

function comparable(value: unknown, other: unknown): boolean {
  return typeof value === typeof other && (typeof value === 'number' || typeof value === 'string')
}

function among(value: unknown, others: unknown): boolean {
  return Array.isArray(others) && others.some((other) => isEqual(value, other))
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0)
}

/** As JSON values are equal. */
function isEqual(value: unknown, other: unknown): boolean {
  if (value === other) return true
  if (typeof value !== 'object' || typeof other !== 'object' || value === null || other === null) return value == null && other == null
  if (value instanceof Date || other instanceof Date) return Number(value) === Number(other)
  if (Array.isArray(value) !== Array.isArray(other)) return false
  const keys = Object.keys(value)
  return keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key) && isEqual((value as any)[key], (other as any)[key]))
}
