import { node } from '../../base/node.js'
import { shared } from '../proto/index.js'

/**
 * Has memory stay where it is that documents of a request share: whoever hands over one vector to somebody else, as by the `transfer` of `structuredClone()` or
 * `postMessage()`, would take it away from all the others. Node then clones it, or refuses it, as it does with the memory that its small Buffers share.
 */
export async function keepShared(): Promise<void> {
  const { markAsUntransferable } = await node('worker_threads')
  try {
    markAsUntransferable(new ArrayBuffer(0))
    shared.keep = markAsUntransferable
  } catch {
    // Not every platform has it.
  }
}
