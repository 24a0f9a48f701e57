import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import { code, flags } from './code.js'
import { Folder } from './folder.js'
import { within } from './within.js'

export const TOKEN = 'a-token-of-the-tests'

/** Here, as what a process is told to load first is found from its folder upwards: tsx, where the suites are not compiled. */
const root = new Folder(resolve('.compiled'))
const all = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of all) child.kill('SIGKILL')
})

/** The real `sluice daemon`, in a folder of its own. */
export class DaemonRun {
  readonly folder: Pick<Folder, 'file'>
  readonly port: number
  readonly address: string
  readonly child: ChildProcess
  stderr: () => string

  private constructor(folder: Pick<Folder, 'file'>, port: number, child: ChildProcess, stderr: () => string) {
    this.folder = folder
    this.port = port
    this.address = `http://127.0.0.1:${port}`
    this.child = child
    this.stderr = stderr
    all.add(child)
  }

  /** @param before one whose folder and port it is to have */
  static async begin(args: string[] = [], before?: DaemonRun): Promise<DaemonRun> {
    const own = `${all.size}`
    const folder = before?.folder ?? { file: (name: string, content?: string | Uint8Array) => root.file(`${own}/${name}`, content) }
    folder.file('token', TOKEN)
    const told = ['daemon', '--port', String(before?.port ?? 0), '--folder', folder.file('daemon'), '--token-file', folder.file('token'), ...args]
    const child = spawn(process.execPath, [...flags, code('lib/cli/main'), ...told], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    const port = await within(
      60_000,
      new Promise<number>((resolve, reject) => {
        child.stderr!.on('data', (text) => {
          said += text
          const [, port] = /^sluice daemon at https?:\/\/\S+:(\d+)$/m.exec(said) ?? []
          if (port !== undefined) resolve(Number(port))
        })
        child.on('close', (code) => reject(new Error(`the daemon ended with ${code}: ${said}`)))
      }),
    )
    // A test that failed may leave it: its suite ends all the same.
    child.unref()
    ;(child.stderr as unknown as { unref(): void }).unref()
    return new DaemonRun(folder, port, child, () => said)
  }

  /** Where what it was sent is kept. */
  get home(): string {
    return this.folder.file(`daemon/${this.port}`)
  }

  /** What an executor of it is told in `add()`. */
  get there(): { runtime: 'daemon'; host: string; token: string } {
    return { runtime: 'daemon', host: this.address, token: TOKEN }
  }

  ask(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.address}${path}`, { ...init, headers: { authorization: `Bearer ${TOKEN}`, ...init.headers } })
  }

  async status(): Promise<any> {
    return (await this.ask('/status')).json()
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const gone = new Promise((resolve) => this.child.on('close', resolve))
    this.child.kill(signal)
    await within(10_000, gone)
  }
}

/** A module that can be sent, in place of one of this project, which needs those beside it. */
export function sendable(folder: Pick<Folder, 'file'>, module: string): string {
  return folder.file(`${module.replaceAll('/', '-')}.mjs`, `export * from ${JSON.stringify(pathToFileURL(code(module)).href)}\n`)
}

export function isAlive(pid: number): boolean {
  try {
    // Where nobody collects the dead, they stay in the list.
    return process.kill(pid, 0) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)

/** Waits until something is so. @returns how many milliseconds it took */
export async function until(what: () => unknown, milliseconds = 10_000): Promise<number> {
  const start = performance.now()
  while (!(await what())) {
    if (performance.now() - start > milliseconds * PATIENCE) throw new Error(`${what} is still not so`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return performance.now() - start
}
