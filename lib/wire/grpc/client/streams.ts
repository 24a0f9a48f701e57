import type { ContextHeaders, Request } from '../../../request/request.js'
import type { Scope } from '../../../stream/scope.js'
import { givenHeaders } from '../../context-headers.js'
import { decodeMessage, encodeInTurns, encodeMessage } from '../../proto/index.js'
import { WINDOW } from '../../sharing.js'
import { METADATA } from '../methods.js'
import type { Calls } from './calls.js'
import { SharedStream } from './stream.js'

/** What was brought with a call, as a text: posts that bring the same may share it. */
const asText = (brought: Record<string, string> | undefined): string => (brought === undefined ? '' : JSON.stringify(brought))

/** The streams that are open. Requests of one post stay on theirs; where the server knows of that, posts share them. */
export class SharedStreams {
  readonly #of = new WeakMap<Scope, SharedStream[]>()
  readonly #open = new Set<SharedStream>()
  /** How many requests the server takes at once on one that posts share, as it said last. Nothing for who knows of none. */
  #ahead: number | undefined

  /** Of those that go with each call: on what posts share, each request has its own. */
  readonly #headers: ContextHeaders | undefined

  constructor(private readonly calls: Calls) {
    this.#headers = givenHeaders(calls.settings.headers)
  }

  /** The stream that its post is on; or one of others, where it need not be asked what to bring. */
  find(request: Request): SharedStream | undefined {
    const who = this.#who(request)
    const bringing = this.calls.credentials !== undefined
    // What goes on for long, as floating executors do, asks for its token again.
    const own = this.#of.get(request.scope)?.find((one) => !one.isLarge && !(bringing && one.isOld) && one.takes(request, who))
    return own ?? (bringing ? undefined : this.#shared(request, who))
  }

  #shared(request: Request, who: string, brought?: Record<string, string>, large = false): SharedStream | undefined {
    const text = asText(brought)
    for (const one of this.#open) if (one.isLarge === large && one.welcomes(request, who, text)) return this.#enter(request.scope, one)
    return undefined
  }

  /**
   * One of others, or a new one.
   * @param brought what shows who asks, and for whom: a stream says it once, for all that goes on it
   */
  open(request: Request, brought?: Record<string, string>): SharedStream {
    const who = this.#who(request)
    return this.#shared(request, who, brought) ?? this.#begin(request.scope, who, brought, false)
  }

  /** For a large request. */
  #aside(request: Request, who: string, brought: Record<string, string> | undefined): SharedStream {
    const own = this.#of.get(request.scope)?.find((one) => one.isLarge && one.takes(request, who))
    return own ?? this.#shared(request, who, brought, true) ?? this.#begin(request.scope, who, brought, true)
  }

  #begin(scope: Scope, who: string, brought: Record<string, string> | undefined, large: boolean): SharedStream {
    const { calls } = this
    const { model } = calls.settings
    const asked = { [METADATA.partial]: '1', [METADATA.deltas]: '1', [METADATA.window]: String(WINDOW), [METADATA.shared]: '1' }
    const { call, ended, failure } = calls.stream({ ...asked, ...(large && { [METADATA.large]: '1' }), ...brought })
    const sharedStream: SharedStream = new SharedStream(call, scope, {
      address: calls.address,
      failure,
      who,
      brought: asText(brought),
      headers: this.#headers,
      aside: large ? undefined : (request) => this.#aside(request, who, brought),
      ahead: this.#ahead,
      limit: calls.settings.maxMessageBytes,
      encode: (message) => encodeMessage(message, { model }),
      encodeInTurns: (message) => encodeInTurns(message, { model }),
      decode: (bytes) => decodeMessage(bytes, { model }),
    })
    call.on('metadata', () => {
      this.#ahead = sharedStream.ahead
    })
    this.#open.add(sharedStream)
    ended(() => this.#open.delete(sharedStream))
    return this.#enter(scope, sharedStream)
  }

  #enter(scope: Scope, sharedStream: SharedStream): SharedStream {
    const before = this.#of.get(scope)
    // Floating executors have one scope, for ever.
    this.#of.set(scope, before === undefined ? [sharedStream] : [...before.filter((one) => this.#open.has(one)), sharedStream])
    return sharedStream
  }

  /** Nobody waits for the answer any more. */
  forget(request: Request, reason: unknown): void {
    for (const sharedStream of this.#of.get(request.scope) ?? []) sharedStream.forget(request, reason)
  }

  /** Who comes in the place of the server may be somebody else. */
  unlearn(): void {
    this.#ahead = undefined
  }

  close(reason: unknown): void {
    for (const sharedStream of this.#open) sharedStream.close(reason)
  }

  /** Floating executors have one scope for the requests of all clients. */
  #who({ identity }: Request): string {
    return this.calls.credentials?.keyOf(identity) ?? ''
  }
}
