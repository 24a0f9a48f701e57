// Environments that name a proxy: nobody here goes by them, whatever is spoken. See docs/guarantees.md.
import { fork } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { code } from '../support/code.js'
import { silence } from '../support/nobody.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { PROTOCOLS, schemeOf, WAYS } from './ways.js'

test(`R114: ${WAYS.join(', ')}: http_proxy, https_proxy, grpc_proxy, all_proxy are not asked, with TLS or without`, async () => {
  await using proxy = await silence()
  const { key, cert, ca } = await certificates()
  await using flow = await new Flow().add({ name: 'worker', uses: () => {} }).open()
  await using plain = await Gateway.serve(flow, { protocol: PROTOCOLS, graphql: true })
  await using secure = await Gateway.serve(flow, { protocol: PROTOCOLS, graphql: true, tls: { key, cert } })
  const url = `http://127.0.0.1:${proxy.port}`
  const named = Object.fromEntries(
    ['http_proxy', 'https_proxy', 'grpc_proxy', 'all_proxy'].flatMap((name) => [name, name.toUpperCase()].map((name) => [name, url])),
  )
  const { no_proxy: _, NO_PROXY: __, ...env } = process.env
  // A host that nobody leaves out by habit, as many do with localhost.
  const asked = WAYS.flatMap((way) =>
    [plain, secure].map(({ port }) => ({ way, address: `${schemeOf(way, port === secure.port)}://127.0.0.1:${port}`, tls: port === secure.port })),
  )
  const child = fork(code('test/network/proxied'), [JSON.stringify({ asked, ca })], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...env, ...named },
  })
  const answers = await within(20_000, new Promise((resolve) => child.once('message', resolve)))
  assert.equal(
    answers,
    asked.map(() => ['a']),
  )
  assert.is(proxy.connections, 0)
})

test.run()
