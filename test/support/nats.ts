// A server of NATS for tests: Debian's nats-server, or one that `go install github.com/nats-io/nats-server/v2` has put beside. It has a folder of its own, and ends with this process.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const PLACES = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', join(process.env['GOBIN'] ?? join(homedir(), 'go', 'bin'))]

/** Where it is; undefined where there is none. */
export const natsServerFile: string | undefined = PLACES.map((place) => join(place, 'nats-server')).find((file) => existsSync(file))

/** What a suite says that needs one, and does not have it: test/run.mjs shows it. */
export const WITHOUT = 'skipped: NATS: there is no nats-server here (apt-get install nats-server)'

export interface NatsServer extends AsyncDisposable {
  readonly port: number
  /** Ends it, and begins it anew at the same port, with what it had on disk. @param config another than before */
  restart(config?: string): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
}

const all = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of all) child.kill('SIGKILL')
})

/**
 * @param config more of its configuration, as it is written there
 * @param jetstream whether it keeps streams
 */
export async function natsServer({ config = '', jetstream = false }: { config?: string; jetstream?: boolean } = {}): Promise<NatsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-nats-'))
  const file = join(folder, 'nats.conf')
  let port = -1
  let child: ChildProcess
  const begin = async (): Promise<void> => {
    writeFileSync(file, `listen: "127.0.0.1:${port}"\n${jetstream ? `jetstream { store_dir: "${folder}" }\n` : ''}${config}\n`)
    child = spawn(natsServerFile!, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    all.add(child)
    let said = ''
    await new Promise<void>((resolve, reject) => {
      child.stderr!.on('data', (data) => {
        said += data
        const [, at] = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(said) ?? []
        if (at !== undefined) port = Number(at)
        if (/Server is ready/.test(said)) resolve()
      })
      child.on('exit', () => reject(new Error(`nats-server ended: ${said}`)))
    })
    child.stderr!.resume()
    child.unref()
    ;(child.stderr as unknown as { unref(): void }).unref()
  }
  const stop = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    all.delete(child)
    if (child.exitCode !== null || child.signalCode !== null) return
    child.ref()
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }
  await begin()
  return {
    get port() {
      return port
    },
    async restart(other) {
      await stop('SIGTERM')
      if (other !== undefined) config = other
      await begin()
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Its version, such as `2.9.10`. */
export function natsVersion(): string {
  return /v([\d.]+)/.exec(spawnSync(natsServerFile!, ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? '?'
}

type Test = (name: string, run: () => Promise<void>) => void

/** A test that needs a server of NATS, and says so where there is none. */
export const withNats =
  (test: Test): Test =>
  (name, run) =>
    test(name, natsServerFile === undefined ? async () => console.log(`\n${WITHOUT}`) : run)
