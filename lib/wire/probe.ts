import type { Socket } from 'node:net'
import { clearTimeout, setTimeout } from '../base/clock.js'
import { say } from '../base/errors.js'
import { node } from '../base/node.js'
import type { Scope } from '../stream/scope.js'
import { socketTo } from './address.js'
import { failure } from './outcome.js'
import { isHungUp, kindOfPlatform, lacking, platformCode } from './platform-errors.js'
import { secureTo } from './tls.js'
import { insecure } from './tls-failures.js'
import type { ClientTls } from './tls-options.js'

/** What a client of HTTP/2 says first: its preface, and settings without any. */
export const HELLO = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'
const SETTINGS = 4

/** What any server of HTTP/1 answers at once, without a word to whoever is behind it. */
export const OPTIONS = 'OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'

/** Milliseconds that an answer is worth: it only makes an error clearer. */
const PATIENCE = 1000

/** Whether these are the first bytes of a server of HTTP/2. */
export function isHttp2(bytes: Uint8Array): boolean {
  return bytes[3] === SETTINGS
}

type Spoken = 'HTTP/2' | 'TLS' | undefined

/** Milliseconds for which an answer holds: who hangs up on many is not asked by each of them. */
const HOLDS = 5000
const asked = new Map<string, Promise<Spoken>>()

/** What is spoken where a connection was hung up on without a word, as far as asking can tell. */
export function spokenAt(host: string, port: number, timeout: number): Promise<Spoken> {
  const place = `${host} ${port}`
  let answer = asked.get(place)
  if (answer === undefined) {
    answer = find(host, port, timeout)
    asked.set(place, answer)
    setTimeout(() => asked.delete(place), HOLDS).unref()
  }
  return answer
}

/** How often one protocol must be answered, and the other not: a gateway that speaks both may lack a file handle for one question, and have one for the next. */
const ROUNDS = 3

async function find(host: string, port: number, timeout: number): Promise<Spoken> {
  const patience = Math.min(timeout, PATIENCE)
  for (let round = 0; round < ROUNDS; round++) {
    // Then it was something else that went wrong: it was just starting, or ending.
    if (await startsWith(host, port, patience, OPTIONS, isHttp1)) return undefined
    if (!(await startsWith(host, port, patience, HELLO, isHttp2))) return round === 0 && (await speaksTls(host, port, patience)) ? 'TLS' : undefined
  }
  return 'HTTP/2'
}

/** Whether HTTP/2 is spoken there behind TLS, and no HTTP/1. */
async function isHttp2Alone(host: string, port: number, tls: ClientTls, timeout: number): Promise<boolean> {
  const patience = Math.min(timeout, PATIENCE)
  for (let round = 0; round < ROUNDS; round++) {
    if ('answer' in (await greet(host, port, tls, OPTIONS, patience))) return false
    const greeted = await greet(host, port, tls, HELLO, patience)
    if (!('answer' in greeted && isHttp2(greeted.answer))) return false
  }
  return true
}

function isHttp1(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes.subarray(0, 7)) === 'HTTP/1.'
}

/** Whether HTTP/1 is spoken there, at once. */
export async function spokenHere(host: string, port: number, patience: number): Promise<'HTTP/1' | undefined> {
  return (await startsWith(host, port, patience, OPTIONS, isHttp1)) ? 'HTTP/1' : undefined
}

/** Whether what is answered starts as it should. */
async function startsWith(host: string, port: number, patience: number, said: string, is: (bytes: Uint8Array) => boolean): Promise<boolean> {
  const { connect } = await node('net')
  return ask(connect({ host, port, autoSelectFamily: true }), patience, (socket, tell) => {
    socket.once('data', (bytes: Uint8Array) => tell(is(bytes)))
    socket.once('error', () => tell(false))
    socket.write(said, 'latin1')
  })
}

/**
 * Why a secure connection that was hung up on does not stand, as far as asking once more can tell, with the same certificate.
 * @param hello what any server of this protocol answers at once
 * @returns nothing where all is well now, or something else is wrong than TLS
 */
export async function insecureAt(host: string, port: number, tls: ClientTls, hello: string, timeout: number): Promise<string | undefined> {
  const patience = Math.min(timeout, PATIENCE)
  const greeted = await greet(host, port, tls, hello, patience)
  if ('answer' in greeted || greeted.error === undefined) return undefined
  const { code, at } = platformCode(greeted.error)
  if (kindOfPlatform(code, false) === 'tls') return insecure(code, say(at))
  // With TLS 1.3, a handshake is over here before the other end has seen the certificate; and Node hangs up on one of a stranger without a word.
  if (greeted.secure)
    return tls.cert === undefined ? undefined : 'it hung up when it had seen the certificate that it was shown (tls.cert): it does not trust it'
  if (!isHungUp(code)) return undefined
  for (const [said, is] of [[OPTIONS, isHttp1] as const, [HELLO, isHttp2] as const])
    if (await startsWith(host, port, patience, said, is)) return insecure('WRONG_VERSION_NUMBER', 'it hung up in the handshake')
  return 'it hung up in the middle of the handshake of TLS, twice'
}

/** What came of a hello: an answer, or how it ended, and whether a secure connection had stood before; nothing, when it took too long. */
export type Greeted = { readonly answer: Uint8Array } | { readonly secure: boolean; readonly error?: Error }

/** Says hello on a secure connection of its own. */
export async function greet(host: string, port: number, tls: ClientTls, hello: string, timeout: number): Promise<Greeted> {
  const [{ connect }, { isIP }] = await Promise.all([node('tls'), node('net')])
  const name = isIP(host) === 0 ? { servername: host } : {}
  // gRPC has a name of its own in the handshake, for servers that speak other protocols too.
  const alpn = hello === HELLO ? { ALPNProtocols: ['h2'] } : {}
  let socket: Socket
  try {
    socket = connect({ host, port, ...name, ...alpn, ...secureTo(tls) })
  } catch (error) {
    return { secure: false, error: error as Error }
  }
  let secure = false
  return new Promise((resolve) => {
    const tell = (greeted: Greeted): void => {
      clearTimeout(timer)
      resolve(greeted)
      socket.destroy()
    }
    const timer = setTimeout(() => tell({ secure }), timeout)
    socket.once('secureConnect', () => {
      secure = true
      socket.write(hello, 'latin1')
    })
    socket.once('data', (answer: Uint8Array) => tell({ answer }))
    // For good: an error that comes later must have a listener too.
    socket.on('error', (error) => tell({ secure, error }))
    socket.once('close', () => tell({ secure, error: Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }) }))
  })
}

/** Nothing is sent but the start of a handshake; so whoever it is need not be trusted. */
async function speaksTls(host: string, port: number, patience: number): Promise<boolean> {
  const [{ connect }, { isIP }] = await Promise.all([node('tls'), node('net')])
  const name = isIP(host) === 0 ? { servername: host } : {}
  return ask(connect({ host, port, rejectUnauthorized: false, ...name }), patience, (socket, tell) => {
    socket.once('secureConnect', () => tell(true))
    // Who refuses by an alert speaks it too.
    socket.once('error', ({ code = '' }: NodeJS.ErrnoException) => tell(/ALERT/.test(code)))
  })
}

function ask(socket: Socket, patience: number, question: (socket: Socket, tell: (answer: boolean) => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const tell = (answer: boolean): void => {
      clearTimeout(timer)
      resolve(answer)
      socket.destroy()
    }
    const timer = setTimeout(() => tell(false), patience)
    question(socket, tell)
    socket.on('error', () => {})
    socket.once('close', () => tell(false))
  })
}

/** Resolves when a connection to there stands; it is let go. @throws ConnectionError (`ERR_UNREACHABLE`) where none does in time; the reason of the scope */
export async function reachable(address: string, host: string, port: number, timeout: number, scope: Scope): Promise<void> {
  const { connect } = await node('net')
  const socket = connect({ host, port })
  const late = new Error(`no connection to ${host} within ${timeout} ms`)
  const timer = setTimeout(() => socket.destroy(late), timeout)
  const unwatch = scope.watch(() => socket.destroy(late))
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).on('error', reject))
  } catch (cause) {
    if (scope.aborted) throw scope.reason
    const said = `nobody answers there (${say(cause)}). See whether the server runs and the address is right`
    throw failure('unreachable', address, lacking(platformCode(cause).code) ?? said, { cause })
  } finally {
    clearTimeout(timer)
    unwatch()
    socket.destroy()
  }
}

/** What that means for who asked for something else. */
export function instead(spoken: 'HTTP/2' | 'TLS', wanted: string, secure: string): string {
  return spoken === 'TLS'
    ? `who answers there wants TLS: write ${secure}://, or set tls`
    : `who answers there speaks HTTP/2, as gRPC does, and no ${wanted}. See whether port and protocol are right, or serve the Flow with protocol: ['grpc', 'http']`
}

/** Who was asked, and for what. */
interface Asked {
  readonly url: URL
  readonly tls: ClientTls
  readonly wanted: string
  /** The scheme with TLS. */
  readonly secure: string
  readonly timeout: number
}

/** What a server of HTTP/1 means that hung up without a word. @returns nothing, where that cannot be told */
export async function hungUp({ url, tls, wanted, secure, timeout }: Asked): Promise<{ kind: 'tls' | 'unimplemented'; reason: string } | undefined> {
  const { host, port, secure: isSecure } = socketTo(url)
  if (isSecure) {
    const reason = await insecureAt(host, port, tls, OPTIONS, timeout)
    if (reason !== undefined) return { kind: 'tls', reason }
    return (await isHttp2Alone(host, port, tls, timeout)) ? { kind: 'unimplemented', reason: instead('HTTP/2', wanted, secure) } : undefined
  }
  const spoken = await spokenAt(host, port, timeout)
  return spoken === undefined ? undefined : { kind: 'unimplemented', reason: instead(spoken, wanted, secure) }
}

/** What took too long. */
export const LATE = new Error('no answer in time')

/** Waits for an event of a socket. @throws {@link LATE}; what the socket says */
export function eventOf(socket: Socket, name: string, timeout: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(LATE), timeout)
    const settle = (settled: (value: any) => void) => (value: unknown) => {
      clearTimeout(timer)
      settled(value)
    }
    socket.once(name, settle(resolve))
    // For good: an error that comes later must have a listener too.
    socket.on('error', settle(reject))
    socket.once('close', () => settle(reject)(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })))
  })
}

/** What a platform says of a connection that does not stand. */
export function saidOf(cause: unknown): string {
  const { message, code, errors } = cause as { message?: string; code?: string; errors?: Error[] }
  return message || errors?.map(({ message }) => message).join(', ') || code || 'no reason given'
}
