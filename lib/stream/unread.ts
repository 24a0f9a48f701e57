/**
 * Destroys a stream of Node that was opened and not read: the iterator that it gave closes nothing before its first `next()`. Of other sources, nothing is
 * open before they are read.
 */
export function destroyUnread(source: object): void {
  const { destroy } = source as { destroy?: unknown }
  if (typeof destroy === 'function') destroy.call(source)
}
