import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { published } from '../support/code.js'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'
import { deadPort, silence } from '../support/nobody.js'
import { RawHttp } from '../support/raw-http.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'

const folder = new Folder()
const sluice = JSON.stringify(pathToFileURL(published('index')).href)
folder.file('package.json', '{ "type": "module" }')
folder.file(
  'executors.mjs',
  `import { Executor } from ${sluice}
  export class Shout extends Executor {
    static requests = { '/busy': 'busy', '/fail': 'fail', '/shout': 'shout', '/slow': 'slow', '/stuck': 'stuck' }
    shout({ docs }) { for (const doc of docs) doc.text = doc.text.toUpperCase() + (this.config.mark ?? '') + (this.env.MARK ?? '') }
    fail({ docs }) { throw new TypeError('not this: ' + docs[0].text) }
    busy() { process.stderr.write('stuck'); for (;;); }
    async stuck() { process.stderr.write('stuck'); await new Promise(() => {}) }
    async slow() { process.stderr.write('handling'); await new Promise((go) => process.once('SIGTERM', () => setImmediate(go))) }
  }
  export class Tell extends Executor {
    static requests = { '/default': 'tell' }
    tell({ docs }) { for (const doc of docs) doc.text = [this.name, this.shardId, this.workspace].join(' ') }
  }
  export class Slow extends Executor {
    async open() { process.stderr.write('opening'); const busy = setInterval(() => {}, 1e6); await new Promise((go) => process.once('SIGTERM', go)); clearInterval(busy) }
    close() { process.stderr.write('closed') }
  }
  export class Hangs extends Executor {
    async open() { process.stderr.write('opening'); setInterval(() => {}, 1e6); await new Promise(() => {}) }
  }`,
)
const yml = folder.file('flow.yml', 'jtype: Flow\nwith: { name: loud }\nexecutors:\n  - { name: shout, uses: ./executors.mjs#Shout }\n')
const three = folder.file('three.ndjson', '{"text":"a"}\n{"text":"b"}\n{"text":"c"}\n')

/** The address that the notice names. */
async function started(command: Command, protocol: string): Promise<string> {
  await command.has('stderr', 'Reach')
  return new RegExp(`${protocol} +(\\S+)`).exec(command.stderr)![1]!
}

async function stop(command: Command, code = 0): Promise<void> {
  command.child.kill('SIGTERM')
  assert.equal(await within(10_000, command.end), { code, signal: null }, command.stderr)
}

test('T1, F9: sluice flow serves a Flow over all protocols at one port, and says where; client and ping find it', async () => {
  const server = new Command(['flow', yml, '--protocol', 'grpc,http,websocket', '--port', '0', '--graphql'])
  const grpc = await started(server, 'gRPC')
  const http = await started(server, 'HTTP')
  const websocket = await started(server, 'WebSocket')
  assert.match(server.stderr, /^loud is served\n {2}gRPC {7}grpc:\/\/127\.0\.0\.1:\d+\n/)
  assert.match(server.stderr, /GraphQL +http:.*\/graphql\n {2}Reach +this machine only\n$/)
  for (const address of [grpc, http, websocket]) {
    const client = new Command(['client', address, '--on', '/shout', '-i', three, '--in-order', '--request-size', '2', '--no-progress'])
    assert.equal(await client.end, { code: 0, signal: null }, client.stderr)
    assert.is(client.texts, 'A B C', address)
    const ping = new Command(['ping', address])
    assert.equal(await ping.end, { code: 0, signal: null })
    assert.match(ping.stdout, /is ready \(\d+ ms\)\n$/)
  }
  await using client = new Client(http)
  assert.equal(await client.mutate('mutation { docs(data: { text: "x" }, execEndpoint: "/shout") { text } }'), { data: { docs: [{ text: 'X' }] } })
  await stop(server)
  const ping = new Command(['ping', grpc, '--timeout', '500'])
  assert.is((await ping.end).code, 1)
  assert.match(ping.stderr, /is not ready/)
})

test('220: a Flow that is stopped, and cuts off what is not done in time, says so, and ends with 3', async () => {
  const slow = folder.file('slow.yml', 'jtype: Flow\nwith: { close_timeout: 200 }\nexecutors:\n  - { name: shout, uses: ./executors.mjs#Shout }\n')
  const server = new Command(['flow', slow, '--port', '0', '--quiet'])
  const quiet = new Command(['flow', slow, '--port', '0', '--protocol', 'http'])
  const http = await started(quiet, 'HTTP')
  const asked = fetch(`${http}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data: ['a'], execEndpoint: '/stuck' }),
  })
  await quiet.has('stderr', 'stuck')
  quiet.child.kill('SIGTERM')
  assert.is((await within(10_000, asked)).status, 503)
  assert.equal(await within(10_000, quiet.end), { code: 3, signal: null }, quiet.stderr)
  assert.match(quiet.stderr, /info drain\.began requests=1 .*\n.* error drain\.cut requests=1 executors="shout \(1\)"\n.* info drain\.ended/)
  server.child.kill('SIGTERM')
  assert.equal(await within(20_000, server.end), { code: 0, signal: null }, server.stderr)
  assert.is(server.stderr, '')
})

const CONTAINED = ['--pid', '--fork', '--mount-proc']
const contains = spawnSync('unshare', [...CONTAINED, 'true']).status === 0
if (!contains) console.log('test/cli/serve: unshare makes no process namespace here, so PID 1 is not tried')

test('221: the first process of a container, too, ends at once by a second signal', async () => {
  if (!contains) return
  const outer = spawn('unshare', [...CONTAINED, process.execPath, published('cli/main'), 'flow', yml, '--port', '0', '--protocol', 'http'])
  let said = ''
  outer.stderr.on('data', (data) => void (said += data))
  const ended = once(outer, 'close')
  const has = async (text: string): Promise<void> => {
    for (let n = 0; n < 1000 && !said.includes(text); n++) await new Promise((resolve) => setTimeout(resolve, 20))
    assert.ok(said.includes(text), said)
  }
  await has('Reach')
  const [, http] = /HTTP +(\S+)/.exec(said)!
  const asked = fetch(`${http}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data: ['a'], execEndpoint: '/stuck' }),
  }).catch(() => {})
  await has('stuck')
  const inner = Number(readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8'))
  process.kill(inner, 'SIGTERM')
  await has('once more to end at once')
  process.kill(inner, 'SIGTERM')
  // It would have waited for its closeTimeout, 10 s.
  const [code] = (await within(5000, ended)) as [number]
  assert.is(code, 143)
  await asked
})

test('G6: sluice flow and sluice executor ask for tokens of a file, or of the environment, and never for one on the command line', async () => {
  const TOKEN = 'a-token-for-these-tests-0'
  const tokens = folder.file('tokens', `ci: ${TOKEN}\n`)
  const refused = new Command(['flow', yml, '--token', TOKEN])
  assert.is((await refused.end).code, 2)
  assert.match(refused.stderr, /--token-file, or set SLUICE_TOKEN/)
  assert.not.match(refused.stderr, TOKEN)
  process.env.SLUICE_TOKEN = TOKEN
  const executor = new Command(['executor', `${folder.path}/executors.mjs#Shout`, '--port', '0'])
  delete process.env.SLUICE_TOKEN
  const flow = new Command(['flow', yml, '--protocol', 'http', '--port', '0', '--token-file', tokens])
  for (const [server, protocol] of [
    [executor, 'gRPC'],
    [flow, 'HTTP'],
  ] as const) {
    const address = await started(server, protocol)
    const stranger = new Command(['client', address, '-i', three, '--no-progress'])
    assert.is((await stranger.end).code, 1)
    assert.match(stranger.stderr, 'does not let in whom it does not know')
    const known = new Command(['client', address, '--on', '/shout', '-i', three, '--no-progress', '--token-file', tokens])
    assert.equal(await known.end, { code: 0, signal: null }, known.stderr)
    process.env.SLUICE_TOKEN = TOKEN
    const ping = new Command(['ping', address])
    delete process.env.SLUICE_TOKEN
    assert.is((await ping.end).code, 0, ping.stderr)
    await stop(server)
  }
})

test('184, 152: what fails in sluice flow and sluice executor is in their logs, with its stack, and forges no line', async () => {
  for (const args of [
    ['flow', yml],
    ['executor', `${folder.path}/executors.mjs#Shout`, '--name', 'shout'],
  ]) {
    const server = new Command([...args, '--protocol', 'http', '--port', '0'])
    const address = await started(server, 'HTTP')
    const before = server.stderr.length
    await using client = new Client(address)
    const [response] = await client.post('/fail', 'that\n2026 forged', { continueOnError: true }).toArray()
    assert.is(response!.status.code, 'ERROR')
    await server.has('stderr', 'executors.mjs:5')
    const [line, frame] = server.stderr.slice(before).split('\n')
    assert.match(
      line!,
      new RegExp(`^\\S+Z error executor\\.failed request=${response!.requestId} executor=shout endpoint=/fail: .*this: that\\\\x0a2026 forged$`),
    )
    assert.match(frame!, /^ {4}at .*executors\.mjs:5/)
    await stop(server)
  }
})

test('F8: a Flow is served as its file says, but for what the command line says otherwise; sluice run opens no port', async () => {
  const { key, cert, ca } = await certificates()
  folder.file('key.pem', key)
  folder.file('cert.pem', cert)
  const served = folder.file(
    'served.yml',
    `jtype: Flow
with: { name: file, protocol: [http, websocket], port: 0, title: of the file, ssl_keyfile: key.pem, ssl_certfile: cert.pem }
executors:
  - { name: shout, uses: ./executors.mjs#Shout }
`,
  )
  const as = new Command(['flow', served])
  assert.match(await started(as, 'HTTP'), /^https:/)
  assert.match(as.stderr, /^file is served\n {2}HTTP {7}https:.*\n {2}WebSocket {2}wss:/)
  const client = new Command(['client', await started(as, 'WebSocket'), '--on', '/shout', '-i', three, '--in-order', '--tls-ca', folder.file('ca.pem', ca)])
  assert.equal(await client.end, { code: 0, signal: null }, client.stderr)
  assert.is(client.texts, 'A B C')
  await stop(as)
  const over = new Command(['flow', served, '--protocol', 'http,grpc', '--graphql', '--cors', 'https://app.example'])
  const http = await started(over, 'HTTP')
  assert.match(over.stderr, /gRPC +grpcs:.*\n.*Docs.*\n.*GraphQL +https:/)
  assert.not.match(over.stderr, 'WebSocket')
  const ping = new Command(['ping', http, '--tls-ca', `${folder.path}/ca.pem`])
  assert.equal(await ping.end, { code: 0, signal: null }, ping.stderr)
  await stop(over)

  // A port that is taken would be an error, if it were asked for.
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const file = folder.file('taken.yml', `jtype: Flow\nwith: { port: ${port} }\nexecutors: [{ uses: ./executors.mjs#Shout }]\n`)
  const module = folder.file('taken.mjs', `import { Flow } from ${sluice}\nexport default new Flow({ port: ${port} })`)
  for (const [flow, texts] of [
    [file, 'A B C'],
    [module, 'a b c'],
  ]) {
    const run = new Command(['run', flow!, '--on', '/shout', '-i', three, '--in-order'])
    assert.equal(await run.end, { code: 0, signal: null }, run.stderr)
    assert.is(run.texts, texts)
    const refused = new Command(['flow', flow!])
    assert.equal(await refused.end, { code: 1, signal: null })
    assert.match(refused.stderr, `sluice: 127.0.0.1:${port}: the Flow cannot be served there: the port is taken`)
  }
  taken.close()
})

test('G5, R133: SIGTERM lets what is under way finish', async () => {
  const server = new Command(['flow', yml, '--port', '0'])
  const address = await started(server, 'gRPC')
  await using client = new Client(address)
  const answered = client.post('/slow', 'x').toArray()
  await server.has('stderr', 'handling')
  await stop(server)
  assert.is((await answered)[0]!.status.code, 'SUCCESS')
})

/** Waits for the end longer than any machine sleeps: who is in time does not wait for it. */
const patient = folder.file(
  'patient.yml',
  'jtype: Flow\nwith: { protocol: [grpc, http, websocket], port: 0, close_timeout: 3600000 }\nexecutors: [{ uses: ./executors.mjs#Shout }]\n',
)

test('R134: SIGTERM ends a stream without end when its time is up, and says so', async () => {
  const hurried = folder.file('hurried.yml', 'jtype: Flow\nwith: { port: 0, close_timeout: 100 }\nexecutors: [{ uses: ./executors.mjs#Shout }]\n')
  const told = async (command: string[], endpoint = '/stuck'): Promise<void> => {
    const server = new Command(command)
    await using client = new Client(await started(server, 'gRPC'))
    const stuck = client
      .post(endpoint, ['x', 'y'], { requestSize: 1 })
      .drain()
      .catch((error) => error)
    await server.has('stderr', 'stuck')
    await stop(server, 3)
    // It is told that the server closes, or hears the end of its connection first.
    assert.match((await within(10_000, stuck)).code, /^ERR_(DISCONNECTED|UNREACHABLE)$/)
  }
  await Promise.all([
    told(['flow', hurried]),
    told(['flow', yml, '--port', '0', '--close-timeout', '100']),
    // In a process of its own, it can be cut off although it never lets go: closing fails for it.
    told(['flow', hurried, '--runtime', 'process'], '/busy'),
  ])
})

test('R135: with --drain-delay, it is not ready first, and still answers', async () => {
  const server = new Command(['flow', patient, '--drain-delay', '1500'])
  const http = await started(server, 'HTTP')
  await using client = new Client(http)
  assert.equal((await client.post('/shout', 'a').docs()).texts, ['A'])
  assert.is((await fetch(`${http}/ready`)).status, 200)
  server.child.kill('SIGTERM')
  await server.has('stderr', 'finishing')
  for (let status = 200; status !== 503; ) status = (await fetch(`${http}/ready`)).status
  assert.equal((await client.post('/shout', 'b').docs()).texts, ['B'])
  assert.equal(await within(10_000, server.end), { code: 0, signal: null }, server.stderr)
})

for (const signal of ['SIGINT', 'SIGHUP'] as const)
  test(`R136, R138: ${signal} ends a server with idle connections at once, with 0`, async () => {
    const server = new Command(['flow', patient])
    const addresses = [await started(server, 'gRPC'), await started(server, 'HTTP'), await started(server, 'WebSocket')]
    const clients = addresses.map((address) => new Client(address))
    for (const client of clients) assert.equal((await client.post('/shout', 'a').docs()).texts, ['A'])
    const idle = new WebSocket(addresses[2]!)
    await once(idle, 'open')
    const goodbye = once(idle, 'close')
    server.child.kill(signal)
    assert.equal(await within(10_000, server.end), { code: 0, signal: null }, server.stderr)
    assert.is((await goodbye)[0], 1001)
    for (const client of clients) await client.close()
  })

test('R136: a second signal ends a server that hangs', async () => {
  const server = new Command(['flow', patient])
  await using client = new Client(await started(server, 'gRPC'))
  const stuck = client
    .post('/stuck', 'x')
    .drain()
    .catch(() => {})
  await server.has('stderr', 'stuck')
  server.child.kill('SIGTERM')
  await server.has('stderr', 'finishing')
  server.child.kill('SIGTERM')
  assert.equal(await within(10_000, server.end), { code: null, signal: 'SIGTERM' })
  await stuck
})

test('R136: a signal while it starts: what opened is closed, and nothing was served', async () => {
  const server = new Command(['flow', folder.file('slow.yml', 'jtype: Flow\nwith: { port: 0 }\nexecutors: [{ uses: ./executors.mjs#Slow }]\n')])
  await server.has('stderr', 'opening')
  await stop(server)
  assert.match(server.stderr, /closed$/)
  assert.not.match(server.stderr, 'is served')
})

for (const what of ['flow', 'executor', 'run'])
  test(`R137: a signal while an executor of sluice ${what} hangs in open() ends it within closeTimeout, and says which`, async () => {
    const waits = folder.file(
      'waits.yml',
      'jtype: Flow\nwith: { name: waits, close_timeout: 200 }\nexecutors:\n  - { name: shout, uses: ./executors.mjs#Hangs }\n',
    )
    const rest = what === 'run' ? ['-i', three] : ['--port', '0', '--close-timeout', '200']
    const command = new Command([what, what === 'executor' ? `${folder.path}/executors.mjs#Hangs` : waits, ...rest])
    await command.has('stderr', 'opening')
    command.child.kill('SIGINT')
    assert.equal(await within(10_000, command.end), { code: what === 'run' ? 130 : 1, signal: null }, command.stderr)
    assert.match(command.stderr, /sluice: (shout|executor) did not open: \S+ was closed before this was done \(closeTimeout\)/)
    if (what === 'run') assert.match(command.stderr, /stopped by SIGINT: 0 documents were read and answered/)
  })

test('C1, P4: sluice client streams stdin to stdout, in order where asked, and one that nobody reads holds up the server', async () => {
  const count = 300
  const handled: Record<string, number> = { grpc: 0, http: 0, websocket: 0 }
  await using flow = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0 })
    .add({
      uses: async ({ docs, parameters }) => {
        handled[String(parameters.by)]!++
        // The later, the quicker.
        await new Promise((resolve) => setTimeout(resolve, docs[0]!.text.endsWith('0') ? 5 : 0))
        docs[0]!.tags.filling = 'x'.repeat(100_000)
      },
    })
    .open()
  const input = Array.from({ length: count }, (_, i) => `{"text":"${i}"}\n`).join('')
  const clients = Object.entries(flow.addresses).map(([by, address]) => {
    const told = ['--parameters', JSON.stringify({ by }), '--request-size', '1', '--prefetch', '2', '--in-order', '--no-progress']
    const client = new Command(['client', address, ...told], { paused: true })
    client.child.stdin.end(input)
    return client
  })
  // Still for a while is all that can be seen of what waits.
  for (let before = ''; before !== JSON.stringify(handled) || Object.values(handled).includes(0); ) {
    before = JSON.stringify(handled)
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  for (const [by, one] of Object.entries(handled)) assert.ok(one < 40, `${one} of ${count} were handled over ${by} while nobody read`)
  for (const client of clients) {
    client.child.stdout.on('data', (data) => {
      client.stdout += data
    })
    client.child.stdout.resume()
  }
  for (const client of clients) {
    assert.equal(await within(20_000, client.end), { code: 0, signal: null }, client.stderr)
    assert.is(client.texts, Array.from({ length: count }, (_, i) => i).join(' '))
  }
})

test('F11: sluice executor serves one Executor, which a Flow elsewhere uses; two addresses are replicas, and one may be away', async () => {
  const one = new Command(['executor', `${folder.path}/executors.mjs#Shout`, '--port', '0', '--with', '{"mark":"!"}', '--env', 'MARK=?'])
  const two = new Command(['executor', `${folder.path}/executors.mjs#Shout`, '--port', '0', '--with', '{"mark":"!"}', '--env', 'MARK=?'])
  const addresses = await Promise.all([one, two].map((server) => started(server, 'gRPC')))
  await using flow = await new Flow().add({ name: 'elsewhere', external: true, host: addresses }).open()
  assert.equal((await flow.post('/shout', ['a', 'b'], { requestSize: 1 }).docs()).texts.sort(), ['A!?', 'B!?'])
  await stop(one)
  const texts = (
    await flow
      .post(
        '/shout',
        Array.from({ length: 20 }, (_, i) => `t${i}`),
        { requestSize: 1 },
      )
      .docs()
  ).texts
  assert.is(texts.length, 20)
  await stop(two)
})

test('216: sluice executor is what its flags say: name, workspace, parallel, host, hosts that may be named, pages that may call, quiet', async () => {
  const [port, workspace] = [await deadPort(), `${folder.path}/work`]
  const told = ['--name', 'told', '--workspace', workspace, '--parallel', '2', '--quiet']
  const reached = ['--protocol', 'http', '--port', `${port}`, '--host', '127.0.0.2', '--allowed-hosts', 'app.example', '--cors', 'https://page.example']
  const server = new Command(['executor', `${folder.path}/executors.mjs#Tell`, ...told, ...reached])
  // It says nothing, so it has to be asked.
  await using client = new Client({ host: '127.0.0.2', port, protocol: 'http' })
  const up = async (): Promise<void> => {
    while (!(await client.isFlowReady())) await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await within(20_000, up())
  const [response] = await client.post('/', 'x').toArray()
  assert.match(response!.docs.texts[0]!, new RegExp(`^told [01] ${workspace}/told/[01]$`))
  assert.equal(readdirSync(`${workspace}/told`).sort(), ['0', '1'])
  const ask = async (host: string): Promise<string> => {
    using raw = new RawHttp(port, false, '127.0.0.2')
    return await raw.ask(`GET /status HTTP/1.1\r\nHost: ${host}\r\nOrigin: https://page.example\r\n\r\n`)
  }
  assert.match(await ask('app.example'), /^HTTP\/1\.1 200 [\s\S]*access-control-allow-origin: https:\/\/page\.example\r/i)
  assert.match(await ask('other.example'), /^HTTP\/1\.1 403 /)
  await stop(server)
  assert.is(server.stderr, '')
})

test('F13: sluice executor has the number that it is told among those that stand elsewhere, in its folder, too', async () => {
  const workspace = `${folder.path}/shards`
  const told = ['--name', 'told', '--workspace', workspace, '--shard-id', '2', '--parallel', '2']
  const server = new Command(['executor', `${folder.path}/executors.mjs#Tell`, ...told, '--port', '0'])
  await using client = new Client(await started(server, 'gRPC'))
  const [response] = await client.post('/', 'x').toArray()
  assert.match(response!.docs.texts[0]!, new RegExp(`^told [23] ${workspace}/told/[23]$`))
  assert.equal(readdirSync(`${workspace}/told`).sort(), ['2', '3'])
  await stop(server)
  for (const [more, said] of [
    [['--shard-id', '-1'], /--shard-id is a number from 0, not -1/],
    [['--shard-id', '1', '--runtime', 'process'], /--shard-id goes with no --runtime process/],
  ] as const) {
    const wrong = new Command(['executor', `${folder.path}/executors.mjs#Tell`, ...more, '--port', '0'])
    assert.is((await wrong.end).code, 2)
    assert.match(wrong.stderr, said)
  }
})

test('216: keys and docarray v2 of both ends: who shows no certificate is not let in', async () => {
  const { key, cert, ca } = await certificates()
  const [keyFile, certFile, caFile] = [folder.file('own.pem', key), folder.file('own-cert.pem', cert), folder.file('own-ca.pem', ca)]
  const keys = ['--tls-key', keyFile, '--tls-cert', certFile, '--tls-ca', caFile]
  const server = new Command(['flow', yml, '--port', '0', '--docarray', 'v2', ...keys])
  const address = await started(server, 'gRPC')
  assert.match(address, /^grpcs:/)
  const sent = ['client', address, '--on', '/shout', '-i', three, '--in-order', '--no-progress']
  const known = new Command([...sent, '--docarray', 'v2', ...keys])
  assert.equal(await within(20_000, known.end), { code: 0, signal: null }, known.stderr)
  assert.is(known.texts, 'A B C')
  const unknown = new Command([...sent, '--docarray', 'v2', '--tls-ca', caFile])
  assert.is((await within(20_000, unknown.end)).code, 1)
  assert.is(unknown.texts, '')
  await stop(server)
})

test('216: sluice client sends headers, tries again, and waits no longer than it was told; so does sluice ping', async () => {
  const seen: unknown[] = []
  const server = createHttpServer((request) => {
    if (request.method === 'POST') seen.push(request.headers['x-who'])
    request.socket.destroy()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  await using mute = await silence()
  const [dead, { port }] = [await deadPort(), server.address() as AddressInfo]
  const runs: [string[], RegExp][] = [
    [['client', `http://127.0.0.1:${port}`, '--header', 'x-who=me', '--retries', '2', '-i', three], /the connection was lost before the answer/],
    [['client', `http://127.0.0.1:${mute.port}`, '--timeout', '300', '-i', three], /300 ms/],
    [['ping', `http://127.0.0.1:${dead}`, '--attempts', '2'], /is not ready, asked 2 times/],
  ]
  await Promise.all(
    runs.map(async ([args, message]) => {
      const command = new Command(args)
      assert.is((await within(30_000, command.end)).code, 1, command.stderr)
      assert.match(command.stderr, message)
    }),
  )
  assert.equal(seen, ['me', 'me', 'me'])
  server.close()
})

test('T1: what cannot be served is said, with the exit code for it', async () => {
  const wrong: [string[], number, RegExp][] = [
    [['flow', yml, '--protocol', 'smtp'], 2, /protocol must be/],
    [['flow', yml, '--port', 'x'], 2, /whole number/],
    [['flow', yml, '--port', '1,2,3'], 2, /one number, or one for each protocol/],
    [['flow', yml, '--tls-key', 'x'], 2, /go together/],
    [['flow', `${folder.path}/no.yml`], 1, /cannot be opened/],
    [['executor', './no.mjs#X', '--port', '0'], 1, /no\.mjs/],
    [['flow', yml, '--port', '0', '--tls-key', three, '--tls-cert', three], 1, /127\.0\.0\.1: .*\(tls\.keyFile\) must be a private key/],
    [['flow', yml, '--tls-key', 'no.pem', '--tls-cert', 'no.pem'], 1, /no\.pem: cannot be opened/],
    [['flow', yml, '--host', '192.0.2.1'], 1, /this machine has no such address/],
    [['flow', yml, '--tls-ca', 'x'], 2, /goes with --tls-key/],
    [['client', 'grpc://127.0.0.1:1', '--tls-ca', 'no.pem', '-i', three], 1, /no\.pem: cannot be opened/],
    [['client', 'ftp://x'], 2, /an address that starts with/],
    [['client', 'grpc://127.0.0.1:1', '-i', three], 1, /127\.0\.0\.1:1/],
    [['ping', 'grpc://127.0.0.1:1', '--timeout', '300'], 1, /is not ready\. grpc:\/\/127\.0\.0\.1:1: nobody answers there/],
  ]
  await Promise.all(
    wrong.map(async ([args, code, message]) => {
      const command = new Command(args)
      assert.is((await within(30_000, command.end)).code, code, `${args.join(' ')}\n${command.stderr}`)
      assert.match(command.stderr, message)
      assert.not.match(command.stderr, /^\s+at /m)
    }),
  )
})

test('T1: every command has a help of its own', async () => {
  for (const name of ['run', 'flow', 'executor', 'client', 'ping']) {
    const help = new Command([name, '--help'])
    assert.is((await help.end).code, 0)
    assert.match(help.stdout, /Examples:(\n {2}\$ .*sluice .*){2,}/)
    assert.not.match(help.stdout, '{}')
    assert.match(help.stdout, 'Exit codes:')
  }
  assert.ok(readFileSync('README.md', 'utf8').includes('sluice flow'))
})

test.run()
