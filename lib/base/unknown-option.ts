import { OptionTypeError, show } from './errors.js'
import { JINA_NAMES } from './jina-names.js'
import { nearest } from './nearest.js'

/**
 * What to say of an option that nobody knows. Most often it is misspelled, in snake_case, or known from Jina: then it is answered with its name here.
 * @param rules by the names that there are
 * @returns nothing where it is like none of them
 */
export function misspelled(where: string, name: string, rules: object): OptionTypeError | undefined {
  const known = Object.keys(rules)
  const said = name.replace(/_+([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const near = nearest(said, known)
  const guess = near === undefined ? undefined : `Did you mean ${near}?`
  const advice = known.includes(said) ? `It is ${said}` : Object.hasOwn(JINA_NAMES, said) ? JINA_NAMES[said] : guess
  return advice === undefined ? undefined : new OptionTypeError(`${where} has no option ${show(name)}. ${advice}`)
}
