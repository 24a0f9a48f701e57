import { optionType, ParseError } from '../../errors.js'
import { node, packageOfNode } from '../../host.js'
import { callback, check, flag, string } from '../../options.js'
import { Document } from '../document.js'
import { blocksOf } from './blocks.js'
import { mimeTypeOf } from './mime-type.js'
import { type FromOptions, reporter } from './options.js'

export interface FromFilesOptions extends Pick<FromOptions, 'onInvalid'> {
  /**
   * What a document holds of its file: `'uri'` where it is, `'blob'` also its bytes, `'text'` also its text.
   * Default `'uri'`, as in Jina: a list of files costs no memory, and executors read what they need.
   */
  read?: 'uri' | 'blob' | 'text' | undefined
  /** Whether folders inside are searched: whether `**` crosses folders, and a folder stands for all that is below it. Default `true`. */
  recursive?: boolean | undefined
  /** The folder that patterns are relative to, and with which each `uri` begins. Default: the working directory, which no `uri` names. */
  cwd?: string | undefined
}

/**
 * A document for each file that matches, with its path as `uri` and a `mimeType` by its extension. Files come sorted by path
 * (by code units, so the same everywhere), each once; a pattern that matches nothing gives nothing.
 * Files are read one at a time, each whole. This needs a file system: not for browsers.
 *
 * @param patterns globs: `*`, `**`, `?`, `[ab]`, `{a,b}`, a folder, and `!` in front of what to leave out. Names that begin with a dot match no `*`
 * @throws OptionTypeError (`ERR_OPTION_TYPE`) at the call
 * @throws ParseError (`ERR_PARSE`) while reading as text, for a file that is not UTF-8; with `onInvalid` it is skipped
 *
 * @example
 * flow.index(fromFiles('images/*.{jpg,png}', { read: 'blob' }))
 */
export function fromFiles(patterns: string | readonly string[], options: FromFilesOptions = {}): AsyncGenerator<Document, void, undefined> {
  const list = typeof patterns === 'string' ? [patterns] : patterns
  if (!Array.isArray(list) || !list.every((pattern) => typeof pattern === 'string')) throw optionType('patterns', 'a glob or a list of globs', patterns)
  check('fromFiles()', options, { read: mode, recursive: flag, cwd: string, onInvalid: callback })
  return find(list, options)
}

async function* find(patterns: string[], { read = 'uri', recursive = true, cwd, onInvalid }: FromFilesOptions): AsyncGenerator<Document, void, undefined> {
  const [{ glob }, { readFile }, { join }] = await Promise.all([packageOfNode('tinyglobby'), node('fs/promises'), node('path')])
  const found = await glob(patterns, { globstar: recursive, ...(cwd === undefined ? {} : { cwd }) })
  // Sorted as text would be in every locale.
  for (const path of found.sort()) {
    const uri = cwd === undefined ? path : join(cwd, path)
    const document = new Document({ uri, mimeType: mimeTypeOf(path) })
    if (read === 'blob') document.blob = await readFile(uri)
    if (read === 'text') {
      const text = await textOf(await readFile(uri), uri, onInvalid)
      if (text === undefined) continue
      document.text = text
    }
    yield document
  }
}

async function textOf(bytes: Uint8Array, file: string, onInvalid: FromOptions['onInvalid']): Promise<string | undefined> {
  let text = ''
  try {
    for await (const block of blocksOf([bytes], Infinity, reporter(file, undefined))) text += block.text
    return text
  } catch (error) {
    if (onInvalid === undefined || !(error instanceof ParseError)) throw error
    onInvalid(error)
  }
}

function mode(name: string, value: unknown): void {
  if (value !== 'uri' && value !== 'blob' && value !== 'text') throw optionType(name, `'uri', 'blob' or 'text'`, value)
}
