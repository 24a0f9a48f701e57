import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import type { Plugin } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/flow/flow.js'
import { attach } from '../support/serving.js'
import { within } from '../support/within.js'
import { bundle, inChromium } from './support.js'

const page = inChromium(test)

/** What stands in pages for what is Node's, as the build has it. */
const pages: Plugin = {
  name: 'pages',
  setup({ onResolve }) {
    onResolve({ filter: /\/node\.js$/ }, ({ path, resolveDir }) =>
      resolve(resolveDir, path) === resolve('lib/base/node.js') ? { path: resolve('lib/base/node-web.ts') } : undefined,
    )
    onResolve({ filter: /^@grpc\/grpc-js$/ }, () => ({ path: resolve('lib/wire/grpc/absent.mjs') }))
  },
}

/** The client and `post()` as they stand here, in one script. */
async function script(): Promise<string> {
  const { files, metafile } = await bundle(
    `export { connect } from './lib/wire/websocket/client/connect.js'
    export { post } from './lib/post/post.js'`,
    { format: 'iife', globalName: 'sluice', minify: false, external: ['re2js'], plugins: [pages] },
  )
  for (const input of Object.keys(metafile.inputs)) assert.not.match(input, /node_modules\/(ws|@grpc)\//)
  return Buffer.from(files.get('main.js')!).toString()
}

/** A page, what it loads, and the Flow that it asks, on one port. */
async function site() {
  const flow = await new Flow()
    .add({
      uses: async function* ({ docs, endpoint }: any) {
        if (endpoint === '/fail') throw new Error('not today')
        for (const doc of docs) yield [{ ...doc.toJSON(), text: doc.text.toUpperCase() }]
      } as any,
    })
    .open()
  const code = await script()
  const server = createServer(({ url }, response) => {
    if (url === '/script.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(code)
    else response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>page</title><script src="/script.js"></script>')
  })
  const attached = await attach(server, flow)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      await attached.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await flow.close()
    },
  }
}

test('C1: the client bundles for browsers, without Node and without ws', async () => {
  const text = await script()
  assert.match(text, 'binaryType')
  assert.not.match(text, /require\("(?!re2js")/)
  assert.not.match(text, /from"node:|from "node:/)
})

test('C1: the client runs where there is only a global WebSocket', async () => {
  const { WebSocket } = await import('ws')
  const { runInNewContext } = await import('node:vm')
  await using it = await site()
  const { TextEncoder, TextDecoder, URL, setTimeout, clearTimeout, setImmediate, performance, AbortController, AbortSignal, DOMException, crypto, btoa, atob } =
    globalThis
  const own = {
    TextEncoder,
    TextDecoder,
    URL,
    setTimeout,
    clearTimeout,
    setImmediate,
    performance,
    AbortController,
    AbortSignal,
    DOMException,
    crypto,
    btoa,
    atob,
  }
  // A realm of its own, which has no process and no Buffer.
  const realm: any = { ...own, WebSocket, ArrayBuffer, Uint8Array, console }
  runInNewContext(`${await script()}\nthis.sluice = sluice`, realm)
  const { connect, post } = realm.sluice
  for (const mode of ['bytes', 'json']) {
    const connection = connect(`ws://127.0.0.1:${it.port}`, { mode })
    assert.is(await connection.isReady(), true)
    const texts: string[] = []
    for await (const { partial, docs } of post(connection, '/', ['a', 'b', 'c'], { requestSize: 1, resultsInOrder: true }))
      if (!partial) texts.push(...docs.texts)
    assert.equal(texts, ['A', 'B', 'C'])
    connection.close()
  }
  assert.throws(
    () => connect('ws://127.0.0.1', { headers: { a: 'b' } }),
    (error: any) => error.code === 'ERR_OPTION_TYPE' && /browsers/.test(error.message),
  )
  const gone = await post(connect('ws://127.0.0.1:1'), '/', ['a'])
    .drain()
    .catch((error: unknown) => error)
  assert.is(gone.code, 'ERR_UNREACHABLE')
})

page('C1: in Chromium a page posts documents by WebSocket and gets answers, in both modes', async (browser) => {
  await using it = await site()
  const tab = await browser.newPage()
  const complaints: string[] = []
  tab.on('pageerror', (error) => complaints.push(error.message))
  await tab.goto(`http://127.0.0.1:${it.port}/`)
  for (const mode of ['bytes', 'json']) {
    const seen = await within(
      20_000,
      tab.evaluate(
        async ([mode, address]) => {
          const { connect, post } = (globalThis as any).sluice
          const connection = connect(address, { mode })
          const answers: unknown[] = []
          for await (const { partial, docs } of post(connection, '/', ['a', 'b'], { requestSize: 1, resultsInOrder: true }))
            answers.push([partial, ...docs.texts])
          const failed = await post(connection, '/fail', ['a'])
            .drain()
            .catch(({ code, executor }: any) => [code, executor])
          const large = await post(connection, '/', [{ text: 'x'.repeat(5_000_000) }]).docs()
          const ready = await connection.isReady()
          connection.close()
          return { answers, failed, large: large[0].text.length, ready }
        },
        [mode, `ws://127.0.0.1:${it.port}`],
      ),
    )
    assert.equal(seen, {
      answers: [
        [true, 'A'],
        [false, 'A'],
        [true, 'B'],
        [false, 'B'],
      ],
      failed: ['ERR_EXECUTOR', 'executor0'],
      large: 5_000_000,
      ready: true,
    })
  }
  assert.equal(complaints, [])
})

test.run()
