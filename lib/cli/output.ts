import { rmSync } from 'node:fs'
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { SluiceError, say } from '../base/errors.js'

/** Where results go. Text is written no faster than it is taken. */
export abstract class Output {
  /** Whether nobody reads any more, as after `| head -1`. */
  isClosed = false
  protected abstract readonly name: string

  /**
   * A file is written beside its name, and takes it when all is written: a run that fails leaves earlier results as they were. What is no
   * regular file (a pipe, a device) is written straight.
   *
   * @param file a path, or `-` for stdout
   * @param append whether it is written straight behind what is there. A line that was cut off when its writer was killed goes.
   * @throws SluiceError (`ERR_OUTPUT`) when it cannot be written
   */
  static async open(file: string, append = false): Promise<Output> {
    return file === '-' ? new Stdout() : await ToFile.open(file, append)
  }

  /**
   * Resolves when the system took the text, or nobody reads any more.
   * @throws SluiceError (`ERR_OUTPUT`)
   */
  async write(text: string): Promise<void> {
    if (text === '' || this.isClosed) return
    try {
      await this.take(text)
    } catch (error) {
      this.isClosed = (error as NodeJS.ErrnoException).code === 'EPIPE'
      if (!this.isClosed) throw failure(this.name, error)
    }
  }

  protected abstract take(text: string): Promise<void>

  /**
   * All is written: the results take their place.
   * @throws SluiceError (`ERR_OUTPUT`)
   */
  abstract commit(): Promise<void>

  /** The process ends now: what is worth nothing goes. */
  forsake(): void {}

  /** Something failed. @returns where what was written so far is to be found, unless that is plain */
  abstract abandon(): Promise<string | undefined>
}

function failure(name: string, cause: unknown): SluiceError {
  return new SluiceError('ERR_OUTPUT', `${name} cannot be written: ${say(cause)}`, { cause })
}

const stdout = process.stdout.write.bind(process.stdout) as (text: string, done: (error?: Error | null) => void) => boolean

/** Only results belong there: what executors and their libraries print in the meantime goes to stderr. */
class Stdout extends Output {
  protected readonly name = 'stdout'

  constructor() {
    super()
    // Told by write() as well.
    process.stdout.on('error', () => {})
    process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write
  }

  protected take(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      stdout(text, (error) => (error ? reject(error) : resolve()))
    })
  }

  // Not ours to close, and all that was written is taken.
  async commit(): Promise<void> {}

  async abandon(): Promise<undefined> {}
}

class ToFile extends Output {
  #empty = true
  #committed = false

  private constructor(
    protected readonly name: string,
    private readonly handle: FileHandle,
    /** Where it is written, and what it is to be called then, unless it is called so from the start. */
    private readonly renamed: { readonly from: string; readonly to: string } | undefined,
  ) {
    super()
  }

  static override async open(file: string, append: boolean): Promise<ToFile> {
    try {
      const before = await stat(file).catch(() => undefined)
      if (before !== undefined && !before.isFile()) return new ToFile(file, await open(file, 'w'), undefined)
      if (append) {
        if (before !== undefined) await cutLine(file, before.size)
        return new ToFile(file, await open(file, 'a'), undefined)
      }
      // A link stays a link.
      const to = before === undefined ? file : await realpath(file)
      const from = `${to}.${process.pid}.partial`
      const handle = await open(from, 'w', before?.mode).catch((error: NodeJS.ErrnoException) => {
        // A file that may be written, in a folder that may not.
        if (before !== undefined && (error.code === 'EACCES' || error.code === 'EPERM')) return undefined
        throw error
      })
      return handle === undefined ? new ToFile(file, await open(file, 'w'), undefined) : new ToFile(file, handle, { from, to })
    } catch (error) {
      throw failure(file, error)
    }
  }

  protected take(text: string): Promise<void> {
    this.#empty = false
    return this.handle.writeFile(text)
  }

  async commit(): Promise<void> {
    try {
      // A disk may say only here that it is full. Pipes and terminals have nothing to sync.
      if (this.renamed !== undefined) await this.handle.sync()
      await this.handle.close()
      if (this.renamed !== undefined) await rename(this.renamed.from, this.renamed.to)
      this.#committed = true
    } catch (error) {
      throw failure(this.name, error)
    }
  }

  override forsake(): void {
    if (this.renamed === undefined || !this.#empty || this.#committed) return
    try {
      rmSync(this.renamed.from, { force: true })
    } catch {
      // An empty file is left, and nobody to tell.
    }
  }

  async abandon(): Promise<string | undefined> {
    // What fails behind it (a request, the closing of the Flow) takes nothing back.
    if (this.#committed) return undefined
    await this.handle.close().catch(() => {})
    if (this.renamed === undefined || !this.#empty) return this.renamed?.from
    await rm(this.renamed.from, { force: true })
    return undefined
  }
}

/** What is behind the last whole line goes. */
async function cutLine(file: string, size: number): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const block = Buffer.alloc(64 * 1024)
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - block.length)
      const { bytesRead } = await handle.read(block, 0, end - start, start)
      const at = block.subarray(0, bytesRead).lastIndexOf(10)
      if (start + at + 1 === size) return
      if (at >= 0 || start === 0) return void (await handle.truncate(start + at + 1))
      end = start
    }
  } finally {
    await handle.close()
  }
}
