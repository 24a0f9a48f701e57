import type { ConnectionError } from '../../../base/errors.js'
import { node } from '../../../base/node.js'
import { failure } from '../../outcome.js'
import { lacking, platformCode } from '../../platform-errors.js'
import { eventOf, greet, HELLO, insecureAt, instead, isHttp2, LATE, saidOf, spokenAt } from '../../probe.js'
import type { ClientTls } from '../../tls-options.js'
import type { Place } from './address.js'

/**
 * Why no connection stands: grpc-js says only that none does. Looks for itself: is anybody there, is it who it should be, does it
 * speak HTTP/2?
 * @returns nothing when all is well now
 */
export async function probe(place: Place, timeout: number): Promise<ConnectionError | undefined> {
  const { address, port, tls } = place
  const host = place.at ?? place.host
  const { connect } = await node('net')
  const socket = connect({ host, port, autoSelectFamily: true })
  try {
    await eventOf(socket, 'connect', timeout)
  } catch (cause) {
    socket.destroy()
    const said = `nobody answers there (${saidOf(cause)}). See whether the server runs and the address is right`
    return failure('unreachable', address, lacking(platformCode(cause).code) ?? said, { cause })
  }
  try {
    if (tls !== undefined) return await secured(place, place.at === undefined ? tls : { serverName: place.host, ...tls }, timeout)
    socket.write(HELLO, 'latin1')
    return spokenBy(address, (await eventOf(socket, 'data', timeout)) as Buffer)
  } catch (cause) {
    if (cause === LATE) return undefined
    if ((await spokenAt(host, port, timeout)) === 'TLS') return failure('unimplemented', address, instead('TLS', 'gRPC', 'grpcs'), { cause })
    return failure('disconnected', address, `hung up before it agreed to speak gRPC: ${saidOf(cause)}`, { cause })
  } finally {
    socket.destroy()
  }
}

/** The same with TLS. */
async function secured({ address, host: name, port, at: host = name }: Place, tls: ClientTls, timeout: number): Promise<ConnectionError | undefined> {
  const greeted = await greet(host, port, tls, HELLO, timeout)
  if ('answer' in greeted) return spokenBy(address, greeted.answer)
  const { error } = greeted
  if (error === undefined) return undefined
  const reason = await insecureAt(host, port, tls, HELLO, timeout)
  return failure(reason === undefined ? 'disconnected' : 'tls', address, reason ?? `hung up before it agreed to speak gRPC: ${saidOf(error)}`, { cause: error })
}

function spokenBy(address: string, answer: Uint8Array): ConnectionError | undefined {
  return isHttp2(answer) ? undefined : failure('unimplemented', address, 'who answers there does not speak gRPC. See whether address and protocol are right')
}
