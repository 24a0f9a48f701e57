// What runs in a thread or process of an executor, in the thread that watches over a process, and in the process that removes containers.

import { importHere, node } from '../base/node.js'
import { runsOn } from '../base/runs-on.js'
import { type ContainerBound, LAST_WORDS } from './host.js'

interface Told {
  /** A module whose `register()` makes TypeScript readable. */
  readonly register?: string | undefined
  /** Stands before each line of output. */
  readonly prefix?: string
  readonly sluice?: 'thread' | 'process' | 'watchdog' | 'keeper'
  readonly port?: import('node:worker_threads').MessagePort
  readonly pulse?: Int32Array
  readonly unresponsiveAfter?: number
  /** Of the container that this process begins. */
  readonly container?: ContainerBound
  /** The process that began this one. */
  readonly parent?: number
}

const threads = await node('worker_threads')
const told = (threads.workerData ?? JSON.parse(process.argv[2] ?? '{}')) as Told

if (told.sluice === 'watchdog') await watchOver(told)
else if (told.sluice === 'thread') await inThread(told)
else if (told.sluice === 'process') await inProcess(told)
else if (told.sluice === 'keeper') await (await import('./keeper.js')).keepWatch(told as never)

async function inThread({ port, pulse, unresponsiveAfter, register, prefix }: Told): Promise<void> {
  if (prefix !== undefined) {
    const { prefixOutput } = await import('./output.js')
    prefixOutput(process.stdout, prefix)
    prefixOutput(process.stderr, prefix)
  }
  if (register !== undefined) ((await importHere(register)) as { register(): void }).register()
  const [{ Inside }, { beat, REQUESTS }] = await Promise.all([import('./inside.js'), import('./watchdog.js')])
  if (pulse !== undefined) beat(pulse, unresponsiveAfter!)
  const inside = new Inside({
    send: (bytes) => port!.postMessage(bytes, [bytes.buffer as ArrayBuffer]),
    busy: (requests) => pulse && void Atomics.store(pulse, REQUESTS, requests),
    // What it said is on its way.
    end: () => process.exit(0),
  })
  port!.on('message', (bytes: Uint8Array) => inside.receive(bytes))
}

async function inProcess({ parent, unresponsiveAfter, container }: Told): Promise<void> {
  const [{ connect, Socket }, { writeSync }, { Inside }, { beat, pulse, REQUESTS }, { writeError }] = await Promise.all([
    node('net'),
    node('fs'),
    import('./inside.js'),
    import('./watchdog.js'),
    import('../wire/port/errors.js'),
  ])
  const own = unresponsiveAfter === undefined ? undefined : pulse()
  if (own !== undefined) beat(own, unresponsiveAfter!)
  // A thread of its own: whatever this one computes, it ends with the process that began it.
  const { code, eval: isCode } = await (await import('./entry.js')).threadEntry()
  new threads.Worker(code, {
    eval: isCode,
    workerData: { sluice: 'watchdog', parent, pulse: own, unresponsiveAfter },
    stdin: false,
  })
    .on('error', () => {})
    .unref()
  // A terminal and a service manager tell all processes at once: this one ends when its Flow does.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  process.on('uncaughtExceptionMonitor', (error) => {
    try {
      writeSync(4, JSON.stringify({ error: writeError(error) }))
    } catch {
      // Nobody listens any more.
    }
  })
  // Bun takes a socket that is there already by connect() alone.
  const socket = runsOn === 'bun' ? connect({ fd: 3 } as never) : new Socket({ fd: 3, readable: true, writable: true })
  // What it has written goes before: a process that exits takes along what nobody has read yet.
  const end = (code = 0): void => void socket.end(() => process.stdout.write('', () => process.stderr.write('', () => process.exit(code))))
  const inside = new Inside({
    send: (bytes) => void socket.write(bytes),
    busy: (requests) => own && void Atomics.store(own, REQUESTS, requests),
    end,
    container,
    ended(words) {
      try {
        writeSync(4, JSON.stringify(words))
      } finally {
        end(1)
      }
    },
  })
  socket.on('data', (bytes) => inside.receive(bytes))
  socket.on('error', () => {})
  // The Flow is gone. Of one that was asked to end, this side is closed already.
  socket.on('close', () => socket.writableEnded || process.exit(0))
}

async function watchOver({ parent, pulse, unresponsiveAfter }: Told): Promise<void> {
  const [{ watch, watchParent }, { writeSync }] = await Promise.all([import('./watchdog.js'), node('fs')])
  const kill = (): void => void process.kill(process.pid, 'SIGKILL')
  watchParent(parent!, kill)
  if (pulse === undefined) return
  watch(pulse, unresponsiveAfter!, () => {
    const how = `said nothing for ${unresponsiveAfter} ms while it had requests (unresponsiveAfter)`
    try {
      writeSync(4, JSON.stringify({ how }))
    } catch {
      // A thread of Deno has none of the pipes of its process but these.
      console.error(`${LAST_WORDS}${how}`)
    } finally {
      kill()
    }
  })
}
