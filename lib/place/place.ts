import type { Part } from '../base/lifecycle.js'
import type { Saying } from '../executor/schemas.js'
import type { AddOptions, FlowOptions, Plan } from '../flow/options.js'
import type { Replicas } from '../handler/replicas.js'
import type { Handler } from '../request/handler.js'
import type { Scope } from '../stream/scope.js'
import type { CodeElsewhere } from './spec.js'

/** What a place has made of an executor. */
export interface Started {
  /** The instances, one for each replica. */
  readonly handlers: readonly Handler[]
  /** What is opened and closed for them, in this order and backwards. */
  readonly parts: readonly Part[]
  /** As they hold: what `uses` names may bring some. */
  readonly options: AddOptions
  /** Stands around what chooses among the handlers, where the place needs to know of all of them; it tries again itself. */
  around?(handler: Handler): Handler & Part & { readonly retried: number }
  /** Stands directly around what chooses among the handlers. */
  among?(replicas: Replicas): Handler
  /** What an executor says of its documents that checks them itself, where it is: for who describes it. */
  readonly says?: Saying | undefined
  /** What it is, where that is elsewhere: for who keeps its answers. */
  readonly code?: CodeElsewhere | undefined
}

/**
 * Where instances live: in this process, or elsewhere. Each place is a file with a `start` of this kind; more of them change nothing else.
 * @param names what executors of the Flow go by in parameters. All of them are there when parts are opened
 * @param scope of what is begun, until it stands. Told to stop, it ends soon, and leaves nothing behind
 */
export type Start = (step: Plan['steps'][number], flow: FlowOptions, names: ReadonlySet<string>, scope: Scope) => Promise<Started>
