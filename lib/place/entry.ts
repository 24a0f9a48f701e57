import { FlowBuildError } from '../base/errors.js'
import { node } from '../base/node.js'

/**
 * The file that runs in a thread or process. It stands at the same place beside this one, whether this is a file of lib/ or a chunk of dist/.
 * @throws FlowBuildError (`ERR_USES_INVALID`) where a bundler has left it behind
 */
export async function workerFile(): Promise<string> {
  const [{ existsSync }, { fileURLToPath }] = await Promise.all([node('fs'), node('url')])
  // Not as bundlers look for files to take along: they would look for both, of which one is there.
  const here: string = import.meta.url
  for (const name of ['worker.js', 'worker.ts']) {
    const url = new URL(`../place/${name}`, here)
    if (url.protocol === 'file:' && existsSync(fileURLToPath(url))) return fileURLToPath(url)
  }
  throw new FlowBuildError(
    'ERR_USES_INVALID',
    "threads and processes start from a file of sluice, place/worker.js, which is not beside this code. Keep sluice out of the bundle, as an external package, or use runtime: 'inline'",
  )
}

/** Flags of node that load something, and what they are followed by. */
const LOADERS = /^(?:--import|--require|-r|--loader|--experimental-loader|--conditions|-C)(=|$)/
/** Flags that say how modules are read. */
const READERS =
  /^--(?:experimental-|no-)?(?:experimental-)?(?:strip-types|transform-types|default-type|detect-module|require-module|specifier-resolution|import-meta-resolve|enable-source-maps|preserve-symlinks)\b/

/** What of this process's flags modules need there too, loaders of TypeScript among them: from the command line, and from NODE_OPTIONS, which is not passed on. */
export function loaderFlags(): string[] {
  const given = [...words(process.env.NODE_OPTIONS ?? ''), ...process.execArgv]
  const flags: string[] = []
  for (let at = 0; at < given.length; at++) {
    const flag = given[at]!
    const loader = LOADERS.exec(flag)
    if (loader !== null) flags.push(flag, ...(loader[1] === '' && at + 1 < given.length ? [given[++at]!] : []))
    else if (READERS.test(flag) || flag === '--enable-source-maps') flags.push(flag)
  }
  return flags
}

/** What a thread is begun with. */
export interface ThreadEntry {
  /** The file, or what imports it. */
  readonly code: string
  readonly eval: boolean
  /** A module whose `register()` makes TypeScript readable there. */
  readonly register: string | undefined
}

/**
 * The entry of a thread. The loader tsx leaves threads alone, whatever flags they have: where this process was begun with it, a thread asks its API.
 * @throws as {@link workerFile} does
 */
export async function threadEntry(): Promise<ThreadEntry> {
  const file = await workerFile()
  const [{ pathToFileURL }, register] = await Promise.all([node('url'), tsx()])
  if (!file.endsWith('.ts')) return { code: file, eval: false, register }
  // Run from its sources.
  const load = (specifier: string): string => `import(${JSON.stringify(specifier)})`
  const url = pathToFileURL(file).href
  return {
    code: register === undefined ? load(url) : `${load(register)}.then(({ register }) => register()).then(() => ${load(url)})`,
    eval: true,
    register: undefined,
  }
}

/** The address of tsx's API, if this process was begun with tsx. */
async function tsx(): Promise<string | undefined> {
  for (const flag of loaderFlags()) {
    const [, named, file] =
      /^(?:--(?:import|loader|experimental-loader)=)?(?:(tsx(?:\/esm)?)|(file:.*\/tsx\/dist\/)(?:loader|esm\/index)\.mjs)$/.exec(flag) ?? []
    if (file !== undefined) return `${file}esm/api/index.mjs`
    if (named === undefined) continue
    const [{ createRequire }, { pathToFileURL }] = await Promise.all([node('module'), node('url')])
    try {
      const path = createRequire(`${process.cwd()}/`).resolve('tsx/esm/api')
      return pathToFileURL(path.replace(/\.cjs$/, '.mjs')).href
    } catch {
      // It was found from elsewhere: what it would load says so itself.
    }
  }
  return undefined
}

/** As node takes NODE_OPTIONS apart. */
function words(text: string): string[] {
  return Array.from(text.matchAll(/(?:[^\s"\\]|\\.|"(?:[^"\\]|\\.)*")+/g), ([word]) => word.replace(/\\(.)|"/g, '$1'))
}
