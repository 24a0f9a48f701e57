import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { serveHttp as serve } from '../../support/serving.js'
import { within } from '../../support/within.js'
import { send, started } from './started.js'

const echo = ({ docs, endpoint, parameters }: any) => {
  if (endpoint === '/fail') throw new TypeError('no luck')
  for (const doc of docs) doc.tags.endpoint = endpoint
  if (endpoint === '/results') return { seen: parameters }
  return undefined
}

test('G1: every route of Jina answers, by its method', async () => {
  await using service = await started(echo, { exposeEndpoints: { '/rank': { path: '/v1/rank', methods: ['POST', 'GET'] } } })
  for (const [method, path, endpoint] of [
    ['POST', '/post', '/'],
    ['POST', '/index', '/index'],
    ['POST', '/search', '/search'],
    ['PUT', '/update', '/update'],
    ['DELETE', '/delete', '/delete'],
    ['POST', '/v1/rank', '/rank'],
  ] as const) {
    const response = await send(service.url + path, { data: [{ text: 'a' }] }, { method })
    assert.is(response.status, 200, path)
    const { data, header } = (await response.json()) as any
    assert.equal(data[0].tags, { endpoint }, path)
    assert.is(header.execEndpoint, endpoint)
  }
  const got = (await (await fetch(`${service.url}/v1/rank?data=${encodeURIComponent('[{"text":"q"}]')}`)).json()) as any
  assert.is(got.data[0].text, 'q')
  assert.equal(await (await fetch(`${service.url}/`)).json(), {})
  assert.equal(await (await fetch(`${service.url}/dry_run`)).json(), { code: 0, description: '', exception: null })
  const status = (await (await fetch(`${service.url}/status`)).json()) as any
  assert.equal(Object.keys(status), ['jina', 'envs', 'sluice'])
  for (const value of [...Object.values(status.jina), ...Object.values(status.envs)]) assert.type(value, 'string')
})

test('G1: routes can be left out', async () => {
  await using service = await started(echo, { noDebugEndpoints: true, noCrudEndpoints: true })
  for (const path of ['/post', '/index', '/search']) assert.is((await send(service.url + path, {})).status, 404, path)
  for (const path of ['/status', '/dry_run']) assert.is((await fetch(service.url + path)).status, 404, path)
  for (const path of ['/', '/ready', '/healthz', '/openapi.json', '/docs']) assert.is((await fetch(service.url + path)).status, 200, path)
})

test('G1, R97: both spellings of the envelope, every form of data, unknown keys', async () => {
  await using service = await started(echo)
  const ask = async (body: unknown) => (await (await send(`${service.url}/post`, body)).json()) as any
  for (const body of [
    { data: [{ text: 'a' }], execEndpoint: '/x', targetExecutor: 'ec', parameters: { k: 1 } },
    { data: { docs: [{ text: 'a' }] }, exec_endpoint: '/x', target_executor: 'ec', parameters: { k: 1 }, header: { request_id: '1' }, zzz: [] },
    { data: { text: 'a' }, execEndpoint: '/x', targetExecutor: 'ec', parameters: { k: 1 } },
    { data: ['a'], execEndpoint: '/x', targetExecutor: 'ec', parameters: { k: 1 } },
  ]) {
    const { header, data, parameters, routes } = await ask(body)
    assert.is(header.execEndpoint, '/x')
    assert.is(header.targetExecutor, 'ec')
    assert.match(header.requestId, /^[0-9a-f]{32}$/)
    assert.is(header.status.code, 0)
    assert.equal(parameters, { k: 1, __results__: {} })
    assert.is(data[0].text, 'a')
    assert.equal(data[0].tags, { endpoint: '/x' })
    assert.equal(
      routes.map((route: any) => route.executor),
      ['gateway', 'echo'],
    )
    for (const { startTime, endTime } of routes) assert.ok(new Date(startTime).toISOString() === startTime && Date.parse(endTime) >= Date.parse(startTime))
  }
  for (const body of [{}, { data: null }, { data: [] }, { data: { docs: null } }]) assert.equal((await ask(body)).data, [])
  assert.equal((await ask({ execEndpoint: '/results', parameters: { a: [1] } })).parameters.__results__, { echo: { seen: { a: [1] } } })
  // A pattern that means others passes this executor by.
  assert.not('tags' in (await ask({ data: ['a'], targetExecutor: 'other' })).data[0])
})

test('G1: a key that looks like one of the envelope is refused, with the one that is meant', async () => {
  await using service = await started(echo)
  for (const [key, meant] of [
    ['dta', 'data'],
    ['Data', 'data'],
    ['parameter', 'parameters'],
    ['exec_endpiont', 'exec_endpoint'],
    ['targetexecutor', 'targetExecutor'],
  ]) {
    const response = await send(`${service.url}/post`, { [key!]: null })
    assert.is(response.status, 422, key)
    const [{ loc, msg }] = ((await response.json()) as any).detail
    assert.equal(loc, ['body', key])
    assert.match(msg, `Did you mean ${meant}?`)
  }
  // Beside the one that is meant, it is another.
  const { data } = (await (await send(`${service.url}/post`, { date: 1, data: ['a'] })).json()) as any
  assert.is(data[0].text, 'a')
})

test('G1: documents travel as Jina writes them', async () => {
  await using service = await started(() => {})
  const document = {
    id: 'd1',
    blob: 'aGk=',
    embedding: [1, 2.5],
    mime_type: 'text/plain',
    parent_id: 'p',
    weight: 0.5,
    granularity: 1,
    adjacency: 2,
    location: [1, 2],
    scores: { cosine: { value: 0.25, op_name: 'cos', description: 'd', ref_id: 'r' } },
    tags: { a: [1, { b: null }], constructor: 'x' },
    chunks: [{ id: 'c1', tensor: [[1, 2]], mime_type: 'a/b' }],
    matches: [{ id: 'm1', text: 'ü€😀', scores: { x: { value: 1 } } }],
  }
  const { data } = (await (await send(`${service.url}/post`, { data: [{ ...document, prop1: 3, uri: null }] })).json()) as any
  assert.equal(data, [{ ...document, tags: { ...document.tags, prop1: 3 } }])
})

test('R48, R58: an executor that fails is a 200 with the status ERROR, and no stack', async () => {
  await using service = await started(echo)
  const response = await send(`${service.url}/post`, { data: ['a'], execEndpoint: '/fail' })
  assert.is(response.status, 200)
  const text = await response.text()
  const { header, routes } = JSON.parse(text)
  assert.is(header.status.code, 1)
  assert.match(header.status.description, /no luck/)
  assert.equal(header.status.exception, { name: 'TypeError', args: ['no luck'], stacks: [], executor: 'echo' })
  assert.is(routes[1].status.code, 1)
  assert.not.match(text, /\.[jt]s:/)
  await using open = await started(echo, { exposeStacks: true })
  const shown = (await (await send(`${open.url}/post`, { data: ['a'], execEndpoint: '/fail' })).json()) as any
  assert.ok(shown.header.status.exception.stacks.length > 1)
})

test('G1: a Flow that is closed is a 503, a request that takes too long a 504 whose executor is told', async () => {
  let told: Promise<unknown> | undefined
  await using service = await started(
    ({ endpoint, signal }) => {
      if (endpoint !== '/slow') return undefined
      told = new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))
      return told as Promise<undefined>
    },
    { timeout: 50 },
  )
  const slow = await within(5000, send(`${service.url}/post`, { execEndpoint: '/slow', data: ['a'] }))
  assert.is(slow.status, 504)
  const { header, data } = (await slow.json()) as any
  assert.is(header.status.code, 1)
  assert.match(header.status.description, /50 ms/)
  assert.equal(data, [])
  await within(1000, told!)
  await service.flow.close()
  const closed = await send(`${service.url}/post`, { data: ['a'] })
  assert.is(closed.status, 503)
  assert.match(((await closed.json()) as any).header.status.description, /not open/)
  assert.is((await fetch(`${service.url}/ready`)).status, 503)
  assert.is(((await (await fetch(`${service.url}/dry_run`)).json()) as any).code, 1)
  assert.is((await fetch(`${service.url}/healthz`)).status, 200)
})

test('R84, R98: what does not fit is refused by the name of its field', async () => {
  await using service = await started(() => {})
  const refused = async (body: unknown, status: number, ...loc: (string | number)[]) => {
    const response = await send(`${service.url}/post`, body)
    const { detail } = (await response.json()) as any
    assert.is(response.status, status, JSON.stringify(body))
    assert.equal(detail[0].loc, ['body', ...loc], JSON.stringify(body))
    assert.type(detail[0].msg, 'string')
    assert.type(detail[0].type, 'string')
  }
  await refused('[1]', 422)
  await refused('3', 422)
  await refused('null', 422)
  await refused({ data: 3 }, 422, 'data')
  await refused({ data: [3] }, 422, 'data', 0)
  await refused({ data: { docs: 1 } }, 422, 'data', 'docs')
  await refused({ data: [{ id: 'a' }, { weight: 'a' }] }, 422, 'data', 1, 'weight')
  await refused({ data: { docs: [{ blob: '!' }] } }, 422, 'data', 'docs', 0, 'blob')
  await refused({ data: [{ embedding: [[1], [1, 2]] }] }, 422, 'data', 0, 'embedding')
  await refused({ data: [{ matches: [{ chunks: [{ id: 'a' }, { mime_type: 1 }] }] }] }, 422, 'data', 0, 'matches', 0, 'chunks', 1, 'mime_type')
  await refused('{"data":[{"__proto__":1}]}', 422, 'data', 0)
  await refused('{"parameters":{"__proto__":{"polluted":1}}}', 422, 'parameters', '__proto__')
  await refused({ parameters: [] }, 422, 'parameters')
  await refused({ execEndpoint: 1 }, 422, 'execEndpoint')
  await refused({ target_executor: {} }, 422, 'target_executor')
  await refused({ targetExecutor: '(' }, 400)
  assert.is(({} as any).polluted, undefined)
})

test('R58: what goes wrong in here is a 500 that says nothing, and is reported', async () => {
  const heard: Error[] = []
  const peer = {
    accepts: () => true,
    handle() {
      throw new Error('inner secret')
    },
  }
  const server = await serve(peer, { onError: (error) => heard.push(error) })
  try {
    const failed = await send(`${server.address}/post`, { data: ['a'] })
    assert.is(failed.status, 500)
    assert.match(((await failed.json()) as any).header.status.description, /^Internal Server Error$/)
    assert.is(heard[0]!.message, 'inner secret')
  } finally {
    await server.close()
  }
})

test('R91, R105, G1: what is not there is 404, another method 405 with those allowed, no path 400', async () => {
  await using service = await started(() => {})
  const missing = await fetch(`${service.url}/nothing`)
  assert.is(missing.status, 404)
  assert.match((await missing.json()).detail, /^Not Found: nothing is at /)
  const said = async (path: string, method = 'GET') => ((await (await fetch(service.url + path, { method })).json()) as { detail: string }).detail
  assert.is(await said('/serach'), 'Not Found: nothing is at /serach. Did you mean /search?')
  assert.match(
    await said('/encode', 'POST'),
    /GET \/docs shows what is\. Any endpoint of the executors is asked by POST \/post with \{"execEndpoint": "\/encode", /,
  )
  for (const path of ['/graphql', '/api/graphql/']) assert.match(await said(path), /^Not Found: no GraphQL answers here\. Serve the Flow with graphql: true/)
  assert.is(await said(`/${'x'.repeat(5000)}`), 'Not Found: nothing is at this path. GET /docs shows what is')
  assert.is(await said('/search'), 'Method Not Allowed: /search takes POST. GET /docs shows what is taken where')
  const wrong = await fetch(`${service.url}/post`)
  assert.is(wrong.status, 405)
  assert.is(wrong.headers.get('allow'), 'POST, OPTIONS')
  assert.is((await send(`${service.url}/delete`, {})).headers.get('allow'), 'DELETE, OPTIONS')
  assert.is((await fetch(`${service.url}/%00`)).status, 400)
  assert.is((await fetch(`${service.url}/%ff`)).status, 400)
  assert.is((await fetch(`${service.url}/%70ost`)).status, 405)
})

test.run()
