import { executorOf } from '../executor.js'
import { post } from '../post/post.js'

/**
 * Takes one request through what is loaded when it is first needed, and any client's may need: asynchronous sources, callbacks, generators, patterns of
 * targetExecutor. Done before a gateway is ready: where a file cannot be read for a moment, as the process has no handle left or the package is being
 * replaced, Node remembers that for as long as the process lives.
 */
export async function rehearse(): Promise<void> {
  const executor = new (executorOf(async function* () {
    yield []
  }))({ name: 'rehearsal' })
  await post(executor, '/', one(), { targetExecutor: '.*', onDone() {} }).drain()
}

async function* one(): AsyncGenerator<object> {
  yield { text: '' }
}
