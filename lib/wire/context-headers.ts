import { OptionRangeError, show } from '../base/errors.js'
import type { Arrival } from '../base/events.js'
import type { Identity } from '../request/identity.js'
import type { ContextHeaders, Request } from '../request/request.js'
import { noteArrival } from '../request/traced.js'
import type { Hold } from '../stream/byte-budget.js'
import { TimeLeft } from '../stream/deadlines.js'
import type { Scope } from '../stream/scope.js'

// What goes with a request beside what it asks for. Every client writes it by this file, and every server reads it by this file:
//
//                    gRPC                                  HTTP             WebSocket                          GraphQL
//  identity          metadata of the call                  header           header of the handshake            header
//  CARRIED           metadata; in a stream of ours,        header           in the message's header;           extensions of the operation, or
//                    in the message's header                                of all, headers of the handshake   headers
//  time              grpc-timeout; in a stream of ours,    sluice-timeout   sluice-timeout in the message's    sluice-timeout, likewise
//                    sluice-timeout in the message's header                 header
//
// A message's header wins over what came with its call. Of what posts share, a call or handshake says nothing of any one's trace: tracers in the client put that
// of whoever opened it there. Nothing else is read, so nothing else is ever forwarded: no credentials (authorization,
// cookies, x-api-key), nothing that is said of one connection, nothing that a proxy says. Identity is believed by the door alone (authentication.ts), and
// goes on where `forwardIdentity` says so.

/** For whom a gateway asks: JSON in base64url. */
export const IDENTITY_HEADER = 'sluice-identity'
/** In how many milliseconds the answer is wanted, counted from when the request is here: clocks of two machines never agree. */
export const TIMEOUT_HEADER = 'sluice-timeout'

/** What executors get to see, and executors elsewhere are sent, as it came. The most important first. One more name here, and every wire carries it. */
const CARRIED = ['traceparent', 'tracestate', 'baggage'] as const

/** Bytes of all names and values together, as much as W3C wants of baggage. gRPC servers take 8 to 16 KiB of metadata. What is beyond is left out. */
const MOST_BYTES = 8192
/** Longer timers fire at once. What is given as long as that, some 24 days, has no end. */
const LONGEST = 0x7fffffff
/**
 * Milliseconds that a server has beyond the time that its client waits itself: so whoever asked hears of it first in the words of this end, and
 * the other end stops all the same.
 */
const GRACE = 25

/** What came with a call, for all requests of it. */
export interface CallContext {
  readonly identity?: Identity | undefined
  /** Whose turns its requests take: see `tenantOf()`. Made once a call, however many requests it brings. */
  readonly tenant?: string | undefined
  readonly headers?: ContextHeaders | undefined
  readonly deadline?: TimeLeft | undefined
  /** The bytes that its requests came in. */
  readonly hold?: Hold | undefined
  /** By which protocol and method it came. */
  readonly arrival?: Arrival | undefined
}

/** @param get by a name in lower case */
export function readHeaders(get: (name: string) => unknown): ContextHeaders | undefined {
  let found: Record<string, string> | undefined
  let room = MOST_BYTES
  for (const name of CARRIED) {
    const value = get(name)
    // They are lists and ids in ASCII. What is none comes from who would break a header or a log by it.
    if (typeof value !== 'string' || value.length + name.length > room || !/^[!-~]([ -~]*[!-~])?$/.test(value)) continue
    room -= value.length + name.length
    found ??= {}
    found[name] = value
  }
  return found && Object.freeze(found)
}

/** @throws OptionRangeError for what is no number of milliseconds: who gave it would wait for ever otherwise */
export function readTimeout(value: unknown): TimeLeft | undefined {
  if (value === undefined) return undefined
  const text = String(value)
  if (!/^\d{1,10}$/.test(text)) throw new OptionRangeError(`${TIMEOUT_HEADER} must be whole milliseconds, such as 1500, not ${show(value)}`)
  return Number(text) > LONGEST ? undefined : new TimeLeft(Number(text))
}

/**
 * What came with a call of HTTP, by its headers.
 * @throws as {@link readTimeout} does
 */
export function callContext(
  arrival: Arrival,
  get: (name: string) => string | undefined,
  identity: Identity | undefined,
  address: string | undefined,
  hold?: Hold,
): CallContext {
  return { arrival, identity, tenant: tenantOf(identity, address), headers: readHeaders(get), deadline: readTimeout(get(TIMEOUT_HEADER)), hold }
}

/**
 * The same of one request, whose message brings a header of its own.
 * @throws as {@link readTimeout} does
 */
export function requestContext(header: Readonly<Record<string, unknown>> | undefined, call: CallContext | undefined): CallContext | undefined {
  if (header === undefined) return call
  const get = (name: string): unknown => (Object.hasOwn(header, name) ? header[name] : undefined)
  const [headers, deadline] = [readHeaders(get), readTimeout(get(TIMEOUT_HEADER))]
  return headers === undefined && deadline === undefined ? call : { ...call, headers: headers ?? call?.headers, deadline: deadline ?? call?.deadline }
}

/** Whose turns a request takes: those of who asks, else of all from the address that it came from, where that is known. */
export function tenantOf(identity: Identity | undefined, address: string | undefined): string | undefined {
  return identity === undefined ? address : JSON.stringify(identity)
}

/** Gives a request what came with it. @returns lets go of the time that it has */
export function bring(request: Request, { identity, tenant, headers, deadline, hold, arrival }: CallContext): (() => void) | undefined {
  if (arrival !== undefined) noteArrival(request, arrival)
  request.identity = identity
  request.tenant = tenant
  if (hold !== undefined) request.hold = hold
  request.contextHeaders = headers
  if (deadline === undefined) return undefined
  const scope = request.scope.child()
  scope.deadline = deadline
  request.scope = scope
  return () => scope.close()
}

/** What goes with a request, in headers of HTTP and in the header of a message. Nothing, where there is nothing. */
export function writeContext(request: Pick<Request, 'contextHeaders'>, deadline: Scope['deadline']): ContextHeaders | undefined {
  const headers = writeHeaders(request)
  const time = timeGiven(deadline)
  return time === undefined ? headers : { [TIMEOUT_HEADER]: String(time), ...headers }
}

/** What a Client is told to send with whatever it asks. */
export function givenHeaders(headers: Readonly<Record<string, string>>): ContextHeaders | undefined {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return readHeaders((name) => byName.get(name))
}

/** The same where time is said otherwise: in gRPC's metadata. */
export function writeHeaders({ contextHeaders }: Pick<Request, 'contextHeaders'>): ContextHeaders | undefined {
  return contextHeaders && readHeaders((name) => contextHeaders[name])
}

/** Milliseconds that the other end is given. */
export function timeGiven(deadline: Scope['deadline']): number | undefined {
  if (deadline === undefined) return undefined
  const { left } = deadline
  return left < LONGEST ? Math.max(1, Math.ceil(left)) + GRACE : undefined
}

/** The time that is left of what whoever asks gives a request, or of a timeout that begins now. */
export function deadlineOf(timeout: number | undefined, deadline: Scope['deadline']): Scope['deadline'] {
  if (timeout === undefined) return deadline
  return new TimeLeft(Math.min(timeout, deadline?.left ?? Infinity))
}
