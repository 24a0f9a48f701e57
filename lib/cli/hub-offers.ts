import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, say } from '../base/errors.js'
import { exportOf, importFile } from '../config/module.js'
import { type Installed, type Manifest, moduleOf } from '../config/package-module.js'
import { bindings } from '../executor/bindings.js'
import { Executor } from '../executor/executor.js'
import { type JsonSchema, jsonSchemaOf } from '../wire/json-schema.js'

/** An executor that a package exports. */
export interface Offer {
  readonly name: string
  /** As a Flow names it. */
  readonly uses: string
  /** What it says of itself, or undefined. */
  readonly about: string | undefined
  /** What it answers; `*` is any. */
  readonly endpoints: readonly string[]
  /** What it takes of documents, where it says so of all endpoints alike. */
  readonly input: { readonly tags?: JsonSchema | undefined; readonly text?: JsonSchema | undefined }
  readonly parameters: JsonSchema | undefined
  /** Why it cannot be used. */
  readonly problem?: string
}

/**
 * The package of a folder.
 * @throws ConfigError where it has no package.json that can be read
 */
export async function readPackage(folder: string): Promise<Installed & { readonly manifest: Manifest & Readonly<Record<string, unknown>> }> {
  const file = join(folder, 'package.json')
  try {
    return { folder, manifest: JSON.parse(await readFile(file, 'utf8')) }
  } catch (cause) {
    throw new ConfigError(`cannot be read: ${say(cause)}`, { file }, { cause })
  }
}

/** How a Flow names an export of a package. */
export function usesOf({ name, version }: { name?: unknown; version?: unknown }, exported: string): string {
  return `npm:${name}${version === undefined ? '' : `@${version}`}#${exported}`
}

/**
 * What the module of a package exports that can stand in `uses`: its code runs for that.
 * @throws ConfigError where it has no module, or the module cannot be imported
 */
export async function offersOf(found: Installed): Promise<Offer[]> {
  const place = placeOf(found)
  const file = await moduleOf(found, String(found.manifest.name), place)
  const module = (await importFile(file, place)) as Record<string, unknown>
  const offers = Object.keys(module).flatMap((name) => offerOf(name, module, found.manifest))
  // One that is exported twice, by its name and as default, is one.
  return offers.filter(({ code }, at) => offers.findIndex((other) => other.code === code) === at).map(({ offer }) => offer)
}

/** Where to look for what is wrong with a package. */
export function placeOf({ folder }: Installed): { file: string } {
  return { file: join(folder, 'package.json') }
}

function offerOf(name: string, module: Record<string, unknown>, manifest: Manifest): { code: unknown; offer: Offer }[] {
  const code = module[name]
  if (typeof code !== 'function' || code === Executor) return []
  const uses = usesOf(manifest, name)
  const own = code as { metas?: { description?: string }; input?: Record<string, unknown> }
  const said = (part: string): JsonSchema | undefined => {
    const schema = own.input?.[part]
    return schema === undefined ? undefined : jsonSchemaOf(schema as never, 'input')
  }
  const offer = { name, uses, about: own.metas?.description, input: { tags: said('tags'), text: said('text') }, parameters: said('parameters') }
  try {
    exportOf([{ name: String(manifest.name), module }], name, {})
    const bound = code.prototype instanceof Executor ? bindings(code) : new Map([['*', name]])
    return [{ code, offer: { ...offer, endpoints: Array.from(bound.keys(), (endpoint) => (endpoint === '/default' ? '*' : endpoint)) } }]
  } catch (error) {
    return [{ code, offer: { ...offer, endpoints: [], problem: say(error) } }]
  }
}
