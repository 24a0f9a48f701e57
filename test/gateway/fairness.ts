// One client asks as much as it can; another asks once in a while.
import { fork } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Executor, Flow } from '../../lib/index.js'
import { code } from '../support/code.js'
import { turn } from '../support/turn.js'
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
  ['streams', 50, 1, 50 * PREFETCH],
  ['websocket', 1, 1, PREFETCH],
  ['websocket', 150, 1, 150 * PREFETCH],
  ['http', 1, PREFETCH, PREFETCH],
  ['http', 150, 1, 150],
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
      while (flood < 10 * most) await within(20_000, turn())
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

test.run()
