// A gateway in a process of its own, as it is published, that answers in every way there is: features.ts asks it for all of them. It is told by message:
// 'full' takes all file handles that are left, 'free' gives them back, 'close' closes it. 'loaded' asks what was loaded since it was ready: loads.mjs notes it.
import { closeSync, openSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { type Call, type Document, DocumentArray, delta, Executor, each, Flow, fromCsv, type LogRecord } from 'sluice'
import { z } from 'zod'

/** Where executors elsewhere are, how they are spoken to, and a folder for files. */
const { far, remote, folder } = JSON.parse(process.argv[2]!) as { far: Record<'grpc' | 'http' | 'websocket', string>; remote: object; folder: string }

const mark =
  (sign: string) =>
  ({ docs }: Call) =>
    docs.forEach((doc) => void (doc.text += sign))

class Shapes extends Executor {
  static requests = { '/each': 'one', '/pieces': 'pieces', '/tokens': 'tokens', '/fail': 'fail', '/tools': 'tools' }
  one = each(
    (doc: Document) => {
      if (doc.text === 'bad') throw new Error('bad')
      doc.text += '.'
    },
    { retries: 1, delay: 1, rate: { limit: 1000, per: 'second' } },
  )
  async *pieces({ docs }: Call) {
    for (const doc of docs) {
      doc.text += ','
      yield doc
    }
  }
  async *tokens({ docs }: Call) {
    for (const doc of docs) for (const word of ['one', 'two']) yield delta(doc, { text: word })
  }
  fail() {
    throw new RangeError('as it was asked')
  }
  /** What executors do with the tools of the library. */
  async tools({ docs }: Call) {
    const file = `${folder}/${docs[0]!.id}`
    await docs.save(file)
    const [{ text }] = (await DocumentArray.load(file)) as unknown as [Document]
    await rm(file)
    let rows = 0
    for await (const _ of fromCsv([`text\n${text}\n`])) rows++
    docs[0]!.text = `${text}${rows}`
    for await (const doc of inner.map([docs[0]!])) docs[0]!.text = doc.text
  }
}

const inner = await new Flow().add({ uses: mark('^') }).open()
const logger = ({ event, error }: LogRecord): void => void process.send!({ event, error: String(error) })
const flow = new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0, graphql: true, cors: true, logger, onBackgroundError: () => {} })
  .add({ name: 'plain', uses: mark('!') })
  .add({ name: 'shapes', uses: Shapes })
  .add({ name: 'strict', uses: mark('#'), input: { tags: z.object({ n: z.number() }) }, when: (doc: Document) => doc.tags['n'] !== undefined })
  .add({ name: 'chosen', uses: mark('$'), when: { text: { $regex: 'ch.*' } } })
  .add({ name: 'batched', uses: mark('%'), dynamicBatching: { preferredBatchSize: 2, timeout: 1 }, parallel: 2, retries: 1, timeout: 10_000, concurrency: 4 })
  .add({ name: 'far-grpc', external: true, host: far.grpc, ...remote })
  .add({ name: 'far-http', external: true, host: far.http, ...remote })
  .add({ name: 'far-websocket', external: true, host: far.websocket, ...remote })
  .add({ name: 'left', uses: mark('<') })
  .add({ name: 'right', needs: 'far-websocket', uses: mark('>') })
  .add({ name: 'joined', needs: ['left', 'right'], join: 'merge', parallel: 2, polling: 'ALL', uses: () => {} })
  .add({ name: 'aside', needs: 'joined', floating: true, uses: () => {} })
await flow.open()

const loads = ((globalThis as { loads?: string[] }).loads ??= [])
const handles: number[] = []
/** All that are left, and those that connections give back. */
const fill = (): void => {
  try {
    for (;;) handles.push(openSync('/dev/null', 'r'))
  } catch {}
}
let filling: ReturnType<typeof setInterval> | undefined
process.on('message', async (word) => {
  if (word === 'full') {
    fill()
    filling = setInterval(fill, 5)
  }
  if (word === 'free') {
    clearInterval(filling)
    for (const handle of handles.splice(0)) closeSync(handle)
  }
  if (word === 'close') await flow.close()
  process.send!(word === 'loaded' ? loads : word)
})
process.on('disconnect', () => process.exit())
loads.length = 0
process.send!(flow.addresses)
