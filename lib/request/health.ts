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
  /** @param addresses whether it may say where executors elsewhere are */
  status(addresses: boolean): readonly ExecutorStatus[]
  /**
   * Ends the wait of all whose requests are inside that came by one entrance: their time is up. What is done for them goes on.
   * @returns how many there were
   */
  cut(reason: Error, entrance: object): number
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
