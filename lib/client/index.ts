/** What speaks to a Flow that is served elsewhere. Bundles for browsers too, where all but gRPC can be spoken. */

export { ConnectionError, ExecutorError, SluiceError } from '../base/errors.js'
export type { Logger, LogRecord } from '../base/logger.js'
export type { BreakerStatus } from '../stream/breaker.js'
export type { Address } from '../wire/address.js'
export type { GraphQLResult, MutateOptions } from '../wire/graphql/client/connection.js'
export type { ClientTls } from '../wire/tls-options.js'
export { Client, type ClientOptions } from './client.js'
export type { Profile } from './profiling.js'
