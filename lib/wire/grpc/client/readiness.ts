import { status as Code, type ServiceError } from '@grpc/grpc-js'
import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { Scope } from '../../../stream/scope.js'
import { decodeStatus } from '../../proto/index.js'
import { METHODS } from '../methods.js'
import type { Calls } from './calls.js'

const EMPTY = Buffer.alloc(0)

/** Whether requests come through. Never throws. */
export async function isReady(calls: Calls, signal: AbortSignal | undefined, timeout: number): Promise<boolean> {
  if (signal?.aborted) return false
  const scope = new Scope()
  const stop = (): void => scope.abort(new DOMException('It takes too long, or is not wanted', 'AbortError'))
  signal?.addEventListener('abort', stop)
  const timer = setTimeout(stop, timeout)
  try {
    return await dryRun(calls, scope)
  } catch {
    return false
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

async function dryRun(calls: Calls, scope: Scope): Promise<boolean> {
  try {
    return decodeStatus(await calls.ask(METHODS.dryRun, EMPTY, scope)).code === 'SUCCESS'
  } catch (error) {
    // Executors of Jina know no dry run: they are ready when they say anything.
    if ((error as { cause?: Partial<ServiceError> }).cause?.code !== Code.UNIMPLEMENTED) throw error
    await calls.ask(METHODS.info, EMPTY, scope)
    return true
  }
}
