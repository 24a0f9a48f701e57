// Bytes that the real Python made, without Python: fixtures/make.py.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Message } from '../../../lib/wire/message.js'
import {
  decodeEndpoints,
  decodeInfo,
  decodeMessage,
  decodeMessages,
  decodeSingle,
  decodeStatus,
  encodeEndpoints,
  encodeInfo,
  encodeMessage,
  encodeMessages,
  encodeSingle,
  encodeStatus,
  ProtoError,
} from '../../../lib/wire/proto/index.js'
import { asRead, plainDocument } from './plain.js'

const file = (name: string): URL => new URL(`fixtures/${name}`, import.meta.url)
const bytes = (name: string): Uint8Array => new Uint8Array(readFileSync(file(`${name}.bin`)))
const expected = (name: string): any => asRead(JSON.parse(readFileSync(file(`${name}.json`), 'utf8')))

/** What there is of a message, as the fixtures write it. */
function plain({ requestId, execEndpoint, targetExecutor, status, parameters, routes, docs }: Message): object {
  const message = { requestId, execEndpoint, targetExecutor, status, routes: routes.length > 0 ? routes : undefined }
  const { __results__, ...own } = parameters
  const fields = { ...message, parameters: Object.keys(own).length > 0 ? own : undefined, docs: docs.map(plainDocument) }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/** The message as it came, read but written from its bytes, and written field by field. */
function thrice(message: Message, encode: (message: Message) => Uint8Array, decode: (bytes: Uint8Array) => Message): object[] {
  const untouched = decode(encode(message))
  const first = plain(message)
  return [first, plain(decode(encode(message))), plain(untouched)]
}

for (const name of ['text', 'blob', 'tags', 'tree', 'fields', 'error', 'dtypes', 'sparse']) {
  test(`C6: Python's message of ${name} is read, and written back the same`, () => {
    for (const message of thrice(decodeMessage(bytes(name)), encodeMessage, decodeMessage)) assert.equal(message, expected(name))
    assert.is(({} as any).polluted, undefined)
  })
}

test('C6: Python messages of one document, and of several requests', () => {
  const single = decodeSingle(bytes('single'))
  for (const message of thrice(single, encodeSingle, decodeSingle)) assert.equal(message, expected('single'))
  const messages = decodeMessages(bytes('list'))
  const again = decodeMessages(encodeMessages(messages))
  assert.equal(messages.map(plain), expected('list').messages)
  assert.equal(decodeMessages(encodeMessages(messages)).map(plain), expected('list').messages)
  assert.equal(again.map(plain), expected('list').messages)
})

test('C6: Python statuses, endpoints and infos', () => {
  const status = decodeStatus(bytes('status'))
  assert.equal(status, expected('status'))
  assert.equal(Buffer.from(encodeStatus(status)), Buffer.from(bytes('status')))
  assert.equal(decodeEndpoints(bytes('endpoints')), expected('endpoints').endpoints)
  assert.equal(decodeEndpoints(encodeEndpoints(['/a', ''])), ['/a', ''])
  assert.equal(decodeInfo(bytes('info')), expected('info'))
  assert.equal(decodeInfo(encodeInfo(expected('info'))), expected('info'))
})

test('C6: pickled documents are refused by name', () => {
  assert.throws(
    () => decodeMessage(bytes('pickled')),
    (error: any) => error instanceof ProtoError && error.code === 'ERR_PROTO' && /docs_bytes.*only Python can read: send them as docs/.test(error.message),
  )
})

test('C6: documents of docarray ≥ 0.30', () => {
  const decode = (data: Uint8Array): Message => decodeMessage(data, { model: 'v2' })
  for (const message of thrice(decode(bytes('v2')), (message) => encodeMessage(message, { model: 'v2' }), decode)) assert.equal(message, expected('v2'))
})

test.run()
