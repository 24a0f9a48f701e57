// 173: peers that are gone without a word, and such as only compute.
import { fork } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { code } from '../support/code.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { road } from '../support/road.js'
import { within } from '../support/within.js'
import { PROTOCOLS, SCHEMES } from './ways.js'

/** Longer than silence is borne: at most 4.5 s. */
const BUSY = 6000

/** A process that computes for so long when it is asked, hears nothing meanwhile, and says how often it was asked. */
async function busy() {
  const child = fork(code('test/network/busy'), [String(BUSY)])
  const port = deferred<number>()
  let asked = 0
  child.on('message', (message) => (message === 'asked' ? void asked++ : port.resolve(message as number)))
  return {
    port: await within(20_000, port.promise),
    get asked() {
      return asked
    },
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
}

/** What waits for silences is begun at once, and waited for in its turn: they are real, and of processes of their own. */
function beside(name: string, see: () => Promise<void>): void {
  const seen = see()
  seen.catch(() => {})
  test(name, () => seen)
}

for (const protocol of PROTOCOLS) {
  beside(`173: ${protocol}: an executor that computes, and hears nothing, is called once, whoever else could be`, async () => {
    using far = await busy()
    const host = `${SCHEMES[protocol]}://127.0.0.1:${far.port}`
    await using client = new Client(host, { retries: 2 })
    await using one = await new Flow().add({ name: 'far', external: true, host }).open()
    await using two = await new Flow().add({ name: 'far', external: true, host: [host, host], retries: 2 }).open()
    for (const [count, flow] of ([client, one, two] as Client[]).entries()) {
      const { items, error } = await collect(flow.post('/', 'x'))
      assert.is(error, undefined, String(error))
      assert.is(items[0]!.docs[0]!.text, 'done')
      assert.is(far.asked, count + 1)
    }
  })

  beside(`173: ${protocol}: where packets vanish, another replica answers before long`, async () => {
    await using there = await new Flow({ protocol, port: 0 }).add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text = 'done')) }).open()
    const [address] = Object.values(there.addresses)
    await using between = await road(Number(new URL(address!.replace(/^\w+/, 'http')).port))
    const lost = `${SCHEMES[protocol]}://127.0.0.1:${between.port}`
    await using flow = await new Flow().add({ name: 'far', external: true, host: [lost, address!], polling: 'ANY' }).open()
    await flow.post('/', ['a', 'b', 'c', 'd'], { requestSize: 1 }).drain()
    between.freeze()
    const start = performance.now()
    const { items, error } = await within(60_000, collect(flow.post('/', ['a', 'b', 'c', 'd'], { requestSize: 1 })))
    assert.is(error, undefined, String(error))
    assert.is(items.length, 4)
    assert.ok(performance.now() - start < 20_000)
  })
}

test.run()
