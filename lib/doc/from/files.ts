import type { Dirent } from 'node:fs'
import { callback, check, flag, string } from '../../base/check.js'
import { InputError, optionType, ParseError, show } from '../../base/errors.js'
import { node, packageOfNode } from '../../base/node.js'
import { shortage } from '../../base/shortage.js'
import { Document } from '../document.js'
import { blocksOf } from './blocks.js'
import { mimeTypeOf } from './mime-type.js'
import { type FromOptions, reporter } from './options.js'
import { unread } from './source.js'

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
  /** No error when nothing is found. Default `false`: most often, a name is misspelled then. */
  allowEmpty?: boolean | undefined
}

/**
 * A document for each file that matches, with its path as `uri` and a `mimeType` by its extension. Files come sorted by path
 * (by code units, so the same everywhere), each once. A file or folder that is there under a pattern's very name is meant, whatever signs it has.
 * Files are read one at a time, each whole. This needs a file system: not for browsers.
 *
 * @param patterns globs: `*`, `**`, `?`, `[ab]`, `{a,b}`, a folder, and `!` in front of what to leave out. Names that begin with a dot match no `*`
 * @throws OptionTypeError (`ERR_OPTION_TYPE`) at the call
 * @throws InputError (`ERR_INPUT`) while reading, when a path is not there or nothing matches
 * @throws ParseError (`ERR_PARSE`) while reading as text, for a file that is not UTF-8; with `onInvalid` it is skipped
 *
 * @example
 * flow.index(fromFiles('images/*.{jpg,png}', { read: 'blob' }))
 */
export function fromFiles(patterns: string | readonly string[], options: FromFilesOptions = {}): AsyncGenerator<Document, void, undefined> {
  const list = typeof patterns === 'string' ? [patterns] : patterns
  if (!Array.isArray(list) || !list.every((pattern) => typeof pattern === 'string')) throw optionType('patterns', 'a glob or a list of globs', patterns)
  check('fromFiles()', options, { read: mode, recursive: flag, cwd: string, allowEmpty: flag, onInvalid: callback })
  return find(list, options)
}

async function* find(patterns: string[], options: FromFilesOptions): AsyncGenerator<Document, void, undefined> {
  const { read = 'uri', onInvalid } = options
  const [paths, { readFile }] = await Promise.all([matching(patterns, options), node('fs/promises')])
  for (const uri of paths) {
    const document = new Document({ uri, mimeType: mimeTypeOf(uri) })
    if (read === 'blob') document.blob = await readFile(uri).catch(unread(uri))
    if (read === 'text') {
      const text = await textOf(await readFile(uri).catch(unread(uri)), uri, onInvalid)
      if (text === undefined) continue
      document.text = text
    }
    yield document
  }
}

/** The paths of all files that match, sorted. */
async function matching(patterns: string[], { recursive = true, cwd, allowEmpty = false }: FromFilesOptions): Promise<string[]> {
  const [{ glob, isDynamicPattern }, fs, { stat }, { isAbsolute, join, resolve }] = await Promise.all([
    packageOfNode('tinyglobby'),
    node('fs'),
    node('fs/promises'),
    node('path'),
  ])
  const isFolder = async (path: string): Promise<boolean | undefined> =>
    stat(resolve(cwd ?? '', path)).then(
      (found) => found.isDirectory(),
      () => undefined,
    )
  if (cwd !== undefined && !(await isFolder('.'))) throw nothing(`there is no folder ${show(cwd)}, which cwd names`)
  /** A folder that cannot be opened is left out by the package, as if it were empty. */
  let short: { readonly path: string; readonly error: unknown } | undefined
  const readdir = ((path: string, options: { withFileTypes: true }, done: (error: Error | null, entries: Dirent[]) => void) =>
    fs.readdir(path, options, (error, entries) => {
      if (shortage(error) !== undefined) short ??= { path, error }
      done(error, entries)
    })) as unknown as typeof fs.readdir
  const excluded = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1))
  const anywhere = excluded.filter((pattern) => pattern.startsWith('**/'))
  /** What is there under a name stands for itself, also where the name looks like a pattern: `Dropbox (Personal)`, `[a-c]`. */
  const find = async (pattern: string): Promise<string[] | undefined> => {
    const whole = await isFolder(pattern)
    if (whole === false) return [pattern]
    let base = pattern
    let rest = '**'
    if (whole === undefined) {
      const names = pattern.split('/')
      let known = 0
      while (known < names.length - 1 && (await isFolder(names.slice(0, known + 1).join('/') || '/'))) known++
      base = names.slice(0, known).join('/') || (known > 0 ? '/' : '')
      rest = names.slice(known).join('/')
      if (!isDynamicPattern(rest)) return undefined
    }
    const found = await glob(rest, { globstar: recursive, cwd: resolve(cwd ?? '', base), ignore: anywhere, fs: { readdir } })
    if (short !== undefined) unread(short.path)(short.error)
    return found.map((path) => join(base, path))
  }
  const found = new Map<string, string>()
  for (const pattern of patterns.filter((pattern) => !pattern.startsWith('!'))) {
    const paths = await find(pattern)
    if (paths === undefined && !allowEmpty) throw nothing(`there is no file or folder ${show(pattern)}`)
    for (const path of paths ?? []) found.set(resolve(cwd ?? '', path), cwd === undefined || isAbsolute(path) ? path : join(cwd, path))
  }
  for (const pattern of excluded) for (const path of (await find(pattern)) ?? []) found.delete(resolve(cwd ?? '', path))
  if (found.size === 0 && !allowEmpty) throw nothing(`no file matches ${patterns.map(show).join(', ')} in ${resolve(cwd ?? '')}`)
  // Sorted as text would be in every locale.
  return [...found.values()].sort()
}

function nothing(what: string): InputError {
  return new InputError('ERR_INPUT', `fromFiles: ${what}. If that may be, say allowEmpty: true`)
}

async function textOf(bytes: Uint8Array, file: string, onInvalid: FromOptions['onInvalid']): Promise<string | undefined> {
  let text = ''
  try {
    for await (const block of blocksOf([bytes], Infinity, reporter(file, undefined), true)) text += block.text
    return text
  } catch (error) {
    if (onInvalid === undefined || !(error instanceof ParseError)) throw error
    onInvalid(error)
  }
}

function mode(name: string, value: unknown): void {
  if (value !== 'uri' && value !== 'blob' && value !== 'text') throw optionType(name, `'uri', 'blob' or 'text'`, value)
}
