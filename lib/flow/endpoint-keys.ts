import { OptionRangeError } from '../base/errors.js'
import { type Logger, log } from '../base/logger.js'
import { nearest } from '../base/nearest.js'
import { DEFAULT_ENDPOINT } from '../executor/bindings.js'

/** Hears of what most likely means something else. */
export type Warn = (message: string, endpoint: string) => void

/** What an option calls all endpoints that it does not name. */
const OTHERS = '*'

/**
 * Looks whether endpoints that somebody names are there: those that are misspelled would do nothing, without a word.
 * @param option what names them, for the message
 * @param known those that there are; with `/default`, any may be meant, and only what looks like one of the others is told
 * @throws OptionRangeError (`ERR_OPTION_RANGE`) for one that no request can have that an executor answers
 */
export function checkEndpoints(option: string, named: readonly string[], known: readonly string[], warn: Warn): void {
  const own = known.filter((endpoint) => endpoint !== DEFAULT_ENDPOINT)
  for (const endpoint of named) {
    if (endpoint === OTHERS || own.includes(endpoint)) continue
    const meant = nearest(endpoint, own)
    const advice = meant === undefined ? '' : `. Did you mean ${meant}?`
    if (!known.includes(DEFAULT_ENDPOINT)) {
      const all = own.length === 0 ? 'none: bind methods by @requests or static requests' : own.join(', ')
      throw new OptionRangeError(`${option} names ${endpoint}, which is no endpoint there. There are ${all}${advice}`)
    }
    if (endpoint === DEFAULT_ENDPOINT)
      warn(`${option} names ${endpoint}, which is an endpoint like others to it: ${OTHERS} is all that are not named`, endpoint)
    else if (meant !== undefined) warn(`${option} names ${endpoint}, for which there is no method of its own${advice}`, endpoint)
  }
}

/** One that writes it down. */
export function warner(logger: Logger | undefined, executor?: string): Warn {
  return (message, endpoint) => log(logger, 'warn', 'endpoint.unknown', { executor, endpoint, error: new OptionRangeError(message) })
}
