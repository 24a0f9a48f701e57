/** A Flow as a service. */
export type { Logger, LogRecord } from '../base/logger.js'
export type {
  Asking,
  AuthenticationOptions,
  /** @deprecated Its name is AuthenticationOptions. */
  AuthenticationOptions as EntranceOptions,
} from '../wire/authentication.js'
export type { McpOptions } from '../wire/http/mcp/options.js'
export type { HttpOptions } from '../wire/http/options.js'
export { createHttp, type HttpHandler } from '../wire/http/server/fetch.js'
export type { ServerTls } from '../wire/tls-options.js'
export { notice } from './banner.js'
export { Gateway } from './gateway.js'
export type { GatewayOptions, LivePageOptions, TlsFiles } from './options.js'
