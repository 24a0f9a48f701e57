import type { Database } from 'lmdb'
import { StoreError } from './error.js'
import { LmdbFile } from './lmdb-file.js'

type FileOf = [lmdb: typeof import('lmdb'), fs: typeof import('node:fs'), file: string, path: string, memory: number]

/** How documents are laid out in a file. Another number is another layout. */
const FORMAT = 1
const STATE = 'sluice'
const DATABASES = ['documents', 'ids', 'twins', 'holes'] as const

/** What is known of a file as a whole. Numbers, all of them, as they are written one behind the other. */
export interface State {
  format: number
  /** The first key that may be there; it begins a segment. */
  base: number
  /** The next key to be given. */
  next: number
  /** How many documents there are. */
  count: number
  /** Grows when documents go: positions are others then. */
  holes: number
  /** Grows with each transaction. */
  writes: number
  /** The file that all is in from now on; 0 for this one. */
  moved: number
}
const FIELDS = ['format', 'base', 'next', 'count', 'holes', 'writes', 'moved'] as const

/** Six bytes, the highest first: as keys, they are in the order of the numbers. */
const numbers = {
  writeKey(key: number, target: Buffer, start: number): number {
    // Buffer's own way checks what is known here, and takes as long as a tenth of a reading.
    const high = Math.floor(key / 2 ** 32)
    target[start] = high >>> 8
    target[start + 1] = high
    target[start + 2] = key >>> 24
    target[start + 3] = key >>> 16
    target[start + 4] = key >>> 8
    target[start + 5] = key
    return start + 6
  },
  readKey(source: Buffer, start: number): number {
    return source.readUIntBE(start, 6)
  },
}

const texts = {
  writeKey(key: string, target: Buffer, start: number): number {
    return start + (target as any).utf8Write(key, start, key.length * 3)
  },
  readKey(source: Buffer, start: number, end: number): string {
    return source.toString('utf8', start, end)
  },
}

/** Where one that is read as bytes is taken from: lmdb's own room, which the next reading fills anew. */
export type Taker = (bytes: Buffer, size: number) => void

/** A file of documents, and what is in it. */
export class Environment extends LmdbFile {
  /** Records by their keys. */
  readonly documents: Database<any, number>
  /** The key of the first document with an id, by id. */
  readonly ids: Database<Buffer, string>
  /** The others with that id: the id, then the key. */
  readonly twins: Database<Buffer, string>
  /** Bitmaps of deleted documents, by segment. */
  readonly holes: Database<Buffer, number>
  /** Set by who reads a range. */
  taker: Taker | undefined

  /** @throws what lmdb throws; StoreError (`ERR_STORE_FORMAT`) for what is cut off, of another version, or something else */
  constructor(...[lmdb, fs, file, path, memory]: FileOf) {
    super(lmdb, fs, file, path, memory, 'store of documents')
    try {
      this.#checkKind()
      const open = (name: (typeof DATABASES)[number], keyEncoder: object, more?: object): any =>
        this.root.openDB({ name, encoding: 'binary', keyEncoder, ...more } as any) as unknown
      const encoder = { encode: (value: Uint8Array) => value, decode: (bytes: Buffer, size: number) => this.taker?.(bytes, size) }
      this.documents = open('documents', numbers, { encoder })
      this.ids = open('ids', texts)
      this.twins = open('twins', texts)
      this.holes = open('holes', numbers)
    } catch (error) {
      void this.root.close()
      throw error
    }
  }

  #checkKind(): void {
    const state = this.read()
    if (state === undefined) {
      if (this.hasOthers(DATABASES)) throw new StoreError('ERR_STORE_FORMAT', this.path, 'a database of lmdb, but no store of documents')
    } else if (state.format !== FORMAT)
      throw new StoreError('ERR_STORE_FORMAT', this.path, `written by another version of sluice: format ${state.format}, where this one reads ${FORMAT}`)
  }

  /** @returns undefined for a file that was just made */
  read(): State | undefined {
    const bytes = this.root.getBinaryFast(STATE)
    if (bytes === undefined) return undefined
    if (bytes.length < FIELDS.length * 8) return { format: Number.NaN } as State
    const state = {} as State
    for (const [at, field] of FIELDS.entries()) state[field] = bytes.readDoubleLE(at * 8)
    return state
  }

  /** Within a transaction. */
  write(state: State): void {
    const bytes = Buffer.alloc(FIELDS.length * 8)
    for (const [at, field] of FIELDS.entries()) bytes.writeDoubleLE(state[field], at * 8)
    this.root.putSync(STATE, bytes)
  }

  /** Sees to it that there is a state. */
  begin(base: number, writes: number): void {
    this.transaction(() => {
      if (this.read() === undefined) this.write({ format: FORMAT, base, next: base, count: 0, holes: writes, writes, moved: 0 })
    })
  }
}
