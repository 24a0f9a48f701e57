// By itself, as what users are told of it has to compile where nothing is known of Node: in pages.

/** Keys and certificates, as texts in PEM. */
export interface ServerTls {
  readonly key: string | Uint8Array
  readonly cert: string | Uint8Array
  /** Whom to trust that asks for something: clients then need a certificate. */
  readonly ca?: string | Uint8Array | undefined
  /** Certificates of `ca` that are not trusted any more: a list of revoked ones. */
  readonly crl?: string | Uint8Array | undefined
}

/** What a client shows, and whom it trusts. Not in browsers, which choose themselves. */
export interface ClientTls {
  /** Whom to trust, in place of the authorities that the platform trusts. */
  readonly ca?: string | Uint8Array | undefined
  /** What shows who we are, to servers that ask. */
  readonly key?: string | Uint8Array | undefined
  readonly cert?: string | Uint8Array | undefined
  /**
   * The same in files, each in its place. They are looked at again when connections are made, once a second at most: new ones take what was renewed. What
   * does not belong together changes nothing, and is told once.
   */
  readonly caFile?: string | undefined
  readonly keyFile?: string | undefined
  readonly certFile?: string | undefined
  /** The name that the server's certificate must carry. Default: the host. */
  readonly serverName?: string | undefined
}

/** What a client shows and trusts now. */
export type TlsNow = () => ClientTls | Promise<ClientTls>
