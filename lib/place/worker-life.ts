import type { Request } from '../request/request.js'
import type { WorkerDescription } from './spec.js'

/** How a worker ended. */
export interface WorkerEnd {
  /** In words, behind "its thread" or "its process": `ended with exit code 7`. */
  readonly how: string
  readonly exitCode?: number | undefined
  readonly signal?: string | undefined
  /** What it threw where nobody caught it. */
  readonly cause?: unknown
  /**
   * Given where its requests have nothing to do with it: `'broken'`, the way to where it ran broke off; `'away'`, nobody was to be found there for as long as one
   * waits for that.
   */
  readonly place?: 'broken' | 'away' | undefined
  /** The end of what it wrote: where it did not open, that may be the only place that says why. */
  readonly log?: string | undefined
}

/** A request that a worker has, or is to have. */
export interface Sent {
  readonly request: Request
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
  /** Its number at the worker that has it now; -1 where none has. */
  call: number
  /** Partial answers that are being handed on, one after the other. */
  parts: Promise<unknown> | undefined
  parted: boolean
}

/** What hears of a worker. */
export interface LifeEvents {
  /** One of its calls was answered, or refused, and is none of its calls any more. */
  answered(sent: Sent): void
  /** It may take more than a moment ago. */
  ready(): void
  /** Once, after all that it said. What is among its calls then was not answered. */
  end(end: WorkerEnd): void
}

/** Begins a worker. */
export type Begin = (events: LifeEvents) => Worker

/** One life of a worker, from its begin to its end: whoever it is, and whatever is spoken with it. */
export interface Worker {
  /** What it has, the oldest first. */
  readonly calls: Iterable<Sent> & { readonly size: number }
  /** Whether it is given more now. What is beyond waits where it can still be taken back. */
  readonly hasRoom: boolean
  /** Makes its executor. @throws what that could not be made for */
  make(): Promise<WorkerDescription>
  /** Opens the executor. @throws what that failed at */
  open(): Promise<unknown>
  /** Closes the executor; then it ends by itself. @throws what that failed at */
  close(): Promise<unknown>
  /** Hands it a request. @throws what that cannot be written for */
  send(sent: Sent): void
  /** Tells one of its calls to stop. */
  abort(sent: Sent, reason: unknown): void
  /** Ends it at once. `end` follows. @param how as {@link WorkerEnd} has it; without it, whatever it ends by */
  kill(how?: string): void
  /** Keeps this process alive, or not. */
  hold(holds: boolean): void
}
