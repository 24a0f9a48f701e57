import { check, type Rule, unless } from '../../../base/check.js'
import { optionRange, optionType } from '../../../base/errors.js'

/** Which endpoints agents may use as tools, see `mcp`. */
export interface McpOptions {
  /**
   * Those that are tools: a list, or what each does, for the model that chooses among them: `{ '/search': 'Finds articles by what they say' }`. Default: all that
   * executors are bound to by name, with what `exposeEndpoints` says of them.
   */
  endpoints?: readonly string[] | Readonly<Record<string, string>> | undefined
}

export function mcpRule(name: string, value: unknown): void {
  unless('boolean')(name, value)
  if (typeof value === 'object') check(name, value as McpOptions, { endpoints: (_, given) => endpoints(`${name}.endpoints`, given) })
}

const endpoints: Rule = (name, value) => {
  if (typeof value !== 'object' || value === null) throw optionType(name, "a list of endpoints, or what each does: { '/search': 'Finds …' }", value)
  const names = Array.isArray(value) ? value : Object.keys(value)
  if (names.length === 0) throw optionRange(name, 'one endpoint at least: without any, leave mcp out', value)
  for (const one of names) if (typeof one !== 'string' || !one.startsWith('/')) throw optionRange(name, "endpoints, such as '/search'", one)
  if (Array.isArray(value)) return
  for (const [endpoint, said] of Object.entries(value)) if (typeof said !== 'string') throw optionType(`${name}[${JSON.stringify(endpoint)}]`, 'a string', said)
}
