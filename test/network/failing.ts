// The table of docs/guarantees.md, cell by cell: what goes wrong between a Client and a server is one ConnectionError, the same by every way, in
// time, after everything that was answered. What test/contract tells too is not told again.
import { fork } from 'node:child_process'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, type ClientOptions } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { ConnectionError, Flow } from '../../lib/index.js'
import { code } from '../support/code.js'
import { collect } from '../support/collect.js'
import { deadPort, silence } from '../support/nobody.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { SCHEMES, schemeOf, WAYS, type Way } from './ways.js'

const flowOf = () => new Flow().add({ name: 'worker', uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) }).open()

/** What comes back for one document, and what it ends with. */
async function ask(way: Way, host: string, options: Omit<ClientOptions, 'host'> = {}, text = 'a'): Promise<{ texts: string[]; error: any }> {
  await using client = new Client(host, options)
  const asked =
    way === 'graphql'
      ? client.mutate('mutation ($text: String) { docs(data: [{ text: $text }]) { text } }', { text }).then(
          ({ data }) => ({ texts: data.docs.map((doc: any) => doc.text), error: undefined }),
          (error) => ({ texts: [], error }),
        )
      : collect(client.post('/', [text])).then(({ items, error }) => ({ texts: items.flatMap(({ docs }) => docs.texts), error }))
  const answer = await within(10_000, asked)
  if (answer.error !== undefined) {
    assert.instance(answer.error, ConnectionError, String(answer.error?.stack ?? answer.error))
    const { address } = answer.error
    assert.ok(answer.error.message.startsWith(address), answer.error.message)
    assert.ok(address.includes(host.replace(/^.*:/, '')), `${address} is not ${host}`)
  }
  return answer
}

const codeAt = async (way: Way, port: number, options?: Omit<ClientOptions, 'host'>, text?: string): Promise<string> =>
  (await ask(way, `${schemeOf(way, Boolean(options?.tls))}://localhost:${port}`, options, text)).error?.code

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

for (const way of WAYS) {
  test(`C5: ${way}: nobody is there`, async () => {
    assert.is(await codeAt(way, await deadPort()), 'ERR_UNREACHABLE')
    assert.is((await ask(way, `${SCHEMES[way]}://no-such-host.invalid:1`)).error.code, 'ERR_UNREACHABLE')
  })

  test(`C5, R44: ${way}: a server that accepts and never says a word`, async () => {
    await using silent = await silence()
    // Over gRPC and WebSocket, no connection stands before the server said something; HTTP's stands at once.
    const code = way === 'grpc' || way === 'websocket' ? 'ERR_UNREACHABLE' : 'ERR_TIMEOUT'
    assert.is(await codeAt(way, silent.port, { timeout: 300, connectTimeout: 200 }), code)
    assert.is(await within(20_000, codeAt(way, silent.port, { timeout: 200, connectTimeout: 1_000_000 })), 'ERR_TIMEOUT')
    // A handshake that does not end is no connection, whatever stands below it.
    const unsafe = await codeAt(way, silent.port, { tls: true, timeout: 1000, connectTimeout: 200 })
    assert.is(unsafe, 'ERR_UNREACHABLE')
  })

  test(`C5, R107: ${way}: a server that is killed: what it answered is delivered, then the error`, async () => {
    const child = fork(code('test/network/server'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const addresses = await within(20_000, new Promise<Record<string, string>>((resolve) => child.once('message', (sent) => resolve(sent as never))))
    await using client = new Client(addresses[way === 'graphql' ? 'http' : way]!)
    const [fast, hang] = [{ text: 'fast' }, { text: 'hang' }]
    let answers: AsyncIterableIterator<unknown>
    const texts: unknown[] = []
    if (way === 'graphql') {
      const document = 'subscription ($data: [StrawberryDocumentInput!]) { docs(data: $data, requestSize: 1) { docs { text } } }'
      answers = client.subscribe(document, { data: [fast, hang, hang] })
      texts.push(((await within(10_000, answers.next())).value as any).data.docs.docs[0].text)
    } else {
      const responses = client.post('/', [fast, hang, hang], { requestSize: 1 })
      answers = responses
      texts.push((await within(10_000, responses.next())).value!.docs[0]!.text)
    }
    assert.equal(texts, ['fast'])
    const mutating = client.mutate('mutation { docs(data: [{ text: "hang" }]) { text } }').catch((error) => error)
    const rest = collect(answers as AsyncIterable<unknown>)
    // The mutation has left once another, behind it on the same kind of road, is answered.
    if (way === 'graphql') await within(10_000, client.mutate('mutation { docs(data: [{ text: "a" }]) { text } }'))
    child.kill('SIGKILL')
    const { error } = await within(10_000, rest)
    assert.instance(error, ConnectionError, String(error))
    assert.is(error.code, 'ERR_DISCONNECTED')
    if (way === 'graphql') assert.is((await within(10_000, mutating)).code, 'ERR_DISCONNECTED')
    else await within(10_000, mutating)
  })

  test(`C5: ${way}: another place: a server that has no such path, or method`, async () => {
    const server = way === 'grpc' ? createHttp2((_, response) => response.writeHead(404).end()) : createHttp((_, response) => response.writeHead(404).end())
    assert.is(await codeAt(way, await listening(server)), 'ERR_PROTOCOL')
    server.close()
  })

  test(`C5: ${way}: another endpoint: nobody answers it, and the documents come back as they are`, async () => {
    await using flow = await new Flow()
      .add({
        name: 'worker',
        uses: class extends (await import('../../lib/index.js')).Executor {
          static requests = { '/known': 'known' } as const
          known() {}
        } as never,
      })
      .open()
    await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true })
    assert.equal(await ask(way, gateway.addresses[way === 'graphql' ? 'http' : way]!), { texts: ['a'], error: undefined })
  })

  test(`C5, R111: ${way}: TLS: who is not trusted, not the one, too old, or not there at all`, async () => {
    const { ca, key, cert, expired, wrongName, selfSigned } = await certificates()
    await using flow = await flowOf()
    const at = async (tls: { key: string; cert: string } | undefined, asked: ClientOptions['tls']) => {
      await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true, ...(tls && { tls }) })
      return await codeAt(way, gateway.port, { tls: asked, connectTimeout: 3000, timeout: 5000 })
    }
    assert.is(await at({ key, cert }, { ca }), undefined)
    assert.is(await at({ key, cert }, true), 'ERR_TLS', 'an authority that nobody knows')
    assert.is(await at(selfSigned, { ca }), 'ERR_TLS', 'signed by itself')
    assert.is(await at(expired, { ca }), 'ERR_TLS', 'expired')
    assert.is(await at(wrongName, { ca }), 'ERR_TLS', 'another name')
    assert.is(await at(wrongName, { ca, serverName: 'elsewhere.example' }), undefined, 'the name that was asked for')
    assert.is(await at(undefined, { ca }), 'ERR_TLS', 'no TLS over there')
  })

  test(`C5, G4: ${way}: a message over the limit, on either end`, async () => {
    await using flow = await flowOf()
    const graphql = { maxBodyBytes: 10_000 }
    await using strict = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], maxMessageBytes: 10_000, graphql })
    await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true })
    const text = 'x'.repeat(50_000)
    assert.is(await codeAt(way, strict.port, {}, text), 'ERR_TOO_LARGE', 'the request')
    assert.is(await codeAt(way, gateway.port, { maxMessageBytes: 10_000 }, text), 'ERR_TOO_LARGE', 'the answer')
    assert.is(await codeAt(way, gateway.port, {}, text), undefined)
  })
}

test.run()
