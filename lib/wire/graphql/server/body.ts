import type { IncomingMessage } from 'node:http'
import { GraphQLError } from 'graphql'
import { MAX_NESTING } from '../../../doc/json-value.js'
import type { ByteBudget, Hold } from '../../../stream/byte-budget.js'
import type { Scope } from '../../../stream/scope.js'
import { ignore } from '../../../stream/thenable.js'
import { JSON_WEIGHT } from '../../charge.js'
import { hasMore, tooManyDocuments } from '../../documents.js'
import { join } from '../../http/body.js'
import { parseJson, TooDeep } from '../../json-text.js'
import { graphQLError, refusal } from './failures.js'
import { inspectJson } from './json.js'

/** What a request came on. */
export interface Connection {
  /** Under Node. */
  readonly req?: IncomingMessage & { readonly body?: unknown }
  /** What its bytes are charged to, where they are counted. */
  readonly charge?: BodyCharge | undefined
  /** What was made of its body, where that was read before. */
  readonly body?: Promise<object> | undefined
}

/** An HTTP request, as far as resolvers look at it. */
export interface Asking {
  readonly method: string
  readonly headers: { get(name: string): string | null }
  /** Aborts when its client leaves. */
  readonly signal: AbortSignal
  /** The same, where it costs less. */
  readonly scope?: Scope
}

/** A request, as far as its body is concerned. */
export interface Bodied extends Partial<Pick<globalThis.Request, 'body' | 'json'>> {
  readonly headers: { get(name: string): string | null }
}

/** What a body is charged to: of a length that is said, before one byte is read; else as they come. */
export class BodyCharge {
  /** Which endpoint's answer it has. */
  endpoint: string | undefined

  constructor(
    private readonly budget: ByteBudget,
    readonly hold: Hold,
    private readonly scope: Scope,
  ) {}

  /** @param bytes how many come, where that is said */
  ask(bytes: number | undefined): void | Promise<void> {
    const room = bytes === undefined ? this.hold.begin(this.scope) : this.hold.ask(this.scope, bytes)
    return room?.catch((error) => Promise.reject(graphQLError(error, ignore)))
  }

  /** There is none for the rest. */
  refused(): unknown {
    return graphQLError(this.budget.refused(), ignore)
  }

  /** It came too slowly. */
  late(): unknown {
    return graphQLError(this.budget.busy(), ignore)
  }
}

/**
 * The body of a request, parsed. Reads no further than `limit` bytes.
 * @throws GraphQLError with status 413 when there is more, 400 when it is no JSON object, or one nested too deep
 */
export async function readJson(request: Bodied, { req, charge }: Connection, limit: number, maxDocuments: number): Promise<object> {
  // A framework has read it.
  const parsed = req?.body !== undefined ? inspected(await request.json!()) : parse(await readText(request, req, limit, charge))
  const json = parsed instanceof Promise ? await parsed : parsed
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw refusal('malformed', 'The body must be a JSON object with a query; a list of operations is not taken')
  // Before they are looked at as GraphQL's types, which takes longer than all else.
  if (hasMore(itemsIn((json as { variables?: object | null }).variables ?? {}), maxDocuments)) throw refusal('tooLarge', tooManyDocuments(maxDocuments))
  return json
}

/** What the variables are, and what their lists have in them. */
function itemsIn(variables: object): readonly unknown[] {
  const values = Object.values(variables)
  // Most often one list.
  return values.length === 1 && Array.isArray(values[0]) ? values[0] : values.flat()
}

/** Strict: what is no UTF-8 is no JSON either. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

async function readText(request: Bodied, req: IncomingMessage | undefined, limit: number, charge: BodyCharge | undefined): Promise<string> {
  const length = request.headers.get('content-length')
  // One that says it is too large is refused at its first bytes, on the same way as one that does not say it.
  const most = Number(length) > limit ? 0 : limit
  const said = length !== null && most > 0
  const room = charge?.ask(said ? Number(length) * JSON_WEIGHT : undefined)
  if (room !== undefined) await room
  const bytes = await (req === undefined ? fromStream(request.body ?? null, most) : fromSocket(req, most, charge, said))
  if (bytes === undefined) throw refusal('tooLarge', `The body is larger than ${limit} bytes. Send fewer documents at a time, or raise maxBodyBytes`)
  try {
    return utf8.decode(bytes)
  } catch {
    throw refusal('malformed', 'The body is not UTF-8')
  }
}

function inspected<T>(value: T): T {
  inspectJson(value, (reason) => refusal('malformed', `The body ${reason}`))
  return value
}

function parse(text: string): unknown {
  try {
    // Where there is no such key, not even in other words, a look into every object would find none.
    const json = parseJson(text, text.includes('__proto__') || text.includes('\\u') ? { look: inspected } : {})
    return json instanceof Promise ? json.catch((error) => Promise.reject(unread(error))) : json
  } catch (error) {
    throw unread(error)
  }
}

function unread(error: unknown): unknown {
  if (error instanceof GraphQLError) return error
  return refusal('malformed', error instanceof TooDeep ? `The body is nested deeper than ${MAX_NESTING} levels` : 'The body is not JSON')
}

/** The body of a Node request, or nothing if there is too much of it: a web stream around it would cost more than all else does. */
function fromSocket(req: IncomingMessage, limit: number, charge: BodyCharge | undefined, paid: boolean): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    let chunks: Uint8Array[] = []
    let size = 0
    let isOver = false
    // Listeners are left where they are: taking each away again costs more than the promise.
    const settle = (): boolean => {
      if (isOver) return false
      isOver = true
      charge?.hold.unwatch()
      return true
    }
    const stop = (reason: () => unknown): void => {
      if (!settle()) return
      req.pause()
      chunks = []
      reject(reason())
    }
    charge?.hold.watch(() => stop(() => charge.late()))
    req.on('data', (chunk: Uint8Array) => {
      if (isOver) return
      size += chunk.length
      chunks.push(chunk)
      if (size > limit) {
        settle()
        req.pause()
        chunks = []
        resolve(undefined)
      } else if (charge !== undefined && !paid && !charge.hold.more(chunk.length * JSON_WEIGHT)) stop(() => charge.refused())
    })
    req.on('end', () => {
      if (!settle()) return
      resolve(join(chunks, size))
      chunks = []
    })
    req.on('close', () => stop(() => refusal('malformed', 'The body ended early')))
  })
}

async function fromStream(body: ReadableStream<Uint8Array> | null, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = body?.getReader()
  for (let step = await reader?.read(); step !== undefined && !step.done; step = await reader!.read()) {
    size += step.value.length
    chunks.push(step.value)
    if (size <= limit) continue
    reader!.cancel().catch(() => {})
    return undefined
  }
  return join(chunks, size)
}
