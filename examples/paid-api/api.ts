import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Calls that a minute of the real thing would cost money for, and what became of them. */
export interface Bill {
  /** Calls that were worked on: they are paid for, whatever came of them. */
  paid: number
  /** Calls that were sent away with 429: they cost nothing. */
  refused: number
  /** Summaries by document. More than one is money for nothing. */
  readonly summaries: Map<string, number>
}

/**
 * A service as they are: it takes 5 to 30 ms, so many calls a second, sends everybody away for a second now and then, fails at 1.5 % of the documents at first, at
 * a few until they were asked for five times, and at a few for ever.
 */
export async function startApi(limit: number) {
  const bill: Bill = { paid: 0, refused: 0, summaries: new Map() }
  const calls = new Map<string, number>()
  const begun: number[] = []
  let total = 0
  let closedUntil = 0

  /** @returns whether there is a place for one more call in this second */
  const enter = (): boolean => {
    const now = performance.now()
    while (begun[0]! <= now - 1000) begun.shift()
    // Others have much to do at times.
    if (++total % 3000 === 0) closedUntil = now + 1000
    if (now < closedUntil || begun.length >= limit) return false
    begun.push(now)
    return true
  }

  const server = createServer(async (request, response) => {
    const { id, text } = await bodyOf(request)
    const reply = (status: number, body: object, headers = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    }
    if (!enter()) {
      bill.refused++
      return reply(429, { error: 'too many calls' }, { 'retry-after': '1' })
    }
    bill.paid++
    const call = (calls.get(id) ?? 0) + 1
    calls.set(id, call)
    const number = Number(id.slice(1))
    setTimeout(
      () => {
        if (number % 1000 === 13) return reply(422, { error: 'this text has no summary' })
        if ((number % 1000 === 507 && call < 5) || (number % 67 === 1 && call < 2)) return reply(500, { error: 'a model is down' })
        bill.summaries.set(id, (bill.summaries.get(id) ?? 0) + 1)
        reply(200, { summary: text.split(' ').slice(0, 3).join(' '), tokens: text.length >> 2 })
      },
      5 + (number % 26),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/summarize`,
    bill,
    [Symbol.dispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<{ id: string; text: string }> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return JSON.parse(Buffer.concat(chunks).toString())
}
