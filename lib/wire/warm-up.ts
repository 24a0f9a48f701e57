/** What any client's request may be the first to need, on every wire; and what executors may, of this library, while they answer. */
const ROOMS: readonly (() => Promise<unknown>)[] = [
  () => import('../post/iterables.js'),
  () => import('../post/callbacks.js'),
  () => import('../post/one-to-one.js'),
  () => import('../stream/order.js'),
  () => import('../stream/flatten.js'),
  () => import('../request/pattern.js'),
  () => import('../request/parameters-for.js'),
  () => import('../executor/generator.js'),
  () => import('../executor/per-document.js'),
  () => import('../executor/failed.js'),
  () => import('../doc/save.js'),
  () => import('csv-parse/sync'),
]

/**
 * Loads what is loaded when it is first needed. Done before a gateway is ready, and as soon as there is a handler for somebody else's server: where a file
 * cannot be read for a moment, as the process has no handle left or the package is being replaced, Node 20 remembers that for as long as the process lives,
 * and later ones fail until there are handles again.
 * @param rooms what a wire needs beside
 */
export async function warmUp(...rooms: readonly (() => Promise<unknown>)[]): Promise<void> {
  await Promise.all([...ROOMS, ...rooms].map((load) => load()))
}

/** The same for who cannot wait: what is missing then is loaded by the request that needs it. */
export function warmUpMeanwhile(...rooms: readonly (() => Promise<unknown>)[]): void {
  warmUp(...rooms).catch(() => {})
}
