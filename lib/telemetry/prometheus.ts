import type { Labels } from './cells.js'
import type { Numbers } from './metrics.js'

/** Numbers as Prometheus reads them: in its text format 0.0.4. */
export function prometheusText(numbers: Numbers): string {
  const lines: string[] = []
  for (const { metric, cells } of numbers.all()) {
    // A counter says so in its name.
    const name = metric.kind === 'counter' ? `${metric.name}_total` : metric.name
    lines.push(`# HELP ${name} ${String(metric.help).replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`, `# TYPE ${name} ${metric.kind}`)
    for (const { labels, sum, count } of cells) {
      const said = written(labels)
      if (metric.kind === 'summary') lines.push(`${name}_count${said} ${count}`, `${name}_sum${said} ${sum}`)
      else lines.push(`${name}${said} ${sum}`)
    }
  }
  return lines.map((line) => `${line}\n`).join('')
}

function written(labels: Labels): string {
  const all = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`)
  return `{${all.join(',')}}`
}
