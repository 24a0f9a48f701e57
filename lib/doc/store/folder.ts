import { missing } from '../../base/dependency.js'
import { say, show } from '../../base/errors.js'
import { node, packageOfNode } from '../../base/node.js'
import { StoreError, storeError } from './error.js'

type Fs = typeof import('node:fs')

/** Modules that are loaded when a store opens. */
export interface Modules {
  readonly lmdb: typeof import('lmdb')
  readonly fs: Fs
  readonly path: typeof import('node:path')
  readonly crypto: typeof import('node:crypto')
  readonly hooks: typeof import('node:async_hooks')
  /** Bytes of memory. */
  readonly memory: number
}

/** Files that are nobody's: those of systems and tools. */
const NOBODYS = /^(?:\..*|lost\+found|Thumbs\.db|desktop\.ini)$/i

/** @throws StoreError (`ERR_STORE_FORMAT`) for a folder that somebody else has files in */
function checkFolder(fs: Fs, path: string, ours: RegExp, kind: string): void {
  // Not every runtime reads them in order.
  const names = fs
    .readdirSync(path)
    .filter((name) => !NOBODYS.test(name))
    .sort()
  if (names.some((name) => ours.test(name)) || names.length === 0) return
  const shown = names.slice(0, 3).map(show).join(', ')
  const more = names.length > 3 ? ` and ${names.length - 3} more` : ''
  throw new StoreError('ERR_STORE_FORMAT', path, `this is no ${kind}, and there are other files in it (${shown}${more}): give it a folder of its own`)
}

/**
 * A folder for a store, made where there is none, and what a store is read with.
 * @param ours the names of its files
 * @param kind what is kept there, for messages
 * @throws DependencyError (`ERR_DEPENDENCY`) without lmdb; StoreError
 */
export async function openFolder(place: string | URL, ours: RegExp, kind: string): Promise<{ modules: Modules; real: string }> {
  const lmdb = await packageOfNode('lmdb').catch((cause) => {
    throw missing('lmdb', `To keep a ${kind} on disk`, cause)
  })
  const [fs, path, crypto, hooks, url, os] = await Promise.all([node('fs'), node('path'), node('crypto'), node('async_hooks'), node('url'), node('os')])
  const memory = Math.min(os.totalmem(), globalThis.process.constrainedMemory?.() || Infinity)
  const given = place instanceof URL || place.startsWith('file:') ? url.fileURLToPath(place) : place
  try {
    fs.mkdirSync(given, { recursive: true })
  } catch (cause) {
    throw storeError(given, Object.assign(new Error(`no folder can be made there: ${say(cause)}`), { code: (cause as any).code, cause }), () => Infinity)
  }
  checkFolder(fs, given, ours, kind)
  return { modules: { lmdb, fs, path, crypto, hooks, memory }, real: fs.realpathSync(given) }
}
