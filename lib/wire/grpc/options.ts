import { check, flag, milliseconds } from '../../base/check.js'
import type { Describing } from '../../executor/schemas.js'
import { DEFAULT_PREFETCH } from '../../post/options.js'
import { CONNECT_RULES, type ConnectOptions, metadata } from '../connect-options.js'
import { CONNECT_TIMEOUT, KEEPALIVE, MAX_MESSAGE_BYTES } from '../defaults.js'
import { checkDocarray, type Docarray } from '../docarray.js'
import { MAX_DOCUMENTS } from '../documents.js'
import { heard } from '../error-listener.js'
import type { RemoteOptions } from '../remote-options.js'
import type { SpeakerOptions } from '../speaker.js'

/** What the server's end is told. */
export interface GrpcSpeakerOptions extends SpeakerOptions {
  /** How documents are written on this server. Default `'v1'`, as Jina with docarray 0.21 does. */
  docarray?: Docarray | undefined
  /** What `endpoint_discovery` answers. Default: nothing but `/default`, which tells a Jina gateway to send everything. */
  endpoints?: (() => readonly string[]) | undefined
  /** What is said of them, for gateways of docarray ≥ 0.30. Default: nothing. */
  describe?: Describing['describe'] | undefined
  /** What `_status` says beside versions. Default: nothing. @param live as `/status?live=` of HTTP has it */
  status?: ((live: string | undefined) => Promise<object>) | undefined
  /** Milliseconds after which a connection takes nothing new, give or take a tenth: what is under way on it is finished. Default 0: no end. */
  maxConnectionAge?: number | undefined
  /** Milliseconds between pings; a client that is silent for two thirds of that after one is gone. Default 30 000; 0 asks nobody. */
  keepalive?: number | undefined
}

/** What {@link connect} can be told. */
export interface GrpcConnectOptions extends ConnectOptions {
  /** How documents are written there. Default `'v1'`, as Jina with docarray 0.21 does. */
  docarray?: Docarray | undefined
  unary?: RemoteOptions['unary']
  keepalive?: RemoteOptions['keepalive']
}

/** Calls that are open at a time on one connection; clients of gRPC wait with more. Each holds a few KB, and up to 64 KB of metadata. */
export const MAX_CALLS = 1024

export type ServerSettings = ReturnType<typeof serverSettings>
export type ClientSettings = ReturnType<typeof clientSettings>

/** All options of the server's end, with their defaults. */
export function serverSettings(given: GrpcSpeakerOptions) {
  const { prefetch = DEFAULT_PREFETCH } = given
  return {
    maxMessageBytes: given.maxMessageBytes ?? MAX_MESSAGE_BYTES,
    maxDocuments: given.maxDocuments ?? MAX_DOCUMENTS,
    prefetch: prefetch === 0 ? Infinity : prefetch,
    exposeStacks: given.exposeStacks ?? false,
    onError: heard(given.onError ?? ((error: Error) => console.error(error))),
    model: given.docarray ?? ('v1' as const),
    endpoints: given.endpoints ?? (() => ['/default']),
    describe: given.describe ?? (() => undefined),
    keepalive: given.keepalive ?? KEEPALIVE,
    maxConnectionAge: given.maxConnectionAge ?? 0,
    status: given.status,
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
    logger: given.logger,
    headers: given.headers ?? {},
    compression: given.compression,
    timeout: given.timeout,
    connectTimeout: given.connectTimeout ?? CONNECT_TIMEOUT,
    maxMessageBytes: given.maxMessageBytes ?? MAX_MESSAGE_BYTES,
    model: given.docarray ?? ('v1' as const),
    unary: given.unary ?? false,
    keepalive: given.keepalive ?? KEEPALIVE,
    at: given.at,
    token: given.token,
    forwardIdentity: given.forwardIdentity,
  }
}
