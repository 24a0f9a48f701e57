import { Counted } from './counted.js'
import { readNdArray } from './ndarray.js'
import { LENGTH, MAX_DEPTH, Reader } from './reader.js'
import type { Source } from './source.js'

// Documents are read late, in whatever executor asks for their fields, and next to those of others. So what is wrong with them is looked for when
// they come in, by walking over their bytes: nothing is made, and texts, blobs and elements are stepped over. What passes is read without a fault.

/** What a message within a message is: what its fields are, by their tags. Fields that are not here are stepped over as they are. */
interface Kind {
  readonly fields: (Kind | undefined)[]
  /** Whether it stands a level deeper than what it is in. */
  readonly level: boolean
  readonly document?: boolean
}

const kind = (level = true, document = false): Kind => ({ fields: new Array(256).fill(undefined), level, document })

/** Looked at by those who read them. */
const TENSOR = kind()
const FLOATS = kind()

const LEAF = kind(false)

/** google.protobuf.Struct: see struct.ts. */
const STRUCT = kind()
const ENTRY = kind(false)
{
  const value = kind(false)
  const list = kind()
  STRUCT.fields[0x0a] = ENTRY
  ENTRY.fields[0x12] = value
  value.fields[0x2a] = STRUCT
  value.fields[0x32] = list
  list.fields[0x0a] = value
}

/** That of a document of docarray 0.x; of later ones, it is a field among others. */
const ID = 0x0a

/** DocumentProto of docarray 0.x: see document.ts. */
const V1 = kind(true, true)
{
  const scores = kind(false)
  scores.fields[0x12] = LEAF
  V1.fields[0x1a] = V1.fields[0x82] = TENSOR
  V1.fields[0x6a] = FLOATS
  V1.fields[0x72] = V1.fields[0x7a] = V1
  V1.fields[0x8a] = STRUCT
  V1.fields[0x92] = V1.fields[0x9a] = scores
}

/** DocProto of docarray ≥ 0.30: see node.ts. */
const V2 = kind(true, true)
{
  const nodes = kind()
  const entry = kind(false)
  const node = kind(false)
  const list = kind()
  const documents = kind(false)
  const dictionary = kind()
  const named = kind(false)
  V2.fields[0x0a] = nodes.fields[0x0a] = entry
  entry.fields[0x12] = node
  node.fields[0x32] = TENSOR
  node.fields[0x3a] = V2
  node.fields[0x42] = documents
  node.fields[0x4a] = node.fields[0x52] = node.fields[0x5a] = list
  node.fields[0x62] = nodes
  node.fields[0x72] = dictionary
  list.fields[0x0a] = node
  documents.fields[0x0a] = V2
  dictionary.fields[0x0a] = named
  // A document in a dictionary stands as deep as the dictionary.
  named.fields[0x12] = { ...V2, level: false }
}

/**
 * Looks a document over without reading it.
 * @throws ProtoError for what could not be read later, or is more than a message may hold
 */
export function checkDocument(source: Source, start: number, end: number, depth: number, counted: Counted): void {
  source.reader.pos = start
  check(source, source.model === 'v1' ? V1 : V2, end, depth, counted)
}

/**
 * Looks how deep a document is nested that was looked over before, for where it is to stand now.
 * @throws ProtoError where that is too deep
 */
export function checkDepth({ reader, model, read }: Source, start: number, end: number, depth: number): void {
  checkDocument({ reader: new Reader(reader.bytes, MAX_DEPTH), model, read, counted: new Counted() }, start, end, depth, new Counted())
}

function check(source: Source, { fields, document }: Kind, end: number, depth: number, counted: Counted): void {
  const { reader } = source
  reader.deeper(depth)
  if (document) counted.check(++counted.documents)
  const start = reader.pos
  let ids = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    const inner = tag < 256 ? fields[tag] : undefined
    if (inner === undefined) {
      if (tag === ID && document && ids++ === 1) (source.renamed ??= new Set()).add(start)
      // Most of what there is: texts and the like.
      if ((tag & 7) === LENGTH) reader.pos = reader.stop(end)
      else reader.skip(tag, end)
    } else if (inner === TENSOR) readNdArray(reader, reader.stop(end), source.model === 'v1', counted.grown, source.packed?.columns)
    else {
      const stop = reader.stop(end)
      if (inner === FLOATS) {
        if ((stop - reader.pos) % 4 !== 0) throw reader.broken('a number cut off')
        reader.pos = stop
      } else if (inner === ENTRY && isPlain(reader.bytes, reader.pos, stop)) reader.pos = stop
      else check(source, inner, stop, inner.level ? depth + 1 : depth, counted)
    }
  }
  reader.done(end)
}

/** Whether an entry is a short key with a short text, a number or a boolean, as most tags are: these need no walk. */
function isPlain(bytes: Uint8Array, start: number, stop: number): boolean {
  const key = bytes[start + 1]!
  const at = start + 2 + key
  const size = bytes[at + 1]!
  if (bytes[start] !== 0x0a || key > 127 || bytes[at] !== 0x12 || size > 127 || at + 2 + size !== stop) return false
  const tag = bytes[at + 2]
  return tag === 0x1a ? size === bytes[at + 3]! + 2 : tag === 0x11 ? size === 9 : tag === 0x20 && size === 2 && bytes[at + 3]! < 128
}
