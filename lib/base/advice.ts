import type { OptionTypeError } from './errors.js'
import { JINA_NAMES, JINA_SOURCES, NEEDLESS, OPTIONS_OF } from './jina-names.js'
import { meantOrAll } from './nearest.js'
import { unknownOption } from './unknown-option.js'

// What pages have no room for.

/**
 * As `unknownOption`, also for what is known from Jina, said to somebody else, or not needed here.
 * @returns nothing in pages
 */
export function misspelled(where: string, name: string, rules: object): OptionTypeError | undefined {
  return unknownOption(where, name, rules, known)
}

function known(name: string, where: string): string | undefined {
  if (/^(from|post)/.test(where) && Object.hasOwn(JINA_SOURCES, name)) return JINA_SOURCES[name]
  return Object.hasOwn(JINA_NAMES, name) ? JINA_NAMES[name] : (ofOthers(name, where) ?? needless(name))
}

function ofOthers(name: string, where: string): string | undefined {
  const whose = Object.keys(OPTIONS_OF).find((whose) => whose !== where && OPTIONS_OF[whose]!.split(' ').includes(name))
  return whose && `It is an option of ${whose}`
}

function needless(name: string): string | undefined {
  const why = NEEDLESS.find(([, names]) => names.split(' ').includes(name))?.[0]
  return why && `Leave it out: ${why}`
}

/** Behind a method that an executor does not have: the one that is meant, of those that are no part of every executor. @param base the prototype of all */
export function likeMethod(executor: object, name: string, base: object): string {
  const names: string[] = []
  for (let at = Object.getPrototypeOf(executor); at !== null && at !== base; at = Object.getPrototypeOf(at))
    names.push(...Object.getOwnPropertyNames(at).filter((each) => each !== 'constructor' && each !== name))
  const advice = meantOrAll(name, names)
  return advice && `. ${advice}`
}
