import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../../lib/flow/flow.js'
import { createHttp } from '../../../lib/wire/http/server/fetch.js'
import { collect } from '../../support/collect.js'
import { within } from '../../support/within.js'
import { JSON_TYPE, linesOf, Raw, send, started } from './started.js'

test('R117: no other origin is granted anything unless asked for', async () => {
  const app = 'https://app.example'
  const evil = 'https://evil.example'
  for (const { cors, origin, granted, credentials } of [
    { cors: false, origin: app, granted: null, credentials: null },
    { cors: true, origin: evil, granted: '*', credentials: null },
    { cors: [app], origin: app, granted: app, credentials: null },
    { cors: [app], origin: evil, granted: null, credentials: null },
    { cors: [app], origin: 'null', granted: null, credentials: null },
    { cors: { origins: [app], credentials: true }, origin: app, granted: app, credentials: 'true' },
    { cors: { origins: [app], credentials: true }, origin: evil, granted: null, credentials: null },
  ]) {
    await using service = await started(() => {}, { cors })
    const about = JSON.stringify({ cors, origin })
    const asked = await fetch(`${service.url}/post`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    })
    assert.is(asked.status, 204, about)
    assert.is(asked.headers.get('access-control-allow-methods'), granted === null ? null : 'POST, OPTIONS', about)
    assert.is(asked.headers.get('access-control-allow-headers'), granted === null ? null : 'content-type', about)
    for (const response of [
      asked,
      await send(`${service.url}/post`, {}, { headers: { origin } }),
      await send(`${service.url}/post`, '{', { headers: { origin } }),
    ]) {
      assert.is(response.headers.get('access-control-allow-origin'), granted, about)
      assert.is(response.headers.get('access-control-allow-credentials'), credentials, about)
      assert.is(response.headers.get('vary')?.includes('origin') ?? false, Array.isArray(cors) || typeof cors === 'object', about)
    }
  }
})

test('193: a handler for fetch hands on the pieces of branches and replicas side by side', async () => {
  const uses = async function* () {
    for (let i = 0; i < 20; i++) yield { text: `${i}` }
  }
  await using flow = await new Flow()
    .add({ name: 'shards', uses, shards: 2, polling: 'ALL' })
    .add({ name: 'left', needs: 'shards', uses })
    .add({ name: 'right', needs: 'shards', uses })
    .needs(['left', 'right'], { name: 'both' })
    .open()
  const request = new Request('http://127.0.0.1/post', {
    method: 'POST',
    headers: { ...JSON_TYPE, accept: 'application/x-ndjson' },
    body: '{"data":["q"]}',
  })
  const response = await within(10_000, createHttp(flow).fetch(request))
  assert.is((await within(10_000, collect(linesOf(response)))).items.length, 81)
})

test('R118: what pages of other origins can send unasked is refused', async () => {
  let calls = 0
  await using service = await started(
    () => {
      calls++
    },
    { exposeEndpoints: { '/rank': { methods: ['GET'] } } },
  )
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain; application/json',
    'application/json; charset=utf-16',
    '',
  ]) {
    const response = await send(`${service.url}/index`, '{"data":["a"]}', { headers: { 'content-type': type } })
    assert.is(response.status, 415, type)
  }
  assert.is((await fetch(`${service.url}/index`, { method: 'POST' })).status, 415)
  assert.is((await fetch(`${service.url}/rank`, { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' } })).status, 403)
  assert.is(calls, 0)
  for (const type of ['application/json', 'Application/JSON; charset=UTF-8', 'application/vnd.jina+json'])
    assert.is((await send(`${service.url}/index`, '{}', { headers: { 'content-type': type } })).status, 200, type)
})

test('R127: request ids are taken if they are plain, and made up otherwise', async () => {
  await using service = await started(() => {})
  const idFor = async (id: string) => {
    const response = await send(`${service.url}/post`, {}, { headers: { 'x-request-id': id } })
    const echoed = response.headers.get('x-request-id')!
    assert.is(((await response.json()) as any).header.requestId, echoed)
    return echoed
  }
  assert.is(await idFor('a-B_1.2'), 'a-B_1.2')
  for (const id of ['a b', '<x>', 'x'.repeat(129), 'ü']) assert.match(await idFor(id), /^[0-9a-f]{32}$/)
  const raw = new Raw(service.port).say('GET / HTTP/1.1\r\nhost: localhost\r\nx-request-id: a\rset-cookie: b\r\n\r\n')
  assert.match(await within(5000, raw.closed()), /^HTTP\/1.1 400/)
})

test('G1: answers from 1 KiB are packed as the client takes them', async () => {
  await using service = await started(() => {})
  const body = { data: [{ text: 'x'.repeat(4000) }] }
  for (const [accept, coding] of [
    ['gzip', 'gzip'],
    ['br;q=0.5, gzip;q=0.2', 'br'],
    ['deflate', 'deflate'],
    ['gzip;q=0', null],
    ['identity', null],
  ] as const) {
    const response = await send(`${service.url}/post`, body, { headers: { 'accept-encoding': accept } })
    assert.is(response.headers.get('content-encoding'), coding, accept)
    assert.match(response.headers.get('vary') ?? '', /accept-encoding/)
    assert.is(((await response.json()) as any).data[0].text.length, 4000)
  }
  assert.is((await send(`${service.url}/post`, {}, { headers: { 'accept-encoding': 'gzip' } })).headers.get('content-encoding'), null)
  await using plain = await started(() => {}, { compression: false })
  assert.is((await send(`${plain.url}/post`, body, { headers: { 'accept-encoding': 'gzip' } })).headers.get('content-encoding'), null)
})

test('G1: HEAD is GET without a body, OPTIONS says what there is, and every answer forbids sniffing', async () => {
  await using service = await started(() => {})
  const head = await fetch(`${service.url}/openapi.json`, { method: 'HEAD' })
  const get = await fetch(`${service.url}/openapi.json`, { headers: { 'accept-encoding': 'identity' } })
  assert.is(head.status, 200)
  assert.is(await head.text(), '')
  assert.is(Number(head.headers.get('content-length')), (await get.arrayBuffer()).byteLength)
  const options = await fetch(`${service.url}/`, { method: 'OPTIONS' })
  assert.is(options.headers.get('allow'), 'GET, HEAD, OPTIONS')
  for (const response of [head, get, options, await fetch(`${service.url}/nix`), await send(`${service.url}/post`, '{')])
    assert.is(response.headers.get('x-content-type-options'), 'nosniff')
})

test('G1: openapi.json names every route, and all its references lead somewhere', async () => {
  await using service = await started(() => {}, {
    title: 'Search',
    exposeEndpoints: { '/rank': { methods: ['GET', 'POST'], summary: 'Ranks', tags: ['Mine'] } },
  })
  const api = (await (await fetch(`${service.url}/openapi.json`)).json()) as any
  assert.match(api.openapi, /^3\.1\.\d$/)
  assert.is(api.info.title, 'Search')
  assert.type(api.info.version, 'string')
  assert.equal(Object.keys(api.paths).sort(), [
    '/',
    '/delete',
    '/docs',
    '/dry_run',
    '/healthz',
    '/index',
    '/openapi.json',
    '/post',
    '/rank',
    '/ready',
    '/search',
    '/status',
    '/update',
  ])
  const ids = new Set<string>()
  for (const [path, methods] of Object.entries<any>(api.paths)) {
    for (const [method, operation] of Object.entries<any>(methods)) {
      assert.ok(['get', 'post', 'put', 'delete', 'patch'].includes(method))
      assert.not(ids.has(operation.operationId), operation.operationId)
      ids.add(operation.operationId)
      assert.ok(Object.keys(operation.responses).length > 0)
      for (const response of Object.values<any>(operation.responses)) assert.type(response.description, 'string')
      for (const parameter of operation.parameters ?? []) assert.ok(parameter.name && parameter.in === 'query' && parameter.schema)
      // Every route is there by that method.
      const response = await fetch(service.url + path, { method: method.toUpperCase(), headers: JSON_TYPE, ...(method !== 'get' && { body: '{}' }) })
      assert.is(response.status, 200, `${method} ${path}`)
      await response.arrayBuffer()
    }
  }
  assert.equal(api.paths['/rank'].post.tags, ['Mine'])
  const visit = (value: any): void => {
    if (typeof value !== 'object' || value === null) return
    if (typeof value.$ref === 'string') assert.ok(value.$ref.replace('#/components/schemas/', '') in api.components.schemas, value.$ref)
    for (const inner of Object.values(value)) visit(inner)
  }
  visit(api)
})

test('G1, R131: the page asks no other host, and runs no script from elsewhere', async () => {
  await using service = await started(() => {})
  for (const path of ['/docs', '/docs/page.js', '/docs/page.css']) {
    const response = await fetch(service.url + path)
    const text = await response.text()
    assert.is(response.status, 200)
    assert.match(response.headers.get('content-security-policy')!, /default-src 'none'.*script-src 'self';/)
    assert.not.match(text, /https?:\/\/|\/\/[a-z]/i, path)
    assert.not.match(text, /innerHTML|<script>|onclick=|<style>/, path)
    if (path.endsWith('.js')) new Function(text)
  }
})

const whole = (colour: string): string => (colour.length === 4 ? colour.replace(/\w/g, '$&$&') : colour)

test('G1: the page of the API has the colours of the live page, tells methods apart, and shows fields as a table', async () => {
  await using service = await started(() => {})
  const get = async (path: string): Promise<string> => (await fetch(service.url + path)).text()
  const style = await get('/docs/page.css')
  const colours = (css: string): string[] => [...css.matchAll(/(--[\w-]+): ?(#\w+)/g)].map(([, name, colour]) => `${name} ${whole(colour!)}`)
  // As it was built: names and digits may be written shorter there.
  const { html } = JSON.parse(readFileSync('dist/wire/http/live/live.json', 'utf8'))
  const live = colours(html)
  assert.ok(live.length > 20)
  assert.equal(colours(style), live)
  for (const method of ['get', 'post', 'put', 'delete']) assert.match(style, `.${method}`)
  const made: { name: string; textContent: string }[] = []
  const createElement = (name: string): object => {
    const it = { name, textContent: '', append() {} }
    made.push(it)
    return it
  }
  const { table, kindOf } = new Function('document', `${(await get('/docs/page.js')).replace(/\nshow\(\)\n$/, '\n')}; return { table, kindOf }`)({
    createElement,
  })
  const schemas = {
    Base: { properties: { id: { type: 'string', description: 'as `uuid`' } } },
    Own: { allOf: [{ $ref: '#/components/schemas/Base' }, { properties: { tags: { type: 'array', items: { enum: ['a', 1] } } }, required: ['tags'] }] },
  }
  table({ $ref: '#/components/schemas/Own' }, schemas)
  const codes = made.filter(({ name }) => name === 'code').map(({ textContent }) => textContent)
  assert.equal(codes, ['id', 'string', 'uuid', 'tags', 'list of "a" | 1'])
  assert.is(made.filter(({ textContent }) => textContent === ' required').length, 1)
  assert.is(kindOf({ oneOf: [{ type: 'string' }, { type: ['number', 'null'] }] }), 'string | number | null')
})

test('G1: the same without a socket, for any server', async () => {
  await using flow = await new Flow()
    .add({
      name: 'echo',
      uses: async function* ({ docs }: any) {
        for (const doc of docs) yield doc
      } as any,
    })
    .open()
  const { fetch: handle } = createHttp(flow)
  const ask = (path: string, init: RequestInit = {}) => handle(new Request(`http://any${path}`, { headers: JSON_TYPE, ...init }))
  assert.equal(await (await ask('/')).json(), {})
  assert.is((await ask('/nix')).status, 404)
  const { data } = (await (await ask('/post', { method: 'POST', body: '{"data":["a","b"]}' })).json()) as any
  assert.equal(
    data.map(({ text }: any) => text),
    ['a', 'b'],
  )
  const streamed = await ask('/post', { method: 'POST', body: '{"data":["a","b"]}', headers: { ...JSON_TYPE, accept: 'application/x-ndjson' } })
  const lines = []
  for await (const line of linesOf(streamed)) lines.push(line)
  assert.equal(
    lines.map(({ partial, data }) => [partial, data.length]),
    [
      [true, 1],
      [true, 1],
      [undefined, 2],
    ],
  )
  const body = new Blob(['{"text":"a"}\n{"text":"b"}\n']).stream().pipeThrough(new CompressionStream('gzip'))
  const packed = await ask('/index?requestSize=1&resultsInOrder=true', {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
  } as RequestInit)
  const texts = []
  for await (const line of linesOf(packed)) if (!line.partial) texts.push(line.data[0].text)
  assert.equal(texts, ['a', 'b'])
  const big = await ask('/post', { method: 'POST', body: JSON.stringify({ data: ['x'.repeat(5000)] }), headers: { ...JSON_TYPE, 'accept-encoding': 'gzip' } })
  assert.is(big.headers.get('content-encoding'), 'gzip')
  const text = await new Response(big.body!.pipeThrough(new DecompressionStream('gzip'))).text()
  assert.is(JSON.parse(text).data[0].text.length, 5000)
  assert.is(
    (await createHttp(flow, { maxMessageBytes: 10 }).fetch(new Request('http://any/post', { method: 'POST', body: '{"data":["abc"]}', headers: JSON_TYPE })))
      .status,
    413,
  )
})

test('G3: options that cannot be are refused at the call', async () => {
  const wrong = (options: any, code: string) =>
    assert.throws(
      () => createHttp({} as any, options),
      (error: any) => error.code === code,
    )
  wrong({ nope: 1 }, 'ERR_OPTION_TYPE')
  wrong({ cors: 'https://a' }, 'ERR_OPTION_TYPE')
  wrong({ cors: ['https://a/b'] }, 'ERR_OPTION_RANGE')
  wrong({ cors: { origins: '*', credentials: true } }, 'ERR_OPTION_RANGE')
  wrong({ exposeEndpoints: { 'no slash': {} } }, 'ERR_OPTION_RANGE')
  wrong({ exposeEndpoints: { '/a': { methods: ['TRACE'] } } }, 'ERR_OPTION_RANGE')
  wrong({ maxMessageBytes: 0 }, 'ERR_OPTION_RANGE')
})

test.run()
