// Two executors elsewhere and the gateway before them are restarted one by one, again and again, under load: nobody's request fails.
import { Client } from 'sluice/client'
import { deadPort } from '../support/nobody.js'
import { Child } from './child.js'
import { conclude, count } from './report.js'

const ROUNDS = Number(process.env['SOAK_COUNT'] ?? 50)
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? Infinity)
const CLIENTS = 8

const start = performance.now()
const ports = [await deadPort(), await deadPort(), await deadPort()] as const
const hosts = ports.slice(0, 2).map((port) => `grpc://127.0.0.1:${port}`)

async function started(at: number): Promise<Child> {
  const child = new Child('./executor.ts', [String(ports[at]), ...(at === 2 ? hosts : [])])
  await child.says()
  return child
}

const children = [await started(0), await started(1), await started(2)]
let over = false
const seen = { answered: 0, failed: 0, wrong: 0 }
const reasons = new Set<string>()

async function load(): Promise<void> {
  // While the one gateway is away, nobody answers: its clients try again.
  const client = new Client(`grpc://127.0.0.1:${ports[2]}`, { retries: { attempts: 99, delay: 20, maxDelay: 200 } })
  for (let at = 0; !over; at++) {
    try {
      const { texts } = await client.post('/', [`${at}`, 'b'], { requestSize: 1, resultsInOrder: true }).docs()
      if (texts.join() === `${at}!,b!`) seen.answered++
      else seen.wrong++
    } catch (error) {
      seen.failed++
      reasons.add(String(error))
    }
  }
  await client.close()
}

const clients = Array.from({ length: CLIENTS }, load)
let rounds = 0
for (; rounds < ROUNDS && performance.now() - start < SECONDS * 1000; rounds++)
  for (const at of [0, 1, 2]) {
    const before = children[at]!
    const closed = before.leave()
    await closed
    children[at] = await started(at)
  }
over = true
await Promise.all(clients)
for (const child of children) child.end()
for (const reason of reasons) console.log(reason)
conclude([
  {
    what: 'restarts of two executors and the gateway, one by one',
    seen: count(3 * rounds),
    bound: count(3 * ROUNDS),
    met: rounds === ROUNDS || SECONDS < Infinity,
  },
  { what: `posts of ${CLIENTS} clients meanwhile`, seen: count(seen.answered), bound: '> 0', met: seen.answered > 0 },
  { what: 'failed', seen: count(seen.failed), bound: '0', met: seen.failed === 0 },
  { what: 'answered with something else', seen: count(seen.wrong), bound: '0', met: seen.wrong === 0 },
])
