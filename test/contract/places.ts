// Executors behind the ends of a thread's and a process's port, in this process: what is between is what is between real ones, and the functions of the suite
// need not be modules. Real threads and processes have suites of their own, in test/place.
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serialize } from 'node:v8'
import { MessageChannel } from 'node:worker_threads'
import { type Host, hosts, type LinkEvents } from '../../lib/place/host.js'
import { Inside } from '../../lib/place/inside.js'
import type { WorkerSpec } from '../../lib/place/spec.js'

type Channel = { send(bytes: Uint8Array): void; kill(): void }

/** Both ends of a port of messages. */
function port({ receive, end }: LinkEvents, inside: (send: (bytes: Uint8Array) => void, done: () => void) => Inside): Channel {
  const { port1, port2 } = new MessageChannel()
  const kill = (): void => port2.close()
  const there = inside((bytes) => port2.postMessage(bytes, [bytes.buffer as ArrayBuffer]), kill)
  // What was said before comes first.
  port1.on('message', receive).on('close', () => end({ how: 'ended' }))
  port2.on('message', there.receive)
  return { send: (bytes) => port1.postMessage(bytes, [bytes.buffer as ArrayBuffer]), kill }
}

let sockets = 0

/** Both ends of a socket. */
function socket({ receive, end }: LinkEvents, inside: (send: (bytes: Uint8Array) => void, done: () => void) => Inside): Channel {
  const path = join(tmpdir(), `sluice-${process.pid}-${sockets++}`)
  const near = connectLater()
  let far: Socket | undefined
  const there = inside(
    (bytes) => void far!.write(bytes),
    () => void far!.end(),
  )
  const server = createServer((socket) => {
    server.close()
    far = socket.on('data', there.receive).on('error', () => {})
  }).listen(path, () => near.open(path))
  return { send: (bytes) => near.write(bytes), kill: () => near.destroy() }

  function connectLater() {
    let socket: Socket | undefined
    const waiting: Uint8Array[] = []
    return {
      open(path: string) {
        socket = connect(path)
          .on('data', receive)
          .on('error', () => {})
          .on('close', () => end({ how: 'ended' }))
        for (const bytes of waiting) socket.write(bytes)
      },
      write: (bytes: Uint8Array) => void (socket === undefined ? waiting.push(bytes) : socket.write(bytes)),
      destroy: () => void socket!.destroy(),
    }
  }
}

/** What a Flow takes for threads, or for processes. */
function host(kind: 'thread' | 'process', open: typeof port): Host {
  const specs: WorkerSpec[] = []
  return {
    kind,
    takesCode: true,
    write: ({ options, ...spec }) => serialize({ ...spec, options: { at: specs.push({ ...spec, options }) - 1 } }),
    start(_, events) {
      const resolve = async ({ options }: WorkerSpec) => {
        const given = specs[(options as unknown as { at: number }).at]!.options
        return { ...given, uses: given.uses ?? (() => {}) } as any
      }
      return { ...open(events, (send, end) => new Inside({ send, end, resolve })), hold() {} }
    },
  }
}

hosts.thread = host('thread', port)
hosts.process = host('process', socket)
// Those of a daemon are begun as processes, wherever their Flow is.
hosts.daemon = hosts.process
