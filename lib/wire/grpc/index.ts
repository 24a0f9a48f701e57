export { connect } from './client/connect.js'
export type { GrpcConnectOptions, GrpcServeOptions } from './options.js'
export { serve } from './server/speaker.js'
