import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A name in front of servers that come and go, as a cluster's service is: each new connection goes to the one that is there now. */
export class Service implements AsyncDisposable {
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer((near) => {
    const far = connect(this.target, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroySoon()
      })
    }
  })

  /** @param target the port that connections go to, until another is said */
  private constructor(public target: number) {}

  static async before(target: number): Promise<Service> {
    const service = new Service(target)
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve))
    return service
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Breaks off all connections there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
