import { MAX_NESTING } from '../../../doc/json-value.js'

/**
 * Goes through a JSON value.
 * @throws what `refuse` makes, when it is nested deeper than {@link MAX_NESTING} or has a key named `__proto__`
 */
export function inspectJson(value: unknown, refuse: (reason: string) => Error, depth = 0): void {
  if (typeof value !== 'object' || value === null) return
  if (depth === MAX_NESTING) throw refuse(`is nested deeper than ${MAX_NESTING} levels`)
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') inspectJson(item, refuse, depth + 1)
    return
  }
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw refuse('has a key named __proto__')
    inspectJson((value as Record<string, unknown>)[key], refuse, depth + 1)
  }
}
