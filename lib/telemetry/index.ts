/** What happens in Flows, for OpenTelemetry and Prometheus. */
export type { Events, Traces } from '../base/events.js'
export type { Logger, LogRecord } from '../base/logger.js'
export { instrument, type TelemetryOptions } from './instrument.js'
export { monitor } from './monitor.js'
export type { Telemetry } from './options.js'
export { logRequests } from './requests.js'
export type { Sampler } from './sampling.js'
