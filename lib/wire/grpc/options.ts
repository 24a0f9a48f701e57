import { bytes, callback, check, count, documents, flag, host, milliseconds, object } from '../../base/check.js'
import { OptionTypeError, optionRange, optionType } from '../../base/errors.js'
import { DEFAULT_PREFETCH } from '../../post/options.js'
import { ENTRANCE_RULES, type EntranceOptions } from '../authentication.js'
import { CONNECT_RULES, metadata } from '../connect-options.js'
import { checkDocarray, type Docarray } from '../docarray.js'
import { MAX_DOCUMENTS } from '../documents.js'
import { heard } from '../error-listener.js'
import type { ConnectOptions, ServeOptions } from '../wire.js'

/** What {@link serve} can be told. */
export interface GrpcServeOptions extends ServeOptions, EntranceOptions {
  /** How documents are written on this server. Default `'v1'`, as Jina with docarray 0.21 does. */
  docarray?: Docarray | undefined
  /** What `endpoint_discovery` answers. Default: nothing but `/default`, which tells a Jina gateway to send everything. */
  endpoints?: (() => readonly string[]) | undefined
  /** Milliseconds between pings; a client that is silent for two thirds of that after one is gone. Default 30 000; 0 asks nobody. */
  keepalive?: number | undefined
}

/** What {@link connect} can be told. */
export interface GrpcConnectOptions extends ConnectOptions {
  /** How documents are written there. Default `'v1'`, as Jina with docarray 0.21 does. */
  docarray?: Docarray | undefined
  /** One call for each request, whoever is there. Default: for executors of Jina alone; others get a stream for the requests that belong together. */
  unary?: boolean | undefined
  /** Milliseconds between pings while requests are under way; a server that is silent for two thirds of that after one is gone. Default 30 000; 0 asks nobody. */
  keepalive?: number | undefined
}

/** 100 MiB. */
const MAX_MESSAGE = 100 * 1024 * 1024
const KEEPALIVE = 30_000
/** Calls that are open at a time on one connection; clients of gRPC wait with more. Each holds a few KB, and up to 64 KB of metadata. */
export const MAX_CALLS = 1024

export type ServerSettings = ReturnType<typeof serverSettings>
export type ClientSettings = ReturnType<typeof clientSettings>

/** @throws OptionTypeError (`ERR_OPTION_TYPE`), OptionRangeError (`ERR_OPTION_RANGE`) that name the option */
export function serverSettings(options: GrpcServeOptions) {
  const given = check('serve()', options, {
    ...ENTRANCE_RULES,
    host,
    port,
    tls: serverTls,
    maxMessageBytes: bytes,
    maxDocuments: documents,
    maxJsonBytes: bytes,
    prefetch: count,
    exposeStacks: flag,
    onError: callback,
    docarray: (_, value) => checkDocarray(value),
    endpoints: callback,
    keepalive: milliseconds,
  })
  const { prefetch = DEFAULT_PREFETCH } = given
  return {
    host: given.host ?? '127.0.0.1',
    port: given.port ?? 0,
    tls: given.tls,
    maxMessageBytes: given.maxMessageBytes ?? MAX_MESSAGE,
    maxDocuments: given.maxDocuments ?? MAX_DOCUMENTS,
    prefetch: prefetch === 0 ? Infinity : prefetch,
    exposeStacks: given.exposeStacks ?? false,
    onError: heard(given.onError ?? ((error: Error) => console.error(error))),
    model: given.docarray ?? ('v1' as const),
    endpoints: given.endpoints ?? (() => ['/default']),
    keepalive: given.keepalive ?? KEEPALIVE,
  }
}

/** @throws OptionTypeError (`ERR_OPTION_TYPE`), OptionRangeError (`ERR_OPTION_RANGE`) that name the option */
export function clientSettings(options: GrpcConnectOptions) {
  const given = check('connect()', options, {
    ...CONNECT_RULES,
    headers: metadata,
    docarray: (_, value) => checkDocarray(value),
    unary: flag,
    keepalive: milliseconds,
  })
  return {
    tls: given.tls,
    headers: given.headers ?? {},
    compression: given.compression,
    timeout: given.timeout,
    connectTimeout: given.connectTimeout ?? 5000,
    maxMessageBytes: given.maxMessageBytes ?? MAX_MESSAGE,
    model: given.docarray ?? ('v1' as const),
    unary: given.unary ?? false,
    keepalive: given.keepalive ?? KEEPALIVE,
    token: given.token,
    forwardIdentity: given.forwardIdentity,
  }
}

function port(name: string, value: unknown): void {
  if (typeof value !== 'number') throw optionType(name, 'a number', value)
  if (!(Number.isInteger(value) && value >= 0 && value <= 65_535)) throw optionRange(name, 'a port from 0 to 65535', value)
}

function serverTls(name: string, value: unknown): void {
  object(name, value)
  const { key, cert } = value as { key?: unknown; cert?: unknown }
  if (!key || !cert) throw new OptionTypeError(`${name} must have both a key and a cert, as texts in PEM`)
}
