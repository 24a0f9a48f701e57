// What runs in the threads and processes of bench/places.ts: the executors of sluice, and the same for pools and for raw ends.
import { Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { Executor } from 'sluice'

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

export function busy(milliseconds) {
  const until = performance.now() + milliseconds
  while (performance.now() < until);
}

/** One of 40 ends its worker, the others take 20 ms. */
export async function deadly(how) {
  if (how === 'exit') process.exit(7)
  if (how === 'SIGKILL') process.kill(process.pid, 'SIGKILL')
  if (how === 'OOM') for (const all = []; ; ) all.push(new Array(1e5).fill(all.length + 0.5))
  await sleep(20)
}

export class Work extends Executor {
  static requests = { '/noop': 'noop', '/embed': 'embed', '/busy': 'busy', '/deadly': 'deadly' }
  noop() {}
  /** Each number is another when it goes back. */
  embed({ docs }) {
    for (const doc of docs) doc.embedding.data[0] += 1
  }
  busy({ parameters }) {
    busy(parameters.milliseconds)
  }
  deadly({ docs: [doc] }) {
    return deadly(doc.text)
  }
}

/** For pools. */
export default (task) => task

if (workerData?.raw === 'busy') parentPort.on('message', (milliseconds) => parentPort.postMessage(busy(milliseconds)))
if (workerData?.raw === 'echo') parentPort.on('message', (message) => parentPort.postMessage(message))
// A column there and back: as its memory, which is handed over.
if (workerData?.raw === 'column')
  parentPort.on('message', (column) => {
    for (let at = 0; at < column.length; at += 768) column[at] += 1
    parentPort.postMessage(column, [column.buffer])
  })
if (process.argv[2] === 'socket') {
  const socket = new Socket({ fd: 3 })
  let rest = Buffer.alloc(0)
  socket.on('data', (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    while (rest.length >= 4) {
      const length = rest.readUInt32LE(0)
      if (rest.length < length) break
      socket.write(rest.subarray(0, length))
      rest = rest.subarray(length)
    }
  })
  socket.on('close', () => process.exit(0))
}
