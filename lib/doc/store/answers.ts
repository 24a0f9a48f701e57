import type { Database } from 'lmdb'
import { nextTurn, now, onWall } from '../../base/clock.js'
import { say } from '../../base/errors.js'
import { node } from '../../base/node.js'
import type { Answers, KeptAnswer, Known } from '../../handler/caching.js'
import { ignore } from '../../stream/thenable.js'
import { sizeOf } from '../../wire/size.js'
import type { Document } from '../document.js'
import { allKept, contentParts, documentsKept, isKept, type Kept, own } from './content.js'
import { StoreError, storeError } from './error.js'
import { type Modules, openFolder } from './folder.js'
import { LmdbFile } from './lmdb-file.js'
import { MOST } from './records.js'

type V8 = typeof import('node:v8')

/** How answers are laid out in a file. Another number is another layout. */
const FORMAT = 1
const STATE = 'sluice.answers'
const KIND = 'store of answers'
const FILE = 'answers.mdb'
const DATABASES = ['answers', 'order'] as const
const OURS = /^answers\.mdb(-lock)?$/

/** Milliseconds since the epoch. */
const wall = (): number => Math.round(onWall(now()))

/** What comes before each answer: when it was made, and when it was last noted to be used; milliseconds since the epoch, six bytes each. */
const HEAD = 12
/** Bytes of a key, which is a hash. */
const KEY = 32
/** What an answer takes beside its bytes: its key twice, its times, and the room that lmdb leaves in its pages. */
const BESIDE = 160
/** Milliseconds after which it is noted again that an answer is in use. Each time it is written anew. */
const USED = 86_400_000
/** As JSON has no Infinity. */
const FOREVER = Number.MAX_SAFE_INTEGER
/** The most answers that one transaction drops: nobody waits long for it. */
const DROPPED = 2000

interface State {
  readonly format: number
  /** Of all answers, with what they take beside their bytes. */
  bytes: number
  count: number
  /** The longest maxAge of all who have written: what one of them may still use, another must not drop. */
  age?: number
}

/** Bounds of who writes. */
export interface Bounds {
  /** Bytes. */
  readonly maxSize: number
  /** Milliseconds. */
  readonly maxAge: number
}

interface Job {
  readonly key: Buffer
  /** Undefined for one that is only noted to be used. */
  readonly answer: Uint8Array | undefined
  readonly bounds: Bounds
}

/** A file of answers. */
class AnswerFile extends LmdbFile {
  /** By the hashes of what was asked: times, then the answer. */
  readonly answers: Database<Buffer, Buffer>
  /** Hashes in the order in which answers were last noted to be used: the time, then the hash. */
  readonly order: Database<Buffer, Buffer>

  constructor({ lmdb, fs, memory }: Modules, file: string, path: string) {
    super(lmdb, fs, file, path, memory, KIND)
    try {
      const state = this.read()
      if (state === undefined ? this.hasOthers(DATABASES) : typeof state.format !== 'number')
        throw new StoreError('ERR_STORE_FORMAT', path, `a database of lmdb, but no ${KIND}`)
      if (state !== undefined && state.format !== FORMAT)
        throw new StoreError(
          'ERR_STORE_FORMAT',
          path,
          `written by another version of sluice: format ${state.format}, where this one reads ${FORMAT}. Remove it to begin anew`,
        )
      const open = (name: (typeof DATABASES)[number]): any => this.root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' } as any) as unknown
      this.answers = open('answers')
      this.order = open('order')
      if (state === undefined)
        this.transaction(() => {
          if (this.read() === undefined) this.write({ format: FORMAT, bytes: 0, count: 0 })
        })
    } catch (error) {
      void this.root.close()
      throw error
    }
  }

  read(): State | undefined {
    const bytes = this.root.getBinary(STATE)
    if (bytes === undefined) return undefined
    try {
      return JSON.parse(bytes.toString()) as State
    } catch {
      return { format: Number.NaN } as State
    }
  }

  write(state: State): void {
    this.root.putSync(STATE, Buffer.from(JSON.stringify(state)))
  }
}

/** One of a path in this thread, with how many use it. The same in every copy of this library: lmdb does not bear two. */
const open = ((globalThis as any)[Symbol.for('sluice.answers')] ??= new Map()) as Map<string, AnswerStore>

/**
 * The answers kept in a folder, made where there is none.
 * @throws DependencyError (`ERR_DEPENDENCY`) without lmdb; StoreError (`ERR_STORE_FORMAT`) for what is broken, of another version, or somebody else's
 */
export async function openAnswers(place: string, bounds: Bounds): Promise<Answers> {
  const { modules, real } = await openFolder(place, OURS, KIND)
  const v8 = await node('v8')
  let store = open.get(real)
  if (store === undefined) {
    store = new AnswerStore(modules, v8, real)
    open.set(real, store)
  }
  store.users++
  return new Bounded(store, bounds)
}

/** Answers, as one executor asks for them and gives them. */
class Bounded implements Answers {
  readonly #bounds: Bounds
  #store: AnswerStore | undefined

  constructor(
    private readonly store: AnswerStore,
    bounds: Bounds,
  ) {
    this.#bounds = bounds
    this.#store = store
  }

  digest(text: string): string {
    return this.store.digest(text)
  }

  known(about: string, documents: readonly (readonly Document[])[], ids: boolean): Known | undefined {
    return this.store.known(about, documents, ids)
  }

  read(known: Known): KeptAnswer | undefined {
    return this.store.read(known, this.#bounds.maxAge)
  }

  write(known: Known, answer: KeptAnswer): boolean {
    return this.store.write(known, answer, this.#bounds)
  }

  get trouble(): Error | undefined {
    return this.store.trouble ?? this.store.crowded
  }

  async close(): Promise<void> {
    const store = this.#store
    this.#store = undefined
    await store?.close()
  }
}

/** What is written for an answer: ids of what was asked, documents, and what else there was. */
type Written = [ids: readonly string[], docs: readonly Kept[], results: KeptAnswer['results'], failures: KeptAnswer['failures']]

class AnswerStore {
  users = 0
  /** Why the last writing or reading failed; undefined when all is well. */
  trouble: Error | undefined
  /** Answers of this run have pushed out others of it. */
  crowded: Error | undefined
  readonly #opened = wall()
  readonly file: AnswerFile
  /** What bytes are written and read by: what another runtime has written, this one does not look at. */
  readonly #engine: string
  #jobs: Job[] = []
  #used = new Set<string>()
  #closed = false
  #syncing: Promise<void> | undefined
  #commits = 0

  constructor(
    private readonly modules: Modules,
    private readonly v8: V8,
    readonly path: string,
  ) {
    const versions = globalThis.process.versions as Record<string, string | undefined>
    this.#engine = `${versions.bun === undefined ? (versions.deno === undefined ? 'node' : 'deno') : 'bun'}${[...v8.serialize(0).subarray(0, 2)]}`
    try {
      this.file = new AnswerFile(modules, modules.path.join(path, FILE), path)
    } catch (error) {
      throw this.#error(error)
    }
  }

  digest(text: string): string {
    return this.modules.crypto.createHash('sha256').update(text).digest('base64')
  }

  known(about: string, documents: readonly (readonly Document[])[], withIds: boolean): Known | undefined {
    const ids: string[] = []
    const hash = this.modules.crypto.createHash('sha256').update(`${FORMAT} ${this.#engine} ${about}`)
    for (const list of documents) {
      const parts = contentParts(list, ids)
      if (parts === undefined) return undefined
      let text = ''
      for (const part of parts) {
        if (typeof part === 'string') text += part
        else {
          hash.update(text).update(part)
          text = ''
        }
      }
      hash.update(text)
    }
    if (withIds) hash.update(JSON.stringify(ids))
    return { key: hash.digest(), ids }
  }

  read({ key, ids }: Known, maxAge: number): KeptAnswer | undefined {
    let bytes: Buffer
    try {
      const found = this.file.answers.getBinaryFast(key)
      if (found === undefined) return undefined
      const time = wall()
      // What a clock has written that went before this one is not older for it; unless it went so far that nobody knows how old it is.
      if (Math.abs(time - found.readUIntBE(0, 6)) > maxAge) return undefined
      if (time - found.readUIntBE(6, 6) > USED) this.#use(key, maxAge)
      bytes = sliced.call(found, HEAD, found.length)
      const [before, docs, results, failures] = this.v8.deserialize(bytes) as Written
      const renamed = renaming(before, ids)
      if (renamed) renameChunks(docs, renamed, this.modules.crypto)
      return renamed === null ? undefined : { docs: documentsKept(docs, renamed), results: own(results), failures }
    } catch (error) {
      this.trouble = this.#error(error)
      return undefined
    }
  }

  #use(key: Buffer, maxAge: number): void {
    const name = key.toString('latin1')
    if (this.#used.has(name)) return
    this.#used.add(name)
    this.#queue({ key, answer: undefined, bounds: { maxSize: Infinity, maxAge } })
  }

  /** Resolves to nothing: it is written in a moment, with what others write. @returns false for what cannot be kept as it is */
  write({ key, ids }: Known, { docs, results, failures }: KeptAnswer, bounds: Bounds): boolean {
    // One that would push out all others would be pushed out by the next. What is larger than a system writes at once fails, and all that is written with it.
    const most = Math.min(bounds.maxSize, MOST) - BESIDE
    let answer: Uint8Array
    try {
      const kept = allKept(docs)
      if (kept === undefined || !isKept(results)) return false
      // Before it is copied: there may be no room for that.
      if (sizeOf([kept, results]) > most) return false
      answer = this.v8.serialize([ids, kept, results, failures] satisfies Written)
    } catch {
      // What contains itself, or cannot be looked at.
      return false
    }
    if (answer.length > most) return false
    this.#queue({ key, answer, bounds })
    return true
  }

  #queue(job: Job): void {
    if (this.#closed) return
    if (this.#jobs.push(job) === 1) nextTurn(() => this.#commit())
  }

  #commit(): void {
    const jobs = this.#jobs
    if (jobs.length === 0) return
    this.#jobs = []
    this.#used.clear()
    const file = this.file
    try {
      file.transaction(() => {
        const state = file.read()!
        const time = wall()
        let maxSize = Infinity
        for (const { key, answer, bounds } of jobs) {
          maxSize = Math.min(maxSize, bounds.maxSize)
          state.age = Math.max(state.age ?? 0, Math.min(bounds.maxAge, FOREVER))
          this.#put(state, key, answer, time)
        }
        this.#drop(state, maxSize, time)
        file.write(state)
      }, true)
      this.trouble = undefined
    } catch (error) {
      // What was to be kept is not: it is made again when it is asked for.
      this.trouble = this.#error(error)
      return
    }
    this.#commits++
    void this.#sync().catch(ignore)
  }

  #put(state: State, key: Buffer, answer: Uint8Array | undefined, time: number): void {
    const { answers, order } = this.file
    const found = answers.getBinaryFast(key)
    const before = found && sliced.call(found, 0, found.length)
    // Somebody dropped it meanwhile.
    if (answer === undefined && before === undefined) return
    if (before !== undefined) {
      order.removeSync(orderOf(before.readUIntBE(6, 6), key))
      state.bytes -= before.length + BESIDE
      state.count--
    }
    const bytes = answer === undefined ? before! : Buffer.allocUnsafe(HEAD + answer.length)
    if (answer !== undefined) {
      bytes.writeUIntBE(time, 0, 6)
      bytes.set(answer, HEAD)
    }
    bytes.writeUIntBE(time, 6, 6)
    answers.putSync(key, bytes)
    order.putSync(orderOf(time, key), Buffer.alloc(0))
    state.bytes += bytes.length + BESIDE
    state.count++
  }

  /** Those go that were used longest ago: as many as are too many, and those that nobody could use any more. */
  #drop(state: State, maxSize: number, time: number): void {
    const { answers, order } = this.file
    const oldest = time - state.age!
    const gone: Buffer[] = []
    const drop = (name: Buffer): void => {
      const size = answers.getBinaryFast(name.subarray(6))?.length
      if (size !== undefined) {
        state.bytes -= size + BESIDE
        state.count--
      }
      gone.push(name)
    }
    // Of a clock that went a day before this one, or more. They would be the last to go, and all that is made now would go before them.
    for (const found of order.getKeys({ limit: DROPPED, reverse: true })) {
      const name = Buffer.from(found)
      if (name.readUIntBE(0, 6) <= time + USED) break
      drop(name)
    }
    for (const found of order.getKeys({ limit: DROPPED })) {
      const name = Buffer.from(found)
      if ((state.bytes <= maxSize && name.readUIntBE(0, 6) >= oldest) || name.readUIntBE(0, 6) > time + USED) break
      if (state.bytes > maxSize && name.readUIntBE(0, 6) > this.#opened)
        this.crowded ??= new StoreError(
          'ERR_STORE',
          this.path,
          `answers of this run push out others of it, and the next run finds less: maxSize is ${maxSize} bytes, and it takes more`,
        )
      drop(name)
    }
    for (const name of gone) {
      order.removeSync(name)
      answers.removeSync(name.subarray(6))
    }
  }

  /** One at a time, and one more for what was written meanwhile. */
  #sync(): Promise<void> {
    return (this.#syncing ??= this.#syncOnce())
  }

  async #syncOnce(): Promise<void> {
    const until = this.#commits
    try {
      await this.file.sync()
    } catch (error) {
      this.trouble = this.#error(error)
    } finally {
      this.#syncing = undefined
    }
    if (this.#commits > until && !this.#closed) void this.#sync()
  }

  /** When the last who uses it is done. All that was given is written then. */
  async close(): Promise<void> {
    if (--this.users > 0) return this.#commit()
    this.#commit()
    this.#closed = true
    open.delete(this.path)
    await this.#syncing
    await this.file.root.close()
  }

  #error(cause: unknown): StoreError {
    const error = storeError(this.path, cause, () => {
      const { bavail, bsize } = this.modules.fs.statfsSync(this.path)
      return bavail * bsize
    })
    return error.code === 'ERR_STORE' && !(cause instanceof StoreError)
      ? new StoreError('ERR_STORE', this.path, `answers cannot be kept: ${say(cause)}`, { cause })
      : error
  }
}

/** As in store/store. */
const sliced = Uint8Array.prototype.slice as (this: Buffer, start: number, end: number) => Buffer

function orderOf(time: number, key: Buffer): Buffer {
  const name = Buffer.allocUnsafe(6 + KEY)
  name.writeUIntBE(time, 0, 6)
  name.set(key, 6)
  return name
}

/**
 * By the ids of what was asked then, those of what is asked now.
 * @returns undefined where they are the same; null where one is to become two
 */
function renaming(before: readonly string[], ids: readonly string[]): Map<string, string> | undefined | null {
  if (before.length === ids.length && before.every((id, at) => id === ids[at])) return undefined
  const renamed = new Map<string, string>()
  for (const [at, id] of before.entries()) {
    if (id === '') continue
    const now = ids[at]!
    if ((renamed.get(id) ?? now) !== now) return null
    renamed.set(id, now)
  }
  return renamed
}

/** Ids that are drawn: 32 hex digits, as those of documents, and UUIDs but for those that stand for a name (versions 3 and 5). */
const DRAWN = /^([\da-f]{32}|[\da-f]{8}-[\da-f]{4}-[124678][\da-f]{3}-[\da-f]{4}-[\da-f]{12})$/i

/**
 * Notes new ids for the chunks that the executor made, where their document goes by another: else two documents of one content had the same chunks.
 * They are the same for a document each time. Ids that say something stay (`title`), but for the id of the document that they begin with (`7-title`). Matches are
 * somebody else's documents, and stay.
 */
function renameChunks(docs: readonly Kept[], renamed: Map<string, string>, { createHash }: Modules['crypto']): void {
  for (const [root, , , , chunks] of docs) {
    const now = renamed.get(root)
    if (now === undefined || now === root || chunks === undefined) continue
    const walk = ([id, , , , inner]: Kept): void => {
      if (!renamed.has(id)) {
        const rest = id.slice(root.length)
        if (DRAWN.test(id)) {
          const digits = createHash('sha256').update(`${now} ${id}`).digest('hex')
          // A UUID says by two of its digits what it is.
          renamed.set(
            id,
            id.replace(/[\da-f]/gi, (digit, at: number) => (id.length === 36 && (at === 14 || at === 19) ? digit : digits[at]!)),
          )
        } else if (id.startsWith(root) && /^[^\p{L}\p{N}]/u.test(rest)) renamed.set(id, now + rest)
      }
      inner?.forEach(walk)
    }
    chunks.forEach(walk)
  }
}
