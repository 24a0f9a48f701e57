// A connection on which a request was refused is kept for the next, which behind a proxy is somebody else's.
import '../../support/clock.js'

import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../../lib/index.js'
import { fake } from '../../support/clock.js'
import { RawHttp } from '../../support/raw-http.js'

const TOKEN = 'a-token-for-these-tests-0'

test('209: who is turned away before the body came keeps the connection, once the body is there', async () => {
  await using flow = await new Flow({ protocol: 'http', port: 0, graphql: true, token: TOKEN }).add({ uses: () => {} }).open()
  using raw = new RawHttp(Number(new URL(flow.addresses['http']!).port))
  /** What is to happen a second later. */
  const later: (() => void)[] = []
  const real = setTimeout
  fake.setTimeout = (run, milliseconds, ...rest) => {
    if (milliseconds === 1000) later.push(run)
    fake.setTimeout = undefined
    const timer = real(milliseconds === 1000 ? () => {} : run, milliseconds, ...rest)
    fake.setTimeout = again
    return timer
  }
  const again = fake.setTimeout
  const body = '{"query":"{ __typename }"}'
  const head = (more: string): string =>
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${more}\r\n`
  for (let at = 0; at < 12; at++) {
    assert.match(await raw.ask(head('')), /^HTTP\/1.1 401 /)
    raw.socket.write(body)
  }
  assert.match(await raw.ask(head(`Authorization: Bearer ${TOKEN}\r\n`) + body), /^HTTP\/1.1 200 /)
  assert.ok(later.length >= 12)
  for (const run of later) run()
  assert.match(await raw.ask(head(`Authorization: Bearer ${TOKEN}\r\n`) + body), /^HTTP\/1.1 200 /)
  fake.setTimeout = undefined
})

test('209: whose body is cut off behind its refusal keeps no process for the time a body has', async () => {
  const waiting = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const before = waiting()
  {
    await using flow = await new Flow({ protocol: 'http', port: 0, graphql: true, token: TOKEN }).add({ uses: () => {} }).open()
    using raw = new RawHttp(Number(new URL(flow.addresses['http']!).port))
    const asked = raw.ask('POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n')
    assert.match(await asked, /^HTTP\/1.1 401 /)
    const gone = once(raw.socket, 'close')
    raw.socket.destroy()
    await gone
  }
  assert.is(waiting(), before)
})

test.run()
