import { node } from '../base/node.js'

/** Of the memory there is, the part that may be requests and answers. The rest is for what is made of them, and for executors. */
const PART = 4

interface Memory {
  /** Bytes this process may have, of its container or control group. Without such a bound: 0, undefined, or more than any machine has, by version and runtime. */
  constrainedMemory?(): number | undefined
}

/**
 * The bytes that may be inside of a gateway that was not told: a quarter of what is less, V8's heap limit (`--max-old-space-size`) or the memory of the container.
 * Some documents are outside the heap, as bytes and tensors are; those have the container's bound alone, which is told apart in no runtime.
 * @returns 0, which is no bound, where a runtime tells neither
 */
export async function defaultBytesInFlight(memory: Memory = (globalThis as { process?: Memory }).process ?? {}): Promise<number> {
  const heap = await node('v8').then(
    ({ getHeapStatistics }) => getHeapStatistics().heap_size_limit,
    () => 0,
  )
  const bounds = [heap, memory.constrainedMemory?.() ?? 0].filter((bound) => bound > 0)
  return bounds.length === 0 ? 0 : Math.floor(Math.min(...bounds) / PART)
}
