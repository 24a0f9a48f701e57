import type { WebSocket } from 'ws'
import { object, patience, string } from '../base/check.js'
import { clearInterval, nextTurn, now, setInterval } from '../base/clock.js'
import { say } from '../base/errors.js'
import { texts } from '../flow/options.js'
import type { Begin, DaemonSays } from '../place/daemon-protocol.js'
import type { Host, Link, WorkerSettings } from '../place/host.js'
import type { WorkerEnd } from '../place/worker-life.js'
import { ignore } from '../stream/thenable.js'
import { writeError } from '../wire/port/errors.js'

/** How often in a lease each end asks whether the other is there. */
const SIGNS = 4
/** Bytes that wait for a Flow to read them, beyond which its worker waits; and the other way round. */
const MOST = 4 << 20
/** Bytes of the reason with which a connection is closed, at most. */
const REASON = 100

/** A Flow that is connected for one replica, and the worker that it has begun, if any. */
export class Attached {
  /** Since when there is a worker, in milliseconds of the clock for durations. */
  since: number | undefined
  readonly #socket: WebSocket
  readonly #host: Host
  readonly #settings: (begin: Begin) => WorkerSettings
  readonly #left: () => void
  #link: Link | undefined
  #gone: Promise<void> = Promise.resolve()
  #over = false
  #waits = false
  /** When it gave a sign of life. */
  #heard = now()
  readonly #ticker: ReturnType<typeof setInterval>

  /**
   * @param settings of a worker that is to be begun. What it throws, the Flow hears
   * @param lease milliseconds of silence after which the Flow is gone
   * @param left called once, when it is, and its worker told to end
   */
  constructor(socket: WebSocket, host: Host, settings: (begin: Begin) => WorkerSettings, lease: number, left: () => void) {
    this.#socket = socket
    this.#host = host
    this.#settings = settings
    this.#left = left
    socket.on('message', (data, isBinary) => {
      this.#heard = now()
      // Nothing that one Flow says ends the process of all.
      try {
        if (isBinary) this.#hand(data as Buffer)
        else this.#told(String(data))
      } catch (error) {
        socket.close(1007, say(error).slice(0, REASON))
      }
    })
    socket.on('pong', () => {
      this.#heard = now()
    })
    socket.on('ping', () => {
      this.#heard = now()
    })
    socket.on('error', ignore)
    socket.on('close', () => this.#end())
    // Who is not read may say what he likes: that he is gone, he does not take any more what he is sent.
    const isSilent = (): boolean => !socket.isPaused && now() - this.#heard > lease
    this.#ticker = setInterval(() => {
      // What has come while this process stood still is read first.
      if (isSilent()) nextTurn(() => isSilent() && socket.terminate())
      else socket.ping('', false, ignore)
    }, lease / SIGNS)
    this.#ticker.unref?.()
  }

  get pid(): number | undefined {
    return this.#link?.pid
  }

  /** Hangs up, and resolves when its worker is gone. */
  async leave(): Promise<void> {
    this.#socket.terminate()
    this.#end()
    await this.#gone
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    clearInterval(this.#ticker)
    this.#link?.kill('was left by its Flow')
    this.#left()
  }

  /** @throws SyntaxError or TypeError for what no Flow says */
  #told(text: string): void {
    const { begin, kill } = Object(JSON.parse(text)) as Partial<Record<'begin' | 'kill', unknown>>
    if (kill !== undefined) {
      string('kill', kill)
      this.#link?.kill(kill as string)
    }
    // One at a time: the Flow waits for the end of the one before.
    else if (begin !== undefined && this.#link === undefined && !this.#over) this.#begin(begin)
  }

  #begin(said: unknown): void {
    let ended: () => void = () => {}
    try {
      const link = this.#host.start(this.#settings(begunWith(said)), {
        receive: (bytes) => {
          if (this.#socket.readyState !== this.#socket.OPEN) return
          this.#socket.send(bytes, { binary: true }, () => this.#wait(link))
          this.#wait(link)
        },
        drained: () => this.#read(),
        end: (end) => {
          ended()
          if (this.#link === link) this.#link = undefined
          this.#read()
          this.#say(end)
        },
      })
      this.#link = link
      this.#waits = false
      this.since = now()
      this.#gone = new Promise((resolve) => {
        ended = resolve
      })
    } catch (cause) {
      this.#say({ how: 'could not be started', cause })
    }
  }

  #hand(bytes: Buffer): void {
    const link = this.#link
    link?.send(bytes)
    if ((link?.unsent ?? 0) > MOST) this.#socket.pause()
  }

  /** A Flow waits whose worker does not read: that may compute as long as it likes, and others run here. */
  #read(): void {
    if (!this.#socket.isPaused) return
    this.#heard = now()
    this.#socket.resume()
  }

  /** A worker waits whose Flow does not read: what it says is not kept here, where all others run. */
  #wait(link: Link): void {
    const waits = this.#socket.bufferedAmount > MOST
    if (waits === this.#waits) return
    this.#waits = waits
    link.pause?.(waits)
  }

  #say({ cause, ...end }: WorkerEnd): void {
    this.since = undefined
    if (this.#socket.readyState !== this.#socket.OPEN) return
    const said: DaemonSays = { ended: { ...end, ...(cause !== undefined && { cause: writeError(cause) }) } }
    this.#socket.send(JSON.stringify(said), ignore)
  }
}

/** What a worker is to be begun with, as a Flow says it. @throws TypeError or RangeError that names what is not so */
function begunWith(said: unknown): Begin {
  object('begin', said)
  const { env, unresponsiveAfter } = said as Partial<Record<keyof Begin, unknown>>
  texts('env', env)
  if (unresponsiveAfter !== undefined) patience('unresponsiveAfter', unresponsiveAfter)
  return { env: env as Begin['env'], unresponsiveAfter: unresponsiveAfter as number | undefined }
}
