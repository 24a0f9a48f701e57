import type { Writable } from 'node:stream'
import { asBuffer } from './methods.js'

/** Bytes that wait for the wire before nobody writes more: some messages, so that it never idles, but not many. */
const ENOUGH = 256 * 1024

/** Writes to a call, no faster than the other end reads. */
export class Outbox {
  readonly #call: Writable
  readonly #told: ((bytes: number) => void) | undefined
  #bytes = 0
  #waiting: (() => void)[] = []

  /** @param waiting told how many bytes wait for the wire, when it changes */
  constructor(call: Writable, waiting?: (bytes: number) => void) {
    this.#call = call
    this.#told = waiting
    // Then grpc-js calls back no more.
    call.on('close', () => {
      this.#bytes = 0
      this.#wake()
    })
  }

  /** Returns a promise when the wire has enough for now; it resolves when there is room, or nobody to read. */
  send(message: Uint8Array): void | Promise<void> {
    const call = this.#call
    if (call.destroyed || call.writableEnded) return
    const { length } = message
    this.#bytes += length
    call.write(asBuffer(message), () => {
      this.#bytes -= length
      this.#told?.(this.#bytes)
      if (this.#bytes < ENOUGH) this.#wake()
    })
    this.#told?.(this.#bytes)
    return this.room()
  }

  /** As `send()`, for who writes later. */
  room(): void | Promise<void> {
    if (this.#bytes < ENOUGH || this.#call.destroyed) return
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
