import { check, type Rule } from './check.js'
import { misspelled } from './node.js'
import { unknownOption } from './unknown-option.js'

/** As `check`, with what is said of misspelled options in pages, too: for what is not loaded with the core, which has no room for that there. */
export function checkNamed<O extends object>(where: string, options: O, rules: Record<string, Rule>): O {
  for (const name of Object.keys(options ?? {})) {
    const error = Object.hasOwn(rules, name) ? undefined : (misspelled(where, name, rules) ?? unknownOption(where, name, rules))
    if (error !== undefined) throw error
  }
  return check(where, options, rules)
}
