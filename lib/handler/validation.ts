import type { StandardSchemaV1 } from '@standard-schema/spec'
import { asError, ExecutorError, say, show } from '../base/errors.js'
import { DocumentArray } from '../doc/array.js'
import { type Document, insides } from '../doc/document.js'
import { copyJson, isPlainObject } from '../doc/json.js'
import type { Metas } from '../executor/executor.js'
import type { EndpointSchemas, OutputSchemas } from '../executor/schemas.js'
import { Failure } from '../request/failure.js'
import type { Handler } from '../request/handler.js'
import { adopt, fork } from '../request/lineage.js'
import type { Parameters } from '../request/parameters.js'
import { Header, type Request } from '../request/request.js'
import type { Scope } from '../stream/scope.js'
import { isThenable } from '../stream/thenable.js'
import { type Sayings, SchemaTable } from './schema-table.js'

/** How many reasons a message tells. */
const TOLD = 5

type Result = StandardSchemaV1.Result<unknown>

/** Why a value does not fit a schema: the `cause` of the ExecutorError that says so. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError'
  /** What the schema said, with paths that begin at `tags`, `text` or `parameters`. */
  readonly issues: readonly StandardSchemaV1.Issue[]

  constructor(issues: readonly StandardSchemaV1.Issue[]) {
    const more = issues.length > TOLD ? `; and ${issues.length - TOLD} more` : ''
    super(`${issues.slice(0, TOLD).map(reason).join('; ')}${more}`)
    this.issues = issues
  }
}

interface Settings {
  readonly name: string
  /** Its own, of an executor that runs here. */
  readonly metas: Metas | undefined
  /** What executors of the Flow go by in parameters, all of them once it is open. */
  readonly names: ReadonlySet<string>
  /** Who says schemas of it. */
  readonly said: Sayings
  /** The endpoint of those who ask whether it is there: they bring nothing. */
  readonly probe: string
}

/**
 * Checks documents and parameters where they enter an executor, and documents where they leave it, by the schemas of the executor. What a schema makes of
 * a value is laid over it. A document that does not fit fails alone; parameters that do not fit fail their request.
 */
export class Validation implements Handler {
  readonly #inner: Handler
  readonly #name: string
  /** What the executor goes by in parameters, the strongest last. */
  readonly #names: readonly string[]
  /** What all executors go by. */
  readonly #all: ReadonlySet<string>
  readonly #schemas: SchemaTable
  readonly #probe: string
  /** By the headers of posts. */
  readonly #told = new WeakMap<Header, Told | Promise<Told>>()

  /** @throws OptionTypeError (`ERR_OPTION_TYPE`) that names what is no schema */
  constructor(inner: Handler, { name, metas, names, said, probe }: Settings) {
    this.#inner = inner
    this.#name = name
    this.#names = [name, metas?.name ?? name]
    this.#all = names
    this.#schemas = new SchemaTable(name, said)
    this.#probe = probe
  }

  /** Endpoints that schemas are said of by name. */
  get named(): readonly string[] {
    return this.#schemas.named
  }

  /** What holds at an endpoint. */
  at(endpoint: string): EndpointSchemas | undefined {
    return this.#schemas.at(endpoint)
  }

  accepts(endpoint: string): boolean {
    return this.#inner.accepts(endpoint)
  }

  handle(request: Request): void | Promise<void> {
    const { header } = request
    const schemas = header.execEndpoint === this.#probe ? undefined : this.#schemas.at(header.execEndpoint)
    if (schemas === undefined) return this.#inner.handle(request)
    const told = schemas.input.parameters === undefined ? undefined : this.#tell(header, schemas.input.parameters)
    if (isThenable(told)) return wanted(request.scope, told).then((told) => this.#enter(request, schemas, told))
    return this.#enter(request, schemas, told)
  }

  #enter(request: Request, schemas: EndpointSchemas, told: Told | undefined): void | Promise<void> {
    if (told?.issues !== undefined) throw this.#refuse(request, `does not take the parameters of request ${request.id}`, 'ERR_EXECUTOR_INPUT', told.issues)
    const { length } = request.docs
    const go = (): void | Promise<void> => {
      // Nobody may want the answer any more, by now.
      if (request.scope.aborted) throw request.scope.reason
      // Where all failed, there is nothing to be done, but for whoever is called without documents anyway.
      if (length > 0 && request.docs.length === 0) return
      return this.#ask(request, schemas, told?.header)
    }
    const checking = this.#check(request, schemas.input, 'ERR_EXECUTOR_INPUT')
    return checking === undefined ? go() : checking.then(go)
  }

  #ask(request: Request, { output }: EndpointSchemas, header: Header | undefined): void | Promise<void> {
    const leave = (): void | Promise<void> => this.#check(request, output, 'ERR_EXECUTOR_RESULT')
    if (header === undefined) {
      const pending = this.#inner.handle(request)
      return pending === undefined ? leave() : pending.then(leave)
    }
    const told = fork(request, request.docs, request.scope, header)
    const done = (): void => adopt(request, told)
    let pending: void | Promise<void>
    try {
      pending = this.#inner.handle(told)
    } catch (error) {
      done()
      throw error
    }
    if (pending !== undefined) return pending.finally(done).then(leave)
    done()
    return leave()
  }

  /** What the executor is told of the parameters, checked once for all requests of a post. */
  #tell(header: Header, schema: StandardSchemaV1): Told | Promise<Told> {
    let told = this.#told.get(header)
    if (told === undefined) {
      const conclude = safely((said: Result): Told => {
        const result = within('parameters', said, isPlainObject, 'an object')
        if (result.issues !== undefined) return { issues: result.issues }
        const seen = header.parametersFor(this.#names)
        return { header: laidOver(seen, result.value) === seen ? undefined : new Settled(header, result.value as Parameters) }
      })
      // What addresses this executor was taken out of there, and what addresses others is not its: a schema that is strict must not stumble over it.
      const result = ask(schema, header.parametersFor(this.#names, this.#all))
      told = isThenable(result) ? (result as Promise<Result>).then(conclude) : conclude(result)
      this.#told.set(header, told)
      // A schema that failed may not the next time.
      const forget = ({ issues }: Told): void => void (issues?.[0] instanceof Thrown && this.#told.delete(header))
      if (isThenable(told)) told.then(forget)
      else forget(told)
    }
    return told
  }

  /** Takes documents out of a request that do not fit, and lays over the others what the schemas made of them. */
  #check(request: Request, { tags, text }: OutputSchemas, code: Code): void | Promise<void> {
    if (tags === undefined && text === undefined) return
    const { docs } = request
    const looks = new Array<Look | Promise<Look>>(docs.length)
    let slow = false
    for (let at = 0; at < docs.length; at++) {
      const seen = look(docs[at]!, tags, text)
      looks[at] = seen
      if (isThenable(seen)) slow = true
    }
    return slow ? wanted(request.scope, Promise.all(looks)).then((looks) => this.#part(request, looks, code)) : this.#part(request, looks as Look[], code)
  }

  #part(request: Request, looks: readonly Look[], code: Code): void {
    const { docs, branches } = request
    let failures: Failure[] | undefined
    for (let at = 0; at < docs.length; at++) {
      const doc = docs[at]!
      const { issues, tags, text } = looks[at]!
      if (issues === undefined) {
        if (tags !== undefined) doc.tags = tags
        if (text !== undefined) doc.text = text
        continue
      }
      const what = code === 'ERR_EXECUTOR_INPUT' ? 'does not take' : 'gave what does not fit its output,'
      failures ??= []
      failures.push(new Failure(doc, this.#name, this.#refuse(request, `${what} document ${doc.id} of request ${request.id}`, code, issues), 1))
    }
    if (failures === undefined) return
    const fit = docs.filter((_, at) => looks[at]!.issues === undefined)
    request.docs = DocumentArray.from(fit)
    request.failures = [...(request.failures ?? []), ...failures]
    if (branches === undefined) return
    // At a join, it must not come by the side door. Where documents were united, those of the branches have its id alone.
    const left = new Set(fit)
    const ids = new Set(failures.map(({ doc }) => doc.id))
    const gone = new Set(failures.map(({ doc }) => doc))
    request.branches = branches.map(({ executor, docs }) => ({
      executor,
      docs: DocumentArray.from(docs.filter((doc) => left.has(doc) || !(gone.has(doc) || ids.has(doc.id)))),
    }))
  }

  #refuse({ id, header }: Request, what: string, code: Code, issues: Issues): ExecutorError {
    const name = this.#name
    const [first] = issues
    const thrown = first instanceof Thrown
    const cause = thrown ? asError(first.error) : new SchemaError(issues)
    const { execEndpoint: endpoint } = header
    return new ExecutorError(thrown ? 'ERR_EXECUTOR' : code, `${name} ${what} at ${endpoint}: ${thrown ? `its schema failed: ${say(cause)}` : say(cause)}`, {
      executor: name,
      endpoint,
      requestId: id,
      cause,
    })
  }
}

type Code = 'ERR_EXECUTOR_INPUT' | 'ERR_EXECUTOR_RESULT'
type Issues = readonly StandardSchemaV1.Issue[]
type Path = NonNullable<StandardSchemaV1.Issue['path']>

/** What comes of parameters: why they do not fit, or a header for the executor alone, where they are not as they were. */
interface Told {
  readonly issues?: Issues | undefined
  readonly header?: Header | undefined
}

/** What was seen of a document: what is to be set of it, or why it does not fit. */
interface Look {
  readonly issues?: Issues | undefined
  readonly tags?: Record<string, unknown> | undefined
  readonly text?: string | undefined
}

/** A schema threw, or gave what is no result: the fault of whoever wrote it. */
class Thrown implements StandardSchemaV1.Issue {
  readonly message = ''

  constructor(readonly error: unknown) {}
}

/** What an executor is told instead of the parameters that came. Whoever looks at the answer sees those. */
class Settled extends Header {
  readonly #made: Parameters

  /** @param made what the schema made of them */
  constructor({ execEndpoint, parameters, targetExecutor }: Header, made: Parameters) {
    super(execEndpoint, parameters, targetExecutor)
    this.#made = made
  }

  override get isPlain(): boolean {
    return false
  }

  override parametersFor(names: readonly string[], without?: ReadonlySet<string>): Parameters {
    return copyJson(laidOver(super.parametersFor(names, without), this.#made)) as Parameters
  }
}

/** Whatever is as it should be. */
const FITS: Look = {}

const look = safely((doc: Document<any>, tagged: StandardSchemaV1 | undefined, worded: StandardSchemaV1 | undefined): Look | Promise<Look> => {
  // A schema of tags gets a copy, so that it changes none. The document is not asked for its own: one that came over a wire would be encoded anew.
  const told = tagged && ask(tagged, copyJson(tagsOf(doc)))
  const said = worded && ask(worded, doc.text)
  if (isThenable(told) || isThenable(said)) return Promise.all([told, said]).then(([told, said]) => seen(doc, told, said))
  return seen(doc, told as Result | undefined, said as Result | undefined)
})

function tagsOf(doc: Document<any>): object {
  // Reads the document, where that is still to be done.
  void doc.contentType
  return insides.tags(doc) ?? {}
}

const seen = safely((doc: Document<any>, told: Result | undefined, said: Result | undefined): Look => {
  const { text, contentType } = doc
  const ofTags = told && within('tags', told, isPlainObject, 'an object')
  const ofText = said && within('text', said, isText, 'a text')
  if (ofTags?.issues !== undefined || ofText?.issues !== undefined) return { issues: [...(ofTags?.issues ?? []), ...(ofText?.issues ?? [])] }
  const tags = told && tagsOf(doc)
  const laid = laidOver(tags, ofTags?.value)
  const spoken = ofText === undefined ? text : (ofText.value as string)
  if (spoken !== text && contentType !== undefined && contentType !== 'text')
    return { issues: [{ message: `there is a ${contentType}, and what the schema makes of no text would take its place`, path: ['text'] }] }
  // What is as it was is not touched: it may go on as the bytes that it came in.
  if (laid === tags && spoken === text) return FITS
  return { tags: laid === tags ? undefined : (laid as Look['tags']), text: spoken === text ? undefined : spoken }
})

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

/** What is pending, as long as somebody wants it: a schema is not told to stop, and may never come to an end. */
function wanted<T>(scope: Scope, pending: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const unwatch = scope.watch(reject)
    pending.finally(unwatch).then(resolve, reject)
  })
}

function ask(schema: StandardSchemaV1, value: unknown): Result | Promise<Result> {
  try {
    const result = askZod(schema as Zod, value) ?? schema['~standard'].validate(value)
    return isThenable(result) ? Promise.resolve(result).then(known, failed) : known(result)
  } catch (error) {
    return failed(error)
  }
}

/** zod 4, as far as it is asked in its own way. */
interface Zod extends StandardSchemaV1 {
  readonly _zod?: { run?(payload: { value: unknown; issues: unknown[] }, context: { async: boolean }): ZodPayload | Promise<ZodPayload> }
  safeParseAsync?(value: unknown): Promise<{ readonly error?: { readonly issues: Issues } }>
}

interface ZodPayload {
  readonly value: unknown
  readonly issues: readonly unknown[]
}

/**
 * zod (4.6) answers the standard's question synchronously first. Where a check is asynchronous, it is begun, given up, and asked again; and what it rejects with is heard by
 * nobody then, which ends the process. Asked like this, it is asked once. @returns undefined where it is no such schema, and for what it found wrong at once
 */
function askZod(schema: Zod, value: unknown): Promise<Result> | Result | undefined {
  if (schema._zod?.run === undefined || schema.safeParseAsync === undefined) return undefined
  const pending = schema._zod.run({ value, issues: [] }, { async: true })
  if (!isThenable(pending)) return (pending as ZodPayload).issues.length === 0 ? { value: (pending as ZodPayload).value } : undefined
  return (pending as Promise<ZodPayload>).then(async ({ value: given, issues }): Promise<Result> => {
    if (issues.length === 0) return { value: given }
    // In words, which zod finds at its own door alone.
    const { error } = await schema.safeParseAsync!(value)
    return error === undefined ? { value: given } : { issues: error.issues }
  })
}

function failed(error: unknown): { readonly issues: Issues } {
  return { issues: [new Thrown(error)] }
}

/** What reads what a schema gave: an object may throw whenever it is looked at. */
function safely<A extends unknown[], R>(read: (...args: A) => R): (...args: A) => R | { readonly issues: Issues } {
  return (...args) => {
    try {
      return read(...args)
    } catch (error) {
      return failed(error)
    }
  }
}

/** A result as Standard Schema has it, whatever came: each part is read once. */
const known = safely((result: Result): Result => {
  if (typeof result !== 'object' || result === null) throw new TypeError('nothing: neither a value nor issues')
  const { issues } = result as { readonly issues?: unknown }
  if (issues === undefined || issues === null) return { value: (result as StandardSchemaV1.SuccessResult<unknown>).value }
  if (!Array.isArray(issues)) throw new TypeError(`its issues must be a list, not ${show(issues)}`)
  return { issues: issues.length === 0 ? [{ message: 'it does not fit, and the schema does not say why' }] : Array.from(issues, issueOf) }
})

function issueOf(issue: unknown): StandardSchemaV1.Issue {
  const { message, path } = Object(issue) as { readonly message?: unknown; readonly path?: unknown }
  const steps: unknown[] = Array.isArray(path) ? [...path] : [path]
  return { message: typeof message === 'string' && message !== '' ? message : show(issue), path: steps.filter(isStep) }
}

function isStep(step: unknown): step is PropertyKey | StandardSchemaV1.PathSegment {
  const key = typeof step === 'object' && step !== null ? (step as Partial<StandardSchemaV1.PathSegment>).key : step
  return ['string', 'number', 'symbol'].includes(typeof key)
}

/** A result whose issues have their whole paths, and whose value is what can stand there. */
function within(root: string, result: Result, fits: (value: unknown) => boolean, due: string): Result {
  if (result.issues !== undefined) {
    if (result.issues[0] instanceof Thrown) return result
    return { issues: result.issues.map(({ message, path = [] }) => ({ message, path: [root, ...path] })) }
  }
  return fits(result.value) ? result : { issues: [new Thrown(new TypeError(`${root} must stay ${due}, not become ${show(result.value)}`))] }
}

function reason({ message, path = [] }: StandardSchemaV1.Issue): string {
  const own = spelt(path.slice(1))
  // Messages of arktype begin with the path themselves.
  return `${spelt(path)}: ${own !== '' && message.startsWith(`${own} must `) ? message.slice(own.length + 1) : message}`
}

function spelt(path: Path): string {
  let at = ''
  for (const step of path) {
    const key = typeof step === 'object' ? step.key : step
    at += typeof key === 'number' || /^\d+$/.test(String(key)) ? `[${String(key)}]` : `${at === '' ? '' : '.'}${String(key)}`
  }
  return at
}

/** Objects over each other at every depth, so that what a schema does not name stays. Lists and all else are as the schema gives them. What is the same, stays the same object. */
function laidOver(under: unknown, over: unknown): unknown {
  if (Object.is(under, over)) return under
  if (!isPlainObject(under) || !isPlainObject(over)) return same(under, over) ? under : over
  let laid = under
  for (const key of Object.keys(over)) {
    const value = over[key]
    const known = Object.hasOwn(under, key)
    if (value === undefined && !known) continue
    const next = known ? laidOver(under[key], value) : value
    if (known && Object.is(next, under[key])) continue
    if (laid === under) laid = { ...under }
    // A key named __proto__ is a key like others.
    Object.defineProperty(laid, key, { value: next, enumerable: true, configurable: true, writable: true })
  }
  return laid
}

function same(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (one instanceof Date && other instanceof Date) return Object.is(one.getTime(), other.getTime())
  if (Array.isArray(one) && Array.isArray(other)) return one.length === other.length && one.every((item, at) => same(item, other[at]))
  if (!isPlainObject(one) || !isPlainObject(other)) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key) && same(one[key], other[key]))
}
