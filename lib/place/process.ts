import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { nextTurn, setTimeout } from '../base/clock.js'
import { node } from '../base/node.js'
import { readError } from '../wire/port/errors.js'
import { startBehind } from './behind.js'
import { loaderFlags, workerFile } from './entry.js'
import { heapOf } from './heap.js'
import { type Host, HUNG_UP, hosts, type Link, TURNED } from './host.js'
import { handOn, Tail } from './output.js'
import { pulse, TURNS } from './watchdog.js'
import { watchWorker } from './watched.js'
import type { WorkerEnd } from './worker-life.js'

/** What a process gets of the environment of this one, beside what it is given. */
const PASSED = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'NODE_EXTRA_CA_CERTS', ...(process.platform === 'win32' ? ['SystemRoot', 'TEMP', 'USERPROFILE'] : [])]

/** Milliseconds in which what a process wrote last comes, once it has ended: longer, only programs that it began hold its pipes. */
const PIPES = 250

/** The way to one that could not be begun. */
const NONE: Link = { send() {}, kill() {}, hold() {} }

/** What a process tells by its last words, on a pipe of its own. */
interface LastWords extends Partial<Pick<WorkerEnd, 'how' | 'exitCode' | 'signal' | 'log'>> {
  readonly error?: Parameters<typeof readError>[0]
}

/** Processes on this machine. */
export async function processes(): Promise<Host> {
  if (hosts.process !== undefined) return hosts.process
  const [{ spawn }, { serialize }, file] = await Promise.all([node('child_process'), node('v8'), workerFile()])
  return {
    kind: 'process',
    write: (spec) => serialize(spec),
    start({ name, shardId, memory, env, inheritEnv, unresponsiveAfter, prefixOutput, folder, container }, { receive, end, drained }) {
      const inherited = inheritEnv
        ? process.env
        : Object.fromEntries(PASSED.flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]]])))
      const flags = [...loaderFlags(), ...(memory === undefined ? [] : limitsOf(memory))]
      const told = JSON.stringify({ sluice: 'process', parent: process.pid, unresponsiveAfter, container })
      let child: ReturnType<typeof spawn>
      try {
        // No shell, and nothing of it is put together from texts.
        child = spawn(process.execPath, [...flags, file, told], {
          stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
          env: { ...inherited, ...env },
          cwd: folder,
          // A group of its own, so that programs that it began end with it.
          detached: process.platform !== 'win32',
        })
      } catch (cause) {
        // Of some reasons node tells by an event, of others, as of a machine without memory, at once.
        nextTurn(() => end({ how: 'could not be started', cause }))
        return NONE
      }
      let failed: Error | undefined
      child.on('error', (error) => {
        failed = error
        if (child.pid === undefined) end({ how: 'could not be started', cause: error })
      })
      // Without a file handle there are no pipes either, and the error comes in the next turn.
      if ((child.stdio as unknown) === undefined) return NONE
      const socket = child.stdio[3] as Socket
      const last = child.stdio[4] as Readable
      let killed: string | undefined
      let words = ''
      // By what it wrote on stderr, the end of V8's memory is known.
      const wrote = { all: new Tail(), errors: new Tail() }
      const prefix = prefixOutput ? `[${name}/${shardId}] ` : undefined
      handOn(child.stdout!, process.stdout, prefix)
      handOn(child.stderr!, process.stderr, prefix)
      child.stdout!.on('data', (bytes: Uint8Array) => wrote.all.keep(bytes))
      child.stderr!.on('data', (bytes: Uint8Array) => {
        wrote.all.keep(bytes)
        wrote.errors.keep(bytes)
      })
      const own = pulse()
      const watched = unresponsiveAfter === undefined ? undefined : watchWorker(own, unresponsiveAfter, (how) => kill(how))
      last.on('data', (bytes: Uint8Array) => {
        const parts = Buffer.from(bytes).toString().split(TURNED)
        own[TURNS]! += parts.length - 1
        words = `${words}${parts.join('')}`.slice(0, 1 << 16)
      })
      last.on('error', () => {})
      socket.on('data', (bytes: Uint8Array) => {
        watched?.came(bytes)
        receive(bytes)
      })
      if (drained !== undefined) socket.on('drain', drained)
      socket.on('error', () => {})
      socket.on('close', () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        // It lives on without its pipe: nobody can speak to it any more. Who ends has closed it before it is gone.
        setTimeout(() => {
          if (child.exitCode !== null || child.signalCode !== null) return
          kill('hung up')
        }, HUNG_UP).unref()
      })
      let over = false
      /** What it said comes first, with all its pipes. */
      const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (over || child.pid === undefined) return
        over = true
        watched?.end()
        for (const pipe of [socket, last, child.stdout!, child.stderr!]) pipe.destroy()
        end(endOf(code, signal, killed, words, wrote, failed))
      }
      child.on('close', ended)
      child.on('exit', (code, signal) => {
        killGroup(child.pid)
        setTimeout(() => ended(code, signal), PIPES)
      })
      const kill = (how?: string): void => {
        killed ??= how
        killGroup(child.pid)
        child.kill('SIGKILL')
      }
      const held = [child, socket, last, child.stdout, child.stderr] as { ref?(): void; unref?(): void }[]
      return {
        pid: child.pid,
        send(bytes) {
          watched?.sent(bytes)
          socket.write(bytes)
        },
        get unsent() {
          return socket.writableLength
        },
        kill,
        pause: (paused) => void (paused ? socket.pause() : socket.resume()),
        hold(holds) {
          for (const one of held) holds ? one.ref?.() : one.unref?.()
        },
      }
    },
  }
}

function limitsOf(memory: number): string[] {
  const { old, half } = heapOf(memory)
  return [`--max-old-space-size=${old}`, `--max-semi-space-size=${half}`]
}

/** Ends a process and all that it began, where there are groups of them. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined || process.platform === 'win32') return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody of it is left.
  }
}

function endOf(
  code: number | null,
  signal: string | null,
  killed: string | undefined,
  words: string,
  { all, errors }: { readonly all: Tail; readonly errors: Tail },
  failed: Error | undefined,
): WorkerEnd {
  const log = all.text
  const at = { exitCode: code ?? undefined, signal: signal ?? undefined, ...(log !== '' && { log }) }
  if (killed !== undefined) return { ...at, how: killed }
  let said: LastWords = {}
  try {
    said = words === '' ? {} : (JSON.parse(words) as LastWords)
  } catch {
    // It ended while it spoke.
  }
  if (said.how !== undefined) return { ...at, ...(said as LastWords & { how: string }) }
  if (/heap out of memory|JavaScript out of memory|Allocation failed/.test(errors.text) && (signal === 'SIGABRT' || signal === 'SIGTRAP' || (code ?? 0) > 128))
    // What V8 writes then takes all of its log.
    return { ...at, how: 'ran out of memory', log: undefined }
  if (said.error !== undefined) return { ...at, how: 'ended by what nobody caught', cause: readError(said.error) }
  if (signal === 'SIGKILL') return { ...at, how: 'was ended by SIGKILL, as by a machine that is out of memory' }
  if (signal !== null) return { ...at, how: `was ended by ${signal}` }
  return { ...at, how: `ended with exit code ${code}`, cause: failed }
}

export const start = startBehind(processes)
