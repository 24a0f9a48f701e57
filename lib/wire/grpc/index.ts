export { connect, type GrpcConnection } from './client/connect.js'
export type { GrpcConnectOptions, GrpcServeOptions } from './options.js'
export { serve } from './server/speaker.js'
