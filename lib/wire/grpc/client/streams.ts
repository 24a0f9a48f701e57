import type { Request } from '../../../request/request.js'
import type { Scope } from '../../../stream/scope.js'
import { decodeMessage, encodeInTurns, encodeMessage } from '../../proto/index.js'
import { METADATA, WINDOW } from '../methods.js'
import type { Calls } from './calls.js'
import { SharedStream } from './stream.js'

/** The streams that are open: requests of one post share a scope, and so a stream. */
export class SharedStreams {
  readonly #of = new WeakMap<Scope, SharedStream[]>()
  readonly #open = new Set<SharedStream>()

  constructor(private readonly calls: Calls) {}

  find(request: Request): SharedStream | undefined {
    return this.#of.get(request.scope)?.find((sharedStream) => sharedStream.takes(request, this.#keyOf(request)))
  }

  /** @param brought what shows who asks, and for whom: a stream says it once, for all that goes on it */
  open(request: Request, brought: Record<string, string> = {}): SharedStream {
    const { calls } = this
    const { scope } = request
    const { model } = calls.settings
    const { call, ended, failure } = calls.stream({ [METADATA.partial]: '1', [METADATA.deltas]: '1', [METADATA.window]: String(WINDOW), ...brought })
    const sharedStream: SharedStream = new SharedStream(call, scope, {
      address: calls.address,
      failure,
      key: this.#keyOf(request),
      limit: calls.settings.maxMessageBytes,
      encode: (message) => encodeMessage(message, { model }),
      encodeInTurns: (message) => encodeInTurns(message, { model }),
      decode: (bytes) => decodeMessage(bytes, { model }),
    })
    this.#open.add(sharedStream)
    ended(() => this.#drop(scope, sharedStream))
    const sharedStreams = this.#of.get(scope)
    if (sharedStreams === undefined) this.#of.set(scope, [sharedStream])
    else sharedStreams.push(sharedStream)
    return sharedStream
  }

  /** Nobody waits for the answer any more. */
  forget(request: Request): void {
    for (const sharedStream of this.#of.get(request.scope) ?? []) sharedStream.forget(request)
  }

  close(reason: unknown): void {
    for (const sharedStream of this.#open) sharedStream.close(reason)
  }

  /** Floating executors have one scope for the requests of all clients. */
  #keyOf({ identity }: Request): string {
    return this.calls.credentials?.keyOf(identity) ?? ''
  }

  #drop(scope: Scope, sharedStream: SharedStream): void {
    this.#open.delete(sharedStream)
    const sharedStreams = this.#of.get(scope)
    sharedStreams?.splice(sharedStreams.indexOf(sharedStream), 1)
  }
}
