import type { WorkerSpec } from './spec.js'
import type { WorkerEnd } from './worker-life.js'

/** Milliseconds that a worker has to end once it has hung up: who ends closes its end before it is gone, and takes its time on a busy machine. */
export const HUNG_UP = 1000

/** What a process says beside frames where its event loop turns: no JSON has it, in which its last words are. */
export const TURNED = '\n'

/** What hears of what a worker says. */
export interface LinkEvents {
  /** Bytes of frames, in pieces of any size. */
  receive(bytes: Uint8Array): void
  /** All that was sent to it has gone, after more waited than goes at once. */
  drained?(): void
  /** Once, after all that it said. */
  end(end: WorkerEnd): void
}

/** The way to a worker that was begun. */
export interface Link {
  /** Sends bytes of frames, which have memory of their own. */
  send(bytes: Uint8Array): void
  /** Ends it at once. `end` follows. @param how as {@link WorkerEnd} has it; without it, whatever it ends by */
  kill(how?: string): void
  /** Keeps this process alive, or not. */
  hold(holds: boolean): void
  /** Reads what it says no further, and goes on: it waits then, once its pipe is full. Where there is none, it is read at once. */
  pause?(paused: boolean): void
  /** Bytes that were sent, and wait here as it takes no more. Where nothing says so, it takes all. */
  readonly unsent?: number
  /** Of its process, where it is one of this machine. */
  readonly pid?: number | undefined
  /** Resolves when it was begun, where that may wait for somebody. Where there is none, it was at once. */
  readonly begun?: Promise<unknown> | undefined
}

/** What a worker may begin a container with. */
export interface ContainerBound {
  readonly image: string
  /** In bytes, at most. */
  readonly memory?: number | undefined
  readonly labels: Readonly<Record<string, string>>
}

/** What holds for the workers of an executor. */
export interface WorkerSettings {
  readonly name: string
  readonly shardId: number
  /** In bytes. */
  readonly memory: number | undefined
  readonly env: Readonly<Record<string, string>>
  readonly inheritEnv: boolean
  /** Milliseconds. */
  readonly unresponsiveAfter: number | undefined
  /** Milliseconds in which it makes and opens its executor, for who speaks with it. Where none are given, that is bounded elsewhere. */
  readonly readyTimeout?: number | undefined
  readonly prefixOutput: boolean
  /** Of a process that begins a container, and runs nothing itself: what whoever begins it says of that, over what it is told to make. */
  readonly container?: ContainerBound | undefined
  /** Where a process runs. Default: where this one does. */
  readonly folder?: string | undefined
}

/** A kind of place: where workers are begun. */
export interface Host {
  /** What a worker is called in messages: `thread`, `process`. */
  readonly kind: string
  start(settings: WorkerSettings, events: LinkEvents): Link
  /** The bytes by which a worker makes its executor. */
  write(spec: WorkerSpec): Uint8Array
  /** Whether it takes a class or function as it is: there is no wall, in tests. */
  readonly takesCode?: boolean | undefined
}

/** What stands in the place of real threads and processes, where a test says so; and how a worker at a daemon is told what it makes. */
export const hosts: { thread?: Host; process?: Host; daemon?: Pick<Host, 'write' | 'takesCode'> } = {}
