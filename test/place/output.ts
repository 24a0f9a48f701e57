import { Readable, Writable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { handOn } from '../../lib/place/output.js'

test('69: what nobody reads is left out from a bound on, and counted', async () => {
  let blocked: (() => void) | undefined
  const written: string[] = []
  const to = new Writable({
    write(chunk, _, done) {
      written.push(String(chunk))
      if (blocked === undefined) blocked = done
      else done()
    },
  })
  const from = new Readable({ read() {} })
  handOn(from, to, '[a/0] ')
  for (let at = 0; at < 100; at++) from.push(Buffer.from(`${'x'.repeat(65_000)}\n`))
  for (let at = 0; at < 100; at++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(to.writableLength < 2 << 20, `${to.writableLength} bytes wait`)
  blocked!()
  await new Promise((resolve) => setImmediate(resolve))
  from.push('last\n')
  await new Promise((resolve) => setImmediate(resolve))
  assert.match(written.at(-2)!, /^\[a\/0\] … \d+ bytes of output were left out/)
  assert.is(written.at(-1), '[a/0] last\n')
})

test('lines are whole, and the last one needs no end', async () => {
  const written: string[] = []
  const to = new Writable({
    write(chunk, _, done) {
      written.push(String(chunk))
      done()
    },
  })
  const from = new Readable({ read() {} })
  handOn(from, to, '[a/0] ')
  for (const part of ['one\ntw', 'o\nü'.slice(0, 2), 'thr', 'ee']) {
    from.push(part)
    await new Promise((resolve) => setImmediate(resolve))
  }
  from.push(null)
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(written.join(''), '[a/0] one\n[a/0] two\n[a/0] three\n')
})

test.run()
