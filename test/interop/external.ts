// Executors of one world in a Flow of the other.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Call } from '../../lib/executor/executor.js'
import { Flow } from '../../lib/flow/flow.js'
import { post } from '../../lib/post/post.js'
import type { Connection } from '../../lib/wire/connection.js'
import { rich, tensors } from './documents.js'
import { Peer } from './peer.js'
import { client, flow } from './process.js'
import { interop } from './python.js'
import { wires } from './wires.js'

/** A step of a Flow that asks somebody else. */
const ask =
  (peer: Connection) =>
  ({ docs, parameters, endpoint, signal }: Call) =>
    post(peer, endpoint, docs, { parameters, signal, requestSize: 0 }).docs()

await interop(test, async (python) => {
  test('C6: a Python Executor is a step of our Flow', async () => {
    await using alone = await flow(python, { kind: 'deployment', include_gateway: false, protocol: ['grpc'], name: 'theirs' })
    const peer = wires.grpc.connect(alone.address('grpc'))
    await peer.open()
    await using ours = await new Flow()
      .add({ name: 'before', uses: Peer })
      .add({ name: 'theirs', uses: ask(peer) })
      .add({ name: 'after', uses: Peer })
      .open()
    const docs = await ours.post('/trail', ['a', 'b', 'c'], { requestSize: 1, resultsInOrder: true }).docs()
    assert.equal(
      docs.map(({ text, tags }) => [text, tags.trail]),
      ['a', 'b', 'c'].map((text) => [text, '/before/theirs/after']),
    )
    await peer.close()
  })

  test('C6: our Executor is an external one of a Python Flow', async () => {
    const executor = new Peer({ name: 'ours' })
    const server = await wires.grpc.serve(executor)
    try {
      await using theirs = await flow(python, {
        protocol: ['grpc', 'http'],
        executors: [{ name: 'before' }, { name: 'ours', external: true, host: '127.0.0.1', port: server.port }, { name: 'after' }],
      })
      await using script = client(python)
      for (const address of [theirs.address('grpc'), theirs.address('http')]) {
        const trail = await script.ask({ address, do: 'post', on: '/trail', count: 5, request_size: 2, results_in_order: true })
        assert.is(trail.error, undefined)
        for (const { docs, routes } of trail.responses) {
          assert.equal(
            routes.map(({ executor }: any) => executor),
            ['gateway', 'before', 'ours', 'after'],
          )
          for (const { tags } of docs) assert.is(tags.trail, '/before/ours/after')
        }

        const parameters = { a: 1, ours__b: 2, before: { c: 3 } }
        const told = await script.ask({ address, do: 'post', on: '/pictures', count: 1, parameters })
        assert.is(told.error, undefined)
        assert.equal(told.responses[0].parameters.__results__.ours.parameters, { a: 1, b: 2, before: { c: 3 } })
      }

      const address = theirs.address('grpc')
      const failed = await script.ask({ address, do: 'post', on: '/fail', count: 1, target_executor: 'ours', continue_on_error: true })
      assert.is(failed.error, undefined)
      const [{ header, routes }] = failed.responses
      assert.is(header.status.code, 'ERROR')
      assert.is(header.status.exception.name, 'ValueError')
      assert.equal(
        routes.filter(({ status }: any) => status === 1).map(({ executor }: any) => executor),
        ['ours'],
      )
      // What nobody is bound to passes by.
      const nobody = await script.ask({ address, do: 'post', on: '/nobody', count: 1 })
      assert.is(nobody.responses[0].docs.length, 1)
      const whole = await script.ask({ address, do: 'post', on: '/pictures', pictures: [...rich, ...tensors], target_executor: 'ours' })
      assert.is(whole.error, undefined)
      for (const [i, picture] of [...rich, ...tensors].entries()) {
        assert.equal(whole.responses[0].docs[i], picture)
        assert.equal(whole.responses[0].parameters.__results__.ours.pictures[i], picture)
      }
      assert.is((await script.ask({ address, do: 'ready' })).ready, true)
    } finally {
      await server.close()
    }
  })

  test('C6: our Flow joins the branches of a Python one', async () => {
    await using inner = await new Flow().add({ name: 'one', uses: Peer }).add({ name: 'two', uses: Peer }).open()
    const server = await wires.grpc.serve(inner)
    const ours = { external: true, host: '127.0.0.1', port: server.port }
    try {
      await using theirs = await flow(python, {
        protocol: ['grpc'],
        executors: [
          { name: 'left', needs: 'gateway' },
          { name: 'right', needs: 'gateway' },
          { name: 'ours', needs: ['left', 'right'], ...ours },
        ],
      })
      await using script = client(python)
      const joined = await script.ask({ address: theirs.address('grpc'), do: 'post', on: '/trail', count: 3 })
      assert.is(joined.error, undefined)
      assert.is(joined.responses[0].docs.length, 3)
      for (const { tags } of joined.responses[0].docs) assert.match(tags.trail, /^\/(left|right)\/one\/two$/)
    } finally {
      await server.close()
    }
  })

  test('C6: our generator streams through a Python gateway', async () => {
    const server = await wires.grpc.serve(new Peer({ name: 'ours' }))
    try {
      const executors = [{ name: 'ours', external: true, host: '127.0.0.1', port: server.port }]
      await using theirs = await flow(python, { protocol: ['grpc'], executors })
      await using script = client(python)
      const tokens = await script.ask({ address: theirs.address('grpc'), do: 'stream', on: '/tokens', pictures: [{ text: 'one two three' }] })
      assert.is(tokens.error, undefined)
      assert.equal(
        tokens.docs.map(({ text }: any) => text),
        ['one', 'two', 'three'],
      )
    } finally {
      await server.close()
    }
  })
})

test.run()
