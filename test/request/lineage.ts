// What becomes of each field of a request on another way, as the table in lib/request/lineage.ts says it.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ExecutorError } from '../../lib/base/errors.js'
import { DocumentArray } from '../../lib/doc/array.js'
import { Failure } from '../../lib/request/failure.js'
import { adopt, batchOf, copyOf, detached, fork } from '../../lib/request/lineage.js'
import { Header, Request } from '../../lib/request/request.js'
import type { Hold } from '../../lib/stream/byte-budget.js'
import { Scope } from '../../lib/stream/scope.js'

const scope = new Scope()
const given = DocumentArray.from([{ id: 'given', text: 'given' }])

/** A request that has something in every field. */
function full(): Request {
  const docs = DocumentArray.from([{ id: 'a', text: 'one' }])
  const request = new Request(new Header('/up', { top: 5 }), docs, new Scope())
  request.results = { counted: { much: 1 } }
  request.failures = [new Failure(docs[0]!, 'left', new ExecutorError('ERR_EXECUTOR', 'no', { executor: 'left' }), 1)]
  request.branches = [{ executor: 'left', docs: DocumentArray.from([docs[0]!, { id: 'b', text: 'two' }]) }]
  request.time = 7
  request.identity = 'me'
  request.tenant = '"me"'
  request.entrance = {}
  request.arrival = { protocol: 'http', method: 'POST /post' }
  request.hold = { bytes: 1 } as unknown as Hold
  request.contextHeaders = { traceparent: '00' }
  request.emptied = true
  request.emit = () => Promise.resolve()
  request.attempt = { tried: new Set(), onStart: () => {} }
  request.countPart()
  request.arrive('gateway')
  request.linger(Promise.resolve())
  return request
}

type Row = (was: Request, is: Request) => boolean
const same = (field: keyof Request): Row => {
  return (was, is) => is[field] === was[field]
}
const equal = (field: keyof Request): Row => {
  return (was, is) => is[field] !== was[field] && JSON.stringify(is[field]) === JSON.stringify(was[field])
}
const none = (field: keyof Request): Row => {
  return (_, is) => is[field] === undefined
}

/** The ways, and what each does to each field. */
const WAYS: Record<string, { take(request: Request): Request; rows: Record<string, Row> }> = {
  fork: {
    take: (request) => fork(request, given, scope),
    rows: {
      header: same('header'),
      docs: (_, is) => is.docs === given,
      results: equal('results'),
      failures: equal('failures'),
      branches: same('branches'),
      scope: (_, is) => is.scope === scope,
      time: same('time'),
      identity: same('identity'),
      tenant: same('tenant'),
      entrance: none('entrance'),
      arrival: none('arrival'),
      hold: none('hold'),
      contextHeaders: same('contextHeaders'),
      emptied: same('emptied'),
      emit: same('emit'),
      attempt: none('attempt'),
      id: same('id'),
      routes: same('routes'),
      emitted: (was, is) => is.countPart() === 1 && was.emitted === 2,
      unfinished: (was, is) => is.whole === was && is.unfinished === undefined,
    },
  },
  copyOf: {
    take: (request) => copyOf(request, scope),
    rows: {
      header: same('header'),
      docs: (was, is) => is.docs[0] !== was.docs[0] && is.docs[0]!.id === 'a',
      results: equal('results'),
      failures: equal('failures'),
      // A document that stands in both is one in the copy, too.
      branches: (was, is) => is.branches![0]!.docs[0] === is.docs[0] && is.branches![0]!.docs[1] !== was.branches![0]!.docs[1],
      scope: (_, is) => is.scope === scope,
      time: same('time'),
      identity: same('identity'),
      tenant: same('tenant'),
      entrance: none('entrance'),
      arrival: none('arrival'),
      hold: none('hold'),
      contextHeaders: same('contextHeaders'),
      emptied: same('emptied'),
      emit: same('emit'),
      attempt: none('attempt'),
      id: same('id'),
      routes: same('routes'),
      emitted: (was, is) => is.countPart() === 1 && was.emitted === 2,
      unfinished: (was, is) => is.whole === was && is.unfinished === undefined,
    },
  },
  detached: {
    take: (request) => detached(request, scope),
    rows: {
      header: same('header'),
      docs: same('docs'),
      results: equal('results'),
      failures: equal('failures'),
      branches: same('branches'),
      scope: (_, is) => is.scope === scope,
      time: same('time'),
      identity: same('identity'),
      tenant: same('tenant'),
      entrance: same('entrance'),
      arrival: none('arrival'),
      hold: none('hold'),
      contextHeaders: same('contextHeaders'),
      emptied: same('emptied'),
      emit: none('emit'),
      attempt: none('attempt'),
      id: same('id'),
      routes: (was, is) => is.routes !== was.routes && is.routes.length === 0,
      emitted: (was, is) => is.countPart() === 0 && was.emitted === 1,
      unfinished: (_, is) => is.whole === is && is.unfinished === undefined,
    },
  },
  batchOf: {
    take: (request) => batchOf(request, given, scope),
    rows: {
      header: same('header'),
      docs: (_, is) => is.docs === given,
      results: none('results'),
      failures: none('failures'),
      branches: none('branches'),
      scope: (_, is) => is.scope === scope,
      time: (_, is) => is.time === 0,
      identity: same('identity'),
      tenant: none('tenant'),
      entrance: none('entrance'),
      arrival: none('arrival'),
      hold: none('hold'),
      contextHeaders: none('contextHeaders'),
      emptied: (_, is) => !is.emptied,
      emit: none('emit'),
      attempt: none('attempt'),
      id: (was, is) => is.id !== was.id,
      routes: (was, is) => is.routes !== was.routes && is.routes.length === 0,
      emitted: (was, is) => is.countPart() === 0 && was.emitted === 1,
      unfinished: (_, is) => is.whole === is && is.unfinished === undefined,
    },
  },
}

/** Those of an instance, and those that it keeps to itself. */
const FIELDS = [...Object.keys(full()), 'id', 'emitted'].sort()

for (const [name, { take, rows }] of Object.entries(WAYS))
  test(`what ${name} does to each field`, () => {
    assert.equal(Object.keys(rows).sort(), FIELDS, 'a new field needs a row')
    for (const [field, holds] of Object.entries(rows)) {
      const was = full()
      assert.ok(holds(was, take(was)), `${name}: ${field}`)
    }
  })

test('adopt takes the documents, the results and the failures, and nothing else', () => {
  const [was, is, other] = [full(), full(), fork(full(), given, scope)]
  other.results = { more: {} }
  other.failures = []
  other.time = 99
  other.emptied = false
  adopt(is, other)
  assert.is(is.docs, given)
  assert.is(is.results, other.results)
  assert.is(is.failures, other.failures)
  for (const field of ['time', 'identity', 'tenant', 'emptied', 'emitted'] as const) assert.is(is[field], was[field], field)
  assert.equal(is.branches!.length, 1)
  assert.is.not(is.scope, scope)
})

test.run()
