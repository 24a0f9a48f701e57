import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'
import { within } from '../support/within.js'

const folder = new Folder()
folder.file('package.json', '{ "type": "module" }')
folder.file(
  'executors.mjs',
  `import { Executor } from ${JSON.stringify(pathToFileURL(resolve('lib/index.ts')).href)}
  export class Shout extends Executor {
    static requests = { '/shout': 'shout', '/slow': 'slow' }
    shout({ docs }) { for (const doc of docs) doc.text = doc.text.toUpperCase() + (this.config.mark ?? '') + (this.env.MARK ?? '') }
    async slow() { process.stderr.write('handling'); await new Promise((go) => process.once('SIGTERM', () => setTimeout(go, 200))) }
  }`,
)
const yml = folder.file('flow.yml', 'jtype: Flow\nwith: { name: loud }\nexecutors:\n  - { name: shout, uses: ./executors.mjs#Shout }\n')
const three = folder.file('three.ndjson', '{"text":"a"}\n{"text":"b"}\n{"text":"c"}\n')

/** The address that the notice names. */
async function started(command: Command, protocol: string): Promise<string> {
  await command.has('stderr', 'Reach')
  return new RegExp(`${protocol} +(\\S+)`).exec(command.stderr)![1]!
}

async function stop(command: Command): Promise<void> {
  command.child.kill('SIGTERM')
  assert.equal(await within(10_000, command.end), { code: 0, signal: null }, command.stderr)
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

test('G5, R133: SIGTERM lets what is under way finish', async () => {
  const server = new Command(['flow', yml, '--port', '0'])
  const address = await started(server, 'gRPC')
  await using client = new Client(address)
  const answered = client.post('/slow', 'x').toArray()
  await server.has('stderr', 'handling')
  await stop(server)
  assert.is((await answered)[0]!.status.code, 'SUCCESS')
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

test('T1: what cannot be served is said, with the exit code for it', async () => {
  const wrong: [string[], number, RegExp][] = [
    [['flow', yml, '--protocol', 'smtp'], 2, /protocol must be/],
    [['flow', yml, '--port', 'x'], 2, /whole number/],
    [['flow', yml, '--port', '1,2,3'], 2, /one number, or one for each protocol/],
    [['flow', yml, '--tls-key', 'x'], 2, /go together/],
    [['flow', `${folder.path}/no.yml`], 1, /cannot be opened/],
    [['executor', './no.mjs#X', '--port', '0'], 1, /no\.mjs/],
    [['client', 'ftp://x'], 2, /an address that starts with/],
    [['client', 'grpc://127.0.0.1:1', '-i', three], 1, /127\.0\.0\.1:1/],
    [['ping', 'grpc://127.0.0.1:1', '--timeout', '300'], 1, /is not ready/],
  ]
  await Promise.all(
    wrong.map(async ([args, code, message]) => {
      const command = new Command(args)
      assert.is((await within(30_000, command.end)).code, code, `${args.join(' ')}\n${command.stderr}`)
      assert.match(command.stderr, message)
    }),
  )
})

test('T1: every command has a help of its own', async () => {
  for (const name of ['run', 'flow', 'executor', 'client', 'ping']) {
    const help = new Command([name, '--help'])
    assert.is((await help.end).code, 0)
    assert.match(help.stdout, /Examples:\n {2}\$ sluice/)
    assert.match(help.stdout, 'Exit codes:')
  }
  assert.ok(readFileSync('README.md', 'utf8').includes('sluice flow'))
})

test.run()
