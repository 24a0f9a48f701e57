import { ConfigError, say } from '../base/errors.js'
import { node } from '../base/node.js'
import { MAX_BYTES, textOfFile } from '../base/text-file.js'

/** A configuration to be read. */
export interface Source {
  readonly text: string
  /** Its name in messages; none for text that was given as such. */
  readonly file: string | undefined
  /** Where its relative paths start. */
  readonly folder: string
}

/**
 * The text of a configuration.
 * @param from a path, a `file:` URL, or the text itself, which is told by its line breaks
 * @throws ConfigError for files that cannot be opened, are too large, or are no UTF-8 text
 */
export async function sourceOf(from: string | URL): Promise<Source> {
  const [{ dirname, resolve }, { fileURLToPath }] = await Promise.all([node('path'), node('url')])
  if (typeof from === 'string' && /[\r\n]/.test(from)) {
    if (from.length > MAX_BYTES) throw new ConfigError(`is larger than ${MAX_BYTES} characters, which no configuration needs`, {})
    return { text: from, file: undefined, folder: resolve('.') }
  }
  let file = String(from)
  if (/^[a-z][a-z\d+.-]+:/i.test(file)) {
    if (!/^file:/i.test(file)) throw new ConfigError('is not read: name a file by its path or its file: URL', { file })
    try {
      file = fileURLToPath(file)
    } catch (cause) {
      throw new ConfigError(`is no file: ${say(cause)}`, { file }, { cause })
    }
  }
  return { text: await textOfFile(file), file, folder: dirname(resolve(file)) }
}
