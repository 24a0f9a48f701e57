// What runs in a thread or process of an executor, in the thread that watches over a process, and in the process that removes containers.

import { importHere, node } from '../base/node.js'
import { runsOn } from '../base/runs-on.js'
import { type ContainerBound, TURNED } from './host.js'

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
  const [{ Inside }, { beat, TURNS }] = await Promise.all([import('./inside.js'), import('./watchdog.js')])
  if (pulse !== undefined) beat(unresponsiveAfter!, () => void Atomics.add(pulse, TURNS, 1))
  const inside = new Inside({
    send: (bytes) => port!.postMessage(bytes, [bytes.buffer as ArrayBuffer]),
    // What it said is on its way.
    end: () => process.exit(0),
  })
  port!.on('message', (bytes: Uint8Array) => inside.receive(bytes))
}

async function inProcess({ parent, unresponsiveAfter, container }: Told): Promise<void> {
  const [{ connect, Socket }, { Inside }, { beat, pulse, TURNS }, { writeError }] = await Promise.all([
    node('net'),
    import('./inside.js'),
    import('./watchdog.js'),
    import('../wire/port/errors.js'),
  ])
  const say = await lastWords()
  // A thread of Deno has none of the pipes of its process: there, this one says itself that it runs.
  const own = unresponsiveAfter === undefined || runsOn === 'deno' ? undefined : pulse()
  if (unresponsiveAfter !== undefined) beat(unresponsiveAfter, own === undefined ? () => say(TURNED) : () => void Atomics.add(own, TURNS, 1))
  // A thread of its own: whatever this one computes, it ends with the process that began it.
  const { code, eval: isCode } = await (await import('./entry.js')).threadEntry()
  const watchdog = new threads.Worker(code, {
    eval: isCode,
    workerData: { sluice: 'watchdog', parent, pulse: own, unresponsiveAfter },
    stdin: false,
  }).on('error', () => {})
  // Whoever takes requests is watched already.
  if (own !== undefined) await new Promise((resolve) => watchdog.once('message', resolve).once('exit', resolve))
  watchdog.unref()
  // A terminal and a service manager tell all processes at once: this one ends when its Flow does.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  process.on('uncaughtExceptionMonitor', (error) => {
    say(JSON.stringify({ error: writeError(error) }))
  })
  // Bun takes a socket that is there already by connect() alone.
  const socket = runsOn === 'bun' ? connect({ fd: 3 } as never) : new Socket({ fd: 3, readable: true, writable: true })
  // What it has written goes before: a process that exits takes along what nobody has read yet.
  const end = (code = 0): void => void socket.end(() => process.stdout.write('', () => process.stderr.write('', () => process.exit(code))))
  const inside = new Inside({
    send: (bytes) => void socket.write(bytes),
    end,
    container,
    ended(words) {
      say(JSON.stringify(words))
      end(1)
    },
  })
  socket.on('data', (bytes) => inside.receive(bytes))
  socket.on('error', () => {})
  socket.on('close', () => {
    // Of one that was asked to end, this side is closed already.
    if (socket.writableEnded) return
    // The Flow is gone. What is to be done at the end of this process comes first.
    process.on('exit', endAll)
    process.exit(0)
  })
}

/** Ends this process, and the programs that it began: they are of its group, where there are groups. */
function endAll(): void {
  try {
    process.kill(-process.pid, 'SIGKILL')
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}

async function watchOver({ parent, pulse, unresponsiveAfter }: Told): Promise<void> {
  const [{ relay, watchParent }, say] = await Promise.all([import('./watchdog.js'), lastWords()])
  watchParent(parent!, endAll)
  if (pulse === undefined) return
  relay(pulse, unresponsiveAfter!, () => say(TURNED))
  threads.parentPort!.postMessage('watches')
}

/** Speaks on the pipe that is for what comes beside frames: where the event loop stands still, too. */
async function lastWords(): Promise<(text: string) => void> {
  const { writeSync } = await node('fs')
  return (text) => {
    try {
      writeSync(4, text)
    } catch {
      // Nobody listens any more.
    }
  }
}
