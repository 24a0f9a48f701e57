import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Reader } from '../../../lib/wire/proto/reader.js'
import { readKey } from '../../../lib/wire/proto/struct.js'

const utf8 = (text: string): Buffer => Buffer.from(text)

function read(bytes: Uint8Array): string {
  return readKey(new Reader(Uint8Array.of(bytes.length, ...bytes), 100), bytes.length + 1)
}

/** A key as it is, and as those read it who take UTF-8 for Latin-1, once and twice; around 32 bytes, where keys are remembered no more. */
const text = fc.oneof(
  fc.string({ maxLength: 32 }),
  fc.string({ unit: 'grapheme', maxLength: 16 }),
  fc.string({ unit: fc.constantFrom('é', 'ü', '名', '😀', '𝒳', '\u00ad', '\u0000', '\ufffd', 'a'), maxLength: 33 }),
  fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 31, maxLength: 33 }),
)
const keys = text.chain((key) => {
  const once = utf8(key).toString('latin1')
  return fc
    .constantFrom(utf8(key), utf8(once), utf8(utf8(once).toString('latin1')), Buffer.from(key, 'latin1'), Buffer.from(key, 'utf16le'))
    .map((bytes) => bytes.subarray(0, 120))
})

test('142: a key reads as its bytes say, whatever was read before', () => {
  fc.assert(
    fc.property(fc.array(keys, { maxLength: 20 }), (list) => {
      // Twice, as what was remembered is only found the second time.
      for (const bytes of [...list, ...list]) assert.is(read(bytes), new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))
    }),
    { seed: 142, numRuns: 2000 },
  )
})

test('142: a key is not taken for another that has its bytes for characters', () => {
  // One in fifty would stand at the same place as its other.
  const parts = ['', 'réponses', 'vitesse', 'größe', 'é', '名', 'x', '_adresse', 'Classe', 'id', 'ß']
  for (const one of parts)
    for (const two of parts)
      for (const three of parts) {
        const key = one + two + three
        const mojibake = utf8(key).toString('latin1')
        assert.is(read(utf8(mojibake)), mojibake)
        assert.is(read(utf8(key)), key)
      }
})

test.run()
