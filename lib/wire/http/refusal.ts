import { type Kind, Refusal } from '../outcome.js'
import type { Headers, Reply } from './server/exchange.js'
import { statusFor } from './status.js'

/** Where something is wrong with a request, and what, in the shape that FastAPI gives it, which clients of Jina know. */
export interface Complaint {
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
}

/** A request that is not taken, and the answer that says why. */
export class HttpRefusal extends Refusal {
  /** @param status where HTTP has a finer one than that of the kind */
  constructor(
    kind: Kind,
    readonly detail: string | readonly Complaint[],
    readonly headers: Headers = {},
    readonly status = statusFor(kind),
  ) {
    super(kind, typeof detail === 'string' ? detail : detail.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '))
  }

  reply(headers: Headers): Reply {
    return { status: this.status, headers: { ...headers, ...this.headers, 'content-type': 'application/json' }, body: JSON.stringify({ detail: this.detail }) }
  }
}

/** What came is no JSON at all, or none that can be read. */
export function malformed(msg: string): HttpRefusal {
  return new HttpRefusal('malformed', [{ loc: ['body'], msg, type: 'value_error.jsondecode' }])
}

/** What came is JSON, but not what belongs there. */
export function invalid(loc: readonly (string | number)[], msg: string, type = 'value_error'): HttpRefusal {
  return new HttpRefusal('invalid', [{ loc: ['body', ...loc], msg, type }])
}

/** An option in the query or the headers that cannot be used. */
export function badOption(name: string, msg: string): HttpRefusal {
  return new HttpRefusal('invalid', [{ loc: ['query', name], msg, type: 'value_error' }])
}

export function tooLarge(limit: number, option = 'maxJsonBytes (and maxMessageBytes, if that is no larger)'): HttpRefusal {
  return new HttpRefusal('tooLarge', `The body is larger than ${limit} bytes, unpacked. Send fewer documents at a time, or raise ${option}`)
}

export function unsupported(what: string): HttpRefusal {
  return new HttpRefusal('unsupported', what)
}
