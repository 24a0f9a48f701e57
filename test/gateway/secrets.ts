// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
// What must not be told: passwords, tokens, the environment.
import { createServer } from 'node:http'
import { type AddressInfo, connect as connectSocket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { inspect } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway, notice } from '../../lib/gateway/index.js'
import { Executor, Flow } from '../../lib/index.js'
import { post } from '../../lib/post/post.js'
import { connect as grpc } from '../../lib/wire/grpc/client/connect.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { connect as http } from '../../lib/wire/http/client/connect.js'
import { decodeInfo } from '../../lib/wire/proto/index.js'
import { connect as websocket } from '../../lib/wire/websocket/client/connect.js'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

const SECRET = 'hunter2'
const folder = new Folder()

/** All that could be printed of an error. */
const all = (error: unknown): string => `${(error as Error).stack} ${inspect(error, { depth: 12, showHidden: true })}`

async function thrown(fn: () => unknown): Promise<unknown> {
  try {
    await fn()
  } catch (error) {
    return error
  }
  assert.unreachable(`${fn} throws`)
}

/** Everything that is written to the console meanwhile. */
async function logged(fn: () => Promise<void>): Promise<string> {
  const own = { ...console }
  let text = ''
  for (const level of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const)
    console[level] = (...args) => void (text += `${inspect(args, { depth: 12 })}\n`)
  try {
    await fn()
  } finally {
    Object.assign(console, own)
  }
  return text
}

test('R126: a password in an address is in no error', async () => {
  for (const scheme of ['grpc://', 'grpcs://', 'http://', 'https://', 'ws://', 'wss://', 'ftp://', ''])
    for (const host of ['127.0.0.1:1', 'x:y:z', '127.0.0.1:1/path', '']) {
      const address = `${scheme}ann:${SECRET}@${host}`
      const error = await thrown(() => new Client(address))
      assert.not.match(all(error), SECRET, address)
      assert.not.match(all(await thrown(() => new Client({ host: address, protocol: 'http', port: 1 }))), SECRET, address)
      const external = new Flow().add({ name: 'elsewhere', external: true, host: address })
      assert.not.match(all(await thrown(() => external.open())), SECRET, address)
    }
  for (const [connect, address] of [
    [grpc, 'grpc://'],
    [http, 'http://'],
  ] as const)
    assert.not.match(all(await thrown(() => connect(`${address}ann:${SECRET}@127.0.0.1:1?token=${SECRET}`))), SECRET, address)
  // It is sent, and told to nobody.
  const connection = websocket(`ws://ann:${SECRET}@127.0.0.1:1`)
  assert.not.match(connection.address, SECRET)
  assert.not.match(all(await thrown(() => post(connection, '/', 'x').drain())), SECRET)
})

for (const protocol of ['grpc', 'http', 'websocket'] as const)
  test(`R126: ${protocol}: a token in a header is in no error, whatever goes wrong, and in nothing that the server says or logs`, async () => {
    const headers = { authorization: `Bearer ${SECRET}`, 'x-api-key': SECRET }
    const scheme = { grpc: 'grpc', http: 'http', websocket: 'ws' }[protocol]
    const problems = async (address: string, options = {}): Promise<unknown> => {
      try {
        await using client = new Client(address, { headers, timeout: 1500, connectTimeout: 1500, ...options })
        await client.post('/', [{ text: 'x' }]).drain()
        return undefined
      } catch (error) {
        return error
      }
    }
    const moved = createServer((_, response) => response.writeHead(302, { location: `http://ann:pw@else.where/?token=${SECRET}` }).end()).listen(0, '127.0.0.1')
    await new Promise((resolve) => moved.once('listening', resolve))
    const output = await logged(async () => {
      await using flow = await new Flow()
        .add({
          uses: () => {
            throw new Error('broken')
          },
        })
        .open()
      await using gateway = await Gateway.serve(flow, { protocol: [protocol], port: 0, exposeStacks: true })
      const address = gateway.addresses[protocol]!
      const errors = [
        await problems(`${scheme}://127.0.0.1:1`),
        await problems(address),
        await problems(address.replace('://', 's://').replace('ws://', 'wss://')),
        await problems(`${scheme}://127.0.0.1:${(moved.address() as AddressInfo).port}`),
        await problems(address, { headers: { 'x-bad': `${SECRET}\n` } }),
        await problems(address, { headers: { 'x-bad': `${SECRET}\u2028` } }),
      ]
      for (const error of errors) {
        assert.ok(error instanceof Error)
        assert.not.match(`${error.message} ${error.stack}`, SECRET)
      }
      assert.not.match(notice('flow', gateway), SECRET)
    })
    assert.not.match(output, SECRET)
    moved.close()
  })

test('R126: the command line and files keep what they are told to themselves', async () => {
  const yml = folder.file('flow.yml', 'jtype: Flow\nwith: { port: "${{ ENV.PASSWORD }}" }\n')
  process.env.PASSWORD = SECRET
  try {
    const error = await thrown(() => Flow.loadConfig(yml))
    assert.match((error as Error).message, /flow\.yml:2:9: port: this must be an integer from 0 to 65535, not what its variable holds/)
    assert.not.match(all(error), SECRET)
  } finally {
    delete process.env.PASSWORD
  }
  for (const args of [
    ['client', `http://ann:${SECRET}@127.0.0.1:1`],
    ['client', 'http://127.0.0.1:1', '--header', `authorization Bearer ${SECRET}`],
    ['client', 'http://127.0.0.1:1', '--header', `authorization: Bearer ${SECRET}`],
    ['client', 'grpc://127.0.0.1:1', '--header', `authorization=Bearer ${SECRET}\n`],
  ]) {
    const command = new Command(args)
    command.child.stdin.end('{"text":"x"}\n')
    assert.ok([1, 2].includes((await within(20_000, command.end)).code!), command.stderr)
    assert.not.match(command.stdout + command.stderr, SECRET)
  }
})

test('R116, R125, R129: what tells of health, versions and routes holds no secret, and listens where the rest does: on this machine only', async () => {
  process.env.SLUICE_TEST_PASSWORD = SECRET
  try {
    class Private extends Executor {
      static requests = { '/default': 'pass' }
      pass(): void {}
    }
    await using flow = await new Flow({ env: { PASSWORD: SECRET } }).add({ name: 'private', uses: Private, env: { TOKEN: SECRET } }).open()
    await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true })
    const { http: url } = gateway.addresses
    for (const path of ['/', '/healthz', '/ready', '/status', '/dry_run', '/openapi.json', '/docs', '/docs/page.js', '/none', '/graphql']) {
      const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${SECRET}` } })
      assert.not.match(`${await answer.text()} ${JSON.stringify([...answer.headers])}`, SECRET, path)
    }
    using raw = new Raw(gateway.addresses.grpc!)
    for (const method of [METHODS.info, METHODS.dryRun, METHODS.endpoints, METHODS.check]) {
      const { answer, status } = await raw.unary(method, Buffer.alloc(0))
      assert.not.match(`${answer} ${inspect(status)}`, SECRET, method)
    }
    assert.equal(decodeInfo((await raw.unary(METHODS.info, Buffer.alloc(0))).answer!).envs, {})

    // There is one port for all of it, which nobody reaches from elsewhere.
    const elsewhere = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)
    if (elsewhere === undefined) return console.log('skipped: this machine has no address of its own')
    const reached = await new Promise((resolve) => {
      const socket = connectSocket(gateway.port, elsewhere.address)
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      socket.unref()
    })
    assert.is(reached, false)
  } finally {
    delete process.env.SLUICE_TEST_PASSWORD
  }
})

test.run()
