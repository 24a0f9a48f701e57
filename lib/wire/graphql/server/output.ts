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
import { publicMessage } from '../../public-message.js'
import { type Deferring, listed } from './answer.js'
import { UNWRITABLE } from './failures.js'
import { Base64, JSONScalar, NdArrayScalar } from './scalars.js'

const required = <T extends GraphQLNullableType>(type: T) => new GraphQLNonNull(type)
const list = <T extends GraphQLNullableType>(type: T) => new GraphQLList(new GraphQLNonNull(type))
const field = <S>(type: GraphQLOutputType, resolve?: (source: S) => unknown): GraphQLFieldConfig<S, unknown> => (resolve ? { type, resolve } : { type })
const documents = <S>(type: GraphQLOutputType, of: (source: S) => readonly Document[]): GraphQLFieldConfig<S, Deferring> => ({
  type,
  resolve: (source, _, keeper, info) => listed(of(source), keeper, info),
})

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

function tagsOf(document: Document): unknown {
  try {
    return jsonOf(document.tags, 'tags')
  } catch (error) {
    throw unsayable(unwritable(document, error))
  }
}

function parametersOf({ parameters }: Response): unknown {
  try {
    return jsonOf(parameters, 'parameters')
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

/** One response of a subscription. */
export const DocsResponse = new GraphQLObjectType<Response>({
  name: 'DocsResponse',
  description: 'What comes back for one request of a subscription.',
  fields: {
    requestId: field(required(GraphQLString)),
    execEndpoint: field(required(GraphQLString), ({ header }) => header.execEndpoint),
    docs: documents(required(list(StrawberryDocument)), ({ docs }) => docs),
    parameters: field(required(JSONScalar), parametersOf),
    status: field(required(StatusType), (response) => response),
    routes: field(required(list(RouteType))),
    partial: field(required(GraphQLBoolean)),
    ordinal: field(required(GraphQLInt)),
  },
})
