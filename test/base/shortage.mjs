// A process that uses the library while it has no file handle left, and again when there are some: says what came of each, as a line of JSON.
import { closeSync, copyFileSync, mkdirSync, openSync, writeFileSync } from 'node:fs'

const [index, client, folder] = process.argv.slice(2)
const [{ Flow, fromCsv, fromFiles, fromLines, fromNdjson }, { Client }] = await Promise.all([import(index), import(client)])
const at = (name) => `${folder}/${name}`
mkdirSync(at('deep'), { recursive: true })
writeFileSync(at('a.csv'), 'text\na\n')
writeFileSync(at('deep/b.csv'), 'text\nb\n')
writeFileSync(at('a.ndjson'), '{"text":"a"}\n')
writeFileSync(at('flow.yml'), 'jtype: Flow\nexecutors:\n  - name: a\n')
for (const part of ['key', 'crt']) copyFileSync(at(`first.${part}`), at(`now.${part}`))

const errors = []
const plain = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0 })
  .add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) })
  .open()
const secure = await new Flow({
  protocol: 'http',
  port: 0,
  tls: { keyFile: at('now.key'), certFile: at('now.crt') },
  onError: (error) => errors.push(String(error)),
})
  .add({})
  .open()
const texts = (post) => post.docs().then(({ texts }) => texts.join())
const fresh = async (address) => {
  const one = new Client(address)
  return await texts(one.post('/', 'a')).finally(() => one.close())
}
const { connect } = await import('node:tls')
const whose = () =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: new URL(secure.addresses.http).port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN)
      socket.destroy()
    }).on('error', reject)
  })
const uses = {
  grpc: () => fresh(plain.addresses.grpc),
  http: () => fresh(plain.addresses.http.replace('127.0.0.1', 'localhost')),
  websocket: () => fresh(plain.addresses.websocket.replace('127.0.0.1', 'localhost')),
  csv: () => texts(plain.post('/', fromCsv(at('a.csv')))),
  lines: () => texts(plain.post('/', fromLines(at('a.csv')))),
  ndjson: () => texts(plain.post('/', fromNdjson(at('a.ndjson')))),
  files: () => texts(plain.post('/', fromFiles('**/*.csv', { cwd: folder, read: 'text', allowEmpty: true }))),
  yaml: async () => (await Flow.loadConfig(at('flow.yml'))).executors.join(),
  served: async () => (await new Flow({ protocol: 'http', port: 0 }).add({}).open()).close().then(() => 'served'),
}
const all = async () => {
  const came = {}
  for (const [name, use] of Object.entries(uses)) came[name] = await use().catch(({ name, code, message }) => `${name} ${code} ${message}`)
  return came
}
// What an application loads late, it loads before: see test/gateway/handles.ts for what serves.
const before = await all()
const handles = []
const fill = () => {
  try {
    for (;;) handles.push(openSync('/dev/null'))
  } catch {}
}
for (const part of ['key', 'crt']) copyFileSync(at(`second.${part}`), at(`now.${part}`))
fill()
const without = await all()
// Several looks of who renews certificates.
for (const end = Date.now() + 3000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 10))) fill()
for (const handle of handles.splice(0)) closeSync(handle)
const again = await all()
for (const end = Date.now() + 10_000; (await whose()) !== 'elsewhere' && Date.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 100))
console.log(JSON.stringify({ before, without, again, whose: await whose(), errors }))
process.exit()
