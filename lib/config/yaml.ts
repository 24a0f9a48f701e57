import type { Alias, Document, LineCounter, Node, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { ConfigError } from '../base/errors.js'
import { isAmbiguous } from './ambiguous.js'

/** Deeper than any configuration, far from the end of the stack. */
export const DEPTH = 100
/** Values that aliases may add to those written out: much reuse, no explosion. */
const REPEATED = 10_000

/** Names that mean something else than data to JavaScript. */
export const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
const TAGS = new Set(['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`))
/** What a scalar must be that is tagged so. */
const TAGGED: Readonly<Record<string, (value: unknown) => boolean>> = {
  'tag:yaml.org,2002:int': Number.isInteger,
  'tag:yaml.org,2002:float': (value) => typeof value === 'number',
  'tag:yaml.org,2002:bool': (value) => typeof value === 'boolean',
  'tag:yaml.org,2002:null': (value) => value === null,
}
/** Jina's name for a class, before its fields: `!Flow`, `!MyExecutor`. */
const CLASS_TAG = /^![A-Za-z_]\w*$/
const DECIMAL = /^[-+]?\d+(?:\.\d*)?$/
/** How deep `uses` of an executor stands: inside of the Flow, the list and the executor. */
const USES_DEPTH = 3

/** What its errors mean here, where they say it in terms of the parser. */
const REASONS: Readonly<Record<string, string>> = {
  RESOURCE_EXHAUSTION: `nested deeper than ${DEPTH}`,
  MULTIPLE_DOCS: 'a second document starts here, after ---. Keep one in a file',
  TAB_AS_INDENT: 'a tab stands before a key. Indent with spaces',
}

/** Where something stands, as errors take it. */
export interface Place {
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly column?: number | undefined
  readonly key?: string | undefined
}

/** A value of a YAML file, and where its parts stand. */
export interface Parsed {
  readonly value: unknown
  /** The class that an object is tagged with, without its `!`: the whole, or `uses` of an executor. */
  tag(of: object): string | undefined
  /** Where an object or array stands, or one of its entries. */
  place(of: object, key?: string | number): Place
  /** The text of a number or a truth value, as it is written there. */
  source(of: object, key: string | number): string | undefined
}

interface Entry {
  readonly at: number
  readonly source?: string | undefined
}

/** Where a text comes from. */
export interface Origin {
  readonly file: string | undefined
  /** Lines of that file above it, if it is a part of one: its columns are not those of the file then. */
  readonly above?: number | undefined
}

/**
 * Reads YAML 1.2 into JSON values. Refused, with the place: more than one document, keys given twice or that are not text, `__proto__`,
 * `constructor` and `prototype` as keys, merge keys, tags that are neither YAML's own nor a class of Jina's where one may stand,
 * aliases that contain themselves or explode, nesting deeper than 100, and values that YAML 1.1 reads otherwise.
 *
 * @throws ConfigError (`ERR_CONFIG`)
 */
export async function parseYaml(text: string, { file, above }: Origin): Promise<Parsed> {
  const { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } = await import('yaml')
  const lines: LineCounter = new LineCounter()
  // Its own check of keys is quadratic: seconds for 20 000 keys.
  const document = parseDocument(text, { uniqueKeys: false, lineCounter: lines, prettyErrors: false }) as Document.Parsed
  const entries = new WeakMap<object, Map<string | number, Entry>>()
  const tags = new WeakMap<object, string>()
  const anchors = new Map<string, Node>()
  const open = new Set<Node>()
  /** The alias that is being followed, the outermost of several: where the reader of a message would look. */
  let following: { at: number | undefined; key: string | undefined } | undefined
  let repeated = 0

  const placeAt = (offset: number | undefined): { line: number; column: number | undefined } => {
    const { line, col } = lines.linePos(offset ?? 0)
    return { line: (line || 1) + (above ?? 0), column: above === undefined ? col || 1 : undefined }
  }
  const fail = (reason: string, at: number | undefined, key?: string): never => {
    throw new ConfigError(reason, { file, ...placeAt(at), key })
  }
  const { version } = document.directives.yaml
  if (version !== '1.2') fail(`%YAML ${version} is not read: take the line out, and what both versions read alike stays as it is`, 0)
  const [error] = document.errors
  if (error !== undefined) fail(REASONS[error.code] ?? firstLine(error.message), error.pos[0])

  const read = (node: Node | null, key?: string): unknown => {
    if (node === null) return null
    const at = node.range?.[0]
    if (following !== undefined && ++repeated > REPEATED) fail(`aliases repeat more than ${REPEATED} values. Write them out`, following.at, following.key)
    if (isAlias(node)) return follow(node, key)
    const { anchor, tag } = node as Scalar | YAMLMap | YAMLSeq
    if (anchor !== undefined) anchors.set(anchor, node)
    const named = tag !== undefined && !TAGS.has(tag)
    const empty = isScalar(node) && node.source === ''
    if (named && !(CLASS_TAG.test(tag) && (isMap(node) || empty) && (node === document.contents || (key === 'uses' && open.size === USES_DEPTH))))
      fail(`the tag ${tag} is not read. Take it out`, at, key)
    if (isScalar(node)) return named ? tagged({}, tag, at) : scalar(node, key)
    if (open.size === DEPTH) fail(`nested deeper than ${DEPTH}`, at, key)
    open.add(node)
    const value = isMap(node) ? map(node) : isSeq(node) ? seq(node, key) : fail('not a value', at, key)
    open.delete(node)
    return named ? tagged(value as object, tag, at) : value
  }

  const tagged = (value: object, tag: string, at: number | undefined): object => {
    tags.set(value, tag.slice(1))
    if (!entries.has(value)) entries.set(value, new Map([['', { at: at ?? 0 }]]))
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
    const { source = '', tag } = node
    const isTagged = tag === undefined ? undefined : TAGGED[tag]
    // The parser leaves what does not look like its tag as text: so `!!float 1`.
    const value = isTagged !== undefined && DECIMAL.test(source) ? Number(source) : node.value
    if (isTagged !== undefined && !isTagged(value))
      fail(`${source} is not what its tag !!${tag!.split(':').at(-1)} says. Take the tag out`, node.range?.[0], key)
    if (node.type === 'PLAIN' && (tag === undefined || isTagged !== undefined) && isAmbiguous(source))
      fail(`${source} means different things in YAML 1.1 and 1.2: quote it for a text, or write true, false or a decimal number`, node.range?.[0], key)
    if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value) && !/[.e]/i.test(source))
      fail(`${source} is more than a number can hold exactly. Quote it for a text`, node.range?.[0], key)
    return value
  }

  const entry = (node: Node | null, at: number | undefined): Entry => {
    const number = isScalar(node) && (typeof node.value === 'number' || typeof node.value === 'boolean')
    return number ? { at: at ?? 0, source: (node as Scalar).source } : { at: at ?? 0 }
  }

  const map = (node: YAMLMap): object => {
    const value: Record<string, unknown> = {}
    const own = new Map<string, Entry>()
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      const at = pair.key?.range?.[0] ?? node.range?.[0]
      const name = isScalar(pair.key) ? pair.key.value : undefined
      if (typeof name !== 'string') return fail('a key must be text. Quote it', at)
      if (FORBIDDEN.has(name)) fail('this name cannot be a key', at, name)
      if (name === '<<' && (pair.key as Scalar).type === 'PLAIN') fail('merge keys are not read. Write the keys out', at, name)
      const before = own.get(name)
      if (before !== undefined) fail(`given twice, first on line ${placeAt(before.at).line}`, at, name)
      own.set(name, entry(pair.value, at))
      value[name] = read(pair.value, name)
    }
    entries.set(value, own.set('', { at: node.range?.[0] ?? 0 }))
    return value
  }

  const seq = (node: YAMLSeq, key: string | undefined): unknown[] => {
    const own = new Map<string | number, Entry>([['', { at: node.range?.[0] ?? 0 }]])
    const value = (node.items as Node[]).map((item, index) => {
      own.set(index, entry(item, item?.range?.[0]))
      return read(item, key)
    })
    entries.set(value, own)
    return value
  }

  const value = read(document.contents)
  return {
    value,
    tag: (of) => tags.get(of),
    place: (of, key = '') => {
      const own = entries.get(of)
      const found = own?.get(key) ?? own?.get('')
      return { file, ...(found === undefined ? {} : placeAt(found.at)), ...(typeof key === 'string' && key !== '' ? { key } : {}) }
    },
    source: (of, key) => entries.get(of)?.get(key)?.source,
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!
}
