import { node } from '../base/node.js'
import { ANSWER, NONCE, QUESTION } from '../wire/liveness.js'

/** Runs in a thread: it answers whoever asks a port by datagram, also while this process computes. An answer is as long as its question, so nobody is flooded by it. */
const THREAD = `
const { parentPort } = require('node:worker_threads')
const { createSocket } = require('node:dgram')
const timers = require('node:timers')
const sockets = new Map()
parentPort.on('message', ({ id, host, port }) => {
  if (port === undefined) {
    const socket = sockets.get(id)
    if (socket) socket.close()
    sockets.delete(id)
    return
  }
  listen(id, host, port)
})
function listen(id, host, port) {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  socket.on('error', ({ code }) => {
    // Another has that port: then nobody answers, as where this thread cannot be. No handle is left for it: there may be later.
    if (!sockets.delete(id)) return
    socket.close()
    if (code !== 'EMFILE' && code !== 'ENFILE') return
    const timer = timers.setTimeout(() => listen(id, host, port), 1000).unref()
    sockets.set(id, { close: () => timers.clearTimeout(timer) })
  })
  socket.on('message', (bytes, from) => {
    if (bytes.length !== ${QUESTION.length + NONCE} || bytes.toString('latin1', 0, ${QUESTION.length}) !== '${QUESTION}') return
    bytes.write('${ANSWER}', 'latin1')
    socket.send(bytes, from.port, from.address, () => {})
  })
  sockets.set(id, socket)
  socket.bind(port, host)
}
`

type Thread = Pick<import('node:worker_threads').Worker, 'postMessage'>

let thread: Promise<Thread | undefined> | undefined
let count = 0

/** One for all gateways of a process, and for as long as it lives: it keeps no process alive. */
function start(): Promise<Thread | undefined> {
  return node('worker_threads').then(
    ({ Worker }) => {
      const worker = new Worker(THREAD, { eval: true, execArgv: [], env: {}, resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 } })
      worker.on('error', () => {
        thread = undefined
      })
      worker.unref()
      return worker
    },
    () => undefined,
  )
}

/**
 * Has it said that this process lives to whoever asks at a port, by datagrams to that same number. Where that cannot be, nobody is told.
 * @returns ends it
 */
export async function answerLiveness(host: string, port: number): Promise<() => void> {
  thread ??= start().catch(() => undefined)
  const worker = await thread
  const id = count++
  worker?.postMessage({ id, host, port })
  return () => worker?.postMessage({ id })
}
