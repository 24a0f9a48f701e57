/** A Flow as a service. */
export type { Logger, LogRecord } from '../base/logger.js'
export type { Asking, EntranceOptions } from '../wire/entrance.js'
export { createHttp, type HttpHandler, type HttpOptions } from '../wire/http/index.js'
export type { ServerTls } from '../wire/wire.js'
export { Gateway } from './gateway.js'
export { notice } from './notice.js'
export type { GatewayOptions, TlsFiles } from './options.js'
