import { ExecutorError, say } from './errors.js'

/** Something with a name that is opened before use and closed after. */
export interface Part {
  readonly name: string
  open(): void | Promise<void>
  close(): void | Promise<void>
  /** Lets go of what it holds before it is opened, where it is not going to be. */
  discard?(): void | Promise<void>
  /** The Flow closes, so nothing is worth waiting for any more. */
  hurry?(): void
}

/**
 * Opens parts side by side. If one fails, those that did open are closed again, the last first, and nothing is left half open.
 * @throws ExecutorError (`ERR_EXECUTOR_OPEN`) that names the first part that failed
 */
export async function openAll(parts: readonly Part[]): Promise<void> {
  const opened = new Set<Part>()
  let failure: ExecutorError | undefined
  const tasks = parts.map((part) => async () => {
    try {
      await part.open()
      opened.add(part)
    } catch (cause) {
      failure ??= saysSo(part, cause)
        ? cause
        : new ExecutorError('ERR_EXECUTOR_OPEN', `${part.name} did not open: ${say(cause)}`, { executor: part.name, cause })
    }
  })
  const { default: parallel } = await import('it-parallel')
  for await (const _ of parallel(tasks)) {
    // All of them, also after a failure: what is still opening could not be closed.
  }
  if (failure === undefined) return
  await closeAll(parts.filter((part) => opened.has(part))).catch(() => {})
  throw failure
}

/** Whether it names the part already, as what watches over a worker does. */
function saysSo({ name }: Part, cause: unknown): cause is ExecutorError {
  return cause instanceof ExecutorError && cause.code === 'ERR_EXECUTOR_OPEN' && cause.executor === name
}

/**
 * Closes parts one by one, the last first, all of them whatever some throw.
 * @throws what the only one that failed threw, or an AggregateError of several
 */
export async function closeAll(parts: readonly Part[]): Promise<void> {
  const failures: unknown[] = []
  for (const part of [...parts].reverse()) {
    try {
      await part.close()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures, `${failures.length} failed to close`)
}
