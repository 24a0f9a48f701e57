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
