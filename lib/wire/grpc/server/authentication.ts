import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Metadata } from '@grpc/grpc-js'
import { Scope } from '../../../stream/scope.js'
import { type Aim, type Authenticator, type Caller, CHALLENGE, type Denial, type Verdict } from '../../authentication.js'
import { Place } from '../../caller.js'
import { type CallContext, IDENTITY_HEADER, readHeaders, tenantOf } from '../../context-headers.js'
import { type Identity, readIdentity, writeIdentity } from '../../identity.js'
import { METHODS, serviceOf } from '../methods.js'
import { STATUS } from '../status.js'
import { timeLeftOf } from './cancellation.js'
import type { LetIn } from './guard.js'
import { turnAway } from './turn-away.js'

const HEALTH = `/${serviceOf(METHODS.check)}/`

/** Asks who calls, before grpc-js hears of the call, and so before a message of it is read. */
export function doorOf(authenticator: Authenticator): LetIn {
  return (stream, headers, socket, go) => {
    const aim: Aim = { health: headers[':path']?.startsWith(HEALTH) ?? false, runs: true }
    const scope = new Scope()
    const verdict = authenticator.admit(new GrpcKnock(headers, socket), scope, aim)
    if (!(verdict instanceof Promise)) return pass(stream, headers, verdict, go)
    stream.once('close', () => scope.abort(new DOMException('The client left', 'AbortError')))
    verdict.then((verdict) => {
      // It was given up meanwhile.
      if (!stream.destroyed && !stream.closed) pass(stream, headers, verdict, go)
    })
  }
}

function pass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, { denied, identity }: Verdict, go: (identity?: Identity) => void): void {
  if (denied !== undefined) return refuse(stream, denied)
  // From here on, it is ours to say.
  if (identity !== undefined) headers[IDENTITY_HEADER] = writeIdentity(identity)
  else if (headers[IDENTITY_HEADER] !== undefined) delete headers[IDENTITY_HEADER]
  go(identity)
}

/** What came with a call: who calls, as the door has noted it, the trace, and how long it may take, which `onLeave()` sees to. */
export function contextOf(call: { metadata: Metadata; getDeadline(): Date | number; getPeer(): string; getPath(): string }): CallContext {
  const { metadata } = call
  const [noted] = metadata.get(IDENTITY_HEADER)
  const identity = noted === undefined ? undefined : readIdentity(String(noted))
  return {
    identity,
    tenant: tenantOf(identity, call.getPeer().replace(/:\d+$/, '')),
    headers: readHeaders((name) => metadata.get(name).join() || undefined),
    deadline: timeLeftOf(call),
    arrival: { protocol: 'grpc', method: call.getPath() },
  }
}

function refuse(stream: ServerHttp2Stream, { kind, reason }: Denial): void {
  turnAway(stream, STATUS[kind], reason, kind === 'unauthenticated' ? CHALLENGE : undefined)
}

class GrpcKnock extends Place implements Caller {
  readonly wire = 'grpc'

  constructor(
    private readonly given: IncomingHttpHeaders,
    socket: Socket,
  ) {
    super(socket)
  }

  header(name: string): string | undefined {
    const value = this.given[name]
    return typeof value === 'string' ? value : value?.[0]
  }

  headers(): Record<string, string> {
    const own = Object.entries(this.given).filter(([name]) => !name.startsWith(':'))
    return Object.fromEntries(own.map(([name, value]) => [name, String(value)]))
  }

  get host(): string | undefined {
    return this.header(':authority') ?? this.header('host')
  }

  get query(): string {
    return this.header(':path')?.split('?', 2)[1] ?? ''
  }
}
