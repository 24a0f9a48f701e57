import { clearInterval, setInterval } from '../../../base/clock.js'
import { asError } from '../../../base/errors.js'
import { node } from '../../../base/node.js'

/**
 * Runs in a thread, with a connection of its own: it takes requests from the queue, says while they are worked on that they are, and puts answers down. So a worker whose
 * executor computes without a pause is no dead one: what it has, and what came meanwhile, is nobody else's. What ends with its process is taken over.
 */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads')
const { readFileSync } = require('node:fs')
const { setTimeout: later, setInterval: every } = require('node:timers')
const nats = require(workerData.transport)
const { jetstream, jetstreamManager } = require(workerData.jetstream)
const { options, shown, streams, results, dead, around, consumer: name, ackWait, limit, pulse, stuckAfter } = workerData
const held = new Map()
/** Of these, it is not known yet whether somebody else has them. */
const asking = new Set()
/** Milliseconds in which whoever has one says so. */
const ASK = Math.min(250, ackWait / 4)
let stopped = false
let wake = () => {}
let connection, js, jsm
const wait = (time) => new Promise((resolve) => later(resolve, time))
const text = (file) => readFileSync(file, 'utf8').trim()
const authenticator = shown.token !== undefined ? nats.tokenAuthenticator(shown.token)
  : shown.user !== undefined ? nats.usernamePasswordAuthenticator(shown.user, shown.password)
  : shown.tokenFile !== undefined ? nats.tokenAuthenticator(() => text(shown.tokenFile))
  : shown.nkeyFile !== undefined ? nats.nkeyAuthenticator(() => new TextEncoder().encode(text(shown.nkeyFile)))
  : shown.credentialsFile !== undefined ? nats.credsAuthenticator(() => readFileSync(shown.credentialsFile))
  : undefined

/** Whoever put an answer down first; and what is larger than its stream takes, today and tomorrow. */
const ANSWERED = 10071
const TOO_LARGE = 10054
/** What was said is being seen to. */
const settling = new Set()
const textOf = (error) => String((error && error.message) || error)
const headersOf = (given) => {
  const headers = nats.headers()
  for (const [name, value] of Object.entries(given)) if (value) headers.set(name, value)
  return headers
}

/** Tries as long as it takes: the server may be away, and somebody may have deleted a stream. */
async function surely(work) {
  for (let tries = 0; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (connection.isClosed() || error.code === TOO_LARGE) throw error
      if (error.code === ANSWERED) return undefined
      if (tries > 0) parentPort.postMessage({ trouble: textOf(error) })
      await wait(Math.min(1000, 50 * 2 ** Math.min(tries, 5)))
    }
  }
}

/** Puts an answer down, once: whoever has it already is left as it is. */
const put = (id, bytes, headers) =>
  surely(() => js.publish(results + '.' + id, bytes, { msgID: id, expect: { lastSubjectSequence: 0 }, ...(headers && { headers: headersOf(headers) }) }))

/** Milliseconds in which a server says what is in a stream, and how often it is asked: one that is just back has heard of no question before. */
const TOLD = 1000
const TIMES = 5

/** Whether something is in a stream; undefined where nobody says so. */
async function isIn(stream, where) {
  for (let times = 0; times < TIMES && !connection.isClosed(); times++) {
    try {
      return (await jsm.streams.getMessage(stream, where)) !== null
    } catch {
      await wait(50)
    }
  }
  return undefined
}

/** Whether another has it, who lives, and could not say so in time: its machine was busy. Who is dead says nothing. */
async function isHeld(number) {
  try {
    await connection.request(around, String(number), { timeout: ASK })
    return true
  } catch {
    return false
  }
}

/** Whether it is nothing to do any more: another does it, or has done it. Then nothing is said to the queue in its name, but that it is done. */
async function isOver(message, id) {
  if (await isHeld(message.seq)) return true
  // Whoever had it has put its answer down before he let go of it.
  const [isDone, isThere] = await Promise.all([
    isIn(streams.results, { last_by_subj: results + '.' + id }),
    isIn(streams.work, { seq: message.seq }),
  ])
  if (isDone) message.ack()
  return isDone || isThere === false
}

async function take(message) {
  const id = message.subject.slice(workerData.work.length + 1)
  const number = message.seq
  // Redelivered to this very worker, which has it: its progress was not heard of in time.
  if (held.has(number)) return void held.set(number, message)
  held.set(number, message)
  if (message.info.deliveryCount > 1) {
    asking.add(number)
    const over = await isOver(message, id)
    asking.delete(number)
    if (over) {
      held.delete(number)
      return wake()
    }
  }
  const headers = message.headers === undefined ? [] : message.headers.keys().map((key) => [key, message.headers.get(key)])
  const body = new Uint8Array(message.data)
  parentPort.postMessage({ number, id, body, headers, tries: message.info.deliveryCount }, [body.buffer])
}

async function answered({ number, id, outcome, bytes, headers, reason, delay }) {
  const message = held.get(number)
  if (message === undefined) return
  try {
    // Whoever gets it next asks first whether somebody has it.
    if (outcome === 'again') message.nak(Math.max(0, delay - ASK))
    else {
      if (outcome === 'dead') {
        const parts = Object.fromEntries(['sluice-size', 'sluice-parts'].map((name) => [name, message.headers && message.headers.get(name)]))
        const told = headersOf({ ...parts, 'sluice-error': reason, 'sluice-tries': String(message.info.deliveryCount) })
        await surely(() => js.publish(dead + '.' + id, message.data, { msgID: 'dead-' + id, headers: told }))
      }
      await put(id, bytes, headers)
      held.get(number).ack()
    }
  } catch (error) {
    parentPort.postMessage({ error: textOf(error) })
    if (!connection.isClosed()) message.nak(1000)
  }
  held.delete(number)
  wake()
}

async function pull() {
  let consumer
  while (!stopped) {
    try {
      const free = limit - held.size
      if (free <= 0) {
        await new Promise((resolve) => { wake = resolve })
        continue
      }
      consumer ??= await js.consumers.get(streams.work, name)
      const batch = await consumer.fetch({ max_messages: free, expires: 1000 })
      stop = () => batch.close()
      for await (const message of batch) take(message).catch(() => {})
    } catch (error) {
      consumer = undefined
      if (stopped) continue
      parentPort.postMessage({ trouble: textOf(error) })
      await wait(200)
    }
  }
  parentPort.postMessage({ stopped: true })
}
let stop = () => {}

/** Whoever is silent for long is given up: others take over what it has. */
let beats = -1
let silent = 0
every(() => {
  const now = Atomics.load(pulse, 0)
  silent = now === beats ? silent + ackWait / 3 : 0
  beats = now
  if (silent >= stuckAfter) return
  for (const message of held.values()) message.working()
}, ackWait / 3)

parentPort.on('message', (said) => {
  if (said.stop) {
    stopped = true
    stop()
    wake()
  } else if (said.close) {
    stopped = true
    stop()
    later(() => process.exit(), 1000)
    // What is done is put down and acknowledged; the rest is another's at once.
    Promise.all(settling)
      .then(() => {
        for (const message of held.values()) message.nak()
        return connection.flush()
      })
      .catch(() => {})
      .then(() => connection.close())
      .finally(() => process.exit())
  } else {
    const done = answered(said)
    settling.add(done)
    done.finally(() => settling.delete(done))
  }
})

;(async () => {
  connection = await nats.connect({ ...options, ...(authenticator && { authenticator }) })
  js = jetstream(connection)
  jsm = await jetstreamManager(connection, { checkAPI: false, timeout: TOLD })
  connection.subscribe(around, {
    callback: (error, message) => {
      if (error) return parentPort.postMessage({ error: textOf(error) })
      const number = Number(message.string())
      if (held.has(number) && !asking.has(number) && silent < stuckAfter) message.respond()
    },
  })
  parentPort.postMessage({ opened: true })
  await pull()
})().catch((error) => parentPort.postMessage({ error: textOf(error), failed: true }))
`

/** A request out of the queue. */
export interface Work {
  readonly number: number
  readonly id: string
  readonly body: Uint8Array
  readonly headers: readonly (readonly [string, string])[]
  /** How often it was begun, this time included. */
  readonly tries: number
}

/** An answer, and headers where it lies in parts elsewhere. */
export interface Written {
  readonly bytes: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

/** What became of it: an answer; it is to be tried again; or nobody can do it. */
export type Done =
  | ({ readonly outcome: 'done' } & Written)
  | { readonly outcome: 'again'; readonly delay: number }
  | ({ readonly outcome: 'dead'; readonly reason: string } & Written)

/** What the thread is told. */
export interface KeeperSettings {
  readonly options: object
  readonly shown: object
  readonly streams: { readonly work: string; readonly results: string }
  readonly work: string
  readonly results: string
  readonly dead: string
  /** Where workers ask each other who has a request. */
  readonly around: string
  readonly consumer: string
  readonly ackWait: number
  readonly limit: number
  readonly stuckAfter: number
}

/** Milliseconds between two signs of life of this event loop. */
const BEAT = 250

/** The end in this thread. */
export class Keeper {
  readonly #thread: import('node:worker_threads').Worker
  readonly #timer: ReturnType<typeof setInterval>
  readonly #exited: Promise<void>
  #stopped!: () => void
  readonly #stopping = new Promise<void>((resolve) => {
    this.#stopped = resolve
  })

  private constructor(thread: import('node:worker_threads').Worker, pulse: Int32Array) {
    this.#thread = thread
    this.#timer = setInterval(() => void Atomics.add(pulse, 0, 1), BEAT)
    this.#timer.unref()
    this.#exited = new Promise((resolve) => thread.once('exit', () => resolve()))
  }

  /**
   * @param take gets requests, and has each done by {@link done}
   * @param trouble told, again and again, what keeps the queue from being reached
   */
  static async open(settings: KeeperSettings, take: (work: Work) => void, onError: (error: Error) => void, trouble: (reason: string) => void): Promise<Keeper> {
    const [{ Worker }, { createRequire }] = await Promise.all([node('worker_threads'), node('module')])
    const require = createRequire(import.meta.url)
    const pulse = new Int32Array(new SharedArrayBuffer(4))
    const packages = { transport: require.resolve('@nats-io/transport-node'), jetstream: require.resolve('@nats-io/jetstream') }
    const thread = new Worker(THREAD, { eval: true, execArgv: [], workerData: { ...settings, ...packages, pulse } })
    const keeper = new Keeper(thread, pulse)
    await new Promise<void>((resolve, reject) => {
      thread.on('error', (error) => {
        reject(error)
        onError(asError(error))
      })
      thread.on('message', (said) => {
        if (said.opened) resolve()
        else if (said.stopped) keeper.#stopped()
        else if (said.trouble !== undefined) trouble(said.trouble)
        else if (said.error !== undefined) {
          const error = new Error(said.error)
          if (said.failed) reject(error)
          onError(error)
        } else take(said)
      })
    })
    return keeper
  }

  done({ number, id }: Work, done: Done): void {
    // An answer may be cut out of memory that is somebody else's.
    this.#thread.postMessage({ number, id, ...done })
  }

  /** Takes nothing more. */
  async stop(): Promise<void> {
    this.#thread.postMessage({ stop: true })
    await Promise.race([this.#stopping, this.#exited])
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#thread.postMessage({ close: true })
    await this.#exited
  }
}
