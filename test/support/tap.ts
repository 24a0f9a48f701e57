import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between a client and a server on loopback, keeps what the client sends, and counts what it receives. */
export async function tap(port: number) {
  const sockets = new Set<Socket>()
  const chunks: Buffer[] = []
  let connections = 0
  let received = 0
  const server = createServer((near) => {
    connections++
    const far = connect({ port, host: '127.0.0.1' })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => to.destroy())
      from.pipe(to)
    }
    near.on('data', (chunk: Buffer) => void chunks.push(chunk))
    far.on('data', ({ length }: Buffer) => {
      received += length
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    /** Bytes that came from the server so far. */
    get received() {
      return received
    },
    /** What was sent so far, a character for each byte. */
    get sent() {
      return Buffer.concat(chunks).toString('latin1')
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
