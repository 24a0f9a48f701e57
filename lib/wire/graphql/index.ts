/** A Flow as GraphQL. */

export type { CorsOption, CorsOptions } from '../cors.js'
export { createGraphQL, type GraphQLHandler } from './handler.js'
export type { GraphQLOptions } from './options.js'
