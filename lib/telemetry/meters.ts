import type { Meter, ObservableResult } from '@opentelemetry/api'
import { type Labels, METRICS, type Metric, type Sink } from './metrics.js'

type Instrument = (value: number, labels: Labels) => void

/** Numbers as OpenTelemetry's instruments take them, under the same names. */
export class Meters implements Sink {
  readonly #meter: Meter
  readonly #instruments = new Map<string, Instrument>()
  readonly #unobserved: (() => void)[] = []

  constructor(meter: Meter) {
    this.#meter = meter
  }

  record(metric: Metric, value: number, labels: Labels): void {
    // Jina tells its older name to Prometheus alone.
    if (metric === METRICS.requestSize) return
    let instrument = this.#instruments.get(metric.name)
    if (instrument === undefined) this.#instruments.set(metric.name, (instrument = this.#make(metric)))
    instrument(value, labels)
  }

  /** Nothing is told any more. */
  close(): void {
    for (const unobserve of this.#unobserved) unobserve()
  }

  #make({ name, kind, unit, help: description }: Metric): Instrument {
    const about = { description, unit }
    if (kind === 'summary') {
      const histogram = this.#meter.createHistogram(name, { ...about, ...(unit === 's' && { advice: { explicitBucketBoundaries: SECONDS } }) })
      return (value, labels) => histogram.record(value, labels)
    }
    // Sums are kept here, and told when they are asked for: to record one costs a microsecond.
    const sums = new Map<Labels, number>()
    const counter = kind === 'gauge' ? this.#meter.createObservableUpDownCounter(name, about) : this.#meter.createObservableCounter(name, about)
    const tell = (result: ObservableResult): void => {
      for (const [labels, sum] of sums) result.observe(sum, labels)
    }
    counter.addCallback(tell)
    this.#unobserved.push(() => counter.removeCallback(tell))
    return (value, labels) => void sums.set(labels, (sums.get(labels) ?? 0) + value)
  }
}

/** As OpenTelemetry advises for durations: the SDK's own bounds are meant for milliseconds. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
