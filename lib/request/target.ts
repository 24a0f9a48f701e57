export type Target = (executor: string) => boolean

const PLAIN = /^[\w -]*$/

let understand: typeof import('./pattern.js').understand | undefined

/**
 * Which executors a pattern means: those whose name starts with a match, as Python's `re.match` decides it in Jina.
 * Patterns come from the network, so anything but a plain name is matched by RE2, in linear time; it is loaded when first needed.
 *
 * @throws RangeError (`ERR_OPTION_RANGE`), maybe later, for a pattern that RE2 does not understand, or that is too large
 */
export function target(pattern: string): Target | Promise<Target> {
  if (PLAIN.test(pattern)) return (executor) => executor.startsWith(pattern)
  return understand?.(pattern) ?? load(pattern)
}

async function load(pattern: string): Promise<Target> {
  ;({ understand } = await import('./pattern.js'))
  return understand(pattern)
}
