// A gateway in a process that has no file handle left: says what each kind of request was answered with, as a line of JSON.
import { closeSync, openSync } from 'node:fs'
import { Agent, request } from 'node:http'

const { Flow } = await import(process.argv[2])
const elsewhere = await new Flow({ protocol: 'grpc', port: 0 }).add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '?')) }).open()
const flow = await new Flow({ protocol: 'http', port: 0 })
  .add({ name: 'plain', uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) })
  .add({
    name: 'pieces',
    uses: async function* ({ docs }) {
      yield docs
    },
  })
  .add({ name: 'elsewhere', external: true, host: elsewhere.addresses.grpc })
  .open()

const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const ask = (body, headers = {}, query = '') =>
  new Promise((resolve, reject) => {
    const asked = request(
      `${flow.addresses.http}/post${query}`,
      { method: 'POST', agent, headers: { 'content-type': 'application/json', ...headers } },
      (response) => {
        let text = ''
        response.on('data', (data) => (text += data)).on('end', () => resolve(`${response.statusCode} ${text}`))
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })

// Connections, which are handles too, stand already.
await fetch(`${flow.addresses.http}/status`).then((response) => response.text())
await new Promise((resolve, reject) => {
  request(`${flow.addresses.http}/status`, { agent }, (response) => response.resume().on('end', resolve))
    .on('error', reject)
    .end()
})
const { Client } = await import(process.argv[3])
const warm = new Client(elsewhere.addresses.grpc)
await warm.open()
const handles = []
try {
  for (;;) handles.push(openSync('/dev/null'))
} catch (error) {
  if (error.code !== 'EMFILE') throw error
}
const answers = {
  pattern: await ask('{"data":["a"],"targetExecutor":"pl.*"}'),
  pieces: await ask('{"data":["a"],"targetExecutor":"pieces"}', { accept: 'text/event-stream' }),
  parameters: await ask('{"data":["a"],"targetExecutor":"plain","parameters":{"top":1}}'),
  upload: await ask('{"text":"a"}\n{"text":"b"}\n', { 'content-type': 'application/x-ndjson' }, '?targetExecutor=plain'),
}
for (const handle of handles) closeSync(handle)
answers.elsewhere = await ask('{"data":["a"]}')
console.log(JSON.stringify(answers))
await warm.close()
agent.destroy()
await flow.close()
await elsewhere.close()
