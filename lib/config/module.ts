import { ConfigError, say, show } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import { importHere, node } from '../base/node.js'
import { Executor, type ExecutorFunction } from '../executor/executor.js'
import type { ExecutorClass } from '../flow/options.js'
import type { Place } from './yaml.js'

export type Code = ExecutorClass | ExecutorFunction

/** Addresses that name code which is not a file here. */
const SCHEME = /^[a-z][a-z\d+.-]+:/i

/**
 * Finds a file that a configuration names. It lies in the folder of the configuration or below, so that to trust that folder
 * is to trust all that it can run; `allowOutside` lifts that for paths and `file:` URLs, and for nothing else.
 *
 * @param path such as `./executors.js`
 * @throws ConfigError for addresses, and files that are not there; without `allowOutside`, for absolute paths, `..`, and links that lead out
 */
export async function findFile(path: string, folder: string, allowOutside: boolean, where: Place): Promise<string> {
  const [{ realpath }, { isAbsolute, relative, resolve }, { fileURLToPath }] = await Promise.all([node('fs/promises'), node('path'), node('url')])
  const shown = show(path)
  const isFileUrl = /^file:/i.test(path)
  if (SCHEME.test(path) && !(isFileUrl && allowOutside))
    throw new ConfigError(`${shown} leads out of the folder of this file. Name a file in it or below, such as ./executors.js`, where)
  if (path.includes('\0')) throw new ConfigError(`${shown} is no path`, where)
  if (!allowOutside && (isAbsolute(path) || /^[\\/]/.test(path) || path.split(/[\\/]/).includes('..')))
    throw new ConfigError(`${shown} leads out of the folder of this file. Name a file in it or below, such as ./executors.js, or load with allowOutside`, where)
  const home = await realpath(folder)
  let wanted: string
  try {
    wanted = isFileUrl ? fileURLToPath(path) : resolve(home, path)
  } catch (cause) {
    throw new ConfigError(`${shown} is no file: ${say(cause)}`, where, { cause })
  }
  const found = await realpath(wanted).catch((cause) => {
    throw new ConfigError(`there is no ${shown} in ${home}`, where, { cause })
  })
  const way = relative(home, found)
  if (!allowOutside && (way.startsWith('..') || isAbsolute(way)))
    throw new ConfigError(`${shown} is a link that leads out of the folder of this file. Load with allowOutside to follow it`, where)
  return found
}

/**
 * Imports a module by its path.
 * @throws ConfigError that says what a TypeScript file needs, where the process cannot read it; and what the module threw, as `cause`
 */
export async function importFile(path: string, where: Place = { file: path }): Promise<object> {
  const { pathToFileURL } = await node('url')
  try {
    return await importHere(pathToFileURL(path).href)
  } catch (cause) {
    const reason =
      (cause as { code?: unknown })?.code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts$/.test(path)
        ? `this Node does not read TypeScript. Take Node 22.18 or later, or ${LOADER}`
        : `${say(cause)}${await cure(cause, path)}`
    throw new ConfigError(`${where.file === path ? '' : `${path} `}cannot be imported: ${reason}`, where, { cause })
  }
}

/** What Node says of import, export, import.meta and await in a file that it takes for CommonJS. */
const OF_MODULES = /outside a module|^Unexpected token 'export'|top level bodies of modules/

const LOADER = 'a loader: NODE_OPTIONS="--import tsx"'

/** What to do about words that are newer than the Node that reads them, or no words of CommonJS: it says no more than that it does not know them. */
async function cure(cause: unknown, path: string): Promise<string> {
  if (!(cause instanceof SyntaxError)) return ''
  if (!/\.m[jt]s$/.test(path) && OF_MODULES.test(cause.message))
    return '. Set "type": "module" in its package.json (npm pkg set type=module), or call the file .mjs'
  const { readFile } = await node('fs/promises')
  const text = (await readFile(path, 'utf8').catch(() => '')).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
  if (/(^|[{};])[ \t]*@[A-Za-z_$]/m.test(text))
    return `. It has decorators, which Node does not read: write static requests = { '/index': 'index' }, or take ${LOADER}`
  if (/^[ \t]*(await[ \t]+)?using[ \t]+[\w$]+[ \t]*=/m.test(text))
    return `. It has await using, which Node reads from 24 on: call close() in its place, or take ${LOADER}`
  return ''
}

/**
 * The class or function that one of several modules exports.
 * @param modules by the names that messages call them
 * @throws ConfigError when none does, and for what is neither
 */
export function exportOf(modules: readonly { name: string; module: object }[], name: string, where: Place): { code: Code; at: number } {
  const at = modules.findIndex(({ module }) => Object.hasOwn(module, name))
  if (at < 0) {
    const names = modules.flatMap(({ module }) => Object.keys(module))
    const near = nearest(name, names)
    const hint = near === undefined ? `${modules.length > 1 ? 'They export' : 'It exports'} ${names.join(', ') || 'nothing'}` : `Did you mean ${near}?`
    throw new ConfigError(`${modules.map(({ name }) => name).join(' and ')} ${modules.length > 1 ? 'export' : 'exports'} no ${name}. ${hint}`, where)
  }
  const path = modules[at]!.name
  const found = (modules[at]!.module as Record<string, unknown>)[name]
  if (typeof found !== 'function') throw new ConfigError(`${name} of ${path} is ${show(found)}: export a class that extends Executor, or a function`, where)
  if (found !== Executor && !(found.prototype instanceof Executor) && /^class\b/.test(Function.prototype.toString.call(found)))
    throw new ConfigError(`${name} of ${path} is a class that does not extend the Executor of this sluice. Is another copy installed beside the module?`, where)
  return { code: found as Code, at }
}
