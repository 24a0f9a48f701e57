import { cpus } from 'node:os'
import { performance } from 'node:perf_hooks'

/** Whether to measure fast and roughly, to see that a bench runs: its figures prove nothing. */
export const quick = process.argv.includes('--quick')

/** In a child of a bench, where races are run: parts that need no race are not repeated there, and nothing is judged. See `race()`. */
export const isChild = process.env['BENCH_CHILD'] !== undefined

/** Opens a report: the question it answers, and on what machine. */
export function title(name: string, question: string): void {
  const all = cpus()
  console.log(`# ${name}\n\n${question}\n`)
  console.log(`${all[0]?.model.trim()}, ${all.length} cores, Node ${process.version}${quick ? '. Quick run: figures are rough' : ''}\n`)
}

export function say(...paragraphs: string[]): void {
  for (const paragraph of paragraphs) console.log(`${paragraph}\n`)
}

/** A Markdown table. Columns after the first are aligned to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (column === 0 ? (cells[column] ?? '').padEnd(width) : (cells[column] ?? '').padStart(width))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? `${'-'.repeat(width + 2)}` : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  console.log([line(head), rule, ...rows.map(line)].join('\n'))
  console.log()
}

/** One thing that must hold: what, the bound, what was measured, and whether it does. */
export interface Target {
  readonly what: string
  readonly bound: string
  readonly measured: string
  readonly met: boolean
}

/** A target that is met up to a number, that number included. */
export function atMost(what: string, bound: number, measured: number, unit = ''): Target {
  return { what, bound: `≤ ${bound}${unit}`, measured: `${figure(measured)}${unit}`, met: measured <= bound }
}

export function below(what: string, bound: number, measured: number, unit = ''): Target {
  return { what, bound: `< ${bound}${unit}`, measured: `${figure(measured)}${unit}`, met: measured < bound }
}

/** Closes a report with what must hold. `run.mjs` collects the rows that end in "no". Returns whether all are met. */
export function targets(all: readonly Target[]): boolean {
  if (isChild) return true
  console.log('## Must show\n')
  table(
    ['target', 'bound', 'measured', 'met'],
    all.map(({ what, bound, measured, met }) => [what, bound, measured, met ? 'yes' : 'no']),
  )
  return all.every(({ met }) => met)
}

/** Three significant digits, and no more decimals than they need. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  return size >= 100 ? Math.round(value).toLocaleString('en-US') : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : value.toFixed(3)
}

/** Seconds since the process began, for the last line of a report. */
export function elapsed(): string {
  return `${Math.round(performance.now() / 1000)} s`
}
