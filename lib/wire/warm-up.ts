import { executorOf } from '../executor/executor.js'
import { post } from '../post/post.js'

let rehearsed: Promise<void> | undefined

/**
 * Takes one request through what is loaded when it is first needed, and any client's may need: asynchronous sources, callbacks, generators, order, parameters,
 * patterns of targetExecutor. Done before a gateway is ready, and as soon as there is a handler for somebody else's server: where a file cannot be read for a moment,
 * as the process has no handle left or the package is being replaced, Node remembers that for as long as the process lives.
 */
export function rehearse(): Promise<void> {
  rehearsed ??= run().catch((error) => {
    rehearsed = undefined
    throw error
  })
  return rehearsed
}

/** The same for who cannot wait: what is missing then is loaded by the request that needs it. */
export function rehearseMeanwhile(): void {
  rehearse().catch(() => {})
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
