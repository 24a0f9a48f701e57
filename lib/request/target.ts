import { optionRange, say } from '../errors.js'

export type Target = (executor: string) => boolean

const PLAIN = /^[\w -]*$/

/**
 * Which executors a pattern means: those whose name starts with a match, as Python's `re.match` decides it in Jina.
 * Patterns come from the network, so anything but a plain name is matched by RE2, in linear time; it is loaded when first needed.
 *
 * @throws RangeError (`ERR_OPTION_RANGE`), maybe later, for a pattern that RE2 does not understand
 */
export function target(pattern: string): Target | Promise<Target> {
  if (PLAIN.test(pattern)) return (executor) => executor.startsWith(pattern)
  return compile(pattern)
}

async function compile(pattern: string): Promise<Target> {
  const { RE2JS } = await import('re2js')
  let expression: import('re2js').RE2JS
  try {
    expression = RE2JS.compile(pattern)
  } catch (error) {
    throw optionRange('targetExecutor', `a regular expression in RE2's syntax (${say(error)})`, pattern)
  }
  return (executor) => expression.matcher(executor).lookingAt()
}
