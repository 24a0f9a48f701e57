import { OptionRangeError, optionRange, optionType } from '../../../base/errors.js'
import type { ClientTls } from '../../tls-options.js'

/** Where a server is, and how it is spoken to. */
export interface Place {
  /** Such as `grpc://127.0.0.1:51000`. */
  readonly address: string
  readonly host: string
  readonly port: number
  /** Which of the addresses behind its name. */
  readonly at?: string | undefined
  readonly tls: ClientTls | undefined
}

/** @throws OptionTypeError, OptionRangeError for what is no address of a gRPC server */
export function placeOf(address: string, tls: boolean | ClientTls | undefined): Place {
  if (typeof address !== 'string') throw optionType('address', 'a string such as grpc://127.0.0.1:51000', address)
  const url = /^grpcs?:\/\//.test(address) ? urlOf(address) : undefined
  if (
    url === undefined ||
    url.hostname === '' ||
    url.username !== '' ||
    url.password !== '' ||
    !/^\/?$/.test(url.pathname) ||
    url.search !== '' ||
    url.hash !== ''
  )
    throw optionRange('address', 'an address such as grpc://127.0.0.1:51000, or grpcs:// for TLS', address)
  const secure = url.protocol === 'grpcs:'
  if (tls !== undefined && secure !== (tls !== false))
    throw new OptionRangeError(
      `${url.protocol}// says ${secure ? 'TLS' : 'no TLS'} and the option tls says the opposite. Leave one of them out, or write ${secure ? 'grpc' : 'grpcs'}://`,
    )
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  return {
    address: `${url.protocol}//${url.hostname}:${port}`,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    tls: secure ? (typeof tls === 'object' ? tls : {}) : undefined,
  }
}

/** A scheme that the platform does not know has no rules for hosts; so it is read as one that it knows. */
function urlOf(address: string): { [K in 'protocol' | 'hostname' | 'username' | 'password' | 'pathname' | 'search' | 'hash' | 'port']: string } | undefined {
  try {
    const url = new URL(address.replace(/^grpc/, 'http'))
    const { hostname, username, password, pathname, search, hash, port } = url
    // The port that is the default of http is left out of its URLs.
    const given = port || (/:(80|443)\/?$/.exec(address)?.[1] ?? '')
    return { protocol: url.protocol.replace('http', 'grpc'), hostname, username, password, pathname, search, hash, port: given }
  } catch {
    return undefined
  }
}
