/** A Flow as GraphQL. */
export { createGraphQL, type GraphQLHandler } from './handler.js'
export type { CorsOptions, GraphQLOptions } from './options.js'
