import type { BearerOption } from './credentials.js'
import type { Docarray } from './docarray.js'
import type { ClientTls } from './tls.js'

/** How somebody elsewhere is spoken to: what a Client, an executor with `external`, YAML and the command line say of that. */
export interface RemoteOptions {
  /** Speaks TLS, with the platform's authorities, or as told. Default `false`, unless the scheme says so (`grpcs`, `https`, `wss`). */
  tls?: boolean | ClientTls | undefined
  /** Go with each call: HTTP headers, gRPC metadata. In browsers, WebSockets cannot have any. */
  headers?: Readonly<Record<string, string>> | undefined
  /** gRPC's name for `headers`. */
  metadata?: Readonly<Record<string, string>> | undefined
  /**
   * Shows who asks: goes with each call as `Authorization: Bearer`, from a page's WebSocket as a subprotocol. A function is asked for each call, for
   * tokens that change. Whom a server does not let in hears `ERR_REFUSED`.
   */
  token?: BearerOption | undefined
  /** The file that holds `token`, its first, in its place; read again when it changes. Not in browsers. */
  tokenFile?: string | undefined
  /**
   * For Flows whose executor is there: the `identity` of a request goes with it, in a header, and is believed there if who sends it is let in by a
   * token or its certificate. Default `false`.
   */
  forwardIdentity?: boolean | undefined
  /** Packs what is sent; over WebSocket, in one way, if the server agrees; GraphQL never. Default: nothing is packed. */
  compression?: 'gzip' | 'deflate' | undefined
  /** Bytes of one answer. Default 100 MiB. */
  maxMessageBytes?: number | undefined
  /**
   * How documents are written over gRPC: `'v2'` for servers with docarray 0.30 or later. Default `'v1'`, docarray 0.21, which has no place for what only
   * classes of docarray ≥ 0.30 have: an external executor without a word has that of its Flow.
   */
  docarray?: Docarray | undefined
  /**
   * Whether each request is a call of its own over gRPC. Where a proxy bounds how much, or how long, one call may carry, say so. Default: for executors of
   * Python Jina alone; others get a stream for the requests of one `post()`.
   */
  unary?: boolean | undefined
  /** Milliseconds in which a connection must stand. Default 5000. */
  connectTimeout?: number | undefined
  /**
   * Milliseconds between pings, over gRPC while requests are under way; a server that does not answer by the next (gRPC: within two thirds of that) is gone.
   * Default 30 000; 0 asks nobody. HTTP, browsers and Bun have none.
   */
  keepalive?: number | undefined
}
