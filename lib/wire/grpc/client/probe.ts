import type { Socket } from 'node:net'
import { clearTimeout, setTimeout } from '../../../base/clock.js'
import type { ConnectionError } from '../../../base/errors.js'
import { node } from '../../../base/node.js'
import { failure } from '../../outcome.js'
import { HELLO, instead, isHttp2, spokenAt } from '../../probe.js'
import type { Place } from './address.js'

/**
 * Why no connection stands: grpc-js says only that none does. Looks for itself: is anybody there, is it who it should be, does it
 * speak HTTP/2?
 * @returns nothing when all is well now
 */
export async function probe(place: Place, timeout: number): Promise<ConnectionError | undefined> {
  const { address, host, port, tls } = place
  const { connect } = await node('net')
  const tcp = connect({ host, port, autoSelectFamily: true })
  let socket: Socket = tcp
  try {
    await event(tcp, 'connect', timeout)
  } catch (cause) {
    tcp.destroy()
    return failure('unreachable', address, `nobody answers there (${textOf(cause)}). See whether the server runs and the address is right`, {
      cause,
    })
  }
  try {
    if (tls !== undefined) {
      const secure = await node('tls')
      const { isIP } = await node('net')
      const servername = tls.serverName ?? (isIP(host) ? undefined : host)
      const given = { ca: tls.ca, key: tls.key, cert: tls.cert, servername } as Record<string, unknown>
      for (const [name, value] of Object.entries(given)) given[name] = value instanceof Uint8Array ? Buffer.from(value) : value
      socket = secure.connect({
        socket: tcp,
        host,
        ALPNProtocols: ['h2'],
        ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
      })
      await event(socket, 'secureConnect', timeout)
    }
    socket.write(HELLO, 'latin1')
    const answer = (await event(socket, 'data', timeout)) as Buffer
    if (isHttp2(answer)) return undefined
    return failure('unimplemented', address, 'who answers there does not speak gRPC. See whether address and protocol are right')
  } catch (cause) {
    if (cause === LATE) return undefined
    // With TLS 1.3, a server that wants a certificate says so only after its handshake.
    if (tls !== undefined)
      return failure('tls', address, `no secure connection: ${textOf(cause)}. See its certificate, and tls.ca, tls.cert and tls.serverName here`, { cause })
    if ((await spokenAt(host, port, timeout)) === 'TLS') return failure('unimplemented', address, instead('TLS', 'gRPC', 'grpcs'), { cause })
    return failure('disconnected', address, `hung up before it agreed to speak gRPC: ${textOf(cause)}`, { cause })
  } finally {
    socket.destroy()
    tcp.destroy()
  }
}

const LATE = new Error('no answer in time')

/** Waits for an event of a socket. */
function event(socket: Socket, name: string, timeout: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(LATE), timeout)
    const settle = (settled: (value: any) => void) => (value: unknown) => {
      clearTimeout(timer)
      settled(value)
    }
    socket.once(name, settle(resolve))
    // For good: an error that comes later must have a listener too.
    socket.on('error', settle(reject))
    socket.once('close', () => settle(reject)(new Error('the connection was closed')))
  })
}

function textOf(cause: unknown): string {
  const { message, code, errors } = cause as { message?: string; code?: string; errors?: Error[] }
  return message || errors?.map(({ message }) => message).join(', ') || code || 'no reason given'
}
