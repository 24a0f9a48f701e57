import type { Scope } from './scope.js'
import { ignore } from './thenable.js'

/** One of several things that are begun together. It ends soon after its scope says so, and leaves nothing behind then. */
export type Begin<T> = (scope: Scope) => Promise<T>

/**
 * Begins several things side by side, and has all of them or none. When one fails, those behind it are told to stop; those before it are waited for, as the first
 * of them that fails, in their order and not in that of time, is what is thrown.
 * @param undo lets go of what was begun, where another failed
 * @throws what the first one threw; the reason of the scope, where that says so
 */
export async function allOrNone<T>(scope: Scope, begins: readonly Begin<T>[], undo: (begun: T) => unknown): Promise<T[]> {
  const scopes = begins.map(() => scope.child())
  const all = await Promise.allSettled(
    begins.map(async (begin, at) => {
      try {
        if (scopes[at]!.aborted) throw scopes[at]!.reason
        return await begin(scopes[at]!)
      } catch (error) {
        for (const behind of scopes.slice(at + 1)) behind.abort(error)
        throw error
      } finally {
        scopes[at]!.close()
      }
    }),
  )
  const failed = all.find((one) => one.status === 'rejected')
  if (failed === undefined && !scope.aborted) return all.map((one) => (one as PromiseFulfilledResult<T>).value)
  await Promise.all(all.map(async (one) => one.status === 'fulfilled' && undo(one.value)))
  throw scope.aborted ? scope.reason : failed!.reason
}

/**
 * Waits for what cannot be told to stop, as long as it is wanted.
 * @param undo lets go of what came when nobody wanted it any more
 * @throws the reason of the scope
 */
export function whileWanted<T>(scope: Scope, work: Promise<T>, undo: (value: T) => unknown = ignore): Promise<T> {
  return new Promise((resolve, reject) => {
    const unwatch = scope.watch(reject)
    work
      .then((value) => {
        if (!scope.aborted) return resolve(value)
        return undo(value)
      }, reject)
      .catch(ignore)
      .finally(unwatch)
  })
}
