// Two tenants, 300 requests at once, on each way in: everything runs in the context of its own request, and at a client in that of its own post.
import { Server } from 'node:http'
import { Server as GrpcServer } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { createHttp } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { post } from '../../lib/post/post.js'
import { connect } from '../../lib/wire/grpc/client/connect.js'
import { events } from '../support/sse.js'
import { within } from '../support/within.js'
import { busy, TENANTS, tenant, Witness } from './tenants.js'

const EACH = 150

// As tracers do it: a request is handled in a context of its own from the first event on.
const emit: (this: Server, type: string, ...rest: any[]) => boolean = Server.prototype.emit
Server.prototype.emit = function (this: Server, type: string, ...rest: any[]): boolean {
  const who = type === 'request' || type === 'upgrade' ? rest[0].headers['x-tenant'] : undefined
  return who === undefined ? emit.call(this, type, ...rest) : tenant.run(who, () => emit.call(this, type, ...rest))
}
const { register } = GrpcServer.prototype
GrpcServer.prototype.register = function (this: GrpcServer, name: string, handler: any, ...rest: any[]) {
  const inContext = (call: any, ...more: any[]) => {
    const [who] = call.metadata.get('x-tenant')
    return who === undefined ? handler(call, ...more) : tenant.run(who, () => handler(call, ...more))
  }
  return (register as any).call(this, name, inContext, ...rest)
} as typeof register

/** Executors of several kinds, in a gateway that lets few requests in at once. */
const world = (witness: Witness): Promise<Flow<any, any>> =>
  new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0, graphql: { path: '/graphql' }, maxInFlight: 40, prefetch: 0, timeout: 60_000 } as any)
    .add({ uses: witness.sync })
    .add({
      uses: witness.async,
      concurrency: 3,
      parallel: 2,
      retries: 1,
      timeout: 50_000,
      when: ({ text }) => {
        witness.see('condition', text)
        return true
      },
    })
    .add({ uses: witness.pieces, concurrency: 5 })
    .open() as Promise<Flow<any, any>>

/** Everybody's requests at once: `ask` sends `EACH` of them for a tenant. */
async function everybody(witness: Witness, ask: (flow: Flow<any, any>, who: string) => Promise<unknown>): Promise<void> {
  await using flow = await world(witness)
  await within(60_000, Promise.all(TENANTS.map((who) => ask(flow, who))))
  assert.equal(witness.foreign, [])
  assert.ok(witness.seen >= 2 * EACH * 6, String(witness.seen))
}

for (const protocol of ['grpc', 'http', 'websocket'] as const) {
  test(`141: served over ${protocol}, and posted by a Client with callbacks`, async () => {
    const witness = new Witness()
    await everybody(witness, async (flow, who) => {
      await using client = new Client(flow.addresses[protocol]!, { headers: { 'x-tenant': who }, retries: 1 })
      const mine = `the client of ${who}`
      const called = (): void => {
        busy()
        witness.see('callback', mine)
      }
      const inputs = function* () {
        for (let i = 0; i < EACH; i++) {
          witness.see('source', mine)
          yield who
        }
      }
      const drained = tenant.run(mine, () => client.post('/', inputs, { requestSize: 1, prefetch: 0, onDone: called, onAlways: called }).drain())
      assert.is(await drained, EACH)
    })
  })
}

test('141: clients that share a connection, over each protocol', async () => {
  for (const protocol of ['grpc', 'http', 'websocket'] as const) {
    const witness = new Witness()
    await using flow = await new Flow({ protocol, port: 0 })
      .add({
        async *uses({ docs }) {
          for (const doc of docs) yield doc
        },
      })
      .open()
    await using client = new Client(flow.addresses[protocol]!)
    const one = (who: string): Promise<number> => {
      const called = (): void => {
        busy()
        witness.see('callback', who)
      }
      return tenant.run(who, () => client.post('/', Array(EACH).fill(who), { requestSize: 1, onDone: called }).drain())
    }
    await within(60_000, Promise.all(TENANTS.map(one)))
    assert.equal(witness.foreign, [])
    // Each piece, and each whole.
    assert.is(witness.seen, 4 * EACH)
  }
})

test('141: unary calls of gRPC', async () => {
  const witness = new Witness()
  await everybody(witness, async (flow, who) => {
    const client = connect(flow.addresses.grpc!, { unary: true, headers: { 'x-tenant': who } })
    await post(client, '/', Array(EACH).fill(who), { requestSize: 1, prefetch: 0 }).drain()
    client.close()
  })
})

test('141: GraphQL, mutations and subscriptions', async () => {
  const witness = new Witness()
  await everybody(witness, async (flow, who) => {
    const url = `${flow.addresses.http}/graphql`
    const ask = (query: string, accept: string): Promise<Response> =>
      fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', accept, 'x-tenant': who }, body: JSON.stringify({ query }) })
    const mutations = Array.from({ length: EACH }, async () => {
      const answer = await ask(`mutation { docs(data: { text: "${who}" }) { text } }`, 'application/json')
      assert.equal(await answer.json(), { data: { docs: [{ text: who }] } })
    })
    const data = Array(10).fill(`{ text: "${who}" }`).join()
    const subscriptions = Array.from({ length: 15 }, async () => {
      let count = 0
      for await (const { event } of events(await ask(`subscription { docs(data: [${data}], requestSize: 1) { docs { text } } }`, 'text/event-stream')))
        if (event === 'next') count++
      assert.ok(count >= 10)
    })
    await Promise.all([...mutations, ...subscriptions])
  })
})

test('141: createHttp().fetch, bodies and uploads', async () => {
  const witness = new Witness()
  await everybody(witness, async (flow, who) => {
    const { fetch } = createHttp(flow)
    const ask = (type: string, body: string): Promise<Response> =>
      tenant.run(who, () => fetch(new Request('http://127.0.0.1/post?requestSize=1', { method: 'POST', headers: { 'content-type': type }, body })))
    const whole = JSON.stringify({ data: [{ text: who }], execEndpoint: '/' })
    const lines = `${JSON.stringify({ text: who })}\n`.repeat(10)
    await Promise.all([
      ...Array.from({ length: EACH }, async () => assert.is((await (await ask('application/json', whole)).json()).data[0].text, who)),
      ...Array.from({ length: 15 }, async () => assert.match(await (await ask('application/x-ndjson', lines)).text(), who)),
    ])
  })
})

test('141: external executors, over each protocol: sources, callbacks and executors on this side', async () => {
  for (const protocol of ['grpc', 'http', 'websocket'] as const) {
    const witness = new Witness()
    await using far = await new Flow({ protocol, port: 0 })
      .add({
        async *uses({ docs }) {
          for (const doc of docs) yield doc
        },
      })
      .open()
    await using flow = await new Flow()
      .add({ uses: witness.sync })
      .add({ external: true, host: [far.addresses[protocol]!, far.addresses[protocol]!], concurrency: 4, timeout: 50_000 })
      .add({ uses: witness.async })
      .open()
    const one = (who: string): Promise<number> => {
      const called = (): void => {
        busy()
        witness.see('callback', who)
      }
      return tenant.run(who, () => flow.post('/', Array(EACH).fill(who), { requestSize: 1, prefetch: 0, onDone: called }).drain())
    }
    await within(60_000, Promise.all(TENANTS.map(one)))
    assert.equal(witness.foreign, [])
    assert.is(witness.seen, 2 * EACH * 5)
  }
})

test.run()
