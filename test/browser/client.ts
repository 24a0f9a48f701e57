// `sluice/client` as it is published, in a page: at the origin of the gateway, and at another that the gateway allows.
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Gateway } from '../../lib/gateway/index.js'
import { type Call, Executor, Flow } from '../../lib/index.js'
import { type Deferred, deferred } from '../support/deferred.js'
import { within } from '../support/within.js'
import { bundle, inChromium, pageAt, site } from './support.js'

const TIME = 30_000
const page = inChromium(test)

/** Does what its endpoint says. */
class Actor extends Executor {
  static requests = { '/shout': 'shout', '/fail': 'fail', '/tokens': 'tokens', '/wait': 'wait', '/embed': 'embed' } as const
  /** The signals of calls of `wait`, as they come. */
  static waiting: Deferred<AbortSignal> = deferred()

  async shout({ docs, parameters }: Call) {
    // The first is the slowest, so that order is kept by somebody.
    if (docs[0]?.text === 'a') await new Promise((resolve) => setTimeout(resolve, 30))
    for (const doc of docs) doc.text = `${doc.text.toUpperCase()}${parameters.mark ?? ''}`
    return { size: docs.length }
  }
  fail({ docs }: Call) {
    if (docs.some(({ text }) => text === 'bad')) throw new TypeError('cannot do bad')
  }
  async *tokens({ docs }: Call) {
    for (const doc of docs)
      for (const token of ['a', 'b']) {
        doc.text += token
        yield doc
      }
  }
  async wait({ signal, docs }: Call) {
    // What does not wait itself is answered when the other is there.
    if (docs[0]?.text !== 'wait') return void (await Actor.waiting.promise)
    Actor.waiting.resolve(signal)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  }
  embed({ docs }: Call) {
    for (const doc of docs) doc.embedding = Float32Array.from(doc.embedding!.data as Float32Array, (x) => x * 2)
  }
}

const published = await bundle("export * from 'sluice/client'", { splitting: true })

/** A gateway, and a page that may ask it. */
async function world(browser: Browser, where: 'same origin' | 'other origin' | 'foreign origin') {
  const flow = await new Flow().add({ name: 'actor', uses: Actor }).open()
  const home = await site(published.files)
  const gateway = await Gateway.serve(flow, { protocol: ['http', 'websocket'], graphql: true, cors: where === 'other origin' ? [home.origin] : false })
  const address = gateway.addresses.http!
  // The gateway has a page of its own, which is as good as any at its origin.
  const { page, complaints } = await pageAt(browser, where === 'same origin' ? `${address}/docs` : home.origin, `${home.origin}/main.js`)
  await page.evaluate(`globalThis.client = new sluice.Client(${JSON.stringify(address)})`)
  return {
    address,
    page,
    complaints,
    home,
    gateway,
    async [Symbol.asyncDispose]() {
      await page.context().close()
      await gateway.close(0)
      await flow.close()
      await home[Symbol.asyncDispose]()
    },
  }
}

/** What runs in a page finds these there. */
declare const sluice: typeof import('../../lib/client/index.js')
declare const client: import('../../lib/client/index.js').Client

/** Waits until the executor on the server is told that nobody wants its answer. */
async function told(): Promise<void> {
  const signal = await within(TIME, Actor.waiting.promise)
  await within(TIME, new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve()))))
}

function waits(): void {
  Actor.waiting = deferred()
}

const run = <R, A>(page: Page, fn: (argument: A) => R | Promise<R>, argument?: A): Promise<R> =>
  within(TIME, page.evaluate(fn as never, argument as never)) as Promise<R>

test('C1: sluice/client bundles for pages: no import of Node, no ws, no gRPC on the way of HTTP', () => {
  const { files, metafile } = published
  for (const { imports } of Object.values(metafile.outputs))
    assert.equal(
      imports.filter(({ external }) => external),
      [],
    )
  for (const [name, code] of files) assert.not.match(Buffer.from(code).toString(), /(from|import|require)\s*\(?\s*["']node:|\brequire\(/, name)
  for (const input of Object.keys(metafile.inputs)) assert.not.match(input, /^(?!\(disabled\)).*node_modules\/(ws|@grpc)\//)
})

page('C1: a page loads only what it speaks', async (browser) => {
  await using there = await world(browser, 'other origin')
  const size = (files: Iterable<string>): number => [...files].reduce((sum, name) => sum + gzipSync(published.files.get(name)!, { level: 9 }).length, 0)
  await run(there.page, () => client.post('/shout', 'x').drain())
  const http = new Set(there.home.loaded)
  await run(there.page, (socket) => new sluice.Client(socket).post('/shout', 'x').drain(), there.gateway.addresses.websocket!)
  const all = new Set(there.home.loaded)
  // What docs/clients.md says, and a little.
  assert.ok(size(http) < 62_000, `HTTP is ${size(http)} B, gzipped`)
  assert.ok(size(all) < 88_000, `with WebSocket it is ${size(all)} B, gzipped`)
})

for (const where of ['same origin', 'other origin'] as const) {
  page(`C1, P2: a page at the ${where} streams documents over HTTP and gets answers`, async (browser) => {
    await using there = await world(browser, where)
    const seen = await run(there.page, async () => {
      let pulled = 0
      let closed = 0
      async function* inputs() {
        try {
          for (const text of 'abcdefgh') {
            pulled++
            yield { text }
          }
        } finally {
          closed++
        }
      }
      const answers: unknown[] = []
      let ahead = 0
      const posted = client.post('/shout', inputs(), { requestSize: 1, prefetch: 2, resultsInOrder: true, parameters: { mark: '!' } })
      for await (const { docs, parameters, routes } of posted) {
        answers.push(docs.texts[0])
        ahead = Math.max(ahead, pulled - answers.length)
        if (answers.length === 8) answers.push(parameters.__results__, routes.map(({ executor }) => executor).join())
      }
      const tokens: unknown[] = []
      for await (const { partial, ordinal, docs } of client.post('/tokens', 'x')) tokens.push([partial, ordinal, docs.texts[0]])
      return { answers, ahead, closed, tokens, ready: await client.isFlowReady() }
    })
    assert.equal(seen, {
      answers: [...'ABCDEFGH'].map((text) => `${text}!`).concat([{ actor: { size: 1 } }, 'gateway,actor'] as never[]),
      ahead: seen.ahead,
      closed: 1,
      tokens: [
        [true, 0, 'xa'],
        [true, 1, 'xab'],
        [false, 2, 'xab'],
      ],
      ready: true,
    })
    assert.ok(seen.ahead <= 2, `${seen.ahead} documents were read ahead`)
    assert.equal(there.complaints, [])
  })

  page(`C5: a page at the ${where} is told what failed, by type`, async (browser) => {
    await using there = await world(browser, where)
    const seen = await run(there.page, async () => {
      const failed = (await client
        .post('/fail', ['fine', 'bad'], { requestSize: 1 })
        .drain()
        .catch((error) => error)) as InstanceType<typeof sluice.ExecutorError>
      const statuses: string[] = []
      for await (const { status } of client.post('/fail', ['bad', 'fine'], { requestSize: 1, resultsInOrder: true, continueOnError: true }))
        statuses.push(`${status.code}`)
      const source = await client
        .post(
          '/shout',
          (async function* () {
            yield 'a'
            throw new Error('dry')
          })(),
        )
        .drain()
        .catch(({ message }) => message)
      const query = await client.mutate('mutation { nothing }').catch((error) => error)
      return {
        failed: [failed instanceof sluice.ExecutorError, failed.code, failed.executor, failed.message],
        statuses,
        source,
        query: [query instanceof sluice.ConnectionError, query.code],
      }
    })
    const [isOne, code, executor, message] = seen.failed
    assert.equal([isOne, code, executor], [true, 'ERR_EXECUTOR', 'actor'])
    assert.match(String(message), 'cannot do bad')
    assert.equal(seen.statuses, ['ERROR', 'SUCCESS'])
    assert.is(seen.source, 'dry')
    assert.equal(seen.query, [true, 'ERR_REFUSED'])
  })

  page(`P12, R43: leaving the loop, or a signal, in a page at the ${where} tells the executor`, async (browser) => {
    await using there = await world(browser, where)
    waits()
    const left = run(there.page, async () => {
      let closed = 0
      async function* inputs() {
        try {
          for (let i = 0; ; i++) yield i === 1 ? 'wait' : 'go'
        } finally {
          closed++
        }
      }
      for await (const _ of client.post('/wait', inputs(), { requestSize: 1, prefetch: 2 })) break
      return closed
    })
    assert.is(await left, 1)
    await told()
    waits()
    const aborted = run(there.page, async () => {
      const controller = new AbortController()
      Object.assign(globalThis, { stop: () => controller.abort('enough') })
      return client
        .post('/wait', 'wait', { signal: controller.signal })
        .drain()
        .catch((reason) => reason)
    })
    await within(TIME, Actor.waiting.promise)
    await there.page.evaluate('stop()')
    assert.is(await aborted, 'enough')
    await told()
  })

  page(`D1: a large document and embeddings cross to a page at the ${where} and back`, async (browser) => {
    await using there = await world(browser, where)
    const seen = await run(
      there.page,
      async (socket) => {
        const [large] = await client.post('/other', [{ text: 'é'.repeat(4_000_000) }]).docs()
        const embeddings: unknown[] = []
        for (const way of [client, new sluice.Client(socket)]) {
          const [doc] = await way.post('/embed', [{ embedding: Float32Array.of(0.5, 1.25, -3) }]).docs()
          const { data, shape } = doc!.embedding!
          embeddings.push([data.constructor.name, [...(data as Float32Array)], shape])
          if (way !== client) await way.close()
        }
        return { large: large!.text.length, embeddings }
      },
      there.gateway.addresses.websocket!,
    )
    assert.is(seen.large, 4_000_000)
    assert.equal(seen.embeddings, [
      ['Float64Array', [1, 2.5, -6], [3]],
      ['Float32Array', [1, 2.5, -6], [3]],
    ])
  })

  page(`C4: a page at the ${where} runs a mutation and a subscription; leaving it ends the work`, async (browser) => {
    await using there = await world(browser, where)
    waits()
    const seen = await run(there.page, async () => {
      const { data } = await client.mutate('mutation ($text: String!) { docs(data: { text: $text }, execEndpoint: "/shout") { text } }', { text: 'x' })
      const texts: unknown[] = []
      const all = 'subscription { docs(data: [{ text: "b" }, { text: "c" }], execEndpoint: "/shout", requestSize: 1, resultsInOrder: true) { docs { text } } }'
      for await (const { data } of client.subscribe(all)) texts.push(data.docs.docs[0].text)
      const waiting = 'subscription { docs(data: [{ text: "go" }, { text: "wait" }], execEndpoint: "/wait", requestSize: 1) { docs { text } } }'
      for await (const { data } of client.subscribe(waiting)) {
        texts.push(data.docs.docs[0].text)
        break
      }
      return { data, texts }
    })
    assert.equal(seen, { data: { docs: [{ text: 'X' }] }, texts: ['B', 'C', 'go'] })
    await told()
  })
}

page('R117, C5: a page of another origin that was not allowed is told so, and how to allow it; one whose server is gone, that', async (browser) => {
  await using there = await world(browser, 'foreign origin')
  const ask = () =>
    run(there.page, async () => {
      const ways = [client.post('/shout', 'a').drain(), client.mutate('{ docs { id } }'), client.subscribe('subscription { docs { docs { id } } }').next()]
      const errors = await Promise.all(
        ways.map((way) =>
          Promise.resolve(way).then(
            () => undefined,
            (error) => error,
          ),
        ),
      )
      return { errors: errors.map((error) => [error instanceof sluice.ConnectionError, error.code, error.message]), ready: await client.isFlowReady() }
    })
  const refused = await ask()
  for (const [isOne, code, message] of refused.errors) {
    assert.equal([isOne, code], [true, 'ERR_REFUSED'], message)
    assert.match(message, `not to pages of ${there.home.origin}`)
    assert.match(message, 'cors')
  }
  assert.is(refused.ready, false)
  await there.gateway.close(0)
  const gone = await ask()
  for (const [isOne, code] of gone.errors) assert.equal([isOne, code], [true, 'ERR_UNREACHABLE'])
})

test.run()
