// What workers of bench/queues.ts do, in processes of their own. Each step says when it begins and when it is done: a pipe is written at once, so whoever is killed has said it.
//   sluice executor queues-work.mjs#encode …                            as an executor of ours
//   node queues-work.mjs <folder with bullmq> <socket of Redis> <queue> <options>    as a worker of BullMQ
import { createRequire } from 'node:module'
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds that a step waits, and for which one computes that does so without a pause. */
const WORK = 20
const LONG = 3000

async function work(step, text) {
  process.stdout.write(`> ${step} ${text}\n`)
  if (text.startsWith('long')) for (const end = Date.now() + LONG; Date.now() < end; );
  else await pause(WORK)
  process.stdout.write(`< ${step} ${text}\n`)
}

export const encode = ({ docs: [{ text }] }) => work('encode', text)
export const rank = ({ docs: [{ text }] }) => work('rank', text)

if (import.meta.filename === process.argv[1]) {
  const [, , folder, path, queue, options] = process.argv
  const { Worker } = createRequire(`${folder}/`)('bullmq')
  const connection = { path, maxRetriesPerRequest: null }
  const worker = new Worker(queue, ({ data: { text } }) => work(queue, text), { connection, ...JSON.parse(options) })
  worker.on('error', () => {})
  await worker.waitUntilReady()
  process.stdout.write('ready\n')
}
