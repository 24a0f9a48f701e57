import { execute } from 'abort-controller-x'
import { clearTimeout, setTimeout } from '../base/clock.js'
import type { Scope } from './scope.js'

/**
 * Waits, unless nobody wants what comes behind the wait.
 * @throws the reason of the scope
 */
export function wait(scope: Scope, milliseconds: number): Promise<void> {
  return execute(scope.signal, (resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    return () => clearTimeout(timer)
  })
}
