import { object, string } from '../base/check.js'
import { ConfigError, show } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import { type Bound, bindings, rebind } from '../executor/bindings.js'
import { Executor, type Metas } from '../executor/executor.js'
import type { ExecutorConfig, Uses } from '../flow/options.js'
import type { DynamicBatching } from '../handler/batch-queue.js'
import { batchingOf } from './batching.js'
import { METAS_KEYS, USES_KEYS } from './executor-keys.js'
import { Fields, type Reading } from './fields.js'
import { given } from './given.js'
import { type Code, exportOf, findFile, importFile } from './module.js'
import { Notices } from './notices.js'
import { packageFile } from './npm.js'
import { remember } from './origins.js'
import { type LoadConfigOptions, readingOf, readingOfObject } from './reading.js'
import { sourceOf } from './source.js'
import { python, specifierOf } from './specifier.js'
import type { Place } from './yaml.js'

/** Where `uses` stands, and how it is to be loaded. */
export interface UsesPlace extends LoadConfigOptions, Place {
  /** Where relative paths start. */
  readonly folder: string
  /** Modules of which one exports the class, if `uses` is the name of a class only. */
  readonly modules?: readonly string[] | undefined
  /** Where these stand. */
  readonly modulesPlace?: Place | undefined
  /** Whose notices these are part of. */
  readonly notices?: Notices | undefined
  /** What `uses` stands in, if it is an object of a file. */
  readonly reading?: Reading | undefined
  /** Whether a variable gave the text, so that it is never read as YAML. */
  readonly isSubstituted?: boolean | undefined
  /** The file is only checked, and no module is run for that: what stands for the class, or undefined where nobody knows. */
  readonly draft?: (() => Code | undefined) | undefined
}

/** An executor that is ready to be made, and what its own configuration says of it. */
export interface LoadedUses {
  readonly uses: Code
  readonly usesWith?: object
  readonly usesMetas?: Metas
  readonly usesRequests?: Record<string, string>
  readonly dynamicBatching?: DynamicBatching | Record<string, DynamicBatching>
  readonly workspace?: string
}

/**
 * Loads what `uses` names: a class or function as it is; `./module.js#Export`; `npm:package@1.2.3#Export`; a YAML file, its text or its content.
 * Nothing runs but the modules that are named.
 *
 * @throws ConfigError
 */
export async function loadUses(uses: Uses, place: UsesPlace): Promise<LoadedUses> {
  const notices = place.notices ?? new Notices(place.onNotice)
  if (place.notices !== undefined) return load(uses, { ...place, notices })
  notices.hidden.know(`${place.file ?? ''}\n${place.folder}\n${typeof uses === 'string' ? uses : ''}`)
  const loaded = await load(uses, { ...place, notices }).catch((error) => {
    throw notices.hidden.keep(error)
  })
  notices.flush()
  return loaded
}

type Where = UsesPlace & { readonly notices: Notices }

async function load(uses: unknown, where: Where): Promise<LoadedUses> {
  if (typeof uses === 'function') return { uses: uses as Code }
  if (typeof uses === 'object' && uses !== null) return loadConfig(where.reading ?? readingOfObject(uses, where, where.notices), uses, where)
  if (typeof uses !== 'string' || uses === '') throw new ConfigError(`an executor is named by a text or described by keys, not by ${show(uses)}`, where)
  const what = specifierOf(uses, where)
  switch (what.kind) {
    case 'text': {
      if (where.isSubstituted) throw new ConfigError('the value of a variable is never read as YAML. Name a file, and put the variables into it', where)
      // What its references stand for is known when it is loaded.
      if (where.draft !== undefined && uses.includes('$')) return { uses: where.draft() ?? Executor }
      const reading = await readingOf(uses, { file: where.file, above: where.line }, where, where.notices)
      return loadConfig(reading, reading.parsed.value, where)
    }
    case 'yaml': {
      if (where.draft !== undefined) return { uses: where.draft() ?? Executor }
      const path = await findFile(what.path, where.folder, where.allowOutside ?? false, where)
      const { text, file, folder } = await sourceOf(path)
      const reading = await readingOf(text, { file }, where, where.notices)
      return loadConfig(reading, reading.parsed.value, { ...where, file, line: undefined, column: undefined, key: undefined, folder })
    }
    case 'class':
      return { uses: await codeOf(where.modules ?? [], what.name, { ...where, ...(where.modules?.length ? where.modulesPlace : {}) }) }
    default:
      return { uses: await codeOf([uses], undefined, where) }
  }
}

/** What an executor's own YAML says. */
async function loadConfig(reading: Reading, value: unknown, where: Where): Promise<LoadedUses> {
  const own = new Fields(reading, value, 'an executor', USES_KEYS, {
    ...where,
    ...(typeof value === 'object' && value !== null ? reading.parsed.place(value) : {}),
  })
  own.check({ with: object, metas: object, requests: object, jtype: string })
  own.version()
  const metas = own.fields('metas', 'metas of an executor', METAS_KEYS)
  const tag = typeof value === 'object' && value !== null ? reading.parsed.tag(value) : undefined
  const name = tag ?? own.text('jtype')?.replace(/^!/, '')
  const fields = own.get('modules') === undefined && metas?.get('modules') !== undefined ? metas : own
  const ownModules = modulesOf(fields)
  if (metas !== undefined) modulesOf(metas)
  const modules = ownModules.length > 0 ? ownModules : (where.modules ?? [])
  const at = ownModules.length > 0 ? fields.place('modules') : name === undefined ? { ...own.place(), key: 'modules' } : own.place('jtype')
  const uses = await codeOf(modules, name ?? 'default', { ...where, ...at })
  const requests = requestsOf(own, 'requests')
  const bound = boundBy(uses, requests ?? {}, where)
  const usesMetas = metasOf(metas)
  return {
    uses,
    ...(own.get('with') === undefined ? {} : { usesWith: own.get('with') as object }),
    ...(usesMetas === undefined || Object.keys(usesMetas).length === 0 ? {} : { usesMetas }),
    ...(requests === undefined ? {} : { usesRequests: requests }),
    ...given('dynamicBatching', batchingOf(own, 'dynamicBatching', bound)),
    ...given('workspace', own.text('workspace')),
  }
}

/** What an executor is called and what it is for. */
export function metasOf(metas: Fields | undefined): Metas | undefined {
  if (metas === undefined) return undefined
  const { modules: _, ...told }: Record<string, unknown> = metas.all
  for (const key of ['name', 'description', 'workspace', 'url']) if (metas.get(key) !== undefined) told[key] = metas.text(key)
  if (metas.get('keywords') !== undefined) told.keywords = metas.names('keywords')
  return told as Metas
}

/** Methods by endpoint. */
export function requestsOf(fields: Fields, name: string): Record<string, string> | undefined {
  const requests = fields.get(name) as Record<string, string> | undefined
  fields.rule(name, requests, (name, value) => value === undefined || object(name, value))
  for (const [endpoint, method] of Object.entries(requests ?? {}))
    if (typeof method !== 'string') throw fields.error(name, `${endpoint} must be bound to the name of a method, not to ${show(method)}`)
  return requests
}

/** Methods by endpoint of a class, or undefined where nobody knows the class. */
export function boundBy(uses: Code, requests: Record<string, string>, { draft }: Pick<UsesPlace, 'draft'>): ReadonlyMap<string, Bound> | undefined {
  if (draft !== undefined && draft() === undefined) return undefined
  return uses.prototype instanceof Executor ? rebind(bindings(uses), requests) : new Map()
}

/** The modules that a configuration names, as a list. */
export function modulesOf(fields: Fields): string[] {
  const modules = [(fields.get('modules') as ExecutorConfig['modules']) ?? []].flat()
  for (const module of modules)
    if (typeof module !== 'string' || module === '') throw fields.error('modules', `a module is named by its path, not by ${show(module)}`)
  return modules as string[]
}

/** Classes that a file may name without a module: they pass documents through. */
export const NO_CLASS: readonly string[] = ['BaseExecutor', 'Executor']

/** As Python names modules: `my.package.module`. */
const DOTTED = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$/

/** @param name the export; without it, what the one module names behind its # */
async function codeOf(modules: readonly string[], name: string | undefined, where: Where): Promise<Code> {
  if (modules.length === 0) {
    const { executors = {} } = where
    if (name !== undefined && Object.hasOwn(executors, name)) return exportOf([{ name: 'executors', module: executors }], name, where).code
    if (name !== undefined && NO_CLASS.includes(name)) return Executor
    const near = name === undefined ? undefined : nearest(name, Object.keys(executors))
    if (near !== undefined) throw new ConfigError(`executors has no ${name}. Did you mean ${near}?`, where)
    throw new ConfigError(
      `no module is named${name === undefined ? '' : ` that exports ${name}`}. Name one under modules, such as ./executors.js, or write uses: ./executors.js#${name ?? 'Name'}. Where it is at hand in code: add({ uses: ${name ?? 'Name'} }), or loadConfig(file, { executors: { ${name ?? 'Name'} } })`,
      where,
    )
  }
  if (where.draft !== undefined) return where.draft() ?? Executor
  const imported: { name: string; module: object; origin: string; file: string; export: string | undefined }[] = []
  for (const text of modules) {
    const what = specifierOf(text, where)
    if (what.kind === 'npm') {
      const path = await packageFile(what, where.folder, where.allowInstall, where)
      const origin = `npm:${what.package}${what.version === undefined ? '' : `@${what.version}`}`
      imported.push({ name: origin, module: await importFile(path, where), origin, file: path, export: text.includes('#') ? what.name : undefined })
    } else if (what.kind === 'module' || what.kind === 'class') {
      const path = await findFile(what.kind === 'module' ? what.path : text, where.folder, where.allowOutside ?? false, where).catch((error) => {
        throw DOTTED.test(text) && !/\.[cm]?[jt]sx?$/i.test(text) ? python(text, where) : error
      })
      if (/\.py$/i.test(path)) throw python(text, where)
      const named = what.kind === 'module' ? what.name : undefined
      imported.push({ name: text.replace(/#.*$/, ''), module: await importFile(path, where), origin: path, file: path, export: named })
    } else throw new ConfigError(`${show(text)} is no module. Name one such as ./executors.js`, where)
  }
  const wanted = (name === 'default' ? undefined : name) ?? imported[0]!.export ?? 'default'
  const { code, at } = exportOf(imported, wanted, where)
  remember(code, { module: imported[at]!.origin, name: wanted, file: imported[at]!.file })
  return code
}
