// Documents of docarray ≥ 0.30 as Python writes them, without Python: what a class has, byte by byte, and what is in the bytes.
import { Document, insides } from '../../../lib/doc/document.js'

/** A node: what it holds, and what Python calls it. */
export type Node =
  | ['none']
  | ['text' | 'integer' | 'float' | 'boolean', string | number | boolean | bigint, string?]
  | ['blob', Uint8Array, string?]
  | ['ndarray', { dtype: string; shape: number[]; bytes: Uint8Array }, string?]
  | ['doc', Fields]
  | ['doc_array', Fields[]]
  | ['list' | 'set' | 'tuple', Node[]]
  | ['dict', Fields]
  | ['doc_dict', Map<string, Fields>]
export type Fields = Map<string, Node>

const TAGS = {
  text: 1,
  integer: 2,
  float: 3,
  boolean: 4,
  blob: 5,
  ndarray: 6,
  doc: 7,
  doc_array: 8,
  list: 9,
  set: 10,
  tuple: 11,
  dict: 12,
  doc_dict: 14,
} as const
const KINDS = new Map<number, string>(Object.entries(TAGS).map(([kind, number]) => [number, kind]))

export const fields = (object: Record<string, Node>): Fields => new Map(Object.entries(object))

function varint(value: number | bigint): number[] {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}

const sized = (number: number, body: Uint8Array | number[]): Uint8Array =>
  Buffer.concat([Uint8Array.from([...varint(number * 8 + 2), ...varint(body.length)]), Uint8Array.from(body)])
const utf8 = (text: string): Uint8Array => Buffer.from(text)

export function bytesOfFields(fields: Fields): Uint8Array {
  return Buffer.concat([...fields].map(([name, node]) => sized(1, Buffer.concat([sized(1, utf8(name)), sized(2, bytesOfNode(node))]))))
}

function bytesOfNode([kind, value, type]: Node): Uint8Array {
  const content = kind === 'none' ? [] : contentOf(kind, value)
  return Buffer.concat([Uint8Array.from(content), type === undefined ? Buffer.alloc(0) : sized(13, utf8(type))])
}

function contentOf(kind: keyof typeof TAGS, value: any): Uint8Array {
  const number = TAGS[kind]
  switch (kind) {
    case 'text':
      return sized(number, utf8(value))
    case 'integer':
    case 'boolean':
      return Uint8Array.from([number * 8, ...varint(value)])
    case 'float': {
      const double = Buffer.alloc(9, number * 8 + 1)
      double.writeDoubleLE(value, 1)
      return double
    }
    case 'blob':
      return sized(number, value)
    case 'ndarray': {
      const dense = [
        sized(1, value.bytes),
        sized(
          2,
          value.shape.flatMap((size: number) => varint(size)),
        ),
        sized(3, utf8(value.dtype)),
      ]
      return sized(number, sized(1, Buffer.concat(dense)))
    }
    case 'doc':
    case 'dict':
      return sized(number, bytesOfFields(value))
    case 'doc_array':
      return sized(number, Buffer.concat(value.map((inner: Fields) => sized(1, bytesOfFields(inner)))))
    case 'doc_dict':
      return sized(
        number,
        Buffer.concat([...value].map(([name, inner]: [string, Fields]) => sized(1, Buffer.concat([sized(1, utf8(name)), sized(2, bytesOfFields(inner))])))),
      )
    default:
      return sized(number, Buffer.concat(value.map((node: Node) => sized(1, bytesOfNode(node)))))
  }
}

/** The bytes of a jina.DataRequestProto with these documents. */
export function bytesOfMessage(documents: readonly Fields[]): Uint8Array {
  return sized(4, sized(1, Buffer.concat(documents.map((document) => sized(1, bytesOfFields(document))))))
}

interface Part {
  readonly number: number
  readonly value: any
}

function* partsOf(bytes: Uint8Array): Generator<Part> {
  let at = 0
  const read = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const tag = Number(read())
    const layout = tag & 7
    if (layout === 0) yield { number: tag >> 3, value: read() }
    else if (layout === 1) {
      yield { number: tag >> 3, value: Buffer.from(bytes.subarray(at, at + 8)).readDoubleLE(0) }
      at += 8
    } else {
      const length = Number(read())
      yield { number: tag >> 3, value: bytes.subarray(at, at + length) }
      at += length
    }
  }
}

/** The documents of a message as they stand in its bytes, their fields in the order of their names. */
export function documentsIn(message: Uint8Array): Fields[] {
  const inner = (bytes: Uint8Array, number: number): Uint8Array[] => [...partsOf(bytes)].filter((part) => part.number === number).map(({ value }) => value)
  return inner(message, 4).flatMap((data) => inner(data, 1).flatMap((docs) => inner(docs, 1).map(fieldsIn)))
}

function entriesIn<T>(bytes: Uint8Array, read: (value: Uint8Array) => T): Map<string, T> {
  const found = new Map<string, T>()
  for (const { value: entry } of partsOf(bytes)) {
    let name = ''
    let inner = new Uint8Array(0)
    for (const { number, value } of partsOf(entry)) {
      if (number === 1) name = Buffer.from(value).toString()
      else inner = value
    }
    found.set(name, read(inner))
  }
  return found
}

const fieldsIn = (bytes: Uint8Array): Fields => sorted(entriesIn(bytes, nodeIn))

/** Maps have no order. */
export function sorted(fields: Fields): Fields {
  const entries = [...fields].map(([name, node]) => [name, sortedNode(node)] as const)
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function sortedNode(node: Node): Node {
  const [kind, value] = node
  if (kind === 'doc' || kind === 'dict') return [kind, sorted(value)]
  if (kind === 'doc_dict') return [kind, new Map([...value].map(([name, inner]) => [name, sorted(inner)]))]
  if (kind === 'doc_array') return [kind, value.map(sorted)]
  if (kind === 'list' || kind === 'set' || kind === 'tuple') return [kind, value.map(sortedNode)]
  return node
}

function nodeIn(bytes: Uint8Array): Node {
  let node: any = ['none']
  let type: string | undefined
  for (const { number, value } of partsOf(bytes)) {
    if (number === 13) type = Buffer.from(value).toString()
    else node = [KINDS.get(number), valueIn(KINDS.get(number)!, value)]
  }
  return type === undefined ? node : ([...node, type] as any)
}

function valueIn(kind: string, value: any): unknown {
  switch (kind) {
    case 'text':
      return Buffer.from(value).toString()
    case 'integer': {
      const signed = BigInt.asIntN(64, value)
      return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed
    }
    case 'boolean':
      return value === 1n
    case 'blob':
      return Uint8Array.from(value)
    case 'ndarray': {
      const array = { dtype: '', shape: [] as number[], bytes: new Uint8Array(0) }
      for (const { value: dense } of partsOf(value))
        for (const { number, value } of partsOf(dense)) {
          if (number === 1) array.bytes = Uint8Array.from(value)
          else if (number === 3) array.dtype = Buffer.from(value).toString()
          else for (const size of value) array.shape.push(size)
        }
      return array
    }
    case 'doc':
    case 'dict':
      return fieldsIn(value)
    case 'doc_dict':
      return entriesIn(value, fieldsIn)
    case 'float':
      return value
    default: {
      const items = [...partsOf(value)].map(({ value }) => value as Uint8Array)
      return kind === 'doc_array' ? items.map(fieldsIn) : items.map(nodeIn)
    }
  }
}

/** Asks a document for everything that it has, and those in it. */
export function readAllOf(document: Document): void {
  const { id, text, blob, tensor, content, tags, embedding, chunks, matches, scores, evaluations, uri, mimeType, weight, parentId, location, offset } = document
  void [id, text, blob, tensor, content, embedding, scores, evaluations, uri, mimeType, weight, parentId, location, offset, document.modality]
  void [document.granularity, document.adjacency, insides.more(document), document.toJSON()]
  for (const inner of [...chunks, ...matches]) readAllOf(inner)
  look(tags)
}

function look(value: any): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  if (value instanceof Document) readAllOf(value)
  else for (const inner of Object.values(value)) look(inner)
}
