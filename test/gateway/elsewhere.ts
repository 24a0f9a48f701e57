// The handlers for fetch, behind the servers that Bun and Deno have of their own: node has none that takes them.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runsOn } from '../../lib/base/runs-on.js'
import { Client } from '../../lib/client/index.js'
import { createHttp } from '../../lib/gateway/index.js'
import { type Call, delta, Flow } from '../../lib/index.js'
import { createGraphQL } from '../../lib/wire/graphql/index.js'
import { deferred } from '../support/deferred.js'
import { within } from '../support/within.js'

type Handle = (request: globalThis.Request) => Promise<globalThis.Response>
interface Servers {
  Bun?: { serve(options: object): { readonly port: number; stop(now: boolean): Promise<void> } }
  Deno?: { serve(options: object, handle: Handle): { readonly addr: { readonly port: number }; shutdown(): Promise<void> } }
}

const { Bun, Deno } = globalThis as Servers
const hostname = '127.0.0.1'

function serve(handle: Handle): { readonly url: string } & AsyncDisposable {
  if (Bun !== undefined) {
    const server = Bun.serve({ port: 0, hostname, fetch: handle })
    return { url: `http://${hostname}:${server.port}`, [Symbol.asyncDispose]: async () => void (await server.stop(true)) }
  }
  const stop = new AbortController()
  const server = Deno!.serve({ port: 0, hostname, signal: stop.signal, onListen: () => {} }, handle)
  return { url: `http://${hostname}:${server.addr.port}`, [Symbol.asyncDispose]: async () => stop.abort() }
}

/** An executor of two pieces, whose second waits until it is let go of, or nobody wants it. */
function pieces() {
  const second = deferred<void>()
  const aborted = deferred<string>()
  async function* uses({ docs: [doc], signal }: Call) {
    yield delta(doc!, { text: 'one ' })
    signal.addEventListener('abort', () => aborted.resolve(String(signal.reason?.name)))
    await Promise.race([second.promise, aborted.promise])
    yield delta(doc!, { text: 'two' })
  }
  return { second, aborted, uses }
}

test(`T6: what docs/runtimes.md has for the servers of Bun and Deno runs, here on ${runsOn}`, async () => {
  const [, block] = /^```js\n(Bun\.serve[\s\S]*?)^```$/m.exec(readFileSync('docs/runtimes.md', 'utf8'))!
  const used: string[] = []
  const asked: (() => Promise<globalThis.Response>)[] = []
  const stops: (() => unknown)[] = []
  const of = (name: string, ask: (url: string) => Promise<globalThis.Response>) => {
    used.push(name)
    asked.push(() => ask(name === 'Bun' ? '/healthz' : '/graphql?query={__typename}'))
  }
  // The servers of this runtime, at a port that is free; in the place of the others' stands what calls the handler.
  const bun = {
    serve: (options: { fetch: Handle }) => {
      const server = Bun?.serve({ port: 0, hostname, ...options })
      if (server !== undefined) stops.push(() => server.stop(true))
      of('Bun', (path) => (server === undefined ? options.fetch(new Request(`http://${hostname}${path}`)) : fetch(`http://${hostname}:${server.port}${path}`)))
    },
  }
  const deno = {
    serve: (handle: Handle) => {
      const stop = new AbortController()
      const server = Deno?.serve({ port: 0, hostname, signal: stop.signal, onListen: () => {} }, handle)
      stops.push(() => stop.abort())
      of('Deno', (path) => (server === undefined ? handle(new Request(`http://${hostname}${path}`)) : fetch(`http://${hostname}:${server.addr.port}${path}`)))
    },
  }
  await using flow = await new Flow().add({ uses: () => {} }).open()
  try {
    new Function('Bun', 'Deno', 'flow', 'createHttp', 'createGraphQL', block!)(bun, deno, flow, createHttp, createGraphQL)
    assert.equal(used, ['Bun', 'Deno'])
    for (const ask of asked) {
      const answer = await ask()
      assert.is(answer.status, 200, await answer.text())
    }
  } finally {
    for (const stop of stops) await stop()
  }
})

if (runsOn === 'node') {
  console.log('skipped: the servers of Bun and Deno, which node test/run.mjs --runtime=bun and --runtime=deno have')
  test('T6: there is no server for fetch in node', () => {})
} else {
  test(`T6: createHttp() behind the server of ${runsOn}: pieces come one by one, and a break reaches the executor`, async () => {
    const whole = pieces()
    const broken = pieces()
    await using flow = await new Flow().add({ uses: (call: Call) => (call.docs[0]!.id === 'whole' ? whole : broken).uses(call) }).open()
    await using server = serve(createHttp(flow).fetch)
    await using client = new Client(server.url)
    const texts: string[] = []
    for await (const { partial, docs } of client.post('/', [{ id: 'whole', text: '' }])) {
      texts.push(docs[0]!.text)
      if (partial) whole.second.resolve()
    }
    assert.equal([texts[0], texts.at(-1)], ['one ', 'one two'])
    for await (const { docs } of client.post('/', [{ id: 'broken', text: '' }])) {
      assert.is(docs[0]!.text, 'one ')
      break
    }
    await within(10_000, broken.aborted.promise)
    assert.is((await fetch(`${server.url}/healthz`)).status, 200)
  })

  test(`T6: createGraphQL() behind the server of ${runsOn}: a mutation, a subscription event by event, and its end reaches the executor`, async () => {
    const whole = pieces()
    const broken = pieces()
    await using flow = await new Flow().add({ uses: (call: Call) => (call.docs[0]!.id === 'whole' ? whole : broken).uses(call) }).open()
    await using server = serve(createGraphQL(flow).fetch)
    const queryOf = (id: string) => `subscription { docs(data: { id: "${id}", text: "" }) { docs { text } } }`
    const events = async function* (id: string, signal?: AbortSignal) {
      const { body } = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
        body: JSON.stringify({ query: queryOf(id) }),
        ...(signal && { signal }),
      })
      let text = ''
      for await (const bytes of body!.pipeThrough(new TextDecoderStream() as never) as unknown as AsyncIterable<string>) {
        text += bytes
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const data = /^data: ?(.+)$/m.exec(text.slice(0, end))?.[1]
          text = text.slice(end + 2)
          if (data) yield JSON.parse(data).data.docs.docs[0].text as string
        }
      }
    }
    const seen: string[] = []
    for await (const text of events('whole')) {
      seen.push(text)
      whole.second.resolve()
    }
    assert.equal([seen[0], seen.at(-1)], ['one ', 'one two'])
    const stop = new AbortController()
    await events('broken', stop.signal).next()
    stop.abort()
    await within(10_000, broken.aborted.promise)
  })
}

test.run()
