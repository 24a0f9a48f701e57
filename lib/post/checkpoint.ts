import { optionRange } from '../base/errors.js'
import type { DocumentArray } from '../doc/array.js'
import { Document, type DocumentLike } from '../doc/document.js'
import { type Seekable, seek } from '../doc/list.js'
import type { Handler } from '../request/handler.js'
import type { Response } from '../request/response.js'
import { later, overdue } from '../stream/event-loop.js'
import { ignore, isThenable, lookAfter } from '../stream/thenable.js'
import { type Batches, batches } from './batches.js'
import { CheckpointFile } from './checkpoint-file.js'
import { source } from './inputs.js'
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
  const file = await CheckpointFile.open(options.checkpoint!, {
    endpoint: header.execEndpoint,
    targetExecutor: header.targetExecutor,
    parameters: header.parameters,
  })
  try {
    const rest = new Rest(file)
    if (from.kind === 'one') opened = rest.ofArray([from.document])
    else if (from.kind === 'array') opened = rest.ofArray(from.items)
    else if (from.kind === 'sync') opened = rest.ofIterable(from.items)
    else if (from.kind === 'async') opened = await rest.ofAsync(from.items as Seekable)
    const skipped = file.done.count
    const tracked: Handler = {
      accepts: (endpoint) => peer.accepts(endpoint),
      handle(request) {
        // With others under way, what they come to is written in one go. Alone, nothing is to be waited for.
        if (rest.begin(request.id, request.docs) === 1) file.settle()
        const { settling } = file
        if (settling === undefined) return peer.handle(request)
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
  /** Of the next item. */
  #position = 0
  /** Documents that were given, and are in no request yet. */
  readonly #given: Run[] = []
  /** Until its request begins. A WeakMap would have the collector look at all of them each time, which takes longer than the rest. */
  readonly #batches = new Map<DocumentArray, Run[]>()
  readonly #requests = new Map<string, Run[]>()

  constructor(file: CheckpointFile) {
    this.#file = file
  }

  // ── the source ─────────────────────────────────────────────────────────────────────────────────────────

  ofArray(items: readonly unknown[]): Iterable<unknown> & { readonly size: number } {
    if (isThenable(items[0])) lookAfter(items)
    this.#checkLength(items.length)
    for (const place of this.#file.sampled) this.#compare(items[place], place)
    const { done } = this.#file
    this.#position = done.gap
    return { size: items.length - done.count, [Symbol.iterator]: () => new SyncRest(this, items.slice(this.#position).values()) }
  }

  ofIterable(items: Iterable<unknown> & { readonly size?: unknown }): Iterable<unknown> & { readonly size: number | undefined } {
    const size = typeof items.size === 'number' ? items.size - this.#file.done.count : undefined
    return { size, [Symbol.iterator]: () => new SyncRest(this, items[Symbol.iterator]()) }
  }

  async ofAsync(items: Seekable & { readonly length?: unknown }): Promise<AsyncIterable<unknown> & { readonly size: number | undefined }> {
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

  /** @throws CheckpointError where the source has less than was done of it */
  ended(): void {
    this.#checkLength(this.#position)
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

  /** Batches pass through, and it is noted what is in them. */
  track(from: Batches): Batches {
    const see = (step: IteratorResult<DocumentArray>): IteratorResult<DocumentArray> => {
      if (!step.done) this.#batches.set(step.value, this.#take(step.value.length))
      return step
    }
    const tracked = (iterator: Iterator<DocumentArray> | AsyncIterator<DocumentArray>): any => ({
      next: () => {
        const step = iterator.next()
        return isThenable(step) ? step.then(see as any) : see(step as IteratorResult<DocumentArray>)
      },
      return: () => iterator.return?.() ?? { done: true, value: undefined },
    })
    return Symbol.asyncIterator in from
      ? { [Symbol.asyncIterator]: () => tracked(from[Symbol.asyncIterator]()) }
      : { [Symbol.iterator]: () => tracked(from[Symbol.iterator]()) }
  }

  #take(count: number): Run[] {
    const runs: Run[] = []
    while (count > 0 && this.#given.length > 0) {
      const [start, end] = this.#given[0]!
      const stop = Math.min(end, start + count)
      runs.push([start, stop])
      count -= stop - start
      if (stop === end) this.#given.shift()
      else this.#given[0]![0] = stop
    }
    return runs
  }

  /** @returns how many requests have begun, and are not done with */
  begin(id: string, docs: DocumentArray): number {
    const runs = this.#batches.get(docs)
    this.#batches.delete(docs)
    if (runs !== undefined) this.#requests.set(id, runs)
    return this.#requests.size
  }

  /** The consumer is done with a response. */
  note({ requestId, partial, error }: Response): void {
    if (partial) return
    const runs = this.#requests.get(requestId) ?? []
    this.#requests.delete(requestId)
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
    try {
      for (; this.#noted < asked - this.#ahead && this.#handed.length > 0; this.#noted++) this.rest.note(this.#handed.shift()!)
    } catch (error) {
      return this.#failed(error)
    }
    return this.responses.next(true).then(this.#given, this.#failed)
  }

  readonly #given = (step: IteratorResult<Response>): IteratorResult<Response> | Promise<IteratorResult<Response>> => {
    this.#open--
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
    const step = await this.responses.return!(value)
    await this.#close()
    return step
  }

  #close(): Promise<void> {
    return (this.#closing ??= this.file.close())
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
