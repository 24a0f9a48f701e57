import { ConfigError, say, show } from '../base/errors.js'
import { node } from '../base/node.js'
import { MAX_BYTES } from '../base/text-file.js'
import { Executor } from '../executor/executor.js'
import { ADD_RULES, type AddOptions, FLOW_RULES, type Plan } from '../flow/options.js'
import { checkPlace, isImage, volumeAt } from '../place/options.js'
import { type Buildable, fromSource } from './flow.js'
import { given } from './given.js'
import type { Code } from './module.js'
import { Notices } from './notices.js'
import { originOf } from './origins.js'
import { specifierOf } from './specifier.js'
import { NO_CLASS } from './uses.js'
import { plain, toYaml } from './write.js'
import { parseYaml } from './yaml.js'

/** How a Flow is written down. */
export interface SaveConfigOptions {
  /** Write paths that lead out of the file's folder, too, which only `loadConfig(file, { allowOutside: true })` follows. Default `false`. */
  readonly allowOutside?: boolean | undefined
}

/** Options whose own keys are Jina's too, so they are written as Jina writes them. */
const NESTED = ['dynamicBatching', 'retries', 'cache', 'graphql', 'ui', 'tls', 'nats']

/** What an executor says of its documents. */
const SCHEMAS = ['input', 'output']

/** Files that are no code: named from the file's folder where they lie below it, and else by where they are. */
const FILES = ['sslKeyfile', 'sslCertfile', 'tokenFile', 'uploadFiles']

/**
 * Writes a Flow down as YAML, which `loadConfig` reads as the same Flow. Values that came from variables are written as they are by now.
 *
 * @param file where to write it to. Modules are named by their way from its folder; without a file, from the folder that the process runs in
 * @returns the YAML
 * @throws ConfigError for what cannot be written, by executor and key: functions, classes that were not loaded from a module, and all that `loadConfig`
 * would refuse; FlowBuildError for options that mean nothing where the executor runs
 */
export async function saveFlow(plan: Plan, file?: string, { allowOutside = false }: SaveConfigOptions = {}): Promise<string> {
  const { dirname, resolve } = await node('path')
  const folder = file === undefined ? resolve('.') : dirname(resolve(file))
  const refuse = (path: string, what: string): ConfigError => new ConfigError(`${plan.name} cannot be written down: ${path} is ${what}`, { file })
  const { portExpose, port = portExpose, ...rest } = plan.options
  // Under gateway, as with says it of the executors.
  const { timeout, ...flow } = optionsOf(
    { ...rest, ...given('port', port), ...(await filesOf(rest, folder)), ...tokenOf(rest, 'SLUICE_TOKEN') },
    Object.keys(FLOW_RULES),
    '',
    refuse,
  )
  const executors: unknown[] = []
  const variables: Record<string, string> = { SLUICE_TOKEN: STAND_IN, [NATS_TOKEN]: STAND_IN, [NATS_PASSWORD]: STAND_IN }
  const tokens = new Map<string, readonly [name: string, token: string]>()
  const served: { token?: string | undefined; password?: string | undefined } = typeof rest.nats === 'object' ? rest.nats : {}
  for (const [from, value] of [
    [NATS_TOKEN, served.token],
    [NATS_PASSWORD, served.password],
  ] as const)
    if (value !== undefined) tokens.set(from, [plan.name, value])
  for (const step of plan.steps) {
    checkPlace(step, plan.options)
    const { name, options: given } = step
    const { uses, ...rest } = given
    const written = await usesOf(uses, name, { folder, allowOutside, file })
    const variable = tokenVariable(name)
    const { token, password } = rest.nats ?? {}
    for (const [key, from, value] of [
      ['token', variable, rest.token],
      ['nats.token', NATS_TOKEN, token],
      ['nats.password', NATS_PASSWORD, password],
    ] as const) {
      if (typeof value !== 'string') continue
      const [other, known] = tokens.get(from) ?? [name, value]
      if (known !== value) {
        const advice = from === variable ? 'Rename one of the two' : 'Give one of the two a file in its place'
        throw refuse(`${name}.${key}`, `to be read from ${from}, as another one of ${other} is. ${advice}`)
      }
      tokens.set(from, [name, known])
    }
    variables[variable] = STAND_IN
    const own = optionsOf({ ...rest, ...(await filesOf(rest, folder)), ...tokenOf(rest, variable) }, Object.keys(ADD_RULES), `${name}.`, refuse)
    executors.push({ ...own, ...(written === undefined ? {} : { uses: written }) })
  }
  const text = await toYaml({
    jtype: 'Flow',
    version: '1',
    ...given('with', Object.keys(flow).length === 0 ? undefined : flow),
    ...given('gateway', timeout === undefined ? undefined : { timeout }),
    executors,
  })
  await readBack(text, plan, { folder, allowOutside, file }, variables)
  if (file !== undefined) {
    const { writeFile } = await node('fs/promises')
    await writeFile(file, text).catch((cause) => {
      throw new ConfigError(`cannot be written: ${say(cause)}`, { file }, { cause })
    })
  }
  return text
}

/** In place of a token, while what is written is read back. */
const STAND_IN = 'a-token-that-opens-no-door'

/** Reads what is to be written as `loadConfig` will, but for the modules: so nobody finds out later that it cannot be loaded. */
async function readBack(text: string, plan: Plan, { folder, allowOutside, file }: Target, env: Record<string, string>): Promise<void> {
  const refuse = (name: string, reason: string, key?: string, cause?: unknown): ConfigError =>
    new ConfigError(`${name} cannot be written down: ${key === undefined ? '' : `${key}: `}${reason}`, { file, key }, { cause })
  if (new TextEncoder().encode(text).length > MAX_BYTES) throw refuse(plan.name, `it takes more than ${MAX_BYTES} bytes, which loadConfig does not read`)
  const names = plan.steps.map(({ name }) => name)
  let made: { executors: string[] } | undefined
  const make = (): Buildable => {
    const add = (): void => void made!.executors.push(names[made!.executors.length]!)
    made = { executors: [] }
    return Object.assign(made, { add, needsAll: add })
  }
  const draft = (): Code | undefined => {
    const uses = plan.steps[made!.executors.length]!.options.uses
    return typeof uses === 'function' ? (uses as Code) : NO_CLASS.includes(uses as string) ? Executor : undefined
  }
  await fromSource({ text, file: undefined, folder }, new Notices(() => {}), make, { env, allowOutside, draft }).catch((error) => {
    if (!(error instanceof ConfigError)) throw error
    const { message, key } = error
    const reason = message.replace(/^configuration(?::\d+)*: /, '')
    throw refuse(
      (made === undefined ? undefined : names[made.executors.length]) ?? plan.name,
      key === undefined ? reason : reason.slice(key.length + 2),
      key,
      error.cause,
    )
  })
}

function optionsOf(given: object, names: readonly string[], path: string, refuse: (path: string, what: string) => Error): Record<string, unknown> {
  const options: Record<string, unknown> = {}
  for (const name of names) {
    const value = (given as Record<string, unknown>)[name]
    if (value === undefined) continue
    if (value === null) throw refuse(path + name, 'null, which stands for nothing in YAML. Leave it out')
    const code = (path: string, what: string): Error => refuse(path, `${what}, which is given in code only`)
    // Some libraries make theirs of plain objects.
    if (SCHEMAS.includes(name)) throw code(path + name, 'an object of schemas')
    const copy = plain(value, path + name, code)
    options[snake(name)] = NESTED.includes(name) && typeof copy === 'object' && copy !== null ? snakeKeys(copy, name === 'dynamicBatching') : copy
  }
  return options
}

/** Where what shows who connects to a server of NATS is to come from. */
export const NATS_TOKEN = 'NATS_TOKEN'
export const NATS_PASSWORD = 'NATS_PASSWORD'

/** Where the token of an executor is to come from. */
export function tokenVariable(name: string): string {
  return `SLUICE_TOKEN_${name.toUpperCase().replaceAll('-', '_')}`
}

/** A token is not written down, but where it is to come from. */
function tokenOf({ token }: { readonly token?: unknown }, variable: string): { token?: string } {
  return token === undefined || typeof token === 'function' ? {} : { token: `\${{ ENV.${variable} }}` }
}

async function filesOf(options: object, folder: string): Promise<Record<string, unknown>> {
  const { isAbsolute, relative, resolve } = await node('path')
  const named = (file: string): string => {
    const way = relative(folder, resolve(file)).replaceAll('\\', '/')
    return way.startsWith('..') || isAbsolute(way) ? resolve(file) : way
  }
  const files = FILES.map((name) => [name, (options as Record<string, string | readonly string[] | undefined>)[name]] as const)
  const { tls, nats, volumes } = options as { readonly tls?: unknown; readonly nats?: unknown; readonly volumes?: string | readonly string[] }
  const inFiles = (all: object): object =>
    Object.fromEntries(Object.entries(all).map(([key, value]) => [key, /File$/.test(key) && typeof value === 'string' ? named(value) : value]))
  const volume = (text: string): string => volumeAt(text, (path) => named(path).replace(/^(?![\\/.]|[a-z]:)/i, './'))
  return {
    ...(volumes !== undefined && { volumes: typeof volumes === 'string' ? volume(volumes) : volumes.map(volume) }),
    ...Object.fromEntries(
      files.filter(([, file]) => file !== undefined).map(([name, file]) => [name, typeof file === 'string' ? named(file) : file!.map(named)]),
    ),
    ...(typeof tls === 'object' && { tls: inFiles(tls!) }),
    ...(typeof nats === 'object' && { nats: withoutSecrets(inFiles(nats!)) }),
  }
}

/** What shows who connects to a server of NATS is not written down, but where it is to come from. */
function withoutSecrets(nats: object): object {
  const from = (name: string, variable: string) => (name in nats && { [name]: `\${{ ENV.${variable} }}` }) || {}
  return { ...nats, ...from('token', NATS_TOKEN), ...from('password', NATS_PASSWORD) }
}

/** Keys of settings in snake_case. Endpoints, which have settings of their own, are left as they are. */
function snakeKeys(value: object, byEndpoint: boolean): object {
  return Object.fromEntries(
    Object.entries(value).map(([key, given]) =>
      typeof given === 'object' && given !== null && !Array.isArray(given) ? [byEndpoint ? key : snake(key), snakeKeys(given, false)] : [snake(key), given],
    ),
  )
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

interface Target {
  readonly folder: string
  readonly allowOutside: boolean
  readonly file: string | undefined
}

/** What stands for an executor in a file there. */
export async function usesOf(uses: AddOptions['uses'], name: string, target: Target): Promise<unknown> {
  const refuse = (reason: string): ConfigError => new ConfigError(`${name} cannot be written down: ${reason}`, { file: target.file, key: 'uses' })
  if (uses === undefined) return undefined
  if (uses === Executor) return 'BaseExecutor'
  if (typeof uses === 'function') {
    const origin = originOf(uses as never)
    if (origin === undefined) throw refuse(`it uses ${show(uses)}, which was given in code. Export it from a module, and write uses: './module.js#Export'`)
    return `${origin.module.startsWith('npm:') ? origin.module : await wayTo(origin.module, target, refuse)}#${origin.name}`
  }
  if (typeof uses === 'object') return configOf(uses as Record<string, unknown>, target, refuse)
  if (isImage(uses)) return uses
  const what = specifierOf(uses, { file: target.file, key: 'uses' })
  switch (what.kind) {
    case 'npm':
    case 'class':
      return uses
    case 'text': {
      const { value, tag } = await parseYaml(uses, { file: `uses of ${name}` })
      const own = typeof value === 'object' && value !== null ? tag(value) : undefined
      return toYaml(await configOf({ ...(own === undefined ? {} : { jtype: own }), ...(value as object) }, target, refuse), true)
    }
    case 'yaml':
      return wayTo(what.path, target, refuse)
    default:
      return `${await wayTo(what.path, target, refuse)}${what.name === undefined ? '' : `#${what.name}`}`
  }
}

/** An executor's own configuration, with its modules named from there. */
async function configOf(config: Record<string, unknown>, target: Target, refuse: (reason: string) => ConfigError): Promise<unknown> {
  const copy = plain(config, 'uses', (path, what) => refuse(`${path} is ${what}`)) as Record<string, unknown>
  for (const [holder, key] of [
    [copy, 'modules'],
    [copy, 'pyModules'],
    [copy, 'py_modules'],
    [copy.metas, 'modules'],
    [copy.metas, 'pyModules'],
    [copy.metas, 'py_modules'],
  ] as const) {
    if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, key)) continue
    const fields = holder as Record<string, unknown>
    const modules = await Promise.all([fields[key]].flat().map((path) => (/^npm:/i.test(String(path)) ? path : wayTo(String(path), target, refuse))))
    fields[key] = Array.isArray(fields[key]) ? modules : modules[0]
  }
  return copy
}

/** The way from the file's folder to a module, as `loadConfig` follows it. */
async function wayTo(path: string, { folder, allowOutside }: Target, refuse: (reason: string) => ConfigError): Promise<string> {
  const [{ isAbsolute, relative, resolve }, { realpath }, { fileURLToPath }] = await Promise.all([node('path'), node('fs/promises'), node('url')])
  const real = async (path: string): Promise<string> => realpath(path).catch(() => path)
  const way = relative(await real(folder), await real(/^file:/i.test(path) ? fileURLToPath(path) : resolve(path))).replaceAll('\\', '/')
  if (!way.startsWith('..') && !isAbsolute(way)) return `./${way}`
  if (!allowOutside) throw refuse(`its module ${path} lies outside of ${folder}. Save the Flow beside it or above, or save and load with allowOutside`)
  return way
}
