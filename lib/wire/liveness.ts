import { clearTimeout, setTimeout } from '../base/clock.js'
import { ConnectionError } from '../base/errors.js'
import { node } from '../base/node.js'

/** Milliseconds of silence after which somebody who owes an answer is asked, and between questions. */
const QUIET = 1000
/** How often nothing may come within {@link ROUND} milliseconds of a question: together they are how long one is waited for. */
const ROUNDS = 5
const ROUND = 500

/** What is asked by datagram, and how it is answered: 8 bytes that say what it is, and 16 that nobody else knows. */
export const QUESTION = 'sluice ?'
export const ANSWER = 'sluice !'
export const NONCE = 16

const silent = new WeakSet<object>()

/** Whether somebody was found silent: he need not be asked again at once. */
export function isSilent(error: unknown): boolean {
  return typeof error === 'object' && error !== null && silent.has(error)
}

/** What those hear who wait for somebody who is gone without a word. */
export function silence(address: string): ConnectionError {
  const error = new ConnectionError(
    'ERR_DISCONNECTED',
    address,
    'nothing came from there any more, and nobody answers there: the network broke off, or the machine stopped',
  )
  silent.add(error)
  return error
}

/** Sees to it that somebody who owes an answer is still there, as a connection does not tell when packets vanish. A request costs it two additions. */
export class Liveness {
  readonly #heard: () => number
  readonly #ask: () => Promise<boolean>
  readonly #gone: () => void
  #waiting = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param heard another number whenever something came
   * @param ask whether there is any sign of life
   * @param gone told when there is none
   */
  constructor(heard: () => number, ask: () => Promise<boolean>, gone: () => void) {
    this.#heard = heard
    this.#ask = ask
    this.#gone = gone
  }

  /** Something is owed. */
  enter(): void {
    this.#waiting++
    if (this.#timer === undefined) this.#watch()
  }

  leave(): void {
    this.#waiting--
  }

  /** The timer is left when nothing is owed any more: one for each request would cost more than the rest. */
  #watch(): void {
    const before = this.#heard()
    const timer = setTimeout(async () => {
      if (this.#waiting > 0 && this.#heard() === before && !(await this.#ask()) && this.#waiting > 0 && this.#heard() === before) this.#gone()
      this.#timer = undefined
      if (this.#waiting > 0) this.#watch()
    }, QUIET)
    // Who waits keeps the process alive, not who watches.
    ;(timer as { unref?(): void }).unref?.()
    this.#timer = timer
  }

  close(): void {
    clearTimeout(this.#timer)
  }
}

/** Whether the question is answered in time. Rounds, and not one timer: those of a process that was busy itself fire before it has read what came meanwhile. */
export function inTime(answered: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    let over = false
    const end = (answer: boolean): void => {
      over = true
      resolve(answer)
    }
    answered.then(
      () => end(true),
      () => {},
    )
    const wait = (rounds: number): void => {
      const timer = setTimeout(() => {
        if (over) return
        if (rounds === 1) end(false)
        else wait(rounds - 1)
      }, ROUND)
      ;(timer as { unref?(): void }).unref?.()
    }
    wait(ROUNDS)
  })
}

/** Questions that are under way: many may wait for one. */
const asked = new Map<string, Promise<boolean>>()

/**
 * Whether anybody lives there: the process itself says a word on a new connection, or its thread for that answers a datagram to the same port, as
 * ours do also while they compute. To be refused is a sign of life, too: a machine says so, and what stood before is broken off by it.
 * @param hello what a server answers at once; with TLS, it is a handshake
 */
export function isAlive(host: string, port: number, secure: boolean, hello: string): Promise<boolean> {
  const key = `${secure} ${host} ${port}`
  let answer = asked.get(key)
  if (answer === undefined) {
    const stop = new AbortController()
    answer = inTime(Promise.any([word(host, port, secure, hello, stop.signal), datagram(host, port, stop.signal)])).finally(() => {
      stop.abort()
      asked.delete(key)
    })
    asked.set(key, answer)
  }
  return answer
}

/** What says that packets do not get there, or that nothing can be said of it. */
const NOWHERE = /^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EAI_AGAIN|ENOTFOUND)$/

/** Resolves when a connection says anything. */
async function word(host: string, port: number, secure: boolean, hello: string, signal: AbortSignal): Promise<void> {
  const [net, tls] = await Promise.all([node('net'), node('tls')])
  // Another sign may have come meanwhile: then nobody would hear that this one is not wanted any more.
  signal.throwIfAborted()
  const socket = secure
    ? // Nothing is told, so whoever it is need not be trusted.
      tls.connect({ host, port, rejectUnauthorized: false, ...(net.isIP(host) === 0 && { servername: host }) })
    : net.connect({ host, port, autoSelectFamily: true })
  socket.unref()
  const stop = (): void => void socket.destroy()
  signal.addEventListener('abort', stop)
  try {
    await new Promise<void>((resolve, reject) => {
      if (secure) socket.once('secureConnect', resolve)
      else socket.once('data', () => resolve()).write(hello, 'latin1')
      socket.once('error', (error: NodeJS.ErrnoException) => {
        const all: NodeJS.ErrnoException[] = error instanceof AggregateError ? error.errors : [error]
        if (all.every(({ code = '' }) => NOWHERE.test(code))) reject(error)
        else resolve()
      })
      socket.on('error', () => {})
      // Who hangs up lives; who does so because we asked to stop is not heard any more.
      socket.once('close', () => resolve())
    })
  } finally {
    signal.removeEventListener('abort', stop)
    socket.destroy()
  }
}

/** Resolves when a datagram is answered; asks as often as there are rounds, as datagrams may be lost. */
async function datagram(host: string, port: number, signal: AbortSignal): Promise<void> {
  const [{ createSocket }, { isIP }, { randomBytes }] = await Promise.all([node('dgram'), node('net'), node('crypto')])
  signal.throwIfAborted()
  const nonce = randomBytes(NONCE)
  const question = Buffer.concat([Buffer.from(QUESTION), nonce])
  const families = isIP(host) === 6 ? (['udp6'] as const) : isIP(host) === 4 ? (['udp4'] as const) : (['udp4', 'udp6'] as const)
  const sockets = families.map((family) => createSocket(family).unref())
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
      const say = (): void => {
        for (const socket of sockets) socket.send(question, port, host, () => {})
        timer = setTimeout(say, ROUND)
        ;(timer as { unref?(): void }).unref?.()
      }
      for (const socket of sockets)
        socket
          // Nobody listens, or the name has no address of this family.
          .on('error', () => {})
          .on('message', (bytes) => {
            if (bytes.toString('latin1', 0, ANSWER.length) === ANSWER && nonce.equals(bytes.subarray(ANSWER.length))) resolve()
          })
      say()
    })
  } finally {
    clearTimeout(timer)
    for (const socket of sockets) socket.close()
  }
}
