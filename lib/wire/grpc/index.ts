export { connect, type GrpcConnection } from './client/connect.js'
export type { DocumentModel, GrpcConnectOptions, GrpcServeOptions } from './options.js'
export { serve } from './server/serve.js'
