import { DependencyError, isError, say } from './errors.js'

/**
 * Says that a package is not there, or cannot be loaded.
 * @param purpose what it is for, such as `'To speak over NATS'`
 * @param cause what importing it threw
 */
export function missing(name: string, purpose: string, cause: unknown): DependencyError {
  const { code } = cause as { code?: unknown }
  // As Node says it, and as Plug'n'Play of yarn does.
  const isAbsent = isError(cause) && /MODULE_NOT_FOUND$/.test(String(code)) && [`'${name}'`, `access ${name} `].some((said) => cause.message.includes(said))
  // What follows is not of the project: it would push the message off the screen.
  if (isAbsent) cause.stack = `Error [${code}]: ${cause.message.split('\n', 1)[0]}`
  return new DependencyError(name, `${purpose}, the package ${name} is needed: npm install ${name}${isAbsent ? '' : ` (${say(cause)})`}`, { cause })
}
