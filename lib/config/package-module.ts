import { ConfigError } from '../base/errors.js'
import { node } from '../base/node.js'
import type { Place } from './yaml.js'

/** What of a package's description is needed to find its module. */
export interface Manifest {
  readonly name?: unknown
  readonly version?: unknown
  readonly description?: unknown
  readonly exports?: unknown
  readonly main?: unknown
  /** What it says to us: which image it is in. */
  readonly sluice?: unknown
}

/** A package that is there. */
export interface Installed {
  readonly folder: string
  readonly manifest: Manifest
}

/** The conditions that Node imports with. */
const CONDITIONS = ['node', 'import', 'default']

/**
 * The module that stands for a package, as Node would import it by its name.
 * @throws ConfigError for a package that has none
 */
export async function moduleOf({ folder, manifest }: Installed, label: string, where: Place): Promise<string> {
  const [{ realpath }, { isAbsolute, join, relative }] = await Promise.all([node('fs/promises'), node('path')])
  const { exports, main } = manifest
  const entry = exports === undefined || exports === null ? (typeof main === 'string' ? main : 'index.js') : target(subpath(exports))
  if (entry === undefined)
    throw new ConfigError(
      `${label} exports nothing that can be imported by its name${manifest.sluice === undefined ? '' : '. It names an image: say runtime: container'}`,
      where,
    )
  const home = await realpath(folder)
  for (const path of exports === undefined ? [entry, `${entry}.js`, join(entry, 'index.js')] : [entry]) {
    const found = await realpath(join(home, path)).catch(() => undefined)
    const way = found === undefined || !/\.[cm]?[jt]s$/.test(found) ? undefined : relative(home, found)
    if (way !== undefined && !way.startsWith('..') && !isAbsolute(way)) return found!
  }
  throw new ConfigError(`${label} says that its module is ${entry}, which is not in it`, where)
}

/** What stands for the package itself in its `exports`. */
function subpath(exports: unknown): unknown {
  const isMap = typeof exports === 'object' && exports !== null && !Array.isArray(exports) && Object.keys(exports).every((key) => key.startsWith('.'))
  return isMap ? (exports as Record<string, unknown>)['.'] : exports
}

function target(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (Array.isArray(exports)) return exports.map(target).find((found) => found !== undefined)
  if (typeof exports !== 'object' || exports === null) return undefined
  for (const [condition, next] of Object.entries(exports)) {
    const found = CONDITIONS.includes(condition) ? target(next) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
