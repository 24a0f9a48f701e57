import { copyJson, isPlainObject } from '../doc/json.js'
import type { Parameters } from './parameters.js'

/**
 * The parameters as one executor sees them (Jina 3.x): the general ones, over them `name__param`, over these `{ name: { … } }`.
 * Keys that address an executor by underscores are taken out for all.
 *
 * @param names what the executor goes by, the strongest last
 * @param without names whose objects are left out, as they address somebody
 */
export function parametersFor(parameters: Parameters, names: readonly string[], without?: ReadonlySet<string>): Parameters {
  // Underscores stand for the hyphens too, which Python's keywords cannot have.
  const meant = new Set(names.flatMap((name) => [name, name.replaceAll('-', '_')]))
  let seen: Parameters = {}
  const special: Parameters = {}
  for (const key of Object.keys(parameters)) {
    const at = key.lastIndexOf('__')
    if (at > 0 && at < key.length - 2) {
      if (meant.has(key.slice(0, at))) special[key.slice(at + 2)] = copyJson(parameters[key])
    } else if (!(without?.has(key) && isPlainObject(parameters[key]))) seen[key] = copyJson(parameters[key])
  }
  // By spreading, which makes a key named __proto__ a key like others.
  seen = { ...seen, ...special }
  for (const name of names) if (Object.hasOwn(parameters, name) && isPlainObject(parameters[name])) seen = { ...seen, ...copyJson(parameters[name]) }
  return seen
}
