import { ConfigError, show } from '../base/errors.js'
import type { Place } from './yaml.js'

/** What a text names as an executor. */
export type Specifier =
  | { readonly kind: 'text' }
  | { readonly kind: 'yaml'; readonly path: string }
  | { readonly kind: 'module'; readonly path: string; readonly name: string | undefined }
  | { readonly kind: 'npm'; readonly package: string; readonly version: string | undefined; readonly name: string }
  | { readonly kind: 'class'; readonly name: string }

// As npm takes them, and nothing that a command line, a path or a registry could take for more than a name.
const PACKAGE =
  /^npm:((?:@[a-z\d][a-z\d._-]*\/)?[a-z\d][a-z\d._-]*)(?:@(\d+\.\d+\.\d+(?:-[\da-zA-Z.-]+)?(?:\+[\da-zA-Z.-]+)?))?(?:#([\p{ID_Start}$_][\p{ID_Continue}$]*))?$/u

/**
 * Tells what kind of executor a text names.
 * @throws ConfigError for what is no module here: images, Jina's hub, Python
 */
export function specifierOf(text: string, where: Place): Specifier {
  if (/[\r\n]/.test(text) || /^\s*(?:!\w|jtype\s*:|\{)/.test(text)) return { kind: 'text' }
  if (/^(?:jinahub|jinaai)(?:\+\w+)?:/i.test(text))
    throw new ConfigError(
      /\+docker:/i.test(text)
        ? `${show(text)} is in Jina’s hub, which gives out no images any more. Where you have its image, write docker://name-of-the-image`
        : `${show(text)} is in Jina’s hub, whose executors are Python. Port it to a module, or name an npm package: npm:package@1.2.3#Export, or an image: docker://name`,
      where,
    )
  if (/^docker:/i.test(text))
    throw new ConfigError(
      `${show(text)} is an image, which runs in a container and is no module. Write it as uses: docker://name, and say no runtime but container or daemon`,
      where,
    )
  if (/^npm:/i.test(text)) {
    const match = PACKAGE.exec(text)
    if (match === null || match[1]!.length > 214)
      throw new ConfigError(`${show(text)} names no package. Write npm:package#Export, or npm:package@1.2.3#Export with an exact version`, where)
    return { kind: 'npm', package: match[1]!, version: match[2], name: match[3] ?? 'default' }
  }
  const hash = text.lastIndexOf('#')
  const path = hash < 0 ? text : text.slice(0, hash)
  if (/\.py$/i.test(path)) throw python(path, where)
  if (hash < 0 && /\.(?:ya?ml|jaml)$/i.test(path)) return { kind: 'yaml', path }
  if (hash < 0 && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(path)) return { kind: 'class', name: path }
  return { kind: 'module', path, name: hash < 0 ? undefined : text.slice(hash + 1) || undefined }
}

export function python(path: string, where: Place): ConfigError {
  const reason = `${show(path)} is Python, which does not run here. Port it to a module, such as ./${path.replace(/\.py$/i, '').replace(/^.*[\\/.]/, '')}.js`
  return new ConfigError(`${reason}, or serve it where Python is and reach it as an external executor`, where)
}
