import { callback, milliseconds, type Rule, string, word } from '../base/check.js'
import { OptionRangeError, OptionTypeError, optionRange, optionType } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import { checkNamed } from '../base/misspelled.js'
import { builtin } from '../base/node.js'
import type { Protocol } from './address.js'
import { namesOf, tryPems } from './certificates.js'
import { bearerRule } from './credentials.js'
import { natsRule } from './nats/rules.js'
import { REMOTE_RULES } from './option-rules.js'
import type { RemoteOptions } from './remote-options.js'
import type { ClientTls } from './tls-options.js'

/** What every connection can be told. */
export interface ConnectOptions
  extends Omit<RemoteOptions, 'metadata' | 'tokenFile' | 'docarray' | 'keepalive' | 'unary' | 'breaker' | 'retryBudget' | 'nats'> {
  /** Milliseconds in which a request must be answered, attempts included. Default: none. */
  timeout?: number | undefined
  /** Told of keys and certificates that were renewed and do not belong together: `'tls.failed'`. Default: console.error. */
  logger?: Logger | undefined
  /** Which of the addresses behind its name is meant, where that was looked up. Default: the platform looks it up. */
  at?: string | undefined
}

const { connectTimeout, forwardIdentity, maxMessageBytes } = REMOTE_RULES

const IN_FULL: Record<Exclude<keyof ConnectOptions, 'timeout' | 'logger' | 'at'>, Rule> = {
  ...{ connectTimeout, forwardIdentity, maxMessageBytes },
  compression: word('gzip deflate'),
  tls: clientTls,
  headers,
  token: bearerRule,
}

/** What checks the options that all connections have. */
export const CONNECT_RULES: Record<keyof ConnectOptions, Rule> = { ...IN_FULL, timeout: milliseconds, logger: callback, at: string }

/** What checks how somebody elsewhere is spoken to, in full. */
export const CLIENT_RULES: Record<keyof RemoteOptions, Rule> = {
  ...REMOTE_RULES,
  ...IN_FULL,
  metadata: headers,
  docarray: word('v1 v2'),
  nats: natsRule,
}

/** What is said of one message on one connection: by whoever sends it, and by nobody else beside. */
const OURS = /^(connection|content-length|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade)$/i

/** What goes into headers must not end them, nor say how the message is framed. */
export function headers(name: string, value: unknown): void {
  // What is iterable keeps its entries elsewhere, and would seem to have none.
  if (typeof value !== 'object' || value === null || Symbol.iterator in value) throw optionType(name, 'an object of texts by name', value)
  for (const [header, text] of Object.entries(value)) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(header)) throw optionRange(name, 'an object of texts by the name of a header', header)
    if (OURS.test(header)) throw new OptionRangeError(`${name}.${header} is said by the connection itself. Leave it out`)
    if (typeof text !== 'string') throw optionType(`${name}.${header}`, 'a string', text)
    // The value may be a secret, so it is not shown.
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) throw optionRange(`${name}.${header}`, 'a text without line ends and other control characters', '…')
  }
}

/** As {@link headers}, with what gRPC allows of them. */
export function metadata(name: string, value: unknown): void {
  headers(name, value)
  for (const [header, text] of Object.entries(value as Record<string, string>)) {
    if (!/^[0-9a-z_.-]+$/i.test(header)) throw optionRange(name, 'headers whose names are letters, digits, _, - and .', header)
    if (/^grpc-|-bin$/i.test(header)) throw new OptionRangeError(`${name}.${header} has a meaning to gRPC itself. Choose another name`)
    if (!/^[ -~]*$/.test(text)) throw optionRange(`${name}.${header}`, 'a text of printable ASCII characters', '…')
  }
}

/** What checks headers where this is spoken. */
export function headersOver(protocol: Protocol): Rule {
  return protocol === 'grpc' ? metadata : headers
}

/** What checks what a client shows and trusts, as far as that is possible at once: files are read when a connection is made. */
function clientTls(name: string, value: boolean | ClientTls): void {
  if (typeof value === 'boolean') return
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw optionType(name, 'true, false or { ca, key, cert, serverName }', value)
  const { ca, key, cert, caFile, keyFile, certFile } = checkNamed(name, value, TLS_RULES)
  const twice = (
    [
      ['ca', ca, caFile],
      ['key', key, keyFile],
      ['cert', cert, certFile],
    ] as const
  ).find((one) => one[1] !== undefined && one[2] !== undefined)
  if (twice !== undefined) throw new OptionTypeError(`${name}.${twice[0]} and ${name}.${twice[0]}File are one thing: give one of them`)
  if (((key ?? keyFile) === undefined) !== ((cert ?? certFile) === undefined))
    throw new OptionTypeError(`${name}.key and ${name}.cert go together: a key is of no use without its certificate, and the other way round`)
  const secure = builtin('tls')
  // Where the platform does not hand it out at once, the first connection finds it out.
  if (secure !== undefined) tryPems(secure, { ca, key, cert }, namesOf(), (reason, cause) => new OptionRangeError(reason, { cause }))
}

const TLS_RULES = Object.fromEntries(
  ['ca', 'key', 'cert', 'caFile', 'keyFile', 'certFile', 'serverName'].map((part): [string, Rule] => [
    part,
    (_, value) => (/File|Name/.test(part) ? string(`tls.${part}`, value) : pem(part, value)),
  ]),
)

function pem(name: string, value: unknown): void {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) throw optionType(`tls.${name}`, 'a text in PEM', value)
}
