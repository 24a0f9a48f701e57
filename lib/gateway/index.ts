/** A Flow as a service. */
export type { Logger, LogRecord } from '../base/logger.js'
export type { Asking, EntranceOptions } from '../wire/authentication.js'
export { createHttp, type HttpHandler, type HttpOptions } from '../wire/http/index.js'
export type { ServerTls } from '../wire/wire.js'
export { notice } from './banner.js'
export { Gateway } from './gateway.js'
export type { GatewayOptions, TlsFiles } from './options.js'
