import type { Hold } from '../../../stream/byte-budget.js'
import type { Scope } from '../../../stream/scope.js'
import type { Caller } from '../../authentication.js'

/** One HTTP request and the way back, as every server has them: Node's own, and those that speak in the platform's Request and Response. */
export interface Exchange {
  readonly method: string
  /** Path and query, as they came. */
  readonly target: string
  /** Who asks. */
  readonly caller: Caller
  /** Aborts when the client leaves. */
  readonly scope: Scope
  /** @param name in lower case */
  header(name: string): string | undefined
  /**
   * The whole body, unpacked.
   * @param hold what its bytes are charged to: of a length that is said, before one is read; else as they come
   * @throws HttpRefusal with status 400, 408, 413 or 415; Refused where there is no room for it
   */
  text(limit: number, hold?: Hold): Promise<string>
  /** Who pays for what is written and not taken. */
  tenant?: string | undefined
  /** The body as it comes, unpacked. Read no faster than asked for. */
  chunks(): AsyncIterable<Uint8Array>
  /**
   * Begins an answer that comes piece by piece, in place of a {@link Reply}.
   * @param packs whether it may be packed, for who takes it packed. What many are sent alike is not: it would be packed for each. Nor is it cut in chunks, where that can be: it ends with its connection. Default `true`
   */
  open(status: number, headers: Headers, packs?: boolean): Sink
}

export type Headers = Record<string, string>

/** An answer in one piece. */
export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: string
  /** The body of the request is not wanted, not even to throw it away. */
  readonly unread?: boolean | undefined
}

/** Takes an answer piece by piece. A promise says when the next is welcome: the client may be slow. */
export interface Sink {
  write(text: string | Uint8Array): void | Promise<void>
}
