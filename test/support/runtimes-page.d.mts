type Column = Record<string, string | number>
interface Suite {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly known: number
  readonly unrun?: string
}
export const ROOMS: readonly string[]
export function columnOf(suites: Readonly<Record<string, Suite>>): Column
export function wholeOf(suites: Readonly<Record<string, Suite>>): Column
export function tableOf(columns: Readonly<Record<string, Column>>): string
export function columnsIn(page: string): Record<string, Column>
export function pageWith(page: string, columns: Readonly<Record<string, Column>>): string
export function reasons(): string
