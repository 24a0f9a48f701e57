// Networks that are slow, or cut what they carry to pieces: all is as ever, but takes longer.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { type Road, road } from '../support/road.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { PROTOCOLS, SCHEMES, schemeOf, texts, WAYS } from './ways.js'

let flow: Flow<any, any>
let plain: Gateway
let secure: Gateway
let ca: string

test.before(async () => {
  const { key, cert, ca: authority } = await certificates()
  ca = authority
  flow = await new Flow().add({ name: 'worker', uses: ({ docs }) => docs.forEach((doc) => void (doc.text = doc.text.toUpperCase())) }).open()
  plain = await Gateway.serve(flow, { protocol: PROTOCOLS, graphql: true })
  secure = await Gateway.serve(flow, { protocol: PROTOCOLS, graphql: true, tls: { key, cert } })
})
test.after(async () => {
  await plain.close()
  await secure.close()
  await flow.close()
})

const LATENCY = 100
const BODY = 3000
const ROADS: Record<string, { road: Road; given: string[]; atLeast: number }> = {
  'latency of 100 ms each way': { road: { latency: LATENCY }, given: ['a', 'b', 'c'], atLeast: 2 * LATENCY },
  'one byte at a time': { road: { slice: 1 }, given: ['a', 'b'], atLeast: 0 },
  '10 kB/s': { road: { rate: 10_000 }, given: ['x'.repeat(BODY)], atLeast: (2 * BODY * 1000) / 10_000 - 100 },
}

for (const way of WAYS)
  for (const tls of [false, true])
    test(`R112: ${way}${tls ? ' with TLS' : ''}: ${Object.keys(ROADS).join('; ')}: correct, only slower`, async () => {
      await Promise.all(
        Object.entries(ROADS).map(async ([name, { road: bad, given, atLeast }]) => {
          await using between = await road(tls ? secure.port : plain.port, bad)
          await using client = new Client(`${schemeOf(way, tls)}://localhost:${between.port}`, tls ? { tls: { ca } } : {})
          const start = performance.now()
          assert.equal(
            await within(15_000, texts(way, client, given, { requestSize: 1 })),
            given.map((text) => text.toUpperCase()),
            name,
          )
          // Or it went another way.
          assert.ok(performance.now() - start >= atLeast, `${name}: ${performance.now() - start} ms`)
          assert.ok(between.connections >= 1)
        }),
      )
    })

for (const protocol of PROTOCOLS)
  test(`R112, C5: ${protocol}: a connection that breaks off in the middle of an answer`, async () => {
    await using between = await road(plain.port, { rate: 10_000 })
    await using client = new Client(`${SCHEMES[protocol]}://127.0.0.1:${between.port}`)
    const responses = client.post('/', ['x', 'y'.repeat(100_000)], { requestSize: 1, resultsInOrder: true })
    assert.equal((await within(10_000, responses.next())).value!.docs.texts, ['X'])
    const rest = responses.next().catch((error) => error)
    between.drop()
    assert.is((await within(10_000, rest)).code, 'ERR_DISCONNECTED')
  })

test.run()
