// What a Client is told is checked when it is made, before anything is connected: by the rules that the wires have too.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, type ClientOptions } from '../../lib/client/index.js'
import { EXECUTOR_KEYS } from '../../lib/config/executor-keys.js'
import { REMOTE_KEYS } from '../../lib/config/remote-keys.js'
import { ADD_RULES } from '../../lib/flow/options.js'
import { createHttp } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { CLIENT_RULES } from '../../lib/wire/connect-options.js'
import { REMOTE_RULES } from '../../lib/wire/option-rules.js'
import { certificates } from '../support/tls.js'

test('C2, C3, 210: what cannot be is refused by new Client(), and named', () => {
  const wrong: [object, 'ERR_OPTION_TYPE' | 'ERR_OPTION_RANGE', RegExp][] = [
    [{ host: '' }, 'ERR_OPTION_RANGE', /^host must be/],
    [{ host: ' ' }, 'ERR_OPTION_RANGE', /^host must be/],
    [{ port: 70_000 }, 'ERR_OPTION_RANGE', /^port must be/],
    [{ port: '80' }, 'ERR_OPTION_TYPE', /^port must be/],
    [{ compression: 'brotli' }, 'ERR_OPTION_RANGE', /^compression must be one of gzip, deflate/],
    [{ compression: true }, 'ERR_OPTION_RANGE', /^compression/],
    [{ maxMessageBytes: 0 }, 'ERR_OPTION_RANGE', /^maxMessageBytes/],
    [{ maxAttempts: 0 }, 'ERR_OPTION_RANGE', /^maxAttempts must be an integer ≥ 1/],
    [{ maxAttempts: 1.5 }, 'ERR_OPTION_RANGE', /^maxAttempts/],
    [{ backoffMultiplier: 0.5 }, 'ERR_OPTION_RANGE', /^backoffMultiplier must be a number ≥ 1/],
    [{ backoffMultiplier: Number.NaN }, 'ERR_OPTION_RANGE', /^backoffMultiplier/],
    [{ initialBackoff: -1 }, 'ERR_OPTION_RANGE', /^initialBackoff/],
    [{ retries: -1 }, 'ERR_OPTION_RANGE', /^retries must be an integer/],
    [{ retries: { attempts: 1, growth: 2 } }, 'ERR_OPTION_TYPE', /^retries has no option "growth"\. There are attempts, delay, maxDelay$/],
    [{ attemptTimeout: '1s' }, 'ERR_OPTION_TYPE', /^attemptTimeout/],
    [{ timeout: '1s' }, 'ERR_OPTION_TYPE', /^timeout/],
    [{ fetch: 'fetch' }, 'ERR_OPTION_TYPE', /^fetch/],
    [{ docarray: 'v3' }, 'ERR_OPTION_RANGE', /^docarray/],
    [
      { tls: { rejectUnauthorized: false } },
      'ERR_OPTION_TYPE',
      /^tls has no option "rejectUnauthorized"\. There are ca, key, cert, caFile, keyFile, certFile, serverName$/,
    ],
    [{ tls: { ca: ['one', 'two'] } }, 'ERR_OPTION_TYPE', /^tls\.ca must be a text in PEM/],
    [{ tls: 'yes' }, 'ERR_OPTION_TYPE', /^tls must be/],
  ]
  for (const name of ['headers', 'metadata'])
    wrong.push(
      [{ [name]: { 'x-a': 'b\r\nx-c: d' } }, 'ERR_OPTION_RANGE', new RegExp(`^${name}\\.x-a must be`)],
      ...['Host', 'content-length', 'Transfer-Encoding', 'connection', 'upgrade', 'te', 'trailer', 'keep-alive', 'expect'].map(
        (header): [object, 'ERR_OPTION_RANGE', RegExp] => [
          { [name]: { [header]: 'a' } },
          'ERR_OPTION_RANGE',
          new RegExp(`^${name}\\.${header} is said by the connection itself`),
        ],
      ),
      [{ [name]: { 'x a': 'b' } }, 'ERR_OPTION_RANGE', new RegExp(`^${name} must be.*"x a"`)],
      [{ [name]: { 'x-a': 1 } }, 'ERR_OPTION_TYPE', new RegExp(`^${name}\\.x-a must be a string`)],
      [{ [name]: new Map([['x-a', 'b']]) }, 'ERR_OPTION_TYPE', new RegExp(`^${name} must be .*not a Map`)],
      [{ [name]: [['x-a', 'b']] }, 'ERR_OPTION_TYPE', new RegExp(`^${name} must be`)],
    )
  for (const protocol of ['grpc', 'http', 'websocket'])
    for (const [options, code, message] of wrong)
      assert.throws(
        () => new Client({ protocol, ...options } as ClientOptions),
        (error: any) => error.code === code && message.test(error.message),
        `${protocol} ${JSON.stringify(options)}`,
      )
  assert.throws(() => new Client(''), /^host must be/)
})

test('183: an option that is misspelled is refused with the one that is meant', () => {
  const said = (act: () => unknown): string => {
    try {
      act()
    } catch (error) {
      return `${(error as { code: string }).code} ${(error as Error).message}`
    }
    return 'nothing'
  }
  assert.is(
    said(() => new Client({ connectTimout: 5 } as ClientOptions)),
    'ERR_OPTION_TYPE Client has no option "connectTimout". Did you mean connectTimeout?',
  )
  assert.is(
    said(() => new Client({ tls: { caFil: 'a' } } as ClientOptions)),
    'ERR_OPTION_TYPE tls has no option "caFil". Did you mean caFile?',
  )
  assert.is(
    said(() => createHttp(new Flow(), { maxDocument: 5 } as object)),
    'ERR_OPTION_TYPE createHttp() has no option "maxDocument". Did you mean maxDocuments?',
  )
  assert.match(
    said(() => new Client({ colour: 'red' } as ClientOptions)),
    /^ERR_OPTION_TYPE Client has no option "colour"\. None is written like it/,
  )
})

test('C2: what is said twice is refused: options beside options, and a second host', () => {
  const fails = (make: () => unknown, message: RegExp) =>
    assert.throws(make, (error: any) => error instanceof TypeError && (error as any).code === 'ERR_OPTION_TYPE' && message.test(error.message))
  fails(() => new Client({ host: 'http://h:1' }, { retries: 3 }), /^Options go into one object: new Client\(\{ host/)
  fails(() => new Client('http://h:1', { host: 'grpc://other:2' }), /^host must be left out where the address comes first/)
  new Client({ host: 'http://h:1' }, {})
  new Client('http://h:1', { host: undefined })
})

test('224: a budget of retries without retries is refused', () => {
  assert.throws(() => new Client({ retryBudget: 0.2 }), /^retryBudget must be left out where retries is/)
  for (const retries of [0, 3, { attempts: 1 }]) new Client({ retries, retryBudget: 0.2 })
})

test('C2, R126: what a header carries is not in the error', () => {
  assert.throws(
    () => new Client({ headers: { authorization: 'Bearer s3cret\n' } }),
    (error: Error) => !error.message.includes('s3cret'),
  )
})

test('C2, C3: what only gRPC has a meaning for is refused over gRPC', () => {
  for (const name of ['grpc-timeout', 'trace-bin', 'x!']) {
    assert.throws(() => new Client({ headers: { [name]: 'a' } }), /^headers/, name)
    new Client({ protocol: 'http', headers: { [name]: 'a' } })
  }
})

test('C3: every default may be given, and all that is in range', async () => {
  const { ca } = await certificates()
  new Client({
    ...{ host: '127.0.0.1', port: 80, protocol: 'grpc', tls: false, retries: { attempts: 0, delay: 100, maxDelay: 5000 } },
    ...{ connectTimeout: 5000, maxMessageBytes: 100 * 1024 * 1024, prefetch: 16, prefetchDocuments: 1600, docarray: 'v1', headers: {}, metadata: {} },
  })
  new Client({ retries: Infinity, compression: 'deflate', tls: { ca: new TextEncoder().encode(ca), serverName: 'a' } })
})

test('183: a Client, an executor elsewhere, YAML and the command line have the same options for somebody elsewhere, and one rule for each', async () => {
  const names = Object.keys(REMOTE_RULES).sort()
  assert.equal(Object.keys(CLIENT_RULES).sort(), names)
  assert.equal(Object.keys(REMOTE_KEYS).sort(), names)
  for (const name of names) assert.ok(name in ADD_RULES && name in EXECUTOR_KEYS, name)
  const wrong: Record<string, unknown> = {
    ...{ tls: 'yes', headers: [], metadata: [], token: '', tokenFile: 1, forwardIdentity: 1, compression: 'br', maxMessageBytes: 0, docarray: 'v3' },
    ...{ connectTimeout: 0, keepalive: -1, unary: 1, breaker: 1, retryBudget: -1, nats: 1 },
  }
  assert.equal(Object.keys(wrong).sort(), names)
  const said = (act: () => unknown): Promise<string> =>
    new Promise((resolve) => resolve(act())).then(
      () => 'nothing',
      (error: Error) => error.message,
    )
  for (const [name, value] of Object.entries(wrong)) {
    const here = await said(() => new Client({ [name]: value } as ClientOptions))
    assert.match(here, new RegExp(`^${name} must be`))
    const there = await said(() => new Flow().add({ external: true, port: 1, [name]: value } as any).open())
    assert.match(there, new RegExp(`^${name} must be`), 'of an executor elsewhere')
  }
})

test('C4: what mutate() and subscribe() are told is checked at the call', async () => {
  await using client = new Client({ protocol: 'http', port: 1 })
  for (const options of [{ headers: { a: 'b\r\nc: d' } }, { timeout: 0 }, { signal: {} }, { operationName: 1 }, { operation: 'a' }] as object[]) {
    for (const ask of [() => client.mutate('{ a }', {}, options), () => client.subscribe('{ a }', {}, options).next()])
      assert.match((await ask().catch((error) => error)).code, /^ERR_OPTION_/, JSON.stringify(options))
  }
})

test.run()
