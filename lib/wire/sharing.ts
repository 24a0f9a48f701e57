import { now } from '../base/clock.js'
import { Keyed } from '../stream/keyed.js'
import type { Scope } from '../stream/scope.js'
import { emptyMessage, type Message } from './message.js'
import { Refusal } from './outcome.js'
import { refusedStatus } from './status.js'
import { NOT_BEGUN } from './unseen.js'

// What the posts of a Client share: a stream of gRPC, a WebSocket. Requests on it are told apart by their ids. Beside them go messages without documents:
//
//   client → server   id, status ERROR        it takes the request back: nobody waits for the answer. The server stops, and answers at once
//                     id, number of a part    how many partial answers of the request it took, less one: see credits.ts
//   server → client   no id, status ERROR     it shuts down: what comes from now on is answered with NOT_BEGUN
//                     no id, number           over WebSocket, first of all: how many requests may be unanswered. gRPC has metadata for that

/** Requests that may be under way on what several posts share, for each that one post may have: a gateway in front sends those of all its clients on one. */
export const SHARE = 16

/** How many unanswered requests a client sends before the server has said how many it reads. */
export const AHEAD = 16

/** How many partial answers of one request go out before the client says that it took some. */
export const WINDOW = 16

/** In the address of a WebSocket: how many that client takes ahead. It also says that several posts share the socket. */
export const WINDOW_QUERY = 'window'

/** Milliseconds for which new posts come onto it. Then they open another, for which names, certificates and balancers are asked again. */
const SHARED_FOR = 10_000
/** Bytes after which no new posts come onto it: to a proxy, a stream is one body, and many take no more than 1 MiB of it by themselves. */
const SHARED_BYTES = 512 * 1024

/**
 * Bytes from which on a request does not go on what others share, but on a second one like it that is for large ones alone: while there is no room for one
 * (`maxBytesInFlight`), a server reads none of what is behind it. 64 KiB, for which there nearly always is.
 */
export const LARGE = 64 * 1024
/** In the address of a WebSocket: that it is for those. */
export const LARGE_QUERY = 'large'
/** Milliseconds for which a request waits for room on what is shared by small ones. Then it is refused, by itself, and those behind it go on. */
export const PATIENCE_SHARED = 100

/** For how long, and for how much, posts come onto what others have opened. Those that are on it stay. */
export class Welcome {
  readonly #until = now() + SHARED_FOR
  #bytes = 0

  note(bytes: number): void {
    this.#bytes += bytes
  }

  get over(): boolean {
    return this.#bytes >= SHARED_BYTES || this.old
  }

  /** Whether what was brought with it is to be asked for again, also by who is on it. */
  get old(): boolean {
    return now() >= this.#until
  }
}

/** How many requests of each post are under way on what several share: each has its part, and no more of it than by itself. */
export class Parts<Waiting extends { readonly request: { readonly scope: Scope }; isInside?: boolean | undefined }> {
  readonly #of = new Keyed<Scope, { inside: number; readonly waiting: Waiting[] }>()

  /**
   * @param most how many of a post there may be
   * @returns whether it may go. Else it waits: until {@link leave} gives it
   */
  enter(waiting: Waiting, most: number): boolean {
    const { scope } = waiting.request
    const part = this.#of.get(scope)
    if (part === undefined) this.#of.set(scope, { inside: 1, waiting: [] })
    else if (part.inside >= most) {
      part.waiting.push(waiting)
      return false
    } else part.inside++
    waiting.isInside = true
    return true
  }

  /** A server may answer twice: who is not inside leaves nothing. @returns who goes in its place */
  leave(waiting: Waiting): Waiting | undefined {
    if (!waiting.isInside) return undefined
    waiting.isInside = false
    const { scope } = waiting.request
    const part = this.#of.get(scope)!
    const next = part.waiting.shift()
    if (next !== undefined) next.isInside = true
    else if (--part.inside === 0) this.#of.delete(scope)
    return next
  }
}

/** What takes a request back. */
export function takingBack(requestId: string): Message {
  return emptyMessage({ requestId, status: { code: 'ERROR', description: '' } })
}

/** What says that nothing more is taken. */
export function closingMessage(): Message {
  return emptyMessage({ status: { code: 'ERROR', description: NOT_BEGUN } })
}

/** The answer to a request that came too late. */
export function notBegun(requestId: string): Message {
  return emptyMessage({ requestId, status: refusedStatus(new Refusal('closing', NOT_BEGUN)) })
}

/** Whether an answer says that nobody has looked at its request. */
export function isNotBegun({ status }: Message): boolean {
  return status?.code === 'ERROR' && status.description === NOT_BEGUN
}
