/** What speaks to a Flow that is served elsewhere. Runs in browsers too, but for gRPC. */
export { ConnectionError, ExecutorError, SluiceError } from '../errors.js'
export type { ClientTls } from '../wire/wire.js'
export type { Address } from './address.js'
export { Client, type ClientOptions } from './client.js'
export type { GraphQLResult, MutateOptions } from './graphql.js'
export type { Profile } from './profiling.js'
