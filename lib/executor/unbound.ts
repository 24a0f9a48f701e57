import { ExecutorError } from '../base/errors.js'
import type { Handler } from '../request/handler.js'
import { Executor } from './executor.js'

/**
 * A class whose methods nothing binds to endpoints would let all documents pass by, without a word.
 * @throws ExecutorError (`ERR_EXECUTOR_BINDING`) that names its methods
 */
export function checkBound(name: string, executor: Handler): void {
  const methods: string[] = []
  for (let at = Object.getPrototypeOf(executor); at instanceof Executor; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at.constructor, 'requests')) return
    for (const method of Object.getOwnPropertyNames(at))
      if (!(method in Executor.prototype) && typeof Object.getOwnPropertyDescriptor(at, method)!.value === 'function') methods.push(method)
  }
  const [method] = methods
  if (method === undefined) return
  const advice = `Put @requests('/${method}') above it, or static requests = { '/${method}': '${method}' } into the class; static requests = {} if documents are to pass it by`
  throw new ExecutorError(
    'ERR_EXECUTOR_BINDING',
    `${name} answers no endpoint: nothing binds ${methods.map((each) => `${each}()`).join(', ')} to one. ${advice}`,
    {
      executor: name,
    },
  )
}
