import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
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
    ['my.flow', 'grpcs://my.flow:443', { tls: { ca: 'x' } }],
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
    ['grpc://a', { tls: { ca: 'x' } }, /tls contradicts the host "grpc:\/\/a": grpc:\/\/ is no TLS\. Write grpcs:\/\//],
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
    ['a/path', {}, /a name or an IP address/],
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

test.run()
