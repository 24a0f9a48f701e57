import { extname, resolve } from 'node:path'
import { Option } from 'commander'
import { ConfigError, show } from '../base/errors.js'
import { importFile } from '../config/module.js'
import { Flow } from '../flow/flow.js'
import type { Runtime } from '../flow/options.js'

const YAML = ['.yml', '.yaml']
const MODULES = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts']

/** For help. */
export const FLOW_FILE = 'a YAML file, or a module (.ts, .js) that exports a Flow, or a function returning one, as default or by the name flow'

/** `--runtime`. */
export function runtimeOption(): Option {
  return new Option('--runtime <place>', 'where executors run that do not say it themselves (default: inline)').choices(['inline', 'thread', 'process'])
}

/** `--cache`. */
export function cacheOption(): Option {
  return new Option(
    '--cache <folder>',
    'keep answers there of executors that say their version, or have cache: true, so that a later run calls them for what changed alone',
  )
}

/** What the command line says over a Flow. */
interface Over {
  readonly runtime?: Runtime | undefined
  readonly cache?: string | undefined
}

/**
 * The Flow that a file describes, not yet open: YAML, or a module whose default export, or export named `flow`, is a Flow or a
 * function that returns one.
 * @param over what is said over the Flow's own options
 * @throws ConfigError
 */
export async function flowOf(file: string, over: Over = {}): Promise<Flow<string>> {
  const flow = await read(file)
  const said = Object.fromEntries(Object.entries(over).filter(([, value]) => value !== undefined))
  return Object.keys(said).length === 0 ? flow : withOptions(flow, said)
}

/** The same Flow, told something else. */
function withOptions({ plan: { options, steps } }: Flow<string>, over: Over): Flow<string> {
  const other = new Flow<string>({ ...options, ...over })
  for (const { name, needs, join, floating, options } of steps) other.add({ ...options, name, needs, join, floating } as never)
  return other
}

async function read(file: string): Promise<Flow<string>> {
  const extension = extname(file).toLowerCase()
  if (YAML.includes(extension)) return Flow.loadConfig(file)
  if (!MODULES.includes(extension)) throw new ConfigError(`a Flow is read from ${YAML.join(', ')} or a module (${MODULES.join(', ')})`, { file })
  const module = (await importFile(resolve(file), { file: resolve(file) })) as { default?: unknown; flow?: unknown }
  const exported = module.default ?? module.flow
  if (exported === undefined) throw new ConfigError('export the Flow as default or by the name flow', { file })
  const flow: unknown = typeof exported === 'function' && !(exported.prototype instanceof Flow) ? await exported() : exported
  if (flow instanceof Flow) return flow as Flow<string>
  // Its classes are others than ours, and would take our documents for plain objects.
  if ((flow as Flow | undefined)?.constructor?.name === 'Flow') {
    throw new ConfigError('its Flow comes from another copy of sluice. Start the command of that copy, with npx sluice in its folder', { file })
  }
  throw new ConfigError(`it exports ${show(flow)}. Export a Flow, or a function that returns one`, { file })
}
