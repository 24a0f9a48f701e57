// Executors of the contract in real containers: what begins, asks, watches, stops and removes them is what does so for everybody, and the engine, its network and its ends are real. What
// cannot be is the code in them, as it is functions of the suite: relay.mjs hands it what comes.
import { mkdirSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import type { Step, Way } from '../contract/way.js'
import { flowTo } from '../contract/ways.js'
import { Folder } from '../support/folder.js'

const quiet = { onError: () => {} }
const folder = new Folder()
let relays = 0

/** A Flow whose executors run in a container each. */
export function container(image: string): Way {
  return {
    name: 'container',
    kind: 'place',
    async open(steps) {
      const all = await Promise.all(steps.map(relay))
      const near = steps.map((step, at) => ({ ...step, ...all[at]!.told, uses: image }))
      const end = () => Promise.all(all.map(({ end }) => end()))
      // Until a busy engine has stopped one, it takes a while.
      return flowTo(near, end, undefined, 60_000)
    },
  }
}

/** Where containers of an executor find what it does. */
async function relay({ uses }: Step) {
  const own = folder.file(`${relays++}`)
  mkdirSync(own)
  const ends = new Set<() => Promise<unknown>>()

  /** Serves the executor of one container, as `sluice executor` does. */
  async function begin(door: Socket, argv: readonly string[], env: Readonly<Record<string, string>>): Promise<void> {
    // It says nothing else.
    const asked = new Promise((resolve) => door.once('data', resolve))
    const told = (flag: string): string | undefined => (argv.includes(flag) ? argv[argv.indexOf(flag) + 1] : undefined)
    const names = JSON.parse(env['SLUICE_ENV'] ?? '[]') as string[]
    const usesWith = told('--uses-with')
    const more = {
      ...(names.length > 0 && { env: Object.fromEntries(names.map((name) => [name, env[name]])) }),
      ...(usesWith !== undefined && { usesWith: JSON.parse(usesWith) }),
    }
    const name = told('--name')!
    const flow: Flow<any> = new Flow<any>({ name, closeTimeout: 500, onBackgroundError: () => {} }).add({ name, uses, ...more } as any)
    const say = (what: object): unknown => door.write(`${JSON.stringify(what)}\n`)
    try {
      await flow.open()
      const gateway = await Gateway.serve(flow, { ...quiet, protocol: 'grpc' })
      const end = async (grace?: number): Promise<void> => {
        ends.delete(end)
        await gateway.close(grace)
        await flow.close()
      }
      ends.add(end)
      door.on('close', () => ends.has(end) && void end(0))
      void asked.then(() => end()).then(() => say({ closed: true }))
      say({ at: Number(new URL(gateway.addresses.grpc!).port) })
    } catch (error) {
      say({ failed: String((error as Error).stack) })
    }
  }

  const server = createServer((socket) => {
    let said = Buffer.alloc(0)
    socket.on('error', () => {})
    const first = (bytes: Buffer): void => {
      said = Buffer.concat([said, bytes])
      const at = said.indexOf('\n')
      if (at < 0) return
      socket.off('data', first)
      const told = JSON.parse(said.subarray(0, at).toString())
      if (told.at === undefined) return void begin(socket, told.argv, told.env)
      const far = connect(told.at, '127.0.0.1')
      far.write(said.subarray(at + 1))
      for (const [one, other] of [
        [socket, far],
        [far, socket],
      ] as const)
        one.on('error', () => other.destroy()).on('close', () => other.destroy())
      socket.pipe(far).pipe(socket)
    }
    socket.on('data', first)
  })
  await new Promise<void>((resolve) => server.listen(`${own}/socket`, resolve))
  return {
    told: { entrypoint: ['node', '/app/relay.mjs'], volumes: `${own}:/relay` },
    async end() {
      server.close()
      await Promise.all([...ends].map((end) => end()))
    },
  }
}
