import {
  GraphQLBoolean,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql'
import { DEFAULT_REQUEST_SIZE } from '../../../post/options.js'
import type { Handler } from '../../../request/handler.js'
import type { Settings } from '../options.js'
import { type Context, docs, streamDocs } from './docs.js'
import { StrawberryDocumentInput } from './input.js'
import { DocsResponse, StrawberryDocument } from './output.js'
import { JSONScalar } from './scalars.js'

const ARGUMENTS: GraphQLFieldConfigArgumentMap = {
  data: {
    type: new GraphQLList(new GraphQLNonNull(StrawberryDocumentInput)),
    defaultValue: null,
    description: 'The documents. Without them, a request with parameters only.',
  },
  targetExecutor: { type: GraphQLString, defaultValue: null, description: 'Only executors whose name starts with a match of this pattern (RE2 syntax).' },
  parameters: { type: JSONScalar, defaultValue: null, description: 'For the executors.' },
  execEndpoint: { type: new GraphQLNonNull(GraphQLString), defaultValue: '/search', description: 'Which methods of the executors are called.' },
}

const STREAM_ARGUMENTS: GraphQLFieldConfigArgumentMap = {
  ...ARGUMENTS,
  requestSize: { type: GraphQLInt, defaultValue: DEFAULT_REQUEST_SIZE, description: 'Documents in a request; 0 or less puts all in one.' },
  resultsInOrder: { type: GraphQLBoolean, defaultValue: false, description: 'Responses in the order of the documents, not as they complete.' },
  partial: {
    type: GraphQLBoolean,
    defaultValue: true,
    description: 'Partial answers too, as executors make them; false for one response to each request.',
  },
}

type Fields = Readonly<Record<string, GraphQLFieldConfig<unknown, Context>>>

const NONE: Fields = {}

/**
 * Jina's GraphQL schema over a peer, and a subscription.
 *
 * `docs` is a query and a mutation, which do the same: all documents in one request, and the documents that come back. Jina leaves
 * the names of the score types to a library; here they are `NamedScore` and `NamedScoreItem`, with `Input` behind them for input.
 * `subscription { docs }` has `requestSize` and `resultsInOrder` too, and gives a response at a time.
 *
 * @param typed fields of endpoints that have types, beside it
 */
export function createSchema(peer: Handler, settings: Settings, typed: Fields = NONE): GraphQLSchema {
  const type = new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(StrawberryDocument)))
  const field = { type, args: ARGUMENTS, resolve: docs(peer, settings) }
  return new GraphQLSchema({
    query: new GraphQLObjectType<unknown, Context>({
      name: 'Query',
      fields: { docs: { ...field, description: 'Sends documents through the Flow.' }, ...typed },
    }),
    mutation: new GraphQLObjectType<unknown, Context>({
      name: 'Mutation',
      fields: { docs: { ...field, description: 'Sends documents through the Flow.' }, ...typed },
    }),
    subscription: new GraphQLObjectType<unknown, Context>({
      name: 'Subscription',
      fields: {
        docs: {
          type: new GraphQLNonNull(DocsResponse),
          description: 'Sends documents through the Flow and gives each response when it is there.',
          args: STREAM_ARGUMENTS,
          subscribe: streamDocs(peer, settings),
          resolve: (response) => response,
        },
      },
    }),
  })
}
