/** Lets everything happen that is ready to: all microtasks, and a turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Has a promise not settled yet, now that everything happened that is ready to? */
export async function pending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  await turn()
  return !settled
}
