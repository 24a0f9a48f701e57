import type { Tags } from 'yaml'
import { show } from '../base/errors.js'
import { isPlainObject } from '../doc/json.js'
import { isAmbiguous } from './ambiguous.js'
import { escapeDollars, hasOwnReferences } from './variables.js'
import { DEPTH, FORBIDDEN } from './yaml.js'

/**
 * A value as a configuration can hold it: a copy of plain objects, arrays, texts, numbers, truth values and null.
 * @param refuse makes the error for what is none of these, from its place and what it is
 */
export function plain(value: unknown, path: string, refuse: (path: string, what: string) => Error, above: readonly object[] = []): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') {
    if (Object.is(value, -0)) return 0
    return value
  }
  if (typeof value !== 'object' || !(Array.isArray(value) || isPlainObject(value))) throw refuse(path, show(value))
  if (above.includes(value)) throw refuse(path, 'an object that contains itself')
  if (above.length === DEPTH / 2) throw refuse(path, 'nested too deeply')
  const inside = [...above, value]
  if (Array.isArray(value)) return Array.from(value, (item, at) => plain(item, `${path}[${at}]`, refuse, inside))
  const copy: Record<string, unknown> = {}
  for (const [key, given] of Object.entries(value)) {
    if (FORBIDDEN.has(key)) throw refuse(`${path}.${key}`, 'a name that cannot be a key')
    if (given !== undefined) copy[key] = plain(given, `${path}.${key}`, refuse, inside)
  }
  return copy
}

/** How deep an option of an executor stands: document, map, `executors`, list, map, pair. */
const OPTION = 6

/**
 * YAML that reads as these values in every version of YAML, dollars and all.
 * @param references whether dollars in it stand for variables already, and are left as they are
 */
export async function toYaml(value: unknown, references = false): Promise<string> {
  const { Document, isPair, isScalar, visit } = await import('yaml')
  const document = new Document(value, { aliasDuplicateObjects: false, customTags: (tags) => tags.map(withPoint) })
  visit(document, {
    Scalar(key, scalar, path) {
      if (isLong(scalar.value)) scalar.format = 'EXP'
      if (typeof scalar.value !== 'string') return
      const pair = path.at(-1)
      const name = isPair(pair) && isScalar(pair.key) ? pair.key.value : undefined
      // A token of the Flow or of an executor, in whose place a variable stands, or what shows who connects to a server of NATS: see tokenOf, withoutSecrets.
      const above = path.at(-3)
      const isOfNats = isPair(above) && isScalar(above.key) && above.key.value === 'nats'
      const isToken = isOfNats ? (name === 'token' || name === 'password') && path.length <= OPTION + 2 : name === 'token' && path.length <= OPTION
      if (key !== 'key' && !references && !isToken && !hasOwnReferences(name, scalar.value)) scalar.value = escapeDollars(scalar.value)
      if (needsQuotes(scalar.value as string)) scalar.type = 'QUOTE_DOUBLE'
    },
    Pair(_, { key }) {
      if (isScalar(key) && typeof key.value === 'string' && needsQuotes(key.value)) key.type = 'QUOTE_DOUBLE'
    },
  })
  return withoutBreaks(document.toString({ lineWidth: 0 }))
}

/** Numbers that are written with an exponent: readers take long integers for what they cannot hold exactly. */
function isLong(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && (String(value).includes('e') || (Number.isInteger(value) && !Number.isSafeInteger(value)))
}

/** YAML 1.1 takes a number with an exponent for a text, if it has no point. */
function withPoint(tag: Tags[number]): Tags[number] {
  if (typeof tag !== 'object' || tag.tag !== 'tag:yaml.org,2002:float' || !('format' in tag) || tag.format !== 'EXP') return tag
  return {
    ...tag,
    stringify: ({ value }) =>
      Number(value)
        .toExponential()
        .replace(/^(-?\d+)e/, '$1.0e'),
  } as Tags[number]
}

/** Characters at which readers of YAML 1.1 begin a line, or that they drop, stand in double quotes: there, they are written as what they are. */
export function withoutBreaks(yaml: string): string {
  return yaml.replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Texts that a reader of another version, or another reader, could take for something else. */
export function needsQuotes(text: string): boolean {
  return isAmbiguous(text) || text === '<<' || /^(?:on|off|y|n|~)$|^[!&*%@`'"]|[^\P{C}\n]|[\u2028\u2029]/iu.test(text)
}
