import { type Command, InvalidArgumentError, Option } from 'commander'
import { ExecutorError, OptionRangeError, OptionTypeError, say } from '../base/errors.js'
import { shortage } from '../base/shortage.js'

/** The command line makes no sense: exit code 2. */
export class Usage extends Error {}

/** It failed, or was stopped, and that was said. */
export class Failed extends Error {
  /** @param code the exit code */
  constructor(readonly code = 1) {
    super()
  }
}

/** A whole number, as an option's value. */
export function integer(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(value)) throw new InvalidArgumentError('It is a whole number.')
  return value
}

/** `name=value`, as one of several values of an option. */
export function pair(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It is name=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** A header, as curl has it or with `=`. What is wrong with it is not shown: it may hold a secret. */
export function header(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [, name, value] = /^([\w!#$%&'*+.^`|~-]+)\s*[:=]\s*(.*)$/s.exec(text) ?? []
  if (name === undefined) throw new Usage('--header is name=value, such as --header "authorization=Bearer …"')
  return { ...before, [name]: value! }
}

/**
 * Where a token comes from: never from the command line itself, which others on this machine see, and shells remember.
 * @throws Usage for `--token`
 */
export function tokens(command: Command, about: string): Command {
  return command.option('--token-file <file>', about).addOption(
    new Option('--token [token]').hideHelp().argParser(() => {
      throw new Usage('A token on the command line is seen by whoever lists processes. Name a file of it with --token-file, or set SLUICE_TOKEN')
    }),
  )
}

/** A list with commas, as an option's value. */
export function list(text: string): string[] {
  return text.split(',').map((item) => item.trim())
}

/** A JSON object, as an option's value. */
export function jsonObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON: ${say(error)}.`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidArgumentError(`It is a JSON object, such as '{"top": 5}'.`)
  return value as Record<string, unknown>
}

/** Runs `fn`, and takes what it says of options for what it is here: a remark on the command line. */
export function asUsage<R>(fn: () => R): R {
  try {
    return fn()
  } catch (error) {
    throw error instanceof OptionTypeError || error instanceof OptionRangeError ? new Usage(error.message, { cause: error }) : error
  }
}

/** An error for a person at a terminal: what happened and, where an executor failed, where in its code. */
export function explain(error: unknown): string {
  // A Flow that fails to close after something else failed.
  if (error instanceof Error && 'suppressed' in error) return `${explain(error.suppressed)}\n${explain((error as Error & { error?: unknown }).error)}`
  const { cause } = error instanceof ExecutorError ? error : { cause: undefined }
  const stack =
    cause instanceof Error && typeof cause.stack === 'string' ? cause.stack.split('\n').filter((line) => /^\s+at /.test(line) && !/node:/.test(line)) : []
  const [said, advice] = [say(error), adviceFor(error)]
  return [advice === undefined || said.includes(advice) ? said : `${said}. ${advice}`, ...stack.slice(0, 4)].join('\n')
}

/** What to do where something has run out, however deep that lies. */
function adviceFor(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const advice = shortage(at)
    if (advice !== undefined) return advice
  }
  return undefined
}
