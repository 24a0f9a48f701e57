import { InputError, optionRange } from '../base/errors.js'
import type { DocumentArray } from '../doc/array.js'
import { Document, type DocumentLike } from '../doc/document.js'
import { type Seekable, seek } from '../doc/list.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import type { Response } from '../request/response.js'
import { later, overdue } from '../stream/event-loop.js'
import { Keyed } from '../stream/keyed.js'
import { ignore, isThenable, lookAfter } from '../stream/thenable.js'
import { type Batches, batches } from './batches.js'
import { CheckpointFile } from './checkpoint-file.js'
import { source } from './inputs.js'
import { DEFAULT_PREFETCH } from './options.js'
import type { Job, Prepared } from './prepared.js'

/** Documents from one position to before another. */
type Run = [start: number, end: number]

/**
 * The responses of a job that may have been begun before: what is done is not read again, where the source can be asked so, and goes nowhere else. A response
 * counts as done when the consumer asks for the next one. One that failed does not: the next run tries it again.
 * @throws rejects with CheckpointError (`ERR_CHECKPOINT`), RangeError (`ERR_OPTION_RANGE`) for `prefetch: 0`, which bounds nothing that is done twice
 */
export async function resumed({ peer, header, inputs, size, flushAfter, options, answering }: Job): Promise<Prepared> {
  if (options.prefetch === 0) throw optionRange('prefetch', 'at least 1 with a checkpoint: so many requests may be made twice', 0)
  let opened = inputs
  let from = source(opened)
  while (from.kind === 'later') {
    opened = await from.open()
    from = source(opened)
  }
  // Promises in a list have all begun, so that any may fail: while the file is read, and those of what is done.
  if (from.kind === 'array') lookAfter(from.items)
  const file = await CheckpointFile.open(options.checkpoint!, {
    endpoint: header.execEndpoint,
    targetExecutor: header.targetExecutor,
    parameters: header.parameters,
  })
  try {
    const rest = new Rest(file, options.prefetch ?? DEFAULT_PREFETCH)
    if (from.kind === 'one') opened = rest.ofArray([from.document])
    else if (from.kind === 'array') opened = rest.ofArray(from.items)
    else if (from.kind === 'sync') opened = rest.ofIterable(from.items)
    else if (from.kind === 'async') opened = await rest.ofAsync(from.items as Seekable)
    const skipped = file.done.count
    const tracked: Handler = {
      accepts: (endpoint) => peer.accepts(endpoint),
      handle(request) {
        rest.begin(request)
        const { settling } = file
        if (settling === undefined) return peer.handle(request)
        // Its documents came later than they were asked for: what was noted meanwhile is written first, all the same.
        return settling.then(() => {
          file.check()
          return peer.handle(request)
        })
      },
    }
    const responses = answering(tracked, opened)(rest.track(batches(size, flushAfter)(opened)))
    return { responses: new Noted(responses, rest, file), inputs: opened, skipped }
  } catch (error) {
    await file.close().catch(ignore)
    throw error
  }
}

/** What is left to do, and which documents became which request. */
class Rest {
  readonly #file: CheckpointFile
  readonly #prefetch: number
  /** Of the next item. */
  #position = 0
  /** Documents that were given, and are in no request yet. */
  readonly #given: Run[] = []
  /** All documents, where the runs of those that are given are known from the start. */
  #items: readonly unknown[] | undefined
  /** What is read. As a progress bar sees it, too, one that somebody ended says so. */
  #source: { readonly isStopped?: unknown } | undefined
  /** Until its request begins. A WeakMap would have the collector look at all of them each time, which takes longer than the rest. */
  readonly #batches = new Keyed<DocumentArray, readonly Run[]>()
  /** Those that have begun, and that the consumer is not done with, by the list of their stops: it is the one of their responses, too. An id would have to be made up. */
  readonly #requests = new Keyed<Request['routes'], readonly Run[]>()
  /** Lets the reading go on that waits for the consumer. */
  #go: (() => void) | undefined
  /** Whether the consumer waits for a response. */
  asked = false
  #over = false

  constructor(file: CheckpointFile, prefetch: number) {
    this.#file = file
    this.#prefetch = prefetch
  }

  // ── the source ─────────────────────────────────────────────────────────────────────────────────────────

  /** A list of what is left is read as any list is, which is cheaper than to ask for each document whether it is done. */
  ofArray(items: readonly unknown[]): readonly unknown[] {
    this.#checkLength(items.length)
    for (const place of this.#file.sampled) this.#compare(items[place], place)
    this.#items = items
    const left: unknown[] = []
    let at = 0
    for (const [start, end] of this.#file.done) {
      for (let place = at; place < start; place++) left.push(items[place])
      if (at < start) this.#given.push([at, start])
      at = end
    }
    // What is added to it while it is read comes, too.
    this.#given.push([at, Infinity])
    if (at === 0) return items
    for (let place = at; place < items.length; place++) left.push(items[place])
    return left
  }

  ofIterable(items: Iterable<unknown> & { readonly size?: unknown }): Iterable<unknown> & { readonly size: number | undefined } {
    this.#source = items as object
    const size = typeof items.size === 'number' ? items.size - this.#file.done.count : undefined
    return { size, [Symbol.iterator]: () => new SyncRest(this, items[Symbol.iterator]()) }
  }

  async ofAsync(items: Seekable & { readonly length?: unknown }): Promise<AsyncIterable<unknown> & { readonly size: number | undefined }> {
    this.#source = items as object
    let opened: AsyncIterable<unknown> = items
    let size: number | undefined
    if (items[seek] !== undefined) {
      const { done, sampled } = this.#file
      const length = await items.length
      if (typeof length === 'number') {
        this.#checkLength(length)
        size = length - done.count
      }
      for (const place of sampled) {
        const { value, done: over } = await items[seek](place)[Symbol.asyncIterator]().next()
        if (over) throw this.#file.changed(`document ${place} was read of it, and is not there any more`)
        this.#compare(value, place)
      }
      this.#position = done.gap
      opened = items[seek](done.gap)
    }
    return { size, [Symbol.asyncIterator]: () => new AsyncRest(this, opened[Symbol.asyncIterator]()) }
  }

  /** Whether the next item is still to be done. */
  takes(item: unknown): boolean {
    const file = this.#file
    const position = this.#position++
    if (file.asks(position)) this.#compare(item, position)
    if (file.done.has(position)) {
      if (isThenable(item)) lookAfter([item])
      return false
    }
    const last = this.#given.at(-1)
    if (last !== undefined && last[1] === position) last[1]++
    else this.#given.push([position, position + 1])
    return true
  }

  /** @throws CheckpointError where the source has less than was done of it. One that somebody ended before it was through is none of these. */
  ended(): void {
    if (this.#source?.isStopped !== true) this.#checkLength(this.#position)
  }

  /** @throws CheckpointError that says how long it is, and how long it was at least */
  #checkLength(length: number): void {
    const { done, sampled } = this.#file
    const read = Math.max(done.end, ...Array.from(sampled, (place) => place + 1))
    if (length < read) throw this.#file.changed(`it has ${length} documents, and ${read} were read of it`)
  }

  #compare(item: unknown, position: number): void {
    const text = isThenable(item) ? undefined : markOf(item)
    if (text !== undefined) this.#file.sample(position, text)
  }

  // ── the requests ───────────────────────────────────────────────────────────────────────────────────────

  /** Batches pass through, and it is noted what is in them. Each is read when its request may begin: all that wait, wait once. */
  track(from: Batches): Batches {
    const see = (step: IteratorResult<DocumentArray>): IteratorResult<DocumentArray> => {
      if (!step.done) this.#batches.set(step.value, this.#take(step.value.length))
      return step
    }
    const skipped = this.#file.done.count
    const tell = (error: unknown): never => {
      // Who looks for it counts all of them.
      if (skipped > 0 && error instanceof InputError)
        throw new InputError('ERR_INPUT', `${error.message} (not counting the ${skipped} that are done)`, { cause: error.cause })
      throw error
    }
    const tracked = (iterator: Iterator<DocumentArray> | AsyncIterator<DocumentArray>): any => {
      const read = (): unknown => {
        // Who left has had it closed.
        if (this.#over) return { done: true, value: undefined }
        try {
          const step = iterator.next()
          return isThenable(step) ? step.then(see as any, tell) : see(step as IteratorResult<DocumentArray>)
        } catch (error) {
          return tell(error)
        }
      }
      return {
        next: () => (this.#mayBegin ? read() : this.#turn().then(read)),
        return: () => {
          this.end()
          return iterator.return?.() ?? { done: true, value: undefined }
        },
      }
    }
    return Symbol.asyncIterator in from
      ? { [Symbol.asyncIterator]: () => tracked(from[Symbol.asyncIterator]()) }
      : { [Symbol.iterator]: () => tracked(from[Symbol.iterator]()) }
  }

  /**
   * So that no more is done twice than may be under way, a request waits until what was noted before is written, together with what others note in this turn; and
   * until the consumer is done with one, where so many have begun: the one that it has in its hands is not done.
   */
  get #mayBegin(): boolean {
    // Alone, nothing is to be waited for.
    if (this.#requests.size === 0) this.#file.settle()
    return this.#file.settling === undefined && !this.#isFull
  }

  get #isFull(): boolean {
    return this.#requests.size >= this.#prefetch && !this.asked && !this.#over
  }

  async #turn(): Promise<void> {
    while (!this.#mayBegin) {
      if (this.#isFull)
        await new Promise<void>((resolve) => {
          this.#go = resolve
        })
      else await this.#file.settling
    }
    this.#file.check()
  }

  /** The consumer has asked, or is done with something. */
  wake(): void {
    this.#go?.()
    this.#go = undefined
  }

  /** Nobody asks any more. */
  end(): void {
    this.#over = true
    this.wake()
  }

  #take(count: number): readonly Run[] {
    const given = this.#given
    const first = given[0]
    // Mostly, all are of one run.
    if (first !== undefined && first[0] + count < first[1]) {
      const start = first[0]
      first[0] += count
      return [this.#sampled(start, first[0])]
    }
    const runs: Run[] = []
    while (count > 0 && given.length > 0) {
      const [start, end] = given[0]!
      const stop = Math.min(end, start + count)
      runs.push(this.#sampled(start, stop))
      count -= stop - start
      if (stop === end) given.shift()
      else given[0]![0] = stop
    }
    return runs
  }

  /** Of a list, documents are looked at here: nobody else knows their places. */
  #sampled(start: number, end: number): Run {
    const items = this.#items
    if (items !== undefined)
      for (let place = this.#file.nextAsked(start); place < end; place = this.#file.nextAsked(place + 1)) this.#compare(items[place], place)
    return [start, end]
  }

  begin({ routes, docs }: Request): void {
    const runs = this.#batches.get(docs)
    this.#batches.delete(docs)
    if (runs !== undefined) this.#requests.set(routes, runs)
  }

  /** The consumer is done with a response. */
  note({ routes, partial, error }: Response): void {
    if (partial) return
    const stops = routes as Request['routes']
    const runs = this.#requests.get(stops) ?? []
    this.#requests.delete(stops)
    if (error === undefined) for (const [start, end] of runs) this.#file.note(start, end)
  }
}

/** What tells whether a document is the one that it was: its content, where it comes from, and its tags if it has neither. Ids may be new each time. */
function markOf(item: unknown): string | Uint8Array | undefined {
  try {
    const { content, uri, tags } = Document.from(item as DocumentLike)
    if (typeof content === 'string' && content !== '') return content
    if (content instanceof Uint8Array) return content
    if (content !== undefined && content !== '') return new Uint8Array(content.data.buffer, content.data.byteOffset, content.data.byteLength)
    return uri ?? JSON.stringify(tags)
  } catch {
    // It is told where it is read.
    return undefined
  }
}

class SyncRest implements IterableIterator<unknown> {
  constructor(
    private readonly rest: Rest,
    private readonly items: Iterator<unknown>,
  ) {}

  next(): IteratorResult<unknown> {
    for (;;) {
      const step = this.items.next()
      if (step.done) this.rest.ended()
      if (step.done || this.rest.takes(step.value)) return step
    }
  }

  return(): IteratorResult<unknown> {
    this.items.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.iterator](): this {
    return this
  }
}

class AsyncRest implements AsyncIterableIterator<unknown> {
  constructor(
    private readonly rest: Rest,
    private readonly items: AsyncIterator<unknown>,
  ) {}

  async next(): Promise<IteratorResult<unknown>> {
    for (;;) {
      const step = await this.items.next()
      if (step.done) this.rest.ended()
      if (step.done || this.rest.takes(step.value)) return step
      if (overdue()) await new Promise<void>(later)
    }
  }

  /** Not behind a read that may never end. */
  async return(): Promise<IteratorResult<unknown>> {
    return (await this.items.return?.()) ?? { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** Responses pass through. Each is noted when the consumer asks for the next, before it gets that. */
class Noted implements AsyncIterableIterator<Response> {
  readonly #handed: Response[] = []
  #noted = 0
  #asked = 0
  /** Questions that are not answered yet, and the most there ever were: who asks ahead is done with one so many questions later. */
  #open = 0
  #ahead = 1
  #closing: Promise<void> | undefined

  constructor(
    private readonly responses: AsyncIterableIterator<Response>,
    private readonly rest: Rest,
    private readonly file: CheckpointFile,
  ) {}

  next(): Promise<IteratorResult<Response>> {
    this.#open++
    this.#ahead = Math.max(this.#ahead, this.#open)
    const asked = ++this.#asked
    this.rest.asked = true
    try {
      for (; this.#noted < asked - this.#ahead && this.#handed.length > 0; this.#noted++) this.rest.note(this.#handed.shift()!)
    } catch (error) {
      return this.#failed(error)
    }
    this.rest.wake()
    return this.responses.next(true).then(this.#given, this.#failed)
  }

  readonly #given = (step: IteratorResult<Response>): IteratorResult<Response> | Promise<IteratorResult<Response>> => {
    this.rest.asked = --this.#open > 0
    if (step.done) return this.#close().then(() => step)
    this.#handed.push(step.value)
    return step
  }

  /** What ended it is the news, and not what the end of the file says. */
  readonly #failed = async (error: unknown): Promise<never> => {
    this.#open--
    await this.responses.return?.().catch(ignore)
    await this.#close().catch(ignore)
    throw error
  }

  async return(value?: unknown): Promise<IteratorResult<Response>> {
    this.rest.end()
    const step = await this.responses.return!(value)
    await this.#close()
    return step
  }

  #close(): Promise<void> {
    this.rest.end()
    return (this.#closing ??= this.file.close())
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
