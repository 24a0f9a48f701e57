import { type AddressInfo, connect, createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { addressOf, written } from '../../lib/wire/address.js'

const read = (host: string | undefined, rest: object = {}): string => written(addressOf({ host, ...rest }))

test('C2: an address in one word, or in several', () => {
  const same: [string, string, object?][] = [
    ['grpc://my.flow:1234', 'grpc://my.flow:1234'],
    ['grpcs://my.flow:1234/', 'grpcs://my.flow:1234'],
    ['https://my.flow', 'https://my.flow:443'],
    ['http://my.flow', 'http://my.flow:80'],
    ['ws://my.flow:1', 'ws://my.flow:1'],
    ['websocket://my.flow:1', 'ws://my.flow:1'],
    ['wss://my.flow', 'wss://my.flow:443'],
    ['WSS://my.flow', 'wss://my.flow:443'],
    ['my.flow', 'grpc://my.flow:80'],
    ['my.flow:8080', 'http://my.flow:8080', { protocol: 'HTTP' }],
    ['my.flow', 'grpcs://my.flow:5', { port: 5, tls: true }],
    ['my.flow', 'grpcs://my.flow:443', { tls: { serverName: 'x' } }],
    ['my.flow', 'grpc://my.flow:80', { tls: false }],
    ['grpcs://my.flow', 'grpcs://my.flow:443', { tls: { ca: 'x' } }],
    ['https://my.flow', 'https://my.flow:443', { tls: true }],
    ['wss://my.flow:7', 'wss://my.flow:7', { tls: { serverName: 'x' } }],
    ['ws://my.flow', 'ws://my.flow:80', { tls: false }],
    ['[::1]:9', 'ws://[::1]:9', { protocol: 'ws' }],
    ['::1', 'grpc://[::1]:80'],
    ['2001:db8::7', 'http://[2001:db8::7]:8080', { port: 8080, protocol: 'http' }],
    ['grpcs://::1', 'grpcs://[::1]:443'],
    ['', 'grpc://127.0.0.1:80'],
  ]
  for (const [host, expected, rest] of same) assert.is(read(host, rest), expected, host)
  assert.is(read(undefined, { port: 7 }), 'grpc://127.0.0.1:7')
  assert.is(written(new Client({ port: 7, protocol: 'http' }).address), 'http://127.0.0.1:7')
})

test('C2: what is given twice is refused, and named', () => {
  const twice: [string, object, RegExp][] = [
    ['grpc://a:1', { port: 1 }, /port is given twice: as 1 in the host/],
    ['grpc://a', { protocol: 'grpc' }, /protocol is given twice: as grpc/],
    ['wss://a', { tls: false }, /tls contradicts the host "wss:\/\/a": wss:\/\/ is TLS\. Write ws:\/\//],
    ['grpc://a', { tls: { serverName: 'x' } }, /tls contradicts the host "grpc:\/\/a": grpc:\/\/ is no TLS\. Write grpcs:\/\//],
    ['http://a', { tls: true }, /Write https:\/\//],
  ]
  for (const [host, rest, message] of twice)
    assert.throws(
      () => new Client({ host, ...rest }),
      (error: any) => error.code === 'ERR_OPTION_TYPE' && message.test(error.message),
      host,
    )
})

test('C2: what is no address is refused', () => {
  const wrong: [unknown, object, RegExp][] = [
    ['ftp://a', {}, /grpc:\/\/.*not "ftp:\/\/a"/],
    ['1:2:3', {}, /a name or an IP address/],
    ['a b', {}, /a name or an IP address/],
    ['a/path', {}, /without a path: gRPC has none/],
    [
      'nats://a/my flow/encode',
      {},
      /host must be an address in whose names behind the host stands what URLs may have: not " "\. Write it as encodeURIComponent does/,
    ],
    ['nats://a/flow/zürich', {}, /not "ü"/],
    ['nats://a/flow/>', {}, /not ">"/],
    ['http://a b/x', {}, /a name or an IP address/],
    ['http://a:b', {}, /a name or an IP address/],
    ['a:99999', {}, /port must be an integer from 1 to 65535/],
    ['a', { port: 0 }, /port/],
    ['a', { port: 1.5 }, /port/],
    ['a', { protocol: 'smtp' }, /protocol must be/],
    [5, {}, /host must be a string/],
    ['a', { prot: 'grpc' }, /prot/],
  ]
  for (const [host, rest, message] of wrong) {
    assert.throws(
      () => new Client({ host: host as string, ...rest }),
      (error: any) => /^ERR_OPTION/.test(error.code) && message.test(error.message),
      String(host),
    )
  }
})

test('234: an address may have a path, below which HTTP, WebSocket and GraphQL are asked; gRPC has none', async () => {
  assert.is(read('https://my.flow/a/b/'), 'https://my.flow:443/a/b')
  assert.is(read('my.flow:8080/a', { protocol: 'ws' }), 'ws://my.flow:8080/a')
  for (const host of ['grpc://my.flow/a', 'my.flow/a']) assert.throws(() => addressOf({ host }), /gRPC has none/)
  for (const host of ['http://a//b', 'http://a/b?c', 'http://a/b#c']) assert.throws(() => addressOf({ host }), /must be/)
  await using flow = await new Flow()
    .add({
      uses: ({ docs }) => {
        for (const doc of docs) doc.text += '!'
      },
    })
    .open()
  await using gateway = await Gateway.serve(flow, { protocol: ['http', 'websocket'], graphql: true })
  // As a proxy does, it takes the path away.
  const proxy = createServer((near) => {
    const far = connect(gateway.port, '127.0.0.1')
    near.on('data', (data) => far.write(String(data).replace(/^([A-Z]+) \/of\/mine\//, '$1 /')))
    far.pipe(near)
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
    far.on('error', () => near.destroy()).on('close', () => near.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as AddressInfo
  try {
    await using http = new Client(`http://127.0.0.1:${port}/of/mine`)
    assert.equal((await http.post('/', ['a']).docs()).texts, ['a!'])
    assert.is((await http.mutate('mutation { docs(data: { text: "b" }) { text } }')).data.docs[0].text, 'b!')
    assert.is(await http.isFlowReady(), true)
    await using websocket = new Client({ host: `127.0.0.1/of/mine`, port, protocol: 'websocket' })
    // Frames are masked bytes, which this proxy leaves whole only in its first piece.
    assert.is(await websocket.isFlowReady(), true)
    const page = await (await fetch(`http://127.0.0.1:${port}/of/mine/graphql`, { headers: { accept: 'text/html' } })).text()
    assert.not.match(page, /(src|href)="\//)
  } finally {
    proxy.close()
  }
})

test.run()
