import type { Metadata } from '@grpc/grpc-js'
import { METADATA } from '../methods.js'

/** What a client wants of a stream, as its metadata say it. */
export interface Wishes {
  /** The most requests inside: the server's own bound, or fewer. */
  readonly limit: number
  readonly ordered: boolean
  /** Partial answers. */
  readonly parts: boolean
  /** What it calls the stream when it says what it took. */
  readonly credit: string
}

export function wishesOf(metadata: Metadata, most: number): Wishes {
  const said = (key: string): string => String(metadata.get(key)[0] ?? '')
  const prefetch = /^\d{1,9}$/.test(said(METADATA.prefetch)) ? Number(said(METADATA.prefetch)) : 0
  return {
    // 0 means no bound to Jina, which is for the server to say.
    limit: prefetch > 0 ? Math.min(prefetch, most) : most,
    ordered: said(METADATA.inOrder) === 'true',
    parts: said(METADATA.partial) === '1',
    credit: said(METADATA.credit),
  }
}
