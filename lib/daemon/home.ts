import { say } from '../base/errors.js'
import { node } from '../base/node.js'
import { ASIDE } from './entry.js'
import { lockFolder } from './lock.js'
import { isId } from './wanted.js'

/** Says that nobody comes back to a folder: who finds it without its daemon removes it. */
const PASSING = 'passing'

/** Where a daemon keeps what it was sent. It is that of its port, so that the next one there finds it, and no other takes it for its own. */
export class Home {
  readonly folder: string
  readonly #isPassing: boolean
  readonly #onError: (error: Error) => void
  readonly #unlock: () => Promise<void>

  private constructor(folder: string, isPassing: boolean, onError: (error: Error) => void, unlock: () => Promise<void>) {
    this.folder = folder
    this.#isPassing = isPassing
    this.#onError = onError
    this.#unlock = unlock
  }

  /**
   * Takes that of a port, and removes what daemons of chance ports left that were ended by force.
   * @param below where those of all ports are
   * @param isPassing the port was given by chance, and nobody comes back to it: what is made here is removed with `leave()`
   * @throws OptionRangeError (`ERR_OPTION_RANGE`) where another daemon has it
   */
  static async take(below: string, port: number, isPassing: boolean, onError: (error: Error) => void): Promise<Home> {
    const [{ mkdir, rm, writeFile }, { resolve }] = await Promise.all([node('fs/promises'), node('path')])
    const all = resolve(below)
    const folder = resolve(all, String(port))
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    const unlock = await lockFolder(folder)
    // What one of a port that was asked for has left there is for who asks for it again.
    const passes = isPassing && (made !== undefined || (await exists(`${folder}/${PASSING}`)))
    const home = new Home(folder, passes, onError, unlock)
    try {
      if (passes) await writeFile(`${folder}/${PASSING}`, '')
      else await rm(`${folder}/${PASSING}`, { force: true })
      await home.#link()
    } catch (error) {
      await home.leave()
      throw error
    }
    void home.#sweep(all)
    return home
  }

  /** Names of folders of a daemon of before: ids of executors, and what is no executor any more. */
  async names(): Promise<{ readonly ids: readonly string[]; readonly others: readonly string[] }> {
    const { readdir } = await node('fs/promises')
    const names = await readdir(this.folder)
    return { ids: names.filter(isId), others: names.filter((name) => name.startsWith(ASIDE)) }
  }

  /** Never throws: what an executor has made cannot be removed by everybody, and must end nothing here. */
  async remove(name: string): Promise<void> {
    await removeAll(`${this.folder}/${name}`).catch((error) => this.cannotRemove(`${this.folder}/${name}`, error))
  }

  /** Tells of what stays. */
  cannotRemove(folder: string, cause: unknown): void {
    this.#onError(new Error(`${folder} cannot be removed: ${say(cause)}`, { cause }))
  }

  async leave(): Promise<void> {
    if (this.#isPassing) await removeAll(this.folder).catch((error) => this.cannotRemove(this.folder, error))
    await this.#unlock()
  }

  /** What modules import from sluice is this one, wherever it is installed. */
  async #link(): Promise<void> {
    const [{ mkdir, rm, symlink }, { dirname }, { fileURLToPath }] = await Promise.all([node('fs/promises'), node('path'), node('url')])
    const own = await packageFolder(dirname(fileURLToPath(import.meta.url)))
    if (own === undefined) return
    await mkdir(`${this.folder}/node_modules`, { recursive: true })
    await rm(`${this.folder}/node_modules/sluice`, { force: true })
    await symlink(own, `${this.folder}/node_modules/sluice`, 'junction')
  }

  /** Nobody waits for it. */
  async #sweep(all: string): Promise<void> {
    const { readdir } = await node('fs/promises')
    for (const name of await readdir(all).catch(() => [])) {
      const folder = `${all}/${name}`
      if (!/^\d+$/.test(name) || folder === this.folder || !(await exists(`${folder}/${PASSING}`))) continue
      try {
        const unlock = await lockFolder(folder)
        await removeAll(folder).finally(unlock)
      } catch {
        // Somebody has it; or it is for the next who looks.
      }
    }
  }
}

async function exists(path: string): Promise<boolean> {
  const { access } = await node('fs/promises')
  return access(path).then(
    () => true,
    () => false,
  )
}

async function removeAll(folder: string): Promise<void> {
  const { rm } = await node('fs/promises')
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

/** The folder of the package that this file is of. */
async function packageFolder(from: string): Promise<string | undefined> {
  const [{ dirname }, { readFile }] = await Promise.all([node('path'), node('fs/promises')])
  for (let at = from; ; at = dirname(at)) {
    const text = await readFile(`${at}/package.json`, 'utf8').catch(() => undefined)
    if (text !== undefined && (JSON.parse(text) as { name?: string }).name === 'sluice') return at
    if (dirname(at) === at) return undefined
  }
}
