import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ExecutorError } from '../../lib/base/errors.js'
import { escaped, jsonLineOf, lineOf } from '../../lib/base/log-line.js'

test('184: a record is one line that names request, executor and endpoint, with the stack of what was thrown behind it', () => {
  const cause = new TypeError('no such file')
  cause.stack = 'TypeError: no such file\n    at read (/srv/store.js:3:9)\n    at index (/srv/store.js:8:1)'
  const where = { executor: 'store', endpoint: '/index', requestId: 'a1', cause }
  const error = new ExecutorError('ERR_EXECUTOR', 'store failed at /index for request a1: no such file', where)
  assert.is(
    lineOf({ level: 'error', time: 0, event: 'executor.failed', requestId: 'a1', executor: 'store', endpoint: '/index', error }),
    '1970-01-01T00:00:00.000Z error executor.failed request=a1 executor=store endpoint=/index: store failed at /index for request a1: no such file\n' +
      '    at read (/srv/store.js:3:9)\n    at index (/srv/store.js:8:1)',
  )
  assert.is(lineOf({ level: 'info', time: 0, event: 'x' }), '1970-01-01T00:00:00.000Z info x')
})

test('152: nothing in a record begins a line of its own, moves the cursor or reverses the text', () => {
  const forged = '/x\r\n1970-01-01T00:00:00.000Z error forged\u2028\x1b[2J\u202e\x9b'
  const error = new Error(forged)
  error.stack = `Error: ${forged}\n    at a\x1b[31m (b)\nno frame`
  const line = lineOf({ level: 'error', time: 0, event: 'executor.failed', requestId: forged, endpoint: forged, error })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
  assert.not.match(line.replaceAll('\n', ''), /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/)
  assert.equal(
    line.split('\n').map((each) => each.slice(0, 11)),
    ['1970-01-01T', '    at a\\x1'],
  )
  assert.is(escaped('a\nb\u2028'), 'a\\x0ab\\u2028')
  assert.is(escaped('x'.repeat(5000)).length, 2001)
})

test('184: whatever was thrown has a line', () => {
  const shy = new Proxy(new Error('x'), {
    get() {
      throw new Error('hands off')
    },
  })
  for (const error of [undefined, null, 'text', 5n, Symbol('s'), { a: 1 }, shy, Object.create(null)])
    assert.match(lineOf({ level: 'error', time: 0, event: 'x', error }), /^1970-01-01T00:00:00\.000Z error x/)
})

test('T2: a record is one line of JSON, with all that names it, and an error that can be read', () => {
  const cause = new TypeError('no such file')
  const where = { executor: 'store', endpoint: '/index', requestId: 'a1', cause }
  const error = new ExecutorError('ERR_EXECUTOR', 'store failed\n\x9b\u202e', where)
  const about = { requestId: 'a1', executor: 'store', endpoint: '/index', traceId: 'c0ffee' }
  const line = jsonLineOf({ level: 'error', time: 0, event: 'executor.failed', ...about, fields: { limit: 4, level: 'forged', big: 5n }, error })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
  assert.not.match(line, /[\x00-\x1f\x7f-\x9f\u202a-\u202e]/)
  const { error: said, ...rest } = JSON.parse(line)
  assert.equal(rest, { time: '1970-01-01T00:00:00.000Z', level: 'error', event: 'executor.failed', ...about, limit: 4, big: '5' })
  assert.equal([said.name, said.code, said.message, said.cause.message], ['ExecutorError', 'ERR_EXECUTOR', 'store failed\n\x9b\u202e', 'no such file'])
  assert.match(said.stack, /at /)
  const hostile = new Proxy(new Error('x'), {
    get() {
      throw new Error('no')
    },
  })
  assert.is(JSON.parse(jsonLineOf({ level: 'error', time: 0, event: 'x', error: hostile })).event, 'x')
})

test.run()
