const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)

/** Fails instead of waiting for ever: a promise that never settles would end a suite silently. `TEST_PATIENCE=4` waits four times as long. */
export function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Nothing happened within ${milliseconds} ms`)), milliseconds * PATIENCE)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
