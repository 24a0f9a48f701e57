import type { IncomingMessage } from 'node:http'
import type { WebSocket } from 'ws'
import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { node } from '../base/node.js'
import type { Begin, Sent, Wanted } from '../place/daemon-protocol.js'
import { engineEnvironment } from '../place/docker.js'
import { engineFor, THERE } from '../place/engine.js'
import type { Host, WorkerSettings } from '../place/host.js'
import { ignore } from '../stream/thenable.js'
import { BODY_TIMEOUT } from '../wire/defaults.js'
import { Refusal } from '../wire/outcome.js'
import { Attached } from './attached.js'
import { partsOf } from './paths.js'

/** Milliseconds in which workers that were told to end are gone. What they began themselves may hold their pipes for longer. */
const GONE = 2000

/** What an executor may come with. */
export interface UploadLimits {
  readonly maxUploadBytes: number
  readonly maxUploadFiles: number
}

/** What becomes of the files of an executor, and of the folder that it has for itself. */
const FILES = 'files'
const WORKSPACE = 'workspace'
const RECORD = 'record.json'
/** What folders are called that are being removed. */
export const ASIDE = 'gone-'

/** How an executor is, for who asks. */
export interface EntryStatus {
  readonly id: string
  readonly name: string
  /** Of each replica, whether its Flow is connected, and the process that it has. */
  readonly replicas: readonly { readonly shardId: number; readonly state: 'up' | 'connected' | 'away'; readonly pid?: number; readonly milliseconds?: number }[]
  readonly memory?: number
  /** Of its containers; without one, it runs in processes. Their `pid` is that of the process that hands on what they are asked. */
  readonly image?: string
  readonly lease: number
  /** Milliseconds that are left of the lease, where no Flow is connected. */
  readonly left?: number
  readonly files: number
  readonly bytes: number
}

/** An executor of a Flow elsewhere: its folder, its replicas, and how long it is kept when its Flow is gone. */
export class Entry {
  readonly id: string
  readonly wanted: Wanted
  readonly folder: string
  readonly #limits: UploadLimits
  readonly #host: Host
  readonly #over: (entry: Entry) => void
  readonly #attached = new Map<number, Attached>()
  #files = 0
  #bytes = 0
  /** Files that are being sent. */
  #coming = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #until = 0
  #leaving: Promise<string> | undefined
  #removing: Promise<void> | undefined
  #isOver = false
  #isReady = false
  /** Of files that are being sent. */
  readonly #bodies = new Set<IncomingMessage>()
  /** What is being written into its folder. */
  readonly #writing = new Set<Promise<unknown>>()

  /**
   * @param folder its own
   * @param over called when its lease is over
   */
  constructor(id: string, wanted: Wanted, folder: string, host: Host, limits: UploadLimits, over: (entry: Entry) => void) {
    this.id = id
    this.wanted = wanted
    this.folder = folder
    this.#host = host
    this.#limits = limits
    this.#over = over
    this.#lease()
  }

  /** Where executors may have folders of their own. */
  get workspace(): string {
    return `${this.folder}/${WORKSPACE}`
  }

  /** Where its workers run. */
  get #home(): string {
    const { folder } = this.wanted
    return `${this.folder}/${FILES}${folder === '' ? '' : `/${folder}`}`
  }

  /** Whether all of its files are there: before, nobody connects. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Whether it has ended, or is about to: nobody finds it any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Makes its folder. There is no record of it before it is ready: what broke off by half is believed by nobody. */
  async make(): Promise<void> {
    await this.#written(this.#make())
  }

  async #make(): Promise<void> {
    const { mkdir } = await node('fs/promises')
    for (const folder of [this.#home, this.workspace]) await mkdir(folder, { recursive: true, mode: 0o700 })
  }

  /**
   * All of its files are there, and it is recorded.
   * @throws Refusal where it has other files than its Flow has sent
   */
  async ready({ files, bytes }: Sent): Promise<void> {
    if (this.#coming > 0 || files !== this.#files || bytes !== this.#bytes)
      throw new Refusal('invalid', `${this.wanted.name} has ${this.#files} files of ${this.#bytes} bytes here, and its Flow has sent ${files} of ${bytes}`)
    await this.#written(this.#record())
    this.#isReady = true
  }

  async #record(): Promise<void> {
    const { rename, writeFile } = await node('fs/promises')
    const record = `${this.folder}/${RECORD}`
    // Half of it is none, should the machine stop now.
    await writeFile(`${record}.new`, JSON.stringify(this.wanted), { mode: 0o600 })
    await rename(`${record}.new`, record)
  }

  /**
   * What a daemon of before knew of an executor.
   * @returns nothing, where that is no record
   */
  static async recordIn(folder: string): Promise<unknown> {
    const { readFile } = await node('fs/promises')
    try {
      return JSON.parse(await readFile(`${folder}/${RECORD}`, 'utf8'))
    } catch {
      return undefined
    }
  }

  /** Finds what is there, of an executor of before that was ready. */
  async restore(): Promise<void> {
    const { readdir, stat } = await node('fs/promises')
    for (const name of await readdir(`${this.folder}/${FILES}`, { recursive: true }).catch(() => [])) {
      const found = await stat(`${this.folder}/${FILES}/${name}`).catch(() => undefined)
      if (!found?.isFile()) continue
      this.#files++
      this.#bytes += found.size
    }
    this.#isReady = true
  }

  get status(): EntryStatus {
    const { name, replicas, memory, image, lease } = this.wanted
    return {
      id: this.id,
      name,
      replicas: Array.from({ length: replicas }, (_, shardId) => {
        const { pid, since } = this.#attached.get(shardId) ?? {}
        const state = since !== undefined ? 'up' : this.#attached.has(shardId) ? 'connected' : 'away'
        return { shardId, state, ...(pid !== undefined && { pid }), ...(since !== undefined && { milliseconds: Math.round(now() - since) }) }
      }),
      ...(memory !== undefined && { memory }),
      ...(image !== undefined && { image }),
      lease,
      ...(this.#timer !== undefined && { left: Math.max(0, Math.round(this.#until - now())) }),
      files: this.#files,
      bytes: this.#bytes,
    }
  }

  /** Begins the time anew for which all is kept, as long as nobody is there. */
  #lease(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#isOver || this.#attached.size > 0 || this.#coming > 0) return
    this.#until = now() + this.wanted.lease
    this.#timer = setTimeout(() => this.#over(this), this.wanted.lease)
  }

  /**
   * Takes a file that a Flow sends.
   * @param path as the Flow names it
   * @throws Refusal for a path that leads elsewhere, one that is there already, and what is over a limit: nothing of it is left then; once all is there
   */
  async take(path: string, body: IncomingMessage): Promise<void> {
    this.#bodies.add(body)
    await this.#written(this.#take(path, body)).finally(() => this.#bodies.delete(body))
  }

  async #written(work: Promise<void>): Promise<void> {
    const settled = work.catch(ignore)
    this.#writing.add(settled)
    await work.finally(() => this.#writing.delete(settled))
  }

  async #take(path: string, body: IncomingMessage): Promise<void> {
    const { lstat, mkdir, open, rm, rmdir } = await node('fs/promises')
    // From here until it is counted, no other comes between.
    if (this.#isReady) throw new Refusal('invalid', `${this.wanted.name} has all of its files`)
    const parts = partsOf(path)
    const { maxUploadBytes, maxUploadFiles } = this.#limits
    if (this.#files >= maxUploadFiles) throw new Refusal('tooLarge', `${this.wanted.name} comes with more than ${maxUploadFiles} files (maxUploadFiles)`)
    const announced = Number(body.headers['content-length'] ?? 0)
    const tooMuch = (): Refusal => new Refusal('tooLarge', `${this.wanted.name} comes with more than ${maxUploadBytes} bytes of files (maxUploadBytes)`)
    if (this.#bytes + announced > maxUploadBytes) throw tooMuch()
    this.#files++
    this.#coming++
    this.#lease()
    let size = 0
    let timer: ReturnType<typeof setTimeout> | undefined
    const made: string[] = []
    try {
      let folder = `${this.folder}/${FILES}`
      for (const part of parts.slice(0, -1)) {
        folder += `/${part}`
        await mkdir(folder, { mode: 0o700 }).then(
          () => made.unshift(folder),
          async (error) => {
            // What runs there may have put a link in the way.
            if (!(await lstat(folder).catch(() => undefined))?.isDirectory()) throw error
          },
        )
      }
      const file = `${folder}/${parts.at(-1)}`
      const handle = await open(file, 'wx', 0o600)
      try {
        const wait = (): void => {
          clearTimeout(timer)
          timer = setTimeout(() => body.destroy(new Error('The rest of a file did not come in time')), BODY_TIMEOUT)
        }
        wait()
        for await (const chunk of body as AsyncIterable<Buffer>) {
          size += chunk.length
          this.#bytes += chunk.length
          if (this.#bytes > maxUploadBytes) throw tooMuch()
          await handle.write(chunk)
          wait()
        }
        await handle.close()
      } catch (error) {
        await handle.close().catch(() => {})
        await rm(file, { force: true })
        throw error
      }
    } catch (error) {
      this.#files--
      this.#bytes -= size
      // Nothing counts folders: they come with a file, or not at all. Those that others use meanwhile are not empty.
      for (const folder of made) await rmdir(folder).catch(ignore)
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST' || code === 'ENOTDIR' || code === 'EISDIR') throw new Refusal('invalid', `${JSON.stringify(path)} is there already`, error)
      throw error
    } finally {
      clearTimeout(timer)
      this.#coming--
      this.#lease()
    }
  }

  /** Whoever is connected for a replica leaves: who comes anew knows that it is not there any more. Resolves when its worker is gone. */
  async vacate(shardId: number): Promise<void> {
    await this.#attached.get(shardId)?.leave()
  }

  /** Connects a Flow for one replica. */
  attach(shardId: number, socket: WebSocket): void {
    if (this.#isOver) return socket.terminate()
    const before = this.#attached.get(shardId)
    const own = new Attached(
      socket,
      this.#host,
      (begin) => this.#settings(shardId, begin),
      this.wanted.lease,
      () => {
        if (this.#attached.get(shardId) !== own) return
        this.#attached.delete(shardId)
        this.#lease()
      },
    )
    this.#attached.set(shardId, own)
    this.#lease()
    void before?.leave()
  }

  #settings(shardId: number, { env, unresponsiveAfter }: Begin): WorkerSettings {
    const { name, memory, image } = this.wanted
    const own = { name, shardId, inheritEnv: false, unresponsiveAfter, prefixOutput: true, folder: this.#home }
    if (image === undefined) return { ...own, memory, env: { ...env } }
    // What it is told goes to the container, and so does the bound: the process only hands on.
    return { ...own, memory: undefined, env: engineEnvironment(), container: { image, memory, labels: { [THERE]: this.id } } }
  }

  /** Ends what runs. Its folder stays. */
  async end(): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#timer)
    const gone = Promise.all([...this.#attached.values()].map((one) => one.leave()))
    let late: ReturnType<typeof setTimeout> | undefined
    await Promise.race([gone, new Promise((resolve) => (late = setTimeout(resolve, GONE)))])
    clearTimeout(late)
  }

  /**
   * Ends what runs and what comes, and puts its folder aside: another of its name may come then.
   * @returns where the folder is now
   */
  leave(): Promise<string> {
    this.#leaving ??= this.end().then(async () => {
      const { rename } = await node('fs/promises')
      for (const body of this.#bodies) body.destroy()
      await Promise.all([...this.#writing, this.#removeContainers()])
      const aside = `${dirnameOf(this.folder)}/${ASIDE}${globalThis.crypto.randomUUID()}`
      // Where it cannot be, it is removed where it stands.
      return rename(this.folder, aside).then(
        () => aside,
        () => this.folder,
      )
    })
    return this.#leaving
  }

  /** Who watches over them does so as well, in a moment. Its folder is theirs as long as they are there. */
  async #removeContainers(): Promise<void> {
    if (this.wanted.image === undefined) return
    await engineFor(this.wanted.name).then((engine) => engine.removeAll(THERE, this.id), ignore)
  }

  /** Ends what runs, and removes its folder. */
  remove(): Promise<void> {
    this.#removing ??= this.leave().then(async (folder) => {
      const { rm } = await node('fs/promises')
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    })
    return this.#removing
  }
}

const dirnameOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))
