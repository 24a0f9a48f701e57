import { ConfigError, say, sayOf } from './errors.js'
import { node } from './node.js'

/** A thousand executors, and what is read in a fifth of a second: more is a mistake, or meant to keep somebody busy. */
export const MAX_BYTES = 128 << 10

/**
 * A file's text, of the size that configurations, keys and certificates have.
 * @throws ConfigError for files that cannot be opened, are too large, or are no UTF-8 text
 */
export async function textOfFile(file: string): Promise<string> {
  const { open } = await node('fs/promises')
  const handle = await open(file).catch((cause) => {
    throw new ConfigError(`cannot be opened: ${sayOf(cause)}`, { file }, { cause })
  })
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw new ConfigError('is not a file', { file })
    if (stat.size > MAX_BYTES) throw new ConfigError(`is larger than ${MAX_BYTES} bytes, which no configuration needs`, { file })
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile())
  } catch (cause) {
    throw cause instanceof ConfigError ? cause : new ConfigError(`cannot be read as UTF-8 text: ${say(cause)}`, { file }, { cause })
  } finally {
    await handle.close()
  }
}
