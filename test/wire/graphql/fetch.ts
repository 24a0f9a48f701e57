import { execFileSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../../lib/flow/flow.js'
import type { Handler } from '../../../lib/request/handler.js'
import { createGraphQL } from '../../../lib/wire/graphql/index.js'
import { asProgram, codeUrl } from '../../support/code.js'

const post = (query: string, init: RequestInit = {}) =>
  new Request('https://any.example/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }), ...init })

test('G2: fetch answers a Request with a Response, without a server, and needs no this', async () => {
  await using flow = await new Flow().open()
  const { fetch } = createGraphQL(flow)
  const response = await fetch(post('mutation { docs(data: { text: "x" }) { text } }'))
  assert.is(response.status, 200)
  assert.equal(await response.json(), { data: { docs: [{ text: 'x' }] } })
})

test('R92: fetch reads a body no further than its limit', async () => {
  await using flow = await new Flow().open()
  const { fetch } = createGraphQL(flow, { maxBodyBytes: 100_000 })
  let pulled = 0
  let cancelled = false
  const body = new ReadableStream({
    pull(controller) {
      pulled++
      controller.enqueue(new Uint8Array(10_000).fill(32))
    },
    cancel() {
      cancelled = true
    },
  })
  const response = await fetch(post('', { body, duplex: 'half' } as RequestInit))
  assert.is(response.status, 413)
  assert.ok(pulled < 20)
  assert.ok(cancelled)
  const whole = await fetch(post(`{ __typename } #${' '.repeat(100_000)}`))
  assert.is(whole.status, 413)
})

test('G2: any peer will do', async () => {
  const peer: Handler = {
    accepts: () => true,
    handle(request) {
      for (const doc of request.docs) doc.text = `${request.header.execEndpoint} ${doc.text}`
    },
  }
  const response = await createGraphQL(peer).fetch(post('mutation { docs(data: { text: "x" }, execEndpoint: "/here") { text } }'))
  assert.equal(await response.json(), { data: { docs: [{ text: '/here x' }] } })
})

test('R87: an invalid option is refused with its name before anything starts', () => {
  const flow = new Flow()
  const refused = (options: any, code: string, name: RegExp) =>
    assert.throws(
      () => createGraphQL(flow, options),
      (error: any) => error.code === code && name.test(error.message),
    )
  for (const name of ['maxBodyBytes', 'maxTokens', 'maxDepth', 'maxFields']) {
    for (const value of [0, -1, 1.5, NaN]) refused({ [name]: value }, 'ERR_OPTION_RANGE', new RegExp(`^${name}`))
    refused({ [name]: '4' }, 'ERR_OPTION_TYPE', new RegExp(`^${name}`))
  }
  for (const name of ['maxAliases', 'maxDirectives', 'prefetch']) refused({ [name]: -1 }, 'ERR_OPTION_RANGE', new RegExp(`^${name}`))
  for (const name of ['graphiql', 'introspection']) refused({ [name]: 'yes' }, 'ERR_OPTION_TYPE', new RegExp(`^${name}`))
  refused({ maxDeepth: 3 }, 'ERR_OPTION_TYPE', /"maxDeepth"\. Did you mean maxDepth/)
  refused({ path: 'graphql' }, 'ERR_OPTION_RANGE', /^path/)
  refused({ path: '/a"><script>' }, 'ERR_OPTION_RANGE', /^path/)
  refused({ path: 5 }, 'ERR_OPTION_TYPE', /^path/)
  refused({ onError: 5 }, 'ERR_OPTION_TYPE', /^onError/)
  refused({ cors: 'https://app.example' }, 'ERR_OPTION_TYPE', /^cors/)
  refused({ cors: {} }, 'ERR_OPTION_TYPE', /^cors\.origins/)
  refused({ cors: { origins: [] } }, 'ERR_OPTION_TYPE', /^cors\.origins/)
  refused({ cors: { origins: ['https://app.example/'] } }, 'ERR_OPTION_RANGE', /^cors\.origins/)
  refused({ cors: { origins: '*', credentials: true } }, 'ERR_OPTION_RANGE', /^cors\.credentials/)
  refused(5, 'ERR_OPTION_TYPE', /createGraphQL/)
})

test('sluice itself does not load graphql', () => {
  const program = `
    import { register } from 'node:module'
    import { MessageChannel } from 'node:worker_threads'
    const { port1, port2 } = new MessageChannel()
    const seen = []
    port1.on('message', (url) => seen.push(url))
    const hook = 'let port; export function initialize(data) { port = data.port } export async function load(url, context, next) { port.postMessage(url); return next(url, context) }'
    register('data:text/javascript,' + encodeURIComponent(hook), { data: { port: port2 }, transferList: [port2] })
    await import(process.argv.at(-1))
    await new Promise((resolve) => setTimeout(resolve, 50))
    port1.close()
    console.log(JSON.stringify(seen))`
  const loads = (module: string): string[] => JSON.parse(execFileSync(process.execPath, [...asProgram(program), codeUrl(module)], { encoding: 'utf8' }))
  const graphql = (urls: string[]) => urls.filter((url) => /node_modules\/(graphql|@graphql|@envelop|@whatwg)/.test(url)).length
  const core = loads('lib/index')
  assert.ok(core.some((url) => url === codeUrl('lib/flow/flow')))
  assert.is(graphql(core), 0)
  assert.ok(graphql(loads('lib/wire/graphql/index')) > 0)
})

test.run()
