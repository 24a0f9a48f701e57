import {
  GraphQLFloat,
  type GraphQLInputFieldConfigMap,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  type GraphQLNullableType,
  GraphQLString,
} from 'graphql'
import { InputError, say } from '../../../base/errors.js'
import type { DocumentArray } from '../../../doc/array.js'
import { Document, type DocumentInit, type NamedScore } from '../../../doc/document.js'
import { madeOf } from '../../documents.js'
import { Base64, JSONScalar, NdArrayScalar } from './scalars.js'

const list = <T extends GraphQLNullableType>(type: T) => new GraphQLList(new GraphQLNonNull(type))

const NamedScoreInput = new GraphQLInputObjectType({
  name: 'NamedScoreInput',
  fields: { value: { type: GraphQLFloat }, opName: { type: GraphQLString }, description: { type: GraphQLString }, refId: { type: GraphQLString } },
})

const NamedScoreItemInput = new GraphQLInputObjectType({
  name: 'NamedScoreItemInput',
  fields: { name: { type: new GraphQLNonNull(GraphQLString) }, score: { type: new GraphQLNonNull(NamedScoreInput) } },
})

/** The fields of a document as clients send it: all may be missing. */
export function documentFields(): GraphQLInputFieldConfigMap {
  return {
    id: { type: GraphQLString },
    parentId: { type: GraphQLString },
    granularity: { type: GraphQLInt },
    adjacency: { type: GraphQLInt },
    blob: { type: Base64 },
    tensor: { type: NdArrayScalar },
    mimeType: { type: GraphQLString },
    text: { type: GraphQLString },
    weight: { type: GraphQLFloat },
    uri: { type: GraphQLString },
    tags: { type: JSONScalar },
    offset: { type: GraphQLFloat },
    location: { type: list(GraphQLFloat) },
    embedding: { type: NdArrayScalar },
    modality: { type: GraphQLString },
    evaluations: { type: list(NamedScoreItemInput) },
    scores: { type: list(NamedScoreItemInput) },
    chunks: { type: list(StrawberryDocumentInput) },
    matches: { type: list(StrawberryDocumentInput) },
  }
}

/** The types of documents that clients send. */
const DOCUMENTS = new WeakSet<object>()

/** Notes that a type is one of documents. */
export function ofDocuments<T extends GraphQLInputObjectType>(type: T): T {
  DOCUMENTS.add(type)
  return type
}

export function isOfDocuments(type: unknown): boolean {
  return typeof type === 'object' && type !== null && DOCUMENTS.has(type)
}

/** A document as clients send it, which has one content at most. */
export const StrawberryDocumentInput: GraphQLInputObjectType = ofDocuments(
  new GraphQLInputObjectType({ name: 'StrawberryDocumentInput', fields: documentFields }),
)

/** Whether what came as JSON, and was looked at by `inspectJson()`, is all that graphql would make of it: most documents are. */
export function isAsItComes(type: unknown, item: unknown): boolean {
  return type === StrawberryDocumentInput && isPlain(item)
}

/** Whose null stays null. */
const NULLABLE = new Set(Object.keys(documentFields()))

function isPlain(item: unknown): boolean {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return false
  let contents = 0
  for (const key in item) {
    const value = (item as Record<string, unknown>)[key]
    if (value === null) {
      if (!NULLABLE.has(key)) return false
      continue
    }
    switch (key) {
      case 'id':
      case 'parentId':
      case 'mimeType':
      case 'uri':
      case 'modality':
        if (typeof value !== 'string') return false
        break
      case 'text':
      case 'blob':
        contents++
        if (typeof value !== 'string') return false
        break
      case 'tensor':
        contents++
        if (!Array.isArray(value)) return false
        break
      case 'embedding':
        if (!Array.isArray(value)) return false
        break
      case 'tags':
        // A text is JSON of its own.
        if (typeof value === 'string') return false
        break
      case 'weight':
      case 'offset':
        if (!Number.isFinite(value)) return false
        break
      case 'chunks':
      case 'matches':
        if (!Array.isArray(value) || !value.every(isPlain)) return false
        break
      // What has a shape of its own, or is no field at all.
      default:
        return false
    }
  }
  // Of several, the last by the order of the fields is the content, and not the last that came.
  return contents <= 1
}

type Items = readonly { name: string; score: NamedScore }[]
type Given = { readonly [field: string]: unknown } & {
  readonly scores?: Items | null
  readonly evaluations?: Items | null
  readonly chunks?: readonly Given[] | null
  readonly matches?: readonly Given[] | null
}

/** The `data` of a `docs` field. */
export type Data = readonly Given[] | null | undefined

/**
 * Documents from the `data` of a `docs` field; others are served while many are made.
 * @throws InputError (`ERR_INPUT`) that names the document and its field: `data[0].chunks[2].blob must be …`
 */
export function documents(data: Data): DocumentArray | Promise<DocumentArray> | undefined {
  return data ? madeOf(data, (given, at) => document(given as Given, 'data', at)) : undefined
}

function document(given: Given, list: string, at: number): Document {
  const init = (given.scores ?? given.evaluations ?? given.chunks ?? given.matches) ? withInner(given, `${list}[${at}]`) : (given as object)
  try {
    return new Document(init)
  } catch (cause) {
    throw new InputError('ERR_INPUT', `${list}[${at}].${say(cause)}`, { cause })
  }
}

function withInner({ scores, evaluations, chunks, matches, ...fields }: Given, path: string): DocumentInit {
  const init: DocumentInit = fields
  if (scores) init.scores = byName(scores)
  if (evaluations) init.evaluations = byName(evaluations)
  if (chunks) init.chunks = chunks.map((chunk, at) => document(chunk, `${path}.chunks`, at))
  if (matches) init.matches = matches.map((match, at) => document(match, `${path}.matches`, at))
  return init
}

function byName(items: Items): Record<string, NamedScore> {
  return Object.fromEntries(items.map(({ name, score }) => [name, score]))
}
