import { packageOfNode } from '../../../base/node.js'
import type { Connection } from '../../connection.js'
import { onNode } from '../../tls.js'
import { WebSocketConnection } from './connection.js'
import { clientSettings, type WebSocketConnectOptions } from './options.js'

/**
 * A peer that sends requests to a Flow elsewhere by WebSocket: to a gateway of this library, or of Jina. Nothing is connected
 * before the first request. Requests of one `post()` share a socket; when nobody waits for their answers any more, it is closed, and the
 * server tells its executors.
 *
 * @param address such as `ws://127.0.0.1:51000`, or `wss://flow.example` by TLS
 * @throws OptionTypeError (`ERR_OPTION_TYPE`), OptionRangeError (`ERR_OPTION_RANGE`) that name the option; in browsers also for `headers` and
 * certificates, which they do not let through
 */
export function connect(address: string, options: WebSocketConnectOptions = {}): Connection {
  return new WebSocketConnection(clientSettings(address, options))
}

/** What is loaded with the first request, before it. */
export async function load(): Promise<void> {
  if (onNode) await packageOfNode('ws')
}
