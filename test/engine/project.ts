// A file of Compose that is brought up on the real engine, for the suites of it.
import { spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { COMMAND, docker } from './engine.js'

const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)
export const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Waits for something. @returns how many milliseconds that took */
export async function until(what: () => unknown, milliseconds: number): Promise<number> {
  const start = performance.now()
  while (!(await what())) {
    if (performance.now() - start > milliseconds * PATIENCE) throw new Error(`not so within ${milliseconds} ms: ${what}`)
    await pause(50)
  }
  return Math.round(performance.now() - start)
}

const listens = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 500 })
    const tell = (answer: boolean) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', tell(true)).once('error', tell(false)).once('timeout', tell(false))
  })

/** What is spoken to it: the command of Debian, or the plugin. */
const composed = [['docker-compose'], ['docker', 'compose']].find(([command, ...args]) => spawnSync(command!, [...args, 'version']).status === 0)

/** Whether there is Compose. Where there is none, one line says so, and one test passes in place of all. */
export function hasCompose(test: (name: string, body: () => void) => unknown): boolean {
  if (composed !== undefined) return true
  console.log('skipped: compose: there is no docker-compose on the PATH')
  test('there is no docker-compose', () => {})
  return false
}

let projects = 0

/** What one file has begun. */
export class Project {
  readonly #name = `sluice${process.pid}n${projects++}`

  constructor(readonly file: string) {}

  compose(...args: string[]): void {
    const [command, ...before] = composed!
    const { status, stderr } = spawnSync(command!, [...before, '-p', this.#name, '-f', this.file, ...args], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`compose ${args[0]} ended with ${status}: ${stderr}`)
  }

  /** Containers of a service. */
  running(service: string): string[] {
    const labels = [`label=com.docker.compose.project=${this.#name}`, `label=com.docker.compose.service=${service}`]
    return docker('ps', '--quiet', '--no-trunc', ...labels.flatMap((label) => ['--filter', label]))
      .split('\n')
      .filter((id) => id !== '')
  }

  /** Resolves when a container listens at a port. */
  listens(id: string, port: number): Promise<number> {
    const addressOf = (): string => docker('inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', id)
    return until(() => listens(addressOf(), port), 60_000)
  }

  /** Kills a container as if it died by itself, and resolves when it is begun anew: what docker kill ends is not. */
  async kill(id: string, meanwhile?: () => Promise<unknown>): Promise<void> {
    const pidOf = (): string => docker('inspect', '--format', '{{.State.Pid}}', id)
    const pid = pidOf()
    process.kill(Number(pid), 'SIGKILL')
    await meanwhile?.()
    await until(() => !['0', pid].includes(pidOf()), 60_000)
  }

  /** The end of what a service said. */
  logs(service: string): string {
    const said = this.running(service).map((id) => spawnSync(COMMAND, ['logs', '--tail', '20', id], { encoding: 'utf8' }))
    return said.map(({ stdout, stderr }) => `── ${service}\n${stdout}${stderr}`).join('\n')
  }

  down(): void {
    this.compose('down', '-v', '-t', '1')
  }
}
