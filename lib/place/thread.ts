import { setTimeout } from '../base/clock.js'
import { say } from '../base/errors.js'
import { node } from '../base/node.js'
import { startBehind } from './behind.js'
import { loaderFlags, threadEntry } from './entry.js'
import { heapOf } from './heap.js'
import { type Host, HUNG_UP, hosts } from './host.js'
import { Tail } from './output.js'
import { pulse } from './watchdog.js'
import { watchWorker } from './watched.js'
import type { WorkerEnd } from './worker-life.js'

/** Milliseconds in which what a thread said last comes, once it has ended. */
const PORT = 250

/** Threads of this process. */
export async function threads(): Promise<Host> {
  if (hosts.thread !== undefined) return hosts.thread
  const [{ Worker, MessageChannel }, { serialize }, { code, eval: isCode, register }] = await Promise.all([node('worker_threads'), node('v8'), threadEntry()])
  return {
    kind: 'thread',
    write: (spec) => serialize(spec),
    start({ name, shardId, memory, env, unresponsiveAfter, prefixOutput }, { receive, end }) {
      const { port1: port, port2 } = new MessageChannel()
      const beat = unresponsiveAfter === undefined ? undefined : pulse()
      const watched = beat && watchWorker(beat, unresponsiveAfter!, (how) => kill(how))
      let killed: string | undefined
      let thrown: unknown
      let exit: number | undefined
      let ports = 1
      let over = false
      const wrote = new Tail()
      /** Both: what it said before it ended comes first. */
      const ended = (): void => {
        if (over || exit === undefined || ports > 0) return
        over = true
        watched?.end()
        end(endOf(exit, killed, thrown, wrote.text))
      }
      port.on('message', (pieces: Uint8Array) => {
        watched?.came(pieces)
        receive(pieces)
      })
      port.on('close', () => {
        ports = 0
        ended()
        if (exit !== undefined) return
        // It lives on without its port: nobody can speak to it any more. Who ends closes it before it is gone.
        setTimeout(() => {
          if (exit !== undefined) return
          killed ??= 'hung up'
          void worker?.terminate()
        }, HUNG_UP).unref?.()
      })
      let worker: InstanceType<typeof Worker> | undefined
      try {
        worker = new Worker(code, {
          eval: isCode,
          name: `${name}/${shardId}`,
          workerData: { sluice: 'thread', register, ...(prefixOutput && { prefix: `[${name}/${shardId}] ` }), port: port2, pulse: beat, unresponsiveAfter },
          transferList: [port2],
          env: { ...process.env, ...env },
          execArgv: loaderFlags(),
          ...(memory !== undefined && { resourceLimits: limitsOf(memory) }),
        })
      } catch (error) {
        thrown = error
        exit = 1
        killed = `could not be started: ${say(error)}`
        port.close()
        return { send() {}, kill() {}, hold() {} }
      }
      // Node hands it on by itself, and so it keeps no process alive.
      for (const output of [worker.stdout, worker.stderr] as (typeof worker.stdout | null | undefined)[])
        output?.on('data', (bytes: Uint8Array) => wrote.keep(bytes))
      worker.on('error', (error) => (thrown = error))
      worker.on('exit', (code) => {
        exit = code
        ended()
        // Deno leaves the port of one that was terminated open.
        setTimeout(() => port.close(), PORT)
      })
      const kill = (how?: string): void => {
        killed ??= how
        void worker!.terminate()
      }
      return {
        send(bytes) {
          watched?.sent(bytes)
          port.postMessage(bytes, [bytes.buffer as ArrayBuffer])
        },
        kill,
        hold(holds) {
          if (holds) {
            port.ref()
            worker!.ref()
          } else {
            port.unref()
            worker!.unref()
          }
        },
      }
    },
  }
}

function limitsOf(memory: number): import('node:worker_threads').ResourceLimits {
  const { old, young } = heapOf(memory)
  return { maxOldGenerationSizeMb: old, maxYoungGenerationSizeMb: young }
}

function endOf(exitCode: number, killed: string | undefined, thrown: unknown, wrote: string): WorkerEnd {
  const log = wrote === '' ? {} : { log: wrote }
  if ((thrown as { code?: unknown } | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY') return { how: 'ran out of memory', exitCode }
  if (killed !== undefined) return { how: killed, ...log }
  if (thrown !== undefined) return { how: 'ended by what nobody caught', exitCode, cause: thrown }
  return { how: `ended with exit code ${exitCode}`, exitCode, ...log }
}

export const start = startBehind(threads)
