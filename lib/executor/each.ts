import { callback, check, milliseconds, object, patience, type Retries, retries, some } from '../base/check.js'
import { optionRange, optionType } from '../base/errors.js'
import type { Document, DocumentLike, Tags } from '../doc/document.js'
import type { Identity } from '../request/identity.js'
import type { Parameters } from '../request/parameters.js'
import type { Delta } from './delta.js'
import type { Call } from './executor.js'
import type { AnsweredTags, EachFunction, EachParameters, EachTags } from './schema-types.js'
import type { ByEndpoint, InputSchemas, OutputSchemas } from './schemas.js'

/** Loaded with the first documents. */
let PerDocument: typeof import('./per-document.js').PerDocument | undefined

/** How many documents of `each()` are in work at once, unless told otherwise: as many as a post has requests in flight. */
const CONCURRENCY = 16

const PER = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/** What a function of `each()` gets beside its document. */
export interface EachCall<P extends object = Parameters> {
  /** Aborts when nobody wants the answer any more, or when `attemptTimeout` is over. Hand it to what you call. */
  readonly signal: AbortSignal
  /** The parameters as this executor sees them: one copy for all documents of a request. */
  readonly parameters: P
  readonly endpoint: string
  readonly requestId: string
  /** Who asks: see `Call.identity`. */
  readonly identity: Identity | undefined
  /** Which try of this document it is, from 1. */
  readonly attempt: number
}

/**
 * What a function of `each()` may return for its document: nothing (it was changed in place), `null` (it is dropped), a document (no bare text, which a short arrow gives by accident), several
 * documents (which take its place, in their order), or an async iterable, whose pieces are handed on as partial answers.
 */
export type EachAnswer<T extends object = any> =
  | void
  | undefined
  | null
  | Answered<T>
  | Iterable<Answered<T>>
  | AsyncIterable<Answered<T> | Iterable<Answered<T>> | Delta<any> | Iterable<Delta<any>> | void>

type Answered<T extends object> = DocumentLike<T> | Document<any>

/** A bound of calls in a time. */
export interface Rate<T extends object = Tags> {
  /** What may begin in any time of the length `per`: documents, or what `weight` makes of them. A number > 0. */
  limit: number
  /** A length of time: `'second'`, `'minute'`, `'hour'`, `'day'`, or milliseconds. */
  per: keyof typeof PER | number
  /** What a document counts, a number from 0 to `limit`: its tokens, for instance. Default: 1. */
  weight?: ((doc: Document<T>) => number) | undefined
}

export interface EachOptions<
  T extends object = Tags,
  I extends ByEndpoint<InputSchemas> = ByEndpoint<InputSchemas>,
  O extends ByEndpoint<OutputSchemas> = ByEndpoint<OutputSchemas>,
> {
  /**
   * The most documents in work at once, of all requests together, for each replica. An integer ≥ 1, or Infinity. Default 16.
   * A document that waits to be tried again is not in work. One that was given up after `attemptTimeout` keeps its place until its call ends, for as
   * long again at most.
   */
  concurrency?: number | undefined
  /**
   * How many documents may begin in a time; several bounds hold together. One count for all replicas in this process. Tries count, too. Default: no bound.
   * `limit` may begin at once; in no time of the length `per`, wherever it begins, more.
   */
  rate?: Rate<T> | readonly Rate<T>[] | undefined
  /** How often a document that failed is tried again: a number, or with its waits. Default 0. What waits to be tried again as the Flow closes has `closeTimeout` for it. */
  retries?: number | Retries | undefined
  /** Milliseconds before a document's second try; each further wait is twice as long, less a random part of up to a half. Default 100. `retries.delay` is the same. */
  delay?: number | undefined
  /** Milliseconds no wait exceeds, but for what `retryAfter` of an error says. Default 5000. */
  maxDelay?: number | undefined
  /** Whether a failure may pass. Default: all but answers that have no meaning, and what was refused for good. */
  retryIf?: ((error: unknown, doc: Document<T>) => boolean) | undefined
  /** Milliseconds that one try of a document may take; then its `signal` aborts, and it has failed. The wait for the consumer of its pieces does not count. Default: no end. */
  attemptTimeout?: number | undefined
  /** What it takes: schemas of `tags`, `text` and `parameters`, see `input` of `add()`. */
  input?: I | undefined
  /** What it gives: schemas of `tags` and `text`, see `output` of `add()`. */
  output?: O | undefined
}

const RULES = {
  concurrency: some,
  rate,
  retries,
  delay: milliseconds,
  maxDelay: milliseconds,
  retryIf: callback,
  attemptTimeout: patience,
  input: object,
  output: object,
}

/**
 * An executor that calls a function once a document, with a bounded number of documents in work, and as often in a time as a service allows. A document
 * that fails is tried again by itself, and leaves the graph by itself: it is in `response.failures`, and the others go on.
 *
 * A failure's `retryAfter` is obeyed, for all documents: milliseconds, a Date, or the text of the HTTP header (seconds, or a date).
 *
 * @param fn gets a document, and an {@link EachCall}; see {@link EachAnswer} for what it may return. `this` is the executor
 * @returns for `uses`, or for an endpoint: `static requests = { '/index': each(…) }`
 * @throws TypeError or RangeError (`ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`) that names the option
 *
 * @example
 * flow.add({
 *   uses: each(async (doc, { signal }) => { doc.tags.summary = await summarize(doc.text, signal) }, {
 *     concurrency: 16, rate: { limit: 500, per: 'minute' }, retries: 3, attemptTimeout: 30_000,
 *   }),
 * })
 */
export function each<
  T extends object = Tags,
  P extends object = Parameters,
  const I extends ByEndpoint<InputSchemas> = never,
  const O extends ByEndpoint<OutputSchemas> = never,
>(
  fn: (doc: Document<EachTags<T, I, O>>, call: EachCall<EachParameters<P, I>>) => EachAnswer<AnsweredTags<O>> | Promise<EachAnswer<AnsweredTags<O>>>,
  options: EachOptions<EachTags<T, I, O>, I, O> = {},
): EachFunction<T, P, I, O> {
  if (typeof fn !== 'function') throw optionType('What each() calls', 'a function', fn)
  check('each()', options, RULES)
  const { concurrency = CONCURRENCY, rate = [], retries: given = 0, delay, maxDelay, retryIf, attemptTimeout, input, output } = options
  const { attempts, ...waits } = typeof given === 'number' ? { attempts: given } : given
  const rates = ([rate].flat() as Rate<T>[]).map(({ limit, per, weight }) => ({ limit, per: typeof per === 'number' ? per : PER[per], weight }))
  const settings = {
    fn,
    concurrency,
    rates,
    retries: attempts,
    delay: delay ?? (waits as Retries).delay,
    maxDelay: maxDelay ?? (waits as Retries).maxDelay,
    retryIf,
    attemptTimeout,
  }
  let shared: InstanceType<NonNullable<typeof PerDocument>> | undefined
  const run = (executor: unknown, call: Call<any, any>) => (shared ??= new PerDocument!(settings as never)).answer(executor, call)
  // Pictures say by its name what it is, and a bundler, which renames functions, leaves the names of methods alone.
  const named = {
    each(this: unknown, call: Call<any, any>) {
      if (PerDocument !== undefined) return run(this, call)
      return import('./per-document.js').then((loaded) => {
        PerDocument = loaded.PerDocument
        return run(this, call)
      })
    },
  }
  // Whoever opens it finds them there, as the statics of a class.
  return Object.assign(named.each, { input, output, fn }) as EachFunction<T, P, I, O>
}

function rate(name: string, value: unknown): void {
  for (const one of [value].flat() as Rate[]) {
    check(name, one, { limit: more, per: length, weight: callback })
    more(`limit of ${name}`, one.limit)
    length(`per of ${name}`, one.per)
    if (one.weight === undefined && one.limit < 1)
      throw optionRange(`limit of ${name}`, 'at least 1, which is what a document counts: one in two seconds is { limit: 1, per: 2000 }', one.limit)
  }
}

function more(name: string, value: unknown): void {
  if (typeof value !== 'number') throw optionType(name, 'a number', value)
  if (!(value > 0 && value < Infinity)) throw optionRange(name, 'a number > 0', value)
}

function length(name: string, value: unknown): void {
  if (typeof value === 'string' && Object.hasOwn(PER, value)) return
  if (typeof value !== 'number') throw optionType(name, `milliseconds, or one of ${Object.keys(PER).join(', ')}`, value)
  milliseconds(name, value)
  if (value === 0) throw optionRange(name, 'more than 0 milliseconds', value)
}
