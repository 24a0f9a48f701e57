import type { FromOptions } from './from/options.js'

/** A document a line (NDJSON), or one JSON array. */
export type Format = 'ndjson' | 'json'

/** Where documents are saved: a path, a `file:` URL, or an open Node or web stream. */
export type SaveTarget = string | URL | NodeWritable | WritableStream<Uint8Array>

/** The part of a Node `Writable` that is used. */
export interface NodeWritable {
  write(chunk: string, callback: (error?: Error | null) => void): unknown
  on(event: 'error' | 'close', listener: (error?: any) => void): unknown
  off(event: 'error' | 'close', listener: (error?: any) => void): unknown
}

export interface SaveOptions {
  /** Default: by the extension, `.json` is JSON, all others and streams NDJSON. */
  format?: Format | undefined
}

export interface LoadOptions extends SaveOptions, FromOptions {}
