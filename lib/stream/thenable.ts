const { then } = Promise.prototype

export function isThenable(value: unknown): value is PromiseLike<any> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}

/** `then` as `await` does it: whatever the promise makes of its own `then`, one of the two is called, once, and later. */
export function whenSettled<T>(value: PromiseLike<T>, done: (value: T) => void, failed: (reason: unknown) => void): void {
  let promise: PromiseLike<T>
  try {
    // Nearly always a promise of the platform, which needs none of the precautions.
    if ((value as Promise<T> | undefined)?.constructor === Promise && value.then === then) return void value.then(done, failed)
    promise = Promise.resolve(value)
  } catch (error) {
    promise = Promise.reject(error)
  }
  then.call(promise, done as (value: unknown) => void, failed)
}

/** Says of the promises among these that their failures are looked after, though some may never be reached. */
export function lookAfter(items: readonly unknown[]): void {
  for (const item of items) if (isThenable(item)) whenSettled(item, ignore, ignore)
}

/** For failures, of promises and of sockets, that are told elsewhere, or nobody's business. */
export function ignore(): void {}

/**
 * Destroys a stream of Node that was opened and not read: the iterator that it gave closes nothing before its first `next()`. Of other sources, nothing is
 * open before they are read.
 */
export function destroyUnread(source: object): void {
  const { destroy } = source as { destroy?: unknown }
  if (typeof destroy === 'function') destroy.call(source)
}
