import type { WorkerEnd } from './worker-life.js'

// What a Flow and a daemon say to each other. Over HTTP: what is to run (POST /executors/ID, its files behind it, and that these
// were all: it is there from then on), and that it is over. For each replica, a
// WebSocket: its binary messages are what goes to the worker and comes from it, as over the socket of a process of one's own; its texts, as JSON, are of the
// daemon. Both are of one version of sluice, as frames are its own matter.

/** What a Flow wants to run there. */
export interface Wanted {
  /** Of sluice. */
  readonly version: string
  readonly name: string
  /** Milliseconds for which all is kept when nobody is connected. */
  readonly lease: number
  readonly replicas: number
  /** Where its workers run, below the folder that its files are sent to: `''` is that one. */
  readonly folder: string
  /** In bytes: of the heap of a process, or of a container in all. */
  readonly memory?: number | undefined
  /** Of its containers, where it runs in such: `registry.example/ocr:1`. */
  readonly image?: string | undefined
}

/** What it says once all of its files are there. */
export interface Sent {
  readonly files: number
  readonly bytes: number
}

/** What it hears. */
export interface Granted {
  /** The folder that executors may have their workspaces in, there. */
  readonly workspace: string
}

/** With which a worker is begun. */
export interface Begin {
  readonly env: Readonly<Record<string, string>>
  readonly unresponsiveAfter?: number | undefined
}

/** Texts of a Flow. */
export type FlowSays = { readonly begin: Begin } | { readonly kill: string }

/** Texts of a daemon: how a worker ended. Its `cause` is written as errors of workers are. */
export interface DaemonSays {
  readonly ended: WorkerEnd
}

/** Bytes of one message: what is longer goes in pieces, as neither end cares where they part. */
export const PIECE = 1 << 20

/** Milliseconds for which a daemon keeps an executor whose Flow is away, and a Flow waits for its daemon: time for either to be begun anew. */
export const LEASE = 10_000
/** The least and the most: nobody finds out sooner that somebody is gone, and what is kept for longer than a day is not waited for. */
export const LEASES = [100, 86_400_000] as const

export const pathOf = (id: string, ...parts: readonly (string | number)[]): string => ['/executors', id, ...parts.map(encodeURIComponent)].join('/')
