// A chat page: words come as they are made, and a button stops the answer, on the server too.
//   npx tsx examples/chat/main.ts      Ctrl-C ends it. The page is made by Vite, which hands on what the page asks
import { fileURLToPath } from 'node:url'
import { type Call, delta, Flow } from 'sluice'
import { createServer } from 'vite'

const RIVER = 'A river begins small. It takes up other waters on its way, turns where the land turns, and is in no hurry. '

async function* answer({ docs, signal }: Call) {
  for (const doc of docs) {
    const words = `You said: ${doc.text}. ${RIVER.repeat(20)}`.match(/\S+\s*/g)!
    doc.text = ''
    let said = 0
    signal.addEventListener('abort', () => console.log(`Stopped after ${said} of ${words.length} words`))
    for (const text of words) {
      // What a model takes for a word.
      await new Promise((resolve) => setTimeout(resolve, 40))
      signal.throwIfAborted()
      said++
      yield delta(doc, { text })
    }
  }
}

await using flow = await new Flow({ protocol: 'http', port: 0 }).add({ name: 'answer', uses: answer }).open()
const vite = await createServer({
  configFile: false,
  root: fileURLToPath(new URL('.', import.meta.url)),
  cacheDir: '.sluice/vite',
  logLevel: 'error',
  server: { host: '127.0.0.1', proxy: { '/post': flow.addresses.http! } },
})
await vite.listen()
console.log(`The page is at ${vite.resolvedUrls!.local[0]}`)
await flow.block()
await vite.close()
