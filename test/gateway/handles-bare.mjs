// Handlers for somebody else's server, in a process that has no file handle left: says what each kind of request was answered with, as a line of JSON.
import { closeSync, openSync } from 'node:fs'

const [{ Flow }, { createHttp }, { createGraphQL }] = await Promise.all(process.argv.slice(2).map((entry) => import(entry)))
const flow = await new Flow()
  .add({ name: 'plain', uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) })
  .add({
    name: 'pieces',
    uses: async function* ({ docs }) {
      yield docs
    },
  })
  .open()
const http = createHttp(flow)
const graphql = createGraphQL(flow)
const say = async (answer) => `${answer.status} ${await answer.text()}`
const send = (handler, path, body, headers = {}) =>
  handler
    .fetch(new Request(`http://localhost${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } }))
    .then(say, (error) => `failed ${error}`)
// What it was made for a moment ago is there: nobody says so, as nobody needs to wait for it.
await new Promise((resolve) => setTimeout(resolve, 2000))
const handles = []
try {
  for (;;) handles.push(openSync('/dev/null'))
} catch (error) {
  if (error.code !== 'EMFILE') throw error
}
const answers = {
  pattern: await send(http, '/post', '{"data":["a"],"targetExecutor":"pl.*"}'),
  parameters: await send(http, '/post', '{"data":["a"],"targetExecutor":"plain","parameters":{"top":1}}'),
  pieces: await send(http, '/post', '{"data":["a"],"targetExecutor":"pieces"}', { accept: 'text/event-stream' }),
  upload: await send(http, '/post?targetExecutor=plain', '{"text":"a"}\n{"text":"b"}\n', { 'content-type': 'application/x-ndjson' }),
  graphql: await send(
    graphql,
    '/graphql',
    JSON.stringify({ query: 'mutation { docs(data: [{ text: "a" }], targetExecutor: "pl.*", parameters: { top: 1 }) { text } }' }),
  ),
}
for (const handle of handles) closeSync(handle)
console.log(JSON.stringify(answers))
await flow.close()
