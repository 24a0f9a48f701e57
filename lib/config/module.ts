import { ConfigError, say } from '../errors.js'
import { node } from '../host.js'

/**
 * Finds a module file that a configuration names. It lies in the folder of the configuration or below, so that to trust that folder
 * is to trust all that it can run.
 *
 * @param specifier a relative path, such as `./executors.js`
 * @throws ConfigError for absolute paths, addresses, `..`, links that lead out, and files that are not there
 */
export async function findModule(specifier: string, folder: string, where: { file: string; line?: number | undefined; key: string }): Promise<string> {
  const [{ realpath }, { isAbsolute, relative, resolve }] = await Promise.all([node('fs/promises'), node('path')])
  if (/^[a-z][a-z\d+.-]*:/i.test(specifier) || isAbsolute(specifier) || specifier.split(/[\\/]/).includes('..')) {
    throw new ConfigError(`${JSON.stringify(specifier)} leads out of the folder of this file. Name a module in it or below, such as ./executors.js`, where)
  }
  const home = await realpath(folder)
  const path = await realpath(resolve(home, specifier)).catch((cause) => {
    throw new ConfigError(`there is no module ${JSON.stringify(specifier)} beside this file`, where, { cause })
  })
  const way = relative(home, path)
  if (way.startsWith('..') || isAbsolute(way)) throw new ConfigError(`${JSON.stringify(specifier)} is a link that leads out of the folder of this file`, where)
  return path
}

/**
 * Imports a module by its path.
 * @throws ConfigError that says what a TypeScript file needs, where the process cannot read it; and what the module threw, as `cause`
 */
export async function importFile(path: string, where: { file?: string; line?: number | undefined; key?: string } = { file: path }): Promise<object> {
  const { pathToFileURL } = await node('url')
  try {
    return (await import(pathToFileURL(path).href)) as object
  } catch (cause) {
    const reason =
      (cause as { code?: unknown })?.code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts$/.test(path)
        ? 'this Node does not read TypeScript. Take Node 22.18 or later, or a loader: NODE_OPTIONS="--import tsx"'
        : say(cause)
    throw new ConfigError(`${where.file === path ? '' : `${path} `}cannot be imported: ${reason}`, where, { cause })
  }
}
