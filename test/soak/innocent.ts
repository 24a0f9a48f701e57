// A client that does no harm, beside others that may: it asks for one document at a time, on each wire in turn, and says how long it took.
import { Client } from 'sluice/client'

/** Milliseconds between two questions. */
const PAUSE = 20

const clients = Object.values(JSON.parse(process.argv[2]!) as Record<string, string>).map((address) => new Client(address))
let times: number[] = []
process.on('message', () => {
  process.send!({ times })
  times = []
})
process.on('disconnect', () => process.exit())
process.send!({ ready: true })
for (let at = 0; ; at++) {
  const start = performance.now()
  const { texts } = await clients[at % clients.length]!.post('/', ['innocent']).docs()
  if (texts.join() !== 'INNOCENT') throw new Error(`The innocent client was answered ${texts}`)
  times.push(performance.now() - start)
  await new Promise((resolve) => setTimeout(resolve, PAUSE))
}
