import { ConnectionError, isError, say } from '../base/errors.js'
import { Document, type DocumentLike } from '../doc/document.js'
import { Failure, fieldsOf } from '../request/failure.js'
import type { Parameters } from '../request/parameters.js'
import { FAILURES } from '../request/parameters.js'
import type { Status } from '../request/status.js'
import { failureIn, publicStatus, withoutStacks } from './status.js'

/** A document that failed while the others of its request went on, as wires carry it: JSON, below `parameters`, as Jina's messages have no place for it. */
interface Written {
  readonly doc: object
  readonly executor: string
  readonly attempts: number
  /** What a request that failed has as its own. */
  readonly status: Status
}

/** Parameters as they go back, with the documents that failed. */
export function withFailures(parameters: Parameters, failures: readonly Failure[]): Parameters {
  if (failures.length === 0) return parameters
  return { ...parameters, [FAILURES]: failures.map(written) }
}

/** One of them. */
export function written({ doc, executor, attempts, error }: Failure): Written {
  return { doc: fieldsOf(doc), executor, attempts, status: withoutStacks(publicStatus(error)) }
}

/**
 * Those that came back.
 * @throws ConnectionError (`ERR_PROTOCOL`) for what cannot be read as such
 */
export function failuresIn(parameters: Parameters, where: { endpoint: string; requestId: string }): Failure[] | undefined {
  const list: unknown = parameters[FAILURES]
  if (!Array.isArray(list) || list.length === 0) return undefined
  try {
    return list.map(
      ({ doc, executor, attempts, status }: Written) =>
        new Failure(Document.from(doc as DocumentLike), `${executor}`, failureIn(status, where), Number(attempts)),
    )
  } catch (error) {
    if (isError(error) && error instanceof ConnectionError) throw error
    throw new ConnectionError('ERR_PROTOCOL', 'the answer', `parameters.${FAILURES} cannot be read: ${say(error)}`, {
      requestId: where.requestId,
      cause: error,
    })
  }
}
