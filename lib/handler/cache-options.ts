import { flag, memory, numeric, oneOrMore, string, unless, word } from '../base/check.js'

/** Where answers are kept, and how long. */
export interface StoreOptions {
  /** A folder of its own, made where there is none. Executors, Flows and processes may share one. */
  path?: string | undefined
  /**
   * Milliseconds after which an answer is made anew, or Infinity. Default 30 days: what stands behind an executor (a service, a table) changes without a
   * version of its own, and each answer is then made once a month.
   */
  maxAge?: number | undefined
  /**
   * Bytes of all answers together, or a text such as `'512m'`; those go that were used longest ago. Default `'4g'`: a million embeddings of 768 numbers, with
   * their texts. Where one run needs more, it finds nothing: what comes last has pushed out what the next run asks for first. It is told then.
   */
  maxSize?: number | string | undefined
}

/** How the answers of an executor are kept, so that it is called for what changed alone. */
export interface CacheOptions extends StoreOptions {
  /** What the executor is: another one finds no answer of the former. Default: `static version` of its class, `version` of its function, else the text of either. */
  version?: string | number | undefined
  /**
   * What an answer is of. `'document'`: the executor gives one document for each, in their order, and what it makes of one depends on that one alone; only
   * those are handed to it that are not known. `'request'`: all documents of a request together; it may add, drop and reorder them. Default: `'document'`,
   * and at a join `'request'`.
   */
  per?: 'document' | 'request' | undefined
  /** The endpoints whose answers are kept. Default: all. */
  endpoints?: string | readonly string[] | undefined
  /** Whether ids are content. Default `false`: documents that differ in ids alone have one answer, which is given under the ids of who asks. */
  ids?: boolean | undefined
  /** Whether it is kept that a document failed, too. Default `false`: the next run tries it again. Not with `per: 'request'`. */
  failures?: boolean | undefined
  /** Whether answers are kept that came in parts. They come whole then, at once. Default `false`: an executor that streams is called each time. */
  streams?: boolean | undefined
}

export const STORE_RULES = {
  path: string,
  maxAge: (name: string, value: unknown) => numeric(name, value, 'a number of milliseconds ≥ 1, or Infinity', (value as number) >= 1),
  maxSize: (name: string, value: unknown) =>
    typeof value === 'number' ? numeric(name, value, 'a number of bytes ≥ 1, or Infinity', value >= 1) : memory(name, value),
}

export const CACHE_RULES = {
  ...STORE_RULES,
  version: unless('string number'),
  per: word('document request'),
  endpoints: oneOrMore(string),
  ids: flag,
  failures: flag,
  streams: flag,
}
