import { ExecutorError, optionType, say, show } from '../base/errors.js'
import { likeMethod } from '../base/node.js'
import { allocate, DocumentArray } from '../doc/array.js'
import { Document, type DocumentLike, SELF, type Tags } from '../doc/document.js'
import { isPlainObject } from '../doc/json.js'
import type { Handler } from '../request/handler.js'
import type { Identity } from '../request/identity.js'
import type { Parameters } from '../request/parameters.js'
import type { ContextHeaders, Request } from '../request/request.js'
import { type Bound, bindings, DEFAULT_ENDPOINT, DRY_RUN, rebind } from './bindings.js'
import type { Delta } from './delta.js'

/** What a call said failed. */
export type Failed = ReadonlyMap<Document<any>, { readonly error: unknown; readonly attempts: number }>

const RETURN = 'return nothing, documents, or a plain object for parameters.__results__'

/** Whether the documents were asked for, and so may have been changed. */
let touched: (call: Call) => boolean
/** The documents that it said failed. */
let failedOf: (call: Call) => Failed | undefined
/** For `each()`: which request a call is about. */
export let requestOf: (call: Call<any, any>) => Request

/**
 * What a method of an Executor gets: everything about one request. Take what you need, `({ docs, signal }) => …`;
 * what is not taken is not made.
 *
 * @typeParam T the type of the documents' tags
 * @typeParam P the type of the parameters
 */
export class Call<T extends object = Tags, P extends object = Parameters> {
  readonly #request: Request
  readonly #names: readonly string[]
  readonly #branches: Request['branches']
  #touched = false
  #parameters: P | undefined
  #failed: Map<Document<any>, { error: unknown; attempts: number }> | undefined

  constructor(request: Request, names: readonly string[]) {
    this.#request = request
    this.#names = names
    this.#branches = request.branches
  }

  /** The documents: change them, add to them, or return others. */
  get docs(): DocumentArray<Document<T>> {
    this.#touched = true
    return this.#request.docs as DocumentArray<any>
  }

  /** The parameters as this executor sees them. Its own copy. */
  get parameters(): P {
    this.#parameters ??= this.#request.header.parametersFor(this.#names) as P
    return this.#parameters
  }

  /** At a join: the documents of each branch, in the order of `needs`. Not behind `dynamicBatching`, where documents of several requests meet. */
  get docsMatrix(): DocumentArray<Document<T>>[] | undefined {
    return this.#branches?.map(({ docs }) => docs as DocumentArray<any>)
  }

  /** At a join: the documents by the executor they come from. Not behind `dynamicBatching`. */
  get docsMap(): Record<string, DocumentArray<Document<T>>> | undefined {
    return this.#branches && Object.fromEntries(this.#branches.map(({ executor, docs }) => [executor, docs as DocumentArray<any>]))
  }

  /** Aborts when nobody wants the answer any more. Hand it to what you call. */
  get signal(): AbortSignal {
    return this.#request.scope.signal
  }

  get endpoint(): string {
    return this.#request.header.execEndpoint
  }

  /** Who asks, as `authenticate` or a token of the server said it. Frozen. Undefined where nobody was asked. In a batch, all documents are of one. */
  get identity(): Identity | undefined {
    return this.#request.identity
  }

  get requestId(): string {
    return this.#request.id
  }

  /**
   * What came with the request, as it came: `traceparent`, `tracestate` and `baggage`, whatever wire brought them. They go on to executors elsewhere.
   * Undefined where nothing came, and in a batch, which belongs to several requests.
   */
  get headers(): ContextHeaders | undefined {
    return this.#request.contextHeaders
  }

  /**
   * Says that a document failed. It leaves the graph here, and comes back in `response.failures`; the others go on.
   * @param attempts how often it was tried. Default 1
   * @throws TypeError (`ERR_OPTION_TYPE`) for what is no document
   */
  get fail(): (doc: Document<T>, error: unknown, attempts?: number) => void {
    // Bound, as it is taken out of the call like all else.
    return (doc, error, attempts = 1) => {
      if (!(doc instanceof Document)) throw optionType('doc', 'a document', doc)
      this.#failed ??= new Map()
      if (!this.#failed.has(doc)) this.#failed.set(doc, { error, attempts })
    }
  }

  static {
    touched = (call) => call.#touched
    failedOf = (call) => call.#failed
    requestOf = (call) => call.#request
  }
}

/**
 * What a method of an Executor may return: nothing (the documents were changed in place), documents (they replace those of
 * the request), or a plain object, which is not touched and goes to `response.parameters.__results__` under the executor's name.
 */
export type Answer =
  | void
  | undefined
  | null
  | Document<any>
  | Iterable<DocumentLike<any>>
  | AsyncIterable<DocumentLike<any> | Iterable<DocumentLike<any>> | Delta<any> | Iterable<Delta<any>> | void>
  | Record<string, unknown>

/** A function that is an Executor for every endpoint. */
export type ExecutorFunction<T extends object = Tags, P extends object = Parameters> = (this: any, call: Call<T, P>) => Answer | Promise<Answer>

/** What an Executor is called and what it is for. */
export interface Metas {
  /** Another name for `parameters: { name: { … } }`. Default: the class's name. */
  name?: string
  description?: string
  /** The folder below which the executor has its own. */
  workspace?: string
}

/** What a Flow tells a new Executor. */
export interface ExecutorInit<Config extends object = Record<string, unknown>> {
  /** Its name in the Flow. */
  name?: string
  /** `usesWith`: what the class is configured with. */
  config?: Config
  metas?: Metas
  /** `usesRequests`: methods by endpoint, over the class's own bindings. */
  requests?: Record<string, string>
  /** Which of several replicas it is, from 0. */
  shardId?: number
  workspace?: string | undefined
  /** `this.env`. */
  env?: Readonly<Record<string, string>>
}

/**
 * Handles documents: extend it, and bind methods to endpoints with {@link requests} or `static requests = { '/index': 'index' }`, where
 * a function may stand in place of a method's name, as those that {@link each} makes.
 *
 * @typeParam Config the type of `this.config`, given by `usesWith`
 *
 * @example
 * class Tokenize extends Executor<{ stem: boolean }> {
 *   ⁠@requests('/index')
 *   index({ docs }: Call) {
 *     for (const doc of docs) doc.tags.tokens = split(doc.text, this.config.stem)
 *   }
 * }
 */
export class Executor<Config extends object = Record<string, unknown>> implements Handler {
  /** The name in the Flow. */
  readonly name: string
  readonly config: Config
  readonly metas: Metas
  /** Which of several replicas it is, from 0. */
  readonly shardId: number
  /** The environment it was given: the Flow's `env`, and its own over it. Not `process.env`. */
  readonly env: Readonly<Record<string, string>>
  readonly #base: string | undefined
  readonly #names: readonly string[]
  readonly #requests: Readonly<Record<string, string>>
  #bound: ReadonlyMap<string, Bound> | undefined

  constructor(init: ExecutorInit<Config> = {}) {
    const type = new.target
    this.name = init.name ?? type.name
    this.config = init.config ?? ({} as Config)
    this.metas = { name: type.name || this.name, ...(type as { metas?: Metas }).metas, ...init.metas }
    this.shardId = init.shardId ?? 0
    this.env = init.env ?? {}
    this.#base = this.metas.workspace ?? init.workspace
    this.#names = [...new Set([this.name, this.metas.name ?? this.name])]
    this.#requests = init.requests ?? {}
  }

  /**
   * Names of methods by endpoint: whoever takes a method's place, also later, is called. Asked for when the instance is made, as decorators have
   * their say last.
   */
  get #methods(): ReadonlyMap<string, Bound> {
    if (this.#bound !== undefined) return this.#bound
    const bound = rebind(bindings(this.constructor), this.#requests)
    for (const [endpoint, method] of bound) {
      if (typeof method === 'string' && (typeof (this as any)[method] !== 'function' || method in Executor.prototype))
        throw new ExecutorError(
          'ERR_EXECUTOR_BINDING',
          `${endpoint} is bound to ${this.constructor.name}.${method}, which is not a method for requests${likeMethod(this, method, Executor.prototype)}`,
          {
            executor: this.name,
            endpoint,
          },
        )
    }
    this.#bound = bound
    return bound
  }

  /** Prepares for requests: connections, models, files. Called once before the first; when it fails, the Flow does not open. */
  open(): void | Promise<void> {}

  /** Undoes {@link open}. Called once, after the last request, also when another executor failed to open. */
  close(): void | Promise<void> {}

  /**
   * The executor's own folder, `<workspace>/<name>/<shardId>`, made when the Flow opens.
   * @throws ExecutorError (`ERR_EXECUTOR_BINDING`) when neither the Flow nor the executor was given a workspace
   */
  get workspace(): string {
    if (this.#base === undefined) {
      throw new ExecutorError(
        'ERR_EXECUTOR_BINDING',
        `${this.name} has no workspace: give one to the Flow (workspace) or to the executor (usesMetas: { workspace })`,
        { executor: this.name },
      )
    }
    return `${this.#base}/${this.name}/${this.shardId}`
  }

  /** Whether a workspace was given. */
  get hasWorkspace(): boolean {
    return this.#base !== undefined
  }

  /**
   * What its methods are bound to; `/default` is everything else.
   * @throws ExecutorError (`ERR_EXECUTOR_BINDING`) when an endpoint is bound to something that is not a method; the Flow does not open then
   */
  get endpoints(): readonly string[] {
    return [...this.#methods.keys()]
  }

  accepts(endpoint: string): boolean {
    return this.#methods.has(endpoint) || (this.#methods.has(DEFAULT_ENDPOINT) && endpoint !== DRY_RUN)
  }

  handle(request: Request): void | Promise<void> {
    const method = this.#methods.get(request.header.execEndpoint) ?? this.#methods.get(DEFAULT_ENDPOINT)
    if (method === undefined) return
    const call = new Call(request, this.#names)
    const answer: Answer | Promise<Answer> = (typeof method === 'string' ? (this as any)[method] : method).call(this, call)
    if (typeof (answer as PromiseLike<Answer>)?.then === 'function')
      return Promise.resolve(answer as Promise<Answer>).then((answer) => this.#finish(answer, request, call))
    return this.#finish(answer as Answer, request, call)
  }

  #finish(answer: Answer, request: Request, call: Call): void | Promise<void> {
    const pending = this.#take(answer, request, call)
    return pending === undefined && failedOf(call) === undefined ? undefined : this.#leaveOut(pending, request, call)
  }

  /** Documents that failed go no further. */
  async #leaveOut(pending: void | Promise<void>, request: Request, call: Call): Promise<void> {
    await pending
    const failed = failedOf(call)
    if (failed !== undefined) (await import('./failed.js')).leaveOut(request, this.name, failed)
  }

  #take(answer: Answer, request: Request, call: Call): void | Promise<void> {
    if (answer === undefined || answer === null || answer === request.docs) this.#check(request, call)
    else if (typeof answer !== 'object') throw this.#refuse(`returned ${show(answer)}`, request, RETURN)
    else if (SELF in answer) request.docs = this.#documents([answer as Document], request)
    else if (Symbol.asyncIterator in answer)
      return import('./generator.js').then(({ collect }) =>
        collect(answer as AsyncIterable<any>, {
          request,
          name: this.name,
          documents: (likes) => this.#documents(likes, request),
          check: () => this.#check(request, call),
        }).then((whole) => {
          if (whole === undefined) this.#check(request, call)
          else request.docs = whole
        }),
      )
    else if (Symbol.iterator in answer) request.docs = this.#documents(answer as Iterable<DocumentLike>, request)
    else if (isPlainObject(answer)) {
      this.#check(request, call)
      request.answer(this.name, answer)
    } else throw this.#refuse(`returned ${show(answer)}`, request, RETURN)
  }

  /** What is left in place of documents would fail whoever comes behind, and in its name. Who did not ask for the documents left nothing. */
  #check(request: Request, call: Call): void {
    if (!touched(call)) return
    const at = stranger(request.docs)
    if (at >= 0) throw this.#refuse(`left ${show(request.docs[at])} at docs[${at}]`, request, 'docs.append() makes a document of it')
  }

  #documents(answer: Iterable<DocumentLike>, request: Request): DocumentArray {
    if (answer instanceof DocumentArray && stranger(answer) < 0) return answer
    const docs = allocate(0)
    for (const like of answer) {
      try {
        docs.append(like)
      } catch (cause) {
        throw this.#refuse(`returned ${show(answer)} (${say(cause)})`, request, RETURN, cause)
      }
    }
    return docs
  }

  #refuse(what: string, request: Request, advice: string, cause: unknown = new TypeError(`Not an answer: ${what}`)): ExecutorError {
    const { execEndpoint: endpoint } = request.header
    return new ExecutorError('ERR_EXECUTOR_RESULT', `${this.name} ${what} for ${endpoint}: ${advice}`, {
      executor: this.name,
      endpoint,
      requestId: request.id,
      cause,
    })
  }
}

/** Where the first is that is no document; -1 when all are. */
function stranger(docs: DocumentArray): number {
  for (let at = 0; at < docs.length; at++) if (!(docs[at] instanceof Document)) return at
  return -1
}

/** The class for a function that takes every endpoint. */
export function executorOf(fn: ExecutorFunction<any, any>): typeof Executor {
  const type = class extends Executor<any> {
    static requests = { [DEFAULT_ENDPOINT]: 'run' }
    run(call: Call): unknown {
      return fn.call(this, call)
    }
  }
  // `uses: () => …` would call it "uses"; the name in the Flow says more.
  Object.defineProperty(type, 'name', { value: '' })
  return type as unknown as typeof Executor
}
