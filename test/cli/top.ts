// `sluice top`: the numbers of the live page, in a terminal.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Picture, tableOf } from '../../lib/cli/top-table.js'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { Command } from '../support/command.js'
import { Folder } from '../support/folder.js'

const TOKEN = 'a-token-of-sluice-top-0'

function picture(names: readonly string[], more: object = {}): Picture {
  const requests = { inFlight: 3, waiting: 1, answered: 12_345, failed: 6, refused: 0, late: 0, left: 0, lingering: 0 }
  const replica = { replica: 0, state: 'ok', inFlight: 3, lingering: 0, answered: 1234, failed: 5, milliseconds: 12.3 }
  return {
    title: 'search',
    status: {
      uptime: 125_000,
      health: { ready: true },
      limits: {},
      wires: {},
      requests,
      executors: names.map((name) => ({ name, ready: true, inFlight: 3, waiting: 1, replicas: [replica, { ...replica, state: 'away' }] })),
    },
    perSecond: 61.5,
    executors: { [names[0]!]: { perSecond: 61.5, p50: 4.25, p99: 90 } },
    ...more,
  } as never
}

test('at 80 columns the whole table, aligned', () => {
  assert.equal(tableOf(picture(['encode', 'rank']), 80, 24), [
    'search · ready · up 2 min',
    '61.5 requests/s · 3 in flight · 1 waiting · 12,345 answered · 6 failed',
    '0 refused · 0 late',
    '',
    'executor flight  done/s  failed  wait     p50     p99    done     up',
    'encode        3    61.5      10     1   4.3ms    90ms    2.5K    1/2',
    'rank          3       –      10     1    12ms       –    2.5K    1/2',
  ])
})

test('at 40 columns what matters most, and at no width a line that is longer', () => {
  const lines = tableOf(picture(['a-rather-long-name-of-an-executor', 'rank']), 40, 24)
  assert.match(lines.at(-2)!, /^a-rather-long-na… +3 +61\.5 +10$/)
  for (let columns = 8; columns <= 140; columns++)
    for (const line of tableOf(picture(['a-rather-long-name-of-an-executor', 'rank']), columns, 24))
      assert.ok([...line].length <= columns, `${columns}: ${line}`)
})

test('more executors than lines: as many as fit, and how many there are', () => {
  const lines = tableOf(picture(Array.from({ length: 60 }, (_, at) => `step${at}`)), 80, 24)
  assert.is(lines.length, 23)
  assert.match(lines.at(-1)!, /^and 43 more/)
})

test('what names hold is nothing that a terminal obeys, and who is ill says of what', () => {
  const status = picture(['\x1b[2Jx']).status
  const executors = status.executors.map((executor) => ({ ...executor, ready: false, reason: 'is stuck\x07' }))
  const lines = tableOf(picture(['x'], { status: { ...status, executors, health: { ready: false, reason: 'x is stuck' } } }), 80, 24)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
  assert.not.match(lines.join(''), /[\x00-\x1f]/)
  assert.match(lines[0]!, 'not ready: x is stuck')
  assert.match(lines.at(-1)!, '  ! is stuck')
})

test('of an executor elsewhere that tells no numbers, it is said that those are seen from here', () => {
  const { status } = picture(['python', 'here'])
  const [python, here] = status.executors
  const mute = { ...python!, replicas: python!.replicas.map((replica) => ({ ...replica, said: [] })) }
  const lines = tableOf(picture(['python', 'here'], { status: { ...status, executors: [mute, here!] } }), 80, 24)
  assert.equal(
    lines.slice(-3).map((line) => line.slice(0, 46).trim()),
    ['python        3    61.5      10     1   4.3ms', '↳ tells no numbers: these are seen from here', 'here          3       –      10     1    12ms'].map(
      (line) => line.slice(0, 46).trim(),
    ),
  )
})

async function served(more: object) {
  return new Flow({ name: 'watched' })
    .add({ name: 'only', parallel: 2, uses: () => {} })
    .open({ serve: { protocol: 'http', onError: () => {}, ...more } as never })
}

for (const ui of [true, false])
  test(`T4: sluice top --once ${ui ? 'hears the live page' : 'asks /status, where there is no live page'}`, async () => {
    await using flow = await served({ ui })
    for (let at = 0; at < 5; at++)
      await fetch(`${flow.addresses.http}/post`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"data":[{"text":"a"}],"execEndpoint":"/"}',
      })
    const top = new Command(['top', flow.addresses.http!, '--once'])
    assert.equal(await top.end, { code: 0, signal: null }, top.stderr)
    assert.match(top.stdout, ui ? /^watched · ready/ : /^ready/)
    assert.match(top.stdout, '5 answered · 0 failed')
    assert.match(top.stdout, /\nonly +0 +[\d.]+ +0 +0 +[\d.]+ms +(?:–|[\d.]+ms) +5 +2\/2\n$/)
  })

test('T4: sluice top asks over gRPC, too, and shows what an executor elsewhere says itself', async () => {
  await using far = await new Flow({ name: 'far' }).add({ name: 'encode', uses: () => {} }).open({ serve: { protocol: 'grpc' } })
  await using near = await new Flow({ name: 'near' }).add({ name: 'there', external: true, host: far.addresses.grpc! }).open({ serve: { protocol: 'grpc' } })
  await using client = new Client(far.addresses.grpc!)
  await client.post('/', ['a', 'b'], { requestSize: 1 }).drain()
  await using top = new Command(['top', near.addresses.grpc!])
  await top.has('stdout', '↳ itself')
  assert.match(top.stdout, /\nthere +0 +0 +0 +0 +– +– +0 +1\/1\n↳ itself +0 +(?:–|0) +0 +0 +(?:–|[\d.]+ms) +(?:–|[\d.]+ms) +2 +1\/1\n/)
  top.child.kill('SIGINT')
  assert.is((await top.end).code, 0)
})

test('T4: sluice top brings a token, and says what is wrong', async () => {
  const folder = new Folder()
  const file = folder.file('token', `${TOKEN}\n`)
  await using flow = await served({ ui: true, token: TOKEN })
  const address = flow.addresses.http!
  const fine = new Command(['top', address, '--once', '--token-file', file])
  assert.is((await fine.end).code, 0, fine.stderr)
  for (const [args, code, message] of [
    [['top', address, '--once'], 1, /does not let in/],
    [['top', 'http://127.0.0.1:1', '--once'], 1, /nobody answers there/],
    [['top', 'grpc://127.0.0.1:1', '--once'], 1, /nobody answers there/],
    [['top', 'ws://127.0.0.1:1', '--once'], 2, /asks over HTTP or gRPC/],
    [['top'], 2, /address/],
  ] as const) {
    const top = new Command([...args])
    assert.is((await top.end).code, code, args.join(' '))
    assert.match(top.stderr, message)
  }
})

test('T4: sluice top goes on until it is stopped', async () => {
  await using flow = await served({ ui: true })
  await using top = new Command(['top', flow.addresses.http!])
  await top.has('stdout', '\n\nwatched')
  top.child.kill('SIGINT')
  assert.is((await top.end).code, 0)
})

test.run()
