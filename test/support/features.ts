// All that clients may ask of a gateway (see everything.ts), once each, on each wire.
import { once } from 'node:events'
import { request } from 'node:http'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client, type ClientOptions } from '../../lib/client/index.js'
import type { Response } from '../../lib/index.js'
import { readFields, writeFields } from '../../lib/wire/grpc/fields.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { Raw } from '../wire/grpc/raw.js'
import { within } from './within.js'

export interface Addresses {
  readonly grpc: string
  readonly http: string
  readonly websocket: string
}

export type Feature = readonly [name: string, use: () => Promise<void>]

const TIME = 20_000
const only = (text: string, targetExecutor: string) => [[{ text }], { targetExecutor }] as const

/** What a Client has on every wire. */
function ofClient(address: string, options: ClientOptions = {}): Feature[] {
  const using =
    (use: (client: Client) => Promise<void>): (() => Promise<void>) =>
    async () => {
      await using client = new Client(address, options)
      await use(client)
    }
  const text =
    (targetExecutor: string, given: string, answer: string, on = '/') =>
    async (client: Client) => {
      const [doc] = await client.post(on, ...only(given, targetExecutor)).docs()
      assert.is(doc?.text, answer)
    }
  const all = async (post: AsyncIterable<Response>): Promise<Response[]> => {
    const responses: Response[] = []
    for await (const response of post) responses.push(response)
    return responses
  }
  return [
    ['one document', using(text('plain', 'a', 'a!'))],
    ['a pattern', using(text('pl[ai]+n', 'a', 'a!'))],
    [
      'a stream of requests in order, with parameters',
      using(async (client) => {
        const { texts } = await client
          .post(
            '/',
            (async function* () {
              for (const text of ['a', 'b', 'c']) yield { text }
            })(),
            { targetExecutor: 'plain', parameters: { plain__top: 1, n: [1.5, 'x', null] }, requestSize: 1, resultsInOrder: true },
          )
          .docs()
        assert.equal(texts, ['a!', 'b!', 'c!'])
      }),
    ],
    [
      'partial answers',
      using(async (client) => {
        const responses = await all(client.post('/pieces', ...only('a', 'shapes')))
        assert.equal(
          responses.map(({ docs }) => docs[0]!.text),
          options.unary ? ['a,'] : ['a,', 'a,'],
        )
      }),
    ],
    [
      'deltas',
      using(async (client) => {
        const responses = await all(client.post('/tokens', ...only('', 'shapes')))
        assert.equal(
          responses.map(({ docs }) => docs[0]!.text),
          options.unary ? ['onetwo'] : ['one', 'onetwo', 'onetwo'],
        )
      }),
    ],
    [
      'documents one by one, of which one fails',
      using(async (client) => {
        const [{ docs, failures }] = (await all(client.post('/each', ['a', 'bad'], { targetExecutor: 'shapes', continueOnError: true }))) as [Response]
        assert.equal([docs[0]!.text, docs.length, failures.length], ['a.', 1, 1])
      }),
    ],
    [
      'an executor that fails',
      using(async (client) => {
        const [{ error }] = (await all(client.post('/fail', ['a'], { targetExecutor: 'shapes', continueOnError: true }))) as [Response]
        assert.match(error!.message, 'as it was asked')
      }),
    ],
    [
      'schemas, which hold or do not',
      using(async (client) => {
        const given = [
          { text: 'a', tags: { n: 1 } },
          { text: 'b', tags: { n: 'x' } },
        ]
        const [{ docs, failures }] = (await all(client.post('/', given, { targetExecutor: 'strict', continueOnError: true }))) as [Response]
        assert.equal([docs.length, docs[0]!.text, failures.length], [1, 'a#', 1])
      }),
    ],
    ['a condition', using(text('chosen', 'choose', 'choose$'))],
    [
      'batches, replicas and retries',
      using(async (client) => {
        const { texts } = await client.post('/', ['a', 'b', 'c'], { targetExecutor: 'batched', requestSize: 1, resultsInOrder: true }).docs()
        assert.equal(texts, ['a%', 'b%', 'c%'])
      }),
    ],
    ['a fork and a join', using(text('(left|right|joined|aside)', 'a', 'a<'))],
    ['what executors do with the library', using(text('shapes', 'a', 'a1^', '/tools'))],
    ...(['grpc', 'http', 'websocket'] as const).flatMap((far): Feature[] => [
      [`an executor elsewhere over ${far}`, using(text(`far-${far}`, 'a', 'a?'))],
      [
        `an executor elsewhere over ${far} that fails`,
        using(async (client) => {
          const [{ error }] = (await all(client.post('/', ['bad'], { targetExecutor: `far-${far}`, continueOnError: true }))) as [Response]
          assert.match(error!.message, 'bad elsewhere')
        }),
      ],
      [
        `an executor elsewhere over ${far}, in pieces`,
        using(async (client) => {
          const responses = await all(client.post('/pieces', ...only('a', `far-${far}`)))
          assert.equal(
            responses.map(({ partial }) => partial),
            options.unary ? [false] : [true, false],
          )
        }),
      ],
    ]),
    ['is it ready', using(async (client) => assert.ok(await client.isFlowReady({ timeout: TIME })))],
    [
      'bytes and tensors',
      using(async (client) => {
        const [doc] = await client
          .post('/', [{ blob: new Uint8Array(100_000), embedding: Float32Array.of(1, 2), chunks: [{ text: 'c' }] }], { targetExecutor: 'aside' })
          .docs()
        assert.equal([doc!.blob!.length, doc!.embedding!.shape, doc!.chunks[0]!.text], [100_000, [2], 'c'])
      }),
    ],
  ]
}

const JSON_TYPE = { 'content-type': 'application/json' }

function overHttp(http: string): Feature[] {
  const ask = async (path: string, init: RequestInit = {}): Promise<{ status: number; text: string; headers: Headers }> => {
    const answer = await fetch(`${http}${path}`, { ...init, headers: { connection: 'close', ...(init.headers as object) }, signal: AbortSignal.timeout(TIME) })
    return { status: answer.status, text: await answer.text(), headers: answer.headers }
  }
  const got =
    (path: string, status: number, has: string | RegExp = '', init: RequestInit = {}): (() => Promise<void>) =>
    async () => {
      const { text, ...answer } = await ask(path, init)
      assert.is(answer.status, status, text)
      assert.match(text, has)
    }
  const posted = (body: string, headers: Record<string, string> = {}): RequestInit => ({ method: 'POST', body, headers: { ...JSON_TYPE, ...headers } })
  const graphql = (query: string, accept = 'application/json') => posted(JSON.stringify({ query }), { accept })
  const plain = '{"data":["a"],"targetExecutor":"plain"}'
  return [
    ...['/', '/healthz', '/ready', '/status', '/dry_run'].map((path): Feature => [path, got(path, 200)]),
    [
      'documentation',
      async () => {
        const { text, status } = await ask('/docs', { headers: { accept: 'text/html' } })
        assert.is(status, 200)
        for (const [, asset] of text.matchAll(/(?:src|href)="([\w./-]+)"/g)) assert.is((await ask(new URL(asset!, `${http}/docs`).pathname)).status, 200, asset)
      },
    ],
    ['OpenAPI', got('/openapi.json', 200, '"openapi"')],
    ['JSON', got('/post', 200, 'a!', posted(plain))],
    ['NDJSON', got('/post?targetExecutor=plain', 200, /a!.*b!/s, posted('{"text":"a"}\n{"text":"b"}\n', { 'content-type': 'application/x-ndjson' }))],
    ['server-sent events', got('/post', 200, 'event: response', posted(plain, { accept: 'text/event-stream' }))],
    ['packed', got('/post', 200, 'aaaa!', posted(JSON.stringify({ data: ['a'.repeat(9999)], targetExecutor: 'plain' }), { 'accept-encoding': 'gzip' }))],
    ['what is no JSON', got('/post', 400, '', posted('{'))],
    ['what is not there', got('/nothing', 404)],
    ['a preflight', got('/post', 204, '', { method: 'OPTIONS', headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' } })],
    [
      'an offer of h2c',
      () =>
        within(
          TIME,
          new Promise((resolve, reject) => {
            request(`${http}/healthz`, { headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': '' } }, (answer) => {
              answer.resume().on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}`))))
            })
              .on('error', reject)
              .end()
          }),
        ),
    ],
    ['GraphQL: a query', got('/graphql', 200, 'a!', graphql('{ docs(data: [{ text: "a" }], targetExecutor: "plain") { text } }'))],
    [
      'GraphQL: a mutation',
      got('/graphql', 200, '#', graphql('mutation { docs(data: [{ text: "a", tags: { n: 1 } }], targetExecutor: "strict") { text tags } }')),
    ],
    [
      'GraphQL: what fails',
      got('/graphql', 200, 'as it was asked', graphql('mutation { docs(data: [{ text: "a" }], execEndpoint: "/fail", targetExecutor: "shapes") { text } }')),
    ],
    [
      'GraphQL: a subscription',
      got(
        '/graphql',
        200,
        /event: next.*onetwo.*event: complete/s,
        graphql(
          'subscription { docs(data: [{ text: "" }], execEndpoint: "/tokens", targetExecutor: "shapes") { docs { text } delta { text } } }',
          'text/event-stream',
        ),
      ),
    ],
    ['GraphQL: its schema', got('/graphql', 200, '__schema', graphql('{ __schema { types { name fields { name } } } }'))],
    ['GraphQL: what is none', got('/graphql', 200, 'errors', graphql('{'))],
    ['GraphQL: too deep', got('/graphql', 200, 'errors', graphql(`{ docs(data: [{ text: "a" }]) ${'{ chunks '.repeat(20)}{ id }${' }'.repeat(20)} }`))],
    [
      'GraphiQL',
      async () => {
        const page = await ask('/graphql', { headers: { accept: 'text/html' } })
        assert.match(page.text, '<html')
        for (const asset of ['graphiql.js', 'graphiql.css']) assert.is((await ask(`/graphql?asset=${asset}`)).status, 200)
      },
    ],
    [
      'GraphQL through a Client',
      async () => {
        await using client = new Client(http)
        const { data } = await client.mutate('mutation { docs(data: [{ text: "a" }], targetExecutor: "plain") { text } }')
        assert.is(data.docs[0].text, 'a!')
        for await (const { data } of client.subscribe('subscription { docs(data: [{ text: "a" }], targetExecutor: "plain") { docs { text } } }'))
          assert.is(data.docs.docs[0].text, 'a!')
      },
    ],
  ]
}

function overGrpc(grpc: string): Feature[] {
  const raw =
    (use: (raw: Raw) => Promise<void>): (() => Promise<void>) =>
    async () => {
      using one = new Raw(grpc)
      await within(TIME, use(one))
    }
  const answers = (method: string) => raw(async (raw) => assert.ok((await raw.unary(method, Buffer.alloc(0))).answer !== undefined, method))
  return [
    ['health', raw(async (raw) => assert.equal(readFields((await raw.unary(METHODS.check, Buffer.alloc(0))).answer!), [[1, 1]]))],
    [
      'health, watched',
      raw(async (raw) => {
        const watched = raw.server(METHODS.watch, Buffer.alloc(0))
        watched.on('error', () => {})
        const { value } = await watched[Symbol.asyncIterator]().next()
        assert.equal(readFields(value), [[1, 1]])
        watched.cancel()
      }),
    ],
    ...[METHODS.reflection, METHODS.reflectionAlpha].map(
      (method): Feature => [
        'reflection',
        raw(async (raw) => {
          const { answers } = await raw.converse(method, [writeFields([7, '*']), writeFields([4, 'jina.JinaRPC'])])
          assert.is(answers.length, 2)
        }),
      ],
    ),
    ['endpoints', answers(METHODS.endpoints)],
    ['a dry run', answers(METHODS.dryRun)],
    ['what it is', answers(METHODS.info)],
    ['what is no message', raw(async (raw) => assert.ok((await raw.converse(METHODS.call, [Buffer.from([255, 255])])).status.code !== undefined))],
  ]
}

function overWebSocket(websocket: string): Feature[] {
  const socket = async (frame: string): Promise<string> => {
    const one = new WebSocket(websocket)
    try {
      await within(TIME, once(one, 'open'))
      one.send(frame)
      return String((await within(TIME, once(one, 'message')))[0])
    } finally {
      one.terminate()
    }
  }
  return [
    ['JSON of others', async () => assert.match(await socket('{"data":["a"],"targetExecutor":"plain"}'), 'a!')],
    ['what is no request', async () => assert.match(await socket('{"data":1}'), 'data must be a list')],
  ]
}

/** All of them. */
export function features({ grpc, http, websocket }: Addresses): Feature[] {
  const named = (wire: string, list: Feature[]): Feature[] => list.map(([name, use]) => [`${wire}: ${name}`, use])
  return [
    ...named('grpc', [...ofClient(grpc), ...overGrpc(grpc)]),
    ...named('grpc, a call each', ofClient(grpc, { unary: true })),
    ...named('http', [...ofClient(http), ...overHttp(http)]),
    ...named('websocket', [...ofClient(websocket), ...overWebSocket(websocket)]),
  ]
}

/** What does not work, by name, with its reason. */
export async function broken(addresses: Addresses): Promise<Record<string, string>> {
  const wrong: Record<string, string> = {}
  for (const [name, use] of features(addresses)) await use().catch((error) => void (wrong[name] = String(error)))
  return wrong
}
