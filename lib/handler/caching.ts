import { ExecutorError, say } from '../base/errors.js'
import { DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { Failure } from '../request/failure.js'
import type { Handler } from '../request/handler.js'
import { fork } from '../request/lineage.js'
import type { Header, Request } from '../request/request.js'
import { Route } from '../request/route.js'
import { failedAt, goneOf, mismatch } from './attribution.js'
import type { CacheOptions } from './cache-options.js'
import { written } from './parameter-key.js'

/** What was asked: a hash of it, and the ids of the documents, which are none of the hash. */
export interface Known {
  readonly key: Buffer
  readonly ids: readonly string[]
}

/** An answer as it is kept. */
export interface KeptAnswer {
  readonly docs: readonly Document[]
  /** Plain objects, by executor. */
  readonly results?: Record<string, unknown> | undefined
  /** What a document failed at, in place of `docs`. */
  readonly failures?: readonly { readonly executor: string; readonly code: string; readonly reason: string; readonly attempts: number }[] | undefined
}

/** Where answers are kept: see doc/store/answers. Nothing of it throws: an answer that cannot be had is made. */
export interface Answers {
  /** A short text that stands for a long one. */
  digest(text: string): string
  /** @param about what is asked, beside the documents @returns undefined for what has no lasting content */
  known(about: string, documents: readonly (readonly Document[])[], ids: boolean): Known | undefined
  read(known: Known): KeptAnswer | undefined
  /** The documents may be changed as soon as it returns. @returns false for what cannot be kept as it is, and for more than maxSize, or about 2 GiB */
  write(known: Known, answer: KeptAnswer): boolean
  /** Why nothing can be written or read any more. */
  readonly trouble: Error | undefined
  close(): Promise<void>
}

interface Settings extends Pick<CacheOptions, 'per' | 'ids' | 'failures' | 'streams'> {
  readonly name: string
  /** What the executor goes by in parameters, the strongest last. */
  readonly names: readonly string[]
  /** What executors of the Flow go by, all of them once it is open. */
  readonly all: ReadonlySet<string>
  /** What it is. */
  readonly identity: string
  readonly endpoints: readonly string[] | undefined
  open(): Promise<Answers>
  /** Told what no response can tell: once of each kind. */
  report(error: Error): void
}

/** What became of a document: of several replicas, one may have answered it, and another failed at it. */
interface Answer {
  readonly document: Document | undefined
  readonly failures: readonly Failure[] | undefined
}

/** Hands an executor the documents alone that it has not answered before. */
export class Caching implements Handler {
  readonly name: string
  readonly #inner: Handler
  readonly #settings: Settings
  /** By the headers of posts; '' for one whose parameters have no lasting value. */
  readonly #abouts = new WeakMap<Header, string>()
  readonly #told = new Set<string>()
  #store: Answers | undefined

  constructor(inner: Handler, settings: Settings) {
    this.name = settings.name
    this.#inner = inner
    this.#settings = settings
  }

  /** @throws rejects with DependencyError (`ERR_DEPENDENCY`) without lmdb, StoreError for what is broken or of another version */
  async open(): Promise<void> {
    this.#store = await this.#settings.open()
  }

  async close(): Promise<void> {
    const store = this.#store
    this.#store = undefined
    await store?.close()
    this.#tell(store?.trouble)
  }

  accepts(endpoint: string): boolean {
    return this.#inner.accepts(endpoint)
  }

  handle(request: Request): void | Promise<void> {
    const { per = request.branches === undefined ? 'document' : 'request', endpoints } = this.#settings
    const store = this.#store
    if (store === undefined || request.docs.length === 0 || endpoints?.includes(request.header.execEndpoint) === false) return this.#inner.handle(request)
    const about = this.#aboutOf(request, store, per)
    if (about === '') return this.#inner.handle(request)
    return per === 'document' ? this.#byDocument(request, store, about) : this.#byRequest(request, store, about)
  }

  /** What is asked, beside the documents; '' where that has no lasting value. */
  #aboutOf({ header, identity }: Request, store: Answers, per: string): string {
    let about = this.#abouts.get(header)
    if (about === undefined) {
      const { names, all, identity } = this.#settings
      try {
        about = store.digest(`${identity}\n${JSON.stringify(header.execEndpoint)}${written(header.parametersFor(names, all), unlasting)}`)
      } catch {
        about = ''
        this.#hint('gets parameters that have no lasting value, such as functions: its answers to them are not kept')
      }
      this.#abouts.set(header, about)
    }
    // Who asks: what is made for one must not be given to another.
    return about && `${about}\n${per}${identity === undefined ? '' : JSON.stringify(identity)}`
  }

  // ── document by document ───────────────────────────────────────────────────────────────────────────────

  #byDocument(request: Request, store: Answers, about: string): void | Promise<void> {
    const { docs } = request
    const { ids = false, streams = false } = this.#settings
    const known = docs.map((document) => store.known(about, [[document]], ids))
    const found = known.map((one) => one && store.read(one))
    if (known.includes(undefined)) this.#hint('gets documents with what has no lasting value, such as instances of classes: its answers to them are not kept')
    const asked: number[] = []
    for (let at = 0; at < docs.length; at++) if (found[at] === undefined) asked.push(at)
    const hits = docs.length - asked.length
    this.#count(request, hits)
    if (asked.length === 0) return this.#unite(request, found, [])
    const items = asked.map((at) => ({ document: docs[at]! }))
    const names = items.map(({ document }) => document.id)
    const part = fork(request, hits === 0 ? docs : DocumentArray.from(items.map(({ document }) => document)))
    // As behind dynamicBatching: documents of branches are not taken apart.
    part.branches = undefined
    return this.#ask(request, part, hits === 0, (parted) => {
      const passes = parted && !streams
      if (passes) this.#hint('answers in parts, which are not kept: cache: { streams: true } keeps them, whole')
      // What is never kept may be as it likes.
      if (passes && hits === 0) return this.#take(request, part)
      const failed = failedAt(items, part.failures)
      const gone = goneOf(names, failed, part.docs)
      const wrong =
        part.results === undefined
          ? mismatch(
              names.filter((_, at) => !gone.has(at)),
              part.docs,
            )
          : 'with a plain object'
      if (wrong !== undefined) throw this.#refuse(request, wrong)
      let next = 0
      const answers: Answer[] = asked.map((at, index) => {
        const failures = failed.get(index)
        const document = gone.has(index) ? undefined : part.docs[next++]!
        const one = known[at]
        if (one !== undefined && !passes) {
          if (failures === undefined) this.#write(request, store, one, { docs: [document!] })
          else if (document === undefined && this.#settings.failures) this.#write(request, store, one, { docs: [], failures: failures.map(keptFailure) })
        }
        return { document, failures }
      })
      this.#tell(store.trouble)
      if (hits === 0) return this.#take(request, part)
      this.#unite(request, found, answers)
    })
  }

  /** Puts together what was known and what was answered, in the order of the documents. */
  #unite(request: Request, found: readonly (KeptAnswer | undefined)[], answers: readonly Answer[]): void {
    const docs: Document[] = []
    const failures: Failure[] = []
    let next = 0
    for (let at = 0; at < found.length; at++) {
      const known = found[at]
      const answer: Answer =
        known === undefined
          ? answers[next++]!
          : { document: known.docs[0], failures: known.failures?.map((failure) => this.#failureOf(request, request.docs[at]!, failure)) }
      if (answer.document !== undefined) docs.push(answer.document)
      if (answer.failures !== undefined) failures.push(...answer.failures)
    }
    request.docs = DocumentArray.from(docs)
    if (failures.length > 0) request.failures = [...(request.failures ?? []), ...failures]
  }

  #failureOf({ header, id }: Request, doc: Document, { executor, code, reason, attempts }: NonNullable<KeptAnswer['failures']>[number]): Failure {
    const { execEndpoint: endpoint } = header
    const said = `${executor} failed at ${endpoint} for document ${doc.id} of request ${id}: ${reason}`
    return new Failure(
      doc,
      executor,
      new ExecutorError(code as 'ERR_EXECUTOR', said, { executor, endpoint, requestId: id, cause: new Error(reason) }),
      attempts,
    )
  }

  #refuse({ header, id }: Request, wrong: string): ExecutorError {
    const reason = `${this.name} answered a request ${wrong} at ${header.execEndpoint}`
    const advice = `With a cache, it must return one document for each it was given, in their order. Say cache: { per: 'request' } for one that does not, or name the others in endpoints`
    return new ExecutorError('ERR_EXECUTOR_RESULT', `${reason}. ${advice}`, {
      executor: this.name,
      endpoint: header.execEndpoint,
      requestId: id,
      cause: new TypeError(reason),
    })
  }

  // ── as a whole ─────────────────────────────────────────────────────────────────────────────────────────

  #byRequest(request: Request, store: Answers, about: string): void | Promise<void> {
    const { docs, branches = [] } = request
    const { ids = false, streams = false } = this.#settings
    const of = `${about}${JSON.stringify(branches.map(({ executor }) => executor))}`
    const known = store.known(of, [docs, ...branches.map(({ docs }) => docs)], ids)
    if (known === undefined) {
      this.#hint('gets documents with what has no lasting value, such as instances of classes: its answers to them are not kept')
      return this.#inner.handle(request)
    }
    const found = store.read(known)
    this.#count(request, found === undefined ? 0 : docs.length)
    if (found !== undefined) {
      request.docs = DocumentArray.from(found.docs)
      for (const [executor, result] of Object.entries(found.results ?? {})) request.answer(executor, result)
      return
    }
    const part = fork(request, docs)
    return this.#ask(request, part, true, (parted) => {
      const { docs, results, failures } = part
      if (parted && !streams) this.#hint('answers in parts, which are not kept: cache: { streams: true } keeps them, whole')
      // A request with a document that failed is asked for again.
      else if (failures === undefined) this.#write(request, store, known, { docs, results })
      this.#tell(store.trouble)
      this.#take(request, part)
    })
  }

  // ── both ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * @param all whether it has all documents of the request
   * @param finish gets whether any of the answer was handed on before
   */
  #ask(request: Request, part: Request, all: boolean, finish: (parted: boolean) => void): void | Promise<void> {
    part.results = undefined
    part.failures = undefined
    let parted = false
    const { emit } = part
    part.emit =
      emit &&
      ((response) => {
        parted = true
        return emit(response)
      })
    const failed = (error: unknown): never => {
      // What came back with a failure is kept, as without a cache.
      if (all) this.#take(request, part)
      throw error
    }
    let pending: void | Promise<void>
    try {
      pending = this.#inner.handle(part)
    } catch (error) {
      return failed(error)
    }
    return pending === undefined ? finish(parted) : pending.then(() => finish(parted), failed)
  }

  /** Takes over the answer of a part that is all of the request. */
  #take(request: Request, { docs, results, failures }: Request): void {
    request.docs = docs
    for (const [executor, result] of Object.entries(results ?? {})) request.answer(executor, result)
    if (failures !== undefined) request.failures = [...(request.failures ?? []), ...failures]
  }

  #write({ scope }: Request, store: Answers, known: Known, answer: KeptAnswer): void {
    // An executor that heard of it may have stopped half-way, and returned what it had.
    if (scope.aborted) return
    if (!store.write(known, answer))
      this.#hint(
        'makes what cannot be kept as it is, such as instances of classes, or more in one answer than maxSize, or 2 GiB: it is called for it each time',
      )
  }

  /** Says at its stop how many documents did not reach it. */
  #count({ routes }: Request, hits: number): void {
    for (let at = routes.length - 1; hits > 0 && at >= 0; at--) {
      const route = routes[at]!
      if (route.executor !== this.name) continue
      route.cached = hits
      // Few routes have it: what all of them are written by is a part of what every page loads.
      Object.defineProperty(route, 'toJSON', { value: () => ({ ...Route.prototype.toJSON.call(route), cached: hits }), configurable: true })
      return
    }
  }

  #hint(what: string): void {
    const { name } = this
    if (!this.#told.has(what))
      this.#tell(new ExecutorError('ERR_EXECUTOR_RESULT', `The cache of ${name} does less than it could: ${name} ${what}`, { executor: name }), what)
  }

  #tell(error: Error | undefined, kind: string = say(error)): void {
    if (error === undefined || this.#told.has(kind)) return
    this.#told.add(kind)
    this.#settings.report(error)
  }
}

function unlasting(): never {
  throw new TypeError('no lasting value')
}

function keptFailure({ executor, error, attempts }: Failure): NonNullable<KeptAnswer['failures']>[number] {
  return { executor, code: error.code, reason: say(error.cause ?? error), attempts }
}
