import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { clearTimeout, setTimeout } from '../base/clock.js'
import { FlowBuildError } from '../base/errors.js'
import { node } from '../base/node.js'

/** Who begins containers, in the order in which they are looked for. */
const COMMANDS = ['docker', 'podman']
/** Characters of what a command says that are kept. */
const KEPT = 1 << 16
/** Milliseconds in which an engine answers what takes no time of its own. One that hangs is not waited for: a Flow is to close. */
const ANSWER = 30_000

/** The label by which a container says whose it is. */
export const OWNER = 'sluice.owner'

/** The label of those that a daemon has begun: of which executor. */
export const THERE = 'sluice.daemon'

/** How a command ended. */
export interface Ended {
  /** 0 where it did what it was told to. */
  readonly code: number | null
  readonly out: string
  readonly error: string
}

/** The command line of docker, or of podman: no package knows its contexts, its DOCKER_HOST and its registries as it does itself. */
export class Engine {
  readonly command: string
  /** Whether it is podman, which says some things in another way, by whatever name. */
  readonly isPodman: boolean
  readonly #spawn: typeof import('node:child_process').spawn
  readonly #folder: string
  readonly #time: number

  /**
   * @param folder in which it leaves what it leaves
   * @param time milliseconds for each answer
   */
  constructor(command: string, isPodman: boolean, spawn: typeof import('node:child_process').spawn, folder: string, time: number = ANSWER) {
    this.command = command
    this.isPodman = isPodman
    this.#spawn = spawn
    this.#folder = folder
    this.#time = time
  }

  /**
   * Begins what goes on. No shell reads its arguments, and the terminal's signals do not reach it.
   * @param namesFiles whether they may name files from the folder of this process
   */
  start(args: readonly string[], env: Readonly<Record<string, string>>, namesFiles: boolean): ChildProcess {
    const options: SpawnOptions = { stdio: ['ignore', 'pipe', 'pipe'], detached: true, windowsHide: true, env: { ...process.env, ...env } }
    // What watches a container of podman leaves a file `oom` where it was begun, when memory runs out.
    return this.#spawn(this.command, [...args], this.isPodman && !namesFiles ? { ...options, cwd: this.#folder } : options)
  }

  /** Asks for something that ends by itself, and soon, unless a container is to end by itself. Never throws. */
  ask(...args: string[]): Promise<Ended> {
    return new Promise((resolve) => {
      let out = ''
      let error = ''
      const child = this.#spawn(this.command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, windowsHide: true })
      const late = (): void => {
        child.kill('SIGKILL')
        end({ code: null, out, error })
      }
      const timer = args[0] === 'stop' ? undefined : setTimeout(late, this.#time)
      const end = (ended: Ended): void => {
        clearTimeout(timer)
        resolve(ended)
      }
      child.on('error', ({ message }) => end({ code: -1, out, error: message }))
      child.on('close', (code) => end({ code, out: out.trim(), error: error.trim() }))
      // Without a file handle there are no pipes, and the error comes in the next turn.
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (out = (out + text).slice(-KEPT)))
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (error = (error + text).slice(-KEPT)))
    })
  }

  /** Removes containers, whatever they do, and what they alone have. @param names one at least */
  async remove(...names: string[]): Promise<Ended> {
    const told = ['rm', '--force', '--volumes']
    if (!this.isPodman) return this.ask(...told, ...names)
    // Docker kills at once. Podman would ask first, and wait ten seconds; and of several of which one is gone already, it leaves the others.
    const ended = await Promise.all(names.map((name) => this.ask(...told, '--time', '0', name)))
    return ended.find(({ code }) => code !== 0) ?? ended[0]!
  }

  /** Removes those with a label that says so, whatever they do. */
  async removeAll(label: string, value: string): Promise<void> {
    const ids = [...(await this.owned(label, value)).keys()]
    if (ids.length > 0) await this.remove(...ids)
  }

  /** Those that say whose they are, by id. @param of a label of theirs, and what it says */
  async owned(of: string = OWNER, value?: string): Promise<Map<string, string>> {
    const filter = value === undefined ? `label=${of}` : `label=${of}=${value}`
    const label = this.isPodman ? `{{index .Labels "${OWNER}"}}` : `{{.Label "${OWNER}"}}`
    const { out } = await this.ask('ps', '--all', '--no-trunc', '--filter', filter, '--format', `{{.ID}} ${label}`)
    return new Map(out.split('\n').flatMap((line) => (line.includes(' ') ? [line.split(' ') as [string, string]] : [])))
  }
}

let found: Promise<Engine | undefined> | undefined

/**
 * The engine of this machine: SLUICE_DOCKER, docker, or podman.
 * @param executor who needs it, for the error
 * @throws FlowBuildError (`ERR_USES_INVALID`) where there is none
 */
export async function engineFor(executor: string): Promise<Engine> {
  found ??= find()
  const engine = await found
  if (engine !== undefined) return engine
  // Somebody may install one.
  found = undefined
  const named = process.env.SLUICE_DOCKER
  throw new FlowBuildError(
    'ERR_USES_INVALID',
    named === undefined
      ? `${executor} runs in a container, and there is neither docker nor podman on the PATH. Install one of them, or say in SLUICE_DOCKER what it is called here`
      : `${executor} runs in a container, and there is no ${named}, which SLUICE_DOCKER names. Take that out to have docker or podman, or say what it is called here`,
  )
}

async function find(): Promise<Engine | undefined> {
  const [{ spawn }, { tmpdir }] = await Promise.all([node('child_process'), node('os')])
  for (const command of process.env.SLUICE_DOCKER === undefined ? COMMANDS : [process.env.SLUICE_DOCKER]) {
    const { code, out } = await new Engine(command, false, spawn, tmpdir()).ask('--version')
    if (code === 0) return new Engine(command, /podman/i.test(out), spawn, tmpdir())
  }
  return undefined
}
