import { InputError, optionType, sayOf, show } from '../../base/errors.js'
import { node } from '../../base/node.js'
import { shortage } from '../../base/shortage.js'

/**
 * Where text is read from: a path, a `file:` URL, a Blob (a browser's File), or chunks as a Node or web stream or any other
 * iterable gives them. Chunks are cut anywhere: a line may span several. Text is UTF-8, or UTF-16 that begins with its mark (as spreadsheets save
 * it). Lines end with a line feed, also behind a carriage return; or with carriage returns alone, where the first does.
 */
export type TextSource = string | URL | Blob | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>

// Large enough that a read costs little per line, small enough that a line somebody keeps does not keep much else alive.
const READ = 64 * 1024

/** The source's name in errors: its path, if it has one. */
export function fileOf(source: TextSource): string | undefined {
  if (typeof source === 'string') return source
  if (source instanceof URL) return source.protocol === 'file:' ? decodeURIComponent(source.pathname) : source.href
  return undefined
}

/** @throws OptionTypeError (`ERR_OPTION_TYPE`) for what no text can be read from */
export function checkSource(source: unknown): void {
  if (source instanceof URL && source.protocol !== 'file:')
    throw optionType('source', 'a path or a file: URL; of other URLs, pass the body that fetch gives', source.href)
  if (typeof source === 'string' || source instanceof URL || source instanceof Blob) return
  if (typeof source === 'object' && source !== null && !ArrayBuffer.isView(source) && (Symbol.asyncIterator in source || Symbol.iterator in source)) return
  throw optionType('source', 'a path, a file: URL, a Blob, a stream, or an iterable of texts or bytes', source)
}

/** The bytes of a source. Each view is valid until the next is asked for. Closes what it opened; a stream is closed by its own iterator. */
export async function* bytesOf(source: TextSource): AsyncGenerator<Uint8Array> {
  if (typeof source === 'string' || source instanceof URL) yield* bytesOfFile(source)
  else yield* bytesOfChunks(source instanceof Blob ? (source.stream() as unknown as AsyncIterable<Uint8Array>) : source)
}

async function* bytesOfFile(path: string | URL): AsyncGenerator<Uint8Array> {
  const { open } = await node('fs/promises')
  const file = await open(typeof path === 'string' && path.startsWith('file:') ? new URL(path) : path).catch(unread(`${fileOf(path)}`))
  try {
    const buffer = new Uint8Array(READ)
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** What a file that cannot be opened, as something has run out, is to who reads it. Anything else is said by the platform itself. */
export function unread(file: string): (error: unknown) => never {
  return (error) => {
    throw shortage(error) === undefined ? error : new InputError('ERR_INPUT', `${file} cannot be read: ${sayOf(error)}`, { cause: error })
  }
}

async function* bytesOfChunks(chunks: Iterable<unknown> | AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  // Half of a character, where a chunk of text ends between surrogates.
  let half = ''
  for await (const chunk of chunks) {
    if (typeof chunk === 'string') {
      const text = half + chunk
      half = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : ''
      yield encoder.encode(half === '' ? text : text.slice(0, -1))
    } else if (chunk instanceof Uint8Array) yield chunk
    else throw new InputError('ERR_INPUT', `A source of text gives strings or Uint8Arrays, not ${show(chunk)}`)
  }
  if (half !== '') yield encoder.encode(half)
}
