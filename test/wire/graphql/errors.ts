import { readFile } from 'node:fs/promises'
import { GraphQLError } from 'graphql'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ExecutorError } from '../../../lib/base/errors.js'
import type { Call } from '../../../lib/executor/executor.js'
import { Flow } from '../../../lib/flow/flow.js'
import type { Handler } from '../../../lib/request/handler.js'
import { serve } from '../../support/graphql.js'

const flowOf = (uses: (call: Call) => any) => new Flow().add({ name: 'worker', uses }).open()
const DATA = 'mutation M($data: [StrawberryDocumentInput!]) { docs(data: $data) { id } }'

test('R58: an error that says itself where it is says so each time', async () => {
  const handle = (): never => {
    throw new GraphQLError('not there', { path: ['elsewhere', 1] })
  }
  await using server = await serve({ accepts: () => true, handle })
  const texts = await Promise.all([DATA, DATA].map(async (query) => (await server.ask(query)).text))
  texts.push((await server.ask(DATA)).text)
  assert.equal(texts, new Array(3).fill('{"errors":[{"message":"not there","path":["elsewhere",1]}],"data":null}'))
})

test('R58: an executor that fails is an error with its code, name and request; causes and stacks stay here', async () => {
  let id = ''
  await using flow = await flowOf(({ requestId }) => {
    id = requestId
    throw new TypeError('no such word')
  })
  await using server = await serve(flow)
  const { status, data, errors, text } = await server.ask('mutation { docs(data: { text: "x" }, execEndpoint: "/index") { id } }')
  assert.is(status, 200)
  assert.is(data, null)
  assert.is(errors.length, 1)
  assert.is(errors[0].message, `worker failed at /index for request ${id}: no such word`)
  assert.equal(errors[0].path, ['docs'])
  assert.equal(errors[0].extensions, { code: 'ERR_EXECUTOR', executor: 'worker', endpoint: '/index', requestId: id })
  assert.not.match(text, /\.[jt]s|node_modules|stack|cause/)
  assert.is(server.reported.length, 1)
  assert.instance((server.reported[0] as ExecutorError).cause, TypeError)
})

test('R58: the place of a file does not go over the wire', async () => {
  await using flow = await flowOf(async () => {
    await readFile('/nowhere/secret/weights.bin')
  })
  await using server = await serve(flow)
  const { errors, text } = await server.ask('mutation { docs(data: { text: "x" }) { id } }')
  assert.match(errors[0].message, /ENOENT.*weights\.bin/)
  assert.not.match(text, /nowhere|secret/)
})

test('R58: an unexpected error is masked, also in development, and reported', async () => {
  const before = process.env.NODE_ENV
  process.env.NODE_ENV = 'development'
  try {
    const peer: Handler = {
      accepts: () => true,
      handle() {
        throw new Error('inner secret')
      },
    }
    await using server = await serve(peer)
    const { errors, text } = await server.ask('mutation { docs(data: { text: "x" }) { id } }')
    assert.is(errors[0].message, 'Unexpected error.')
    assert.not.match(text, /secret|\.[jt]s/)
    assert.is((server.reported[0] as Error).message, 'inner secret')
  } finally {
    if (before === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = before
  }
})

test('R58: what an executor makes of a document and JSON cannot say is an error of that field', async () => {
  await using flow = await flowOf(({ docs }) => {
    docs[0]!.tags.big = 1n
    docs[1]!.tags.self = docs[1]!.tags
  })
  await using server = await serve(flow)
  const { data, errors } = await server.ask('mutation { docs(data: [{ text: "a" }, { text: "b" }]) { text tags } }')
  assert.equal(data.docs, [
    { text: 'a', tags: null },
    { text: 'b', tags: null },
  ])
  assert.equal(
    errors.map(({ path }) => path),
    [
      ['docs', 0, 'tags'],
      ['docs', 1, 'tags'],
    ],
  )
})

const INVALID: [string, object, RegExp][] = [
  ['bytes that are not base64', { blob: 'a!b' }, /^data\[0\]\.blob must be/],
  ['rows of different lengths', { tensor: [[1, 2], [3]] }, /^data\[0\]\.tensor must have rows of one length/],
  ['a tensor of words', { embedding: ['x'] }, /^data\[0\]\.embedding must hold numbers only/],
  ['tags that are a list', { tags: [1] }, /^data\[0\]\.tags must be an object/],
  ['an invalid chunk', { chunks: [{ text: 'a' }, { matches: [{ granularity: -1 }] }] }, /^data\[0\]\.chunks\[1\]\.matches\[0\]\.granularity must be/],
  ['a score without a value', { scores: [{ name: 'a', score: {} }] }, /^data\[0\]\.scores\.a\.value must be a number/],
]
for (const [what, document, message] of INVALID)
  test(`R98: ${what} is refused with the field's name`, async () => {
    await using flow = await flowOf(() => assert.unreachable())
    await using server = await serve(flow)
    const { status, errors } = await server.ask(DATA, { data: [document] })
    assert.is(status, 400)
    assert.match(errors[0].message, message)
    assert.is(errors[0].extensions.code, 'BAD_USER_INPUT')
    assert.is(errors[0].extensions.reason, 'ERR_INPUT')
    assert.equal(server.reported, [])
  })

test('R98: a ragged tensor that would take 80 GB if its first row were right is refused as ragged', async () => {
  await using flow = await flowOf(() => assert.unreachable())
  await using server = await serve(flow)
  const row = new Array(100_000).fill(0)
  const { status, errors } = await server.ask(DATA, { data: [{ tensor: [row, ...row] }] })
  assert.is(status, 400)
  assert.match(errors[0].message, /^data\[0\]\.tensor must have rows of one length/)
})

test('R98: a value of the wrong type is refused with its path, before anything runs', async () => {
  await using flow = await flowOf(() => assert.unreachable())
  await using server = await serve(flow)
  for (const [document, path] of [
    [{ blob: 5 }, 'data[0].blob'],
    [{ embedding: 'x' }, 'data[0].embedding'],
    [{ tags: 'not JSON' }, 'data[0].tags'],
    [{ granularity: 2 ** 40 }, 'data[0].granularity'],
    [{ unknown: 1 }, 'unknown'],
  ] as const) {
    const { status, errors } = await server.ask(
      DATA,
      { data: [document] },
      { headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' } },
    )
    assert.is(status, 400)
    assert.is(errors[0].extensions.code, 'BAD_USER_INPUT')
    assert.ok(errors[0].message.includes(path), errors[0].message)
  }
})

test('R84: a targetExecutor that is no pattern, parameters that are no object: 400 with the name', async () => {
  await using flow = await flowOf(() => assert.unreachable())
  await using server = await serve(flow)
  for (const [field, name] of [
    ['targetExecutor: "("', 'targetExecutor'],
    ['parameters: "[1]"', 'parameters'],
  ]) {
    const { status, errors } = await server.ask(`mutation { docs(data: { text: "x" }, ${field}) { id } }`)
    assert.is(status, 400)
    assert.match(errors[0].message, new RegExp(`^${name} must be`))
    assert.is(errors[0].extensions.code, 'BAD_USER_INPUT')
  }
})

test('a Flow that is closed answers 503', async () => {
  await using server = await serve(new Flow())
  const { status, errors } = await server.ask('mutation { docs(data: { text: "x" }) { id } }')
  assert.is(status, 503)
  assert.equal(errors[0].extensions, { code: 'SERVICE_UNAVAILABLE', reason: 'ERR_FLOW_NOT_OPEN', 'sluice-retry-after': 1000 })
})

test('a listener that throws changes nothing', async () => {
  const { error } = console
  console.error = () => {}
  try {
    await using flow = await flowOf(() => {
      throw new Error('first')
    })
    await using server = await serve(flow, {
      onError() {
        throw new Error('second')
      },
    })
    const { errors } = await server.ask('mutation { docs(data: { text: "x" }) { id } }')
    assert.is(errors[0].extensions.code, 'ERR_EXECUTOR')
  } finally {
    console.error = error
  }
})

test.run()
