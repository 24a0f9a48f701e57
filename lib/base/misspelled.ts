import { check, type Rule } from './check.js'
import { OptionTypeError, show } from './errors.js'
import { nearest } from './nearest.js'

/** As `check`, with the name that a misspelled one most likely means: for what is not loaded with the core, which has no room for that. */
export function checkNamed<O extends object>(where: string, options: O, rules: Record<string, Rule>): O {
  const names = Object.keys(rules)
  for (const name of Object.keys(options ?? {})) {
    const near = names.includes(name) ? undefined : nearest(name, names)
    if (near !== undefined) throw new OptionTypeError(`${where} has no option ${show(name)}. Did you mean ${near}?`)
  }
  return check(where, options, rules)
}
