import type { Labels, Metric, Sink } from './metrics.js'

interface Series {
  readonly labels: string
  sum: number
  count: number
}

/** Numbers as Prometheus reads them. */
export class Registry implements Sink {
  readonly #metrics = new Map<string, { readonly metric: Metric; readonly series: Map<Labels, Series> }>()

  record(metric: Metric, value: number, labels: Labels): void {
    let known = this.#metrics.get(metric.name)
    if (known === undefined) this.#metrics.set(metric.name, (known = { metric, series: new Map() }))
    let series = known.series.get(labels)
    if (series === undefined) known.series.set(labels, (series = { labels: written(labels), sum: 0, count: 0 }))
    series.sum += value
    series.count++
  }

  /** All of it, in Prometheus' text format 0.0.4. */
  text(): string {
    const lines: string[] = []
    for (const { metric, series } of this.#metrics.values()) {
      // A counter says so in its name.
      const name = metric.kind === 'counter' ? `${metric.name}_total` : metric.name
      lines.push(`# HELP ${name} ${String(metric.help).replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`, `# TYPE ${name} ${metric.kind}`)
      for (const { labels, sum, count } of series.values()) {
        if (metric.kind === 'summary') lines.push(`${name}_count${labels} ${count}`, `${name}_sum${labels} ${sum}`)
        else lines.push(`${name}${labels} ${sum}`)
      }
    }
    return lines.map((line) => `${line}\n`).join('')
  }
}

function written(labels: Labels): string {
  const all = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`)
  return `{${all.join(',')}}`
}
