// The gateway of everything.ts in its process, and the executors elsewhere that it has: in this one, behind TLS and a token.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Call, Executor, Flow } from '../../lib/index.js'
import { flags } from './code.js'
import type { Addresses } from './features.js'
import { Folder } from './folder.js'
import { certificates } from './tls.js'
import { within } from './within.js'

const WIRES = ['grpc', 'http', 'websocket'] as const
const TOKEN = 'a-token-of-executors-elsewhere'
const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

class Far extends Executor {
  static requests = { '/pieces': 'pieces', '/default': 'plain' }
  plain({ docs }: Call) {
    for (const doc of docs) {
      if (doc.text === 'bad') throw new Error('bad elsewhere')
      doc.text += '?'
    }
  }
  async *pieces({ docs }: Call) {
    yield docs
  }
}

interface Said {
  readonly event: string
  readonly error: string
}

const isRecord = (said: unknown): said is Said => typeof (said as Said).event === 'string'

export class Whole implements AsyncDisposable {
  private constructor(
    readonly process: ChildProcess,
    readonly addresses: Addresses,
    private readonly far: readonly Flow[],
  ) {}

  /** @param limit of file handles */
  static async start({ limit, watched = false }: { limit?: number; watched?: boolean } = {}): Promise<Whole> {
    const { ca, key, cert } = await certificates()
    const folder = new Folder()
    const flows = await Promise.all(
      WIRES.map((protocol) => new Flow({ protocol, port: 0, tls: { key, cert }, token: TOKEN, onError: () => {} }).add({ uses: Far }).open()),
    )
    const far = Object.fromEntries(WIRES.map((wire, at) => [wire, flows[at]!.addresses[wire]]))
    const remote = { tls: { caFile: folder.file('ca.pem', ca) }, tokenFile: folder.file('token', TOKEN) }
    const told = JSON.stringify({ far, remote, folder: folder.path })
    const args = [...flags, ...(watched ? ['--import', file('./loads.mjs')] : []), file(`./everything${import.meta.url.slice(-3)}`), told]
    const own = limit === undefined ? '' : `ulimit -n ${limit};`
    const child = spawn('sh', ['-c', `${own} exec "$0" "$@"`, process.execPath, ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const [addresses] = await within(20_000, once(child, 'message'))
    return new Whole(child, addresses as Addresses, flows as unknown as Flow[])
  }

  /** Tells it a word, and has its answer. */
  async ask(word: 'full' | 'free' | 'close' | 'loaded'): Promise<unknown> {
    const answer = this.#next((said) => !isRecord(said))
    this.process.send(word)
    return await answer
  }

  /** What its log says from now on. */
  records(): { readonly all: readonly Said[]; until(event: string): Promise<void> } {
    const all: Said[] = []
    this.process.on('message', (said) => isRecord(said) && all.push(said))
    return {
      all,
      until: async (event) => {
        if (!all.some((said) => said.event === event)) await this.#next((said) => isRecord(said) && said.event === event)
      },
    }
  }

  #next(wanted: (said: unknown) => boolean): Promise<unknown> {
    return within(
      20_000,
      new Promise((resolve) => {
        const look = (said: unknown): void => {
          if (!wanted(said)) return
          this.process.off('message', look)
          resolve(said)
        }
        this.process.on('message', look)
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL')
    for (const flow of this.far) await flow.close()
  }
}
