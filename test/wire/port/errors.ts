import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConnectionError, ExecutorError } from '../../../lib/index.js'
import { readError, writeError } from '../../../lib/wire/port/errors.js'

const crossed = (thrown: unknown): any => readError(JSON.parse(JSON.stringify(writeError(thrown))))

test('errors come back with name, message, stack, code and causes; those of sluice are of their classes', () => {
  const cause = Object.assign(new RangeError('below'), { code: 'E_X' })
  const given = new ExecutorError('ERR_EXECUTOR_INPUT', 'no', { executor: 'a', endpoint: '/x', requestId: 'r', cause })
  const back = crossed(given)
  assert.instance(back, ExecutorError)
  assert.equal(
    [back.name, back.code, back.message, back.executor, back.endpoint, back.requestId, back.stack],
    ['ExecutorError', 'ERR_EXECUTOR_INPUT', 'no', 'a', '/x', 'r', given.stack],
  )
  assert.equal([back.cause.name, back.cause.message, back.cause.code, back.cause.stack], ['RangeError', 'below', 'E_X', cause.stack])
  const away = crossed(new ConnectionError('ERR_UNREACHABLE', 'grpc://x:1', 'nobody'))
  assert.instance(away, ConnectionError)
  assert.equal([away.address, away.code, away.message], ['grpc://x:1', 'ERR_UNREACHABLE', 'grpc://x:1: nobody'])
})

test('what is thrown that is no error is the same here; what throws when it is looked at is an error all the same', () => {
  for (const thrown of ['no', 7, true, null, undefined]) assert.is(crossed(thrown), thrown)
  assert.instance(crossed({ a: 1 }), Error)
  const hostile = new Proxy(
    {},
    {
      get() {
        throw new Error('do not look')
      },
      getPrototypeOf() {
        throw new Error('do not look')
      },
    },
  )
  assert.instance(crossed(hostile), Error)
})

test('128: a worker makes errors here and nothing else, whatever it says', () => {
  const said = [
    '{"__proto__":{"polluted":1},"name":"__proto__","message":"x","own":{"__proto__":{"polluted":1},"constructor":"x"}}',
    '{"name":"constructor","message":{"toString":1},"own":{}}',
    '{"name":"ExecutorError","message":"x","code":"ERR","own":{"executor":{"a":1},"then":"x","polluted":1}}',
    '{"name":["x"],"message":null,"stack":{},"cause":[1],"issues":{}}',
    'null',
    '5',
    '[]',
  ]
  for (const text of said) {
    const error = readError(JSON.parse(text)) as any
    assert.instance(error, Error, text)
    assert.is(error.polluted, undefined)
    assert.type(error.message, 'string')
    assert.is(({} as any).polluted, undefined)
  }
})

test('causes are told eight levels deep, by who writes and by who reads', () => {
  const depthOf = (error: any): number => (error?.cause === undefined ? 0 : 1 + depthOf(error.cause))
  const endless = new Error('of itself')
  endless.cause = endless
  assert.is(depthOf(writeError(endless)), 8)
  let written: any = { name: 'Error', message: 'the first' }
  for (let level = 0; level < 20; level++) written = { name: 'Error', message: 'behind it', cause: written }
  assert.is(depthOf(readError(written)), 8)
})

test('128: what errors of sluice say beside is text, numbers and yes or no, whatever a worker says', () => {
  const error: any = readError({ name: 'ExecutorError', message: 'm', code: 'ERR_EXECUTOR', own: { executor: { then: 1 }, endpoint: '/x' } } as any)
  assert.equal([error.executor, error.endpoint], [undefined, '/x'])
})

test.run()
