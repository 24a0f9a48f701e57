import type { Alias, Document, Node, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { ConfigError } from '../errors.js'

/** Deeper than any configuration, far from the end of the stack. */
const DEPTH = 100
/** Values that aliases may add to those written out: much reuse, no explosion. */
const REPEATED = 10_000

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])
const TAGS = new Set(['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`))

/** Plain scalars that Python's YAML 1.1 and today's YAML 1.2 read as different values. */
const AMBIGUOUS = [
  /^(?:yes|no)$/i, // true and false, or texts
  /^[-+]?0[\d_]+$/, // octal, or decimal
  /^[-+]?0[ob]/, // a text or octal; binary or a text
  /^[-+]?[\d.][\d.]*_[\d._]*$/, // a number, or a text
  /^[-+]?\d+(?::[0-5]?\d)+(?:\.\d*)?$/, // base 60, or a text
  /^[-+]?(?:\d+e[-+]?\d+|[\d.]+e\d+)$/i, // a text, or a number
  /^\d{4}-\d\d?-\d\d?(?:[Tt ].*)?$/, // a date, or a text
]

/** A value of a YAML file, and where its parts stand. */
export interface Parsed {
  readonly value: unknown
  /** The tag of the whole, such as `!Flow`. */
  readonly tag: string | undefined
  /** The line, from 1, of an object or array, or of one of its entries. */
  line(of: object, key?: string | number): number | undefined
}

/**
 * Reads YAML 1.2 into JSON values. Refused, with the line: more than one document, keys given twice or that are not text, `__proto__`,
 * `constructor` and `prototype` as keys, merge keys, tags that are not YAML's own, aliases that contain themselves or explode,
 * nesting deeper than 100, and values that YAML 1.1 reads otherwise.
 *
 * @param tags what the whole may be tagged with
 * @throws ConfigError (`ERR_CONFIG`)
 */
export async function parseYaml(text: string, file: string, tags: readonly string[]): Promise<Parsed> {
  const { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } = await import('yaml')
  const lines = new LineCounter()
  // Its own check of keys is quadratic: seconds for 20 000 keys.
  const document = parseDocument(text, { uniqueKeys: false, lineCounter: lines, prettyErrors: false }) as Document.Parsed
  const places = new WeakMap<object, Map<string | number, number>>()
  const anchors = new Map<string, Node>()
  const open = new Set<Node>()
  /** The alias that is being followed, the outermost of several: where the reader of a message would look. */
  let following: { at: number | undefined; key: string | undefined } | undefined
  let repeated = 0

  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line || 1
  const fail = (reason: string, at: number | undefined, key?: string): never => {
    throw new ConfigError(reason, { file, line: lineAt(at), key })
  }
  const [error] = document.errors
  if (error !== undefined) fail(error.code === 'RESOURCE_EXHAUSTION' ? `nested deeper than ${DEPTH}` : firstLine(error.message), error.pos[0])

  const read = (node: Node | null, key?: string): unknown => {
    if (node === null) return null
    const at = node.range?.[0]
    if (following !== undefined && ++repeated > REPEATED) fail(`aliases repeat more than ${REPEATED} values. Write them out`, following.at, following.key)
    if (isAlias(node)) return follow(node, key)
    const { anchor, tag } = node as Scalar | YAMLMap | YAMLSeq
    if (anchor !== undefined) anchors.set(anchor, node)
    if (tag !== undefined && !TAGS.has(tag) && !(node === document.contents && tags.includes(tag))) {
      fail(`the tag ${tag} is not read. Known: ${tags.join(', ') || 'none'}`, at, key)
    }
    if (isScalar(node)) return scalar(node, key)
    if (open.size === DEPTH) fail(`nested deeper than ${DEPTH}`, at, key)
    open.add(node)
    const value = isMap(node) ? map(node) : isSeq(node) ? seq(node, key) : fail('not a value', at, key)
    open.delete(node)
    return value
  }

  const follow = (alias: Alias, key: string | undefined): unknown => {
    const target = anchors.get(alias.source)
    if (target === undefined) return fail(`nothing above is anchored as &${alias.source}`, alias.range?.[0], key)
    if (open.has(target)) fail(`the alias *${alias.source} stands inside of what it repeats`, alias.range?.[0], key)
    const outer = following
    following ??= { at: alias.range?.[0], key }
    const value = read(target, key)
    following = outer
    return value
  }

  const scalar = (node: Scalar, key: string | undefined): unknown => {
    if (node.type === 'PLAIN' && node.tag === undefined && AMBIGUOUS.some((form) => form.test(node.source ?? ''))) {
      fail(`${node.source} means different things in YAML 1.1 and 1.2: quote it for a text, or write true, false or a decimal number`, node.range?.[0], key)
    }
    return node.value
  }

  const map = (node: YAMLMap): object => {
    const value: Record<string, unknown> = {}
    const place = new Map<string, number>()
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      const at = pair.key?.range?.[0] ?? node.range?.[0]
      const name = isScalar(pair.key) ? pair.key.value : undefined
      if (typeof name !== 'string') return fail('a key must be text. Quote it', at)
      if (FORBIDDEN.has(name)) fail('this name cannot be a key', at, name)
      if (name === '<<') fail('merge keys are not read. Write the keys out', at, name)
      if (place.has(name)) fail(`given twice, first on line ${place.get(name)}`, at, name)
      place.set(name, lineAt(at))
      value[name] = read(pair.value, name)
    }
    places.set(value, place.set('', lineAt(node.range?.[0])))
    return value
  }

  const seq = (node: YAMLSeq, key: string | undefined): unknown[] => {
    const place = new Map<string | number, number>([['', lineAt(node.range?.[0])]])
    const value = (node.items as Node[]).map((item, index) => {
      place.set(index, lineAt(item?.range?.[0]))
      return read(item, key)
    })
    places.set(value, place)
    return value
  }

  return {
    value: read(document.contents),
    tag: document.contents?.tag,
    line: (of, key = '') => places.get(of)?.get(key) ?? places.get(of)?.get(''),
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!
}
