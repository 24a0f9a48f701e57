import type { ConnectionError } from '../../../base/errors.js'
import type { TlsNow } from '../../tls-options.js'

/** What a socket tells. */
export interface Listener {
  open(): void
  message(data: Uint8Array | string): void
  /** Once, whatever happened. */
  closed(error: ConnectionError): void
}

/** A socket to a server, on whatever platform. */
export interface Line {
  send(data: string | Uint8Array): void
  /** @returns a promise if much waits to be sent, which resolves when it does not any more */
  room(): Promise<void> | undefined
  /** Stops and goes on reading, where the platform can. */
  pause(paused: boolean): void
  /** Whether it keeps the process alive, where there is one. */
  hold(alive: boolean): void
  /** Says goodbye. */
  close(): void
  /** Leaves at once. */
  destroy(): void
}

export interface LineOptions {
  /** As errors name it. */
  readonly address: string
  readonly protocol: 'bytes' | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly tlsNow: TlsNow
  readonly compression: boolean
  readonly maxMessageBytes: number
  readonly keepalive: number
  readonly connectTimeout: number
  /** Which address behind the name of the URL, where the platform can be told. */
  readonly at?: string | undefined
}

/** Bytes that may wait to be sent before those that make more have to. */
export const MARK = 1024 * 1024
