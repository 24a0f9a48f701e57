import { now } from '../base/clock.js'
import { optionRange } from '../base/errors.js'
import { publish } from '../base/events.js'
import { METRICS } from './metrics.js'

/** As Prometheus wants names. */
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

const OWN: ReadonlySet<string> = new Set(Object.values(METRICS).map(({ name }) => name))

/**
 * Measures a part of what an executor does, as `self.monitor()` of Jina does: how long `work` takes, as the metric `jina_<name>`. Where nobody listens, `work` runs, and nothing else happens.
 * @param executor whose it is: `this`
 * @param name of the metric, without `jina_`: letters, digits and `_`
 * @param documentation what is measured, for who reads the metric. Default: the name
 * @returns what `work` returns; what it throws is thrown
 * @throws OptionRangeError (`ERR_OPTION_RANGE`) for a name that no metric can have, and one of Jina's own metrics
 * @example
 * const vectors = await monitor(this, 'encoding_seconds', 'Time of the model', () => this.model.encode(docs.texts))
 */
export function monitor<R>(executor: { readonly name: string }, name: string, documentation: string | undefined, work: () => R): R {
  if (!NAME.test(name)) throw optionRange('name', "letters, digits and _, such as 'encoding_seconds'", name)
  if (OWN.has(`jina_${name}`)) throw optionRange('name', 'one that is none of Jina’s own metrics: that has another meaning', name)
  const start = now()
  const over = (error?: unknown): void =>
    publish('monitor', () => ({
      name,
      documentation: documentation ?? name,
      executor: executor.name,
      milliseconds: now() - start,
      ...(error !== undefined && { error }),
    }))
  let result: R
  try {
    result = work()
  } catch (error) {
    over(error)
    throw error
  }
  if (typeof (result as PromiseLike<unknown> | undefined)?.then !== 'function') {
    over()
    return result
  }
  return (result as unknown as Promise<unknown>).then(
    (value) => {
      over()
      return value
    },
    (error) => {
      over(error)
      throw error
    },
  ) as R
}
