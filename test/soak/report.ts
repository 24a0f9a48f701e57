// What a soak says: a line for each thing that must hold, and rows for bench/results/soak.md.

/** One thing that must hold. */
export interface Row {
  readonly what: string
  readonly seen: string
  readonly bound: string
  readonly met: boolean
}

/** Prints the rows, for `run.mjs` to take, and ends the process: with 1 when something does not hold. */
export function conclude(rows: readonly Row[]): never {
  for (const row of rows) console.log(`row ${JSON.stringify(row)}`)
  process.exit(rows.every(({ met }) => met) ? 0 : 1)
}

export const megabytes = (value: number): string => `${value.toFixed(1)} MB`
export const milliseconds = (value: number): string => `${value.toFixed(1)} ms`
export const count = (value: number): string => value.toLocaleString('en-US')

/** The value that so much of all are below. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
