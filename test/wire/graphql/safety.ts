import { request } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Call } from '../../../lib/executor/executor.js'
import { Flow } from '../../../lib/flow/flow.js'
import type { GraphQLOptions } from '../../../lib/wire/graphql/index.js'
import { serve } from '../../support/graphql.js'
import { within } from '../../support/within.js'

const MUTATION = 'mutation { docs(data: { text: "x" }) { text } }'

/** A server that must not get to the executor, and one that must. */
async function guarded(options: GraphQLOptions = {}) {
  const flow = await new Flow().add({ uses: () => assert.unreachable('it was run') }).open()
  return serve(flow, options)
}

for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain', 'text/plain; application/json', undefined])
  test(`R118: a mutation that any page can send is refused: ${type ?? 'no content type'}`, async () => {
    await using server = await guarded()
    const json = JSON.stringify({ query: MUTATION })
    const body = type?.includes('urlencoded')
      ? new URLSearchParams({ query: MUTATION }).toString()
      : type?.includes('multipart')
        ? `--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n${json}\r\n--x--\r\n`
        : json
    const { status, errors } = await server.send({ body: new TextEncoder().encode(body), headers: type === undefined ? {} : { 'content-type': type } })
    assert.is(status, 415)
    assert.is(errors[0].extensions.code, 'UNSUPPORTED_MEDIA_TYPE')
  })

test('R118: a GET runs no mutation, and no docs unless its sender had to ask first', async () => {
  await using server = await guarded()
  const get = (query: string, headers: Record<string, string> = {}) => server.send({ method: 'GET', headers }, `?query=${encodeURIComponent(query)}`)
  const mutation = await get(MUTATION, { 'x-graphql-require-preflight': '1' })
  assert.is(mutation.status, 405)
  for (const accept of ['*/*', 'text/event-stream', 'application/graphql-response+json'])
    for (const query of ['{ docs(execEndpoint: "/delete") { id } }', '{ a: docs { id } }', 'query { ...q } fragment q on Query { docs { id } }']) {
      const answer = await get(query, { accept })
      if (accept !== 'text/event-stream') assert.is(answer.status, 403)
      assert.match(answer.text, /FORBIDDEN/)
    }
  assert.match((await get('subscription { docs { requestId } }', { accept: 'text/event-stream' })).text, /FORBIDDEN/)
  for (const site of ['cross-site', 'same-site', 'none']) assert.is((await get('{ docs { id } }', { 'sec-fetch-site': site })).status, 403)
  assert.equal((await get('{ __typename }')).data, { __typename: 'Query' })
})

test('R118: a GET whose sender had to ask first runs docs', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow)
  for (const header of [
    { 'x-graphql-require-preflight': '1' },
    { 'x-requested-with': 'fetch' },
    { 'content-type': 'application/json' },
    { 'sec-fetch-site': 'same-origin' },
  ]) {
    const { data } = await server.send(
      { method: 'GET', headers: header as Record<string, string> },
      `?query=${encodeURIComponent('{ docs(data: { text: "x" }) { text } }')}`,
    )
    assert.equal(data, { docs: [{ text: 'x' }] })
  }
})

const grants = (headers: Headers) => [...headers.keys()].filter((name) => name.startsWith('access-control'))
const preflight = { origin: 'https://evil.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }

test('R117: no origin is granted anything by default', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow)
  const asked = await server.send({ method: 'OPTIONS', headers: preflight })
  assert.equal(grants(asked.headers), [])
  const { headers, data } = await server.ask('{ __typename }', undefined, { headers: { 'content-type': 'application/json', origin: 'https://evil.example' } })
  assert.ok(data)
  assert.equal(grants(headers), [])
})

test('R117: with cors, the named origins may read, with credentials only if that is said; others get nothing', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow, { cors: { origins: ['https://app.example', 'https://b.example'] } })
  await using trusting = await serve(flow, { cors: { origins: ['https://app.example'], credentials: true } })
  const ask = (at: typeof server, origin: string) => at.ask('{ __typename }', undefined, { headers: { 'content-type': 'application/json', origin } })
  const app = (await ask(server, 'https://app.example')).headers
  assert.is(app.get('access-control-allow-origin'), 'https://app.example')
  assert.is(app.get('access-control-allow-credentials'), null)
  assert.match(app.get('vary')!, /origin/i)
  assert.is((await ask(trusting, 'https://app.example')).headers.get('access-control-allow-credentials'), 'true')
  for (const origin of ['https://evil.example', 'null', 'https://app.example.evil.example', 'http://app.example'])
    for (const at of [server, trusting]) assert.equal(grants((await ask(at, origin)).headers), [])
  const asked = await server.send({ method: 'OPTIONS', headers: { ...preflight, origin: 'https://b.example' } })
  assert.is(asked.status, 204)
  assert.is(asked.headers.get('access-control-allow-origin'), 'https://b.example')
  assert.is(asked.headers.get('access-control-allow-headers'), 'content-type')
  assert.equal(grants((await server.send({ method: 'OPTIONS', headers: preflight })).headers), [])
})

test("R117: '*' lets all read, without credentials", async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow, { cors: { origins: '*' } })
  const { headers } = await server.ask('{ __typename }', undefined, { headers: { 'content-type': 'application/json', origin: 'https://any.example' } })
  assert.is(headers.get('access-control-allow-origin'), '*')
  assert.is(headers.get('access-control-allow-credentials'), null)
})

for (const [what, body] of [
  ['malformed', '{"query": '],
  ['empty', ''],
  ['null', 'null'],
  ['a number', '5'],
  ['a string', '"x"'],
  ['an array', '[]'],
  ['without a query', '{}'],
  ['with a query that is an object', '{"query": {}}'],
  ['with variables that are a list', '{"query": "{ __typename }", "variables": []}'],
] as const)
  test(`R90: a body that is ${what} is refused with 400 and says why`, async () => {
    await using server = await guarded()
    const { status, errors } = await server.send({ body, headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' } })
    assert.is(status, 400)
    assert.ok(errors[0].message.length > 10)
  })

test('R90: a body that is not UTF-8 is refused', async () => {
  await using server = await guarded()
  const bytes = new TextEncoder().encode(JSON.stringify({ query: MUTATION }))
  bytes[bytes.indexOf(0x78)] = 0xff
  assert.is((await server.send({ body: bytes })).status, 400)
})

test('R94: a compressed body is refused before it is read', async () => {
  await using server = await guarded()
  const { status } = await server.send({ body: 'x', headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } })
  assert.is(status, 415)
})

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
for (const [what, body] of [
  ['the body', `{"query": ${deep(100_000)}}`],
  ['parameters', `{"query": "query Q($p: JSONScalar) { docs(parameters: $p) { id } }", "variables": {"p": ${deep(100_000)}}}`],
  ['parameters as text', JSON.stringify({ query: 'query Q($p: JSONScalar) { docs(parameters: $p) { id } }', variables: { p: deep(100_000) } })],
  [
    'chunks',
    `{"query": "query Q($d: [StrawberryDocumentInput!]) { docs(data: $d) { id } }", "variables": {"d": ${'{"chunks":['.repeat(20_000)}${']}'.repeat(20_000)}}}`,
  ],
  ['a tensor', `{"query": "query Q($d: [StrawberryDocumentInput!]) { docs(data: $d) { id } }", "variables": {"d": {"tensor": ${deep(100_000)}}}}`],
] as const)
  test(`R93: ${what} nested 10⁵ levels deep is refused with 400, and the server lives`, async () => {
    await using server = await guarded()
    const { status, errors } = await server.send({ body, headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' } })
    assert.is(status, 400)
    assert.match(errors[0].message, /deeper than 100 levels/)
    assert.ok((await server.ask('{ __typename }')).data)
  })

for (const [what, variables] of [
  ['parameters', '{"p": {"__proto__": {"polluted": true}}}'],
  ['parameters, further inside', '{"p": {"a": [{"__proto__": {"polluted": true}}]}}'],
  ['parameters as text', JSON.stringify({ p: '{"__proto__": {"polluted": true}}' })],
  ['tags', '{"d": {"tags": {"__proto__": {"polluted": true}}}}'],
  ['a document', '{"d": {"__proto__": {"polluted": true}}}'],
  ['scores', '{"d": {"scores": [{"name": "__proto__", "score": {"value": 1}}]}}'],
  ['variables', '{"__proto__": {"polluted": true}, "p": {"a": 1}, "d": {"text": "x", "scores": [{"name": "__proto__", "score": {"value": 1}}]}}'],
] as const)
  test(`R81: a key named __proto__ in ${what} is refused and pollutes nothing`, async () => {
    await using server = await guarded()
    const query = 'query Q($p: JSONScalar, $d: [StrawberryDocumentInput!]) { docs(parameters: $p, data: $d) { id } }'
    const { errors } = await server.send({ body: `{"query": ${JSON.stringify(query)}, "variables": ${variables}}` })
    assert.match(errors[0].message, /__proto__/)
    assert.is(({} as any).polluted, undefined)
  })

test('R81: a literal with a key named __proto__ is refused; constructor and prototype are data', async () => {
  const seen: unknown[] = []
  await using flow = await new Flow()
    .add({
      uses: ({ parameters }: Call) => {
        seen.push(parameters)
      },
    })
    .open()
  await using server = await serve(flow)
  assert.match((await server.ask('{ docs(parameters: { __proto__: { polluted: true } }) { id } }')).errors[0].message, /__proto__/)
  await server.ask('{ docs(parameters: { constructor: { prototype: { polluted: true } } }) { id } }')
  assert.equal(JSON.stringify(seen), '[{"constructor":{"prototype":{"polluted":true}}}]')
  assert.is(({} as any).polluted, undefined)
})

/** Sends without end, and says what came of it. */
async function upload(port: number, headers: Record<string, string>): Promise<{ status: number; sent: number }> {
  const chunk = Buffer.alloc(256 * 1024, 32)
  const client = request({ port, host: '127.0.0.1', path: '/graphql', method: 'POST', headers: { 'content-type': 'application/json', ...headers } })
  const answered = new Promise<number>((resolve, reject) => {
    client.on('error', reject)
    client.on('response', (response) => {
      response.resume()
      resolve(response.statusCode!)
    })
  })
  const closed = new Promise<void>((resolve) => client.on('socket', (socket) => socket.on('close', () => resolve())))
  let sent = 0
  const write = () => {
    if (!client.destroyed && sent < 200e6) client.write(chunk, count)
  }
  const count = (error?: Error | null) => {
    // From Node 24 on, what is left when the connection ends is told of, too.
    if (error) return
    sent += chunk.length
    write()
  }
  write()
  const status = await within(5000, answered)
  client.on('error', () => {})
  await within(5000, closed)
  return { status, sent }
}

for (const [what, headers] of [
  ['with a length', { 'content-length': String(200e6) }],
  ['without a length', {}],
] as const)
  test(`R92: a body larger than the limit, ${what}, is answered with 413; the rest is not read, and the connection closed`, async () => {
    await using server = await guarded()
    const { status, sent } = await upload(server.port, headers)
    assert.is(status, 413)
    // 4 MiB, and what fits into the buffers on both sides.
    assert.ok(sent < 30e6, `${sent} bytes were taken`)
    assert.ok((await server.ask('{ __typename }')).data)
  })

test('R92: the limit is an option, and a body of exactly so many bytes is taken', async () => {
  await using flow = await new Flow().open()
  const body = JSON.stringify({ query: MUTATION })
  await using server = await serve(flow, { maxBodyBytes: body.length })
  assert.equal((await server.send({ body })).data, { docs: [{ text: 'x' }] })
  const { status, errors } = await server.send({ body: `${body} ` })
  assert.is(status, 413)
  assert.is(errors[0].extensions.code, 'REQUEST_ENTITY_TOO_LARGE')
})

test('R116: it opens no port by itself, and answers at its path only', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow, { path: '/api/graphql' })
  const at = (path: string) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"query":"{ __typename }"}' })
  for (const path of ['/api/graphql', '/api/graphql/', '/api/graphql?x=1']) assert.is((await at(path)).status, 200)
  for (const path of ['/', '/graphql', '/api', '/x/api/graphql', '/api/graphqlx', '/api/graphql/x', '/?/api/graphql']) assert.is((await at(path)).status, 404)
})

test('R127: a request id or message with a line break does no harm to headers', async () => {
  const uses = () => {
    throw new Error('a\r\nset-cookie: b=c\r\n\r\n')
  }
  await using flow = await new Flow().add({ uses }).open()
  await using server = await serve(flow)
  const { headers, errors } = await server.ask(MUTATION)
  assert.is(headers.get('set-cookie'), null)
  assert.match(errors[0].message, 'set-cookie')
})

test('R57: garbage never ends the process', async () => {
  const thrown: unknown[] = []
  const note = (error: unknown) => thrown.push(error)
  process.on('unhandledRejection', note).on('uncaughtException', note)
  await using flow = await new Flow().open()
  await using server = await serve(flow)
  for (const method of ['PUT', 'DELETE', 'PATCH', 'HEAD']) assert.ok((await server.send({ method, headers: {} })).status >= 400)
  for (const query of ['?query=', '?query={', '?variables={', '?query={__typename}&variables={', '?asset=../../package.json', '?query=%ff%fe']) {
    const { status } = await server.send({ method: 'GET', headers: { accept: 'application/graphql-response+json' } }, query)
    assert.ok(status >= 400, `${query} ${status}`)
  }
  // A client that hangs up in the middle of its body.
  await new Promise<void>((resolve) => {
    const client = request({
      port: server.port,
      host: '127.0.0.1',
      path: '/graphql',
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': '1000' },
    })
    client.on('error', () => {})
    client.on('close', resolve)
    client.write('{"query":', () => client.destroy())
  })
  assert.ok((await server.ask('{ __typename }')).data)
  process.off('unhandledRejection', note).off('uncaughtException', note)
  assert.equal(thrown, [])
})

test.run()
