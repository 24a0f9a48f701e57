import type { Document } from '../../doc/document.js'
import type { Column } from './columns.js'
import type { Counted } from './counted.js'
import type { Reader } from './reader.js'

/** The columns of a message. */
export interface Columns {
  readonly columns: Column[]
  /** How many documents it has, without those in them. */
  documents: number
  /** Bytes of columns, for each of these. */
  share: number
}

/** Where documents come from that are not read yet. One for all of a message. */
export interface Source {
  readonly reader: Reader
  /** What kind of protobuf it is. Bytes of one kind are no bytes of another. */
  readonly model: 'v1' | 'v2'
  readonly counted: Counted
  /** Reads columns, where tensors may stand in some: of a message that came from another thread or process of this Flow. Given, so that pages load none of it. */
  readonly readColumn?: ((reader: Reader, end: number) => Column) | undefined
  /** Where some do. */
  packed?: Columns
  /** Where documents begin that say their id twice: the last one holds, and has to be looked for. */
  renamed?: Set<number>
  /**
   * Fills a document from the bytes between two positions. Returns whether its id was there.
   * @param id as far as it is known, so that it is not read twice
   */
  read(source: Source, document: Document, start: number, end: number, depth: number, id: string): boolean
}
