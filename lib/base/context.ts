import { builtin, node } from './node.js'

/**
 * What `AsyncLocalStorage`s hold where it was taken: who a request belongs to, its transaction, its trace.
 *
 * Promises carry theirs along. So it is needed only where work goes on that did not begin there: whoever ends a wait of others, from a
 * queue they share, goes on in theirs and not in its own. To take one costs some 20 ns, to go into it 15: once a post or a wait, never
 * for each document.
 */
export interface Context {
  runInAsyncScope<This, Args extends unknown[], R>(fn: (this: This, ...args: Args) => R, thisArg: This, ...args: Args): R
}

// `AsyncLocalStorage.snapshot()` would say the same in one word, at 300 times the price on Node 20.
let Resource: (new (type: string) => Context) | undefined = builtin('async_hooks')?.AsyncResource

// Node before 20.16 hands it out later than at once.
if (Resource === undefined && globalThis.process?.versions?.node !== undefined)
  node('async_hooks').then(
    ({ AsyncResource }) => {
      Resource = AsyncResource
    },
    () => {},
  )

const NONE: Context = { runInAsyncScope: (fn, thisArg, ...args) => fn.apply(thisArg, args) }

/** The context of whoever asks. Where there are none, as in browsers, it does nothing. */
export function here(): Context {
  return Resource === undefined ? NONE : new Resource('sluice')
}
