import type { Readable, Writable } from 'node:stream'

/** Characters of a line that has no end yet. A longer one is cut. */
const LONGEST = 1 << 16
/** Bytes that wait for whoever reads this process's output. What comes then is left out, and counted: a worker that writes without end stops nobody. */
const MOST = 1 << 20

/** Puts a name in front of each line. What has no end yet is kept for the next call. */
class Prefixed {
  readonly #prefix: string
  readonly #decoder = new TextDecoder()
  #line = ''

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  take(chunk: string | Uint8Array): string {
    const lines = `${this.#line}${typeof chunk === 'string' ? chunk : this.#decoder.decode(chunk, { stream: true })}`.split('\n')
    this.#line = lines.pop()!
    if (this.#line.length > LONGEST) {
      lines.push(this.#line)
      this.#line = ''
    }
    return lines.map((line) => `${this.#prefix}${line}\n`).join('')
  }

  end(): string {
    return this.#line === '' ? '' : this.take('\n')
  }
}

/** Bytes at the end of what a worker wrote that are told. */
const TAIL = 4096

/** The end of what was written. */
export class Tail {
  readonly #pieces: Uint8Array[] = []
  #size = 0

  /** Nothing is copied: what writes much is not held up. */
  keep(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
    this.#size += bytes.length
    while (this.#size - this.#pieces[0]!.length >= TAIL) this.#size -= this.#pieces.shift()!.length
  }

  /** Without the colours of terminals. */
  get text(): string {
    const all = Buffer.concat(this.#pieces).subarray(-TAIL).toString()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    return all.replace(/\u001b\[[\d;]*[A-Za-z]/g, '').trim()
  }
}

/**
 * Hands on what a process writes.
 * @param prefix stands before each line; none for what comes as it comes
 */
export function handOn(from: Readable, to: Writable, prefix: string | undefined): void {
  let left = 0
  const write = (text: string | Uint8Array): void => {
    if (text.length === 0) return
    if (to.writableLength > MOST) {
      left += text.length
      return
    }
    if (left > 0) to.write(`${prefix ?? ''}… ${left} bytes of output were left out: nobody read them in time\n`)
    left = 0
    to.write(text)
  }
  // What cannot be read any more is no reason to end.
  from.on('error', () => {})
  if (prefix === undefined) {
    from.on('data', write)
    return
  }
  const lines = new Prefixed(prefix)
  from.on('data', (bytes: Uint8Array) => write(lines.take(bytes)))
  from.on('end', () => write(lines.end()))
}

/** The same within a thread, whose output is handed on by node: one that was read here would keep this process alive. */
export function prefixOutput(to: Writable, prefix: string): void {
  const lines = new Prefixed(prefix)
  const write = to.write.bind(to) as (text: string, done?: unknown) => boolean
  to.write = (chunk: string | Uint8Array, encoding?: unknown, done?: unknown) => write(lines.take(chunk), typeof encoding === 'function' ? encoding : done)
  process.on('exit', () => void write(lines.end()))
}
