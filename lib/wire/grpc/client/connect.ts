import type { Connection } from '../../connection.js'
import { clientSettings, type GrpcConnectOptions } from '../options.js'
import { placeOf } from './address.js'
import { Calls } from './calls.js'
import { GrpcConnection } from './connection.js'

/**
 * Another Flow or Executor as a peer. Nothing is connected before the first request.
 * @param address such as `grpc://127.0.0.1:51000`, or `grpcs://` for TLS
 * @throws OptionTypeError, OptionRangeError for options
 */
export function connect(address: string, options: GrpcConnectOptions = {}): Connection {
  const settings = clientSettings(options)
  return new GrpcConnection(new Calls({ ...placeOf(address, settings.tls), at: settings.at }, settings))
}
