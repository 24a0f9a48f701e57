import { say } from './errors.js'
import type { Logger, LogRecord } from './logger.js'

/** The most characters of one text in a line, and lines of one stack. */
const LONGEST = 2000
const DEEPEST = 30

/** Characters that end lines, move cursors or change colours: what comes from outside could forge lines with them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones
const CONTROL = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** A text as it may stand in a line: control characters as `\x0a` or `\u2028`. */
export function escaped(text: string): string {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
  return short.replace(CONTROL, (character) => {
    const code = character.charCodeAt(0).toString(16)
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`
  })
}

/**
 * A record as people read it: one line, and the stack behind it, each line of it indented; of documents that failed, of which there may be many, none.
 * Nothing in it can begin a line of its own.
 *
 * `2026-11-28T20:15:00.000Z error executor.failed request=65f… executor=store endpoint=/index: store failed at /index …: no such file`
 */
export function lineOf({ level, time, event, error, fields, ...about }: LogRecord): string {
  const { requestId, executor, endpoint, traceId } = about
  const names = Object.entries({ request: requestId, executor, endpoint, trace: traceId, ...fields })
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => ` ${name}=${wordOf(value)}`)
  const said = error === undefined ? '' : `: ${escaped(say(error))}`
  return `${new Date(time).toISOString()} ${level} ${event}${names.join('')}${said}${event === 'document.failed' ? '' : stackOf(error)}`
}

function wordOf(value: unknown): string {
  const text = typeof value === 'string' ? value : say(value)
  return escaped(/[\s"=]/.test(text) ? JSON.stringify(text) : text)
}

/** The stack of what lies deepest, which is the code of who failed. Anything can be thrown, also what throws again when looked at. */
function stackOf(error: unknown): string {
  try {
    let at = error
    for (let depth = 0; depth < 8 && at instanceof Error && at.cause instanceof Error; depth++) at = at.cause
    if (!(at instanceof Error) || typeof at.stack !== 'string') return ''
    const frames = at.stack.split('\n').filter((line) => /^\s+at /.test(line))
    return frames
      .slice(0, DEEPEST)
      .map((line) => `\n    ${escaped(line.trim())}`)
      .join('')
  } catch {
    return ''
  }
}

/**
 * A record as one line of JSON, for who collects logs: `time` as text, `fields` beside the others, and of an error its `name`, `code`, `message`, `stack` and `cause`. What names the record wins over
 * a field of the same name.
 */
export function jsonLineOf({ level, time, event, error, fields, ...about }: LogRecord): string {
  const said = { ...fields, time: new Date(time).toISOString(), level, event, ...about, ...(error !== undefined && { error: plain(error, 0) }) }
  // JSON may have characters as they are that move cursors or reverse the text of a terminal.
  return JSON.stringify(said, (_, value) => (typeof value === 'bigint' ? String(value) : value)).replace(
    CONTROL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Anything can be thrown, also what throws again when looked at. */
function plain(error: unknown, depth: number): unknown {
  try {
    if (!(error instanceof Error)) return shortened(say(error))
    const { name, code, message, stack, cause } = error as Error & { code?: unknown }
    return {
      name,
      ...(typeof code === 'string' && { code }),
      message: shortened(message),
      ...(typeof stack === 'string' && { stack: stack.split('\n').slice(0, DEEPEST).map(shortened).join('\n') }),
      ...(cause !== undefined && depth < 8 && { cause: plain(cause, depth + 1) }),
    }
  } catch {
    return 'it cannot be said'
  }
}

function shortened(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}

/** How the command line logs. */
export interface LogStyle {
  /** Default `'lines'`: for people. */
  readonly format?: 'lines' | 'json' | undefined
  /** Warnings and errors alone. */
  readonly quiet?: boolean | undefined
  /** What happens all the time, too. */
  readonly verbose?: boolean | undefined
}

/** For the command line: what is worth reading, on stderr. */
export function toStderr({ format, quiet = false, verbose = false }: LogStyle = {}): Logger {
  const written = format === 'json' ? jsonLineOf : lineOf
  return (record) => {
    if (record.level === 'debug' ? !verbose : record.level === 'info' && quiet) return
    process.stderr.write(`${written(record)}\n`)
  }
}
