import { builtin } from './node.js'

/** Loaded with Node alone: elsewhere nobody can subscribe. */
const diagnostics = /* @__PURE__ */ builtin('diagnostics_channel')

/**
 * What can be heard of by `diagnostics_channel.subscribe('sluice.batch', (message) => …)`, by the name behind `sluice.`, and what each message says.
 * Times are in milliseconds. What a message holds is the library's own: read it, and change nothing. Only `sluice.batch` is told so far; the others have
 * their names and shapes from now on, so that whoever listens, and whoever tells, mean the same.
 */
export interface Events {
  /** A request, from where it comes in until it is answered. */
  request: {
    readonly requestId: string
    readonly endpoint: string
    readonly docs: number
    readonly milliseconds?: number | undefined
    readonly error?: unknown
  }
  /** An executor has a request, and gave it back. */
  executor: {
    readonly executor: string
    readonly requestId: string
    readonly endpoint: string
    readonly milliseconds?: number | undefined
    readonly error?: unknown
  }
  /** Documents of several requests go to an executor as one. */
  batch: { readonly executor: string; readonly requestId: string; readonly endpoint: string; readonly docs: number; readonly requests: number }
  /** A connection begins, or ends. */
  connection: { readonly address: string; readonly state: 'open' | 'closed'; readonly error?: unknown }
  /** An instance of an executor begins, or ends. */
  place: { readonly executor: string; readonly shardId: number; readonly state: 'open' | 'closed'; readonly error?: unknown }
}

/** Tells those who listen, if there are any: what there is to tell is made for them alone. */
export function publish<Name extends keyof Events>(name: Name, message: () => Events[Name]): void {
  const channel = diagnostics?.channel(`sluice.${name}`)
  if (channel?.hasSubscribers) channel.publish(message())
}
