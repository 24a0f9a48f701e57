/** Both ends of WebSocket connections, as Jina's gateway and client speak. */
export { connect, type WebSocketConnectOptions } from './client/connection.js'
export type { AttachOptions, WebSocketServeOptions } from './server/options.js'
export { type Attached, attach, serve } from './server/speaker.js'
