import { DocumentArray } from '../../doc/array.js'
import { Document, insides } from '../../doc/document.js'
import { FIELDS, isEmpty, type More, type NamedScore, named, PLAIN } from '../../doc/fields.js'
import { isPlainObject } from '../../doc/json.js'
import { unwritable } from '../../doc/json-value.js'
import { copyUntouched, type Origin, originsOf } from './lazy.js'
import { type Before, isOfDocuments, isTyped, readNodes, writeDictionary, writeEntry, writeId, writeSpan } from './node.js'
import type { Source } from './source.js'
import { entriesOf, kindOf, type Span } from './span.js'
import { owns, put } from './struct.js'
import type { Writer } from './writer.js'

// DocProto of docarray ≥ 0.30: data = 1, a map of nodes by the names of a Python class's fields. Its documents have the fields that their class
// says; ours have those of docarray 0.x, and tags:
//
// - `id`, `text`, `blob`, `tensor`, `embedding`, `uri`, `mime_type`, `weight`, `parent_id`, `granularity`, `adjacency`, `modality`, `offset`,
//   `location`, `chunks`, `matches`, `scores` and `evaluations` are the fields of these names, where they hold what these fields can hold.
// - All others are tags by their names, and so are the items of a dictionary `tags` that no other field hides. Bytes in there are Uint8Arrays,
//   tensors { data, shape }, documents Documents, lists of documents DocumentArrays; None is null, sets and tuples are lists.
// - A document has one content here: text goes before blob before tensor, and what is not it becomes a tag.
// - What came over a wire is written as it came: whatever is not changed, byte for byte; what is, as the same kind of node (an array of documents, a list
//   of them, a set, a float, a torch tensor). A content that another one replaced is still a field there. What was taken away is not written, or empty.
// - Tags that are new are fields of their own, for classes that declare them, and stand once more in `tags`, for classes that declare that (there
//   without what JSON does not have). Python passes over what a class does not declare.
// - New integers of 32 bits are written as integers, other numbers as floats.

const CONTENTS = ['text', 'blob', 'tensor'] as const

/** Fields that a class has under their names. Where ours are called otherwise, FIELDS knows. */
const NAMES = new Map(
  [...Object.keys(PLAIN), 'embedding', 'chunks', 'matches', 'scores', 'evaluations'].map((field) => [
    field,
    field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  ]),
)
const KNOWN = new Set(['id', 'tags', ...CONTENTS, ...NAMES.keys(), ...NAMES.values()])

const isContent = (name: string): boolean => (CONTENTS as readonly string[]).includes(name)
const fieldOf = (name: string): string => FIELDS.get(name) ?? name

/** Where a field of a class is here: nowhere for None under a name of ours, in a field of ours by its name, as a tag, as the tags. */
type Place = 'none' | 'id' | 'content' | 'more' | 'tag' | 'tags'

interface Laid {
  readonly places: Map<string, Place>
  readonly tags: Record<string, unknown>
  readonly more: Record<string, unknown>
  content: Document['content']
}

/** Lays the fields of a class out as ours. Says the same of the same fields when they are read and when they are written. */
function lay(nodes: Record<string, unknown>): Laid {
  const laid: Laid = { places: new Map(), tags: isDictionary(nodes.tags) ? { ...nodes.tags } : {}, more: {}, content: undefined }
  for (const name of CONTENTS) if (owns.call(nodes, name)) laid.places.set(name, layContent(laid, name, nodes[name]))
  for (const name of Object.keys(nodes)) if (!laid.places.has(name)) laid.places.set(name, layOne(laid, name, nodes[name]))
  for (const [name, place] of laid.places) if (place === 'tag') put(laid.tags, name, nodes[name])
  return laid
}

function layContent(laid: Laid, name: (typeof CONTENTS)[number], value: unknown): Place {
  if (value === null) return 'none'
  const fits = name === 'text' ? typeof value === 'string' : name === 'blob' ? value instanceof Uint8Array : isTensor(value)
  if (!fits || laid.content !== undefined) return 'tag'
  laid.content = value as Document['content']
  return 'content'
}

function layOne(laid: Laid, name: string, value: unknown): Place {
  if (name === 'id') return 'id'
  if (name === 'tags') return value === null ? 'none' : isDictionary(value) ? 'tags' : 'tag'
  const field = fieldOf(name)
  if (!NAMES.has(field)) return 'tag'
  if (value === null) return 'none'
  const fitting = field in laid.more ? undefined : fit(field, value)
  if (fitting === undefined) return 'tag'
  laid.more[field] = fitting
  return 'more'
}

/** The id of a document: some classes number theirs. */
function idOf(id: unknown): string {
  return typeof id === 'string' ? id : typeof id === 'number' ? String(id) : ''
}

export function readTyped(source: Source, document: Document, start: number, end: number, depth: number): boolean {
  source.reader.pos = start
  const nodes = readNodes(source, end, depth)
  const { content, tags, more } = lay(nodes)
  const id = idOf(nodes.id)
  insides.fill(document, id || undefined, content, Object.keys(tags).length > 0 ? tags : undefined, Object.keys(more).length > 0 ? (more as More) : undefined)
  return id !== ''
}

/** Tensors are plain objects, too. */
function isDictionary(value: unknown): value is Record<string, unknown> {
  return isPlainObject(value) && !isTyped(value)
}

function isTensor(value: unknown): boolean {
  return isTyped(value) && !(value instanceof Document) && !(value instanceof DocumentArray) && !(value instanceof Uint8Array)
}

/** The value as a field has it; undefined where it cannot. */
function fit(field: string, value: unknown): unknown {
  if (field === 'embedding') return isTensor(value) ? value : undefined
  if (field === 'chunks' || field === 'matches') {
    if (value instanceof DocumentArray) return value
    return Array.isArray(value) && value.every((item) => item instanceof Document) ? DocumentArray.from(value) : undefined
  }
  try {
    if (field === 'scores' || field === 'evaluations') return named(field, value as {})
    return PLAIN[field as keyof More]!.check(field, value)
  } catch {
    return undefined
  }
}

/** Writes documents under a tag of one byte. */
export function writeTyped(writer: Writer, tag: number, documents: readonly Document[], depth: number): void {
  writer.deeper(depth)
  let at = 0
  try {
    while (at < documents.length) {
      const next = copyUntouched(writer, tag, documents, at, 'v2', depth)
      if (next === at) {
        writeOne(writer, tag, documents[at]!, depth)
        at++
      } else at = next
    }
  } catch (error) {
    throw depth === 1 ? unwritable(documents[at]!, error) : error
  }
}

function writeOne(writer: Writer, tag: number, document: Document, depth: number): void {
  const room = writer.document
  writer.tag(tag)
  const start = writer.open(room)
  new Writing(writer, document, depth).write()
  writer.document = writer.close(start, room)
}

/** A document being written: first what it came with, then what is new. */
class Writing {
  readonly #before: Came
  readonly #laid: Laid
  readonly #tags: Record<string, unknown>
  readonly #more: Record<string, unknown>
  /** Fields of ours and tags that are written. */
  readonly #fields = new Set<string>()
  readonly #named = new Set<string>()

  constructor(
    private readonly writer: Writer,
    private readonly document: Document,
    private readonly depth: number,
  ) {
    this.#before = came(originsOf(document))
    this.#laid = lay(this.#before.nodes)
    this.#tags = (insides.tags(document) ?? {}) as Record<string, unknown>
    this.#more = (insides.more(document) ?? {}) as Record<string, unknown>
  }

  write(): void {
    const { nodes, spans } = this.#before
    if (!spans.has('id')) writeId(this.writer, this.document.id)
    for (const [name, place] of this.#laid.places) {
      const span = spans.get(name)!
      if (place === 'id') this.#writeId(span, nodes.id)
      else if (place !== 'tags' && name !== 'tags') this.#writeBefore(name, place, { span, value: nodes[name] })
      else if (place === 'tag') this.#writeTag(name, { span, value: nodes[name] })
    }
    this.#writeNew()
  }

  #writeId(span: Span, before: unknown): void {
    const { writer, document } = this
    if (originsOf(document)[0]!.unnamed || document.id === idOf(before)) return writeSpan(writer, span)
    const { id } = document
    if (typeof before === 'number' && String(Number(id)) === id) this.#entry('id', Number(id))
    else writeId(writer, id)
  }

  /** What a field has now. */
  #writeBefore(name: string, place: Place, before: Before): void {
    const { contentType, content } = this.document
    const field = fieldOf(name)
    if (name === contentType) {
      this.#fields.add('content')
      this.#named.add(name)
      this.#entry(name, content, before)
    } else if (place === 'content') {
      if (contentType !== undefined) writeSpan(this.writer, before.span)
      else this.#entry(name, name === 'text' ? '' : null, before)
    } else if (this.#isOurs(name, place)) {
      this.#fields.add(field)
      this.#named.add(name)
      this.#writeMore(name, field, before)
    } else if (place === 'tag' || this.#isTagged(name)) this.#writeTag(name, before)
    else writeSpan(this.writer, before.span)
  }

  /** Whether a field of a class has what a field of ours holds: because it was read so, or because that was set since. */
  #isOurs(name: string, place: Place): boolean {
    const field = fieldOf(name)
    if (!NAMES.has(field) || this.#fields.has(field)) return false
    const set = isSet(this.#more[field])
    return place === 'more' ? set || !this.#isTagged(name) : set && !(field in this.#laid.more)
  }

  /** Whether a tag was set under the name of a field that was no tag: that is how to say what ours cannot hold. */
  #isTagged(name: string): boolean {
    return owns.call(this.#tags, name) && !this.#before.listed.has(name)
  }

  #writeMore(name: string, field: string, before: Before): void {
    const value = this.#more[field]
    if (field === 'chunks' || field === 'matches') this.#entry(name, value ?? new DocumentArray(), before)
    else if (field === 'scores' || field === 'evaluations') this.#entry(name, scoresLike((value ?? {}) as Scores, before.value), before)
    // A tensor is either needed, or may be None. Others may have a default.
    else this.#entry(name, field === 'embedding' ? (value ?? null) : value, before)
  }

  #writeTag(name: string, before: Before): void {
    this.#named.add(name)
    if (owns.call(this.#tags, name)) this.#entry(name, this.#tags[name], before)
  }

  #writeNew(): void {
    const { content, contentType } = this.document
    if (contentType !== undefined && !this.#fields.has('content')) this.#entry(contentType, content)
    const made = originsOf(this.document).length === 0
    for (const [field, value] of Object.entries(this.#more)) {
      // What somebody asked for is there, but empty.
      if (this.#fields.has(field) || value === undefined || !(made || isSet(value))) continue
      this.#entry(NAMES.get(field)!, field === 'scores' || field === 'evaluations' ? scoresLike(value as Scores, {}) : value)
    }
    this.#writeTags(made)
  }

  #writeTags(made: boolean): void {
    const { spans, listed } = this.#before
    const tags = this.#tags
    const place = this.#laid.places.get('tags')
    const fresh = Object.keys(tags).filter((name) => !this.#named.has(name) && !listed.has(name))
    for (const name of fresh) {
      // A tag that a document has as a field would become that field.
      const free = !KNOWN.has(name) || (isContent(name) && name !== this.document.contentType && !spans.has(name))
      if (free) this.#entry(name, tags[name])
    }
    // A class may have a list under this name.
    if (place === 'tag') return
    const dictionary: Record<string, unknown> = {}
    for (const [name, before] of listed) {
      const hidden = this.#laid.places.get(name) === 'tag'
      if (hidden || owns.call(tags, name)) put(dictionary, name, hidden ? before.value : tags[name])
    }
    const span = spans.get('tags')
    const named = place === 'tags' && isOfDocuments(span!)
    for (const name of fresh) if (named ? tags[name] instanceof Document : !isTyped(tags[name])) put(dictionary, name, tags[name])
    // Python reads documents by name as what they came as only.
    if (named && Object.values(dictionary).every((value) => value instanceof Document))
      return this.#entry('tags', dictionary, { span: span!, value: this.#before.nodes.tags })
    const given = place === 'tags' || (made && insides.tags(this.document) !== undefined)
    if (given || Object.keys(dictionary).length > 0) writeDictionary(this.writer, 'tags', dictionary, this.depth, writeTyped, listed)
    else if (place === 'none') writeSpan(this.writer, span!)
  }

  #entry(name: string, value: unknown, before?: Before): void {
    writeEntry(this.writer, name, value, this.depth, writeTyped, before)
  }
}

/** What a document came with. */
interface Came {
  readonly nodes: Record<string, unknown>
  readonly spans: Map<string, Span>
  /** The items of a dictionary `tags`. */
  readonly listed: Map<string, Before>
}

/** Of several versions of a document, as of documents that are merged, the first that has something. */
function came(origins: readonly Origin[]): Came {
  const nodes: Record<string, unknown> = {}
  const spans = new Map<string, Span>()
  const listed = new Map<string, Before>()
  for (const { source, start, end, depth } of origins) {
    const entries = entriesOf({ source, start, end })
    source.reader.pos = start
    const values = readNodes(source, end, depth)
    for (const [name, span] of entries) {
      const value = values[name]
      if (!spans.has(name) || nodes[name] === null || isEmpty(nodes[name])) {
        spans.set(name, span)
        put(nodes, name, value)
      }
      if (name !== 'tags' || !isDictionary(value)) continue
      for (const [tag, inner] of entriesOf(kindOf(span))) if (!listed.has(tag)) listed.set(tag, { span: inner, value: value[tag] })
    }
  }
  return { nodes, spans, listed }
}

/** Not what is empty because somebody asked for it. */
function isSet(value: unknown): boolean {
  if (value === undefined) return false
  return value instanceof DocumentArray ? value.length > 0 : !isPlainObject(value) || Object.keys(value).length > 0
}

type Scores = Record<string, NamedScore>
const SCORE = [
  ['opName', 'op_name'],
  ['description', 'description'],
  ['refId', 'ref_id'],
] as const

/** Scores as their writer has them: numbers where there were numbers, otherwise with the names that Python gives their fields. */
function scoresLike(scores: Scores, before: unknown): Record<string, unknown> {
  const was = isPlainObject(before) ? before : {}
  const numbers = Object.values(was).some((score) => typeof score === 'number')
  const like: Record<string, unknown> = {}
  for (const [name, score] of Object.entries(scores)) {
    const old = owns.call(was, name) ? was[name] : undefined
    const plain = SCORE.every(([field]) => !score[field])
    put(like, name, plain && (old === undefined ? numbers : typeof old === 'number') ? score.value : scoreLike(score, isPlainObject(old) ? old : {}))
  }
  return like
}

function scoreLike(score: NamedScore, old: Record<string, unknown>): Record<string, unknown> {
  const like: Record<string, unknown> = { ...old, value: score.value }
  for (const [field, snake] of SCORE) {
    const name = owns.call(old, field) ? field : snake
    if (score[field]) like[name] = score[field]
    else if (like[name]) delete like[name]
  }
  return like
}
