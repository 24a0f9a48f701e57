// The blocks of docs/frameworks.md, docs/graphql.md and docs/ai.md that need packages of others: fetched once, into node_modules/.cache, and run against a Flow.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SOCKETS } from '../lib/wire/graphql/server/sockets.js'

const run = promisify(execFile)
const PACKAGES = [
  ...['hono@4.13.19', '@hono/node-server@1.19.19', 'express@5.3.0', 'fastify@5.12.8'],
  ...['graphql@16.15.0', 'graphql-sse@2.6.1', '@urql/core@6.0.3', '@apollo/client@4.3.8', 'relay-runtime@20.1.1', 'rxjs@7.8.2'],
  ...['graphql-ws@6.4.2', 'ws@8.23.0'],
]
/** Fetched apart: many are below them. */
const MODELS = ['ai@7.0.173', '@ai-sdk/openai-compatible@3.0.92', 'openai@7.59.0', 'zod@4.6.7']
/** To fetch them, on a machine that is busy. */
const INSTALL = 240_000

/** A folder with the packages, and sluice. @returns nothing where they cannot be had */
async function packages(names: readonly string[]): Promise<string | undefined> {
  const home = resolve('node_modules/.cache/sluice-frameworks', createHash('sha256').update(names.join()).digest('hex').slice(0, 12))
  if (existsSync(home)) return home
  const made = `${home}.${process.pid}`
  mkdirSync(made, { recursive: true })
  writeFileSync(join(made, 'package.json'), '{ "private": true, "type": "module" }')
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...names], { cwd: made, timeout: INSTALL })
    symlinkSync(resolve('.'), join(made, 'node_modules/sluice'), 'junction')
    renameSync(made, home)
    return home
  } catch (error) {
    rmSync(made, { recursive: true, force: true })
    console.log(`skipped, as they cannot be had: ${names.join(', ')}: ${String((error as { stderr?: string }).stderr || error).split('\n')[0]}`)
    return
  }
}

/** The blocks of a page that say what their file is called. */
const blocksOf = (page: string): [name: string, code: string][] =>
  [...readFileSync(page, 'utf8').matchAll(/^```js\n(\/\/ ([\w-]+\.js)\b[\s\S]*?)^```$/gm)].map(([, code, name]) => [name!, code!])

/** Runs a script beside the blocks of a page. */
async function beside(home: string, page: string, port: number, script: string): Promise<string> {
  const folder = join(home, `${page.replace(/\W/g, '-')}-${process.pid}`)
  mkdirSync(folder)
  try {
    for (const [name, code] of [...blocksOf(page), ['main.js', script] as const]) writeFileSync(join(folder, name), code.replaceAll('8080', String(port)))
    return (await run(process.execPath, [join(folder, 'main.js')], { timeout: 60_000 })).stdout
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One that nobody listens at. */
async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  const { port } = server.address() as { port: number }
  await new Promise((done) => server.close(done))
  return port
}

const FRAMEWORKS = `
import { once } from 'node:events'
import { flow } from './pipeline.js'

const json = { method: 'POST', headers: { 'content-type': 'application/json' } }
const post = { ...json, body: '{"data":[{"text":"hello"}],"execEndpoint":"/"}' }
const mutation = { ...json, body: JSON.stringify({ query: 'mutation { docs(data: { text: "hello" }, execEndpoint: "/") { text } }' }) }
const say = async (name, answer) => console.log(name, (await answer.text()).includes('HELLO'))

const { app: hono } = await import('./hono.js')
await say('hono', await hono.request('/flow/post', post))
for (const [name, path, request] of [['express', '/graphql', mutation], ['express-http', '/flow/post', post]]) {
  const { app } = await import('./' + name + '.js')
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await say(name, await fetch('http://127.0.0.1:' + server.address().port + path, request))
  server.close()
  server.closeAllConnections()
}
const { app: fastify } = await import('./fastify.js')
await say('fastify', await fetch((await fastify.listen({ port: 0, host: '127.0.0.1' })) + '/graphql', mutation))
fastify.server.closeAllConnections()
await fastify.close()
await flow.close()
`

const CLIENTS = `
import { delta, Flow } from 'sluice'

async function* answer({ docs }) {
  for (const doc of docs) for (const text of ['It', ' is', ' raining']) yield delta(doc, { text })
}
const flow = await new Flow({ protocol: 'http', graphql: true, port: 8080 }).add({ uses: answer }).open()
const query = 'query { docs(data: { text: "" }, execEndpoint: "/") { id text } }'
const subscription = 'subscription { docs(data: { text: "" }, execEndpoint: "/") { partial delta { text } docs { text } } }'

/** What came, up to what is whole. */
const all = (subscribe) =>
  new Promise((done, fail) => {
    const seen = []
    subscribe({
      next({ data, error }) {
        if (error) return fail(error)
        const { partial, delta, docs } = data.docs
        seen.push(partial ? delta[0].text : docs[0].text)
        if (!partial) done(seen.join('|'))
      },
      error: fail,
      complete() {},
    })
  })

const { client: urql } = await import('./urql.js')
console.log('urql', (await urql.query(query, {})).data.docs[0].text, await all((sink) => urql.subscription(subscription, {}).subscribe(sink.next)))

const { client: apollo } = await import('./apollo.js')
const { gql } = await import('@apollo/client')
console.log('apollo', (await apollo.query({ query: gql(query) })).data.docs[0].text, await all((sink) => apollo.subscribe({ query: gql(subscription) }).subscribe(sink)))

// What links do that nobody told anything
const { ApolloClient, HttpLink, InMemoryCache } = await import('@apollo/client')
const { PersistedQueryLink } = await import('@apollo/client/link/persisted-queries')
const { createHash } = await import('node:crypto')
const hash = new PersistedQueryLink({ sha256: (text) => createHash('sha256').update(text).digest('hex') })
const bare = new ApolloClient({ cache: new InMemoryCache(), link: hash.concat(new HttpLink({ uri: 'http://127.0.0.1:8080/graphql' })) })
console.log('apollo-http', (await bare.query({ query: gql(query) })).data.docs[0].text)
const plain = new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: 'http://127.0.0.1:8080/graphql' }) })
console.log('apollo-http', await all((sink) => plain.subscribe({ query: gql(subscription) }).subscribe(sink)))

const { createClient } = await import('graphql-ws')
const { default: webSocketImpl } = await import('ws')
const sockets = createClient({ url: 'ws://127.0.0.1:8080/graphql', webSocketImpl })
const end = await new Promise((next, error) => sockets.subscribe({ query: subscription }, { next, error: next, complete() {} }))
console.log('graphql-ws', end.code, end.reason)

const { network } = await import('./relay.js')
const execute = (operationKind, text) => network.execute({ text, operationKind, name: 'x', id: null, cacheID: 'x', metadata: {} }, {}, {})
const relay = await new Promise((next, error) => execute('query', query).subscribe({ next, error }))
console.log('relay', relay.data.docs[0].text, await all((sink) => execute('subscription', subscription).subscribe(sink)))

const { client: sse } = await import('./sse.js')
console.log('graphql-sse', await all((sink) => sse.subscribe({ query: subscription }, sink)))
await flow.close()
process.exit()
`

const AI = `
import { once } from 'node:events'
import { createServer } from 'node:http'
import { generateText, isStepCount } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { chat, flow } from './chat.js'
import { findArticles, stock } from './tool.js'

const said = []
const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } }
const results = [
  { content: [{ type: 'tool-call', toolCallId: '1', toolName: 'find', input: '{"word":"kettle"}' }], finishReason: { unified: 'tool-calls' }, usage, warnings: [] },
  { content: [{ type: 'text', text: 'Two' }], finishReason: { unified: 'stop' }, usage, warnings: [] },
]
const model = new MockLanguageModelV4({
  doGenerate: async ({ prompt }) => {
    said.push(prompt.at(-1))
    return results.shift()
  },
})
const { text } = await generateText({ model, prompt: 'Which kettles?', tools: { find: findArticles }, stopWhen: isStepCount(2) })
console.log('tool', text, JSON.stringify(said[1].content[0].output.value))

const server = createServer(async (req, res) => {
  const answer = await chat(new Request('http://127.0.0.1:8080' + req.url, { method: 'POST', body: req, duplex: 'half' }))
  res.writeHead(answer.status, Object.fromEntries(answer.headers))
  for await (const piece of answer.body) res.write(piece)
  res.end()
}).listen(8080, '127.0.0.1')
await once(server, 'listening')
const { ask } = await import('./openai.js')
console.log('openai', (await ask('hello')).join('|'))
const { tell } = await import('./ai-sdk.js')
console.log('ai', (await tell('hello')).join('|'))
const whole = await fetch('http://127.0.0.1:8080/v1/chat/completions', { method: 'POST', body: '{"messages":[{"role":"user","content":"hello"}]}' })
console.log('whole', (await whole.json()).choices[0].message.content)
server.close()
server.closeAllConnections()
await flow.close()
await stock.close()
`

const home = await packages(PACKAGES)
if (home === undefined) test('T5: there are no packages of others to try', () => {})
else {
  test('T5: docs/frameworks.md: Hono, Express and Fastify answer with a Flow, as the page has them', async () => {
    assert.is(await beside(home, 'docs/frameworks.md', 0, FRAMEWORKS), 'hono true\nexpress true\nexpress-http true\nfastify true\n')
  })

  test('T5: docs/graphql.md: urql, Apollo, Relay and graphql-sse ask, and hear a subscription piece by piece, as the page has them', async () => {
    const heard = 'It| is| raining|It is raining'
    assert.is(
      await beside(home, 'docs/graphql.md', await freePort(), CLIENTS),
      `urql It is raining ${heard}\napollo It is raining ${heard}\napollo-http It is raining\napollo-http ${heard}\ngraphql-ws 4406 ${SOCKETS}\nrelay It is raining ${heard}\ngraphql-sse ${heard}\n`,
    )
  })
}

const models = await packages(MODELS)
if (models === undefined) test('T5: there are no packages of models to try', () => {})
else
  test('T5: docs/ai.md: a Flow is a tool of the AI SDK, and answers it and the client of OpenAI in the place of a model, as the page has them', async () => {
    assert.is(
      await beside(models, 'docs/ai.md', await freePort(), AI),
      'tool Two ["a red kettle","a blue kettle"]\nopenai |You| said: |hello|\nai You| said: |hello\nwhole You said: hello\n',
    )
  })

test.run()
