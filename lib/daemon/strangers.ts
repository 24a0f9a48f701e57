import type { Socket } from 'node:net'

/** Connections that have not brought a token yet: of one address, and of all. What a Flow needs is below both. */
const OF_ONE = 64
const OF_ALL = 128

/**
 * Connections of which nobody knows yet who they are. They are bounded, as each takes a file handle, which executors need. Where there are too many, the oldest one of
 * the address that has the most is closed: who has a token brings it at once, and so never waits for those that stay silent.
 */
export class Strangers {
  readonly #ofOne: number
  readonly #ofAll: number
  /** By their address, and port there, the oldest first. */
  readonly #sockets = new Map<string, Map<number, Socket>>()
  #count = 0

  constructor(ofOne: number = OF_ONE, ofAll: number = OF_ALL) {
    this.#ofOne = ofOne
    this.#ofAll = ofAll
  }

  come(socket: Socket): void {
    const { remoteAddress = '' } = socket
    const { remotePort = 0 } = socket
    let near = this.#sockets.get(remoteAddress)
    if (near === undefined) this.#sockets.set(remoteAddress, (near = new Map()))
    // Who hangs up and comes again is here twice for a moment; who has hung up already has no address.
    if (!near.has(remotePort)) this.#count++
    near.set(remotePort, socket)
    socket.once('close', () => this.#sockets.get(remoteAddress)?.get(remotePort) === socket && this.#leave(remoteAddress, remotePort))
    if (near.size > this.#ofOne) this.#close(remoteAddress, near)
    else if (this.#count > this.#ofAll) this.#close(...[...this.#sockets].reduce((most, one) => (one[1].size > most[1].size ? one : most)))
  }

  /** Its token was taken. Of one that speaks TLS, it is known by its address and port. */
  known(socket: Socket): void {
    this.#leave(socket.remoteAddress ?? '', socket.remotePort ?? 0)
  }

  #close(address: string, near: Map<number, Socket>): void {
    for (const [port, oldest] of near) {
      this.#leave(address, port)
      oldest.destroy()
      return
    }
  }

  #leave(address: string, port: number): void {
    const near = this.#sockets.get(address)
    if (near?.delete(port) !== true) return
    this.#count--
    if (near.size === 0) this.#sockets.delete(address)
  }
}
