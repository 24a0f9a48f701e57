import { string } from '../base/check.js'
import { ConfigError, say } from '../base/errors.js'
import { node } from '../base/node.js'

/** What is written, by the way to it from the folder. */
export type Files = Readonly<Record<string, string>>

/** Stands in the first comment of each file: what begins so may be written anew. */
export const OURS = 'Written by sluice export'
/** Bytes in which that stands. */
const HEAD = 4096

/**
 * Writes files into a folder, and nowhere else: what stands there as a link is replaced, and not followed. All of them, or none.
 * @param once files that somebody edits: those that are there stay
 * @returns the files that were written, as the folder was named
 * @throws ConfigError (`ERR_CONFIG`) that names the file, where one of somebody else is in its place, or it cannot be written
 */
export async function writeAll(folder: string, files: Files, once: readonly string[] = []): Promise<string[]> {
  string('folder', folder)
  const [fs, { dirname, join }] = await Promise.all([node('fs/promises'), node('path')])
  const { lstat, mkdir, open, rename, rm, writeFile } = fs
  const statOf = (path: string) =>
    lstat(path).catch((error) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
  const refuse = (file: string, reason: string, cause?: unknown): ConfigError => new ConfigError(reason, { file }, { cause })
  /** Whether there is something that stays. */
  const stays = async (name: string, file: string): Promise<boolean> => {
    for (let at = dirname(name); at !== '.'; at = dirname(at)) {
      const way = join(folder, at)
      if ((await statOf(way))?.isDirectory() === false) throw refuse(way, 'this is a link, or a file, where a folder is to be: nothing is written behind it')
    }
    const found = await statOf(file)
    if (found === undefined || found.isSymbolicLink()) return false
    if (!found.isFile()) throw refuse(file, 'this is no file: nothing is written in its place')
    if (once.includes(name)) return true
    const opened = await open(file)
    try {
      const { buffer, bytesRead } = await opened.read(new Uint8Array(HEAD), 0, HEAD, 0)
      const said = new TextDecoder().decode(buffer.subarray(0, bytesRead))
      if (bytesRead > 0 && !isOurs(said)) throw refuse(file, `this was not written by sluice export, and stays as it is. Move it, or export to another folder`)
    } finally {
      await opened.close()
    }
    return false
  }
  const drafts = new Map<string, string>()
  let at = folder
  try {
    for (const name of Object.keys(files)) {
      at = join(folder, name)
      if (!(await stays(name, at))) drafts.set(at, `${at}.${crypto.randomUUID().slice(0, 8)}.tmp`)
    }
    for (const [name, text] of Object.entries(files)) {
      at = join(folder, name)
      const draft = drafts.get(at)
      if (draft === undefined) continue
      await mkdir(dirname(at), { recursive: true })
      await writeFile(draft, text, { flag: 'wx' })
    }
    for (const [file, draft] of drafts) {
      at = file
      await rename(draft, file)
    }
  } catch (cause) {
    await Promise.all([...drafts.values()].map((draft) => rm(draft, { force: true }).catch(() => {})))
    throw cause instanceof ConfigError ? cause : refuse(at, `cannot be written: ${say(cause)}`, cause)
  }
  return [...drafts.keys()]
}

/**
 * Files of an earlier export of the same Flow that this one does not write: what they describe is no part of it any more. They stay, as whoever applied them needs them
 * to take it away.
 * @param sign what each file of the Flow has in it
 * @param files what was written
 */
export async function leftIn(folder: string, sign: RegExp, files: readonly string[]): Promise<string[]> {
  const [{ readdir, readFile }, { join }] = await Promise.all([node('fs/promises'), node('path')])
  const left: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = join(folder, entry.name)
    if (!entry.isFile() || !/\.ya?ml$/.test(entry.name) || files.includes(file)) continue
    const text = await readFile(file, 'utf8').catch(() => '')
    if (isOurs(text) && sign.test(text)) left.push(file)
  }
  return left.sort()
}

/** Whether its first comment says so. */
function isOurs(text: string): boolean {
  return /^(?:#.*\n)*/.exec(text)![0].includes(OURS)
}
