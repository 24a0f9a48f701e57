import { extname, resolve } from 'node:path'
import { ConfigError, show } from '../base/errors.js'
import { importFile } from '../config/module.js'
import { Flow } from '../flow/flow.js'

const YAML = ['.yml', '.yaml']
const MODULES = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts']

/** For help. */
export const FLOW_FILE = 'a YAML file, or a module (.ts, .js) that exports a Flow, or a function returning one, as default or by the name flow'

/**
 * The Flow that a file describes, not yet open: YAML, or a module whose default export, or export named `flow`, is a Flow or a
 * function that returns one.
 * @throws ConfigError
 */
export async function flowOf(file: string): Promise<Flow<string>> {
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
