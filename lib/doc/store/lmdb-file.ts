import type { RootDatabase } from 'lmdb'
import { StoreError } from './error.js'
import { makeRoom } from './room.js'

type Lmdb = typeof import('lmdb')
type Fs = typeof import('node:fs')

/** Commits return when they can be seen; what brings them to the disk runs beside them. Aborts what throws. */
const COMMIT = 0x10003
/** Where lmdb does not know how to do that. */
const COMMIT_AND_FLUSH = 3

/** Behind the head of its first page, a file of lmdb says what it is. */
const MAGIC_AT = 24
const MAGIC = 0xbeefc0de
/** In its first page, the bytes of a page. */
const PAGE_AT = 48
const BYTES = new Uint8Array(PAGE_AT + 4)
/** How often a file is looked at that another process may just begin: its first two pages do not come at one moment. */
const LOOKS = 1000

/** Of anything else, lmdb ends the process. A file that is not there yet, or that was begun, is made. */
function checkHead(fs: Fs, file: string, path: string, kind: string): void {
  if (!fs.existsSync(file)) return
  const descriptor = fs.openSync(file, 'r')
  try {
    const view = new DataView(BYTES.buffer)
    for (let looks = 1; ; looks++) {
      const length = fs.readSync(descriptor, BYTES, 0, BYTES.length, 0)
      if (length === 0) return
      const little = view.getUint32(MAGIC_AT, true) === MAGIC
      if (length === BYTES.length && !little && view.getUint32(MAGIC_AT) !== MAGIC) break
      const page = view.getUint32(PAGE_AT, little)
      const { size } = fs.fstatSync(descriptor)
      if (length === BYTES.length && page >= 256 && page <= 65536 && (page & (page - 1)) === 0 && size >= page * 2) return
      if (looks === LOOKS) {
        if (length < BYTES.length) break
        throw new StoreError('ERR_STORE_FORMAT', path, `the file was cut off, or is broken: it has ${size} bytes, and its first two pages take more`)
      }
    }
    throw new StoreError('ERR_STORE_FORMAT', path, `what is there is broken, or no ${kind}`)
  } finally {
    fs.closeSync(descriptor)
  }
}

/** A file of lmdb, as all that is kept on disk here is. */
export class LmdbFile {
  readonly root: RootDatabase<Buffer, string>
  readonly #fs: Fs
  readonly #commit = globalThis.process.platform === 'win32' ? COMMIT_AND_FLUSH : COMMIT

  /** @throws what lmdb throws; StoreError (`ERR_STORE_FORMAT`) for what is cut off, or something else */
  constructor(
    lmdb: Lmdb,
    fs: Fs,
    readonly file: string,
    readonly path: string,
    /** How many bytes of it this process may use. */
    memory: number,
    /** What is kept in it, for messages. */
    kind: string,
  ) {
    checkHead(fs, file, path, kind)
    makeRoom(fs, path, file)
    // Of a file that memory has no room for, what the system reads ahead at each document pushes out what is needed.
    const noReadAhead = fs.existsSync(file) && fs.statSync(file).size > memory / 4
    this.root = lmdb.open<Buffer, string>({ path: file, noSubdir: true, encoding: 'binary', maxDbs: 8, noReadAhead } as any)
    this.#fs = fs
    try {
      this.#checkSize()
    } catch (error) {
      void this.root.close()
      throw error
    }
  }

  /**
   * Whether there is something in it that is none of ours. A file that another process begins just now, or that was begun by one that was killed, has no more than
   * some of our databases.
   * @param ours names of databases
   */
  hasOthers(ours: readonly string[]): boolean {
    for (const name of this.root.getKeys()) if (!ours.includes(name)) return true
    return false
  }

  /** How many bytes there are, and how many there have to be. */
  #sizes(): { readonly size: number; readonly due: number } {
    const { pageSize, lastPageNumber } = this.root.getStats() as { pageSize: number; lastPageNumber: number }
    return { size: this.#fs.statSync(this.file).size, due: (lastPageNumber + 1) * pageSize }
  }

  /** A file that ends too early would end the process: lmdb maps it into memory. */
  #checkSize(): void {
    const { size, due } = this.#sizes()
    if (size < due) throw new StoreError('ERR_STORE_FORMAT', this.path, `the file was cut off: it has ${size} of ${due} bytes`)
  }

  /**
   * Pages that a transaction took and gave back before it ended count for lmdb, and are not written: a file that ends in them is shorter than it says. It is made as
   * long, so that one that was cut off can be told from it. In a transaction, as nobody else makes it longer meanwhile.
   */
  #fill(): void {
    this.transaction(() => {
      const { size, due } = this.#sizes()
      if (size < due) this.#fs.truncateSync(this.file, due)
    })
  }

  /**
   * Of all that is done in it, all can be seen when it returns, or nothing ever.
   * @param removes whether something may go in it
   */
  transaction<R>(run: () => R, removes = false): R {
    const result: R = this.root.transactionSync(run, this.#commit as any)
    if (removes) this.#fill()
    return result
  }

  /** Brings all that was committed to the disk. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      ;(this.root as any).sync((error?: Error) => (error ? reject(error) : resolve()))
    })
  }
}
