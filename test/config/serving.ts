// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
import { createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { flowSchema } from '../../lib/config/schema.js'
import { parseYaml } from '../../lib/config/yaml.js'
import { ConfigError, ConnectionError, Flow, type FlowOptions } from '../../lib/index.js'
import { Folder } from '../support/folder.js'
import { certificates } from '../support/tls.js'
import { problems } from './validate.js'

const folder = new Folder()
folder.file('shout.mjs', 'export default ({ docs }) => { for (const doc of docs) doc.text = doc.text.toUpperCase() }')
const EXECUTORS = 'executors: [{ uses: ./shout.mjs }]\n'
const load = (text: string, name = 'flow.yml', env = {}): Promise<Flow<string>> =>
  Flow.loadConfig(folder.file(name, `jtype: Flow\n${text}${EXECUTORS}`), { env, onNotice: assert.unreachable })

const ask = async (address: string, options = {}): Promise<string[]> => {
  await using client = new Client(address, options)
  return (await client.post('/', 'a').docs()).texts
}

test('F7, F8: a Flow of YAML that says how it is served is, when it opens', async () => {
  await using flow = await (
    await load('with:\n  protocol: [grpc, http, websocket]\n  port: 0\n  title: loud\n  description: It shouts\n  cors: true\n  graphql: true\n')
  ).open()
  for (const address of Object.values(flow.addresses)) assert.equal(await ask(address), ['A'])
  const { http } = flow.addresses
  assert.equal(Object.keys(flow.addresses), ['grpc', 'http', 'websocket'])
  const { info } = (await (await fetch(`${http}/openapi.json`)).json()) as any
  assert.equal([info.title, info.description], ['loud', 'It shouts'])
  const { status, headers } = await fetch(`${http}/graphql`, {
    method: 'POST',
    headers: { origin: 'https://app.example', 'content-type': 'application/json' },
    body: '{"query":"{ __typename }"}',
  })
  assert.equal([status, headers.get('access-control-allow-origin')], [200, '*'])
})

const spellings: [string, string, FlowOptions][] = [
  ['in snake_case', 'with: { no_debug_endpoints: true, no_crud_endpoints: true }', { noDebugEndpoints: true, noCrudEndpoints: true }],
  ['as in Jina 2', 'with: { protocol: HTTP, port_expose: 45678 }', { protocol: 'HTTP', port: 45678 }],
  ['several', 'with: { protocols: [grpc, http], ports: [1, 2] }', { protocol: ['grpc', 'http'], port: [1, 2] }],
  ['of a variable', 'with: { port: "${{ ENV.PORT }}", title: "${{ ENV.PORT }}" }', { port: 8080, title: '8080' }],
  ['GraphQL', 'with: { expose_graphql_endpoint: true }', { graphql: true }],
  ['GraphQL in full', 'with: { graphql: { max_depth: 5, graphiql: false } }', { graphql: { maxDepth: 5, graphiql: false } }],
  ['the live page', 'with: { ui: true }', { ui: true }],
  ['the live page with documents', 'with: { protocol: http, ui: { documents: true } }', { protocol: 'http', ui: { documents: true } }],
  ['tools for agents', 'with: { mcp: true }', { mcp: true }],
  ['some tools for agents', 'with: { mcp: { endpoints: [/search] } }', { mcp: { endpoints: ['/search'] } }],
  ['tools that are described', 'with: { mcp: { endpoints: { /a_b: Finds } } }', { mcp: { endpoints: { '/a_b': 'Finds' } } }],
  ['origins', 'with: { cors: [https://app.example] }', { cors: ['https://app.example'] }],
  ['origins in full', 'with: { cors: { origins: [https://a.example], credentials: true } }', { cors: { origins: ['https://a.example'], credentials: true } }],
  [
    'endpoints',
    'with:\n  expose_endpoints: { /rank: { methods: [POST], summary: Ranks } }',
    { exposeEndpoints: { '/rank': { methods: ['POST'], summary: 'Ranks' } } },
  ],
  ['endpoints as JSON', `with: { expose_endpoints: '{"/rank": {"methods": ["GET"]}}' }`, { exposeEndpoints: { '/rank': { methods: ['GET'] } } }],
  [
    'limits',
    'with: { max_message_bytes: 9, max_in_flight: 7, expose_stacks: true, drain_delay: 5, host: 0.0.0.0 }',
    { maxMessageBytes: 9, maxInFlight: 7, exposeStacks: true, drainDelay: 5, host: '0.0.0.0' },
  ],
  ['a key in a variable', 'with: { tls: { key: "${{ ENV.KEY }}", cert: c } }', { tls: { key: '-----BEGIN', cert: 'c' } }],
  ['tls without a certificate, as clients say it', 'with: { tls: false }', {}],
  [
    'the files of a key',
    'with: { ssl_keyfile: tls/key.pem, ssl_certfile: /etc/cert.pem }',
    { sslKeyfile: folder.file('tls/key.pem'), sslCertfile: '/etc/cert.pem' },
  ],
  [
    'in Jina 3’s gateway, which wins',
    'with: { port: 1, prefetch: 1, title: a }\ngateway: { protocol: http, port: 2, prefetch: 5 }',
    { port: 2, prefetch: 5, title: 'a', protocol: 'http' },
  ],
  ['times of the gateway', 'gateway: { timeout_send: 2000 }', { timeout: 2000 }],
  [
    'files of tokens',
    'with: { token_file: keys/tokens, open_health: false, auth_timeout: 9 }',
    { tokenFile: folder.file('keys/tokens'), openHealth: false, authTimeout: 9 },
  ],
  ['hosts', 'with: { token_file: [a, /b], allowed_hosts: [flow.example] }', { tokenFile: [folder.file('a'), '/b'], allowedHosts: ['flow.example'] }],
  ['no time, as Jina says it', 'gateway: { timeout_send: -1 }', {}],
]

for (const [what, text, expected] of spellings)
  test(`F8: what serves a Flow: ${what}`, async () => {
    const env = { PORT: '8080', KEY: '-----BEGIN' }
    const flow = await load(`${text}\n`, 'spelled.yml', env)
    assert.equal(flow.options, expected)
    assert.equal(problems((await parseYaml(`jtype: Flow\n${text}\n`, { file: undefined })).value, flowSchema()), [])
    const saved = folder.file('saved.yml')
    await flow.saveConfig(saved)
    assert.equal((await Flow.loadConfig(saved, { onNotice: assert.unreachable })).options, expected)
  })

const wrong: [string, string, number, string, RegExp][] = [
  ['a protocol', 'with: { protocol: smtp }', 2, 'protocol', /'grpc', 'http', 'websocket' or 'nats'/],
  ['a protocol twice', 'with: { protocol: [http, HTTP] }', 2, 'protocol', /once/],
  ['a port', 'with:\n  port: 70000', 3, 'port', /0 to 65535/],
  ['more ports than protocols', 'with:\n  protocol: http\n  port: [1, 2]', 4, 'port', /one for each protocol \(http\)/],
  ['a port under two names', 'with:\n  port: 1\n  port_expose: 2', 4, 'port_expose', /given twice/],
  ['a key without a certificate', 'with:\n  ssl_keyfile: key.pem', 3, 'ssl_keyfile', /together with sslCertfile/],
  ['a certificate twice', 'with:\n  tls: { key: a, cert: b }\n  ssl_keyfile: a\n  ssl_certfile: b', 4, 'ssl_keyfile', /left out where tls is given/],
  ['an origin', 'with:\n  cors: [app.example]', 3, 'cors', /origins such as/],
  ['a word of tls', 'with:\n  tls: { key: a, crt: b }', 3, 'crt', /Did you mean cert\?/],
  ['a word of GraphQL', 'with:\n  graphql: { max_dept: 3 }', 3, 'max_dept', /max_depth/],
  ['a limit of GraphQL', 'with:\n  graphql: { max_depth: 0 }', 3, 'graphql', /maxDepth/],
  ['a word of the live page', 'with:\n  ui: { document: true }', 3, 'document', /documents/],
  ['a word of tools', 'with:\n  mcp: { endpoint: [/a] }', 3, 'endpoint', /endpoints/],
  ['an endpoint of tools', 'with:\n  mcp: { endpoints: [a] }', 3, 'mcp', /such as '\/search'/],
  ['tools without HTTP', 'with:\n  protocol: grpc\n  mcp: true', 4, 'mcp', /Add 'http'/],
  ['the live page without HTTP', 'with:\n  protocol: grpc\n  ui: true', 4, 'ui', /Add 'http'/],
  ['a method', 'with:\n  expose_endpoints: { /a: { methods: [FETCH] } }', 3, 'expose_endpoints', /GET, POST/],
  ['JSON that is none', `with:\n  expose_endpoints: '{a'`, 3, 'expose_endpoints', /no JSON/],
  ['a token that is written out', 'with:\n  token: a-token-for-these-tests-0', 3, 'token', /does not belong into this file.*token_file/],
  ['a host', 'with:\n  allowed_hosts: [http://a]', 3, 'allowed_hosts', /without scheme and port/],
  ['who comes in', 'with:\n  authenticate: x', 3, 'authenticate', /in code only/],
  ['a function', 'with:\n  on_error: x', 3, 'on_error', /in code only/],
]

for (const [what, text, line, key, message] of wrong)
  test(`F7: wrong ${what} is refused with its place`, async () => {
    const error = (await load(`${text}\n`, 'wrong.yml').catch((error: unknown) => error)) as ConfigError
    assert.instance(error, ConfigError)
    assert.equal([error.line, error.key], [line, key], error.message)
    assert.match(error.message, message)
  })

test('G6: a token of YAML comes from a variable, and is in no saved file', async () => {
  const TOKEN = 'a-token-for-these-tests-0'
  const text = 'with: { token: "${{ ENV.TOKEN }}" }\n'
  const external = 'jtype: Flow\nexecutors: [{ name: far-off, external: true, host: 10.0.0.1, token: "${{ ENV.TOKEN }}", forward_identity: true }]\n'
  const flow = await load(text, 'token.yml', { TOKEN })
  assert.is(flow.options.token, TOKEN)
  const saved = await flow.saveConfig(folder.file('saved.yml'))
  assert.not.match(saved, TOKEN)
  assert.match(saved, 'token: ${{ ENV.SLUICE_TOKEN }}')
  const again = await (await Flow.loadConfig(external, { env: { TOKEN } })).saveConfig()
  assert.not.match(again, TOKEN)
  assert.match(again, 'token: ${{ ENV.SLUICE_TOKEN_FAR_OFF }}')
  const written = (await Flow.loadConfig(external.replace('"${{ ENV.TOKEN }}"', TOKEN)).catch((error: unknown) => error)) as ConfigError
  assert.is(written.key, 'token')
  assert.not.match(written.message, TOKEN)
  const short = (await load(text, 'short.yml', { TOKEN: 'short' }).catch((error: unknown) => error)) as ConfigError
  assert.match(short.message, '16 characters')
})

test('F8: tls: true, which Jina says to clients, is told to have no effect', async () => {
  const notices: string[] = []
  const flow = await Flow.loadConfig('jtype: Flow\nwith: { tls: true }\n', { onNotice: (notice) => notices.push(notice) })
  assert.equal(flow.options, {})
  assert.match(notices.join(), /tls: true has no effect: .*ssl_keyfile/)
})

test('G3: key and certificate from files beside the YAML, read anew each time it opens', async () => {
  const { ca, key, cert, selfSigned } = await certificates()
  folder.file('key.pem', selfSigned.key)
  folder.file('cert.pem', selfSigned.cert)
  await using flow = await load('with: { protocol: [grpc, http], port: 0, ssl_keyfile: key.pem, ssl_certfile: ./cert.pem }\n')
  await flow.open()
  assert.match(flow.addresses.grpc!, /^grpcs:/)
  for (const address of Object.values(flow.addresses)) {
    const error = await ask(address, { tls: { ca } }).catch((error: unknown) => error)
    assert.is((error as ConnectionError).code, 'ERR_TLS')
  }
  await flow.close()
  folder.file('key.pem', key)
  folder.file('cert.pem', cert)
  await flow.open()
  for (const address of Object.values(flow.addresses)) assert.equal(await ask(address, { tls: { ca } }), ['A'])
})

test('R71, R111: a key that is not there, or none, and a port that is taken end the start with a word, and nothing stays open', async () => {
  folder.file('none.pem', 'no key\n')
  const missing = await load('with: { port: 0, ssl_keyfile: missing.pem, ssl_certfile: none.pem }\n')
  const error = (await missing.open().catch((error: unknown) => error)) as ConfigError
  assert.instance(error, ConfigError)
  assert.match(error.message, /missing\.pem: cannot be opened/)
  assert.is(missing.isOpen, false)
  const none = await load('with: { port: 0, ssl_keyfile: none.pem, ssl_certfile: none.pem }\n')
  const bad = (await none.open().catch((error: unknown) => error)) as ConnectionError
  assert.equal([bad.constructor, bad.code], [ConnectionError, 'ERR_TLS'], String(bad))
  assert.match(bad.message, /none\.pem \(sslKeyfile\) must be a private key/)

  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  const taken = (await (await load(`with: { port: ${port} }\n`)).open().catch((error: unknown) => error)) as ConnectionError
  assert.equal([taken.constructor, taken.code], [ConnectionError, 'ERR_REFUSED'])
  assert.match(taken.message, `127.0.0.1:${port}: the Flow cannot be served there: the port is taken`)
  await new Promise((resolve) => other.close(resolve))
})

test('F8: open() can say otherwise, or that it is not served', async () => {
  const flow = await load('with: { protocol: http, port: 1, title: mine, graphql: true }\n')
  await flow.open({ serve: false })
  assert.equal(flow.addresses, {})
  assert.equal((await flow.post('/', 'a').docs()).texts, ['A'])
  await flow.close()
  await flow.open({ serve: { protocol: ['http', 'websocket'], port: 0, graphql: false } })
  assert.equal(Object.keys(flow.addresses), ['http', 'websocket'])
  assert.is(((await (await fetch(`${flow.addresses.http}/openapi.json`)).json()) as any).info.title, 'mine')
  assert.is((await fetch(`${flow.addresses.http}/graphql`)).status, 404)
  await flow.close()
  const error = await flow.open({ serve: { prot: 'http' } as object }).catch((error: unknown) => error)
  assert.is((error as { code?: string }).code, 'ERR_OPTION_TYPE')
  assert.is(flow.isOpen, false)
})

test('F8, P4: prefetch of a file bounds each connection of its server, as in Jina', async () => {
  folder.file(
    'counting.mjs',
    `export let most = 0
    let inside = 0
    export default async ({ docs }) => {
      most = Math.max(most, ++inside)
      await new Promise((resolve) => setTimeout(resolve, 1))
      inside--
      for (const doc of docs) doc.tags.most = most
    }`,
  )
  for (const where of ['with: { protocol: grpc, prefetch: 2 }', 'gateway: { protocol: grpc, prefetch: 2 }']) {
    await using flow = await (
      await Flow.loadConfig(`jtype: Flow\n${where}\nexecutors: [{ uses: ${folder.path}/counting.mjs }]\n`, { allowOutside: true })
    ).open()
    await using client = new Client(flow.addresses.grpc!)
    const docs = await client.post<{ most: number }>('/', Array.from('abcdefghij'), { requestSize: 1, prefetch: 8 }).docs()
    assert.is(Math.max(...docs.map(({ tags }) => tags.most)), 2)
  }
})

test('F7: a file of one executor is served at its port, unless it is external', async () => {
  const deployment = (text: string): Promise<Flow<string>> =>
    Flow.loadConfig(folder.file('one.yml', `jtype: Deployment\nwith: { name: one, uses: ./shout.mjs, ${text} }\n`), { onNotice: assert.unreachable })
  await using flow = await (await deployment('port: 0, protocol: http')).open()
  assert.equal(await ask(flow.addresses.http!), ['A'])
  const external = await Flow.loadConfig('jtype: Deployment\nwith: { name: one, external: true, host: 127.0.0.1, port: 9 }\n')
  assert.equal(external.options, {})
})

test.run()
