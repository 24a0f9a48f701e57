import { executorOf } from '../executor/executor.js'
import { post } from '../post/post.js'

let warmedUp: Promise<void> | undefined

/**
 * Takes one request through what is loaded when it is first needed, and any client's may need: asynchronous sources, callbacks, generators, order, parameters,
 * patterns of targetExecutor. Done before a gateway is ready, and as soon as there is a handler for somebody else's server: where a file cannot be read for a moment,
 * as the process has no handle left or the package is being replaced, Node remembers that for as long as the process lives.
 */
export function warmUp(): Promise<void> {
  warmedUp ??= run().catch((error) => {
    warmedUp = undefined
    throw error
  })
  return warmedUp
}

/** The same for who cannot wait: what is missing then is loaded by the request that needs it. */
export function warmUpMeanwhile(): void {
  warmUp().catch(() => {})
}

async function run(): Promise<void> {
  const executor = new (executorOf(async function* () {
    yield []
  }))({ name: 'rehearsal' })
  await post(executor, '/', one(), { targetExecutor: '.*', parameters: { any: 1 }, resultsInOrder: true, onDone() {} }).drain()
}

async function* one(): AsyncGenerator<string> {
  yield 'rehearsal'
}
