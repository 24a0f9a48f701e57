import type { ExecutorFunction } from '../executor/executor.js'
import type { ExecutorClass } from '../flow/options.js'
import type { Reading } from './fields.js'
import type { Notices } from './notices.js'
import { substitute, type Variables } from './variables.js'
import { type Origin, type Place, parseYaml } from './yaml.js'

/** What a load is told, and hands on to all that it reads. */
export interface LoadConfigOptions extends Variables {
  /** Take modules and files outside of the configuration's folder too: `..`, absolute paths and `file:` URLs. Default `false`. */
  readonly allowOutside?: boolean | undefined
  /** Consent to install packages named by `npm:` that are not there. `cache` is the folder for them; by default one for all that the user runs. Default `false`. */
  readonly allowInstall?: boolean | { readonly cache?: string | undefined } | undefined
  /** Classes and functions by the names that the file has for them, where it names no module that exports them. */
  readonly executors?: Readonly<Record<string, ExecutorClass | ExecutorFunction>> | undefined
  /** Told of keys that are read and have no effect. Default: console.warn. */
  readonly onNotice?: ((notice: string) => void) | undefined
}

/** Reads a configuration and puts the values of its variables in. */
export async function readingOf(text: string, origin: Origin, variables: Variables, notices: Notices): Promise<Reading> {
  notices.hidden.know(text)
  const parsed = await parseYaml(text, origin)
  return { parsed, substituted: substitute(parsed, variables, notices.hidden), notices }
}

/** A configuration that is given as an object, and so has no places. */
export function readingOfObject(value: object, place: Place, notices: Notices): Reading {
  const { file, line, column } = place
  return {
    parsed: { value, tag: () => undefined, place: (_, key) => ({ file, line, column, ...(typeof key === 'string' ? { key } : {}) }), source: () => undefined },
    substituted: { source: () => undefined },
    notices,
  }
}
