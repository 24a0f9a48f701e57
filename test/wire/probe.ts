import { createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spokenAt } from '../../lib/wire/probe.js'

/** Says what is spoken where the n-th connection is answered by the n-th of these, and hung up on where there is none. */
async function spoken(...answers: (string | undefined)[]): Promise<string | undefined> {
  const server = createServer((socket) => {
    const answer = answers.shift()
    socket.on('error', () => {})
    if (answer === undefined) socket.destroy()
    else socket.once('data', () => socket.end(answer, 'latin1'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await spokenAt('127.0.0.1', (server.address() as { port: number }).port, 5000)
  } finally {
    server.close()
  }
}

const HTTP1 = 'HTTP/1.1 200 OK\r\n\r\n'
const HTTP2 = '\0\0\0\x04\0\0\0\0\0'

test('218: who hung up without a word and speaks another protocol than the one that was asked for is told apart from who could not take a connection', async () => {
  assert.is(await spoken(HTTP1), undefined)
  assert.is(await spoken(HTTP2, HTTP2, undefined, HTTP2, undefined, HTTP2), 'HTTP/2')
  // It had no file handle, or was just starting, when it was asked first, and speaks both.
  assert.is(await spoken(undefined, HTTP2, HTTP1), undefined)
  assert.is(await spoken(undefined, HTTP2, undefined, HTTP2, HTTP1), undefined)
  assert.is(await spoken(undefined, HTTP2), undefined)
  assert.is(await spoken(), undefined)
})

test.run()
