import { node } from '../base/node.js'

/** What was there when an entry was made: files of it may go later, as cleaners of caches take what is old. */
const SEAL = 'sluice-files.json'

/**
 * The name of a cache's entry. The same package from another registry is another, and each sluice has its own: what a package extends must be the
 * class that its Flow knows.
 */
export async function entryOf(label: string, registries: string, sluice: string): Promise<string> {
  const { createHash } = await node('crypto')
  const hash = createHash('sha256')
    .update(JSON.stringify([registries, sluice]))
    .digest('hex')
  return `${label.replace('/', '+')}-${hash.slice(0, 12)}`
}

/** Notes what an entry holds. */
export async function seal(home: string): Promise<void> {
  const [{ writeFile }, { join }] = await Promise.all([node('fs/promises'), node('path')])
  await writeFile(join(home, SEAL), JSON.stringify(await count(home)))
}

/** Whether an entry holds no less than it held when it was made: packages may write beside their files. */
export async function isWhole(home: string): Promise<boolean> {
  const [{ readFile }, { join }] = await Promise.all([node('fs/promises'), node('path')])
  try {
    const made = JSON.parse(await readFile(join(home, SEAL), 'utf8')) as Awaited<ReturnType<typeof count>>
    const { files, bytes } = await count(home)
    return files >= made.files && bytes >= made.bytes
  } catch {
    return false
  }
}

/** Files and bytes; links are not followed, as that to sluice leads out. */
async function count(home: string): Promise<{ files: number; bytes: number }> {
  const [{ lstat, readdir }, { join }] = await Promise.all([node('fs/promises'), node('path')])
  let [files, bytes] = [0, 0]
  const folders = [join(home, 'node_modules')]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) folders.push(path)
      else {
        files++
        if (entry.isFile()) bytes += (await lstat(path)).size
      }
    }
  }
  return { files, bytes }
}
