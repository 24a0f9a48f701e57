import { FlowBuildError, say } from '../base/errors.js'
import { node } from '../base/node.js'
import { specifierOf } from '../config/specifier.js'
import type { AddOptions } from '../flow/options.js'
import { isImage, volumeAt } from './options.js'

/** What goes to another machine, with each file where others look for it. */
export interface Uploads {
  /** Files here, by their paths there, with `/` on every system. */
  readonly files: ReadonlyMap<string, string>
  /** The folder there that stands for the one that this process runs in. */
  readonly folder: string
  /** As it is called from there. */
  readonly uses: AddOptions['uses']
  /** The same of volumes of its containers. */
  readonly volumes: readonly string[]
}

/**
 * Finds what `uses` names and what `uploadFiles` lists. Paths mean there what they mean here, from the folder that this process runs in: what lies beside or above it
 * does so there too.
 * @throws FlowBuildError (`ERR_USES_INVALID`) that names what is not there
 */
export async function uploadsOf(
  name: string,
  uses: AddOptions['uses'],
  { uploadFiles, volumes }: Pick<AddOptions, 'uploadFiles' | 'volumes'>,
): Promise<Uploads> {
  const [{ readdir, stat }, path, { fileURLToPath }] = await Promise.all([node('fs/promises'), node('path'), node('url')])
  const home = process.cwd()
  const named = filesIn(name, uses).map((file) => (/^file:/i.test(file) ? fileURLToPath(file) : file))
  const found = new Set<string>()
  const look = async (file: string, option: string): Promise<void> => {
    const whole = path.resolve(home, file)
    const missing = (cause?: unknown): FlowBuildError =>
      new FlowBuildError('ERR_USES_INVALID', `${name} has no ${JSON.stringify(file)} to send to its daemon (${option})${cause ? `: ${say(cause)}` : ''}`, {
        cause,
      })
    const seen = await stat(whole).catch((cause) => {
      throw missing(cause)
    })
    if (seen.isFile()) found.add(whole)
    else if (!seen.isDirectory()) throw missing()
    else
      for (const within of await readdir(whole, { recursive: true })) {
        const one = path.join(whole, within)
        if ((await stat(one).catch(() => undefined))?.isFile()) found.add(one)
      }
  }
  for (const file of named) await look(file, 'uses')
  for (const file of [uploadFiles ?? []].flat()) await look(file, 'uploadFiles')
  const top = commonFolder([home, ...[...found].map(path.dirname)], path)
  const within = (file: string): string => path.relative(top, file).replaceAll('\\', '/')
  const way = (file: string): string => `./${path.relative(home, path.resolve(home, file)).replaceAll('\\', '/')}`
  /** A volume of what is sent is there where that is; what is not, and begins at the root, is of the machine there. */
  const volumeThere = (file: string): string => {
    const whole = path.resolve(home, file)
    if (found.has(whole) || [...found].some((one) => one.startsWith(`${whole}${path.sep}`))) return way(file)
    if (path.isAbsolute(file)) return file
    throw new FlowBuildError(
      'ERR_USES_INVALID',
      `${name} has the volume ${JSON.stringify(file)}, which is not sent to its daemon. List it in uploadFiles, or write the path that it has there, from the root`,
    )
  }
  return {
    volumes: [volumes ?? []].flat().map((volume) => volumeAt(volume, volumeThere)),
    files: new Map([...found].map((file) => [within(file), file])),
    folder: within(home),
    uses: called(uses, (file) => way(/^file:/i.test(file) ? fileURLToPath(file) : file)),
  }
}

/** The deepest folder that all are in. */
function commonFolder(folders: readonly string[], { dirname, relative, isAbsolute }: typeof import('node:path')): string {
  const holds = (top: string, folder: string): boolean => {
    const way = relative(top, folder)
    return !isAbsolute(way) && way.split(/[\\/]/, 1)[0] !== '..'
  }
  let top = folders[0]!
  for (const folder of folders) while (!holds(top, folder) && dirname(top) !== top) top = dirname(top)
  return top
}

/** The files that `uses` names: a module, or the YAML of an executor. Packages are installed there. */
function filesIn(name: string, uses: AddOptions['uses']): string[] {
  // An image is brought there.
  if (isImage(uses)) return []
  if (typeof uses === 'string') {
    const what = specifierOf(uses, { file: name, key: 'uses' })
    return what.kind === 'yaml' || what.kind === 'module' ? [what.path] : []
  }
  if (typeof uses !== 'object') return []
  return [uses.modules ?? []].flat().flatMap((module) => filesIn(name, module))
}

/** The same with its files as they are called there. */
function called(uses: AddOptions['uses'], way: (file: string) => string): AddOptions['uses'] {
  if (isImage(uses)) return uses
  if (typeof uses === 'string') {
    const what = specifierOf(uses, {})
    if (what.kind === 'yaml') return way(what.path)
    return what.kind === 'module' ? `${way(what.path)}${what.name === undefined ? '' : `#${what.name}`}` : uses
  }
  if (typeof uses !== 'object' || uses.modules === undefined) return uses
  const modules = [uses.modules].flat().map((module) => called(module, way) as string)
  return { ...uses, modules: Array.isArray(uses.modules) ? modules : modules[0]! }
}
