import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { flags, published } from './code.js'
import { within } from './within.js'

const TIME = 20_000

/** A run of the real command, whose output can be waited for. */
export class Command {
  readonly child: ChildProcessWithoutNullStreams
  readonly end: Promise<{ code: number | null; signal: string | null }>
  stdout = ''
  stderr = ''
  #wake: (() => void) | undefined

  constructor(args: string[], { paused = false, typescript = false } = {}) {
    this.child = spawn(process.execPath, [...(typescript ? ['--import', 'tsx'] : flags), published('cli/main'), ...args])
    const take = (name: 'stdout' | 'stderr') => (data: Buffer) => {
      this[name] += data
      this.#wake?.()
    }
    if (!paused) this.child.stdout.on('data', take('stdout'))
    this.child.stderr.on('data', take('stderr'))
    // Whoever ends early leaves input unread.
    this.child.stdin.on('error', () => {})
    this.end = new Promise((resolve) => this.child.on(paused ? 'exit' : 'close', (code, signal) => resolve({ code, signal })))
  }

  /** Resolves when the output has this text. */
  has(name: 'stdout' | 'stderr', text: string): Promise<void> {
    const seen = new Promise<void>((resolve, reject) => {
      const look = (): void => (this[name].includes(text) ? resolve() : undefined)
      this.#wake = look
      look()
      this.end.then(() => reject(new Error(`ended without ${text}\n${this.stderr}`)))
    })
    return within(TIME, seen)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL')
    await this.end
  }

  get texts(): string {
    return this.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line).text)
      .join(' ')
  }
}
