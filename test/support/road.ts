import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export interface Road {
  /** Milliseconds that each byte is on its way. */
  readonly latency?: number
  /** The most bytes that come in one piece. */
  readonly slice?: number
  /** Bytes in a second, each way. */
  readonly rate?: number
}

/** Milliseconds between pieces of a narrow road. */
const BEAT = 20
const FIRST = 8

/** Stands between a client and a server, and is as bad as a network may be; nothing is lost or changed on it. */
export async function road(port: number, { latency = 0, slice = Infinity, rate = Infinity }: Road = {}) {
  const sockets = new Set<Socket>()
  let connections = 0
  let frozen = false
  const size = Math.min(slice, rate === Infinity ? Infinity : Math.max(1, Math.floor((rate * BEAT) / 1000)))
  const carry = async (from: Socket, to: Socket): Promise<void> => {
    // Bytes leave in their order, each so long after it came.
    let pieces = 0
    let last: Promise<unknown> = Promise.resolve()
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (frozen) continue
      const due = Date.now() + latency
      last = last.then(async () => {
        const wait = due - Date.now()
        if (wait > 0) await pause(wait)
        for (let at = 0; at < chunk.length && !to.destroyed; at += size) {
          to.write(chunk.subarray(at, Math.min(chunk.length, at + size)))
          if (rate !== Infinity) await pause(BEAT)
          // The first are far enough apart to be read one by one, whatever else happens meanwhile.
          else if (slice !== Infinity) await (pieces++ < FIRST ? pause(BEAT) : new Promise((resolve) => setImmediate(resolve)))
        }
      })
      if (rate !== Infinity) await last
    }
    await last
    if (!frozen) to.end()
  }
  const server = createServer({ allowHalfOpen: true }, (near) => {
    connections++
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const stands = once(far, 'connect')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true)
      from.on('error', () => {})
      from.on('close', () => void sockets.delete(from))
      // What is written before the road stands would go in one piece. A connection that breaks off breaks off on the other side too.
      stands.then(() => carry(from, to)).catch(() => to.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    /** Breaks off all connections, as when a machine is switched off that can still say so. */
    drop() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    /** Nothing arrives any more, and nobody is told: as when a cable is pulled. */
    freeze() {
      frozen = true
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
