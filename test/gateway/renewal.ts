// Keys and certificates in files, which somebody renews while a gateway runs.
import { rmSync } from 'node:fs'
import { connect } from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LogRecord } from '../../lib/base/logger.js'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import { Folder } from '../support/folder.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'

/** Who a server says it is, to who connects now. */
function nameAt(address: string, alpn: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(address).port), rejectUnauthorized: false, ALPNProtocols: [alpn] }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50))
}

test('235: renewed certificates are taken on all wires, without a restart; connections that stand go on', async () => {
  const { ca, key, cert, wrongName } = await certificates()
  const folder = new Folder()
  const keyFile = folder.file('key.pem', wrongName.key)
  const certFile = folder.file('cert.pem', wrongName.cert)
  await using flow = await new Flow().add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) }).open()
  await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], port: [0, 0, 0], tls: { keyFile, certFile } })
  const { grpc, http, websocket } = gateway.addresses as Record<string, string>
  const ways = [
    [grpc!, 'h2'],
    [http!, 'http/1.1'],
    [websocket!, 'http/1.1'],
  ] as const
  for (const [address, alpn] of ways) assert.is(await nameAt(address, alpn), 'elsewhere')
  const before = new Client(grpc!, { tls: { ca, serverName: 'elsewhere.example' } })
  assert.equal((await before.post('/', 'a').docs()).texts, ['a!'])

  folder.file('key.pem', key)
  folder.file('cert.pem', cert)
  for (const [address, alpn] of ways)
    await within(
      10_000,
      until(async () => (await nameAt(address, alpn)) === 'good'),
    )
  for (const [address] of ways) {
    const after = new Client(address, { tls: { ca } })
    assert.equal((await after.post('/', 'b').docs()).texts, ['b!'], address)
    await after.close()
  }
  assert.equal((await before.post('/', 'c').docs()).texts, ['c!'])
  await before.close()
})

test('235: what does not belong together changes nothing, and is told once, also by the names of Jina', async () => {
  const { key, cert, wrongName } = await certificates()
  const folder = new Folder()
  const records: LogRecord[] = []
  const told = deferred<void>()
  const logger = (record: LogRecord): void => {
    records.push(record)
    told.resolve()
  }
  const sslKeyfile = folder.file('key.pem', key)
  const sslCertfile = folder.file('cert.pem', cert)
  await using flow = await new Flow({ protocol: 'http', port: 0, sslKeyfile, sslCertfile, logger }).add({ uses: () => {} }).open()
  const { http } = flow.addresses as Record<string, string>

  folder.file('key.pem', wrongName.key)
  await within(10_000, told.promise)
  assert.is(records[0]!.event, 'server.failed')
  assert.match(String((records[0]!.error as Error).message), /key\.pem \(sslKeyfile\) and .*cert\.pem \(sslCertfile\) do not belong together/)
  assert.is(await nameAt(http!, 'http/1.1'), 'good')

  // Gone for a moment, as while others are put in their place.
  rmSync(sslCertfile)
  folder.file('cert.pem', wrongName.cert)
  await within(
    10_000,
    until(async () => (await nameAt(http!, 'http/1.1')) === 'elsewhere'),
  )
  assert.is(records.length, 1)
})

test('235: who is on the list of revoked certificates does not come in, on any wire', async () => {
  const { ca, key, cert, client, wrongName, revoked: crl } = await certificates()
  await using flow = await new Flow().add({ uses: () => {} }).open()
  await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], port: [0, 0, 0], tls: { key, cert, ca, crl } })
  for (const address of Object.values(gateway.addresses)) {
    const welcome = new Client(address, { tls: { ca, ...wrongName } })
    assert.equal((await welcome.post('/', 'a').docs()).texts, ['a'], address)
    await welcome.close()
    const revoked = new Client(address, { tls: { ca, ...client }, connectTimeout: 5000 })
    let failed: unknown
    await revoked
      .post('/', 'a')
      .docs()
      .catch((error) => {
        failed = error
      })
    assert.ok(failed, `${address} lets in whom it should not`)
    await revoked.close()
  }
})

test('235: files and texts do not go together, and each is checked', async () => {
  await using flow = await new Flow().add({ uses: () => {} }).open()
  for (const [tls, message] of [
    [{ keyFile: 'a', cert: 'b' }, /tls must be all texts or all files/],
    [{ keyFile: 'a' }, /tls must be a key with its certificate/],
    [{ keyFile: 'a', certFile: 7 }, /tls\.certFile must be the name of a file/],
    [{ key: 'a', cert: 'b', crl: 7 }, /tls\.crl must be a text in PEM/],
    [{ keyFile: 'no.pem', certFile: 'no.pem' }, /no\.pem: cannot be opened/],
  ] as const) {
    const error = await Gateway.serve(flow, { tls: tls as never }).then(
      () => undefined,
      (error: Error) => error,
    )
    assert.match(error?.message ?? '', message)
  }
})

test.run()
