import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { target } from '../../lib/request/target.js'

const LARGE = [
  'x{1000}'.repeat(300),
  'x{1000}',
  '(x{100}){100}',
  '((x{10}){10}){10}',
  '(x?){999,}',
  '\\pL'.repeat(60),
  `(${'a|'.repeat(300)}b)`,
  '.'.repeat(513),
]
const refusal = /targetExecutor must be a pattern of at most 512 characters, counted as often as counts such as \{3\} say, not "/

test('147: a pattern that is large, or comes to be by its counts, is refused before it is compiled', async () => {
  for (const pattern of LARGE)
    await Promise.resolve()
      .then(() => target(pattern))
      .then(
        () => assert.unreachable(pattern),
        (error) => {
          assert.is(error.code, 'ERR_OPTION_RANGE')
          assert.match(error.message, refusal)
        },
      )
  for (const pattern of ['x{2,8}.*', '(a|b)+', '[a-z]{2}-\\d{1,4}', `(${'name|'.repeat(90)}z)`, '\\p{Greek}+', 'a{,3}'])
    assert.type(await target(pattern), 'function')
})

test('147: a pattern is compiled once, and as many are kept as there is room for', async () => {
  const first = await target('once.*')
  assert.is(target('once.*'), first)
  assert.equal([first('once upon'), first('upon once'), first('once upon')], [true, false, true])
  for (let i = 0; i < 300; i++) await target(`(other|${i}).*`)
  assert.is.not(target('once.*'), first)
})

test('147: patterns and executors of any names keep apart', async () => {
  for (const name of ['constructor', '__proto__', '', 'é', 'Ã©']) {
    assert.is((await target(`(${name})`))(name), true)
    assert.is((await target(`(${name}x)`))(name), false)
  }
})

test('147: such a pattern is the fault of who sent it, in process and on every wire', async () => {
  await using flow = await new Flow().add({ name: 'a', uses: () => {} }).open()
  await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], port: 0, graphql: true })
  const pattern = LARGE[0]!
  const refused = (work: Promise<unknown>): Promise<void> =>
    work.then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, refusal),
    )
  await refused(flow.post('/', 'a', { targetExecutor: pattern }).drain())
  for (const address of Object.values(gateway.addresses)) {
    await using client = new Client(address)
    await refused(client.post('/', 'a', { targetExecutor: pattern }).drain())
    assert.equal((await client.post('/', 'a', { targetExecutor: 'a.*' }).docs()).texts, ['a'])
  }
  await using client = new Client(gateway.addresses.http!)
  await refused(client.mutate(`mutation { docs(data: { text: "a" }, targetExecutor: "${pattern}") { id } }`))
  const body = JSON.stringify({ data: [], targetExecutor: pattern, execEndpoint: '/' })
  const answer = await fetch(`${gateway.addresses.http}/post`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  assert.ok([400, 422].includes(answer.status), String(answer.status))
})

test.run()
