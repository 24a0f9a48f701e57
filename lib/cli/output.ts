import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { SluiceError } from '../errors.js'

/** Writes text to a file or to stdout, no faster than it is taken. */
export class Output {
  readonly #name: string
  readonly #stream: Writable
  #error: NodeJS.ErrnoException | undefined

  /** @param file a path, or `-` for stdout */
  constructor(file: string) {
    this.#name = file === '-' ? 'stdout' : file
    this.#stream = file === '-' ? process.stdout : createWriteStream(file)
    this.#stream.on('error', (error) => {
      this.#error ??= error
    })
  }

  /** Whether nobody reads any more, as after `| head -1`. */
  get isClosed(): boolean {
    return this.#error?.code === 'EPIPE'
  }

  /**
   * Resolves when the system took the text, or nobody reads any more.
   * @throws SluiceError (`ERR_OUTPUT`)
   */
  async write(text: string): Promise<void> {
    if (text !== '' && this.#error === undefined) await new Promise<void>((resolve) => this.#stream.write(text, () => resolve()))
    this.#check()
  }

  /** @throws SluiceError (`ERR_OUTPUT`) */
  async close(): Promise<void> {
    // stdout is not ours to close, and all that was written is taken.
    if (this.#error === undefined && this.#stream !== process.stdout) await new Promise<void>((resolve) => this.#stream.end(() => resolve()))
    this.#check()
  }

  #check(): void {
    if (this.#error !== undefined && !this.isClosed) {
      throw new SluiceError('ERR_OUTPUT', `${this.#name} cannot be written: ${this.#error.message}`, { cause: this.#error })
    }
  }
}
