import type { Context } from '@opentelemetry/api'
import { node } from '../base/node.js'

type Api = typeof import('@opentelemetry/api')

/**
 * Has OpenTelemetry know which span goes on where, so that spans that executors make are part of those that they run in. Who registered somebody for that keeps him.
 * @returns undoes it
 */
export async function keepContexts({ context, ROOT_CONTEXT }: Api): Promise<() => void> {
  const { AsyncLocalStorage, AsyncResource } = await node('async_hooks')
  const storage = new AsyncLocalStorage<Context>()
  const manager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: <A extends unknown[], F extends (...args: A) => ReturnType<F>>(own: Context, fn: F, thisArg?: ThisParameterType<F>, ...args: A): ReturnType<F> =>
      storage.run(own, () => fn.apply(thisArg, args)),
    bind: <T>(own: Context, target: T): T =>
      typeof target === 'function' ? (storage.run(own, () => AsyncResource.bind(target as unknown as (...args: any[]) => unknown)) as T) : target,
    enable() {
      return manager
    },
    disable() {
      storage.disable()
      return manager
    },
  }
  return context.setGlobalContextManager(manager) ? () => context.disable() : () => {}
}
