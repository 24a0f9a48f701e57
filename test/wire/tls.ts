// What is wrong with TLS, and who hears of it, on every wire; and files of keys and certificates that somebody renews.
import { utimesSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LogRecord } from '../../lib/base/logger.js'
import { Client, type ClientOptions } from '../../lib/client/client.js'
import { Flow } from '../../lib/flow/flow.js'
import type { FlowOptions } from '../../lib/flow/options.js'
import { Folder } from '../support/folder.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'

const WIRES = ['grpc', 'http', 'websocket'] as const

const served = (options: FlowOptions): Promise<Flow> => new Flow({ protocol: [...WIRES], port: 0, ...options }).add({ uses: () => {} }).open() as Promise<Flow>

/** At localhost, for which the certificates are. */
const address = (flow: Flow, wire: string): string => flow.addresses[wire]!.replace('127.0.0.1', 'localhost')

async function said(host: string, tls?: ClientOptions['tls']): Promise<string> {
  await using client = new Client({ host, ...(tls !== undefined && { tls }) })
  const error: any = await within(
    20_000,
    client
      .post('/', [{ text: 'a' }])
      .drain()
      .then(
        () => ({ code: 'fine', message: '' }),
        (error) => error,
      ),
  )
  return `${error.code} ${error.message}`
}

test('231: what is wrong with TLS is the same kind of failure on every wire, and its message says what to do', async () => {
  const { ca, key, cert, client, selfSigned, expired, wrongName } = await certificates()
  const records: LogRecord[] = []
  await using strict = await served({ tls: { key, cert, ca }, logger: (record) => records.push(record) })
  await using secure = await served({ tls: { key, cert } })
  await using late = await served({ tls: expired })
  await using other = await served({ tls: wrongName })
  await using plain = await served({})
  await using grpcOnly = await served({ protocol: 'grpc' })
  for (const wire of WIRES) {
    const withTls = (flow: Flow, at: string = wire): string => flow.addresses[at]!.replace(/^\w+/, { grpc: 'grpcs', http: 'https', websocket: 'wss' }[wire])
    const without = address(secure, wire).replace(/^(\w+)s:/, '$1:')
    assert.match(await said(address(strict, wire), { ca, ...client }), /^fine/, wire)
    assert.match(await said(address(strict, wire), { ca, ...selfSigned }), /^ERR_TLS .*tls\.cert\): it does not trust it/, wire)
    assert.match(await said(address(strict, wire), { ca }), /^ERR_TLS .*wants a certificate.*give tls\.key and tls\.cert/, wire)
    assert.match(await said(address(secure, wire)), /^ERR_TLS .*not trusted here: give .* as tls\.ca/, wire)
    assert.match(await said(address(late, wire), { ca }), /^ERR_TLS .*has expired/, wire)
    assert.match(await said(address(other, wire), { ca }), /^ERR_TLS .*another name.*tls\.serverName/, wire)
    assert.match(await said(withTls(plain)), /^ERR_TLS .*does not speak TLS: write the scheme without s/, wire)
    assert.match(await said(withTls(grpcOnly, 'grpc')), /^ERR_TLS .*does not speak TLS/, wire)
    assert.match(await said(without), /^ERR_PROTOCOL .*wants TLS: write (grpcs|https|wss):\/\//, wire)
  }
  await using secureGrpc = await served({ protocol: 'grpc', tls: { key, cert } })
  for (const scheme of ['https', 'wss'])
    assert.match(
      await said(address(secureGrpc, 'grpc').replace(/^\w+/, scheme), { ca }),
      /^ERR_PROTOCOL .*speaks HTTP\/2, as gRPC does, and no .*protocol: \['grpc', 'http'\]/,
      scheme,
    )
  const told = records.filter(({ event }) => event === 'tls.refused')
  assert.ok(told.length >= 1, 'the server says so, too')
  assert.match((told[0]!.error as Error).message, /certificate of a client is missing, or not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)/)
})

test('231: who is asked elsewhere with a certificate that is not trusted fails alike, and is not asked again', async () => {
  const { ca, key, cert, selfSigned } = await certificates()
  await using strict = await served({ tls: { key, cert, ca } })
  for (const wire of WIRES) {
    await using flow = await new Flow().add({ external: true, host: address(strict, wire), tls: { ca, ...selfSigned } }).open()
    const error: any = await within(20_000, flow.post('/', { text: 'a' }).drain()).catch((error) => error)
    assert.is(error.cause?.code, 'ERR_TLS', `${wire}: ${error.message}`)
  }
})

test('231: keys and certificates are looked at when they are given, and not at the first connection', async () => {
  const { ca, key, cert, client } = await certificates()
  const wrong: [ClientOptions['tls'], RegExp][] = [
    [{ key }, /^tls\.key and tls\.cert go together/],
    [{ certFile: 'a.pem' }, /^tls\.key and tls\.cert go together/],
    [{ key, cert: client.cert }, /^tls\.key and tls\.cert do not belong together/],
    [{ key: 'x', cert }, /^tls\.key must be a private key in PEM/],
    [{ ca: '' }, /^tls\.ca must be certificates in PEM/],
    [{ ca: 'x' }, /^tls\.ca must be certificates in PEM/],
    [{ ca, caFile: 'a.pem' }, /^tls\.ca and tls\.caFile are one thing/],
    [{ caFile: 5 as any }, /^tls\.caFile must be a string/],
  ]
  for (const protocol of WIRES)
    for (const [tls, message] of wrong)
      assert.throws(
        () => new Client({ protocol, tls }),
        (error: Error & { code: string }) => /^ERR_OPTION/.test(error.code) && message.test(error.message),
        JSON.stringify(tls),
      )
  const error: any = await new Flow()
    .add({ external: true, host: 'x', tls: { key } })
    .open()
    .catch((error) => error)
  assert.match(error.message, /tls\.key and tls\.cert go together/)
})

test('231: a handshake that is cut half-way is told as one, by who asks once more', async () => {
  const cutting = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.destroy())
  })
  await new Promise<void>((resolve) => cutting.listen(0, '127.0.0.1', resolve))
  const { port } = cutting.address() as AddressInfo
  for (const scheme of ['grpcs', 'https', 'wss'])
    assert.match(await said(`${scheme}://localhost:${port}`), /^ERR_TLS .*hung up in the middle of the handshake of TLS, twice/, scheme)
  cutting.close()
})

/** Files that are younger with each writing, however fast that is. */
function renewing(folder: Folder): (name: string, text: string) => string {
  let time = Date.now() / 1000
  return (name, text) => {
    const file = `${folder.path}/${name}`
    writeFileSync(file, text)
    utimesSync(file, ++time, time)
    return file
  }
}

const again = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

test('235: a Client, and who asks an executor elsewhere, show what was renewed on new connections; what is broken changes nothing, and is told once', async () => {
  const { ca, key, cert, client, selfSigned } = await certificates()
  await using strict = await served({ tls: { key, cert, ca } })
  const renewedOver = async (wire: (typeof WIRES)[number]): Promise<void> => {
    const folder = new Folder()
    const write = renewing(folder)
    const tls = { caFile: write('ca.pem', ca), keyFile: write('key.pem', selfSigned.key), certFile: write('cert.pem', selfSigned.cert) }
    const records: LogRecord[] = []
    const failures = (): string[] => records.filter(({ event }) => event === 'tls.failed').map(({ error }) => (error as Error).message)
    await using asking = new Client({ host: address(strict, wire), tls, logger: (record) => records.push(record) })
    await using flow = await new Flow({ logger: () => {} }).add({ external: true, host: address(strict, wire), tls }).open()
    const ask = async (): Promise<string> => {
      const all = await Promise.all(
        [asking.post('/', { text: 'a' }).drain(), flow.post('/', { text: 'a' }).drain()].map((asked) =>
          within(20_000, asked).then(
            () => 'fine',
            (error: any) => (error.cause?.code?.startsWith('ERR_') ? error.cause.code : error.code) as string,
          ),
        ),
      )
      assert.is(all[0], all[1], wire)
      return all[0]!
    }
    assert.is(await ask(), 'ERR_TLS', wire)
    write('cert.pem', client.cert)
    write('key.pem', client.key)
    await again(1050)
    assert.is(await ask(), 'fine', wire)
    // A key of another certificate: told once, when it has stayed so. gRPC stays connected, and does not look.
    write('key.pem', key)
    for (let at = 0; at < 3; at++) {
      await again(1050)
      assert.is(await ask(), 'fine', `${wire}: what was there holds on`)
    }
    if (wire !== 'grpc') assert.is(failures().length, 1, `${wire}: ${failures().join()}`)
    for (const message of failures()) assert.match(message, /key\.pem \(tls\.keyFile\) and .*cert\.pem \(tls\.certFile\) do not belong together/)
  }
  await Promise.all(WIRES.map(renewedOver))
})

test('235: files that are not there, or hold nothing of the kind, are told when a connection is made, by their names', async () => {
  const { ca, key, cert } = await certificates()
  await using secure = await served({ tls: { key, cert } })
  const folder = new Folder()
  for (const wire of WIRES) {
    assert.match(await said(address(secure, wire), { caFile: `${folder.path}/none.pem` }), /^ERR_CONFIG .*none\.pem/, wire)
    assert.match(await said(address(secure, wire), { caFile: folder.file('text.pem', 'x') }), /^ERR_TLS .*text\.pem \(tls\.caFile\) must be certificates/, wire)
    assert.match(await said(address(secure, wire), { caFile: folder.file('ca.pem', ca) }), /^fine/, wire)
  }
})

test.run()
