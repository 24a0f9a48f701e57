import { optionRange, optionType } from '../base/errors.js'
import { copyJson } from '../doc/json.js'

/** JSON values by name, for executors: see `PostOptions.parameters` in `post/options`. */
export type Parameters = Record<string, any>

/** Reserved by Jina for what executors return as plain objects. */
export const RESULTS = '__results__'

/** Where wires carry the documents that failed, as Jina's messages have no place for them. */
export const FAILURES = '__failures__'

/** A copy of a caller's parameters that nobody else can change. */
export function snapshot(parameters: Parameters): Parameters {
  if (Object.hasOwn(parameters, '__proto__')) throw optionType('parameters', 'without a key named __proto__', '__proto__')
  try {
    const { [RESULTS]: _results, [FAILURES]: _failures, ...own } = copyJson({ ...parameters })
    return own
  } catch (cause) {
    if (cause instanceof RangeError) throw optionRange('parameters', 'JSON, which cannot contain itself', parameters)
    throw cause
  }
}
