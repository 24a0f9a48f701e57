import { SluiceError } from '../../base/errors.js'

/** Bytes that are no message of Jina, or hold what cannot be read here: `ERR_PROTO`. */
export class ProtoError extends SluiceError {
  /** Whose documents cannot be read, where the message itself can. */
  requestId = ''
  /** Whether that is a partial answer, behind which others come. */
  partial = false

  constructor(reason: string, options?: { cause?: unknown }) {
    super('ERR_PROTO', reason, options)
  }
}
