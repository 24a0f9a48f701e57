/** A Flow as GraphQL. */

export type { CorsOption, CorsOptions } from '../cors.js'
export type { GraphQLOptions } from './options.js'
export { createGraphQL, type GraphQLHandler } from './server/fetch.js'
