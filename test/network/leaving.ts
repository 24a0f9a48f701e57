// How soon an executor is told that its client is gone: R43 wants it in 100 ms.
import { fork } from 'node:child_process'
import { test } from 'uvu'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { code } from '../support/code.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { road } from '../support/road.js'
import { soonest } from '../support/soonest.js'
import { within } from '../support/within.js'
import { SCHEMES, texts, WAYS } from './ways.js'

/** Milliseconds. */
const SOON = 100

let called = deferred<void>()
let told = deferred<number>()

let flow: Flow<any, any>
let gateway: Gateway

test.before(async () => {
  flow = await new Flow({ closeTimeout: 100 })
    .add({
      name: 'worker',
      uses: ({ signal }) =>
        new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            told.resolve(performance.now())
            resolve()
          })
          called.resolve()
        }),
    })
    .open()
  gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true })
})
test.after(async () => {
  await gateway.close(0)
  await flow.close()
})

/** That somebody left is noticed at once. @param leave resolves right before whoever is there leaves */
function noticed(leave: () => Promise<() => unknown>): Promise<void> {
  return soonest(SOON, async () => {
    called = deferred()
    told = deferred()
    const left = leave()
    await within(20_000, called.promise)
    const go = await left
    const start = performance.now()
    go()
    return (await within(20_000, told.promise)) - start
  })
}

for (const way of WAYS) {
  const address = (port: number) => `${SCHEMES[way]}://127.0.0.1:${port}`

  test(`R43, P12: ${way}: by leaving the loop, and by an abort`, async () => {
    await using client = new Client(address(gateway.port))
    await noticed(async () => {
      const controller = new AbortController()
      const mutating = way === 'graphql' ? client.mutate('{ docs(data: [{ text: "a" }]) { text } }', {}, { signal: controller.signal }) : undefined
      if (mutating === undefined) void collect(client.post('/', ['a'], { signal: controller.signal }))
      else mutating.catch(() => {})
      return () => controller.abort()
    })
    if (way === 'graphql') return
    await noticed(async () => {
      const responses = client.post('/', ['a'])
      responses.next().catch(() => {})
      return () => responses.return()
    })
  })

  test(`R43: ${way}: when the connection breaks off`, async () => {
    await noticed(async () => {
      const between = await road(gateway.port)
      const client = new Client(address(between.port))
      void texts(way, client, ['a'])
        .catch(() => {})
        .finally(() => client.close())
        .finally(() => between[Symbol.asyncDispose]())
      return () => between.drop()
    })
  })

  test(`R43: ${way}: when the client's process is killed`, async () => {
    await noticed(async () => {
      const child = fork(code('test/network/proxied'), [JSON.stringify({ asked: [{ way, address: address(gateway.port), tls: false }], ca: '' })], {
        stdio: 'inherit',
      })
      return () => child.kill('SIGKILL')
    })
  })
}

test.run()
