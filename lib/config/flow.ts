import { ConfigError, FlowBuildError, say, show } from '../errors.js'
import { ADD_RULES, type AddOptions, FLOW_RULES, type FlowOptions } from '../flow-options.js'
import { node } from '../host.js'
import { nearest } from '../nearest.js'
import { Fields } from './fields.js'
import { usesOf } from './uses.js'
import { parseYaml } from './yaml.js'

/** Far above what people write, far below what takes a second to read. */
const MAX_BYTES = 1 << 20

/** What a configuration is built into: a Flow. */
interface Buildable {
  readonly executors: readonly string[]
  add(options: AddOptions): unknown
}

/**
 * Reads a Flow from a YAML file:
 *
 *     jtype: Flow
 *     with: { prefetch: 8 }
 *     executors:
 *       - name: tokenize
 *         uses: ./executors.js#Tokenize
 *         uses_with: { stem: true }
 *
 * `with` takes the options of a Flow, each of `executors` (or `pods`) those of `add()`; names may be in snake_case. `uses` is a module
 * in the folder of the file or below, and its export (`default` when none is named), or `{ jtype, modules, with, metas, requests }`.
 *
 * @param make makes the empty Flow
 * @throws ConfigError (`ERR_CONFIG`) that names file, line and key
 */
export async function loadFlow<F extends Buildable>(file: string, make: (options: FlowOptions) => F): Promise<F> {
  const { dirname } = await node('path')
  const parsed = await parseYaml(await read(file), file, ['!Flow'])
  const root = new Fields(parsed, file, parsed.value, 'a Flow', ['jtype', 'version', 'with', 'executors', 'pods'], { line: 1 })
  const type = parsed.tag ?? root.get('jtype')
  if (type !== 'Flow' && type !== '!Flow') throw root.error('jtype', `a Flow starts with jtype: Flow${type === undefined ? '' : `, not with ${show(type)}`}`)

  const options = root.fields('with', 'a Flow', Object.keys(FLOW_RULES))
  options?.check(FLOW_RULES)
  const flow = make({ ...options?.all })

  if (root.get('pods') !== undefined && root.get('executors') !== undefined) throw root.error('pods', 'another name for executors. Give one of them')
  const steps = root.list(root.get('pods') === undefined ? 'executors' : 'pods', 'an executor', Object.keys(ADD_RULES))
  for (const step of steps) {
    step.check({ ...ADD_RULES, uses: () => {} })
    const options = { ...step.all, ...(await usesOf(step, dirname(file))) }
    try {
      flow.add(options)
    } catch (error) {
      throw error instanceof FlowBuildError ? step.error('name', error.message, error) : error
    }
  }
  // Names may be needed before they are given, so this waits for the last.
  const names = [...flow.executors, 'gateway']
  for (const step of steps) {
    const missing = [(step.get('needs') as string | string[] | undefined) ?? []].flat().find((need) => !names.includes(need))
    if (missing === undefined) continue
    const near = nearest(missing, names)
    throw step.error('needs', `there is no executor called ${missing}. ${near === undefined ? `There are ${names.join(', ')}` : `Did you mean ${near}?`}`)
  }
  return flow
}

async function read(file: string): Promise<string> {
  const { open } = await node('fs/promises')
  const handle = await open(file).catch((cause) => {
    throw new ConfigError(`cannot be opened: ${say(cause)}`, { file }, { cause })
  })
  try {
    const { size } = await handle.stat()
    if (size > MAX_BYTES) throw new ConfigError(`is larger than ${MAX_BYTES} bytes, which no configuration needs`, { file })
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile())
  } catch (cause) {
    throw cause instanceof ConfigError ? cause : new ConfigError(`cannot be read as UTF-8 text: ${say(cause)}`, { file }, { cause })
  } finally {
    await handle.close()
  }
}
