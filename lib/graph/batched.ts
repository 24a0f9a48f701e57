import type { Document } from '../doc/document.js'

/** How an executor's batches are put together from several requests. */
export interface DynamicBatching {
  /** A batch goes out as soon as it holds so much: documents, or what `weight` makes of them. An integer ≥ 1. */
  preferredBatchSize: number
  /** Milliseconds that the oldest document waits at most for its batch to fill. Default 10 000, as in Jina. */
  timeout?: number | undefined
  /** Hand over all that is queued when a batch goes out, not `preferredBatchSize` at a time. Default `false`. */
  flushAll?: boolean | undefined
  /** What a document counts. Default: 1. */
  weight?: ((document: Document<any>) => number) | undefined
}
