import { callback, check, string } from '../../../base/check.js'
import { optionRange } from '../../../base/errors.js'
import type { ConnectOptions } from '../../connect-options.js'
import { CONNECT_RULES } from '../../connect-options.js'
import type { Connection } from '../../connection.js'
import { CONNECT_TIMEOUT } from '../../defaults.js'
import { onNode, tlsNow } from '../../tls.js'
import { HttpConnection } from './connection.js'
import type { Transport, TransportOptions } from './transport.js'
import { FetchTransport } from './transport-fetch.js'
import { watched } from './transport-watched.js'

/** What `connect()` can be told. */
export interface ConnectHttpOptions extends ConnectOptions {
  /** In place of the platform's own way out. Default: Node's client, elsewhere `fetch`. */
  fetch?: typeof globalThis.fetch | undefined
}

const CONNECT: Record<keyof ConnectHttpOptions, (name: string, value: any) => void> = { ...CONNECT_RULES, fetch: callback }

/**
 * The other end of Jina's HTTP gateways, of this library or of Python's Jina 3: a peer that sends each request by `POST /post`. Partial
 * answers come from servers that have them. Nothing is sent before the first request.
 *
 * Failures are ConnectionErrors; what an executor failed at is an ExecutorError. Under Node, requests go through Node's own client, which
 * knows certificates and timeouts; elsewhere through `fetch`, which knows only the platform's certificates.
 *
 * @param address such as `https://flow.example:8080`, with a path if it is not at the root
 * @throws TypeError (`ERR_OPTION_TYPE`), RangeError (`ERR_OPTION_RANGE`) that name the option
 */
export function connect(address: string, options: ConnectHttpOptions = {}): Connection {
  const { url, transport } = wayTo(address, options)
  return new HttpConnection(url, options, transport)
}

/** How requests get to an address. @throws as {@link connect} does */
export function wayTo(address: string, options: ConnectHttpOptions): { url: URL; transport: Transport } {
  const { url, transport } = prepare(address, options)
  if (onNode && options.fetch === undefined) return { url, transport: watched(later(transport), url, transport.at) }
  const own = new FetchTransport(transport)
  return { url, transport: watched(own, url, undefined, () => own.ask()) }
}

/** For platforms whose only way out is `fetch`. */
export function connectByFetch(address: string, options: ConnectHttpOptions = {}): Connection {
  const { url, transport } = prepare(address, options)
  const own = new FetchTransport(transport)
  return new HttpConnection(
    url,
    options,
    watched(own, url, undefined, () => own.ask()),
  )
}

function prepare(address: string, options: ConnectHttpOptions): { url: URL; transport: TransportOptions } {
  string('The address of connect()', address)
  const { tls = false, connectTimeout = CONNECT_TIMEOUT, fetch, logger, at } = check('connect()', options, CONNECT)
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '')
    throw optionRange('The address of connect()', "such as 'http://127.0.0.1:8080', or with https", address)
  if (tls !== false) url.protocol = 'https:'
  const given = typeof tls === 'object' ? tls : {}
  return { url, transport: { tls: given, tlsNow: tlsNow(given, url.origin, logger), connectTimeout, url, fetch, at } }
}

const node = () => import('./transport-node.js')

/** What is loaded with the first request, before it. */
export async function load(): Promise<void> {
  if (onNode) await node()
}

/** Node's own client, once it is needed. */
export function later(options: TransportOptions): Transport {
  let loaded: Promise<Transport> | undefined
  let here: Transport | undefined
  const load = (): Promise<Transport> => {
    loaded ??= node().then(
      async ({ nodeTransport }) => (here = await nodeTransport(options)),
      (error) => {
        loaded = undefined
        throw error
      },
    )
    return loaded
  }
  return {
    send: (...call) => here?.send(...call) ?? load().then((transport) => transport.send(...call)),
    close: () => loaded?.then((transport) => transport.close()),
  }
}
