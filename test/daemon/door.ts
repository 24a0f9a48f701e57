// Who comes in at the real `sluice daemon`, and what hostile ones come to.
import { existsSync, readdirSync, symlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { AddOptions, Flow } from '../../lib/index.js'
import { Command } from '../support/command.js'
import { DaemonRun, TOKEN, until } from '../support/daemon.js'
import { Folder } from '../support/folder.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { about, entries, error, flowAt } from './flows.js'

const daemon = await DaemonRun.begin(['--max-executors', '6', '--max-memory', '1g', '--max-upload-bytes', '20000', '--max-upload-files', '5'])
const folder = new Folder()
const flowOf = (options: Partial<AddOptions> = {}): Flow<any> => flowAt(daemon, options)

test('who brings no token, or another, is not let in, and nothing of a body is read', async () => {
  for (const token of [undefined, 'another-token-of-tests']) {
    const refused = await error(flowOf({ token }).open())
    assert.is(refused.code, 'ERR_REFUSED')
    assert.match(refused.message, /does not let in whom it does not know \(401\)/)
  }
  const socket = connect(daemon.port, '127.0.0.1')
  socket.write('POST /executors/00000000-0000-0000-0000-000000000000 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n')
  const answer = await within(5000, new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data)))))
  socket.destroy()
  assert.match(answer, /^HTTP\/1\.1 401 /)
  assert.match(answer, /connection: close/i)
  // Nor a WebSocket.
  const upgrade = connect(daemon.port, '127.0.0.1')
  upgrade.write(
    'GET /executors/00000000-0000-0000-0000-000000000000/replicas/0 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  assert.match(await within(5000, new Promise<string>((resolve) => upgrade.once('data', (data) => resolve(String(data))))), /^HTTP\/1\.1 401 /)
  upgrade.destroy()
  assert.equal(entries(daemon), [])
})

test('a page of another origin, and a name that is bent to this machine, are not let in', async () => {
  const send = async (headers: string): Promise<string> => {
    const socket = connect(daemon.port, '127.0.0.1')
    socket.write(`GET /status HTTP/1.1\r\nAuthorization: Bearer ${TOKEN}\r\n${headers}\r\n\r\n`)
    const answer = await within(5000, new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data)))))
    socket.destroy()
    return answer.slice(9, 12)
  }
  assert.is(await send('Host: localhost'), '200')
  assert.is(await send('Host: evil.example'), '403')
  assert.is(await send('Host: localhost\r\nOrigin: https://evil.example'), '403')
})

test('it listens beyond this machine with TLS and a token only', async () => {
  const { key, cert } = await certificates()
  const tls = ['--tls-key', folder.file('key.pem', key), '--tls-cert', folder.file('cert.pem', cert)]
  const token = ['--token-file', folder.file('token', TOKEN)]
  for (const [args, missing] of [
    [[], /without tls and a token/],
    [token, /without tls, not/],
    [tls, /without a token, not/],
  ] as const) {
    const command = new Command(['daemon', '--port', '0', '--host', '0.0.0.0', '--folder', folder.file('beyond'), ...args])
    assert.is((await within(60_000, command.end)).code, 2)
    assert.match(command.stderr, missing)
    assert.match(command.stderr, /who reaches a daemon runs code here/)
  }
})

test('TLS: its certificate is checked, and everything goes through it', async () => {
  const { key, cert, ca } = await certificates()
  const secure = await DaemonRun.begin(['--host', '0.0.0.0', '--tls-key', folder.file('key.pem', key), '--tls-cert', folder.file('cert.pem', cert)])
  try {
    const host = `https://127.0.0.1:${secure.port}`
    const untrusted = await error(flowOf({ host, lease: 500 }).open())
    assert.is(untrusted.code, 'ERR_TLS')
    await using flow = await flowOf({ host, tls: { ca }, tokenFile: folder.file('token', TOKEN), token: undefined }).open()
    assert.ok((await about(flow)).hasWorkspace)
    const open = await error(flowOf({ host: host.replace('https', 'http') }).open())
    assert.match(open.message, /TLS/)
    const asked = new Command(['daemon', 'status', host, '--tls-ca', folder.file('ca.pem', ca), '--token-file', folder.file('token', TOKEN)])
    const child = (await within(60_000, asked.end)).code
    assert.is(child, 0, asked.stderr)
    assert.match(asked.stdout, /gpu +[\da-f-]{36} +up \(\d+\)/)
  } finally {
    await secure.end()
  }
})

test('120: no path of an upload leads out of its folder', async () => {
  const id = '11111111-1111-4111-8111-111111111111'
  const { version } = await daemon.status()
  const wanted = { version, name: 'gpu', lease: 60_000, replicas: 1 }
  assert.is((await daemon.ask(`/executors/${id}`, { method: 'POST', body: JSON.stringify(wanted) })).status, 200)
  const send = (path: string): Promise<string> =>
    new Promise((resolve) => {
      // As it stands: clients make paths plain.
      const socket = connect(daemon.port, '127.0.0.1')
      socket.write(`POST /executors/${id}/files/${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 1\r\n\r\nx`)
      socket.once('data', (data) => {
        resolve(String(data).slice(9, 12))
        socket.destroy()
      })
    })
  const bad = [
    '..',
    '../x',
    'a/../../x',
    '%2e%2e/x',
    '..%2fx',
    'a%2f..%2f..%2fx',
    '/etc/x',
    '%2Fetc%2Fx',
    '..%5cx',
    'C:%5cx',
    'C:/x',
    'a//b',
    './x',
    'a%00b',
    '',
    '%ff',
    'a/%0a',
    `${'d/'.repeat(40)}x`,
    'y'.repeat(300),
  ]
  for (const path of bad) assert.match(await send(path), /^4(00|04|22)$/, path)
  assert.is(await send('fine/deep/file.bin'), '200')
  assert.is(await send('fine/deep/file.bin'), '422', 'twice')
  assert.is(await send('fine'), '422', 'a folder')
  // A link that what runs there has put in the way.
  symlinkSync(folder.path, join(daemon.home, id, 'files', 'link'))
  symlinkSync(folder.file('through'), join(daemon.home, id, 'files', 'direct'))
  assert.is(await send('link/x'), '422')
  assert.is(await send('link/deeper/x'), '422')
  assert.is(await send('direct'), '422')
  assert.not(existsSync(folder.file('x')) || existsSync(folder.file('deeper')) || existsSync(folder.file('through')))
  assert.equal(readdirSync(join(daemon.home, id, 'files')).sort(), ['direct', 'fine', 'link'])
  const { files, bytes } = (await daemon.status()).executors[0]
  assert.equal([files, bytes], [1, 1], 'what was refused is not counted')
  // Nor does a folder stay that came with it.
  const large = new Uint8Array(20_001)
  const chunked = (path: string): Promise<Response> =>
    daemon.ask(`/executors/${id}/files/${path}`, { method: 'POST', body: new Blob([large]).stream(), duplex: 'half' } as RequestInit)
  for (let at = 0; at < 3; at++) assert.is((await chunked(`${at}/deep/er/x`)).status, 413)
  assert.is((await chunked('fine/deep/er/x')).status, 413)
  assert.equal(readdirSync(join(daemon.home, id, 'files')).sort(), ['direct', 'fine', 'link'])
  assert.equal(readdirSync(join(daemon.home, id, 'files/fine/deep')), ['file.bin'])
  assert.is((await daemon.ask(`/executors/${id}/end`, { method: 'POST' })).status, 200)
  assert.equal(entries(daemon), [])
  assert.ok(existsSync(folder.path))
})

test('ten thousand hostile requests leave it alive, and an executor beside them', async () => {
  await using flow = await flowOf().open()
  const { pid } = await about(flow)
  const id = entries(daemon)[0]!
  const auth = `Authorization: Bearer ${TOKEN}\r\n`
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
  const hostile = [
    'GET / HTTP/1.1\r\n\r\n',
    '\0\xff\xfe\x01'.repeat(50),
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `POST /executors/${id} HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Length: 5\r\n\r\n{"a":`,
    `POST /executors/${id} HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Length: 4\r\n\r\nnull`,
    `POST /executors/x HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Length: 2\r\n\r\n{}`,
    `POST /executors/${id}/files/a HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Length: 999999999\r\n\r\nx`,
    `POST /executors/${id}/files/b HTTP/1.1\r\nHost: localhost\r\n${auth}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `POST /executors/33333333-3333-4333-8333-333333333333 HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Length: 77\r\n\r\n${JSON.stringify({ version: 1, name: '__proto__', replicas: -1, lease: 1e99 }).padEnd(77)}`,
    `GET /executors/${id}/replicas/7 HTTP/1.1\r\nHost: localhost\r\n${auth}${upgrade}\r\n`,
    `GET /executors/${id}/replicas/0 HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n`,
    `GET /executors/%00/replicas/0 HTTP/1.1\r\nHost: localhost\r\n${auth}${upgrade}\r\n`,
    `GET /status HTTP/1.1\r\nHost: a\r\nHost: b\r\n${auth}\r\n`,
  ]
  const answered = new Map<string, number>()
  const one = (at: number): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(daemon.port, '127.0.0.1')
      const text = hostile[at % hostile.length]!
      socket.on('error', () => {})
      socket.once('data', (data) => {
        const status = String(data).slice(9, 12)
        answered.set(status, (answered.get(status) ?? 0) + 1)
        socket.destroy()
      })
      socket.on('close', () => resolve())
      socket.write(text, 'latin1')
      // Some are waited for: they say that more is to come.
      setTimeout(() => socket.destroy(), 20)
    })
  let next = 0
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (next < 10_000) await one(next++)
    }),
  )
  assert.not(answered.has('200'), JSON.stringify([...answered]))
  assert.ok(
    [...answered.keys()].every((status) => /^4\d\d$/.test(status)),
    JSON.stringify([...answered]),
  )
  assert.is((await about(flow)).pid, pid)
  assert.is(entries(daemon).length, 1)
})

test('hostile messages of one who has the token break their own connection, and no other', async () => {
  await using flow = await flowOf().open()
  const { pid } = await about(flow)
  const id = '44444444-4444-4444-8444-444444444444'
  const { version } = await daemon.status()
  const wanted = { version, name: 'other', lease: 1000, replicas: 1 }
  assert.is((await daemon.ask(`/executors/${id}`, { method: 'POST', body: JSON.stringify(wanted) })).status, 200)
  assert.is((await daemon.ask(`/executors/${id}/ready`, { method: 'POST', body: '{"files":0,"bytes":0}' })).status, 200)
  const { WebSocket } = await import('ws')
  for (const said of [
    'no JSON',
    'null',
    '7',
    '{"begin":null}',
    '{"begin":{"env":{"X":"a\\u0000b"}}}',
    '{"begin":{"env":{"X":1}}}',
    '{"begin":{"env":{"NODE_OPTIONS":"--no-such-flag"}}}',
    '{"kill":{}}',
    Buffer.alloc(100, 255),
    Buffer.alloc((1 << 20) + 1),
  ]) {
    const socket = new WebSocket(`${daemon.address.replace('http', 'ws')}/executors/${id}/replicas/0`, { headers: { authorization: `Bearer ${TOKEN}` } })
    socket.on('error', () => {})
    await within(5000, new Promise((resolve) => socket.once('open', resolve)))
    socket.send(said)
    socket.send('{"begin":{"env":{}}}')
    socket.send(Buffer.alloc(64, 255))
    await Promise.race([new Promise((resolve) => socket.once('message', resolve)), new Promise((resolve) => socket.once('close', resolve))])
    socket.terminate()
  }
  assert.is((await about(flow)).pid, pid)
  await until(() => entries(daemon).length === 1)
})

test.after(() => daemon.end())
test.run()
