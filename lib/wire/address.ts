import { OptionTypeError, optionRange, optionType } from '../base/errors.js'

export type Protocol = 'grpc' | 'http' | 'websocket' | 'nats'

/** Where a server is, and how to speak to it. */
export interface Address {
  readonly protocol: Protocol
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** Below which it answers, as behind a proxy: `/flow`. None is the root. Over NATS, it says who is asked: `/<flow>/<executor>`. */
  readonly path?: string
}

/** What may be said of it in words, in place of a scheme and a port in the host. */
export interface AddressOptions {
  host?: string | undefined
  port?: number | undefined
  protocol?: Protocol | 'ws' | Uppercase<Protocol> | undefined
  tls?: boolean | object | undefined
}

const SCHEMES: Record<string, { protocol: Protocol; tls?: true }> = {
  grpc: { protocol: 'grpc' },
  http: { protocol: 'http' },
  ws: { protocol: 'websocket' },
  websocket: { protocol: 'websocket' },
  grpcs: { protocol: 'grpc', tls: true },
  https: { protocol: 'http', tls: true },
  wss: { protocol: 'websocket', tls: true },
  websockets: { protocol: 'websocket', tls: true },
  nats: { protocol: 'nats' },
  natss: { protocol: 'nats', tls: true },
}

/** What is said first by most: no scheme means gRPC (as in Jina), no host this machine, no port 80, or 443 with TLS; of NATS, 4222. */
const DEFAULTS = { protocol: 'grpc', host: '127.0.0.1' } as const

/**
 * Understands `grpc://my.host:1234`, `my.host:1234`, `my.host`, each with what is said in words beside it.
 * @throws TypeError (`ERR_OPTION_TYPE`) for what is said twice, even when it is the same, and for a `tls` that contradicts the scheme; RangeError (`ERR_OPTION_RANGE`) for what is no address
 */
export function addressOf({ host: written, port, protocol, tls }: AddressOptions): Address {
  if (written !== undefined && typeof written !== 'string') throw optionType('host', 'a string', written)
  const [, scheme, rest = '', path = ''] = /^(?:([a-z]+):\/\/)?([^/]*)((?:\/[\w.~!$&'()*+,;=:@%-]+)*)\/?$/i.exec(written ?? '') ?? [undefined, undefined, '//']
  const known = scheme === undefined ? undefined : Object.hasOwn(SCHEMES, scheme.toLowerCase()) ? SCHEMES[scheme.toLowerCase()] : undefined
  if (rest === '//') checkPath(written)
  if (scheme !== undefined && known === undefined)
    throw optionRange(
      'host',
      `an address that starts with one of ${Object.keys(SCHEMES)
        .map((name) => `${name}://`)
        .join(', ')}`,
      written,
    )
  const [, name, , digits] = /^(\[[\da-f:.]+\]|[^:/[\]\s]*)(:(\d+))?$/i.exec(isBareIpv6(rest) ? `[${rest}]` : rest) ?? []
  if (name === undefined) throw optionRange('host', 'a name or an IP address, with a port behind a colon if it has one', written)
  once('port', digits, port, written)
  once('protocol', scheme, protocol, written)
  if (scheme !== undefined && tls !== undefined) agree(scheme, known?.tls === true, tls, written)
  const number = port ?? (digits === undefined ? undefined : Number(digits))
  if (number !== undefined && !(Number.isInteger(number) && number >= 1 && number <= 65_535)) throw optionRange('port', 'an integer from 1 to 65535', number)
  const secure = known?.tls === true || (tls !== undefined && tls !== false)
  const spoken = known?.protocol ?? protocolOf(protocol) ?? DEFAULTS.protocol
  if (path !== '' && spoken === 'grpc') throw optionRange('host', 'an address without a path: gRPC has none. HTTP, WebSocket and GraphQL may', written)
  return {
    protocol: spoken,
    host: name === '' ? DEFAULTS.host : name,
    port: number ?? (spoken === 'nats' ? 4222 : secure ? 443 : 80),
    tls: secure,
    ...(path !== '' && { path }),
  }
}

/** @throws OptionRangeError for what a name behind the server has, and no address may: it is no fault of the host */
function checkPath(written = ''): void {
  const [, odd] = /^(?:[a-z]+:\/\/)?[^/\s]+\/.*?([^\w.~!$&'()*+,;=:@%/-])/isu.exec(written) ?? []
  if (odd === undefined) return
  const reason = `an address in whose names behind the host stands what URLs may have: not ${JSON.stringify(odd)}. Write it as encodeURIComponent does, such as %20 for a space`
  throw optionRange('host', reason, written)
}

/** @returns as the rooms of the wires are called */
export function protocolOf(given: unknown): Protocol | undefined {
  if (given === undefined) return undefined
  const protocol = typeof given === 'string' ? given.toLowerCase() : ''
  if (protocol === 'ws') return 'websocket'
  if (protocol !== 'grpc' && protocol !== 'http' && protocol !== 'websocket' && protocol !== 'nats')
    throw optionRange('protocol', "'grpc', 'http', 'websocket' or 'nats'", given)
  return protocol
}

/** An address in one word, as wires take it. */
export function written({ protocol, host, port, tls, path = '' }: Address, scheme: string = protocol === 'websocket' ? 'ws' : protocol): string {
  return `${scheme}${tls ? 's' : ''}://${host}:${port}${path}`
}

/** Of brackets, only what a port stands behind needs them. */
function isBareIpv6(host: string): boolean {
  return /^[\da-f.]*:[\da-f.]*:[\da-f:.]*$/i.test(host) && URL.canParse(`http://[${host}]`)
}

/** A scheme says whether there is TLS, and the option how: no more may it say. */
function agree(scheme: string, secure: boolean, tls: boolean | object, host: string | undefined): void {
  if (secure === (tls !== false)) return
  const [said, other] = secure ? ['TLS', scheme.replace(/s$/i, '')] : ['no TLS', `${scheme}s`]
  throw new OptionTypeError(`tls contradicts the host ${JSON.stringify(host)}: ${scheme}:// is ${said}. Write ${other}://, or leave tls out`)
}

function once(name: string, inHost: string | undefined, inWords: unknown, host: string | undefined): void {
  if (inHost === undefined || inWords === undefined) return
  throw new OptionTypeError(`${name} is given twice: as ${inHost} in the host ${JSON.stringify(host)}, and as the option ${name}. Keep one of them`)
}

/** What keeps Node's sockets from asking for the address of a name that was looked up already. */
export function lookedUp(at: string | undefined): { lookup?: (name: string, options: { all?: boolean | undefined }, done: (...found: any[]) => void) => void } {
  if (at === undefined) return {}
  const family = at.includes(':') ? 6 : 4
  return { lookup: (_, { all }, done) => (all ? done(null, [{ address: at, family }]) : done(null, at, family)) }
}

/** Where a socket goes to that is for a URL. */
export function socketTo({ protocol, hostname, port }: URL): { host: string; port: number; secure: boolean } {
  const secure = protocol === 'https:' || protocol === 'wss:'
  // An address of IPv6 has brackets in URLs only.
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (secure ? 443 : 80)), secure }
}
