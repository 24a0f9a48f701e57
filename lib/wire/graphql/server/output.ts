import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLError,
  type GraphQLFieldConfig,
  GraphQLFloat,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  type GraphQLNullableType,
  GraphQLObjectType,
  type GraphQLOutputType,
  GraphQLString,
} from 'graphql'
import { DocumentError } from '../../../base/errors.js'
import type { Document, NamedScore } from '../../../doc/document.js'
import { jsonOf, unwritable } from '../../../doc/json-value.js'
import type { Response } from '../../../request/response.js'
import type { Route } from '../../../request/route.js'
import type { Status } from '../../../request/status.js'
import type { MessageDelta } from '../../deltas.js'
import { publicMessage } from '../../public-message.js'
import { type Deferring, listed } from './answer.js'
import { piece } from './deltas.js'
import { UNWRITABLE } from './failures.js'
import { Base64, JSONScalar, NdArrayScalar } from './scalars.js'

/** The field that sends documents through the Flow. */
export const DOCS = 'docs'

/** Under which the field of some documents says how they are found. */
const OF = 'sluice.documents'

const required = <T extends GraphQLNullableType>(type: T) => new GraphQLNonNull(type)
const list = <T extends GraphQLNullableType>(type: T) => new GraphQLList(new GraphQLNonNull(type))
const field = <S>(type: GraphQLOutputType, resolve?: (source: S) => unknown): GraphQLFieldConfig<S, unknown> => (resolve ? { type, resolve } : { type })
const documents = <S>(type: GraphQLOutputType, of: (source: S) => readonly Document[]): GraphQLFieldConfig<S, Deferring> => ({
  type,
  resolve: (source, _, keeper, info) => listed(of(source), keeper, info),
  extensions: { [OF]: of },
})

/** How documents are found in what a field is a field of; undefined where it has none. */
export function documentsIn({ extensions }: { readonly extensions: Readonly<Record<string, unknown>> }): ((source: any) => readonly Document[]) | undefined {
  return extensions[OF] as ((source: any) => readonly Document[]) | undefined
}

/** @throws GraphQLError for what GraphQL's Float must not be (its specification, 3.5.2): an error of that field, and the rest is there */
function finite(value: number | undefined, name: string): number | undefined {
  if (value === undefined || Number.isFinite(value)) return value
  throw unsayable(new DocumentError('ERR_DOCUMENT', `${name} is ${value}, which a Float of GraphQL cannot be`))
}

const int = (name: 'granularity' | 'adjacency') =>
  field<Document>(GraphQLInt, ({ [name]: value }) => {
    if (value < 2 ** 31) return value
    throw unsayable(new DocumentError('ERR_DOCUMENT', `${name} is ${value}, which an Int of GraphQL cannot be`))
  })

const float = <N extends string>(name: N) => field<{ [name in N]?: number | undefined }>(GraphQLFloat, (source) => finite(source[name], name))

const NamedScoreType = new GraphQLObjectType<NamedScore>({
  name: 'NamedScore',
  fields: { value: float('value'), opName: field(GraphQLString), description: field(GraphQLString), refId: field(GraphQLString) },
})

const NamedScoreItem = new GraphQLObjectType<{ name: string; score: NamedScore }>({
  name: 'NamedScoreItem',
  description: 'A score under its name.',
  fields: { name: field(required(GraphQLString)), score: field(required(NamedScoreType)) },
})

const NONE: readonly never[] = []
const items = (scores: Record<string, NamedScore>) => Object.keys(scores).map((name) => ({ name, score: scores[name] }))

export function tagsOf(document: Document): unknown {
  try {
    return jsonOf(document.tags, 'tags')
  } catch (error) {
    throw unsayable(unwritable(document, error))
  }
}

function parametersOf({ parameters }: Response): unknown {
  return sayable(parameters, 'parameters')
}

function sayable(value: unknown, name: string): unknown {
  try {
    return jsonOf(value, name)
  } catch (error) {
    throw unsayable(error as Error)
  }
}

/** What executors made of it cannot be said: theirs, and not the client's. */
function unsayable({ message }: Error): GraphQLError {
  return new GraphQLError(message, { extensions: { code: UNWRITABLE } })
}

/** A document. What its accessors give is what is sent, without a detour over JSON; only what is asked for is read. */
export const StrawberryDocument: GraphQLObjectType = new GraphQLObjectType<Document>({
  name: 'StrawberryDocument',
  description: 'A document: one content (text, blob or tensor), an embedding, tags, and the documents found for it or cut from it.',
  fields: () => ({
    id: field(GraphQLString),
    parentId: field(GraphQLString),
    granularity: int('granularity'),
    adjacency: int('adjacency'),
    blob: field(Base64),
    tensor: field(NdArrayScalar),
    mimeType: field(GraphQLString),
    text: field(GraphQLString, (document) => (document.contentType === 'text' ? document.text : null)),
    weight: float('weight'),
    uri: field(GraphQLString),
    tags: field(JSONScalar, tagsOf),
    offset: float('offset'),
    location: field(list(GraphQLFloat), ({ location }) => location?.map((value) => finite(value, 'location'))),
    embedding: field(NdArrayScalar),
    modality: field(GraphQLString),
    evaluations: field(list(NamedScoreItem), ({ evaluations }) => items(evaluations)),
    scores: field(list(NamedScoreItem), ({ scores }) => items(scores)),
    // Asking first spares most documents two empty arrays.
    chunks: documents(list(StrawberryDocument), (document) => (document.has('chunks') ? document.chunks : NONE)),
    matches: documents(list(StrawberryDocument), (document) => (document.has('matches') ? document.matches : NONE)),
  }),
})

const ExceptionType = new GraphQLObjectType<NonNullable<Status['exception']>>({
  name: 'Exception',
  description: 'What an executor threw.',
  fields: { name: field(required(GraphQLString)), executor: field(required(GraphQLString)) },
})

const StatusType = new GraphQLObjectType<Response>({
  name: 'Status',
  description: 'How a request ended.',
  fields: {
    code: field(required(new GraphQLEnumType({ name: 'StatusCode', values: { SUCCESS: {}, ERROR: {} } })), ({ status }) => status.code),
    description: field(required(GraphQLString), ({ error }) => (error === undefined ? '' : publicMessage(error))),
    exception: field(ExceptionType, ({ status }) => status.exception),
  },
})

const RouteType = new GraphQLObjectType<Route>({
  name: 'Route',
  description: 'One stop of a request; times in ISO 8601.',
  fields: {
    executor: field(required(GraphQLString)),
    startTime: field(required(GraphQLString), ({ startTime }) => startTime.toISOString()),
    endTime: field(GraphQLString, ({ endTime }) => endTime?.toISOString()),
  },
})

const DeltaType = new GraphQLObjectType<MessageDelta & { readonly id: string }>({
  name: 'Delta',
  description: 'More of one document.',
  fields: {
    at: { ...field(required(GraphQLInt)), description: 'Which document of its request, counted from 0 in the order in which they began to grow.' },
    id: { ...field(required(GraphQLString)), description: 'That of the document.' },
    fresh: {
      ...field(required(GraphQLBoolean)),
      description: 'Whether its document comes with it, as it was before: docs are those of fresh deltas, in their order.',
    },
    text: { ...field(GraphQLString), description: 'To be appended to its text.' },
    blob: { ...field(Base64), description: 'To be appended to its blob.' },
    tags: { ...field(JSONScalar, (delta) => delta.tags && sayable(delta.tags, 'tags')), description: 'To be set.' },
  },
})

/** One response of a subscription. */
export const DocsResponse = new GraphQLObjectType<Response>({
  name: 'DocsResponse',
  description: 'What comes back for one request of a subscription.',
  fields: {
    requestId: field(required(GraphQLString)),
    execEndpoint: field(required(GraphQLString), ({ header }) => header.execEndpoint),
    docs: documents(required(list(StrawberryDocument)), (response) => piece(response)?.docs ?? response.docs),
    parameters: field(required(JSONScalar), parametersOf),
    status: field(required(StatusType), (response) => response),
    routes: field(required(list(RouteType))),
    partial: field(required(GraphQLBoolean)),
    ordinal: field(required(GraphQLInt)),
    delta: {
      ...field(list(DeltaType), (response) => piece(response)?.list),
      description:
        'What a partial response appends, where the executor yields deltas. Who asks for it gets a document whole before its first delta, and in the last response: docs of the others are empty.',
    },
  },
})
