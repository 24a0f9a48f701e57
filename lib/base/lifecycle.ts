import { CloseError, ExecutorError, say } from './errors.js'

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

/** What says when nobody waits any longer: see `Scope`. */
interface Ending {
  readonly aborted: boolean
  readonly reason: unknown
  watch(end: (reason: unknown) => void): () => void
}

/**
 * Opens parts side by side. If one fails, those that did open are closed again, the last first, and nothing is left half open.
 * @param ending when it says so, what is not open by then is let go of. What cannot be, as it runs in this process, is not waited for, and closed once it is open
 * @throws ExecutorError (`ERR_EXECUTOR_OPEN`) that names the first part that failed, or all that were not open in the end
 */
export async function openAll(parts: readonly Part[], ending: Ending): Promise<void> {
  const opening = new Set(parts)
  const opened = new Set<Part>()
  let failure: ExecutorError | undefined
  const tasks = parts.map((part) => async () => {
    try {
      await part.open()
      if (ending.aborted) return await part.close()
      opened.add(part)
    } catch (cause) {
      failure ??= saysSo(part, cause) ? cause : notOpen([part.name], cause)
    } finally {
      opening.delete(part)
    }
  })
  const { default: parallel } = await import('it-parallel')
  const all = (async () => {
    for await (const _ of parallel(tasks)) {
      // All of them, also after a failure: what is still opening could not be closed.
    }
  })()
  let unwatch: (() => void) | undefined
  const ended = new Promise<void>((resolve) => {
    unwatch = ending.watch((reason) => {
      if (opening.size > 0)
        failure ??= notOpen(
          Array.from(opening, ({ name }) => name),
          reason,
        )
      resolve(Promise.all(Array.from(opening, (part) => part.discard?.())) as Promise<never>)
    })
  })
  await Promise.race([all, ended])
  unwatch!()
  if (failure === undefined) return
  await closeAll(parts.filter((part) => opened.has(part))).catch(() => {})
  throw failure
}

/** @param names of executors, each as often as it has parts */
export function notOpen(names: readonly string[], cause: unknown): ExecutorError {
  return new ExecutorError('ERR_EXECUTOR_OPEN', `${[...new Set(names)].join(', ')} did not open: ${say(cause)}`, { executor: names[0]!, cause })
}

/** Whether it names the part already, as what watches over a worker does. */
function saysSo({ name }: Part, cause: unknown): cause is ExecutorError {
  return cause instanceof ExecutorError && cause.code === 'ERR_EXECUTOR_OPEN' && cause.executor === name
}

/**
 * Closes parts one by one, the last first, all of them whatever some throw.
 * @throws what the only one that failed threw; a CloseError (`ERR_CLOSE`) of several
 */
export async function closeAll(parts: readonly Part[]): Promise<void> {
  const failures: unknown[] = []
  const said: string[] = []
  for (const part of [...parts].reverse()) {
    try {
      await part.close()
    } catch (error) {
      failures.push(error)
      said.push(`${part.name}: ${say(error)}`)
    }
  }
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new CloseError(failures, `${failures.length} failed to close: ${said.join('; ')}`)
}
