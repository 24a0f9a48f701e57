// Each status of each wire is told apart: breaking it turns the row of its kind red on that wire, and no other. And the table of the docs says the same.
import { readFileSync } from 'node:fs'
import { status as Code } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STATUS as GRAPHQL } from '../../lib/wire/graphql/status.js'
import { STATUS as GRPC } from '../../lib/wire/grpc/status.js'
import { STATUS as HTTP } from '../../lib/wire/http/status.js'
import { KINDS, type Kind } from '../../lib/wire/outcome.js'
import { HANDSHAKE, STATUS as WEBSOCKET } from '../../lib/wire/websocket/status.js'
import { HANDSHAKES, STATUSES, seen, WIRES, type Wire } from './statuses.js'

const ALL = Object.keys(KINDS) as Kind[]
const kinds = WIRES.flatMap((wire) =>
  ALL.flatMap((kind) => {
    const cell = STATUSES[kind][wire]
    return 'never' in cell ? [] : [{ wire, kind, scene: cell }]
  }),
)
const handshakes = Object.entries(HANDSHAKES).map(([kind, scene]) => ({ wire: 'websocket' as const, kind: kind as Kind, scene }))
const scenes = [...kinds, ...handshakes]

/** One that no other kind has: none of gRPC's is left over, so they change places. */
const codes = [...Object.keys(GRPC).keys()].map(
  (at) =>
    [
      Code.NOT_FOUND,
      Code.DATA_LOSS,
      Code.ABORTED,
      Code.OUT_OF_RANGE,
      Code.ALREADY_EXISTS,
      Code.UNKNOWN,
      Code.CANCELLED,
      Code.FAILED_PRECONDITION,
      Code.UNIMPLEMENTED,
      Code.UNAUTHENTICATED,
    ][at]!,
)

interface Table {
  readonly wire: Wire
  readonly table: Record<string, any>
  /** Another one for the n-th. */
  other(at: number): any
  /** As it is seen. */
  shown(other: any): string
}

const TABLES: readonly Table[] = [
  { wire: 'grpc', table: GRPC, other: (at) => codes[at], shown: (code) => Code[code]! },
  { wire: 'http', table: HTTP, other: (at) => 460 + at, shown: String },
  { wire: 'websocket', table: WEBSOCKET, other: (at) => 4000 + at, shown: String },
  { wire: 'websocket', table: HANDSHAKE, other: (at) => `${460 + at} Broken`, shown: (status) => `handshake ${status.split(' ')[0]}` },
  { wire: 'graphql', table: GRAPHQL, other: (at) => ({ code: `BROKEN_${at}`, status: 460 + at }), shown: ({ code, status }) => `${status} ${code}` },
]

/** What the rows do not look at, as it is said where no row of a contract gets. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  // graphql-yoga masks what nobody expected, in its own words.
  graphql: ['internal'],
  // A message in pieces for which there is no room: test/gateway/bytes holds it. A request that is refused is an answer.
  websocket: ['busy'],
  // One that comes on a connection that stood when the server began to drain: no row holds that moment.
  handshake: ['closing'],
}

for (const { wire, table, other, shown } of TABLES) {
  test(`${wire}${table === HANDSHAKE ? ', handshakes' : ''}: each status that is broken is seen in the row of its kind, and nowhere else`, async () => {
    const kept = { ...table }
    const kinds = Object.keys(table)
    for (const [at, kind] of kinds.entries()) table[kind] = other(at)
    try {
      const wrong: string[] = []
      const noticed = new Set<string>()
      for (const { wire: on, kind, scene } of scenes) {
        const found = await seen(scene, on)
        const at = kinds.indexOf(kind)
        // GraphQL's page says no code.
        const broken = at === -1 ? '' : kind === 'unimplemented' && wire === 'graphql' ? '464' : shown(other(at))
        const isBroken = on === wire && found === broken
        if (isBroken) noticed.add(kind)
        else if (found !== scene.expect) wrong.push(`${on} ${kind}: ${found}, not ${scene.expect}`)
      }
      assert.equal(wrong, [])
      const beside = BESIDE[table === HANDSHAKE ? 'handshake' : wire] ?? []
      assert.equal(
        kinds.filter((kind) => !noticed.has(kind)),
        kinds.filter((kind) => beside.includes(kind)),
        'nobody looks at these',
      )
    } finally {
      Object.assign(table, kept)
    }
  })
}

/** The table of the docs: padding does not count. */
function documented(): string[] {
  const cell = (kind: Kind, wire: Wire): string => {
    const { [wire]: one } = STATUSES[kind]
    return 'never' in one ? '–' : one.expect.replace(/\b(?!OK)[A-Z_]{5,}$/, one.expect.endsWith('status ERROR') || wire === 'grpc' ? '$&' : '`$&`')
  }
  const head = ['kind', 'what happened', '`code` at a Client', 'gRPC', 'HTTP', 'WebSocket', 'GraphQL']
  const rows = ALL.map((kind) => [kind, STATUSES[kind].what, `\`${KINDS[kind].code}\``, ...WIRES.map((wire) => cell(kind, wire))])
  return [head, ...rows].map((row) => `| ${row.join(' | ')} |`)
}

test('docs/protocol.md has the table of kinds and wires as it is seen', () => {
  const text = readFileSync('docs/protocol.md', 'utf8')
  const lines = text.split('\n').map((line) => line.replace(/ +\|/g, ' |'))
  for (const row of documented()) assert.ok(lines.includes(row), `docs/protocol.md lacks this row:\n${row}\nThe whole table:\n${documented().join('\n')}`)
})

test.run()
