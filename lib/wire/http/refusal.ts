import type { Headers, Reply } from './server/exchange.js'

/** Where something is wrong with a request, and what, in the shape that FastAPI gives it, which clients of Jina know. */
export interface Complaint {
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
}

/** A request that is not taken, and the answer that says why. */
export class Refusal extends Error {
  readonly status: number
  readonly detail: string | readonly Complaint[]
  readonly headers: Headers

  constructor(status: number, detail: string | readonly Complaint[], headers: Headers = {}) {
    super(typeof detail === 'string' ? detail : detail.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '))
    this.status = status
    this.detail = detail
    this.headers = headers
  }

  reply(headers: Headers): Reply {
    return { status: this.status, headers: { ...headers, ...this.headers, 'content-type': 'application/json' }, body: JSON.stringify({ detail: this.detail }) }
  }
}

/** What came is no JSON at all, or none that can be read. */
export function malformed(msg: string): Refusal {
  return new Refusal(400, [{ loc: ['body'], msg, type: 'value_error.jsondecode' }])
}

/** What came is JSON, but not what belongs there. */
export function invalid(loc: readonly (string | number)[], msg: string, type = 'value_error'): Refusal {
  return new Refusal(422, [{ loc: ['body', ...loc], msg, type }])
}

/** An option in the query or the headers that cannot be used. */
export function badOption(name: string, msg: string): Refusal {
  return new Refusal(422, [{ loc: ['query', name], msg, type: 'value_error' }])
}

export function tooLarge(limit: number, option = 'maxJsonBytes'): Refusal {
  return new Refusal(413, `The body is larger than ${limit} bytes, unpacked. Send fewer documents at a time, or raise ${option}`)
}

export function unsupported(what: string): Refusal {
  return new Refusal(415, what)
}
