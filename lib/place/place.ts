import type { Part } from '../base/lifecycle.js'
import type { AddOptions, FlowOptions, Plan } from '../flow/options.js'
import type { Handler } from '../request/handler.js'

/** What a place has made of an executor. */
export interface Started {
  /** The instances, one for each replica. */
  readonly handlers: readonly Handler[]
  /** What is opened and closed for them, in this order and backwards. */
  readonly parts: readonly Part[]
  /** As they hold: what `uses` names may bring some. */
  readonly options: AddOptions
  /** Stands around what chooses among the handlers, where the place needs to know of all of them; it tries again itself. */
  around?(handler: Handler): Handler & Part
}

/** Where instances live: in this process, or elsewhere. Each place is a file with a `start` of this kind; more of them change nothing else. */
export type Start = (step: Plan['steps'][number], flow: FlowOptions) => Promise<Started>
