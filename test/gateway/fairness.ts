// One client asks as much as it can; another asks once in a while.
import { fork } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { type Call, Executor, Flow } from '../../lib/index.js'
import { code } from '../support/code.js'
import { deferred } from '../support/deferred.js'
import { turn } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const PREFETCH = 4
/** Requests of one connection of gRPC, all its calls together. */
const SHARE = 16 * PREFETCH
/** How often what is under way may be answered and replaced before it is a newcomer's turn, and its answer is read: its client runs in this very process. */
const ROUNDS = 8

const FLOODS: readonly [kind: string, connections: number, calls: number, most: number][] = [
  ['streams', 1, 1, PREFETCH],
  ['streams', 1, 100, SHARE],
  ['unary', 1, 300, SHARE],
  ['streams', 20, 1, 20 * PREFETCH],
  ['websocket', 1, 1, PREFETCH],
  ['websocket', 50, 1, 50 * PREFETCH],
  ['http', 1, PREFETCH, PREFETCH],
  ['http', 50, 1, 50],
]

for (const [kind, connections, calls, most] of FLOODS)
  test(`R33: next to ${connections} × ${calls} ${kind}, a request waits for no more than ${ROUNDS} × ${most} others`, async () => {
    let inside = 0
    let highest = 0
    let flood = 0
    class Worker extends Executor {
      static requests = { '/flood': 'flood', '/default': 'quiet' } as const
      async flood() {
        highest = Math.max(highest, ++inside)
        await turn()
        flood++
        inside--
      }
      async quiet() {
        await turn()
      }
    }
    const flow = await new Flow().add({ name: 'worker', uses: Worker }).open()
    const gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], prefetch: PREFETCH })
    const child = fork(code('test/gateway/flooder'), [kind, gateway.port, connections, calls].map(String))
    try {
      await until(() => flood >= 10 * most, 20_000)
      for (const protocol of ['grpc', 'http', 'websocket'] as const) {
        await using client = new Client(gateway.addresses[protocol]!)
        await within(20_000, client.post('/', ['a']).docs())
        for (let at = 0; at < 5; at++) {
          const before = flood
          assert.is((await within(20_000, client.post('/', ['a']).docs())).length, 1)
          assert.ok(flood - before <= ROUNDS * most, `${protocol}: ${flood - before} others were answered`)
        }
      }
      assert.ok(highest <= most, `${highest} were under way`)
    } finally {
      child.kill('SIGKILL')
      await gateway.close(1000)
      await flow.close()
    }
  })

for (const wire of ['grpc', 'http', 'websocket', 'graphql'] as const)
  test(`223: ${wire}: beside sixty requests of one identity, another is next after one of them, whatever they wait for`, async () => {
    for (const maxInFlight of [1024, 8]) {
      const [order, door] = [[] as string[], deferred<void>()]
      let came = 0
      const uses = async ({ docs }: Call): Promise<void> => {
        order.push(docs[0]!.text)
        await door.promise
      }
      const flow = await new Flow().add({ name: 'worker', uses, concurrency: 1 }).open()
      const authenticate = ({ headers }: { headers: Readonly<Record<string, string>> }): string => {
        came++
        return headers['x-who']!
      }
      const gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true, maxInFlight, authenticate })
      const clients = ['flood', 'victim'].map((who) => new Client(gateway.addresses[wire === 'graphql' ? 'http' : wire]!, { headers: { 'x-who': who } }))
      const ask = ([flood, victim]: typeof clients, text: string): Promise<unknown> => {
        const client = (text === 'victim' ? victim : flood)!
        return wire === 'graphql'
          ? client.mutate('mutation ($text: String!) { docs(data: [{ text: $text }]) { text } }', { text })
          : client.post('/', [text]).drain()
      }
      const all = Array.from({ length: 60 }, (_, at) => ask(clients, `flood ${at}`))
      // On what posts share, who asks is let in once.
      const entries = wire === 'http' || wire === 'graphql' ? 60 : 1
      await until(() => came >= entries && order.length > 0, 20_000)
      for (let at = 0; at < 50; at++) await turn()
      const before = order.length
      const last = ask(clients, 'victim')
      await until(() => came >= entries + 1, 20_000)
      // What was let in is read, and waits.
      for (let at = 0; at < 50; at++) await turn()
      door.resolve()
      await within(20_000, last)
      const passed = order.indexOf('victim') - before
      // Of those that are inside already, it waits for a turn each time it comes to a line.
      assert.ok(passed <= 3, `${passed} were answered before it, of ${maxInFlight} inside`)
      await within(20_000, Promise.all(all))
      for (const client of clients) await client.close()
      await gateway.close(1000)
      await flow.close()
    }
  })

test.run()
