/** A Flow as a service. */
export type { ServerTls } from '../wire/wire.js'
export { Gateway } from './gateway.js'
export { notice } from './notice.js'
export type { GatewayOptions } from './options.js'
