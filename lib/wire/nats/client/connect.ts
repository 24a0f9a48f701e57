import type { Connection } from '../../connection.js'
import { jetstreamPackage } from '../durable/queue.js'
import { natsPackage } from '../link.js'
import { clientSettings, type NatsConnectOptions } from '../options.js'
import { NatsConnection } from './connection.js'

/**
 * An Executor, or a Flow, that answers over NATS, as a peer: whoever of those under its name has room. Nothing is connected before the first request.
 * @param address such as `nats://127.0.0.1:4222/default/encode`, or `natss://` for TLS
 * @throws OptionTypeError, OptionRangeError for options
 */
export function connect(address: string, options: NatsConnectOptions = {}): Connection {
  return new NatsConnection(clientSettings(address, options))
}

/** What is loaded with the first request, before it. @throws DependencyError (`ERR_DEPENDENCY`) without the packages */
export async function load({ nats }: Pick<NatsConnectOptions, 'nats'>): Promise<void> {
  await natsPackage()
  if (nats?.durable) await Promise.all([jetstreamPackage(), import('../durable/line.js')])
}
