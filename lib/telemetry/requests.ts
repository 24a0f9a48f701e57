import type { Traces } from '../base/events.js'
import { type Logger, log } from '../base/logger.js'
import { readTraceparent } from '../base/traceparent.js'
import { loadChannels, subscribe, unsubscribe } from './channels.js'

/**
 * Logs each request that is answered in this process, at the level debug: `'request.answered'`, with `milliseconds`, `docs` and, of a served one, `protocol` and `method`. What fails has
 * records of its own.
 * @returns ends that
 */
export async function logRequests(logger: Logger): Promise<() => void> {
  await loadChannels()
  const hear = (message: unknown): void => {
    const { requestId, endpoint, docs, headers, arrival, milliseconds = 0, error } = message as Traces['request']
    if (error !== undefined) return
    const traceId = readTraceparent(headers?.traceparent)?.traceId
    log(logger, 'debug', 'request.answered', {
      ...{ requestId, endpoint, traceId },
      fields: { milliseconds: Math.round(milliseconds * 100) / 100, docs, ...arrival },
    })
  }
  subscribe('tracing:sluice.request:asyncEnd', hear)
  return () => unsubscribe('tracing:sluice.request:asyncEnd', hear)
}
