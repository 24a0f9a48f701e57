import { show } from '../errors.js'
import { Executor } from '../executor.js'
import type { AddOptions } from '../flow-options.js'
import { nearest } from '../nearest.js'
import { object, string } from '../options.js'
import type { Fields } from './fields.js'
import { findModule, importFile } from './module.js'

type Uses = Pick<AddOptions, 'uses' | 'usesWith' | 'usesMetas' | 'usesRequests'>

/**
 * What `uses` of an executor stands for: `./executors.js#Tokenize`, or `{ jtype: Tokenize, modules: ./executors.js, with, metas, requests }`,
 * under the executor's own `uses_with`, `uses_metas` and `uses_requests`.
 *
 * @param folder where modules are looked for
 * @throws ConfigError
 */
export async function usesOf(step: Fields, folder: string): Promise<Uses> {
  const { uses, usesWith, usesMetas, usesRequests } = step.all
  if (uses === undefined) return {}
  if (typeof uses === 'string') {
    const [path = '', name = 'default'] = uses.split('#', 2)
    return { uses: await load(step, 'uses', path, name, folder) }
  }
  const own = step.fields('uses', 'an executor', ['jtype', 'modules', 'pyModules', 'with', 'metas', 'requests'])!
  own.check({ jtype: string, with: object, metas: object, requests: object })
  const key = own.get('pyModules') === undefined ? 'modules' : 'pyModules'
  const [path, ...others] = [own.get(key) ?? []].flat()
  if (typeof path !== 'string' || others.length > 0) throw own.error(key, 'name one module here, such as ./executors.js, which exports the class')
  return {
    uses: await load(own, key, path, (own.get('jtype') as string | undefined) ?? 'default', folder),
    ...over('usesWith', own.get('with'), usesWith),
    ...over('usesMetas', own.get('metas'), usesMetas),
    ...over('usesRequests', own.get('requests'), usesRequests),
  }
}

async function load(fields: Fields, key: string, path: string, name: string, folder: string): Promise<NonNullable<AddOptions['uses']>> {
  const module = await importFile(await findModule(path, folder, fields.place(key)), fields.place(key))
  const found = Object.hasOwn(module, name) ? (module as Record<string, unknown>)[name] : undefined
  if (found === undefined) {
    const near = nearest(name, Object.keys(module))
    throw fields.error(
      key,
      `${path} exports no ${name}. ${near === undefined ? `It exports ${Object.keys(module).join(', ') || 'nothing'}` : `Did you mean ${near}?`}`,
    )
  }
  if (typeof found !== 'function') throw fields.error(key, `${name} of ${path} is ${show(found)}: export a class that extends Executor, or a function`)
  if (!(found.prototype instanceof Executor) && /^class\b/.test(Function.prototype.toString.call(found))) {
    throw fields.error(key, `${name} of ${path} is a class that does not extend the Executor of this sluice. Is another copy installed beside the module?`)
  }
  return found as NonNullable<AddOptions['uses']>
}

function over(name: keyof Uses, base: unknown, top: unknown): Uses {
  return base === undefined ? {} : { [name]: { ...base, ...(top as object | undefined) } }
}
