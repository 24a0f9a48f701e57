import { OptionTypeError, show } from './errors.js'
import { JINA_NAMES, JINA_SOURCES, NEEDLESS, OPTIONS_OF } from './jina-names.js'
import { FEW, meant, meantOrAll } from './nearest.js'

/**
 * What to say of an option that nobody knows. Most often it is misspelled, in snake_case, said to somebody else, or known from Jina: then it is answered with
 * its name here. One that is like none is told all that there are, where they are few.
 * @param rules by the names that there are
 * @returns nothing in pages only, which have no room for that
 */
export function misspelled(where: string, name: string, rules: object): OptionTypeError | undefined {
  const known = Object.keys(rules)
  const said = name.replace(/_+([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const all = known.length > FEW ? 'None is written like it: an editor completes those that there are' : `There are ${known.join(', ')}`
  const advice = known.includes(said) ? `It is ${said}` : (ofJina(said, where) ?? ofOthers(said, where) ?? needless(said) ?? meant(said, known) ?? all)
  return new OptionTypeError(`${where} has no option ${show(name)}. ${advice}`)
}

function ofJina(name: string, where: string): string | undefined {
  const names = where.startsWith('from') && Object.hasOwn(JINA_SOURCES, name) ? JINA_SOURCES : JINA_NAMES
  return Object.hasOwn(names, name) ? names[name] : undefined
}

function ofOthers(name: string, where: string): string | undefined {
  const whose = Object.keys(OPTIONS_OF).find((whose) => whose !== where && OPTIONS_OF[whose]!.split(' ').includes(name))
  return whose && `It is an option of ${whose}`
}

function needless(name: string): string | undefined {
  const why = NEEDLESS.find(([, names]) => names.split(' ').includes(name))?.[0]
  return why && `Leave it out: ${why}`
}

/** Behind a method that an executor does not have: the one that is meant, of those that are no part of every executor. */
export function likeMethod(executor: object, name: string, base: object): string {
  const names: string[] = []
  for (let at = Object.getPrototypeOf(executor); at !== null && at !== base; at = Object.getPrototypeOf(at))
    names.push(...Object.getOwnPropertyNames(at).filter((each) => each !== 'constructor' && each !== name))
  const advice = meantOrAll(name, names)
  return advice && `. ${advice}`
}
