import type { Socket } from 'node:net'
import { clearTimeout, setTimeout } from '../base/clock.js'
import { node } from '../base/node.js'

/** What a client of HTTP/2 says first: its preface, and settings without any. */
export const HELLO = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'
const SETTINGS = 4

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

async function find(host: string, port: number, timeout: number): Promise<Spoken> {
  const patience = Math.min(timeout, PATIENCE)
  // Then it was something else that went wrong: it was just starting, or ending.
  if (await startsWith(host, port, patience, 'OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', isHttp1)) return undefined
  if (await startsWith(host, port, patience, HELLO, isHttp2)) return 'HTTP/2'
  return (await speaksTls(host, port, patience)) ? 'TLS' : undefined
}

function isHttp1(bytes: Uint8Array): boolean {
  return new TextDecoder().decode(bytes.subarray(0, 7)) === 'HTTP/1.'
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

/** What that means for who asked for something else. */
export function instead(spoken: 'HTTP/2' | 'TLS', wanted: string, secure: string): string {
  return spoken === 'TLS'
    ? `who answers there wants TLS: write ${secure}://, or set tls`
    : `who answers there speaks HTTP/2, as gRPC does, and no ${wanted}. See whether port and protocol are right`
}
