import type { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { Context, ContextManager } from '@opentelemetry/api'
import { node } from '../base/node.js'
import { quietly } from './channels.js'

type Api = typeof import('@opentelemetry/api')
type Work = () => void | Promise<void>

/** By which OpenTelemetry's SDK marks what its exporters do: they look for a context to mark it, and not for a span. */
export const SUPPRESSED = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

/** So many requests that are not recorded have a context all the same, where nobody is known to look yet. */
const FIRST = 256

/** Has OpenTelemetry know which span goes on where, so that spans that executors make are part of those that they run in. */
export interface Contexts {
  /** What goes on here. */
  here(): Context
  /** Somebody needed it: from now on, whatever goes on has one. */
  keep(): void
  /** Does work that is recorded. */
  recorded(own: Context, work: Work): void | Promise<void>
  /** Does work that is not. @param own its context, which is made where somebody may look */
  unrecorded(own: () => Context, work: Work): void | Promise<void>
  close(): void
}

/** Who registered somebody who keeps contexts keeps him. */
export async function keepContexts(api: Api): Promise<Contexts> {
  const { AsyncLocalStorage, AsyncResource } = await node('async_hooks')
  const own = new Own(api, new AsyncLocalStorage<Context>(), AsyncResource)
  return api.context.setGlobalContextManager(own) ? own : new Theirs(api)
}

/** Whoever keeps contexts: by OpenTelemetry's API alone. */
class Theirs implements Contexts {
  constructor(private readonly api: Api) {}

  here(): Context {
    return this.api.context.active()
  }

  recorded(own: Context, work: Work): void | Promise<void> {
    let outcome: { readonly value: void | Promise<void> } | { readonly error: unknown } | undefined
    quietly(() =>
      this.api.context.with(own, () => {
        try {
          outcome = { value: work() }
        } catch (error) {
          outcome = { error }
        }
      }),
    )
    // He may have failed before he came to the work.
    const done = outcome as { readonly value?: void | Promise<void>; readonly error?: unknown } | undefined
    if (done === undefined) return work()
    if ('error' in done) throw done.error
    return done.value
  }

  unrecorded(own: () => Context, work: Work): void | Promise<void> {
    return this.recorded(own(), work)
  }

  keep(): void {}

  close(): void {}
}

/**
 * Ours. On Node before 24 an `AsyncLocalStorage` that is in use costs each promise of the process, so a third of a small request. So it is in use while something goes on that is recorded, and no
 * longer, until somebody looks for a context who is none of us. What is not recorded has one from then on as well: spans of executors' own belong to it, and are recorded no more than it is.
 */
class Own implements Contexts, ContextManager {
  /** What is not recorded, and runs right now without the storage. */
  #current: (() => Context) | undefined
  /** Works that are in the storage. */
  #inside = 0
  #unrecorded = 0
  /** Somebody has looked, who may be an exporter. */
  #isLooked = false
  /** Somebody has. */
  #isKept: boolean

  constructor(
    private readonly api: Api,
    private readonly storage: AsyncLocalStorage<Context>,
    private readonly Resource: typeof AsyncResource,
  ) {
    // Where it costs nothing, it has no such field, and is never ended.
    this.#isKept = !('enabled' in storage)
  }

  active(): Context {
    if (this.#isLooked) this.#isKept = true
    this.#isLooked = true
    return this.here()
  }

  here(): Context {
    return this.#current?.() ?? this.storage.getStore() ?? this.api.ROOT_CONTEXT
  }

  keep(): void {
    this.#isKept = true
  }

  recorded(own: Context, work: Work): void | Promise<void> {
    this.#inside++
    let pending: void | Promise<void>
    try {
      pending = this.#run(own, work)
    } catch (error) {
      this.#leave()
      throw error
    }
    if (pending === undefined) return this.#leave()
    return pending.then(
      () => this.#leave(),
      (error) => {
        this.#leave()
        throw error
      },
    )
  }

  unrecorded(own: () => Context, work: Work): void | Promise<void> {
    if (this.#isLooked) this.#isKept = true
    // What is around it, it must not be taken for.
    const isWithin = this.#inside > 0 && this.storage.getStore() !== undefined
    if (this.#isKept || isWithin || this.#unrecorded++ < FIRST) return this.recorded(own(), work)
    const before = this.#current
    this.#current = own
    try {
      return work()
    } finally {
      this.#current = before
    }
  }

  #run<R>(own: Context, work: () => R): R {
    const before = this.#current
    this.#current = undefined
    try {
      return this.storage.run(own, work)
    } finally {
      this.#current = before
    }
  }

  #leave(): void {
    if (--this.#inside === 0 && !this.#isKept) this.storage.disable()
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(own: Context, fn: F, thisArg?: ThisParameterType<F>, ...args: A): ReturnType<F> {
    const work = (): ReturnType<F> => fn.apply(thisArg, args)
    if (own.getValue(SUPPRESSED) === undefined) {
      this.#isKept = true
      return this.#run(own, work)
    }
    this.#isLooked = false
    this.#inside++
    try {
      return this.#run(own, work)
    } finally {
      this.#leave()
    }
  }

  bind<T>(own: Context, target: T): T {
    if (typeof target !== 'function') return target
    this.#isKept = true
    return this.#run(own, () => this.Resource.bind(target as unknown as (...args: any[]) => unknown)) as T
  }

  enable(): this {
    return this
  }

  disable(): this {
    this.storage.disable()
    return this
  }

  close(): void {
    this.api.context.disable()
  }
}
