import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { clearTimeout, now, setTimeout } from '../../base/clock.js'
import { ConnectionError, isError, SluiceError, say } from '../../base/errors.js'
import { node } from '../../base/node.js'
import { failure } from '../outcome.js'
import { isHungUp, kindOfPlatform, lacking, platformCode } from '../platform-errors.js'
import { eventOf, instead, LATE, saidOf, spokenAt, spokenHere } from '../probe.js'
import { secureTo } from '../tls.js'
import { insecure } from '../tls-failures.js'
import type { ClientTls } from '../tls-options.js'
import type { LinkSettings } from './options.js'

/** Milliseconds in which a server of NATS says its first word: others wait for ours. */
const FIRST = 500
/** How that begins, and characters that it has at most: a server of a large cluster tells of all others. */
const WORD = 'INFO {'
const LONGEST = 1 << 20

/** What a server of NATS says first. */
interface Info {
  readonly tls_required?: boolean
  readonly tls_available?: boolean
  readonly auth_required?: boolean
}

export interface Greeting {
  readonly info?: Info
  /** Whether TLS comes before any word. */
  readonly first: boolean
}

/**
 * Whether a server of NATS is there, by its first word.
 * @param within milliseconds
 * @throws ConnectionError that says who is there instead, or that nobody is
 */
export async function greeting({ address, host, port, tls }: LinkSettings, within: number): Promise<Greeting> {
  const start = now()
  const { connect } = await node('net')
  const socket = connect({ host, port, autoSelectFamily: true })
  try {
    await eventOf(socket, 'connect', within)
    const said = await firstLine(socket, Math.max(1, within - (now() - start)))
    if (said !== '') return greeted(address, tls, said)
  } catch (cause) {
    throw absent(address, cause, within)
  } finally {
    socket.destroy()
  }
  const left = Math.max(1, within - (now() - start))
  const spoken = await spokenHere(host, port, Math.min(left, 1000))
  if (spoken === 'HTTP/1') throw failure('unimplemented', address, 'who answers there speaks HTTP, and no NATS. See whether port and protocol are right')
  const other = await spokenAt(host, port, Math.min(left, 1000))
  if (other === 'TLS' && tls !== undefined) return { first: true }
  if (other !== undefined) throw failure('unimplemented', address, instead(other, 'NATS', 'natss'))
  throw failure('unreachable', address, `nobody said a word there within ${within} ms. See whether a server of NATS runs there`)
}

/**
 * What somebody says first: its line, which may come in pieces, or as much as shows that it is none of NATS.
 * @returns nothing where nothing is said for a while
 */
function firstLine(socket: Socket, within: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const late = (): void => (said === '' ? resolve('') : reject(LATE))
    let timer = setTimeout(late, Math.min(FIRST, within))
    const hear = (data: Buffer): void => {
      if (said === '') {
        clearTimeout(timer)
        timer = setTimeout(late, within)
      }
      said += data.toString('latin1')
      if (said.length < LONGEST && !said.includes('\n') && (said.startsWith(WORD) || WORD.startsWith(said))) return
      clearTimeout(timer)
      resolve(said)
    }
    const end = (error: unknown): void => {
      clearTimeout(timer)
      reject(error)
    }
    socket.on('data', hear).once('error', end)
    socket.once('close', () => end(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })))
  })
}

function greeted(address: string, tls: ClientTls | undefined, said: string): Greeting {
  const [, text] = /^INFO (\{.*\})\s*\r?\n/.exec(said) ?? []
  if (text === undefined) throw failure('unimplemented', address, 'who answers there does not speak NATS. See whether address and protocol are right')
  const info = JSON.parse(text) as Info
  if (info.tls_required && tls === undefined) throw failure('unimplemented', address, instead('TLS', 'NATS', 'natss'))
  if (!info.tls_required && !info.tls_available && tls !== undefined)
    throw failure('tls', address, 'the server of NATS there speaks no TLS. Write nats://, or have it speak TLS')
  return { info, first: false }
}

function absent(address: string, cause: unknown, within: number): unknown {
  if (cause instanceof ConnectionError) return cause
  if (cause === LATE) return failure('unreachable', address, `no connection within ${within} ms`)
  const { code } = platformCode(cause)
  const kind = kindOfPlatform(code, false)
  if (kind === 'unreachable') return failure('unreachable', address, lacking(code) ?? `nobody answers there: ${saidOf(cause)}`, { cause })
  return failure('disconnected', address, `hung up before it said a word: ${saidOf(cause)}`, { cause })
}

/** Why a connection does not stand. */
export async function whyNot({ address, host, port }: LinkSettings, tls: ClientTls | undefined, error: unknown, within: number): Promise<unknown> {
  if (error instanceof SluiceError) return error
  const name = isError(error) ? error.name : ''
  const said = say(error)
  if (name === 'AuthorizationError' || /authorization|authentication|permissions|user jwt|nkey/i.test(said))
    return failure('unauthenticated', address, `the server of NATS does not let in who connects: ${said}. Give what it wants, by the option nats`, {
      cause: error,
    })
  if (tls !== undefined) {
    const reason = await insecureThere(host, port, tls, Math.min(within, 1000))
    if (reason !== undefined) return failure('tls', address, reason, { cause: error })
  }
  const { code } = platformCode(error)
  if (kindOfPlatform(code, false) === 'tls') return failure('tls', address, insecure(code, said), { cause: error })
  if (/timeout/i.test(name)) return failure('unreachable', address, `no connection within ${within} ms`, { cause: error })
  return isHungUp(code)
    ? failure('disconnected', address, `hung up before it let in who connects: ${said}`, { cause: error })
    : failure('unreachable', address, lacking(code) ?? `no connection can be made: ${said}`, { cause: error })
}

/** What is wrong with TLS, as far as asking once more can tell: the handshake, or the certificate that was shown. */
async function insecureThere(host: string, port: number, tls: ClientTls, patience: number): Promise<string | undefined> {
  const [net, secure] = await Promise.all([node('net'), node('tls')])
  const plain = net.connect({ host, port, autoSelectFamily: true })
  let socket: TLSSocket | undefined
  try {
    await eventOf(plain, 'data', patience)
    plain.removeAllListeners()
    socket = secure.connect({ socket: plain, ...(net.isIP(host) === 0 && { servername: host }), ...secureTo(tls) })
    await eventOf(socket, 'secureConnect', patience)
    socket.write('CONNECT {"verbose":false,"pedantic":false,"lang":"sluice","version":"0"}\r\nPING\r\n')
    await eventOf(socket, 'data', patience)
    return undefined
  } catch (cause) {
    if (cause === LATE) return undefined
    const { code, at } = platformCode(cause)
    if (kindOfPlatform(code, false) === 'tls') return insecure(code, say(at))
    // With TLS 1.3, a handshake is over here before the other end has seen the certificate.
    if (tls.cert === undefined) return 'it hung up in the handshake: it may want a certificate (tls.cert, tls.key)'
    return 'it hung up when it had seen the certificate that it was shown (tls.cert): it does not trust it'
  } finally {
    socket?.destroy()
    plain.destroy()
  }
}
