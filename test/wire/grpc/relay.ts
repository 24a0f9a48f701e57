import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between a client and a server, and can go silent as a cable does that is pulled: nothing passes, nobody is told. */
export async function relay(port: number) {
  const sockets = new Set<Socket>()
  let silent = false
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (data) => {
        if (!silent) to.write(data)
      })
      from.on('error', () => {})
      from.on('close', () => {
        if (!silent) to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`,
    silence() {
      silent = true
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
