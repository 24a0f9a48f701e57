import { DocumentArray } from '../doc/array.js'
import { Document, type Tags } from '../doc/document.js'
import type { DocumentDelta } from '../doc/growth.js'
import { copyJson } from '../doc/json.js'
import type { Failure } from './failure.js'
import type { Parameters } from './parameters.js'
import { RESULTS } from './parameters.js'
import type { Route } from './route.js'
import { type Status, statusOf } from './status.js'

/** What a response tells of its request. */
interface Answered {
  readonly header: { readonly execEndpoint: string; readonly targetExecutor: string | undefined; readonly parameters: Parameters }
  readonly docs: DocumentArray
  readonly routes: readonly Route[]
  readonly results: Record<string, unknown> | undefined
  readonly failures: readonly Failure[] | undefined
  readonly id: string
  /** How many partial answers there were. */
  readonly emitted: number
}

/**
 * What comes back for a request.
 *
 * @typeParam T the type of the documents' tags
 */
export class Response<T extends object = Tags> {
  readonly docs: DocumentArray<Document<T>>
  readonly routes: readonly Route[]
  /** What failed, when `status.code` is `'ERROR'`. */
  readonly error: Error | undefined
  /** Whether more follows for the same request: an executor that yields hands on what it has so far. The last response of a request has it all. */
  readonly partial: boolean
  /**
   * What a partial response brings, where its executor yields deltas: which document, what was appended, which tags were set. Its `docs` are the documents that
   * grew, each as it was then, and are made when they are first asked for.
   */
  declare readonly delta: readonly DocumentDelta<T>[] | undefined
  readonly #ordinal: number | undefined
  readonly #request: Answered
  #status: Status | undefined

  /** @param ordinal given for a partial response */
  constructor(request: Answered, error?: Error, ordinal?: number) {
    this.#request = request
    this.#ordinal = ordinal
    this.partial = ordinal !== undefined
    // What an executor left in place of documents stays out of the answer that says so, which nobody could write.
    this.docs = error === undefined ? request.docs : DocumentArray.from<any>(request.docs.filter((doc) => doc instanceof Document))
    // More stops follow behind a partial answer.
    this.routes = ordinal === undefined ? request.routes : [...request.routes]
    this.error = error
  }

  /** 32 hex digits. */
  get requestId(): string {
    return this.#request.id
  }

  /** Which of the responses to its request this is, from 0. */
  get ordinal(): number {
    return this.#ordinal ?? this.#request.emitted
  }

  get header(): { requestId: string; execEndpoint: string; targetExecutor: string | undefined; status: Status } {
    const { execEndpoint, targetExecutor } = this.#request.header
    return { requestId: this.requestId, execEndpoint, targetExecutor, status: this.status }
  }

  /** The request's parameters, and under `__results__` what executors returned as plain objects, by executor. */
  get parameters(): Parameters {
    return Object.assign({}, copyJson(this.#request.header.parameters), { [RESULTS]: this.#request.results ?? {} })
  }

  /** Documents that failed, where the others went on: see `each()` and `Call.fail()`. A partial response has none: the last of its request tells. */
  get failures(): readonly Failure<Document<T>>[] {
    return (this.partial ? undefined : (this.#request.failures as readonly Failure<any>[] | undefined)) ?? []
  }

  /** Jina's other name for the documents. */
  get data(): { docs: DocumentArray<Document<T>> } {
    return { docs: this.docs }
  }

  get status(): Status {
    this.#status ??= statusOf(this.error)
    return this.#status
  }

  toJSON(): object {
    const { header, parameters, routes, docs, failures, delta } = this
    return { header, parameters, routes, data: docs, ...(failures[0] && { failures }), ...(this.partial && { partial: true, ordinal: this.ordinal, delta }) }
  }

  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: object, inspect?: (value: unknown, options: object) => string): unknown {
    const { requestId, status, parameters, routes, docs, failures, delta } = this
    const shown = {
      requestId,
      ...(this.partial && { partial: true }),
      ...(delta && { delta }),
      execEndpoint: this.#request.header.execEndpoint,
      status: status.code,
      parameters,
      routes,
      docs,
      ...(failures[0] && { failures }),
    }
    return inspect === undefined ? shown : `Response ${inspect(shown, options)}`
  }
}
