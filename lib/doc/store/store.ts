import { nextTurn } from '../../base/clock.js'
import { DocumentError } from '../../base/errors.js'
import { later, overdue } from '../../stream/event-loop.js'
import { sizeOf } from '../../wire/size.js'
import { absent } from '../array.js'
import type { Document } from '../document.js'
import { Environment, type State } from './environment.js'
import { StoreError, storeError } from './error.js'
import { type Modules, openFolder } from './folder.js'
import { Layout, SEGMENT } from './layout.js'
import { Records, recordsOf } from './records.js'
import { Slab, sliced } from './slab.js'
import { Turns, type Writing } from './turns.js'
import type { StoredDocument } from './view.js'

/** A piece of a transaction. What it throws before it writes fails it alone. */
interface Job {
  run(): unknown
  resolve(value: any): void
  reject(reason: unknown): void
}

/** Records one after the other, as they were when they were read. */
export interface Window {
  readonly records: Records
  /** Where each ends. */
  readonly ends: readonly number[]
  /** The key of the last. */
  readonly last: number
}

/** Records that are read at a stretch: as many as keep a reading short, and the memory that one of them holds small. */
const WINDOW = 128
const WINDOW_BYTES = 1 << 18
/** From here on, ids are known by their hash: keys of lmdb have an end. */
const LONG_ID = 480
const APPEND = { append: true } as any
const FIRST = { noOverwrite: true } as any

/** Its files, and what lmdb puts beside each. */
const OURS = /^documents-(\d+)\.mdb(-lock)?$/

const soon = Promise.resolve()

/** One of a path in this thread, with how many arrays use it. The same in every copy of this library: lmdb does not bear two. */
const open = ((globalThis as any)[Symbol.for('sluice.stores')] ??= new Map()) as Map<string, Store>

/**
 * The store of a path, made where there is none.
 * @throws DependencyError (`ERR_DEPENDENCY`) without lmdb, StoreError
 */
export async function openStore(place: string | URL): Promise<Store> {
  const { modules, real } = await openFolder(place, OURS, 'store of documents')
  let store = open.get(real)
  if (store === undefined) {
    store = new Store(modules, real)
    open.set(real, store)
  }
  store.users++
  return store
}

/** Documents on disk: who uses a path in this thread shares it. Its readings are those of one moment, its writings transactions. */
export class Store {
  users = 0
  #environment: Environment
  #layout = new Layout()
  /** As it was last looked at; undefined when it may be another by now. */
  #state: State | undefined
  /** That of the layout. */
  #holes = -1
  #jobs: Job[] = []
  /** Counts transactions; those up to `#synced` are on disk. */
  #commits = 0
  #synced = 0
  #syncing: Promise<void> | undefined
  #closed = false
  #scratch = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  readonly #slab: Slab
  readonly turns: Turns

  constructor(
    private readonly modules: Modules,
    readonly path: string,
  ) {
    this.#slab = new Slab(path)
    this.turns = new Turns(modules.hooks)
    this.#environment = this.#openFile()
  }

  // ── files ──────────────────────────────────────────────────────────────────────────────────────────────

  #numbers(): number[] {
    return this.modules.fs
      .readdirSync(this.path)
      .flatMap((name) => {
        const [, number, beside] = OURS.exec(name) ?? []
        return number === undefined || beside !== undefined ? [] : Number(number)
      })
      .sort((a, b) => a - b)
  }

  #file(number: number): string {
    return this.modules.path.join(this.path, `documents-${number}.mdb`)
  }

  /**
   * The oldest file is the one: a younger one may be half a copy, of a process that died. Unless it says that it has moved.
   * @param from a file that has to be there
   */
  #openFile(from?: number): Environment {
    for (let tries = 0; ; tries++) {
      const number = from ?? this.#numbers()[0] ?? 1
      const file = this.#file(number)
      let environment: Environment | undefined
      try {
        environment = new Environment(this.modules.lmdb, this.modules.fs, file, this.path, this.modules.memory)
        const state = environment.read()
        const younger = this.#numbers().some((other) => other > number)
        if (state === undefined && younger && tries < 100) {
          // It was removed when its successor was there, and made anew by opening it.
          void environment.root.close()
          this.#remove(number)
          from = undefined
          continue
        }
        if (state === undefined) environment.begin(0, 0)
        else if (state.moved > 0) {
          void environment.root.close()
          this.#remove(number)
          from = state.moved
          continue
        }
        return environment
      } catch (error) {
        throw this.error(error)
      }
    }
  }

  /** Others that have it open still see that it has moved. */
  #remove(number: number): void {
    for (const file of [this.#file(number), `${this.#file(number)}-lock`]) {
      try {
        this.modules.fs.rmSync(file, { force: true })
      } catch {
        // Where open files cannot be removed, the next who opens it tries again.
      }
    }
  }

  #follow(moved: number): void {
    const before = this.#environment
    this.#environment = this.#openFile(moved)
    this.#state = undefined
    this.#holes = -1
    before.root.close().catch(() => {})
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────

  /** How it stands now: looked at once a turn of the event loop, as lmdb does, and after each transaction of our own. */
  #look(): State {
    if (this.#state !== undefined) return this.#state
    if (this.#closed) throw new StoreError('ERR_STORE_CLOSED', this.path, 'this array was closed')
    for (;;) {
      const state = this.#environment.read()!
      if (state.moved > 0) {
        this.#follow(state.moved)
        continue
      }
      if (state.holes !== this.#holes) this.#readHoles(state)
      nextTurn(() => {
        this.#state = undefined
      })
      return (this.#state = state)
    }
  }

  #readHoles(state: State): void {
    this.#layout = new Layout()
    for (const { key, value } of this.#environment.holes.getRange()) this.#layout.add(key, value)
    this.#holes = state.holes
  }

  get length(): number {
    return this.#look().count
  }

  at(position: number): StoredDocument | undefined {
    for (let tries = 0; ; tries++) {
      const key = this.#keyAt(position)
      const document = key === undefined ? undefined : this.#read(key)
      if (document !== undefined || key === undefined) return document
      // Somebody deleted it since we looked.
      if (tries === 100) throw new StoreError('ERR_STORE_FORMAT', this.path, `the document at ${position} is missing`)
      this.#environment.root.resetReadTxn()
      this.#state = undefined
    }
  }

  get(id: string): StoredDocument | undefined {
    this.#look()
    const key = this.#keyOf(id)
    return key === undefined ? undefined : this.#read(key)
  }

  #read(key: number): StoredDocument | undefined {
    const bytes = this.#environment.documents.getBinaryFast(key)
    return bytes && this.#slab.view(bytes)
  }

  /** A copy of a record's bytes: lmdb's are those of the next one soon. */
  #record(key: number): Buffer | undefined {
    const bytes = this.#environment.documents.getBinaryFast(key)
    return bytes && sliced.call(bytes, 0, bytes.length)
  }

  #keyAt(position: number): number | undefined {
    const { base, count } = this.#look()
    const at = position < 0 ? count + position : position
    return Number.isInteger(at) && at >= 0 && at < count ? this.#layout.keyAt(at, base) : undefined
  }

  #keyOf(id: string): number | undefined {
    // What is no id is found nowhere: an error of the language would take with it what others write in the same transaction.
    return typeof id !== 'string' || id === '' ? undefined : this.#environment.ids.getBinaryFast(this.#name(id))?.readUIntBE(0, 6)
  }

  /** What an id is known by among keys. */
  #name(id: string): string {
    return id.length <= LONG_ID ? id : `\0${this.modules.crypto.createHash('sha256').update(id).digest('hex')}`
  }

  /** Where documents behind some stand: the key to read from, and that of the last there is. */
  range(skipped: number): { from: number; to: number } {
    const { next } = this.#look()
    return { from: this.#keyAt(skipped) ?? next, to: next - 1 }
  }

  /** Records from a key on, read at one moment. */
  window(from: number, to: number): Window | undefined {
    this.#look()
    const environment = this.#environment
    const ends: number[] = []
    let size = 0
    let last = from
    environment.taker = (bytes, length) => {
      if (size + length > this.#scratch.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(this.#scratch.length * 2, size + length))
        this.#scratch.copy(larger, 0, 0, size)
        this.#scratch = larger
      }
      this.#scratch.set(bytes.subarray(0, length), size)
      ends.push((size += length))
    }
    try {
      for (const { key } of environment.documents.getRange({ start: from, end: to + 1, limit: WINDOW })) {
        last = key
        if (size > WINDOW_BYTES) break
      }
    } catch (error) {
      throw this.error(error)
    } finally {
      environment.taker = undefined
    }
    if (ends.length === 0) return undefined
    const bytes = Buffer.allocUnsafeSlow(size)
    this.#scratch.copy(bytes, 0, 0, size)
    // One large document should not be remembered by the room it took.
    if (this.#scratch.length > WINDOW_BYTES * 16) this.#scratch = Buffer.allocUnsafeSlow(WINDOW_BYTES)
    return { records: new Records(bytes, this.path), ends, last }
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────────────

  /** Writes documents behind the others. Resolves when they can be read. @returns them as they are stored */
  async append(documents: readonly Document[]): Promise<readonly Uint8Array[]> {
    // Documents that cannot be written are found before anything is.
    const records = recordsOf(documents)
    const ids = documents.map(({ id }) => this.#name(id))
    await this.#write(() => {
      const { documents, ids: names } = this.#environment
      const state = this.#state!
      const key = Buffer.allocUnsafe(6)
      for (let i = 0; i < records.length; i++) {
        documents.putSync(state.next, records[i], APPEND)
        key.writeUIntBE(state.next, 0, 6)
        // The first of an id is found by it.
        if (!(names.putSync(ids[i]!, key, FIRST) as unknown as boolean)) this.#addTwin(ids[i]!, state.next)
        state.next++
      }
      state.count += records.length
    })
    return records
  }

  /** @throws rejects with DocumentError (`ERR_DOCUMENT`) where there is none */
  async set(where: number | string, document: Document): Promise<StoredDocument> {
    const [record] = recordsOf([document])
    await this.#write(() => this.#replace(this.#existing(where), document.id, record!))
    return this.view(record!)
  }

  /**
   * What is there, to be changed and written. Both ways of writing fail with StoreError (`ERR_STORE_CONFLICT`) where it is another by then.
   * @throws DocumentError (`ERR_DOCUMENT`) where there is none
   */
  edit(where: number | string): Writing {
    this.#look()
    const key = this.#existing(where)
    const before = this.#record(key)!
    const document = new Records(before, this.path).free()
    const run = (): StoredDocument => {
      const [record] = recordsOf([document])
      const current = this.#record(key)
      if (current === undefined || !before.equals(current))
        throw new StoreError(
          'ERR_STORE_CONFLICT',
          this.path,
          `document ${document.id} was ${current === undefined ? 'deleted' : 'changed'} by others since it was read: edit it anew`,
        )
      this.#replace(key, document.id, record!)
      return this.view(record!)
    }
    return {
      key,
      document,
      later: () => this.#write(run),
      now: () => {
        let failure: { reason: unknown } | undefined
        this.#jobs.push({
          run,
          resolve: () => {},
          reject: (reason) => {
            failure = { reason }
          },
        })
        this.#commit()
        if (failure !== undefined) throw (failure as { reason: unknown }).reason
      },
    }
  }

  view(record: Uint8Array): StoredDocument {
    return new Records(record, this.path).view()
  }

  /** Between two steps of a long way: timers and sockets have their turn when this one has lasted long enough. */
  aside(): Promise<void> | undefined {
    return overdue(true) ? new Promise<void>(later) : undefined
  }

  /** About how many bytes a document will be. Infinity for one that is nested deeper than the stack: who writes it says so. */
  sizeOf(document: Document): number {
    try {
      return sizeOf(document)
    } catch (error) {
      if (error instanceof RangeError) return Infinity
      throw error
    }
  }

  async delete(where: number | string): Promise<boolean> {
    return this.#write(() => {
      const key = typeof where === 'number' ? this.#keyAt(where) : this.#keyOf(where)
      if (key === undefined) return false
      const { documents, holes } = this.#environment
      const state = this.#state!
      const { id } = new Records(this.#record(key)!, this.path).free()
      documents.removeSync(key)
      this.#forget(this.#name(id), key)
      const { segment, bytes } = this.#layout.drop(key)
      holes.putSync(segment, Buffer.from(bytes))
      state.count--
      this.#holes = ++state.holes
      return true
    })
  }

  #existing(where: number | string): number {
    const key = typeof where === 'number' ? this.#keyAt(where) : this.#keyOf(where)
    if (key === undefined) throw absent(where)
    return key
  }

  #replace(key: number, id: string, record: Uint8Array): void {
    const before = new Records(this.#record(key)!, this.path).free().id
    if (before !== id) {
      this.#forget(this.#name(before), key)
      this.#know(this.#name(id), key)
    }
    this.#environment.documents.putSync(key, record)
  }

  #addTwin(name: string, key: number): void {
    this.#environment.twins.putSync(twin(name, key), Buffer.alloc(0))
  }

  #know(name: string, key: number): void {
    const { ids } = this.#environment
    const first = ids.getBinaryFast(name)?.readUIntBE(0, 6)
    if (first !== undefined) this.#addTwin(name, Math.max(first, key))
    if (first === undefined || key < first) ids.putSync(name, bytesOf(key))
  }

  #forget(name: string, key: number): void {
    const { ids, twins } = this.#environment
    if (ids.getBinaryFast(name)?.readUIntBE(0, 6) !== key) return void twins.removeSync(twin(name, key))
    for (const next of twins.getKeys({ start: twin(name, 0), end: twin(name, 2 ** 48 - 1) })) {
      // Another id may go on where this one ends.
      if (next.length !== name.length + 13) continue
      twins.removeSync(next)
      return void ids.putSync(name, bytesOf(Number.parseInt(next.slice(-12), 16)))
    }
    ids.removeSync(name)
  }

  #write<R>(run: () => R): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      // What is written in one turn of microtasks is one transaction.
      if (this.#jobs.push({ run, resolve, reject }) === 1) void soon.then(() => this.#commit())
    })
  }

  #commit(): void {
    const jobs = this.#jobs
    if (jobs.length === 0) return
    this.#jobs = []
    let settle: (() => void)[] = []
    try {
      if (this.#closed) throw new StoreError('ERR_STORE_CLOSED', this.path, 'this array was closed')
      for (;;) {
        const environment = this.#environment
        const moved = environment.transaction(() => {
          settle = []
          const state = environment.read()!
          if (state.moved > 0) return state.moved
          if (state.holes !== this.#holes) this.#readHoles(state)
          this.#state = state
          for (const { run, resolve, reject } of jobs) {
            try {
              const value = run()
              settle.push(() => resolve(value))
            } catch (error) {
              // An error of lmdb has a number: nothing of the transaction is to stay.
              if (!(error instanceof StoreError || error instanceof DocumentError)) throw error
              settle.push(() => reject(error))
            }
          }
          state.writes++
          environment.write(state)
          return 0
        })
        if (moved === 0) break
        this.#follow(moved)
      }
    } catch (cause) {
      // What it wrote before it failed is not there, and the holes that it made neither.
      this.#holes = -1
      settle = jobs.map(
        ({ reject }) =>
          () =>
            reject(this.error(cause)),
      )
    }
    this.#state = undefined
    this.#commits++
    for (const one of settle) one()
    void this.#sync().catch(() => {})
  }

  // ── the disk ───────────────────────────────────────────────────────────────────────────────────────────

  /** Resolves when all that was written before is on disk. */
  async flush(): Promise<void> {
    this.#commit()
    const until = this.#commits
    while (this.#synced < until) await this.#sync()
  }

  /** One at a time, and one more for what was written meanwhile: lmdb uses the room of what was deleted only when that is on disk. */
  #sync(): Promise<void> {
    return (this.#syncing ??= this.#syncOnce())
  }

  async #syncOnce(): Promise<void> {
    const until = this.#commits
    try {
      await this.#environment.sync()
      this.#synced = until
    } catch (error) {
      throw this.error(error)
    } finally {
      this.#syncing = undefined
    }
    if (this.#commits > until && !this.#closed) void this.#sync().catch(() => {})
  }

  /** Puts all documents into a file without what was deleted. @throws rejects with StoreError (`ERR_STORE_CONFLICT`) where others always write meanwhile */
  async prune(): Promise<void> {
    for (let tries = 0; tries < 10; tries++) {
      this.#commit()
      const { writes } = this.#look()
      const environment = this.#environment
      const next = this.#younger()
      this.#remove(next)
      try {
        await environment.root.backup(this.#file(next), true)
      } catch (error) {
        this.#remove(next)
        throw this.error(error)
      }
      if (this.#move(environment, next, (state) => state.writes === writes)) return
      this.#remove(next)
    }
    throw new StoreError('ERR_STORE_CONFLICT', this.path, 'others wrote each time while it was pruned: prune it when they rest')
  }

  /** All documents go, with their file. Keys go on: who iterates has none of those that come. */
  async clear(): Promise<void> {
    for (;;) {
      this.#commit()
      const { next: key, writes } = this.#look()
      const environment = this.#environment
      const next = this.#younger()
      this.#remove(next)
      let empty: Environment | undefined
      try {
        empty = new Environment(this.modules.lmdb, this.modules.fs, this.#file(next), this.path, this.modules.memory)
        empty.begin(Math.ceil((key + 1) / SEGMENT) * SEGMENT, writes + 1)
        await empty.sync()
      } catch (error) {
        throw this.error(error)
      } finally {
        await empty?.root.close()
      }
      if (this.#move(environment, next, (state) => state.next === key)) return
      this.#remove(next)
    }
  }

  #younger(): number {
    return Number(/(\d+)\.mdb$/.exec(this.#environment.file)![1]) + 1
  }

  /** From one moment on, all is in another file: who writes or reads after it sees that. */
  #move(environment: Environment, next: number, still: (state: State) => boolean): boolean {
    try {
      const moved = environment.transaction(() => {
        const state = environment.read()!
        if (state.moved > 0 || !still(state)) return false
        environment.write({ ...state, moved: next, writes: state.writes + 1 })
        return true
      })
      if (moved) {
        this.#follow(next)
        this.#remove(next - 1)
      } else this.#state = undefined
      return moved
    } catch (error) {
      throw this.error(error)
    }
  }

  /** When the last who uses it is done. */
  async close(): Promise<void> {
    if (--this.users > 0) return
    this.#commit()
    this.#closed = true
    this.#state = undefined
    open.delete(this.path)
    await this.#syncing?.catch(() => {})
    await this.#environment.root.close()
  }

  error(cause: unknown): unknown {
    return storeError(this.path, cause, () => {
      const { bavail, bsize } = this.modules.fs.statfsSync(this.path)
      return bavail * bsize
    })
  }
}

function twin(name: string, key: number): string {
  return `${name}\0${key.toString(16).padStart(12, '0')}`
}

function bytesOf(key: number): Buffer {
  const bytes = Buffer.allocUnsafe(6)
  bytes.writeUIntBE(key, 0, 6)
  return bytes
}
