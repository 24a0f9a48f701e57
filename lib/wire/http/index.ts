export { type ConnectHttpOptions, connect } from './client.js'
export { createHttp, type HttpHandler } from './fetch.js'
export type { ExposedEndpoint, HttpOptions, HttpServeOptions } from './options.js'
export { serve } from './serve.js'
