import { asError, ExecutorError, say } from '../base/errors.js'
import { type Logger, log } from '../base/logger.js'

/**
 * An answer that nobody can write, as a failure of the executor that had it last. That is found where it is written, when its request had ended well:
 * so whoever writes it has to tell.
 */
export class UnwritableAnswer extends ExecutorError {
  constructor(error: unknown, where: { executor: string; endpoint: string | undefined; requestId: string }) {
    super('ERR_EXECUTOR_RESULT', `The answer of ${where.executor} cannot be sent: ${say(error)}`, { ...where, cause: error })
  }
}

/**
 * Who hears of what is wrong with a server, and of answers that cannot be written. A listener that throws must change nothing of what clients get, and
 * must not end the process.
 */
export function heard(onError: (error: Error) => void, logger?: Logger): (error: unknown) => void {
  return (error) => {
    if (error instanceof UnwritableAnswer) {
      const { executor, endpoint, requestId } = error
      log(logger, 'error', 'executor.failed', { executor, endpoint, requestId, error })
    }
    // Of other executors that failed, the logger has heard where requests end.
    else if (!(error instanceof ExecutorError)) log(logger, 'error', 'server.failed', { error })
    try {
      onError(asError(error))
    } catch (thrown) {
      console.error(`sluice: onError threw ${say(thrown)} when told: ${say(error)}`)
    }
  }
}
