const lasting = new WeakSet<Error>()

/** Notes of a refusal that asking again would be refused in the same way: nobody does. @returns the error */
export function forGood<E extends Error>(error: E): E {
  lasting.add(error)
  return error
}

/** Whether asking again is of no use, as far as the error knows. */
export function isForGood(error: Error): boolean {
  return lasting.has(error)
}

/** Of statuses of HTTP that are the fault of who asks, those that pass by themselves: too late, too early, too many. */
const PASSING: readonly number[] = [408, 425, 429]

/** Whether a status of HTTP says that the same request will be refused again. */
export function isStatusForGood(status: number): boolean {
  return status >= 400 && status < 500 && !PASSING.includes(status)
}
