import { clearTimeout, setTimeout } from '../base/clock.js'
import type { Context } from '../base/context.js'
import { ExecutorError, isError, optionRange } from '../base/errors.js'
import { allocate, DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { isPlainObject } from '../doc/json.js'
import { Failure } from '../request/failure.js'
import type { Handler } from '../request/handler.js'
import { batchOf } from '../request/lineage.js'
import type { Request } from '../request/request.js'
import { BATCHES, traceBatch } from '../request/traced.js'
import { whenFinished } from '../request/under-way.js'
import { Scope } from '../stream/scope.js'
import { failedAt, goneOf, mismatch } from './attribution.js'

/** How an executor's batches are put together from several requests. */
export interface DynamicBatching {
  /** A batch goes out as soon as it holds so much: documents, or what `weight` makes of them. An integer ≥ 1. */
  preferredBatchSize: number
  /** Milliseconds that a document waits at most for its batch to fill. Default 10 000, as in Jina. */
  timeout?: number | undefined
  /** Hand over all that waits when a batch goes out, not `preferredBatchSize` at a time. Default `false`. */
  flushAll?: boolean | undefined
  /** What a document counts. Default: 1. */
  weight?: ((document: Document<any>) => number) | undefined
}

/** As in Jina. */
const TIMEOUT = 10_000

/** A request whose documents wait, or are being handled, in one batch or several. */
interface Ticket {
  readonly request: Request
  /** What became of each of its documents. */
  readonly answers: DocumentArray
  /** The plain objects of each of its batches, and where its documents begin. */
  readonly results: { readonly at: number; readonly results: Readonly<Record<string, unknown>> }[]
  readonly failures: Failure[]
  /** Documents without an answer. */
  left: number
  /** Nobody waits for it any more. */
  over: boolean
  /** Documents that wait for a batch, and what they weigh. */
  waiting: number
  weight: number
  readonly batches: Set<Batch>
  settle(error?: { reason: unknown }): void
}

/** A document of a request on its way through a batch. */
interface Item {
  readonly ticket: Ticket
  readonly at: number
  readonly document: Document
  readonly weight: number
}

/** What the executor is called with. */
interface Batch {
  readonly items: readonly Item[]
  readonly scope: Scope
  /** Requests with documents in it that are still wanted. */
  wanted: number
  done: Promise<void> | undefined
}

/** Documents of requests that may share a batch. */
export class Queue {
  readonly #name: string
  readonly #handler: Handler
  readonly #context: Context
  readonly #size: number
  readonly #timeout: number
  readonly #flushAll: boolean
  readonly #weigh: (document: Document) => number
  readonly #onEmpty: () => void
  /** What waits is here from `#first` on, and among it what waited for nobody any more: taking that out at once would cost a walk for each who leaves. */
  #items: Item[] = []
  #first = 0
  #waiting = 0
  #weight = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(
    name: string,
    handler: Handler,
    { preferredBatchSize, timeout = TIMEOUT, flushAll = false, weight = () => 1 }: DynamicBatching,
    context: Context,
    onEmpty: () => void,
  ) {
    this.#name = name
    this.#handler = handler
    this.#context = context
    this.#size = preferredBatchSize
    this.#timeout = timeout
    this.#flushAll = flushAll
    this.#weigh = weight
    this.#onEmpty = onEmpty
  }

  /** Settles when all documents of the request have their answers, or the first batch with one of them has failed. */
  add(request: Request): Promise<void> {
    try {
      return this.#add(request)
    } finally {
      // What was refused leaves nothing: clients choose the parameters that this is kept by.
      if (this.#waiting === 0) this.#onEmpty()
    }
  }

  #add(request: Request): Promise<void> {
    const weights = request.docs.map((document) => this.#weigh(document))
    const wrong = weights.find((weight) => !(weight >= 0))
    if (wrong !== undefined || weights.some((weight) => typeof weight !== 'number'))
      throw optionRange(`What weight of ${this.#name} gives`, 'a number ≥ 0', wrong)
    if (request.scope.aborted) throw request.scope.reason
    return new Promise((resolve, reject) => {
      const ticket: Ticket = {
        request,
        answers: allocate(request.docs.length),
        results: [],
        failures: [],
        left: request.docs.length,
        over: false,
        waiting: 0,
        weight: 0,
        batches: new Set(),
        settle: (failure) => {
          if (ticket.over) return
          ticket.over = true
          unwatch()
          if (failure === undefined) resolve()
          else reject(failure.reason)
        },
      }
      const unwatch = request.scope.watch((reason) => this.#leave(ticket, reason))
      request.docs.forEach((document, at) => {
        // What fills a batch fills it, however much it weighs: sums stay finite.
        const item = { ticket, at, document, weight: Math.min(weights[at]!, this.#size, Number.MAX_SAFE_INTEGER) }
        this.#items.push(item)
        this.#count(item, 1)
      })
      if (this.#weight >= this.#size) this.#send(false)
      if (this.#waiting > 0) this.#timer ??= setTimeout(() => this.flush(), this.#timeout)
    })
  }

  /** Sends all that waits. */
  flush(): void {
    this.#send(true)
  }

  /** A request is no longer wanted: its documents do not go out, and a batch of which nothing is wanted stops. */
  #leave(ticket: Ticket, reason: unknown): void {
    ticket.settle({ reason })
    this.#waiting -= ticket.waiting
    this.#weight -= ticket.weight
    for (const batch of ticket.batches) {
      if (--batch.wanted === 0) batch.scope.abort(reason)
      if (batch.done !== undefined) ticket.request.linger(batch.done)
    }
    this.#tidy()
    if (this.#waiting === 0) this.#rest()
  }

  /** @param all also what does not fill a batch */
  #send(all: boolean): void {
    while (this.#waiting > 0 && (all || this.#weight >= this.#size)) {
      const items: Item[] = []
      let weight = 0
      while (this.#waiting > 0 && (this.#flushAll || weight < this.#size)) {
        const item = this.#items[this.#first++]!
        if (item.ticket.over) continue
        this.#count(item, -1)
        weight += item.weight
        items.push(item)
      }
      this.#tidy()
      const batch: Batch = { items, scope: new Scope(), wanted: 0, done: undefined }
      batch.done = this.#context.runInAsyncScope(this.#run, this, batch)
    }
    this.#rest()
    // What is left is what came last, and waits from now on.
    if (this.#waiting > 0) this.#timer = setTimeout(() => this.flush(), this.#timeout)
  }

  #count({ ticket, weight }: Item, sign: 1 | -1): void {
    ticket.waiting += sign
    ticket.weight += sign * weight
    this.#waiting += sign
    this.#weight += sign * weight
  }

  /** Forgets what waits no more once it is half of what is kept, so that each item is moved once or twice, however many leave. */
  #tidy(): void {
    if (this.#waiting * 2 > this.#items.length) return
    this.#items = this.#items.slice(this.#first).filter(({ ticket }) => !ticket.over)
    this.#first = 0
    // Anew, as sums of fractions drift.
    this.#weight = this.#items.reduce((sum, { weight }) => sum + weight, 0)
  }

  #rest(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting === 0) this.#onEmpty()
  }

  async #run(batch: Batch): Promise<void> {
    const tickets = new Set(batch.items.map(({ ticket }) => ticket))
    batch.wanted = tickets.size
    for (const ticket of tickets) ticket.batches.add(batch)
    const docs = DocumentArray.from(batch.items.map(({ document }) => document))
    const ids = docs.map(({ id }) => id)
    const first = batch.items[0]!.ticket.request
    const request = batchOf(first, docs, batch.scope)
    request.tenant = rarest(batch.items)
    try {
      if (BATCHES.isHeard) {
        const of = Array.from(tickets, ({ request: { id, contextHeaders } }) => ({ requestId: id, headers: contextHeaders }))
        await traceBatch(this.#name, request, of, () => this.#handler.handle(request))
      } else await this.#handler.handle(request)
      const failed = failedAt(batch.items, request.failures)
      const gone = goneOf(ids, failed, request.docs)
      const wrong = mismatch(
        ids.filter((_, at) => !gone.has(at)),
        request.docs,
      )
      if (wrong !== undefined) throw this.#mismatch(request, `a batch ${wrong}`)
      this.#deal(batch, request, failed, gone)
    } catch (reason) {
      for (const ticket of tickets) if (!ticket.over) this.#leave(ticket, of(ticket.request, request, reason))
    } finally {
      // An attempt that took too long goes on.
      const finished = whenFinished(request)
      for (const ticket of tickets) {
        ticket.batches.delete(batch)
        if (finished !== undefined) ticket.request.linger(finished)
      }
    }
  }

  /** Deals the answer back, document by document; plain objects go to all. */
  #deal({ items }: Batch, batch: Request, failed: ReadonlyMap<number, readonly Failure[]>, gone: ReadonlySet<number>): void {
    const { docs, results } = batch
    let next = 0
    items.forEach(({ ticket, at }, index) => {
      if (!gone.has(index)) ticket.answers[at] = docs[next++]!
      for (const { doc, executor, error, attempts } of failed.get(index) ?? [])
        ticket.failures.push(new Failure(doc, executor, of(ticket.request, batch, error) as Failure['error'], attempts))
      if (results !== undefined && ticket !== items[index - 1]?.ticket) ticket.results.push({ at, results })
      if (--ticket.left > 0 || ticket.over) return
      const { request, answers, failures } = ticket
      request.docs = failures.length === 0 ? answers : DocumentArray.from(answers.filter(() => true))
      if (failures.length > 0) request.failures = [...(request.failures ?? []), ...failures]
      unite(ticket)
      ticket.settle()
    })
  }

  #mismatch({ header: { execEndpoint }, id }: Request, what: string): ExecutorError {
    const reason = `${this.#name} answered ${what} at ${execEndpoint}`
    return new ExecutorError('ERR_EXECUTOR_RESULT', `${reason}. With dynamicBatching, it must return as many as it was given, in their order`, {
      executor: this.#name,
      endpoint: execEndpoint,
      requestId: id,
      cause: new TypeError(reason),
    })
  }
}

/** Who has least in a batch. It waits as a request of theirs: who floods would let all wait whose documents share a batch with its own. */
function rarest(items: readonly Item[]): string | undefined {
  const counts = new Map<string | undefined, number>()
  for (const { ticket } of items) counts.set(ticket.request.tenant, (counts.get(ticket.request.tenant) ?? 0) + 1)
  let [rarest, least] = [items[0]!.ticket.request.tenant, Infinity]
  for (const [tenant, count] of counts) if (count < least) [rarest, least] = [tenant, count]
  return rarest
}

/** Plain objects of several batches become one, key by key, in the order of the documents, whichever batch was first. */
function unite({ request, results }: Ticket): void {
  results.sort((a, b) => a.at - b.at)
  for (const { results: all } of results)
    for (const [executor, result] of Object.entries(all)) {
      const before = request.results !== undefined && Object.hasOwn(request.results, executor) ? request.results[executor] : undefined
      request.answer(executor, isPlainObject(before) && isPlainObject(result) ? { ...before, ...result } : result)
    }
}

/** What a batch failed of, as the failure of one of its requests. */
function of(request: Request, batch: Request, reason: unknown): unknown {
  if (!isError(reason) || !(reason instanceof ExecutorError) || reason.requestId !== batch.id) return reason
  const { code, message, executor, endpoint, cause } = reason
  return new ExecutorError(code as 'ERR_EXECUTOR', message.replace(batch.id, request.id), { executor, endpoint, requestId: request.id, cause })
}
