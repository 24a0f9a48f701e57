import type { BreakerStatus } from '../stream/breaker.js'

/** Whether a service is to be sent anything, as all its probes say it. Being busy is not being ill. */
export interface Health {
  readonly ready: boolean
  /** Why not: which executors, and what they suffer from. No addresses. */
  readonly reason?: string | undefined
}

/** What knows how it is, and what it does. */
export interface Healthy {
  /** @param fresh whether those are asked again who were a moment ago */
  health(fresh?: boolean): Health | Promise<Health>
  status(look: Look): readonly ExecutorStatus[]
  /**
   * Ends the wait of all whose requests are inside that came by one entrance: their time is up. What is done for them goes on.
   * @returns how many there were
   */
  cut(reason: Error, entrance: object): number
}

/** How much whoever asks is told. */
export interface Look {
  /** Where executors elsewhere are. */
  readonly addresses: boolean
  /** What executors elsewhere say of themselves, too: they are asked, and what they said last is told. Default: nobody is asked. */
  readonly afar?: boolean | undefined
}

/** What one executor does, as `/status` says it. */
export interface ExecutorStatus {
  readonly name: string
  readonly ready: boolean
  readonly reason?: string | undefined
  /** Given where requests do without it: it says nothing of whether the Flow is ready. */
  readonly optional?: true | undefined
  readonly inFlight: number
  /** Requests that wait for a replica. */
  readonly waiting: number
  /** How often a request was tried again. */
  readonly retried?: number | undefined
  readonly replicas: readonly ReplicaStatus[]
}

export interface ReplicaStatus {
  readonly replica: number
  readonly address?: string | undefined
  readonly state: 'ok' | 'stuck' | 'away'
  readonly inFlight: number
  /** Of these, those that nobody waits for, and that gave their places to others. */
  readonly lingering: number
  readonly answered: number
  readonly failed: number
  /** How long an answer took lately. */
  readonly milliseconds: number
  readonly breaker?: Pick<BreakerStatus, 'state' | 'since' | 'reason'> | undefined
  /** What whoever is there says itself, while somebody looks: one entry for each address behind a name; none, where it was asked and says nothing of itself, as Jina's in Python. */
  readonly said?: readonly SaidStatus[] | undefined
}

/** What a server elsewhere says of itself, for all who ask it. Counts are since it was opened. */
export interface SaidStatus {
  readonly address?: string | undefined
  readonly ready: boolean
  readonly inFlight: number
  readonly waiting: number
  readonly answered: number
  readonly failed: number
  /** Requests that ended there, a second, once it was asked twice. */
  readonly perSecond?: number | undefined
  /** Milliseconds that its last 512 requests took: half were faster, and 99 of 100. */
  readonly p50?: number | undefined
  readonly p99?: number | undefined
}

/** Requests that came by one wire. */
export class RequestCounts {
  inFlight = 0
  answered = 0
  failed = 0
  /** There was too much to do. */
  refused = 0
  late = 0
  /** Who asked left. */
  left = 0
}

export const READY: Health = { ready: true }
