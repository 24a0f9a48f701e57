import type { Metadata } from '@grpc/grpc-js'
import { SHARE } from '../../sharing.js'
import { METADATA } from '../methods.js'

/** What a client wants of a stream, as its metadata say it. */
export interface StreamOptions {
  /** The most requests inside: the server's own bound, or fewer. */
  readonly limit: number
  readonly ordered: boolean
  /** Partial answers. */
  readonly parts: boolean
  /** As deltas, where they are. */
  readonly deltas: boolean
  /** How many of them it takes ahead; 0 for a client that does not say what it took. */
  readonly window: number
  /** Whether several posts share it. */
  readonly shared: boolean
}

export function streamOptionsOf(metadata: Metadata, most: number): StreamOptions {
  const said = (key: string): string => String(metadata.get(key)[0] ?? '')
  const shared = said(METADATA.shared) === '1'
  const prefetch = /^\d{1,9}$/.test(said(METADATA.prefetch)) ? Number(said(METADATA.prefetch)) : 0
  return {
    // 0 means no bound to Jina, which is for the server to say. Of several posts, our client sees to it that none has more than that.
    limit: (prefetch > 0 ? Math.min(prefetch, most) : most) * (shared ? SHARE : 1),
    ordered: said(METADATA.inOrder) === 'true',
    parts: said(METADATA.partial) === '1',
    deltas: said(METADATA.deltas) === '1',
    window: /^\d{1,3}$/.test(said(METADATA.window)) ? Number(said(METADATA.window)) : 0,
    shared,
  }
}
