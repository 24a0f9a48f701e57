import { ConfigError, show } from '../base/errors.js'
import type { Metas } from '../executor/executor.js'
import type { AddOptions } from '../flow/options.js'
import { given } from './given.js'
import { packageImage } from './npm.js'
import { specifierOf } from './specifier.js'
import { type LoadedUses, loadUses, type UsesPlace } from './uses.js'

/**
 * What `add()` was told, with its executor loaded, and with what the executor's own YAML says under what was told. For `uses` in code, whose
 * paths are the developer's own: from the folder that the process runs in, to anywhere.
 * @throws ConfigError that names the executor
 */
export async function resolveUses(name: string, options: AddOptions, place: Partial<UsesPlace> = {}): Promise<AddOptions> {
  if (options.uses === undefined || typeof options.uses === 'function') return options
  const loaded = await loadUses(options.uses, { folder: process.cwd(), allowOutside: true, file: name, key: 'uses', ...place })
  const dynamicBatching = options.dynamicBatching ?? loaded.dynamicBatching
  return { ...options, ...laidOver(loaded, { ...options }), ...(dynamicBatching === undefined ? {} : { dynamicBatching }) }
}

/**
 * The image of `npm:package`, as `docker://…`. Where the package is, is told as of its module.
 * @throws ConfigError that names the executor
 */
export async function resolveImage(name: string, uses: string, { folder = process.cwd(), allowInstall, ...where }: Partial<UsesPlace> = {}): Promise<string> {
  const place = { file: name, key: 'uses', ...where }
  const what = specifierOf(uses, place)
  if (what.kind !== 'npm') throw new ConfigError(`${show(uses)} names no package. Write npm:package, or docker://image`, place)
  return packageImage(what, folder, allowInstall, place)
}

/** What a Flow says of its executor wins over what the executor's own YAML says, key by key. */
export function laidOver(loaded: LoadedUses | undefined, own: Readonly<Record<string, unknown>>): Partial<AddOptions> {
  if (loaded === undefined) return {}
  const { uses, usesWith, usesMetas, usesRequests, workspace } = loaded
  const over = <T extends object>(base: T | undefined, name: string): T | undefined => {
    const top = own[name] as T | undefined
    if (name === 'usesRequests' && base !== undefined && top !== undefined) return { ...without(base, top), ...top }
    return base === undefined ? top : { ...base, ...top }
  }
  return {
    uses,
    ...given('usesWith', over(usesWith, 'usesWith')),
    ...given('usesMetas', over<Metas>(usesMetas, 'usesMetas')),
    ...given('usesRequests', over(usesRequests, 'usesRequests')),
    ...given('workspace', (own.workspace as string | undefined) ?? workspace),
  }
}

/** Bindings without those of methods that are bound anew. */
function without<T extends object>(base: T, top: object): T {
  const methods = new Set(Object.values(top))
  return Object.fromEntries(Object.entries(base).filter(([, method]) => !methods.has(method))) as T
}
