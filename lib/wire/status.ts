import { ConnectionError, ExecutorError, read } from '../base/errors.js'
import { GATEWAY } from '../request/route.js'
import { type Status, statusOf } from '../request/status.js'
import { forGood, KINDS, type Outcome, outcome, outcomeOf, tellBusy, tellWhen } from './outcome.js'
import { publicMessage, withoutPlaces } from './public-message.js'

// The status of a message, which Jina's protocols have in all their dialects. The code of an error stands behind what its exception says, as the second of
// `args`: Jina's clients show it. Without one, an executor failed.

type Exception = NonNullable<Status['exception']>

/** What clients are told of an error: without places on this machine, and with its code. Its stack leaves where `exposeStacks` says so. */
export function publicStatus(error: Error): Status {
  const told = statusOf(error)
  const shown = withoutPlaces(error)
  const exception = told.exception!
  const code = error instanceof ExecutorError ? outcome(error).code : 'ERR_EXECUTOR'
  return { ...told, description: shown(told.description), exception: { ...exception, args: [...exception.args.map(shown), ...noted(code)] } }
}

/** The same of a request that was not taken as it is: the server says it of itself. */
export function refusedStatus(error: Error): Status {
  const { code } = outcome(error)
  const description = publicMessage(error)
  return { code: 'ERROR', description, exception: { name: 'ConnectionError', args: [`${GATEWAY}: ${description}`, code], stacks: [], executor: GATEWAY } }
}

/** What an answer is told by that cannot be written: a failure of its last executor, which says why. */
export function unwrittenStatus(error: unknown, executor: string): Status {
  const args = [publicMessage(error)]
  return {
    code: 'ERROR',
    description: `The answer cannot be sent: ${args[0]}`,
    exception: { name: read(error, 'name') || typeof error, args, stacks: [], executor },
  }
}

/** What became of a request, by the status of its answer; nothing for one that succeeded. */
export function outcomeIn(status: Status | undefined): Outcome | undefined {
  if (status?.code !== 'ERROR') return undefined
  const { exception } = status
  return exception === undefined ? outcomeOf('ERR_EXECUTOR') : outcomeOf(codeIn(exception), exception.executor)
}

/** What an answer with the status ERROR says, as the error that it was. `cause` has the name, the message and the stack, as far as they were sent. */
export function failureIn({ description, exception }: Status, where: { endpoint: string; requestId: string }, again?: number): ExecutorError | ConnectionError {
  const { name = 'Error', args = [], stacks = [], executor = '' } = exception ?? {}
  const code = exception === undefined ? 'ERR_EXECUTOR' : codeIn(exception)
  const said = args[0] ?? description
  if (isConnection(code)) {
    const [, address = '', reason = said] = /^(\S+): (.*)$/s.exec(said) ?? []
    // What is wrong with one request says nothing of the others.
    const own = executor === GATEWAY && (code === 'ERR_TOO_LARGE' || code === 'ERR_REFUSED')
    const cause = marked(new ConnectionError(code, address, reason, own ? { requestId: where.requestId } : {}), executor, again)
    return executor === GATEWAY ? cause : new ExecutorError('ERR_EXECUTOR', description, { ...where, executor, cause })
  }
  const cause = new Error(said)
  Object.defineProperty(cause, 'name', { value: name, configurable: true, writable: true })
  cause.stack = stacks.length ? stacks.join('\n') : `${name}: ${said}`
  return new ExecutorError(code, description, { ...where, executor, cause })
}

/** With whether, and when, to ask again: what a server says of itself is of its kind, as if its wire had said it. Of who is behind it, what is said here will be said again. */
function marked(error: ConnectionError, executor: string, again: number | undefined): ConnectionError {
  const { kind } = outcomeOf(error.code, executor)
  if (kind === 'busy') return tellBusy(error, again)
  const always = executor === GATEWAY ? KINDS[kind].again === 'never' : /^ERR_(TLS|PROTOCOL|TOO_LARGE)$/.test(error.code)
  return always ? forGood(error) : tellWhen(error, again)
}

/** A status without stacks, which tell of the inside. */
export function withoutStacks<S extends Status | undefined>(status: S): S {
  return status?.exception === undefined ? status : { ...status, exception: { ...status.exception, stacks: [] } }
}

type ConnectionCode = ConnectionError['code'] & ConstructorParameters<typeof ConnectionError>[0]
type ExecutorCode = ConstructorParameters<typeof ExecutorError>[0]

const CONNECTION: ReadonlySet<string> = new Set<ConnectionCode>([
  'ERR_UNREACHABLE',
  'ERR_DISCONNECTED',
  'ERR_TIMEOUT',
  'ERR_TLS',
  'ERR_TOO_LARGE',
  'ERR_PROTOCOL',
  'ERR_REFUSED',
])
const EXECUTOR: ReadonlySet<unknown> = new Set<ExecutorCode>([
  'ERR_EXECUTOR',
  'ERR_EXECUTOR_INPUT',
  'ERR_EXECUTOR_TIMEOUT',
  'ERR_EXECUTOR_RESULT',
  'ERR_EXECUTOR_OPEN',
  'ERR_EXECUTOR_BINDING',
])

function noted(code: string): readonly string[] {
  return code !== 'ERR_EXECUTOR' && (isConnection(code) || isExecutor(code)) ? [code] : []
}

function isConnection(code: string): code is ConnectionCode {
  return CONNECTION.has(code)
}

/** Whether a code is one of an ExecutorError. */
export function isExecutor(code: unknown): code is ExecutorCode {
  return EXECUTOR.has(code)
}

/** The code that was noted. What Python's executors throw has arguments of its own. */
function codeIn({ name, args: [, code = '', more] }: Exception): ExecutorCode | ConnectionCode {
  if (more !== undefined) return 'ERR_EXECUTOR'
  if (isExecutor(code)) return code
  return isConnection(code) && (name === 'ConnectionError' || name === 'ExecutorError') ? code : 'ERR_EXECUTOR'
}

/** What Jina's gateway says by a status of gRPC, or when it closes a WebSocket, of an executor that it does not reach. */
export function kindInWords(text: string): 'late' | 'unreachable' | undefined {
  if (!/Gateway: Co(mmunication error|nnection) with deployment|(^Network error while connecting|^Connection) to deployment/.test(text)) return undefined
  return /timed out/.test(text) ? 'late' : 'unreachable'
}
