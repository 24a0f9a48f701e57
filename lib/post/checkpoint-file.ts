import { clearTimeout, nextTurn, setTimeout } from '../base/clock.js'
import { optionType, SluiceError, say, show } from '../base/errors.js'
import { lock } from '../base/lock.js'
import { node } from '../base/node.js'
import { Intervals } from './intervals.js'

/** A checkpoint cannot be used: `ERR_CHECKPOINT`. It is of another job, of another source, none at all, or cannot be written; `file` says which. */
export class CheckpointError extends SluiceError {
  protected static override readonly own: string = 'CheckpointError'
  readonly file: string

  constructor(file: string, reason: string, options?: { cause?: unknown }) {
    super('ERR_CHECKPOINT', `${file}: ${reason}`, options)
    this.file = file
  }
}

type Handle = import('node:fs/promises').FileHandle

/** What a job is, so that another is not taken for it. */
export interface About {
  readonly endpoint: string
  readonly targetExecutor: string | undefined
  readonly parameters: unknown
}

/**
 * A file is this line; what the job is, as JSON with its length and checksum; then records of 16 bytes, each with its checksum: what is done (where it
 * begins, how many), and samples (where, a hash of what was there). A record that was cut off, or that a loss of power left broken, counts as not written:
 * each of the others stands for itself. All is filled up to 16 bytes.
 */
const MAGIC = Buffer.from('sluice job 1\n\n\n\n', 'latin1')
const RECORD = 16
const DONE = 1
const SAMPLE = 2
/** Milliseconds after which what was noted is brought to the disk. */
const SYNC = 1000
/** Bytes of records after which the file is written anew, with what they come to. */
const LONG = 1 << 20
/** Samples that are kept. Beyond them, every other one goes, and half as many come. */
const SAMPLES = 64

/** Which documents of a job are done, on disk. What is noted is the system's at once, so that a kill takes nothing back; and on the disk within a second. */
export class CheckpointFile {
  readonly done = new Intervals()
  readonly #samples = new Map<number, number>()
  #stride = 1
  #handle!: Handle
  /** Another job may have the file then. */
  #leave: (() => Promise<void>) | undefined
  #written = 0
  /** Records that came while the file was written anew. */
  #since: Buffer[] | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Records that are to be written with others, one behind the other, and how many bytes they are. */
  #noted = Buffer.alloc(64 * RECORD)
  #length = 0
  /** Resolves when they are. */
  #settling: Promise<void> | undefined
  #syncing: Promise<void> | undefined
  /** Whether something was written since it was last brought to the disk. */
  #unsynced = false
  #closed = false
  #failure: { readonly reason: unknown } | undefined

  private constructor(
    private readonly fs: typeof import('node:fs'),
    readonly file: string,
    private readonly about: string,
  ) {}

  /** @throws CheckpointError (`ERR_CHECKPOINT`) for one of another job, one that a job uses now, or what is no checkpoint; OptionTypeError (`ERR_OPTION_TYPE`) for no path */
  static async open(file: string, about: About): Promise<CheckpointFile> {
    if (file === '') throw optionType('checkpoint', 'the path of a file', file)
    const fs = await node('fs')
    const said = JSON.stringify(about)
    const checkpoint = new CheckpointFile(fs, file, said)
    try {
      const leave = await lock(`${file}.lock`)
      if (typeof leave === 'string')
        throw new CheckpointError(file, `another job goes on with it, in ${leave}: give each its own, or end that one (leave its loop, or call return())`)
      checkpoint.#leave = leave
      const bytes = fs.existsSync(file) ? fs.readFileSync(file) : undefined
      if (bytes !== undefined && bytes.length > 0) checkpoint.#read(bytes, JSON.parse(said))
      await checkpoint.#writeAnew()
    } catch (error) {
      await checkpoint.#leave?.()
      throw checkpoint.error(error)
    }
    return checkpoint
  }

  error(cause: unknown): CheckpointError {
    return cause instanceof CheckpointError ? cause : new CheckpointError(this.file, say(cause), { cause })
  }

  #read(bytes: Buffer, about: About): void {
    if (!bytes.subarray(0, RECORD).equals(MAGIC)) throw new CheckpointError(this.file, 'this is no checkpoint, or one of another version of sluice')
    const length = bytes.length >= 2 * RECORD ? bytes.readUInt32LE(RECORD) : Infinity
    const head = bytes.subarray(2 * RECORD, 2 * RECORD + length)
    if (head.length < length || bytes.readUInt32LE(RECORD + 4) !== hash(head))
      throw new CheckpointError(this.file, 'its head is broken: remove it to begin anew')
    const before = JSON.parse(head.toString('utf8')) as About
    for (const name of ['endpoint', 'targetExecutor', 'parameters'] as const)
      if (JSON.stringify(before[name]) !== JSON.stringify(about[name]))
        throw new CheckpointError(
          this.file,
          `it is of a job with another ${name} (${told(before[name])}, and this is ${told(about[name])}): give the same, or remove it to begin anew`,
        )
    for (let at = 2 * RECORD + filled(length); at + RECORD <= bytes.length; at += RECORD) {
      const record = bytes.subarray(at, at + RECORD)
      if (record.readUInt32LE(12) !== hash(record.subarray(0, 12))) continue
      const place = record.readUIntLE(1, 6)
      const value = record.readUIntLE(7, 5)
      if (record[0] === DONE) this.done.add(place, place + value)
      else if (record[0] === SAMPLE) this.#keep(place, value)
    }
  }

  #recordOf(kind: number, place: number, value: number, into: Buffer = Buffer.alloc(RECORD), at = 0): Buffer {
    into[at] = kind
    into.writeUIntLE(place, at + 1, 6)
    into.writeUIntLE(value, at + 7, 5)
    into.writeUInt32LE(hash(into, at, at + 12), at + 12)
    return into
  }

  /** Beside it, and in its place when it is on the disk: whatever happens, one of both is there, whole. */
  async #writeAnew(): Promise<void> {
    const about = Buffer.from(this.about)
    const head = Buffer.alloc(2 * RECORD + filled(about.length))
    MAGIC.copy(head)
    head.writeUInt32LE(about.length, RECORD)
    head.writeUInt32LE(hash(about), RECORD + 4)
    about.copy(head, 2 * RECORD)
    const records = [
      ...Array.from(this.done, ([start, end]) => this.#recordOf(DONE, start, end - start)),
      ...Array.from(this.#samples, ([place, value]) => this.#recordOf(SAMPLE, place, value)),
    ]
    this.#since = []
    const { open } = await node('fs/promises')
    const fresh = await open(`${this.file}.new`, 'w')
    try {
      await fresh.writeFile(Buffer.concat([head, ...records]))
      await fresh.sync()
      for (const record of this.#since) this.fs.writeSync(fresh.fd, record)
      this.fs.renameSync(`${this.file}.new`, this.file)
    } catch (error) {
      await fresh.close()
      throw error
    } finally {
      this.#since = undefined
    }
    const before = this.#handle as Handle | undefined
    this.#handle = fresh
    this.#written = 0
    await before?.close()
    await syncFolder(this.file)
  }

  /** @throws CheckpointError (`ERR_CHECKPOINT`) when it cannot be written, or what was written before cannot be brought to the disk */
  note(start: number, end: number): void {
    this.check()
    this.done.add(start, end)
    if (this.#length === this.#noted.length) this.#noted = Buffer.concat([this.#noted, this.#noted])
    this.#recordOf(DONE, start, end - start, this.#noted, this.#length)
    this.#length += RECORD
    this.#settling ??= new Promise((resolve) => {
      nextTurn(() => {
        this.#settling = undefined
        try {
          this.settle()
        } catch (reason) {
          this.#failure ??= { reason }
        }
        resolve()
      })
    })
  }

  /**
   * What a request has to wait for before it begins, so that no more is done twice than may be under way: until what was noted is written, together with what
   * others note in this turn.
   */
  get settling(): Promise<void> | undefined {
    return this.#length === 0 ? undefined : this.#settling
  }

  /** @throws CheckpointError (`ERR_CHECKPOINT`) when it cannot be written any more */
  check(): void {
    if (this.#failure !== undefined) throw this.error(this.#failure.reason)
  }

  /** Writes what was noted. */
  settle(): void {
    if (this.#length === 0) return
    const records = this.#noted.subarray(0, this.#length)
    this.#length = 0
    this.#write(records)
  }

  #write(record: Buffer): void {
    this.check()
    try {
      this.fs.writeSync(this.#handle.fd, record)
    } catch (cause) {
      throw this.error(cause)
    }
    this.#since?.push(Buffer.from(record))
    this.#written += record.length
    this.#unsynced = true
    if (this.#timer === undefined && this.#syncing === undefined) this.#syncSoon()
  }

  /** One at a time, whatever a disk takes for it: two would write the file anew side by side. */
  #syncSoon(): void {
    this.#timer = setTimeout(async () => {
      this.#timer = undefined
      this.#syncing = this.#sync()
      await this.#syncing
      this.#syncing = undefined
      if (this.#unsynced && !this.#closed) this.#syncSoon()
    }, SYNC)
    this.#timer.unref?.()
  }

  async #sync(): Promise<void> {
    try {
      this.#unsynced = false
      if (this.#written > LONG) await this.#writeAnew()
      await this.#handle.datasync()
    } catch (reason) {
      this.#failure ??= { reason }
    }
  }

  // ── what the source was ────────────────────────────────────────────────────────────────────────────────

  get sampled(): Iterable<number> {
    return this.#samples.keys()
  }

  /** Whether what stands at a place is to be looked at. */
  asks(place: number): boolean {
    return place % this.#stride === 0
  }

  /** The first place from one on that is to be looked at. */
  nextAsked(place: number): number {
    return Math.ceil(place / this.#stride) * this.#stride
  }

  /** @throws CheckpointError (`ERR_CHECKPOINT`) where something else was there */
  sample(place: number, text: string | Uint8Array): void {
    const value = hash(typeof text === 'string' ? Buffer.from(text) : text)
    const before = this.#samples.get(place)
    if (before === value) return
    if (before !== undefined) throw this.changed(`document ${place} is another than it was`)
    this.#keep(place, value)
    if (this.#samples.has(place)) this.#write(this.#recordOf(SAMPLE, place, value))
  }

  changed(how: string): CheckpointError {
    return new CheckpointError(this.file, `the source has changed since the job began (${how}): give the same, or remove it to begin anew`)
  }

  #keep(place: number, value: number): void {
    if (!this.asks(place)) return
    this.#samples.set(place, value)
    while (this.#samples.size > SAMPLES) {
      this.#stride *= 2
      for (const other of this.#samples.keys()) if (!this.asks(other)) this.#samples.delete(other)
    }
  }

  /** Brings all to the disk, and lets go of the file. @throws rejects with CheckpointError (`ERR_CHECKPOINT`) */
  async close(): Promise<void> {
    this.#closed = true
    try {
      this.settle()
    } finally {
      clearTimeout(this.#timer)
      await this.#syncing
      await this.#sync()
      await this.#handle.close().catch(() => {})
      await this.#leave?.()
    }
    if (this.#failure !== undefined) throw this.error(this.#failure.reason)
  }
}

/** A name that a file was given is on the disk with its folder: else a loss of power brings back the one that had it before. Not every system has folders synced. */
async function syncFolder(file: string): Promise<void> {
  const [{ open }, { dirname }] = await Promise.all([node('fs/promises'), node('path')])
  const folder = await open(dirname(file), 'r').catch(() => undefined)
  await folder?.sync().catch(() => {})
  await folder?.close().catch(() => {})
}

function told(value: unknown): string {
  return typeof value === 'object' ? show(JSON.stringify(value)) : show(value)
}

/** FNV-1a: it tells what was broken by chance, and what is another text. */
function hash(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let value = 0x811c9dc5
  for (let at = start; at < end; at++) value = Math.imul(value ^ bytes[at]!, 0x01000193)
  return value >>> 0
}

function filled(length: number): number {
  return Math.ceil(length / RECORD) * RECORD
}
