import { SluiceError, say } from '../../base/errors.js'

/**
 * Something is wrong with documents on disk; `path` says where. `ERR_STORE`: it cannot be read or written. `ERR_STORE_FORMAT`: what is there is broken,
 * of another version, or something else. `ERR_STORE_FULL`: the disk is full; what was acknowledged is there, and can be read. `ERR_STORE_VIEW`: a
 * document was changed outside of an edit. `ERR_STORE_CONFLICT`: what was edited was changed by others meanwhile. `ERR_STORE_CLOSED`: it was closed.
 */
export class StoreError extends SluiceError {
  protected static override readonly own: string = 'StoreError'
  readonly path: string

  constructor(
    code: 'ERR_STORE' | 'ERR_STORE_FORMAT' | 'ERR_STORE_FULL' | 'ERR_STORE_VIEW' | 'ERR_STORE_CONFLICT' | 'ERR_STORE_CLOSED',
    path: string,
    reason: string,
    options?: { cause?: unknown },
  ) {
    super(code, `${path}: ${reason}`, options)
    this.path = path
  }
}

/** ENOSPC, EFBIG, EDQUOT, and the map of lmdb that cannot grow. */
const FULL: readonly unknown[] = [28, 27, 122, -30792, 'ENOSPC', 'EFBIG', 'EDQUOT']
/** What lmdb says without a code when it copies a file. */
const NO_ROOM = /No space left on device|quota exceeded/i
/** Of lmdb: a page is not there, broken, no file of lmdb, of another version. */
const BROKEN: readonly unknown[] = [-30797, -30796, -30793, -30794]
/** As lmdb calls it when less was written than asked for: what a full disk does first. */
const EIO = 5

/** @param room how many bytes the disk still has, where that is known */
export function storeError(path: string, cause: unknown, room: () => number): StoreError {
  if (cause instanceof StoreError) return cause
  const { code } = (cause ?? {}) as { code?: unknown }
  if (FULL.includes(code) || (code === EIO && room() < 1 << 24) || (code === undefined && NO_ROOM.test(say(cause))))
    return new StoreError('ERR_STORE_FULL', path, 'the disk is full. What was acknowledged before is there; make room, and write the rest again', { cause })
  if (BROKEN.includes(code) || /not an LMDB|MDB_INVALID|MDB_CORRUPTED|MDB_VERSION/.test(say(cause)))
    return new StoreError('ERR_STORE_FORMAT', path, `what is there is broken, or no store of documents: ${say(cause)}`, { cause })
  return new StoreError('ERR_STORE', path, say(cause), { cause })
}
