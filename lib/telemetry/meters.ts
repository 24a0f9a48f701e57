import type { Context, Meter, ObservableResult } from '@opentelemetry/api'
import { boundsOf, type Labels, type Metric } from './cells.js'
import { quietly } from './channels.js'
import { METRICS, type Numbers } from './metrics.js'

/**
 * Has a meter of OpenTelemetry tell numbers under the same names. What only adds up is read when it is asked for. A histogram of a meter takes measurements one by one, which costs up to a microsecond
 * each: who gives a reader of metrics instead (`readers`) spares that.
 * @param root a context: there is nothing in one that would be told, and to look for one is not free
 * @returns ends it
 */
export function tellMeter(meter: Meter, numbers: Numbers, root: Context): () => void {
  const histograms = new Map<string, (value: number, labels: Labels) => void>()
  const listener = (metric: Metric, value: number, labels: Labels): void => {
    if (metric === METRICS.requestSize) return
    let record = histograms.get(metric.name)
    if (record === undefined) {
      const { name, help: description, unit } = metric
      const histogram = meter.createHistogram(name, { description, unit, ...(unit === 's' && { advice: { explicitBucketBoundaries: boundsOf(metric) } }) })
      histograms.set(name, (record = (value, labels) => histogram.record(value, labels, root)))
    }
    record(value, labels)
  }
  const ends: (() => void)[] = []
  for (const metric of [METRICS.pending, METRICS.successful, METRICS.failed, METRICS.documents])
    quietly(() => {
      const { name, kind, help: description, unit } = metric
      const about = { description, unit }
      const counter = kind === 'gauge' ? meter.createObservableUpDownCounter(name, about) : meter.createObservableCounter(name, about)
      const tell = (result: ObservableResult): void => {
        for (const { sum, count, labels } of numbers.of(metric)) if (count > 0) result.observe(sum, labels)
      }
      counter.addCallback(tell)
      ends.push(() => counter.removeCallback(tell))
    })
  numbers.listeners.add(listener)
  return () => {
    numbers.listeners.delete(listener)
    for (const end of ends) end()
  }
}
