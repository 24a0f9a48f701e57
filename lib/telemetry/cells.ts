export type Labels = Readonly<Record<string, string>>

/** What a metric is: a sum and a count of what was seen (Prometheus' summary, OpenTelemetry's histogram), what only grows, or what goes up and down. */
export interface Metric {
  readonly name: string
  readonly kind: 'summary' | 'counter' | 'gauge'
  readonly unit: 's' | 'By' | '1'
  readonly help: string
}

/** Where buckets end, as OpenTelemetry advises for durations, and as its SDK has them for all else. */
export const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const SIZES = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000]

export function boundsOf({ unit }: Metric): number[] {
  return unit === 's' ? SECONDS : SIZES
}

/** One metric with the same labels. To add to it is some additions: all the rest is done for who reads it. */
export class Cell {
  sum = 0
  count = 0
  min = Infinity
  max = -Infinity
  /** How many are in each bucket, the last without an end; none, where it is no summary. */
  readonly buckets: number[]
  readonly #bounds: readonly number[]

  constructor(
    readonly metric: Metric,
    readonly labels: Labels,
  ) {
    this.#bounds = metric.kind === 'summary' ? boundsOf(metric) : []
    this.buckets = metric.kind === 'summary' ? new Array<number>(this.#bounds.length + 1).fill(0) : []
  }

  /** Counts, or moves a gauge. */
  add(value: number): void {
    this.sum += value
    this.count++
  }

  /** Notes one more of a summary. */
  note(value: number): void {
    this.sum += value
    this.count++
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
    const bounds = this.#bounds
    let at = 0
    while (at < bounds.length && value > bounds[at]!) at++
    this.buckets[at]!++
  }
}
