import { ConfigError, say } from '../base/errors.js'
import { node } from '../base/node.js'
import { entryOf, isWhole, seal } from './npm-cache.js'
import { type Installed, type Manifest, moduleOf } from './package-module.js'
import type { LoadConfigOptions } from './reading.js'
import type { Specifier } from './specifier.js'
import type { Place } from './yaml.js'

type PackageName = Extract<Specifier, { kind: 'npm' }>

/**
 * The module file of a package: one that is installed where Node would look from `folder`, or one in the cache, which is installed there with consent.
 * Install scripts do not run. No network is used for what is there. What is installed comes from the registries that the project of `folder` names in
 * its `.npmrc`, and finds the sluice that loads it. An entry of the cache of which files are gone is installed anew, with consent.
 *
 * @throws ConfigError without consent, when npm fails, and for a package that has no module to import
 */
export async function packageFile(wanted: PackageName, folder: string, allowInstall: LoadConfigOptions['allowInstall'], where: Place): Promise<string> {
  return moduleOf(await packageOf(wanted, folder, allowInstall, where), labelOf(wanted), where)
}

/**
 * The image that a package names in its package.json: `"sluice": { "image": "registry.example/ocr@sha256:…" }`. The package is found as {@link packageFile} finds it.
 * @throws ConfigError without consent, when npm fails, and for a package that names none
 */
export async function packageImage(wanted: PackageName, folder: string, allowInstall: LoadConfigOptions['allowInstall'], where: Place): Promise<string> {
  const { manifest } = await packageOf(wanted, folder, allowInstall, where)
  const image = (manifest.sluice as { image?: unknown } | undefined)?.image
  if (typeof image === 'string' && image !== '') return image.replace(/^(docker:\/\/)?/i, 'docker://')
  throw new ConfigError(
    `${labelOf(wanted)} names no image: its package.json has no "sluice": { "image": "…" }. Take runtime: container out to run its module`,
    where,
  )
}

function labelOf({ package: name, version }: PackageName): string {
  return version === undefined ? name : `${name}@${version}`
}

/** A package that is installed where Node would look from `folder`, or in the cache. */
async function packageOf(wanted: PackageName, folder: string, allowInstall: LoadConfigOptions['allowInstall'], where: Place): Promise<Installed> {
  const label = labelOf(wanted)
  const { found, home, project } = await packageAt(wanted, folder, allowInstall)
  if (found !== undefined) return found
  if (!allowInstall)
    throw new ConfigError(
      (await installedIn(home, wanted)) === undefined
        ? `${label} is not installed. Run npm install ${label}, or load with allowInstall: true to have it installed for sluice, without its install scripts`
        : `${label} was installed into ${home}, and files of it are gone since. Load with allowInstall: true to have it installed again`,
      where,
    )
  await install(label, home, project, where)
  const installed = await installedIn(home, wanted)
  if (installed === undefined) throw new ConfigError(`${label} was installed into ${home}, but is not there`, where)
  return installed
}

/** Where a package is, if it is there, and where it would be installed: `home` in the cache, as `project` says. Nothing is fetched. */
export async function packageAt(
  wanted: PackageName,
  folder: string,
  allowInstall?: LoadConfigOptions['allowInstall'],
): Promise<{ found: Installed | undefined; home: string; project: Project }> {
  const { join } = await node('path')
  const project = await projectOf(folder)
  const home = join(await cacheFolder(allowInstall), await entryOf(labelOf(wanted), project.registries, await ownFolder()))
  const found = (await installedFrom(folder, wanted)) ?? ((await isWhole(home)) ? await installedIn(home, wanted) : undefined)
  return { found, home, project }
}

/** Where packages are kept that were installed with consent. */
async function cacheFolder(allowInstall: LoadConfigOptions['allowInstall']): Promise<string> {
  const [{ join, resolve }, { homedir }] = await Promise.all([node('path'), node('os')])
  if (typeof allowInstall === 'object' && allowInstall.cache !== undefined) return resolve(allowInstall.cache)
  const { platform, env } = process
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'sluice', 'Cache')
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'sluice')
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice')
}

/** Looks into `node_modules` of a folder and of those above it. */
async function installedFrom(folder: string, wanted: PackageName): Promise<Installed | undefined> {
  const { dirname, resolve } = await node('path')
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = await installedIn(at, wanted)
    if (found !== undefined || at === dirname(at)) return found
  }
}

async function installedIn(home: string, wanted: PackageName): Promise<Installed | undefined> {
  const [{ readFile }, { join }] = await Promise.all([node('fs/promises'), node('path')])
  const folder = join(home, 'node_modules', wanted.package)
  try {
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
    return wanted.version === undefined || manifest.version === wanted.version ? { folder, manifest } : undefined
  } catch {
    return undefined
  }
}

/** Where npm runs for a project, and what it says there of registries. */
interface Project {
  readonly root: string
  /** The text of its `.npmrc`. */
  readonly npmrc: string | undefined
  /** All that decides where a package comes from, but for the user's own settings, which hold for all projects. */
  readonly registries: string
}

/** The project of a folder, as npm finds it: the nearest folder with a package.json or node_modules. */
async function projectOf(folder: string): Promise<Project> {
  const [{ access, readFile }, { dirname, join, resolve }] = await Promise.all([node('fs/promises'), node('path')])
  const isThere = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    )
  let root = resolve(folder)
  for (let at = root; ; at = dirname(at)) {
    const isRoot = (await isThere(join(at, 'package.json'))) || (await isThere(join(at, 'node_modules')))
    if (isRoot) root = at
    if (isRoot || at === dirname(at)) break
  }
  const npmrc = await readFile(join(root, '.npmrc'), 'utf8').catch(() => undefined)
  const told = Object.entries(process.env).filter(([name]) => /^npm_config_(.*[:_])?registry$/i.test(name))
  return { root, npmrc, registries: JSON.stringify([npmrc, told.sort()]) }
}

/** Runs npm without a shell. The package finds this sluice beside it, and not a copy of its own, whose classes would be others. */
async function install(label: string, home: string, { root, npmrc }: Project, where: Place): Promise<void> {
  const [{ mkdir, mkdtemp, rename, rm, writeFile }, { spawn }, { dirname, join }] = await Promise.all([
    node('fs/promises'),
    node('child_process'),
    node('path'),
  ])
  await mkdir(dirname(home), { recursive: true })
  // Beside its place, and then moved there as a whole: nobody finds half a package, and of two at the same time one is kept.
  const draft = await mkdtemp(`${home}.`)
  // npm reads the settings of the folder it installs into.
  const settings = join(draft, '.npmrc')
  try {
    if (npmrc !== undefined) await writeFile(settings, npmrc, { mode: 0o600 })
    const [command, ...before] = await npm()
    const flags = [
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--legacy-peer-deps',
      '--no-global',
      '--install-strategy=hoisted',
      '--no-package-lock',
      '--prefix',
      draft,
      '--',
      label,
    ]
    const child = spawn(command!, [...before, ...flags], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
    let output = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-2000)
    })
    const end = await new Promise<string>((resolve) => {
      child.on('error', (error) => resolve(say(error)))
      child.on('close', (code, signal) => resolve(code === 0 ? '' : `npm ended with ${code ?? signal}`))
    })
    if (end !== '') throw new ConfigError(`${label} could not be installed: ${[end, output.trim()].filter(Boolean).join('\n')}`, where)
    // It may hold tokens.
    await rm(settings, { force: true })
    await linkSluice(draft)
    await seal(draft)
    // One that stands there is damaged, or was made whole by another load in the meantime.
    if (!(await isWhole(home))) await rm(home, { recursive: true, force: true })
    await rename(draft, home).catch(() => {})
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/**
 * What would be in a package if its folder were published now, by npm's own rules: paths from that folder. Its scripts do not run, and nothing is fetched.
 * @throws ConfigError when npm fails
 */
export async function packedFiles(folder: string, where: Place): Promise<string[]> {
  const { execFile } = await node('child_process')
  const [command, ...before] = await npm()
  const args = [...before, 'pack', '--dry-run', '--json', '--ignore-scripts']
  const said = await new Promise<string>((resolve, reject) =>
    execFile(command!, args, { cwd: folder, maxBuffer: 1e8 }, (error, output) =>
      error === null ? resolve(output) : reject(new ConfigError(`npm cannot tell what is in it: ${say(error)}`, where, { cause: error })),
    ),
  )
  // By name, since npm 12.
  const packed = JSON.parse(said) as { files: { path: string }[] }[] | Record<string, { files: { path: string }[] }>
  return Object.values(packed).flatMap(({ files }) => files.map(({ path }) => path))
}

/** npm as a script beside Node, where it is: Windows starts no npm.cmd without a shell. */
async function npm(): Promise<string[]> {
  const [{ access }, { dirname, join }] = await Promise.all([node('fs/promises'), node('path')])
  const bin = dirname(process.execPath)
  for (const script of [join(bin, 'node_modules/npm/bin/npm-cli.js'), join(bin, '../lib/node_modules/npm/bin/npm-cli.js')]) {
    const isThere = await access(script).then(
      () => true,
      () => false,
    )
    if (isThere) return [process.execPath, script]
  }
  return ['npm']
}

async function linkSluice(home: string): Promise<void> {
  const [{ rm, symlink }, { join }] = await Promise.all([node('fs/promises'), node('path')])
  const own = await ownFolder()
  if (own === '') return
  const link = join(home, 'node_modules', 'sluice')
  await rm(link, { recursive: true, force: true })
  await symlink(own, link, 'junction')
}

/** The folder of this package; nothing where it is bundled into another. */
async function ownFolder(): Promise<string> {
  const [{ readFile }, { dirname, join }, { fileURLToPath }] = await Promise.all([node('fs/promises'), node('path'), node('url')])
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    const manifest = await readFile(join(at, 'package.json'), 'utf8').catch(() => '{}')
    if ((JSON.parse(manifest) as Manifest).name === 'sluice') return at
  }
  return ''
}
