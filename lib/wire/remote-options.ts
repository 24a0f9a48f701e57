import type { BearerOption } from './credentials.js'
import type { Docarray } from './docarray.js'
import type { ClientTls } from './tls-options.js'

/** A queue that outlasts who asks and who answers, in numbers. */
export interface NatsDurable {
  /** The most requests that are begun and not answered, over all workers and clients. Default 256. */
  prefetch?: number | undefined
  /** How often a request is begun before it is a dead letter. Default 5. */
  attempts?: number | undefined
  /** Milliseconds after which what a dead worker had is another's. Default 2000. */
  ackWait?: number | undefined
  /** Milliseconds for which answers that nobody fetched, and dead letters, are kept. Default 86,400,000: a day. */
  keep?: number | undefined
}

/** How a server of NATS is reached, and what shows who connects there. Files are read anew with each connection. */
export interface NatsOptions {
  /** Others of its cluster, where one is to be found while the first is away: `['nats-2:4222']`. Default: those that the server tells of. */
  servers?: readonly string[] | undefined
  /** The words in front of all subjects, the same at both ends. Default `sluice`. */
  prefix?: string | undefined
  /** The words in front of the subjects at which this end alone hears: `_INBOX.anna`, where nobody else may subscribe `_INBOX.anna.>`. Default `_INBOX`. */
  inboxPrefix?: string | undefined
  /** The token of the server of NATS, or the file that holds it. */
  token?: string | undefined
  tokenFile?: string | undefined
  user?: string | undefined
  password?: string | undefined
  /** The file of an nkey's seed. */
  nkeyFile?: string | undefined
  /** The file of a user's credentials (`.creds`), as `nsc` writes it: a JWT and its seed. */
  credentialsFile?: string | undefined
}

/** The same of who asks. */
export interface NatsAsking extends NatsOptions {
  /** Puts requests into a queue of the server (JetStream), which those take from who answer with `durable`. Default `false`: to whoever is there. */
  durable?: boolean | undefined
  /** With `durable`, the name of a job: who asks the same again under it gets the answers that are there, and that nobody has fetched. Of each there is one at a time. */
  job?: string | undefined
}

/** Where an executor, or a Flow, answers over NATS: an address, such as `nats://my.host/<flow>/<executor>`, or with how its server is reached. */
export type NatsServing =
  | string
  | (NatsOptions & {
      address: string
      /** Speaks TLS to the server of NATS, with the platform's authorities, or as told. Default `false`, unless the scheme says so (`natss`). */
      tls?: boolean | ClientTls | undefined
      /** Milliseconds in which a connection must stand. Default 5000. */
      connectTimeout?: number | undefined
      /** Takes from a queue of the server (JetStream), too: `true`, or in numbers, the same for all of one name. Default `false`. */
      durable?: boolean | NatsDurable | undefined
    })

/** How somebody elsewhere is spoken to: what a Client, an executor with `external`, YAML and the command line say of that. */
export interface RemoteOptions {
  /** Speaks TLS, with the platform's authorities, or as told. Default `false`, unless the scheme says so (`grpcs`, `https`, `wss`, `natss`). */
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
   * Python Jina alone; others get a stream, which posts share where the server knows of that.
   */
  unary?: boolean | undefined
  /**
   * Whether nobody is sent to an address while it is away: requests fail at once then, or wait to be tried again where `retries` says so, and one at a time
   * looks whether it is back. What is only late does not count: somebody may be there. Default true.
   */
  breaker?: boolean | undefined
  /**
   * How many retries there may be in 10 s, for each request in that time; 100 there always may. What is over it fails at once.
   * A number ≥ 0; Infinity is no bound. Default 0.1: what fails gets a tenth more load at most. Sending again to another address, as one is gone, is none.
   * Of a Client, for `retries` alone.
   */
  retryBudget?: number | undefined
  /** Over NATS: how its server is reached. Default: as anybody who may connect. */
  nats?: NatsAsking | undefined
  /** Milliseconds in which a connection must stand. Default 5000. */
  connectTimeout?: number | undefined
  /**
   * Milliseconds between pings, over gRPC while requests are under way; a server that does not answer by the next (gRPC: within two thirds of that) is gone.
   * Default 30 000; 0 asks nobody. HTTP and browsers have none.
   */
  keepalive?: number | undefined
}
