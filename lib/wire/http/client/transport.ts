import type { Scope } from '../../../stream/scope.js'
import type { ClientTls, TlsNow } from '../../tls-options.js'

export interface TransportOptions {
  readonly url: URL
  /** As it was given. */
  readonly tls: ClientTls
  readonly tlsNow: TlsNow
  readonly connectTimeout: number
  /** Which address behind the name of the URL. */
  readonly at?: string | undefined
  readonly fetch?: typeof fetch | undefined
}

/** A body that is read as it goes, and anew where it has to go once more. */
export interface Streamed {
  /** In bytes. */
  readonly length: number
  read(): AsyncIterable<Uint8Array>
}

/** @typeParam B bodies that a transport takes beside those in memory */
export interface Sending<B = never> {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | B | undefined
}

/** What came back, as far as its head; the body follows. */
export interface Received {
  readonly status: number
  header(name: string): string | undefined
  /** Bytes of the body, where that is known: of one that is packed, it is not. */
  readonly length?: number | undefined
  /** The body as it comes, unpacked. Read no faster than asked for. Of this and {@link whole}, one is called, once. */
  chunks(): AsyncIterable<Uint8Array>
  /**
   * All of the body, unpacked: without an iterator around each small one.
   * @param limit bytes
   * @param came told of each piece
   * @throws (what it returns) HttpRefusal with status 413 for more
   */
  whole(limit: number, came?: () => void): Promise<Uint8Array>
}

/** How requests get to a server. What it throws is the platform's; `failureOf` makes sense of it. */
export interface Transport<B = never> {
  /** @param scope of this one alone. Ends it with its reason, also while the body is read; is ended by who finds that nobody is there any more */
  send(sending: Sending<B>, scope: Scope): Promise<Received>
  close(): unknown
}
