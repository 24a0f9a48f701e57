import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { Executor, Flow } from 'sluice'
import { Gateway } from 'sluice/gateway'
import { type Fate, ways } from '../test/gateway/heavy.js'
import { elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

// A gateway with a heap of 512 MB in a process of its own: 200 clients that send 10 MB each, then 100 that ask for 5 MB each and do not read them, one wire after the other. Another client asks for little
// all the while, and is to be answered.

const HEAP = 512
const [SENDERS, READERS] = quick ? [20, 20] : [200, 100]
const [SENT, ANSWER] = [10_000_000, 5_000_000]
/** Seconds for which those who do not read are looked at. */
const LASTS = quick ? 3 : 10

async function serve(): Promise<void> {
  class Worker extends Executor {
    static requests = { '/in': 'take', '/big': 'big', '/small': 'small' } as const
    async take() {
      await wait(20)
      return []
    }
    async big() {
      await wait(20)
      return [{ text: 'x'.repeat(ANSWER) }]
    }
    small() {}
  }
  const flow = await new Flow().add({ uses: Worker }).open()
  const gateway = await Gateway.serve(flow, {
    protocol: ['grpc', 'http', 'websocket'],
    graphql: { maxBodyBytes: 32 << 20 },
  })
  process.on('message', () => process.send!(process.memoryUsage()))
  process.send!(gateway.port)
}

interface Seen {
  readonly alive: boolean
  readonly fates: readonly Fate[]
  readonly served: number
  readonly asked: number
  readonly longest: number
  readonly memory: number
}

async function run(port: number, child: ChildProcess, clients: readonly Promise<Fate>[], seconds: number): Promise<Seen> {
  const fates: Fate[] = []
  let over = false
  const ended = new Promise<undefined>((resolve) => child.once('exit', () => resolve(undefined)))
  void Promise.all(clients.map((client) => client.then((fate) => fates.push(fate)))).then(() => {
    over = true
  })
  let [served, asked, longest, memory] = [0, 0, 0, 0]
  const body = '{"execEndpoint":"/small","data":["a"]}'
  for (const end = performance.now() + seconds * 1000; !over && child.exitCode === null && child.signalCode === null && performance.now() < end; ) {
    const began = performance.now()
    asked++
    const status = await fetch(`http://127.0.0.1:${port}/post`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      .then(async (response) => {
        await response.text()
        return response.status
      })
      .catch(() => 0)
    if (status === 200) served++
    longest = Math.max(longest, performance.now() - began)
    const told = new Promise<NodeJS.MemoryUsage>((resolve) => child.once('message', resolve as never))
    if (child.connected) child.send('', () => {})
    memory = Math.max(memory, (await Promise.race([told, ended]))?.rss ?? 0)
    await wait(20)
  }
  return { alive: child.exitCode === null && child.signalCode === null, fates, served, asked, longest, memory }
}

async function report(): Promise<void> {
  title('bytes', 'Does a gateway outlive those who send much, and those who do not read?')
  say(
    `A heap of ${HEAP} MB, a quarter of it for bytes, as by default (maxBytesInFlight). ${SENDERS} clients send ${SENT / 1e6} MB each at once; ${READERS} ask for ${ANSWER / 1e6} MB each and do not read. Beside them, one asks for little, one request after the other. ` +
      'A client is answered, or refused for want of bytes.',
  )
  const rows: string[][] = []
  const must: Target[] = []
  for (const [name, way] of Object.entries(ways(SENT)))
    for (const kind of ['send', 'ask'] as const) {
      const child = fork(process.argv[1]!, ['serve'], {
        execArgv: [`--max-old-space-size=${HEAP}`, '--import', 'tsx'],
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      })
      const port = await new Promise<number>((resolve) => child.once('message', (message) => resolve(message as number)))
      const clients = Array.from({ length: kind === 'send' ? SENDERS : READERS }, () => way[kind](port))
      const { alive, fates, served, asked, longest, memory } = await run(port, child, clients, kind === 'send' ? 60 : LASTS)
      child.kill('SIGKILL')
      const of = (fate: Fate): number => fates.filter((one) => one === fate).length
      rows.push([
        `${name}, ${kind === 'send' ? 'sent' : 'not read'}`,
        alive ? 'yes' : 'no',
        String(of('answered')),
        String(kind === 'send' ? of('busy') : fates.length),
        `${served} of ${asked}`,
        figure(longest),
        figure(memory / 1e6),
      ])
      must.push({
        what: `${name}, ${kind}: alive, and others are served`,
        bound: 'all',
        measured: `${served} of ${asked}`,
        met: alive && served === asked && asked > 0,
      })
    }
  table(['clients', 'alive', 'answered', 'refused, or hung up on', 'others served', 'longest, ms', 'memory, MB'], rows)
  targets(must)
  say(`Measured in ${elapsed()}.`)
  process.exit(process.exitCode)
}

if (process.argv[2] === 'serve') await serve()
else await report()
