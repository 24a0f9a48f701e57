import { OptionTypeError, show } from './errors.js'
import { FEW, meant } from './nearest.js'

/**
 * What to say of an option that nobody knows. Most often it is misspelled, or in snake_case: then it is answered with
 * its name here. One that is like none is told all that there are, where they are few.
 * @param rules by the names that there are
 * @param more what else is known of names, before all that is like it
 */
export function unknownOption(where: string, name: string, rules: object, more?: (name: string, where: string) => string | undefined): OptionTypeError {
  const known = Object.keys(rules)
  const said = name.replace(/_+([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const all = known.length > FEW ? 'None is written like it: an editor completes those that there are' : `There are ${known.join(', ')}`
  const advice = known.includes(said) ? `It is ${said}` : (more?.(said, where) ?? meant(said, known) ?? all)
  return new OptionTypeError(`${where} has no option ${show(name)}. ${advice}`)
}
