// The codec as browsers run it, which have no Buffer.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { asRead, plainDocument } from './plain.js'

const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`fixtures/${name}`, import.meta.url)))

test('C6: the codec needs nothing of Node', async () => {
  const names = ['text', 'blob', 'tags', 'tree', 'fields', 'dtypes']
  const samples = names.map((name) => ({ name, bytes: read(`${name}.bin`), docs: asRead(JSON.parse(new TextDecoder().decode(read(`${name}.json`)))).docs }))
  const { Buffer } = globalThis
  try {
    Reflect.deleteProperty(globalThis, 'Buffer')
    const { decodeMessage, encodeMessage } = await import('../../../lib/wire/proto/index.js')
    Reflect.set(globalThis, 'Buffer', Buffer)
    for (const { name, bytes, docs } of samples) {
      const message = decodeMessage(bytes)
      const untouched = decodeMessage(encodeMessage(message))
      assert.equal(message.docs.map(plainDocument), docs, name)
      const written = encodeMessage(message)
      assert.is(written.constructor, Uint8Array)
      assert.equal(decodeMessage(written).docs.map(plainDocument), docs, name)
      assert.equal(untouched.docs.map(plainDocument), docs, name)
    }
  } finally {
    Reflect.set(globalThis, 'Buffer', Buffer)
  }
})

test.run()
