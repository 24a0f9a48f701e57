import { ExecutorError, show } from '../base/errors.js'
import { allocate, DocumentArray } from '../doc/array.js'
import { DELTA, Document, type DocumentLike } from '../doc/document.js'
import { appended, type Change, contentOf, type DocumentDelta, type Growth, misfit } from '../doc/growth.js'
import { copyJson, isPlainObject } from '../doc/json.js'
import { grown, growthIn } from '../request/grown.js'
import { fork } from '../request/lineage.js'
import type { Request } from '../request/request.js'
import { Response } from '../request/response.js'
import { later, overdue } from '../stream/event-loop.js'
import type { Emit } from '../stream/flight.js'
import type { Scope } from '../stream/scope.js'
import type { Delta } from './delta.js'

/** What an async generator may yield: documents, deltas of them, or nothing, after changing those it was given. */
type Yield = DocumentLike | Iterable<DocumentLike> | Delta<any> | Iterable<Delta<any>> | void

interface Collecting {
  readonly request: Request
  /** What the executor is called. */
  readonly name: string
  /** What it was given. Default: the request's documents. */
  readonly given?: DocumentArray
  readonly scope?: Scope
  readonly emit?: Emit<Response> | undefined
  /** Makes documents of what is one or several, or throws what says that it is not. */
  documents(likes: Iterable<DocumentLike>): DocumentArray
  /** Throws what says that those it was given are none any more. */
  check?(): void
}

/**
 * Takes what an async generator yields as one answer, and hands each piece on at once as a partial response.
 *
 * The whole answer is all that was yielded; a document yielded again replaces its former version, by id. Deltas change their document in place. The next piece
 * is asked for when the last was taken, and not at all when nobody wants the answer any more.
 *
 * @returns undefined for one that yielded no whole document: those it was given are the answer
 */
export async function collect(answers: AsyncIterable<Yield>, collecting: Collecting): Promise<DocumentArray | undefined> {
  const { request, scope = request.scope } = collecting
  const emit = 'emit' in collecting ? collecting.emit : request.emit
  const yielded = new Yielded(collecting, emit !== undefined)
  // Leaving the loop closes the generator.
  for await (const answer of answers) {
    if (scope.aborted) throw scope.reason
    const part = yielded.take(answer)
    if (part !== undefined && emit !== undefined) await emit(part)
    // A generator that waits for nothing, and pieces that are taken at once, would leave no turn to sockets: nor to the one that says that nobody listens.
    if (overdue()) await new Promise<void>(later)
    if (scope.aborted) throw scope.reason
  }
  return yielded.whole()
}

/** A document that grows. */
interface Growing {
  readonly growth: Growth
  /** It came whole since. */
  stale: boolean
  /** What it had when its last delta was applied. Where it has something else now, the executor has replaced that, and it is to be handed on whole. */
  content: Document['content']
}

/** What a generator yielded so far. */
class Yielded {
  readonly #collecting: Collecting
  readonly #wanted: boolean
  /** The last version of each document. */
  readonly #all = new Map<Document | string, Document>()
  // Two of those given may have one id, and stay two.
  readonly #known: ReadonlySet<Document>
  readonly #byId: ReadonlyMap<string, Document>
  readonly #growths = new Map<Document | string, Growing>()
  #wholes = false
  /** Whose blobs have room behind them. */
  readonly #roomy = new Set<Document>()

  /** @param wanted whether anybody gets to see the pieces */
  constructor(collecting: Collecting, wanted: boolean) {
    const { request, given = request.docs } = collecting
    this.#collecting = collecting
    this.#wanted = wanted
    this.#known = new Set(given)
    this.#byId = new Map(given.map((document) => [document.id, document]))
  }

  /** @returns what there is to hand on */
  take(answer: Yield): Response | undefined {
    const { request, given, documents, check } = this.#collecting
    let docs = given ?? request.docs
    if (answer !== undefined && answer !== null) {
      const list = !isSeveral(answer as DocumentLike) ? [answer] : Array.isArray(answer) ? answer : [...(answer as Iterable<DocumentLike>)]
      if (list.some(said)) return this.#grow(list)
      docs = documents(list as DocumentLike[])
      this.#wholes ||= docs.length > 0
      for (const document of docs) this.#put(this.#keyOf(document), document)
    } else {
      check?.()
      for (const growing of this.#growths.values()) growing.stale = true
    }
    // A copy goes out, as the generator goes on with the documents.
    return this.#wanted ? new Response(fork(request, docs.clone()), undefined, request.countPart()) : undefined
  }

  /** All of it. */
  whole(): DocumentArray | undefined {
    // Memory of their own, as others have.
    for (const document of this.#roomy) document.blob = document.blob?.slice()
    return this.#wholes ? DocumentArray.from(this.#all.values()) : undefined
  }

  #keyOf(document: Document): Document | string {
    return this.#known.has(document) ? document : (this.#byId.get(document.id) ?? document.id)
  }

  #put(key: Document | string, document: Document): void {
    this.#all.set(key, document)
    const growing = this.#growths.get(key)
    if (growing !== undefined) growing.stale = true
  }

  #grow(list: readonly unknown[]): Response | undefined {
    const { request } = this.#collecting
    const deltas: DocumentDelta[] = []
    for (const one of list) {
      const what = said(one)
      if (what === undefined) throw this.#refuse(`beside ${show(one)}`, 'yield documents and deltas one after the other')
      const { doc } = what
      const key = this.#check(doc)
      const change = this.#changeOf(doc, what.change)
      if (!this.#all.has(key)) this.#all.set(key, doc)
      if (change === undefined) continue
      const growing = this.#wanted ? this.#growing(key, doc) : undefined
      this.#apply(doc, change)
      if (growing === undefined) continue
      // Whatever was said, the document was written into: one that came over a wire is read by now.
      growing.content = doc.content
      deltas.push(growing.growth.grow(change))
    }
    return deltas.length === 0 ? undefined : grown(fork(request, allocate(0)), deltas)
  }

  #growing(key: Document | string, doc: Document): Growing {
    let growing = this.#growths.get(key)
    if (growing === undefined) {
      growing = { growth: growthIn(this.#collecting.request, doc.clone()), stale: false, content: undefined }
      this.#growths.set(key, growing)
    } else if (growing.stale || growing.content !== doc.content) growing.growth.restart(doc.clone())
    growing.stale = false
    return growing
  }

  #apply(doc: Document, { text, blob, tags }: Change): void {
    if (text !== undefined) doc.text += text
    if (blob !== undefined) {
      doc.blob = appended(doc.blob, blob)
      this.#roomy.add(doc)
    }
    if (tags !== undefined) Object.assign(doc.tags, copyJson(tags))
  }

  /** @throws what says that a document is none to grow @returns what it is known by */
  #check(doc: Document): Document | string {
    if (!(doc instanceof Document)) throw this.#refuse(`of ${show(doc)}`, 'give delta() a document')
    const key = this.#keyOf(doc)
    const last = this.#all.get(key)
    if (last === doc) return key
    if (last !== undefined) throw this.#refuse(`of a former version of document ${doc.id}`, 'give delta() the one that was yielded last')
    if (this.#known.has(doc) || this.#collecting.request.docs.includes(doc)) return key
    throw this.#refuse(
      `of document ${doc.id}, which is not of this request`,
      'give delta() a document that the executor was given, or has yielded whole before',
    )
  }

  /** @throws what says that a change is none @returns a copy; undefined for one that changes nothing */
  #changeOf(doc: Document, change: Change): Change | undefined {
    if (typeof change !== 'object' || change === null) throw this.#refuse(`with ${show(change)}`, ADVICE)
    const { text, blob, tags, ...others } = change
    const [other] = Object.keys(others)
    if (other !== undefined) throw this.#refuse(`with ${other}`, ADVICE)
    if (text === undefined && blob === undefined && tags === undefined) throw this.#refuse(`of document ${doc.id} with nothing in it`, ADVICE)
    if (text !== undefined && typeof text !== 'string') throw this.#refuse(`whose text is ${show(text)}`, 'give it a string')
    if (blob !== undefined && !(blob instanceof Uint8Array)) throw this.#refuse(`whose blob is ${show(blob)}`, 'give it a Uint8Array')
    if (text !== undefined && blob !== undefined) throw this.#refuse('with a text and a blob', 'a document has one content')
    if (tags !== undefined && (!isPlainObject(tags) || Object.hasOwn(tags, '__proto__')))
      throw this.#refuse(`whose tags are ${show(tags)}`, 'give it an object, and no tag named __proto__')
    const wrong = misfit(contentOf(doc), change)
    if (wrong !== undefined) throw this.#refuse(wrong, 'text goes behind text, bytes behind a blob. Set doc.content first to replace it')
    const set = Object.entries(tags ?? {}).filter(([, value]) => value !== undefined)
    if (!text && !blob?.length && set.length === 0) return undefined
    return {
      ...(text && { text }),
      ...(blob?.length && { blob: blob.slice() }),
      ...(set.length > 0 && { tags: copyJson(Object.fromEntries(set)) }),
    }
  }

  #refuse(what: string, advice: string): ExecutorError {
    const { name, request } = this.#collecting
    const endpoint = request.header.execEndpoint
    const said = `${name} yielded a delta ${what} for ${endpoint}: ${advice}`
    return new ExecutorError('ERR_EXECUTOR_RESULT', said, { executor: name, endpoint, requestId: request.id, cause: new TypeError(said) })
  }
}

/** What a delta says, whatever copy of this library made it. Undefined for what is none. */
function said(value: unknown): Delta<any>[typeof DELTA] | undefined {
  return typeof value === 'object' && value !== null ? (value as Delta<any>)[DELTA] : undefined
}

const ADVICE = 'give it text or a blob to append, or tags to set: delta(doc, { text })'

export function isSeveral(answer: DocumentLike | Iterable<DocumentLike>): answer is Iterable<DocumentLike> {
  return typeof answer === 'object' && Symbol.iterator in answer && !ArrayBuffer.isView(answer)
}
