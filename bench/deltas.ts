// What a streamed token costs, however long its answer has become.
//   node --import tsx bench/deltas.ts [--quick]
import { type Call, delta, Flow, type Response } from 'sluice'
import { Client } from 'sluice/client'
import { Gateway } from 'sluice/gateway'
import { atMost, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

const FEW = 2_000
const MANY = quick ? 16_000 : 64_000
const TIMES = quick ? 3 : 9
const TOKEN = ' abc'

title('deltas', 'What does a streamed token cost, and does it cost more in a long answer?')
say(
  `An async generator that yields delta(doc, { text }), tokens of ${TOKEN.length} characters of one document; the consumer reads what was appended, and the whole once, at the end. Cells are CPU time per token ` +
    `(user + system, whole process, both ends), median [best–worst] of ${TIMES} runs. Beside it, the same by \`doc.text += token; yield doc\`, of which each piece is the whole, and is read.`,
)

const byDeltas = async function* ({ docs: [doc], parameters }: Call<any, any>) {
  for (let n = 0; n < parameters.tokens; n++) yield delta(doc!, { text: TOKEN })
}
const byWholes = async function* ({ docs: [doc], parameters }: Call<any, any>) {
  for (let n = 0; n < parameters.tokens; n++) {
    doc!.text += TOKEN
    yield doc
  }
}

type Poster = { post(on: string, inputs: any, options: any): AsyncIterable<Response> }

async function microseconds(poster: Poster, tokens: number): Promise<number> {
  const before = process.cpuUsage()
  let appended = 0
  let whole = 0
  for await (const response of poster.post('/', [{ text: '' }], { parameters: { tokens } })) {
    if (!response.partial) whole = response.docs[0]!.text.length
    else if (response.delta !== undefined) appended += response.delta[0]!.text!.length
    else appended = response.docs[0]!.text.length
  }
  const { user, system } = process.cpuUsage(before)
  if (appended !== whole || whole !== tokens * TOKEN.length) throw new Error(`${appended} and ${whole} characters came, not ${tokens * TOKEN.length}`)
  return (user + system) / tokens
}

async function measured(poster: Poster, tokens: number): Promise<{ median: number; text: string }> {
  const all: number[] = []
  for (let time = 0; time < TIMES; time++) all.push(await microseconds(poster, tokens))
  all.sort((a, b) => a - b)
  const median = all[all.length >> 1]!
  return { median, text: `${figure(median)} [${figure(all[0]!)}–${figure(all.at(-1)!)}]` }
}

const served = async (uses: any) => {
  const flow = await new Flow().add({ uses }).open()
  return { flow, gateway: await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'] }) }
}
const streams = await served(byDeltas)
const repeats = await served(byWholes)
const { grpc, http, websocket } = streams.gateway.addresses
const relay = await new Flow().add({ external: true, host: grpc! }).open()
const WAYS: [string, Poster, Poster | undefined][] = [
  ['in process', streams.flow, repeats.flow],
  ['gRPC', new Client(grpc!), new Client(repeats.gateway.addresses.grpc!)],
  ['HTTP', new Client(http!), new Client(repeats.gateway.addresses.http!)],
  ['WebSocket', new Client(websocket!), new Client(repeats.gateway.addresses.websocket!)],
  ['an executor elsewhere, over gRPC', relay, undefined],
]

const rows: string[][] = []
const must: Target[] = []
for (const [name, poster, whole] of WAYS) {
  await microseconds(poster, FEW)
  const few = await measured(poster, FEW)
  const many = await measured(poster, MANY)
  const repeated = whole && (await measured(whole, FEW))
  rows.push([name, few.text, many.text, repeated?.text ?? ''])
  must.push(atMost(`${name}: a token of ${MANY.toLocaleString('en-US')}, × one of ${FEW.toLocaleString('en-US')}`, 1.25, many.median / few.median))
}
table(['CPU µs per token', `of ${FEW.toLocaleString('en-US')}`, `of ${MANY.toLocaleString('en-US')}`, `whole pieces, of ${FEW.toLocaleString('en-US')}`], rows)
if (!targets(must)) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
process.exit()
