// Python's Jina Client drives our servers.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/flow/flow.js'
import { Folder } from '../support/folder.js'
import { serve as serveGraphQL } from '../support/graphql.js'
import type { Served } from '../support/serving.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { tags } from './documents.js'
import { Peer } from './peer.js'
import { client, type Protocol, type Script } from './process.js'
import { interop } from './python.js'
import { asCarriedBy, carriedBy, protocols, wires } from './wires.js'

const NUMBERS = Array.from({ length: 40 }, (_, i) => `d${i}`)
const two = () => new Flow().add({ name: 'first', uses: Peer }).add({ name: 'second', uses: Peer }).open()
const ids = (answer: any) => answer.responses.flatMap(({ docs }: any) => docs.map(({ id }: any) => id))

await interop(test, async (python) => {
  let flow: Awaited<ReturnType<typeof two>>
  let script: Script
  const servers: Partial<Record<Protocol, Served>> = {}

  test.before(async () => {
    flow = await two()
    script = client(python)
    for (const protocol of protocols) servers[protocol] = await wires[protocol].serve(flow, { onError: (error) => assert.unreachable(String(error)) })
  })
  test.after(async () => {
    await script?.[Symbol.asyncDispose]()
    for (const protocol of protocols) await servers[protocol]?.close()
    await flow?.close()
  })

  const ways: { protocol: Protocol; stream?: boolean }[] = protocols.map((protocol) => ({ protocol }))
  for (const { protocol, ...way } of [...ways, { protocol: 'grpc' as const, stream: false }]) {
    const name = `C6: Python → our ${protocol}${way.stream === false ? ', one call per request' : ''}`
    const pictures = carriedBy(protocol)
    const same = asCarriedBy(protocol)

    /** Asks for one post after the other. */
    const posts = async (asks: Record<string, unknown>[], server = servers[protocol]!) => {
      const answers: any[] = []
      for (const ask of asks) answers.push(await within(60_000, script.ask({ address: server.address, do: 'post', ...way, ...ask })))
      return answers
    }

    test(`${name}: documents arrive and come back whole`, async () => {
      const [answer] = await posts([{ on: '/pictures', pictures }])
      assert.is(answer.error, undefined)
      assert.is(answer.responses.length, 1)
      const [{ docs, parameters }] = answer.responses
      for (const [i, picture] of pictures.entries()) {
        assert.equal(same(docs)[i], same(pictures)[i], `came back: ${picture.id}`)
        for (const executor of ['first', 'second'])
          assert.equal(same(parameters.__results__[executor].pictures)[i], same(pictures)[i], `arrived at ${executor}: ${picture.id}`)
      }
    })

    test(`${name}: documents of our own arrive whole`, async () => {
      const [answer] = await posts([{ on: '/make', parameters: { pictures }, target_executor: 'second' }])
      assert.is(answer.error, undefined)
      for (const [i, picture] of pictures.entries()) assert.equal(same(answer.responses[0].docs)[i], same(pictures)[i], picture.id)
    })

    test(`${name}: tags that are 0 and 1 stay numbers, but where Python's own JSON makes them false and true`, async () => {
      const tags = { zero: 0, one: 1, list: [0, 1], object: { one: 1 } }
      // Its model of a document tries booleans first, over HTTP: see docs/protocol.md.
      const expected = protocol === 'http' ? { ...tags, zero: false, one: true } : tags
      const [answer] = await posts([{ on: '/echo', pictures: [{ tags }] }])
      assert.equal(answer.responses[0].docs[0].tags, expected)
    })

    test(`${name}: requests, routes and header`, async () => {
      const [batched, empty, nothing] = await posts([
        { on: '/trail', count: 5, request_size: 2 },
        { on: '/pictures', parameters: { only: 'parameters' } },
        { on: '/nobody', count: 1 },
      ])
      assert.equal(batched.responses.map(({ docs }: any) => docs.length).sort(), [1, 2, 2])
      for (const { header, routes, docs } of batched.responses) {
        assert.match(header.request_id, /^[0-9a-f]{32}$/)
        assert.is(header.exec_endpoint, '/trail')
        assert.equal(
          routes.map(({ executor }: any) => executor),
          ['gateway', 'first', 'second'],
        )
        for (const { ms, status } of routes) assert.ok(ms >= 0 && status === 0)
        for (const { tags } of docs) assert.is(tags.trail, '/first/second')
      }
      assert.equal(ids(empty), [])
      assert.is(empty.responses.length, 1)
      assert.is(empty.responses[0].parameters.__results__.first.parameters.only, 'parameters')
      assert.equal(ids(nothing), ['d0'])
    })

    test(`${name}: parameters`, async () => {
      const parameters = { a: 1, first__b: 2, second: { c: 3, a: 4 }, text: 'x', list: [1, null, { yes: true }] }
      const [answer] = await posts([{ on: '/pictures', parameters }])
      assert.is(answer.error, undefined)
      const { __results__: results, ...rest } = answer.responses[0].parameters
      assert.equal(rest, parameters)
      const { second, text, list } = parameters
      assert.equal(results.first.parameters, { a: 1, b: 2, second, text, list })
      assert.equal(results.second.parameters, { a: 4, c: 3, second, text, list })
    })

    test(`${name}: target_executor is matched from the start`, async () => {
      const answers = await posts(['second', 'sec', '(fir|x)', 'econd', 'nobody'].map((target_executor) => ({ on: '/trail', count: 1, target_executor })))
      const trails = answers.map(({ responses }) => responses[0].docs[0].tags?.trail)
      assert.equal(trails, ['/second', '/second', '/first', undefined, undefined])
    })

    test(`${name}: results in order, and all of them without`, async () => {
      // The last one is late: Python's client waits for ever when all answers are there before it knows that its input has ended, and they are to be in order.
      const late = [0, 60, 0, 30]
      const [ordered, any] = await posts([
        { on: '/late', count: 40, late, request_size: 1, results_in_order: true, prefetch: 8 },
        { on: '/late', count: 40, late, request_size: 1 },
      ])
      assert.equal(ids(ordered), NUMBERS)
      assert.equal(ids(any).sort(), [...NUMBERS].sort())
      assert.not.equal(ids(any), NUMBERS)
    })

    test(`${name}: an executor's error`, async () => {
      const fail = { on: '/fail', count: 3, request_size: 1 }
      const asks = [fail, { ...fail, continue_on_error: true }]
      const [raised, goes] = await posts(asks)
      // Over WebSockets, Python's client loses what it would raise when the server is quick to close (with Jina's own server too).
      if (raised.error === undefined) assert.ok(protocol === 'websocket' && raised.responses.length === 0)
      else {
        assert.is(raised.error.type, 'BadServer')
        assert.match(raised.error.message, 'ValueError')
      }
      assert.is(goes.responses.length, 3)
      for (const { header, routes } of goes.responses) {
        const { code, description, exception } = header.status
        assert.is(code, 'ERROR')
        assert.match(description, /no \d/)
        assert.is(exception.name, 'ValueError')
        assert.is(exception.executor, 'first')
        assert.is(exception.stacks, undefined)
        assert.equal(
          routes.map(({ executor, status }: any) => [executor, status]).filter(([executor]: any) => executor !== 'gateway'),
          [['first', 1]],
        )
      }
      const open = await wires[protocol].serve(flow, { exposeStacks: true })
      const [shown] = await posts([asks[1]!], open)
      await open.close()
      assert.match(shown.responses[0].header.status.exception.stacks.join(''), /peer\.[jt]s/)
    })

    test(`${name}: ten thousand documents from a generator`, async () => {
      const [answer] = await posts([{ on: '/upper', count: 10_000, brief: true }])
      assert.is(answer.error, undefined)
      assert.equal(
        answer.texts.map(Number).sort((a: number, b: number) => a - b),
        Array.from({ length: 10_000 }, (_, i) => i),
      )
    })

    if (way.stream === undefined)
      test(`${name}: TLS, and readiness`, async () => {
        const { ca, key, cert } = await certificates()
        const file = new Folder().file('ca.pem', ca)
        const server = await wires[protocol].serve(flow, { tls: { key, cert } })
        const address = `${protocol === 'websocket' ? 'wss' : `${protocol}s`}://localhost:${server.port}`
        await using trusting = client(python, { GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: file, SSL_CERT_FILE: file })
        await using other = client(python)
        try {
          const answer = await trusting.ask({ address, do: 'post', on: '/upper', pictures: [{ text: 'a' }] })
          assert.is(answer.error, undefined)
          assert.is(answer.responses[0].docs[0].text, 'A')
          // Python's clients ask for readiness in the clear over WebSockets, whatever the scheme.
          assert.is((await trusting.ask({ address, do: 'ready' })).ready, true)
          assert.is((await other.ask({ address, do: 'post', on: '/upper', pictures: [{ text: 'a' }] })).error.kinds.includes('Exception'), true)
        } finally {
          await server.close()
        }
      })
  }

  test('C6: Python → our grpc: gzip, deflate and metadata', async () => {
    for (const stream of [true, false])
      for (const compression of ['Gzip', 'Deflate']) {
        const more = { compression, metadata: [['x-of-mine', '1']] }
        const answer = await script.ask({ address: servers.grpc!.address, do: 'post', on: '/upper', count: 200, stream, more, brief: true })
        assert.is(answer.error, undefined)
        assert.is(answer.texts.length, 200)
      }
  })

  test('C6: Python → our grpc: stream_doc gets what a generator yields', async () => {
    await using single = await new Flow().add({ name: 'first', uses: Peer }).open()
    const server = await wires.grpc.serve(single)
    try {
      const ask = { address: server.address, do: 'stream', on: '/tokens', pictures: [{ text: 'one two three' }] }
      const answer = await script.ask(ask)
      assert.is(answer.error, undefined)
      assert.equal(
        answer.docs.map(({ text }: any) => text),
        ['one', 'two', 'three'],
      )
    } finally {
      await server.close()
    }
  })

  test('C6 E3: Python gets one answer of a generator, whole', async () => {
    await using single = await new Flow().add({ name: 'first', uses: Peer }).open()
    for (const protocol of protocols) {
      const server = await wires[protocol].serve(single)
      try {
        const answer = await script.ask({ address: server.address, do: 'post', on: '/tokens', pictures: [{ text: 'one two' }] })
        assert.is(answer.error, undefined, protocol)
        assert.equal(
          answer.responses.map(({ docs }: any) => docs.map(({ text }: any) => text)),
          [['one', 'two']],
          protocol,
        )
      } finally {
        await server.close()
      }
    }
  })

  test('P16: Python gets documents that grow whole: once at the end, and with each piece from stream_doc', async () => {
    await using single = await new Flow().add({ name: 'first', uses: Peer }).open()
    const seen = ({ text, tags }: any) => [text, tags.letter]
    for (const protocol of protocols) {
      const server = await wires[protocol].serve(single)
      try {
        const pictures = [{ text: 'x' }, { text: 'y' }]
        const answer = await script.ask({ address: server.address, do: 'post', on: '/grow', pictures })
        assert.is(answer.error, undefined, protocol)
        assert.equal(
          answer.responses.map(({ docs }: any) => docs.map(seen)),
          [
            [
              ['xabc', 'c'],
              ['yabc', 'c'],
            ],
          ],
          protocol,
        )
      } finally {
        await server.close()
      }
    }
    const server = await wires.grpc.serve(single)
    try {
      const { error, docs } = await script.ask({ address: server.address, do: 'stream', on: '/grow', pictures: [{ text: 'x' }] })
      assert.is(error, undefined)
      assert.equal(docs.map(seen), [
        ['xa', 'a'],
        ['xab', 'b'],
        ['xabc', 'c'],
      ])
    } finally {
      await server.close()
    }
  })

  test('C4 G2: Python → our GraphQL: client.mutate', async () => {
    await using server = await serveGraphQL(flow)
    const address = `http://127.0.0.1:${server.port}`
    const mutation = `mutation ($data: [StrawberryDocumentInput!], $parameters: JSONScalar) {
      docs(data: $data, execEndpoint: "/upper", parameters: $parameters) { id text tags scores { name score { value opName } } }
    }`
    const data = [{ id: 'a', text: 'abc', tags: JSON.stringify(tags), scores: [{ name: 's', score: { value: 0.5, opName: 'o' } }] }]
    const answer = await script.ask({ address, do: 'mutate', mutation, variables: { data, parameters: '{"a": 1}' } })
    assert.is(answer.error, undefined)
    assert.equal(answer.data.data.docs, [{ ...data[0], text: 'ABC', tags }])
    const failed = await script.ask({ address, do: 'mutate', mutation: 'mutation { docs(data: [{text: "x"}], execEndpoint: "/fail") { id } }' })
    assert.is(failed.error.type, 'ConnectionError')
    assert.match(failed.error.message, 'no x')
  })
})

test.run()
