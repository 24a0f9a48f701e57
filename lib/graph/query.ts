import type { Document } from '../doc/document.js'

/**
 * A condition in Jina's query language: fields of a document, those of its tags as `tags__name`, with what must hold for them:
 * `$eq`, `$neq`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$regex`, `$size`, `$exists`; united by `$and`, `$or`, `$not`.
 */
export interface Query {
  readonly [key: string]: unknown
}

/** Decides which documents an executor gets: a function, or a query. */
export type Condition = ((document: Document<any>) => boolean) | Query
