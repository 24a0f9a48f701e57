export { type ConnectHttpOptions, connect } from './client/connect.js'
export type { ExposedEndpoint, HttpOptions, HttpServeOptions } from './options.js'
export { createHttp, type HttpHandler } from './server/fetch.js'
export { serve } from './server/speaker.js'
