import { string } from '../base/check.js'
import { node } from '../base/node.js'

/** What is written, by the way to it from the folder. */
export type Files = Readonly<Record<string, string>>

/** Writes files into a folder, and nowhere else: what stands there as a link is replaced, and not followed. @returns the files, as the folder was named */
export async function writeAll(folder: string, files: Files): Promise<string[]> {
  string('folder', folder)
  const [{ mkdir, rename, writeFile }, { dirname, join }] = await Promise.all([node('fs/promises'), node('path')])
  const written: string[] = []
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name)
    await mkdir(dirname(file), { recursive: true })
    // Whole, or not at all.
    const draft = `${file}.${crypto.randomUUID().slice(0, 8)}.tmp`
    await writeFile(draft, text, { flag: 'wx' })
    await rename(draft, file)
    written.push(file)
  }
  return written
}
