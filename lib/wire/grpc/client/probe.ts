import type { Socket } from 'node:net'
import { clearTimeout, setTimeout } from '../../../base/clock.js'
import type { ConnectionError } from '../../../base/errors.js'
import { node } from '../../../base/node.js'
import { failure } from '../../outcome.js'
import { greet, HELLO, insecureAt, instead, isHttp2, spokenAt } from '../../probe.js'
import type { ClientTls } from '../../tls.js'
import type { Place } from './address.js'

/**
 * Why no connection stands: grpc-js says only that none does. Looks for itself: is anybody there, is it who it should be, does it
 * speak HTTP/2?
 * @returns nothing when all is well now
 */
export async function probe(place: Place, timeout: number): Promise<ConnectionError | undefined> {
  const { address, host, port, tls } = place
  const { connect } = await node('net')
  const socket = connect({ host, port, autoSelectFamily: true })
  try {
    await event(socket, 'connect', timeout)
  } catch (cause) {
    socket.destroy()
    return failure('unreachable', address, `nobody answers there (${textOf(cause)}). See whether the server runs and the address is right`, {
      cause,
    })
  }
  try {
    if (tls !== undefined) return await secured(place, tls, timeout)
    socket.write(HELLO, 'latin1')
    return spokenBy(address, (await event(socket, 'data', timeout)) as Buffer)
  } catch (cause) {
    if (cause === LATE) return undefined
    if ((await spokenAt(host, port, timeout)) === 'TLS') return failure('unimplemented', address, instead('TLS', 'gRPC', 'grpcs'), { cause })
    return failure('disconnected', address, `hung up before it agreed to speak gRPC: ${textOf(cause)}`, { cause })
  } finally {
    socket.destroy()
  }
}

/** The same with TLS. */
async function secured({ address, host, port }: Place, tls: ClientTls, timeout: number): Promise<ConnectionError | undefined> {
  const greeted = await greet(host, port, tls, HELLO, timeout)
  if ('answer' in greeted) return spokenBy(address, greeted.answer)
  const { error } = greeted
  if (error === undefined) return undefined
  const reason = await insecureAt(host, port, tls, HELLO, timeout)
  return failure(reason === undefined ? 'disconnected' : 'tls', address, reason ?? `hung up before it agreed to speak gRPC: ${textOf(error)}`, { cause: error })
}

function spokenBy(address: string, answer: Uint8Array): ConnectionError | undefined {
  return isHttp2(answer) ? undefined : failure('unimplemented', address, 'who answers there does not speak gRPC. See whether address and protocol are right')
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
