import { clearTimeout, setTimeout } from '../base/clock.js'
import type { Scope } from './scope.js'

/**
 * Waits, unless nobody wants what comes behind the wait.
 * @throws the reason of the scope
 */
export async function rest(scope: Scope, milliseconds: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, milliseconds)
    const unwatch = scope.watch(done)
    function done(): void {
      clearTimeout(timer)
      unwatch?.()
      resolve()
    }
  })
  if (scope.aborted) throw scope.reason
}
