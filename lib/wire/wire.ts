import type { Handler } from '../request/handler.js'
import type { BearerOption } from './credentials.js'

/** Keys and certificates, as texts in PEM. */
export interface ServerTls {
  readonly key: string | Uint8Array
  readonly cert: string | Uint8Array
  /** Whom to trust that asks for something: clients then need a certificate. */
  readonly ca?: string | Uint8Array | undefined
  /** Certificates of `ca` that are not trusted any more: a list of revoked ones. */
  readonly crl?: string | Uint8Array | undefined
}

export interface ClientTls {
  /** Whom to trust, in place of the authorities that the platform trusts. */
  readonly ca?: string | Uint8Array | undefined
  /** What shows who we are, to servers that ask. */
  readonly key?: string | Uint8Array | undefined
  readonly cert?: string | Uint8Array | undefined
  /** The name that the server's certificate must carry. Default: the host. */
  readonly serverName?: string | undefined
}

/** What every server can be told. */
export interface ServeOptions {
  /** The address to listen at. Default `127.0.0.1`: nobody but this machine. */
  host?: string | undefined
  /** Default 0: one that is free. */
  port?: number | undefined
  tls?: ServerTls | undefined
  /** Bytes of one message or body, unpacked. Default 100 MiB. What is larger is refused, as soon as that is known. */
  maxMessageBytes?: number | undefined
  /** The most documents of one request, chunks and matches included. Default 50,000, which take some 30 ms to write; Infinity is no bound. */
  maxDocuments?: number | undefined
  /** Bytes of one message or body in JSON, and no more than `maxMessageBytes`. Default 16 MiB. */
  maxJsonBytes?: number | undefined
  /** The most requests of one connection or stream between its wire and the executors. Default 16, as `post()` has it. */
  prefetch?: number | undefined
  /** Whether clients get to see stacks of executors' errors. Default `false`: they stay in the process. */
  exposeStacks?: boolean | undefined
  /** Told of what is wrong with the server itself, not with a request. Default: console.error. */
  onError?: ((error: Error) => void) | undefined
}

/** A server that runs. */
export interface Server {
  /** Such as `grpc://127.0.0.1:51000`. */
  readonly address: string
  readonly port: number
  /** Says that it is not ready any more, takes nothing new, and resolves when nothing is under way. */
  drain(): Promise<void>
  /** Ends what is still under way, and lets go of the port. */
  close(): Promise<void>
}

export interface ConnectOptions {
  tls?: boolean | ClientTls | undefined
  /** Headers, or metadata, that go with each call. */
  headers?: Readonly<Record<string, string>> | undefined
  compression?: 'gzip' | 'deflate' | undefined
  /** Milliseconds in which a request must be answered, attempts included. Default: none. */
  timeout?: number | undefined
  /** Milliseconds in which a connection must stand. Default 5000. */
  connectTimeout?: number | undefined
  /** Bytes of one answer. */
  maxMessageBytes?: number | undefined
  /** Shows who asks, as `Authorization: Bearer`. */
  token?: BearerOption | undefined
  /** Whether the identity of a request goes with it. Default `false`. */
  forwardIdentity?: boolean | undefined
}

/** The other end: what sends requests over a wire. */
export interface Connection extends Handler {
  /** Such as `grpc://127.0.0.1:51000`. */
  readonly address: string
  /** Connects now, and not with the first request. */
  open(): unknown
  close(): unknown
  /** Whether a Flow answers there, and all its executors are up. Never throws. */
  isReady(options?: { signal?: AbortSignal; timeout?: number }): Promise<boolean>
}

/** Both ends of a wire, which each of the rooms here exports. */
export interface Wire {
  serve(peer: Handler, options?: ServeOptions): Promise<Server>
  connect(address: string, options?: ConnectOptions): Connection
}
