// The clients of a day in production, in a process of their own. `steady` ones try again, on all four wires, and want each answer once; the others do what
// a tenant of their name does when they are told to.

import { connect } from 'node:net'
import { ExecutorError } from 'sluice'
import { Client, type ClientOptions } from 'sluice/client'

const [addresses, sort, stay] = JSON.parse(process.argv[2]!) as [Record<'grpc' | 'http' | 'websocket', string>, string, number]
const WIRES = ['grpc', 'http', 'websocket', 'graphql'] as const
const token = `a-token-of-the-tenant-${sort}`
const client = (wire: (typeof WIRES)[number], options: ClientOptions = {}) => new Client(addresses[wire === 'graphql' ? 'http' : wire], { token, ...options })
const again = { attempts: 200, delay: 20, maxDelay: 250 }
const pause = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time))

const seen = { answered: 0, failed: 0, wrong: 0, refused: 0, hung: 0, again: 0 }
let times: number[] = []
const reasons: Record<string, number> = {}
const note = (error: unknown): void => {
  const reason = String(error)
    .replace(/[0-9a-f]{32}/g, '…')
    .replace(/:\d{4,5}/g, '')
    .slice(0, 200)
  reasons[reason] = (reasons[reason] ?? 0) + 1
}
let over = false

async function ask(one: Client, wire: (typeof WIRES)[number], texts: string[]): Promise<string[]> {
  if (wire !== 'graphql') return (await one.post('/', texts, { requestSize: 1, resultsInOrder: true }).docs()).texts
  const list = texts.map((text) => `{ text: "${text}" }`).join()
  const { data } = await one.mutate(`mutation { docs(data: [${list}]) { text } }`)
  return data.docs.map(({ text }: { text: string }) => text)
}

/** One that wants each answer, however often it is asked for; each once. A Client tries again by itself; a mutation it is for its user to ask again. */
async function steady(wire: (typeof WIRES)[number], number: number): Promise<void> {
  let one = client(wire, { retries: again, attemptTimeout: 8000 })
  for (let at = 0; !over; at++) {
    const texts = [`${wire}-${number}-${at}a`, `${wire}-${number}-${at}b`]
    const start = performance.now()
    for (;;) {
      try {
        const answers = await ask(one, wire, texts)
        if (answers.join() === texts.map((text) => `${text}!`).join()) seen.answered++
        else {
          seen.wrong++
          note(`wrong: ${answers}`)
        }
        break
      } catch (error) {
        // What executors failed at is an answer, as theirs elsewhere were out of reach: that is for the application to ask again, as is a mutation.
        if ((wire !== 'graphql' && !(error instanceof ExecutorError)) || performance.now() - start > 60_000) {
          seen.failed++
          note(error)
          break
        }
        seen.again++
        await pause(100)
      }
    }
    times.push(performance.now() - start)
    if (at % 50 === 49) {
      await one.close()
      one = client(wire, { retries: again, attemptTimeout: 8000 })
    }
    await pause(stay)
  }
  await one.close()
}

/** One that asks for much at once, and asks nobody whether that is all right. */
async function flood(): Promise<void> {
  await Promise.all(
    WIRES.slice(0, 3).map(async (wire) => {
      const one = client(wire, { timeout: 3000 })
      await Promise.all(
        Array.from({ length: 100 }, () =>
          one
            .post('/', ['flood'])
            .docs()
            .then(
              () => void seen.answered++,
              () => void seen.refused++,
            ),
        ),
      )
      await one.close()
    }),
  )
}

/** One whose calls hang, and who does not wait for ever. */
async function hung(): Promise<void> {
  const one = client('grpc', { timeout: 500 })
  await one
    .post('/', ['hang'])
    .docs()
    .then(
      () => void seen.answered++,
      () => void seen.hung++,
    )
  await one.close()
}

/** One that asks for megabytes in pieces, and reads slowly, or not at all. */
async function slow(): Promise<void> {
  const socket = connect(Number(new URL(addresses.http).port), '127.0.0.1')
  socket.on('error', () => {}).pause()
  const body = '{"data":["slow"],"execEndpoint":"/pieces"}'
  socket.write(
    `POST /post HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  const one = client('websocket')
  try {
    for await (const _ of one.post('/pieces', ['slow'])) await pause(50)
    seen.answered++
  } catch {
    seen.refused++
  }
  await one.close()
  socket.destroy()
}

const TOLD: Record<string, () => Promise<void>> = { flood, hung, slow }
const loops = sort in TOLD ? [] : WIRES.flatMap((wire) => (sort === 'innocent' ? [steady(wire, 0)] : [steady(wire, 0), steady(wire, 1)]))
process.on('message', async (word) => {
  if (word === 'go') {
    await TOLD[sort]!().catch(note)
    process.send!('done')
  }
  if (word === 'times') {
    process.send!({ times })
    times = []
  }
  if (word === 'close') {
    over = true
    await Promise.all(loops)
    process.send!({ seen, reasons, times })
  }
})
process.on('disconnect', () => process.exit())
process.send!('ready')
