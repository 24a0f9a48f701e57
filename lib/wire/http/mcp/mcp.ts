import type { CallToolRequest, CallToolResult, JSONRPCMessage, RequestId, Server } from '@modelcontextprotocol/server'
import { ConnectionError } from '../../../base/errors.js'
import { publishBytes } from '../../../base/events.js'
import { nearest } from '../../../base/nearest.js'
import { VERSION } from '../../../base/version.js'
import { type Describing, type Descriptions, NONE } from '../../../executor/schemas.js'
import type { Handler } from '../../../request/handler.js'
import type { ByteBudget } from '../../../stream/byte-budget.js'
import { Keyed } from '../../../stream/keyed.js'
import type { Scope } from '../../../stream/scope.js'
import { ignore } from '../../../stream/thenable.js'
import { bytesOf, chargeDocuments } from '../../charge.js'
import type { CallContext } from '../../context-headers.js'
import { againIn, answer, type Message, unwritten } from '../../message.js'
import { outcome, told } from '../../outcome.js'
import { publicMessage } from '../../public-message.js'
import { whenAgain } from '../../retry-after.js'
import { DESCRIPTION, type Settings } from '../options.js'
import { requestOf } from '../read.js'
import { HttpRefusal, invalid } from '../refusal.js'
import { streamHeaders } from '../server/answer-stream.js'
import type { Exchange, Reply, Headers as Written } from '../server/exchange.js'
import { McpReply, type Takes } from './reply.js'
import { failed, failedBy, failuresOf, partText, resultText } from './results.js'
import { loadSdk, type Sdk } from './sdk.js'
import { ARGUMENTS, type Tool, toolsOf } from './tools.js'

/** The name of a client's connection, from initialize on, by which what it takes back is found. Nothing else is kept of it. */
const SESSION = 'mcp-session-id'
const VERSION_HEADER = 'mcp-protocol-version'

/** In what JSON-RPC says what is wrong with a message, and what MCP's servers say of HTTP. */
const INVALID_REQUEST = -32600
const ACCEPT = 'Accept application/json and text/event-stream'
const REFUSED = -32000

/** The SDK wants a judge of what people fill in, which nobody is asked to here. */
const NO_FORMS = {
  getValidator(): never {
    throw new Error('Nobody is asked to fill in anything here')
  },
}

/** A request, and what came with it. */
interface Asked {
  readonly id: string
  readonly context: CallContext
  /** By what those under way of its client are known, where it has a name. */
  readonly caller?: string | undefined
  readonly takes: Takes
  readonly headers: Written
}

/** What a call gets to know of it. */
interface Call {
  readonly id: string
  readonly context: CallContext
  readonly scope: Scope
  /** Tells of a partial answer; undefined where nobody wants to hear. */
  readonly progress: ((said: string) => Promise<void>) | undefined
}

/**
 * Offers endpoints as tools, by the Model Context Protocol over streamable HTTP: each message by itself, so that any instance behind a balancer answers it. Who
 * comes in, what is read and how much, is the router's, as of all else.
 */
export class Mcp {
  readonly #peer: Handler
  readonly #settings: Settings
  readonly #sdk: Sdk
  readonly #bytes: ByteBudget | undefined
  /** What is under way of clients that have a name, for when they take it back. */
  readonly #underWay = new Keyed<string, Scope>()
  #tools: { readonly described: Descriptions; readonly bound: string; readonly tools: ReadonlyMap<string, Tool> } | undefined

  private constructor(peer: Handler, settings: Settings, sdk: Sdk) {
    this.#peer = peer
    this.#settings = settings
    this.#sdk = sdk
    this.#bytes = bytesOf(peer)
  }

  /** @throws DependencyError (`ERR_DEPENDENCY`) without the SDK */
  static async open(peer: Handler, settings: Settings): Promise<Mcp> {
    return new Mcp(peer, settings, await loadSdk())
  }

  /** Answers a message that came by POST with a reply, or piece by piece, and then with nothing. */
  async answer(json: unknown, exchange: Exchange, id: string, headers: Written, context: CallContext): Promise<Reply | undefined> {
    headers['cache-control'] = 'no-store'
    if (Array.isArray(json)) return refused(headers, INVALID_REQUEST, 'One message is due. MCP has had no batches since 2025-06-18')
    let message: JSONRPCMessage
    try {
      message = this.#sdk.parseJSONRPCMessage(json)
    } catch {
      return refused(headers, INVALID_REQUEST, 'This is no message of JSON-RPC 2.0')
    }
    const accept = exchange.header('accept') ?? '*/*'
    const takes = { json: /application\/(json|\*)|\*\/\*/.test(accept), events: /text\/(event-stream|\*)|\*\/\*/.test(accept) }
    const version = exchange.header(VERSION_HEADER)
    const told = { protocolVersionHeader: version, mcpMethodHeader: exchange.header('mcp-method'), mcpNameHeader: exchange.header('mcp-name') }
    const inbound = { httpMethod: 'POST', body: json, ...Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined)) }
    if (this.#sdk.classifyInboundRequest(inbound).kind !== 'legacy') {
      if (!takes.json && !takes.events) return refused(headers, REFUSED, ACCEPT, 406)
      return this.#serveWhole(json, exchange, { id, context, takes, headers })
    }
    const { SUPPORTED_PROTOCOL_VERSIONS: versions } = this.#sdk
    const isFirst = 'method' in message && message.method === 'initialize'
    if (version !== undefined && !isFirst && !versions.includes(version))
      return refused(headers, REFUSED, `Bad Request: Unsupported protocol version: ${version} (supported versions: ${versions.join(', ')})`)
    const caller = callerOf(exchange, context)
    if (!('method' in message && 'id' in message)) {
      this.#hear(message, caller)
      return accepted(headers)
    }
    if (!takes.json && !takes.events) return refused(headers, REFUSED, ACCEPT, 406)
    if (isFirst) Object.assign(headers, named(headers))
    return this.#serve(message, exchange, { id, context, caller, takes, headers })
  }

  /** Has the SDK answer a request of a revision up to 2025-11-25. */
  async #serve(message: JSONRPCMessage & { readonly id: RequestId }, exchange: Exchange, asked: Asked): Promise<Reply | undefined> {
    const { caller, takes, headers } = asked
    const reply = new McpReply(exchange, headers, this.#settings.heartbeat, takes)
    const scope = exchange.scope.child()
    const { server, called } = this.#serverOf(asked, scope)
    await server.connect(reply)
    const key = caller && keyOf(caller, message.id)
    if (key !== undefined) this.#underWay.set(key, scope)
    const unwatch = scope.watch(() => void server.close())
    try {
      reply.onmessage!(message)
      const answered = await reply.done
      // What is charged is charged until executors are done with it.
      await called()
      return answered ?? (reply.begun ? undefined : accepted(headers))
    } finally {
      unwatch()
      scope.close()
      if (key !== undefined && this.#underWay.get(key) === scope) this.#underWay.delete(key)
      await server.close()
    }
  }

  /** Has the SDK answer a request of the revision 2026-07-28, which says all that is to be known of it, and is taken back by leaving. */
  async #serveWhole(json: unknown, exchange: Exchange, asked: Asked): Promise<Reply | undefined> {
    const { takes, headers } = asked
    const scope = exchange.scope.child()
    const left = new AbortController()
    const unwatch = scope.watch(() => left.abort())
    const { server, called } = this.#serverOf(asked, scope)
    const handler = this.#sdk.createMcpHandler(() => server, {
      legacy: 'reject',
      // In events, it can say now and then that it lives. Without them, nothing is said before the answer.
      responseMode: takes.events ? 'sse' : 'auto',
      keepAliveMs: this.#settings.heartbeat,
      // Nothing changes of which somebody could be told.
      maxSubscriptions: 0,
    })
    const given = new Headers()
    for (const name of ['accept', 'content-type', VERSION_HEADER, 'mcp-method', 'mcp-name']) {
      const value = exchange.header(name)
      if (value !== undefined) given.set(name, value)
    }
    try {
      const request = new Request('http://localhost/mcp', { method: 'POST', headers: given, signal: left.signal })
      const response = await handler.fetch(request, { parsedBody: json })
      const type = response.headers.get('content-type') ?? ''
      if (!type.startsWith('text/event-stream') || response.body === null) {
        const body = await response.text()
        publishBytes('server', 'sent', 'http', body)
        return { status: response.status, headers: body === '' ? accepted(headers).headers : headers, body }
      }
      const sink = exchange.open(response.status, { ...headers, ...streamHeaders('sse') })
      const pieces = response.body.pipeThrough(new TextDecoderStream())
      for await (const piece of pieces as unknown as AsyncIterable<string>) {
        publishBytes('server', 'sent', 'http', piece)
        await sink.write(piece)
      }
      return undefined
    } finally {
      await called()
      unwatch()
      scope.close()
      await handler.close()
    }
  }

  /** The SDK's server for one request, and what resolves when its call is over. */
  #serverOf({ id, context, takes }: Asked, scope: Scope): { server: Server; called: () => Promise<unknown> } {
    const { Server } = this.#sdk
    const { title: name, description, onError } = this.#settings
    const instructions = description === DESCRIPTION ? {} : { instructions: description }
    const server = new Server({ name, version: VERSION }, { capabilities: { tools: {} }, jsonSchemaValidator: NO_FORMS, ...instructions })
    let calling: Promise<CallToolResult> | undefined
    server.setRequestHandler('tools/list', async () => ({ tools: Array.from((await this.#offered()).values(), ({ told }) => told) as never }))
    server.setRequestHandler('tools/call', ({ params }, { mcpReq: { _meta, notify } }) => {
      let progress = 0
      const token = takes.events ? _meta?.progressToken : undefined
      const say = (said: string): Promise<void> =>
        notify({ method: 'notifications/progress', params: { progressToken: token!, progress: ++progress, message: said } })
      calling = this.#call(params, { id, context, scope, progress: token === undefined ? undefined : say })
      return calling
    })
    // Of a client that left, or takes its request back, there is nobody to tell.
    server.onerror = (error) => {
      if (!scope.aborted) onError(error)
    }
    return { server, called: async () => calling?.catch(ignore) }
  }

  /** A remark of a client: that it does not want an answer any more is the only one that changes something. */
  #hear(message: JSONRPCMessage, caller: string | undefined): void {
    if (caller === undefined || !('method' in message) || message.method !== 'notifications/cancelled') return
    const { requestId } = (message.params ?? {}) as { requestId?: RequestId }
    if (requestId === undefined) return
    this.#underWay.get(keyOf(caller, requestId))?.abort(new ConnectionError('ERR_DISCONNECTED', 'http', 'the client takes its request back'))
  }

  /** Made when somebody asks: a Flow may be opened later than it is offered, and again. */
  async #offered(): Promise<ReadonlyMap<string, Tool>> {
    const described = (await (this.#peer as Partial<Describing>).describe?.()) ?? NONE
    const endpoints = this.#peer.endpoints ?? []
    const bound = endpoints.join('\n')
    if (described !== this.#tools?.described || bound !== this.#tools.bound)
      this.#tools = { described, bound, tools: toolsOf(endpoints, described, this.#settings) }
    return this.#tools.tools
  }

  /** @throws ProtocolError for a tool that there is not */
  async #call({ name, arguments: given = {} }: CallToolRequest['params'], call: Call): Promise<CallToolResult> {
    const tools = await this.#offered()
    const tool = tools.get(name)
    if (tool === undefined) {
      const { ProtocolError, ProtocolErrorCode } = this.#sdk
      const meant = nearest(name, [...tools.keys()])
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${name}${meant === undefined ? '' : `. Did you mean ${meant}?`}`)
    }
    try {
      return await this.#asked(tool, given, call)
    } catch (error) {
      const failure = told(error, call.scope.aborted ? () => {} : this.#settings.onError)
      const { kind, code } = outcome(failure)
      return failed(code, failure instanceof HttpRefusal ? complaint(failure) : publicMessage(failure), whenAgain(kind, error))
    }
  }

  async #asked(tool: Tool, given: Record<string, unknown>, { id, context, scope, progress }: Call): Promise<CallToolResult> {
    const { endpoint } = tool
    const strange = Object.keys(given).find((key) => !ARGUMENTS.includes(key))
    if (strange !== undefined)
      throw invalid([strange], `there is no such argument. Documents are docs, a list such as [{"text": "hello"}]; the rest is parameters`)
    const { docs, parameters } = given
    const body = { ...(docs !== undefined && { data: { docs } }), parameters }
    const message = await requestOf(body, id, endpoint, this.#settings.maxDocuments, context)
    chargeDocuments(context.hold, message.docs.length)
    const partial = progress && (async (part: Message): Promise<void> => progress(await partText(part)))
    const answered = await answer(this.#peer, message, scope, partial, progress && ALONE)
    const result = await this.#written(answered, tool)
    this.#bytes?.answered(endpoint, (result.content[0] as { text: string }).text.length)
    return result
  }

  async #written(answered: Message, { told: { outputSchema } }: Tool): Promise<CallToolResult> {
    const { status, headers, docs, parameters } = answered
    if (status?.code === 'ERROR') return failedBy(status, againIn(headers))
    let text: string
    try {
      text = await resultText(answered)
    } catch (error) {
      // What its executors made and nobody can write is theirs.
      return failedBy(unwritten(answered, error, this.#settings.onError).status!, undefined)
    }
    return {
      content: [{ type: 'text', text }],
      ...(outputSchema !== undefined && { structuredContent: JSON.parse(text) as Record<string, unknown> }),
      ...(docs.length === 0 && failuresOf(parameters).length > 0 && { isError: true }),
    }
  }
}

/** There is one request, which needs no number. */
const ALONE = (): undefined => undefined

/** A client that has a name, and who it is: who knows the name of another takes nothing back of it. */
function callerOf(exchange: Exchange, { identity }: CallContext): string | undefined {
  const session = exchange.header(SESSION)
  return session === undefined ? undefined : JSON.stringify([session, identity ?? null])
}

function keyOf(caller: string, id: RequestId): string {
  return `${caller}${JSON.stringify(id)}`
}

/** Names a client that begins, and lets pages read the name. */
function named(headers: Written): Written {
  const exposed = headers['access-control-expose-headers']
  return { [SESSION]: crypto.randomUUID(), ...(exposed !== undefined && { 'access-control-expose-headers': `${exposed}, ${SESSION}` }) }
}

/** A message that is not taken, in JSON-RPC's words. */
function refused(headers: Written, code: number, message: string, status = 400): Reply {
  return { status, headers, body: JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }) }
}

/** Heard, and nothing is to be said. */
function accepted({ 'content-type': _, ...headers }: Written): Reply {
  return { status: 202, headers, body: '' }
}

/** What is wrong with arguments, by their names. */
function complaint({ detail, message }: HttpRefusal): string {
  if (typeof detail === 'string') return message
  const place = (loc: readonly (string | number)[]): string => loc.filter((part, at) => at > 1 || (part !== 'body' && part !== 'data')).join('.')
  return detail.map(({ loc, msg }) => `${place(loc)}: ${msg}`).join('; ')
}
