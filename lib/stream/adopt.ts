const { then } = Promise.prototype

export function isThenable(value: unknown): value is PromiseLike<any> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}

/** `then` as `await` does it: whatever the promise makes of its own `then`, one of the two is called, once, and later. */
export function adopt<T>(value: PromiseLike<T>, done: (value: T) => void, failed: (reason: unknown) => void): void {
  // Nearly always a promise of the platform, which needs none of the precautions.
  if ((value as Promise<T>).constructor === Promise && value.then === then) void value.then(done, failed)
  else then.call(Promise.resolve(value), done as (value: unknown) => void, failed)
}

/** For promises whose failure is told elsewhere, or nobody's business. */
export function ignore(): void {}
