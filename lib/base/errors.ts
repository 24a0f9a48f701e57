import { shortage } from './shortage.js'

/** What every error of sluice has: a stable `code`, and a message that says what to do. */
export interface Coded extends Error {
  readonly code: string
}

/** The base of sluice's own errors. `cause` keeps what lies below. */
export class SluiceError extends Error implements Coded {
  /** Its name, written out, as whoever makes code small renames classes. A class that somebody derives has a name of its own. */
  protected static readonly own: string = 'SluiceError'
  readonly code: string

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  // On the prototype: an own property would be printed with every error.
  override get name(): string {
    const made = this.constructor as typeof SluiceError
    return Object.hasOwn(made, 'own') ? made.own : made.name
  }
}

/** The graph of a Flow cannot be built, or not now: `ERR_FLOW_OPEN`, `ERR_NEED_UNKNOWN`, `ERR_NEED_CYCLE`, `ERR_NEED_SINGLE`, `ERR_NAME_TAKEN`, `ERR_NAME_INVALID`, `ERR_USES_INVALID`, `ERR_CONDITION_INVALID`. */
export class FlowBuildError extends SluiceError {
  protected static override readonly own: string = 'FlowBuildError'
}

/** The Flow is not in the state the call needs: `ERR_FLOW_NOT_OPEN`, `ERR_FLOW_CLOSED`. */
export class FlowStateError extends SluiceError {
  protected static override readonly own: string = 'FlowStateError'
}

/** Something given as a document is none, or cannot be read as one: `ERR_DOCUMENT`. */
export class DocumentError extends SluiceError {
  protected static override readonly own: string = 'DocumentError'
}

/** An input of `post()` that cannot be taken: `ERR_INPUT`. */
export class InputError extends SluiceError {
  protected static override readonly own: string = 'InputError'
}

/** A place in a file that cannot be read: `ERR_PARSE`. `line` and `column` start at 1. */
export class ParseError extends SluiceError {
  readonly file: string | undefined
  readonly line: number
  readonly column: number | undefined

  constructor(reason: string, place: { file?: string | undefined; line: number; column?: number | undefined }, options?: { cause?: unknown }) {
    const { file, line, column } = place
    super('ERR_PARSE', `${file ?? 'input'}:${line}${column === undefined ? '' : `:${column}`}: ${reason}`, options)
    this.file = file
    this.line = line
    this.column = column
  }

  protected static override readonly own: string = 'ParseError'
}

/**
 * An Executor failed to answer (`ERR_EXECUTOR`), in its time (`ERR_EXECUTOR_TIMEOUT`), in a form that has a meaning
 * (`ERR_EXECUTOR_RESULT`), or to open (`ERR_EXECUTOR_OPEN`); or its methods or its folder are not what they are said to be
 * (`ERR_EXECUTOR_BINDING`); or it was asked with what does not fit the schemas of its `input` (`ERR_EXECUTOR_INPUT`), and was not called.
 * `cause` is what it threw, or a SchemaError with the `issues`.
 */
export class ExecutorError extends SluiceError {
  readonly executor: string
  readonly endpoint: string | undefined
  readonly requestId: string | undefined

  constructor(
    code: 'ERR_EXECUTOR' | 'ERR_EXECUTOR_INPUT' | 'ERR_EXECUTOR_TIMEOUT' | 'ERR_EXECUTOR_RESULT' | 'ERR_EXECUTOR_OPEN' | 'ERR_EXECUTOR_BINDING',
    message: string,
    where: { executor: string; endpoint?: string | undefined; requestId?: string | undefined; cause?: unknown },
  ) {
    // Of it, an Error takes the cause, if there is one.
    super(code, message, where)
    this.executor = where.executor
    this.endpoint = where.endpoint
    this.requestId = where.requestId
  }

  protected static override readonly own: string = 'ExecutorError'
}

/**
 * Something is wrong between a client and a server; `address` says which. `ERR_UNREACHABLE`: nobody answers there. `ERR_DISCONNECTED`: it
 * stopped answering. `ERR_TIMEOUT`: not in time. `ERR_TLS`: who answers is not who it should be. `ERR_TOO_LARGE`: a message over a limit.
 * `ERR_PROTOCOL`: who answers speaks another language, or of another place. `ERR_REFUSED`: it does not want to, and says why.
 */
export class ConnectionError extends SluiceError {
  readonly address: string
  /** Given where it concerns this request alone, as an answer that cannot be read: with `continueOnError`, others go on. */
  readonly requestId: string | undefined
  /** Given where the same request would be refused again: nothing asks again by itself. */
  declare readonly permanent?: true
  /** Given where whoever is there has too much to do now. */
  declare readonly busy?: true
  /** In how many milliseconds to ask again, where that was said. */
  declare readonly retryAfter?: number

  constructor(
    code: 'ERR_UNREACHABLE' | 'ERR_DISCONNECTED' | 'ERR_TIMEOUT' | 'ERR_TLS' | 'ERR_TOO_LARGE' | 'ERR_PROTOCOL' | 'ERR_REFUSED',
    address: string,
    reason: string,
    options?: { cause?: unknown; requestId?: string },
  ) {
    super(code, `${address}: ${reason}`, options)
    this.address = address
    this.requestId = options?.requestId
  }

  protected static override readonly own: string = 'ConnectionError'
}

/** Several executors failed to close: `ERR_CLOSE`. `errors` are what they threw, in the order in which they were closed: the last of the graph first. */
export class CloseError extends AggregateError implements Coded {
  readonly code = 'ERR_CLOSE'
  override readonly name = 'CloseError'
}

/** `onDone`, `onError`, `onFailure` or `onAlways` threw: `ERR_CALLBACK`. `cause` is what it threw. */
export class CallbackError extends SluiceError {
  readonly callback: string

  constructor(callback: string, requestId: string, cause: unknown) {
    super('ERR_CALLBACK', `${callback} threw for request ${requestId}: ${say(cause)}. Catch it there, or set continueOnError to log it and go on`, { cause })
    this.callback = callback
  }

  protected static override readonly own: string = 'CallbackError'
}

/** A configuration that cannot be used: `ERR_CONFIG`. `line` and `column` start at 1. */
export class ConfigError extends SluiceError {
  readonly file: string | undefined
  readonly line: number | undefined
  readonly column: number | undefined
  readonly key: string | undefined

  constructor(
    reason: string,
    where: { file?: string | undefined; line?: number | undefined; column?: number | undefined; key?: string | undefined },
    options?: { cause?: unknown },
  ) {
    const { file, line, column, key } = where
    const at = line === undefined ? '' : column === undefined ? `:${line}` : `:${line}:${column}`
    super('ERR_CONFIG', `${file ?? 'configuration'}${at}: ${key === undefined ? '' : `${key}: `}${reason}`, options)
    this.file = file
    this.line = line
    this.column = column
    this.key = key
  }

  protected static override readonly own: string = 'ConfigError'
}

/** A package that sluice uses only where it is there is not there, or does not work here: `ERR_DEPENDENCY`. `dependency` is its name, `cause` what importing it threw. */
export class DependencyError extends SluiceError {
  readonly dependency: string

  constructor(dependency: string, message: string, options?: { cause?: unknown }) {
    // Above an error that nobody catches, Node shows the line of code that it comes from. That would be one of sluice, which helps nobody, before the message, which
    // does. Of an error that was made without frames, Node shows no such line. It gets its frames as a text.
    const { stackTraceLimit } = Error
    const { stack = '' } = new Error()
    Reflect.set(Error, 'stackTraceLimit', 0)
    super('ERR_DEPENDENCY', message, options)
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
    this.dependency = dependency
    const frames = stack.split('\n').filter((line) => /^\s+at (?!new )/.test(line))
    if (frames.length > 0)
      Object.defineProperty(this, 'stack', { value: [`${this.name}: ${message}`, ...frames].join('\n'), writable: true, configurable: true })
  }

  protected static override readonly own: string = 'DependencyError'
}

/** An option of the wrong type: `ERR_OPTION_TYPE`. A TypeError, as the platform's own. */
export class OptionTypeError extends TypeError implements Coded {
  readonly code = 'ERR_OPTION_TYPE'
  override readonly name = 'OptionTypeError'
}

/** An option of the right type out of its range: `ERR_OPTION_RANGE`. A RangeError, as the platform's own. */
export class OptionRangeError extends RangeError implements Coded {
  readonly code = 'ERR_OPTION_RANGE'
  override readonly name = 'OptionRangeError'
}

export function optionType(name: string, expected: string, given: unknown): OptionTypeError {
  return new OptionTypeError(`${name} must be ${expected}, not ${show(given)}`)
}

export function optionRange(name: string, expected: string, given: unknown): OptionRangeError {
  return new OptionRangeError(`${name} must be ${expected}, not ${show(given)}`)
}

/** What is no document, or no field of one. */
export function invalid(field: string, expected: string, given: unknown): DocumentError {
  return new DocumentError('ERR_DOCUMENT', `${field} must be ${expected}, not ${show(given)}`)
}

/** A value as a message may name it: short, on one line, without passwords and queries of addresses, and without running code of the value. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    // No more than can be shown: it may be megabytes of somebody else's.
    const text = value
      .slice(0, 999)
      .replace(/(\/\/|^(?!npm:)[^\s/@]*:(?!\/\/))\S*@/, '$1…@')
      .replace(/(\/\/[^\s?]*\?)\S+/, '$1…')
    return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text)
  }
  if (typeof value === 'function') return `the function ${value.name || '(anonymous)'}`
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  const name = Object.getPrototypeOf(value)?.constructor?.name
  return name === undefined || name === 'Object' ? 'an object' : `a ${name}`
}

/** Is it an Error, of this realm or another (a `vm` context, a frame)? Never throws, whatever is asked. */
export function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error || Object.prototype.toString.call(thrown) === '[object Error]'
  } catch {
    return false
  }
}

/** What an error says of itself, as text; `''` for what is no error, or throws when looked at. */
export function read(thrown: unknown, field: 'name' | 'message' | 'stack'): string {
  try {
    return isError(thrown) ? String(thrown[field] ?? '') : ''
  } catch {
    return ''
  }
}

/** What was thrown, in one line. Anything can be thrown, also what throws again when looked at. */
export function say(thrown: unknown): string {
  try {
    return read(thrown, 'message') || read(thrown, 'name') || show(thrown)
  } catch {
    return 'something that cannot be shown'
  }
}

/** What an error of the system says, and what to do where something has run out. */
export function sayOf(error: unknown): string {
  const advice = shortage(error)
  return advice === undefined ? say(error) : `${say(error)}. ${advice}`
}

/** What was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(say(thrown), { cause: thrown })
}
