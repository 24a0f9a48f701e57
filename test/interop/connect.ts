// Our clients drive a Flow, a Deployment and an Executor of Python's Jina.
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConnectionError, ExecutorError } from '../../lib/base/errors.js'
import { Document } from '../../lib/doc/document.js'
import type { PostOptions } from '../../lib/post/options.js'
import { post } from '../../lib/post/post.js'
import type { Handler } from '../../lib/request/handler.js'
import type { ConnectOptions } from '../../lib/wire/connect-options.js'
import type { Connection } from '../../lib/wire/connection.js'
import { Folder } from '../support/folder.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { document, picture } from './documents.js'
import { flow, freePort } from './process.js'
import { interop } from './python.js'
import { asCarriedBy, carriedBy, protocols, wires } from './wires.js'

const NUMBERS = Array.from({ length: 40 }, (_, i) => `d${i}`)
/** Python's worker calls itself by replica where it keeps results. */
const results = (parameters: any, executor: string) => parameters.__results__[`${executor}/rep-0`]

/** Until it is. */
async function ready(peer: Connection, served: { errors: string }): Promise<void> {
  const late = Date.now() + 25_000
  while (!(await peer.isReady({ timeout: 1000 }))) {
    if (Date.now() > late) throw new Error(`Nobody is ready: ${served.errors}`)
    await pause(200)
  }
}

interface Disposable extends Connection {
  [Symbol.asyncDispose](): Promise<void>
}

await interop(test, async (python) => {
  let served: Awaited<ReturnType<typeof flow>>
  test.before(async () => {
    served = await flow(python, { executors: [{ name: 'first' }, { name: 'second' }] })
  })
  test.after(() => served?.[Symbol.asyncDispose]())

  for (const protocol of protocols) {
    const name = `C6: our ${protocol} → Python`
    const pictures = carriedBy(protocol)
    const same = asCarriedBy(protocol)
    const connect = async (options?: ConnectOptions, address = served.address(protocol)): Promise<Disposable> => {
      const peer = wires[protocol].connect(address, options)
      await peer.open()
      return Object.assign(peer, { [Symbol.asyncDispose]: async () => void (await peer.close()) })
    }
    const responses = async (on: string, inputs?: any, options?: PostOptions<any>) => {
      await using peer = await connect()
      return await within(20_000, post(peer, on, inputs, options).toArray())
    }

    test(`${name}: a trace and a timeout go along, and nobody is the worse for it`, async () => {
      await using peer = await connect({ timeout: 20_000 })
      const bringing: Handler = {
        accepts: () => true,
        handle(request) {
          request.contextHeaders = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', baggage: 'tenant=acme' }
          return peer.handle(request)
        },
      }
      const options = { requestSize: 1, resultsInOrder: true }
      const docs = await within(20_000, post(bringing, '/trail', ['a', 'b', 'c'], options).docs())
      assert.equal(
        docs.map(({ text, tags }) => [text, tags.trail]),
        ['a', 'b', 'c'].map((text) => [text, '/first/second']),
      )
    })

    test(`${name}: documents arrive and come back whole`, async () => {
      const [response] = await responses('/pictures', pictures.map(document))
      const back = response!.docs.map(picture)
      for (const [i, picture] of pictures.entries()) {
        assert.equal(same(back)[i], same(pictures)[i], `came back: ${picture.id}`)
        for (const executor of ['first', 'second'])
          assert.equal(same(results(response!.parameters, executor).pictures)[i], same(pictures)[i], `arrived at ${executor}: ${picture.id}`)
      }
    })

    test(`${name}: documents of Python's own arrive whole`, async () => {
      const [response] = await responses('/make', undefined, { parameters: { pictures }, targetExecutor: 'second' })
      const back = response!.docs.map(picture)
      for (const [i, picture] of pictures.entries()) assert.equal(same(back)[i], same(pictures)[i], picture.id)
    })

    test(`${name}: tags that are 0 and 1 stay numbers, but where Python's own JSON makes them false and true`, async () => {
      const tags = { zero: 0, one: 1, list: [0, 1], object: { one: 1 } }
      // Its model of a document tries booleans first, over HTTP: see docs/protocol.md.
      const expected = protocol === 'http' ? { ...tags, zero: false, one: true } : tags
      const [response] = await responses('/echo', [new Document({ tags })])
      assert.equal(response!.docs[0]!.tags, expected)
    })

    test(`${name}: requests, routes and header`, async () => {
      const all = await responses('/trail', ['a', 'b', 'c', 'd', 'e'], { requestSize: 2 })
      assert.equal(all.map(({ docs }) => docs.length).sort(), [1, 2, 2])
      for (const { routes, docs, requestId, header } of all) {
        assert.match(requestId, /^[0-9a-f]{32}$/)
        assert.is(header.execEndpoint, '/trail')
        assert.equal(
          routes.map(({ executor }) => executor).filter((executor) => executor !== 'gateway'),
          ['first', 'second'],
        )
        for (const { startTime, endTime } of routes) if (endTime !== undefined) assert.ok(endTime >= startTime)
        for (const doc of docs) assert.is(doc.tags.trail, '/first/second')
      }
      const [empty, ...none] = await responses('/pictures', undefined, { parameters: { only: 'parameters' } })
      assert.is(none.length, 0)
      assert.is(empty!.docs.length, 0)
      assert.is(results(empty!.parameters, 'first').parameters.only, 'parameters')
      const [nothing] = await responses('/nobody', 'a')
      assert.equal(nothing!.docs.texts, ['a'])
    })

    test(`${name}: parameters`, async () => {
      const parameters = { a: 1, first__b: 2, second: { c: 3, a: 4 }, text: 'x', list: [1, null, { yes: true }] }
      const [response] = await responses('/pictures', undefined, { parameters })
      const { __results__: _, ...rest } = response!.parameters
      assert.equal(rest, parameters)
      const { second, text, list } = parameters
      assert.equal(results(response!.parameters, 'first').parameters, { a: 1, b: 2, second, text, list })
      assert.equal(results(response!.parameters, 'second').parameters, { a: 4, c: 3, second, text, list })
    })

    test(`${name}: targetExecutor`, async () => {
      const trails = ['second', 'sec', '(fir|x)', 'nobody'].map(async (targetExecutor) => {
        const [response] = await responses('/trail', 'a', { targetExecutor })
        return response!.docs[0]!.tags.trail
      })
      assert.equal(await Promise.all(trails), ['/second', '/second', '/first', undefined])
    })

    test(`${name}: results in order, and all of them without`, async () => {
      const docs = () => NUMBERS.map((id, i) => new Document({ id, tags: { ms: [60, 0, 30, 0][i % 4] } }))
      const ids = (all: Awaited<ReturnType<typeof responses>>) => all.flatMap(({ docs }) => docs.map(({ id }) => id))
      assert.equal(ids(await responses('/late', docs(), { requestSize: 1, resultsInOrder: true, prefetch: 8 })), NUMBERS)
      const any = ids(await responses('/late', docs(), { requestSize: 1, prefetch: 16 }))
      assert.equal([...any].sort(), [...NUMBERS].sort())
      assert.not.equal(any, NUMBERS)
    })

    test(`${name}: an executor's error, with its stack`, async () => {
      const all = await responses('/fail', ['a', 'b', 'c'], { requestSize: 1, continueOnError: true })
      assert.is(all.length, 3)
      for (const { error, status } of all) {
        assert.instance(error, ExecutorError)
        assert.is(status.code, 'ERROR')
        assert.match((error as Error).message, 'ValueError')
        const cause = (error as Error).cause as Error
        assert.is(cause.name, 'ValueError')
        assert.match(cause.stack!, 'flow.py')
        assert.is((error as ExecutorError).executor, 'Peer')
      }
      await using peer = await connect()
      const failed = await post(peer, '/fail', 'a')
        .toArray()
        .catch((error) => error)
      assert.instance(failed, ExecutorError)
      // The connection outlives it.
      assert.equal((await post(peer, '/upper', 'a').docs()).texts, ['A'])
    })

    test(`${name}: ten thousand documents`, async () => {
      async function* documents() {
        for (let i = 0; i < 10_000; i++) yield { id: `d${i}`, text: `text ${i}` }
      }
      await using peer = await connect()
      const docs = await within(60_000, post(peer, '/upper', documents(), { resultsInOrder: true }).docs())
      assert.is(docs.length, 10_000)
      assert.ok(docs.every(({ id, text }, i) => id === `d${i}` && text === `TEXT ${i}`))
    })

    test(`${name}: readiness, and nobody there`, async () => {
      await using peer = await connect()
      assert.is(await within(10_000, peer.isReady()), true)
      const scheme = protocol === 'websocket' ? 'ws' : protocol
      const gone = wires[protocol].connect(`${scheme}://127.0.0.1:${await freePort()}`, { connectTimeout: 2000 })
      assert.is(await within(10_000, gone.isReady({ timeout: 2000 })), false)
      const error = await within(
        10_000,
        (async () => {
          await gone.open()
          return await post(gone, '/echo', 'a').toArray()
        })().catch((error) => error),
      )
      assert.instance(error, ConnectionError)
      assert.is(error.code, 'ERR_UNREACHABLE')
      await gone.close()
    })

    test(`${name}: who breaks off leaves the connection whole`, async () => {
      await using peer = await connect()
      for await (const _ of post(
        peer,
        '/late',
        NUMBERS.map((id) => new Document({ id, tags: { ms: 20 } })),
        { requestSize: 1 },
      ))
        break
      assert.equal((await within(10_000, post(peer, '/upper', 'a').docs())).texts, ['A'])
    })

    if (protocol === 'grpc')
      test(`${name}: gzip`, async () => {
        await using peer = await connect({ compression: 'gzip' })
        assert.equal((await post(peer, '/upper', ['a'.repeat(10_000)]).docs()).texts, ['A'.repeat(10_000)])
      })
  }

  test('C6: our clients → Python over TLS', async () => {
    const { ca, key, cert } = await certificates()
    const folder = new Folder()
    await using secure = await flow(python, {
      executors: [{ name: 'first' }],
      gateway: { ssl_keyfile: folder.file('key.pem', key), ssl_certfile: folder.file('cert.pem', cert) },
    })
    for (const protocol of protocols) {
      const address = secure.address(protocol).replace('127.0.0.1', 'localhost')
      const peer = wires[protocol].connect(address, { tls: { ca } })
      await within(30_000, ready(peer, secure))
      await peer.open()
      assert.equal((await within(10_000, post(peer, '/upper', 'a').docs())).texts, ['A'], protocol)
      await peer.close()
      const wary = wires[protocol].connect(address)
      const error = await within(
        10_000,
        (async () => {
          await wary.open()
          return await post(wary, '/upper', 'a').toArray()
        })().catch((error) => error),
      )
      assert.instance(error, ConnectionError, protocol)
      assert.is(error.code, 'ERR_TLS', protocol)
      await wary.close()
    }
  })

  test('C6: our grpc → a Python Executor, without a gateway', async () => {
    await using alone = await flow(python, { kind: 'deployment', include_gateway: false, protocol: ['grpc'], name: 'alone' })
    const peer = wires.grpc.connect(alone.address('grpc'))
    await peer.open()
    const all = await within(20_000, post(peer, '/trail', ['a', 'b', 'c'], { requestSize: 1 }).toArray())
    assert.equal(
      all.map(({ docs }) => docs[0]!.tags.trail),
      ['/alone', '/alone', '/alone'],
    )
    const failed = await post(peer, '/fail', 'a')
      .toArray()
      .catch((error) => error)
    assert.instance(failed, ExecutorError)
    assert.is(await peer.isReady(), true)
    await peer.close()
  })

  test('C5: a Python Flow that is killed midway', async () => {
    await using doomed = await flow(python, { executors: [{ name: 'first' }] })
    for (const protocol of protocols) {
      const peer = wires[protocol].connect(doomed.address(protocol))
      await peer.open()
      const docs = [new Document({ tags: { ms: 60_000 } })]
      const failed = within(
        30_000,
        post(peer, '/late', docs)
          .toArray()
          .catch((error) => error),
      )
      await pause(500)
      if (protocol === protocols.at(-1)) doomed.kill()
      else {
        const reason = new ConnectionError('ERR_DISCONNECTED', peer.address, 'closed by this test')
        await peer.close(reason)
        assert.is(await failed, reason, protocol)
        continue
      }
      const error = await failed
      assert.instance(error, ConnectionError, protocol)
      assert.is(error.code, 'ERR_DISCONNECTED', protocol)
      await peer.close()
    }
  })
})

test.run()
