import type { Request } from '../../../request/request.js'
import type { Scope } from '../../../stream/scope.js'
import { decodeMessage, encodeInTurns, encodeMessage } from '../../proto/index.js'
import { METADATA, WINDOW } from '../methods.js'
import type { Calls } from './calls.js'
import { Lane } from './stream.js'

/** The streams that are open: requests of one post share a scope, and so a stream. */
export class Lanes {
  readonly #of = new WeakMap<Scope, Lane[]>()
  readonly #open = new Set<Lane>()

  constructor(private readonly calls: Calls) {}

  find(request: Request): Lane | undefined {
    return this.#of.get(request.scope)?.find((lane) => lane.takes(request, this.#keyOf(request)))
  }

  /** @param brought what shows who asks, and for whom: a stream says it once, for all that goes on it */
  open(request: Request, brought: Record<string, string> = {}): Lane {
    const { calls } = this
    const { scope } = request
    const { model } = calls.settings
    const { call, ended, failure } = calls.stream({ [METADATA.partial]: '1', [METADATA.window]: String(WINDOW), ...brought })
    const lane: Lane = new Lane(call, scope, {
      address: calls.address,
      failure,
      key: this.#keyOf(request),
      encode: (message) => encodeMessage(message, { model }),
      encodeInTurns: (message) => encodeInTurns(message, { model }),
      decode: (bytes) => decodeMessage(bytes, { model }),
    })
    this.#open.add(lane)
    ended(() => this.#drop(scope, lane))
    const lanes = this.#of.get(scope)
    if (lanes === undefined) this.#of.set(scope, [lane])
    else lanes.push(lane)
    return lane
  }

  /** Nobody waits for the answer any more. */
  forget(request: Request): void {
    for (const lane of this.#of.get(request.scope) ?? []) lane.forget(request)
  }

  close(reason: unknown): void {
    for (const lane of this.#open) lane.close(reason)
  }

  /** Floating executors have one scope for the requests of all clients. */
  #keyOf({ identity }: Request): string {
    return this.calls.credentials?.keyOf(identity) ?? ''
  }

  #drop(scope: Scope, lane: Lane): void {
    this.#open.delete(lane)
    const lanes = this.#of.get(scope)
    lanes?.splice(lanes.indexOf(lane), 1)
  }
}
