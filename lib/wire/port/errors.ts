import { ConfigError, ConnectionError, DocumentError, ExecutorError, FlowBuildError, isError, read, SluiceError, say } from '../../base/errors.js'
import { isPlainObject } from '../../doc/json.js'
import { failure } from '../outcome.js'
import { WriterFull } from '../proto/index.js'
import { MOST_BYTES } from './frames.js'

// What was thrown in a worker, as it is known here: its name, its words, its stack and its causes. It comes as JSON, and what is made of it are errors and
// nothing else: no class that the worker names, no property that it makes up.

interface Written {
  readonly name: string
  readonly message: string
  readonly stack?: string | undefined
  readonly code?: string | number | undefined
  /** Of sluice's own. */
  readonly own?: Readonly<Record<string, string | number | boolean>> | undefined
  readonly cause?: Written | undefined
  readonly issues?: unknown
  /** What was thrown is no error, but this. */
  readonly plain?: string | number | boolean | null | undefined
}

/** Levels of causes that are told. */
const DEEPEST = 8

/** Classes of sluice's own that mean something to who gets them, and what they say beside. */
const OWN = {
  ExecutorError: [ExecutorError, ['executor', 'endpoint', 'requestId']],
  ConnectionError: [ConnectionError, ['address', 'requestId', 'permanent']],
  ConfigError: [ConfigError, ['file', 'line', 'column', 'key']],
  FlowBuildError: [FlowBuildError, []],
} as const

const classOf = (thrown: unknown): keyof typeof OWN | undefined =>
  (Object.keys(OWN) as (keyof typeof OWN)[]).find((name) => isError(thrown) && thrown instanceof OWN[name][0])

/** Anything can be thrown, also what throws when it is looked at. */
export function writeError(thrown: unknown, depth = 0): Written {
  if (!isError(thrown)) {
    const isPlain = thrown === null || ['string', 'number', 'boolean', 'undefined'].includes(typeof thrown)
    return { name: typeof thrown, message: say(thrown), ...(isPlain && { plain: thrown as string }) }
  }
  const get = (field: string): unknown => {
    try {
      return (thrown as unknown as Record<string, unknown>)[field]
    } catch {
      return undefined
    }
  }
  const name = classOf(thrown)
  const [code, cause, issues] = ['code', 'cause', 'issues'].map(get)
  return {
    name: read(thrown, 'name') || 'Error',
    message: read(thrown, 'message'),
    stack: read(thrown, 'stack') || undefined,
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(name !== undefined && { own: Object.fromEntries(OWN[name][1].map((field) => [field, get(field) as string]).filter(([, value]) => isScalar(value))) }),
    ...(cause !== undefined && depth < DEEPEST && { cause: writeError(cause, depth + 1) }),
    ...(Array.isArray(issues) && { issues: jsonOf(issues) }),
  }
}

function isScalar(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

function jsonOf(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value))
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** What was thrown there. Whatever comes, it is an error, or the text or number that was thrown in place of one. */
export function readError(written: Written, depth = 0): unknown {
  const { name, message, stack, code, own, cause, issues } = Object(written) as Partial<Written>
  if (Object.hasOwn(Object(written), 'plain') && Object(written.plain) !== written.plain) return written.plain
  if (name === 'undefined') return undefined
  const kind = typeof name === 'string' && Object.hasOwn(OWN, name) && isPlainObject(own) ? OWN[name as keyof typeof OWN] : undefined
  const error: Error = kind === undefined ? new Error(textOf(message)) : new SluiceError(textOf(code), textOf(message))
  const set = (key: string, value: unknown): unknown => Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false })
  if (kind !== undefined) {
    Object.setPrototypeOf(error, kind[0].prototype)
    for (const field of kind[1]) if (isScalar(own![field])) Object.defineProperty(error, field, { value: own![field], enumerable: true, configurable: true })
  } else {
    if (typeof name === 'string' && name !== 'Error') set('name', name)
    if (isScalar(code)) Object.defineProperty(error, 'code', { value: code, enumerable: true, configurable: true, writable: true })
    if (Array.isArray(issues)) set('issues', issues)
  }
  if (typeof stack === 'string') set('stack', stack)
  if (cause !== undefined && depth < DEEPEST) set('cause', readError(cause, depth + 1))
  return error
}

/**
 * What a request fails at that could not be written: where it takes more than a frame has room for, that is said.
 * @param what was to be written: `the request`, `its answer`
 */
export function unwritten(error: unknown, address: string, what: string): unknown {
  // That of documents names the one that did not fit.
  if (!(error instanceof WriterFull || (error instanceof DocumentError && error.cause instanceof WriterFull))) return error
  return failure('tooLarge', address, `${what} takes more than ${MOST_BYTES} bytes. Send fewer documents in one request (requestSize)`)
}
