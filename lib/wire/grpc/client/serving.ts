import { status as Code, type ServiceError } from '@grpc/grpc-js'
import { ConnectionError } from '../../../base/errors.js'
import type { Scope } from '../../../stream/scope.js'
import { decodeEndpoints } from '../../proto/index.js'
import { readFields } from '../fields.js'
import { METHODS } from '../methods.js'
import type { Calls } from './calls.js'

const EMPTY = Buffer.alloc(0)
/** `SERVING` of grpc.health.v1. */
const SERVING = 1
/** Milliseconds for each question. */
const PATIENCE = 1000

/**
 * Whether an executor that was begun takes requests yet, by the health service of gRPC. Who has none, and says so, does.
 * @throws ConnectionError where nobody is there yet, or whoever is does not let in who asks
 */
export async function isServing(calls: Calls, scope: Scope): Promise<boolean> {
  try {
    return readFields(await calls.ask(METHODS.check, EMPTY, scope, PATIENCE)).some(([field, value]) => field === 1 && value === SERVING)
  } catch (error) {
    if (isUnknown(error)) return true
    throw error
  }
}

/** Which endpoints it answers; all, where it does not say. @throws ConnectionError where nobody is there any more */
export async function endpointsOf(calls: Calls, scope: Scope): Promise<readonly string[]> {
  try {
    return decodeEndpoints(await calls.ask(METHODS.endpoints, EMPTY, scope, PATIENCE))
  } catch (error) {
    if (error instanceof ConnectionError && error.code !== 'ERR_PROTOCOL') throw error
    return ['/default']
  }
}

function isUnknown(error: unknown): boolean {
  return (error as { cause?: Partial<ServiceError> }).cause?.code === Code.UNIMPLEMENTED
}
