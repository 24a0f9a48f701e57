// T7: endpoints as tools for agents, asked by the official SDK's own client.
import { spawnSync } from 'node:child_process'
import { Client as NewClient, StreamableHTTPClientTransport as NewTransport } from '@modelcontextprotocol/client'
import { Client as McpClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { type Call, delta, Executor, Flow, type LogRecord } from '../../../lib/index.js'
import { createHttp } from '../../../lib/wire/http/server/fetch.js'
import { codeUrl, flags } from '../../support/code.js'
import { deferred } from '../../support/deferred.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'

const TOKEN = 'a-token-of-the-agents-0'

const Price = z.object({ amount: z.number().positive().describe('In the currency'), currency: z.string().default('EUR') })

class Rank extends Executor {
  static requests = { '/search': 'search', '/index': 'index' }
  static input = {
    '/search': { tags: z.object({ price: Price }), parameters: z.object({ top_k: z.number().int(), mode: z.enum(['fast', 'good']).default('fast') }) },
  }
  static output = { '/search': { tags: z.object({ score: z.number() }) } }
  search({ docs, parameters }: Call<any, any>) {
    for (const doc of docs) {
      doc.tags.score = doc.tags.price.amount / parameters.top_k
      doc.embedding = new Float32Array([1, 2])
    }
  }
  index({ docs }: Call) {
    return { count: docs.length }
  }
}

class Steps extends Executor {
  static requests = { '/stream': 'stream', '/pieces': 'pieces', '/fail': 'fail', '/strange': 'strange' }
  async *stream({ docs: [doc] }: Call) {
    for (const text of ['one', ' two', ' three']) yield delta(doc!, { text })
  }
  async *pieces({ docs }: Call) {
    docs[0]!.text = 'first'
    yield docs
    docs[0]!.text = 'first and second'
  }
  fail() {
    throw new TypeError('no, not /etc/passwd')
  }
  strange({ docs }: Call) {
    docs[0]!.tags.big = 1n
  }
}

const ranked = (options: object = {}) => new Flow({ name: 'shop', mcp: true, onError: () => {}, ...options }).add({ name: 'rank', uses: Rank })
const stepped = (options: object = {}) => new Flow({ name: 'steps', mcp: true, onError: () => {}, ...options }).add({ name: 'steps', uses: Steps })

/** An agent, as hosts of models have one. */
async function agentOf(flow: Flow<any, any>, headers: Record<string, string> = {}) {
  const client = new McpClient({ name: 'agent', version: '1' })
  const transport = new StreamableHTTPClientTransport(new URL(`${flow.addresses.http}/mcp`), { requestInit: { headers } })
  await within(10_000, client.connect(transport as never))
  const call = (name: string, args: Record<string, unknown> = {}, options: object = {}): Promise<CallToolResult> =>
    within(20_000, client.callTool({ name, arguments: args }, undefined, options)) as Promise<CallToolResult>
  return { client, transport, call, [Symbol.asyncDispose]: () => client.close() }
}

const textOf = ({ content }: CallToolResult): string => (content[0] as { text: string }).text

/** A message, as whoever has no SDK sends it. */
const send = (flow: Flow<any, any>, message: unknown, headers: Record<string, string> = {}) =>
  fetch(`${flow.addresses.http}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify(message),
  })
const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' }

test('T7: /mcp is not there unless it is asked for, and is told of where it is', async () => {
  await using off = await ranked({ mcp: false, protocol: 'http' }).open()
  assert.is((await send(off, LIST)).status, 404)
  await using on = await ranked().open()
  assert.equal(Object.keys(on.addresses), ['http'])
  assert.is((await send(on, LIST)).status, 200)
  const { paths } = (await (await fetch(`${on.addresses.http}/openapi.json`)).json()) as { paths: Record<string, any> }
  assert.equal(Object.keys(paths['/mcp']), ['post'])
  for (const method of ['GET', 'DELETE']) assert.is((await fetch(`${on.addresses.http}/mcp`, { method })).status, 405)
  await ranked({ protocol: 'grpc' })
    .open()
    .then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /^mcp must be false where HTTP is not spoken/),
    )
})

test('T7: endpoints are tools, with what their schemas say', async () => {
  await using flow = await ranked({ description: 'Ranks articles' }).open()
  await using agent = await agentOf(flow)
  assert.equal(agent.client.getServerVersion()!.name, 'shop')
  assert.is(agent.client.getInstructions(), 'Ranks articles')
  const { tools } = await agent.client.listTools()
  assert.equal(tools.map(({ name, title }) => [name, title]).sort(), [
    ['index', '/index'],
    ['search', '/search'],
  ])
  const search = tools.find(({ name }) => name === 'search')!
  assert.is(search.description, 'Sends documents to /search of shop')
  const { docs, parameters } = search.inputSchema.properties as Record<string, any>
  assert.equal(search.inputSchema.required, ['docs', 'parameters'])
  assert.equal(docs.items.required, ['tags'])
  assert.is(docs.items.properties.tags.properties.price.properties.amount.description, 'In the currency')
  assert.equal(parameters.properties.mode.enum, ['fast', 'good'])
  assert.equal(search.outputSchema!.required, ['docs'])
  const index = tools.find(({ name }) => name === 'index')!
  assert.is(index.inputSchema.required, undefined)
  assert.is(index.outputSchema, undefined)
})

test('T7: references of a schema lead to where it stands in its tool', async () => {
  interface Node {
    name: string
    children: Node[]
  }
  const Tree: z.ZodType<Node> = z.lazy(() => z.object({ name: z.string(), children: z.array(Tree) }))
  class Grow extends Executor {
    static requests = { '/grow': 'grow' }
    static input = { tags: z.object({ tree: Tree }), parameters: z.object({ other: Tree }) }
    static output = { tags: z.object({ tree: Tree }) }
    grow() {}
  }
  await using served = await new Flow({ mcp: true }).add({ uses: Grow }).open()
  await using agent = await agentOf(served)
  const { tools } = await agent.client.listTools()
  for (const schema of [tools[0]!.inputSchema, tools[0]!.outputSchema!]) {
    const refs = [...JSON.stringify(schema).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref!)
    assert.ok(refs.length > 0)
    for (const ref of refs) {
      const found = ref
        .slice(2)
        .split('/')
        .reduce((value: any, step) => value?.[step], schema)
      assert.is.not(found, undefined, ref)
    }
  }
  // The client holds the answer against it.
  const tree = { name: 'a', children: [{ name: 'b', children: [] }] }
  const answered = await agent.call('grow', { docs: [{ tags: { tree } }], parameters: { other: tree } })
  assert.equal((answered.structuredContent as any).docs[0].tags.tree, tree)
})

test('T7: which endpoints are tools can be chosen, and what each does be said', async () => {
  await using chosen = await ranked({ mcp: { endpoints: ['/search'] }, exposeEndpoints: { '/search': { summary: 'Finds the cheapest' } } }).open()
  await using agent = await agentOf(chosen)
  assert.equal(
    (await agent.client.listTools()).tools.map(({ name, description }) => [name, description]),
    [['search', 'Finds the cheapest']],
  )
  const error = await agent.call('index', { docs: [] }).catch((error) => error)
  assert.is(error.code, -32602)
  assert.match(error.message, /Unknown tool: index/)
  await using said = await ranked({ mcp: { endpoints: { '/search': 'Ranks', '/search!': '', '/a b/c': 'Another' } } }).open()
  await using other = await agentOf(said)
  assert.equal(
    (await other.client.listTools()).tools.map(({ name, description }) => [name, description]),
    [
      ['search', 'Ranks'],
      ['search_2', 'Sends documents to /search! of shop'],
      ['a_b_c', 'Another'],
    ],
  )
  // A Flow of functions has no endpoints by name: it is one tool.
  await using function_ = await new Flow({ name: 'shout', mcp: true }).add({ uses: ({ docs }: Call) => docs.forEach((doc) => void (doc.text += '!')) }).open()
  await using third = await agentOf(function_)
  assert.equal(
    (await third.client.listTools()).tools.map(({ name }) => name),
    ['shout'],
  )
  assert.is(JSON.parse(textOf(await third.call('shout', { docs: [{ text: 'hey' }] }))).docs[0].text, 'hey!')
  for (const mcp of ['yes', { endpoints: [] }, { endpoints: ['search'] }, { endpoints: { '/search': 1 } }, { tools: true }])
    await ranked({ mcp })
      .open()
      .then(
        () => assert.unreachable(JSON.stringify(mcp)),
        (error) => assert.match(error.code, /^ERR_OPTION_/, error.message),
      )
  await ranked({ exposeEndpoints: { '/index': { path: '/mcp' } } })
    .open()
    .then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /another path than that of mcp/),
    )
})

test('T7: a call sends documents and parameters, and gets documents, failed ones and results', async () => {
  await using flow = await ranked().open()
  await using agent = await agentOf(flow)
  await agent.client.listTools()
  const docs = [
    { id: 'a', tags: { price: { amount: 5 } } },
    { id: 'b', tags: { price: { amount: -1 } } },
  ]
  const answered = await agent.call('search', { docs, parameters: { top_k: 2 } })
  const said = JSON.parse(textOf(answered))
  assert.equal(said.docs, [{ id: 'a', tags: { price: { amount: 5, currency: 'EUR' }, score: 2.5 } }])
  assert.equal(answered.structuredContent, said)
  assert.equal([said.failures.length, said.failures[0].id, said.failures[0].executor, said.failures[0].code], [1, 'b', 'rank', 'ERR_EXECUTOR_INPUT'])
  assert.match(said.failures[0].message, /tags\.price\.amount: Too small/)
  assert.is(answered.isError, undefined)
  const nothing = await agent.call('search', { docs: docs.slice(1), parameters: { top_k: 2 } })
  assert.is(nothing.isError, true)
  assert.is(JSON.parse(textOf(nothing)).failures[0].id, 'b')
  const counted = await agent.call('index', { docs: [{ text: 'one' }, { text: 'two' }] })
  assert.equal(JSON.parse(textOf(counted)).results, { rank: { count: 2 } })
  assert.is(counted.structuredContent, undefined)
})

test('T7: what goes wrong is a result that says so, with its code', async () => {
  const records: LogRecord[] = []
  await using flow = await stepped({ logger: (record: LogRecord) => void records.push(record), maxDocuments: 2 }).open()
  await using agent = await agentOf(flow)
  const failed = await agent.call('fail', { docs: [{ text: 'a' }] })
  assert.is(failed.isError, true)
  assert.match(textOf(failed), /^ERR_EXECUTOR: .*steps.*no, not/)
  assert.is(failed._meta!['sluice/code'], 'ERR_EXECUTOR')
  const strange = await agent.call('strange', { docs: [{ text: 'a' }] })
  assert.is(strange.isError, true)
  assert.match(textOf(strange), /^ERR_EXECUTOR: The answer cannot be sent: .*tags\.big is a bigint/)
  const cases: [args: Record<string, unknown>, said: RegExp][] = [
    [{ docs: 'a' }, /^ERR_REFUSED: docs: value is not a valid list/],
    [{ docs: [{ text: 'a' }, { text: 1 }] }, /^ERR_REFUSED: docs\.1\.text: /],
    [{ docs: [], parameters: 3 }, /^ERR_REFUSED: parameters: /],
    [{ text: 'a' }, /^ERR_REFUSED: text: there is no such argument\. Documents are docs/],
    [{ docs: [{}, {}, {}] }, /^ERR_TOO_LARGE: /],
  ]
  for (const [args, said] of cases) {
    const result = await agent.call('fail', args)
    assert.is(result.isError, true)
    assert.match(textOf(result), said)
  }
  await using shop = await ranked().open()
  await using other = await agentOf(shop)
  const wrong = await other.call('search', { docs: [{ tags: { price: { amount: 1 } } }], parameters: { top_k: 'three' } })
  assert.match(textOf(wrong), /^ERR_EXECUTOR_INPUT: .*top_k/)
  const unknown = await other.call('serch').catch((error) => error)
  assert.match(unknown.message, /Unknown tool: serch\. Did you mean search\?/)
})

test('T7: partial answers are progress, for who wants to hear of it', async () => {
  await using flow = await stepped().open()
  await using agent = await agentOf(flow)
  const heard: { progress: number; message?: string }[] = []
  const onprogress = (progress: { progress: number; message?: string }): void => void heard.push(progress)
  const streamed = await agent.call('stream', { docs: [{ text: '' }] }, { onprogress })
  assert.is(JSON.parse(textOf(streamed)).docs[0].text, 'one two three')
  assert.equal(heard.splice(0), [
    { progress: 1, message: 'one' },
    { progress: 2, message: ' two' },
    { progress: 3, message: ' three' },
  ])
  const pieces = await agent.call('pieces', { docs: [{ text: '' }] }, { onprogress })
  assert.is(JSON.parse(textOf(pieces)).docs[0].text, 'first and second')
  assert.equal(heard, [{ progress: 1, message: 'first' }])
  assert.is(JSON.parse(textOf(await agent.call('stream', { docs: [{ text: '' }] }))).docs[0].text, 'one two three')
  // Who takes no events gets the answer alone.
  const params = { name: 'stream', arguments: { docs: [{ text: '' }] }, _meta: { progressToken: 1 } }
  const alone = await send(flow, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }, { accept: 'application/json' })
  assert.match(alone.headers.get('content-type')!, /json/)
  assert.is(JSON.parse(textOf(((await alone.json()) as any).result)).docs[0].text, 'one two three')
  const events = await send(flow, LIST, { accept: 'text/event-stream' })
  assert.match(await events.text(), /^event: message\ndata: \{"result":\{"tools"/)
})

for (const [name, mode, revision] of [
  ['the revision 2026-07-28', 'auto', '2026-07-28'],
  ['the one before', 'legacy', '2025-11-25'],
] as const)
  test(`T7: a client of the SDK 2 that speaks ${name} lists, calls, hears of progress and of errors, and takes back`, async () => {
    const door = deferred<void>()
    const seen = { stopped: 0, calls: 0 }
    class Wait extends Executor {
      static requests = { '/wait': 'wait' }
      async wait({ signal }: Call) {
        seen.calls++
        signal.addEventListener('abort', () => void seen.stopped++)
        await door.promise
      }
    }
    await using flow = await stepped({ description: 'Takes steps', token: TOKEN }).add({ name: 'wait', uses: Wait }).open()
    const client = new NewClient({ name: 'agent', version: '2' }, { versionNegotiation: { mode } })
    const requestInit = { headers: { authorization: `Bearer ${TOKEN}` } }
    await within(10_000, client.connect(new NewTransport(new URL(`${flow.addresses.http}/mcp`), { requestInit })))
    try {
      assert.is(client.getNegotiatedProtocolVersion(), revision)
      assert.equal([client.getServerVersion()!.name, client.getInstructions()], ['steps', 'Takes steps'])
      const { tools } = await within(10_000, client.listTools())
      assert.ok(tools.some(({ name, inputSchema }) => name === 'stream' && inputSchema.properties!.docs !== undefined))
      const heard: unknown[] = []
      const docs = [{ text: '' }]
      const streamed = await within(
        10_000,
        client.callTool({ name: 'stream', arguments: { docs } }, { onprogress: ({ progress, message }) => void heard.push([progress, message]) }),
      )
      assert.is(JSON.parse(textOf(streamed as never)).docs[0].text, 'one two three')
      assert.equal(heard, [
        [1, 'one'],
        [2, ' two'],
        [3, ' three'],
      ])
      const failed = await within(10_000, client.callTool({ name: 'fail', arguments: { docs } }))
      assert.equal([failed.isError, failed._meta!['sluice/code']], [true, 'ERR_EXECUTOR'])
      assert.match((await client.callTool({ name: 'strem', arguments: {} }).catch((error) => error)).message, /Unknown tool: strem\. Did you mean stream\?/)
      const controller = new AbortController()
      const waits = client.callTool({ name: 'wait', arguments: { docs } }, { signal: controller.signal }).catch((error) => error)
      await until(() => seen.calls === 1)
      controller.abort(new Error('enough'))
      assert.instance(await within(10_000, waits), Error)
      await until(() => seen.stopped === 1)
    } finally {
      door.resolve()
      await client.close()
    }
  })

test('T7: an answer that takes long says now and then that it lives', async () => {
  const door = deferred<void>()
  await using flow = await new Flow({ mcp: true, heartbeat: 1 }).add({ uses: () => door.promise }).open()
  const response = await send(flow, { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'flow', arguments: { docs: [{ text: 'a' }] } } })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  assert.match((await within(10_000, reader.read())).value!, /^:\n/)
  door.resolve()
  let rest = ''
  for (let step = await reader.read(); !step.done; step = await reader.read()) rest += step.value
  assert.match(rest, /event: message\ndata: .*"docs/)
})

/** A Flow whose executor waits, and says when it is told to stop. */
function waiting(options: object = {}) {
  const door = deferred<void>()
  const seen = { calls: 0, stopped: 0 }
  const uses = async ({ signal }: Call): Promise<void> => {
    seen.calls++
    signal.addEventListener('abort', () => void seen.stopped++)
    await door.promise
  }
  return { door, seen, flow: new Flow({ name: 'wait', mcp: true, onError: () => {}, ...options }).add({ name: 'wait', uses }) }
}

test('T7: a call that is taken back stops the executors: of its client, and of nobody else', async () => {
  const { flow, seen, door } = waiting()
  await using served = await flow.open()
  await using one = await agentOf(served)
  await using two = await agentOf(served)
  const controller = new AbortController()
  const first = one.call('wait', { docs: [{ text: 'a' }] }, { signal: controller.signal }).catch((error) => error)
  // With the same id, as both clients count.
  const second = two.call('wait', { docs: [{ text: 'b' }] })
  await until(() => seen.calls === 2)
  controller.abort(new Error('enough'))
  assert.match((await first).message, /enough/)
  await until(() => seen.stopped === 1)
  door.resolve()
  assert.is(JSON.parse(textOf(await second)).docs[0].text, 'b')
  assert.is(seen.stopped, 1)
  // What nobody has under way is taken back by nobody.
  for (const params of [{ requestId: 77 }, { requestId: 'x' }, {}])
    assert.is((await send(served, { jsonrpc: '2.0', method: 'notifications/cancelled', params })).status, 202)
})

test('T7: who knows the name of a client, and is another, takes nothing back of it', async () => {
  const { flow, seen, door } = waiting({ token: { one: TOKEN, two: `${TOKEN}-2` } })
  await using served = await flow.open()
  const name = { 'mcp-session-id': 'the-name-of-one' }
  const params = { name: 'wait', arguments: { docs: [{ text: 'a' }] } }
  const call = send(served, { jsonrpc: '2.0', id: 5, method: 'tools/call', params }, { ...name, authorization: `Bearer ${TOKEN}` })
  await until(() => seen.calls === 1)
  const back = (token: string) =>
    send(served, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } }, { ...name, authorization: `Bearer ${token}` })
  assert.is((await back(`${TOKEN}-2`)).status, 202)
  assert.is(seen.stopped, 0)
  assert.is((await back(TOKEN)).status, 202)
  await until(() => seen.stopped === 1)
  door.resolve()
  assert.is((await within(10_000, call)).status, 202)
})

test('T7: a client that leaves stops the executors', async () => {
  const { flow, seen, door } = waiting({ heartbeat: 1 })
  await using served = await flow.open()
  const controller = new AbortController()
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'wait', arguments: { docs: [{ text: 'a' }] } } }
  const asked = fetch(`${served.addresses.http}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify(message),
    signal: controller.signal,
  })
  await until(() => seen.calls === 1)
  await asked
  controller.abort()
  await until(() => seen.stopped === 1)
  door.resolve()
})

test('T7: it is behind the same door as all else: token, origin, host, media types, size', async () => {
  await using flow = await ranked({ token: { agents: TOKEN }, maxJsonBytes: 2000, cors: ['https://app.example'] }).open()
  const authorization = `Bearer ${TOKEN}`
  const denied = await send(flow, LIST)
  assert.is(denied.status, 401)
  assert.match(denied.headers.get('www-authenticate')!, /^Bearer/)
  const lost = await agentOf(flow).catch((error) => error)
  assert.instance(lost, Error)
  await using agent = await agentOf(flow, { authorization })
  assert.is((await agent.client.listTools()).tools.length, 2)
  const foreign = await send(flow, LIST, { authorization, origin: 'https://other.example' })
  assert.equal(
    [foreign.status, await foreign.json()],
    [403, { detail: 'A page of another origin asks for this, which only this service may. Name its origin in cors' }],
  )
  const granted = await send(
    flow,
    { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a', version: '1' } } },
    { authorization, origin: 'https://app.example' },
  )
  assert.equal([granted.status, granted.headers.get('access-control-allow-origin')], [200, 'https://app.example'])
  assert.match(granted.headers.get('access-control-expose-headers')!, /mcp-session-id/)
  assert.match(granted.headers.get('mcp-session-id')!, /^[\w-]{36}$/)
  assert.is(((await granted.json()) as any).result.protocolVersion, '2025-06-18')
  const { fetch: asked } = createHttp(flow, { mcp: true })
  const strange = new Request('http://evil.example/mcp', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(LIST) })
  assert.is((await createHttp(flow, { mcp: true, allowedHosts: ['here'] }).fetch(strange.clone() as never)).status, 403)
  assert.is((await asked(strange as never)).status, 200)
  const large = await send(flow, { ...LIST, params: { cursor: 'x'.repeat(3000) } }, { authorization })
  assert.is(large.status, 413)
  assert.is((await send(flow, LIST, { authorization, 'content-type': 'text/plain' })).status, 415)
  assert.is((await send(flow, LIST, { authorization, 'content-type': 'application/x-ndjson' })).status, 415)
  assert.is((await send(flow, LIST, { authorization, accept: 'text/html' })).status, 406)
  assert.is((await send(flow, LIST, { authorization, 'mcp-protocol-version': '1999-01-01' })).status, 400)
  for (const message of [[LIST], { id: 1 }, 'hello', null]) {
    const response = await send(flow, message, { authorization })
    assert.equal([response.status, ((await response.json()) as any).error.code], [400, -32600], JSON.stringify(message))
  }
  const unknown = (await (await send(flow, { jsonrpc: '2.0', id: 1, method: 'resources/list' }, { authorization })).json()) as any
  assert.is(unknown.error.code, -32601)
})

test('T7: limits and deadlines of the gateway hold for calls', async () => {
  const { flow, seen, door } = waiting({ timeout: 50 })
  await using served = await flow.open()
  await using agent = await agentOf(served)
  const late = await agent.call('wait', { docs: [{ text: 'a' }] })
  assert.match(textOf(late), /^ERR_(EXECUTOR_)?TIMEOUT: /)
  await until(() => seen.stopped === 1)
  door.resolve()
  const full = waiting({ maxInFlight: 1 })
  await using busy = await full.flow.open()
  await using other = await agentOf(busy)
  const many = Array.from({ length: 30 }, () => other.call('wait', { docs: [{ text: 'a' }] }))
  const refused = await within(10_000, Promise.race(many))
  assert.match(textOf(refused), /^ERR_UNREACHABLE: .* Ask again in \d+ ms$/)
  assert.ok(Number(refused._meta!['sluice/retry-after']) > 0)
  full.door.resolve()
  const results = await Promise.all(many)
  assert.ok(results.filter(({ isError }) => isError !== true).length >= 17)
})

test('T7: several clients and calls at once each get their own', async () => {
  await using flow = await new Flow({ name: 'echo', mcp: true }).add({ uses: ({ docs }: Call) => docs.forEach((doc) => void (doc.text += '!')) }).open()
  const agents = await Promise.all([1, 2, 3].map(() => agentOf(flow)))
  const texts = await Promise.all(
    agents.flatMap(({ call }, at) =>
      Array.from({ length: 30 }, async (_, number) => [
        JSON.parse(textOf(await call('echo', { docs: [{ text: `${at}-${number}` }] }))).docs[0].text,
        `${at}-${number}!`,
      ]),
    ),
  )
  for (const [got, wanted] of texts) assert.is(got, wanted)
  for (const agent of agents) await agent.client.close()
})

test('T7: what is under way when a Flow closes is finished, or told that it is not; what comes later is refused', async () => {
  const { flow, seen, door } = waiting({ drainDelay: 0 })
  const served = await flow.open()
  await using agent = await agentOf(served)
  const call = agent.call('wait', { docs: [{ text: 'a' }] })
  await until(() => seen.calls === 1)
  const closing = served.close()
  door.resolve()
  assert.is(JSON.parse(textOf(await call)).docs[0].text, 'a')
  await within(10_000, closing)
  const hanging = waiting({ closeTimeout: 100 })
  const cut = await hanging.flow.open()
  await using other = await agentOf(cut)
  const lost = other.call('wait', { docs: [{ text: 'a' }] }).catch((error) => error)
  await until(() => hanging.seen.calls === 1)
  const closed = cut.close()
  const told = await within(10_000, lost)
  assert.match(told instanceof Error ? told.message : textOf(told), /shuts down|fetch failed|terminated/)
  hanging.door.resolve()
  await within(10_000, closed)
})

test('T7: the way into other servers offers tools, too', async () => {
  await using flow = await new Flow({ name: 'shop' }).add({ name: 'rank', uses: Rank }).open()
  const { fetch } = createHttp(flow, { mcp: true, title: 'shop' })
  const ask = (method: string, params: object = {}, headers: Record<string, string> = {}) =>
    fetch(
      new Request('http://localhost/mcp', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      }) as never,
    )
  const listed = (await (await ask('tools/list')).json()) as any
  assert.is(listed.result.tools.length, 2)
  const called = (await (await ask('tools/call', { name: 'index', arguments: { docs: [{ text: 'a' }] } })).json()) as any
  assert.equal(JSON.parse(called.result.content[0].text).results, { rank: { count: 1 } })
  assert.is((await createHttp(flow).fetch(new Request('http://localhost/mcp', { method: 'POST' }) as never)).status, 404)
})

test('T7: without the SDK, who opens the Flow hears what is missing', () => {
  const resolve = `export async function resolve(name, context, next) {
    if (name.startsWith('@modelcontextprotocol/')) throw Object.assign(new Error('not here'), { code: 'ERR_MODULE_NOT_FOUND' })
    return next(name, context)
  }`
  const program = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(resolve)}))
    const { Flow } = await import(${JSON.stringify(codeUrl('lib/index'))})
    await new Flow({ mcp: true }).add({ uses: () => {} }).open().catch(({ name, code, dependency, message }) => console.log(name, code, dependency, message))
    await (await new Flow({ protocol: 'http' }).add({ uses: () => {} }).open()).close()`
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.match(
    stdout,
    /^DependencyError ERR_DEPENDENCY @modelcontextprotocol\/server To offer endpoints as tools \(mcp\), the package @modelcontextprotocol\/server is needed: npm install @modelcontextprotocol\/server/,
    stderr,
  )
  assert.is(status, 0)
})

test.run()
