import type { HrTime } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { AggregationTemporality, CollectionResult, DataPoint, DataPointType, Histogram, MetricData, MetricProducer } from '@opentelemetry/sdk-metrics'
import { now, onWall } from '../base/clock.js'
import { VERSION } from '../base/version.js'
import { boundsOf, type Cell, type Metric } from './cells.js'
import { METRICS, type Numbers } from './metrics.js'

/** Of the SDK's, whose enums are not loaded here. */
const HISTOGRAM = 0 as DataPointType.HISTOGRAM
const SUM = 3 as DataPointType.SUM
const DELTA = 0 as AggregationTemporality.DELTA
const DOUBLE = 1

/** What the SDK takes them for, when it is asked whether sums or differences are wanted. */
const TYPES = { summary: 'HISTOGRAM', counter: 'OBSERVABLE_COUNTER', gauge: 'OBSERVABLE_UP_DOWN_COUNTER' } as const

/** What a reader of OpenTelemetry's SDK had of a cell when it was last there. */
interface Seen {
  readonly sum: number
  readonly count: number
  readonly buckets: readonly number[]
}

/** Gives numbers to a reader of OpenTelemetry's SDK when it asks. Until then nothing is done for it: as Jina's instruments would, and at a hundredth of the cost. */
export class Producer implements MetricProducer {
  /** What is told, while somebody wants that. */
  numbers: Numbers | undefined
  #seen = new WeakMap<Cell, Seen>()
  #asked: number | undefined

  /** @param temporalityOf whether sums or differences are wanted */
  constructor(
    private readonly resource: Resource,
    private readonly temporalityOf: (type: (typeof TYPES)[Metric['kind']]) => AggregationTemporality,
  ) {}

  async collect(): Promise<CollectionResult> {
    const { numbers, resource } = this
    const time = onWall(now())
    const metrics: MetricData[] = []
    if (numbers !== undefined)
      for (const { metric, cells } of numbers.all()) {
        // Jina tells its older name to Prometheus alone.
        if (metric === METRICS.requestSize) continue
        metrics.push(this.#data(metric, cells, numbers, time))
      }
    this.#asked = time
    return { resourceMetrics: { resource, scopeMetrics: metrics.length === 0 ? [] : [{ scope: { name: 'sluice', version: VERSION }, metrics }] }, errors: [] }
  }

  #data(metric: Metric, cells: readonly Cell[], { since }: Numbers, time: number): MetricData {
    const { name, help: description, unit, kind } = metric
    const aggregationTemporality = this.temporalityOf(TYPES[kind])
    const isDelta = aggregationTemporality === DELTA
    const about = { descriptor: { name, description, unit, valueType: DOUBLE }, aggregationTemporality }
    const seen = (cell: Cell): Seen | undefined => (isDelta ? this.#seen.get(cell) : undefined)
    const point = <T>(cell: Cell, value: T): DataPoint<T> => ({
      startTime: timeOf(isDelta ? (this.#asked ?? since) : since),
      endTime: timeOf(time),
      attributes: cell.labels,
      value,
    })
    const told = (cell: Cell): void => {
      if (isDelta) this.#seen.set(cell, { sum: cell.sum, count: cell.count, buckets: [...cell.buckets] })
    }
    if (kind !== 'summary') {
      const dataPoints = cells.map((cell) => point(cell, cell.sum - (seen(cell)?.sum ?? 0)))
      cells.forEach(told)
      return { ...about, dataPointType: SUM, isMonotonic: kind === 'counter', dataPoints }
    }
    const boundaries = boundsOf(metric)
    const dataPoints = cells
      .filter((cell) => cell.count > (seen(cell)?.count ?? 0))
      .map((cell) => {
        const { sum, count, min, max, buckets } = cell
        const before = seen(cell)
        const counts = buckets.map((number, at) => number - (before?.buckets[at] ?? 0))
        // Of a part of them, nobody knows the least and the most.
        const ends = before === undefined ? { min, max } : {}
        return point<Histogram>(cell, { buckets: { boundaries, counts }, sum: sum - (before?.sum ?? 0), count: count - (before?.count ?? 0), ...ends })
      })
    cells.forEach(told)
    return { ...about, dataPointType: HISTOGRAM, dataPoints }
  }
}

function timeOf(milliseconds: number): HrTime {
  return [Math.trunc(milliseconds / 1000), Math.trunc((milliseconds % 1000) * 1e6)]
}
