import { now } from '../../../base/clock.js'
import { ConnectionError } from '../../../base/errors.js'
import { Scope } from '../../../stream/scope.js'
import { decodeEndpoints, decodeSchemas } from '../../proto/index.js'
import { METHODS } from '../methods.js'
import type { Calls } from './calls.js'

/** Every Executor of Jina has it, and nobody else. */
const DRY_RUN = '_jina_dry_run_'
/** Milliseconds in which it must be told: Jina's gateways wait for their executors before they fail at it. */
const PATIENCE = 1000
/** Milliseconds after which somebody who did not tell, being busy, is asked again. */
const AGAIN = 5000

/** How requests go to whom that is. */
export interface Peer {
  /** Whether each goes in a call of its own: an Executor of Jina answers the requests of a stream one after the other. */
  readonly alone: boolean
  /** Whether an endpoint is an async generator, which is asked for one document at a time. */
  generates(endpoint: string): boolean
  /** When to ask again, on the clock of `now()`. */
  readonly until: number
}

/** Somebody who takes streams, as we do, and gateways of Jina. */
export const STREAMS: Peer = { alone: false, generates: () => false, until: Infinity }

/** Somebody who is asked by single calls, whoever it is. */
export const ALONE: Peer = { ...STREAMS, alone: true }

/** Asks who somebody is, as Jina's gateways ask, too. Never throws. */
export async function discover(calls: Calls): Promise<Peer> {
  let bytes: Buffer
  try {
    bytes = await calls.ask(METHODS.endpoints, Buffer.alloc(0), new Scope(), PATIENCE)
  } catch (error) {
    // Jina's gateways know the method, and fail at it.
    const told = error instanceof ConnectionError && (error.code === 'ERR_PROTOCOL' || error.code === 'ERR_REFUSED')
    return told ? STREAMS : { ...STREAMS, until: now() + AGAIN }
  }
  try {
    const endpoints = decodeEndpoints(bytes)
    if (!endpoints.includes(DRY_RUN)) return STREAMS
    const schemas = decodeSchemas(bytes)
    const generates = (endpoint: string): boolean => {
      const schema = schemas[endpoints.includes(endpoint) ? endpoint : '/default'] as { is_generator?: unknown } | undefined
      return schema?.is_generator === true
    }
    return { alone: true, generates, until: Infinity }
  } catch {
    return STREAMS
  }
}
