import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A process of its own that answers questions, and whose end is a failure. */
export class Child {
  readonly #process: ChildProcess
  #over = false
  /** Rejects when it ends unasked. */
  readonly lives: Promise<never>

  constructor(file: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: ['--import', 'tsx'], env: { ...process.env, ...env } })
    this.lives = new Promise((_, reject) => {
      this.#process.on('exit', (code, signal) => {
        if (!this.#over) reject(new Error(`${file} ended by itself, with ${signal ?? code}`))
      })
    })
    this.lives.catch(() => {})
  }

  /** What it says next. */
  says(): Promise<any> {
    return Promise.race([new Promise((resolve) => this.#process.once('message', resolve)), this.lives])
  }

  ask(): Promise<any> {
    const answer = this.says()
    this.#process.send('?')
    return answer
  }

  /** Tells it a word. */
  tell(word: string): void {
    this.#process.send(word)
  }

  /** Asks it to close, and waits until it is gone. */
  async leave(): Promise<void> {
    this.#over = true
    const gone = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.send('close')
    await gone
  }

  end(): void {
    this.#over = true
    this.#process.kill('SIGKILL')
  }
}
