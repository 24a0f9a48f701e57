import { type ChildProcess, spawn } from 'node:child_process'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { within } from '../support/within.js'
import { quiet } from './python.js'

const here = dirname(fileURLToPath(import.meta.url))
const running = new Set<Script>()
process.on('exit', () => {
  for (const script of running) script.kill()
})

/** A Python script that speaks in lines of JSON, and all the processes it starts. */
export class Script implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #waiting: { resolve(line: any): void; reject(error: Error): void }[] = []
  #errors = ''

  constructor(python: string, file: string, args: unknown = {}, env: Record<string, string> = {}) {
    this.#child = spawn(python, [join(here, file), JSON.stringify(args)], { detached: true, env: quiet(env), stdio: ['pipe', 'pipe', 'pipe'] })
    running.add(this)
    this.#child.stderr!.on('data', (data) => {
      this.#errors = (this.#errors + data).slice(-20_000)
    })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#waiting.shift()?.resolve(JSON.parse(line)))
    this.#child.stdin!.on('error', () => {})
    this.#ended = new Promise<void>((resolve) => {
      this.#child.on('close', (code) => {
        for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${file} ended with ${code}:\n${this.#errors}`))
        resolve()
      })
    })
  }

  /** The next line, after what was said before. */
  line(): Promise<any> {
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) reject(new Error(`It ended:\n${this.#errors}`))
      this.#waiting.push({ resolve, reject })
    })
  }

  /** Says a line, and waits for the answer. */
  ask(line: object): Promise<any> {
    const answer = this.line()
    this.#child.stdin!.write(`${JSON.stringify(line)}\n`)
    return answer
  }

  /** What it said to stderr, its last 20 000 characters. */
  get errors(): string {
    return this.#errors
  }

  kill(): void {
    running.delete(this)
    try {
      process.kill(-this.#child.pid!, 'SIGKILL')
    } catch {
      // They are all gone.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill()
    await this.#ended
  }
}

/** Python's Jina Client. Ask it; `error` in the answer is what it raised. */
export function client(python: string, env?: Record<string, string>): Script {
  return new Script(python, 'client.py', {}, env)
}

export type Protocol = 'grpc' | 'http' | 'websocket'

/** A Flow (or Deployment) of Python's Jina that takes requests, on ports of its own. */
export async function flow(python: string, options: { protocol?: Protocol[]; [key: string]: unknown } = {}, env?: Record<string, string>) {
  const { protocol = ['grpc', 'http', 'websocket'] as Protocol[], ...more } = options
  const secure = 'gateway' in options ? 's' : ''
  const port = await Promise.all(protocol.map(() => freePort()))
  const script = new Script(python, 'flow.py', { protocol, port, host: '127.0.0.1', ...more }, env)
  // Jina asks a gateway with TLS whether it is ready in the clear, and so waits for ever: ask it yourself.
  if (!secure) {
    try {
      await within(30_000, script.line())
    } catch (error) {
      script.kill()
      throw new Error(`The Flow did not start: ${script.errors}`, { cause: error })
    }
  }
  return Object.assign(script, {
    ports: port,
    address: (of: Protocol) => `${of === 'websocket' ? 'ws' : of}${secure}://127.0.0.1:${port[protocol.indexOf(of)]}`,
  })
}

/** One that nobody listens at now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
