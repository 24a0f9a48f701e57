import { type ChildProcess, fork } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Flow } from 'sluice'
import { Client, type ClientOptions } from 'sluice/client'
import { atMost, below, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

// A server is asked by an open loop, is killed, and comes back at the same port. Counted is what gets to its address while it is away: there, each try is a
// connection that is refused.

const RATE = 200
/** Milliseconds before it is killed, in which it is away, and after it is back. */
const [BEFORE, AWAY, AFTER] = quick ? [1500, 2500, 2500] : [3000, 5000, 4000]

const WIRES = ['grpc', 'http', 'websocket'] as const
type Wire = (typeof WIRES)[number]
/** Who asks: a Client, or a Flow with an executor elsewhere. */
type Who = 'Client' | 'external'

interface Asked {
  readonly wire: Wire
  readonly who: Who
  readonly port: number
  readonly options: ClientOptions
}

/** What happened, by the clock on the wall. */
interface Noted {
  /** When a connection was tried. */
  readonly tried: readonly number[]
  readonly opened: number | undefined
  readonly closed: number | undefined
  /** Requests, when they were asked and whether they were answered. */
  readonly requests: readonly { readonly at: number; readonly answered: boolean }[]
}

async function serve({ wire, port }: Pick<Asked, 'wire' | 'port'>): Promise<void> {
  await new Flow({ protocol: wire, port }).add({ name: 'far', uses: () => {} }).open()
  process.send!('open')
}

async function load({ wire, who, port, options }: Asked): Promise<void> {
  const tried: number[] = []
  subscribe('net.client.socket', (message) => {
    const { socket } = message as { socket: Socket }
    const { connect } = socket
    socket.connect = ((...args: any[]) => {
      const [first] = Array.isArray(args[0]) ? args[0] : args
      if (Number(first?.port ?? first) === port) tried.push(Date.now())
      return connect.apply(socket, args as never)
    }) as typeof connect
  })
  let [opened, closed]: (number | undefined)[] = []
  const logger = ({ event, time }: { event: string; time: number }): void => {
    if (event === 'breaker.opened') opened ??= time
    if (event === 'breaker.closed') closed = time
  }
  const all = { host: '127.0.0.1', port, protocol: wire, retries: 3, ...options }
  const asked: Pick<Client, 'post'> =
    who === 'Client' ? new Client({ ...all, logger }) : ((await new Flow({ logger }).add({ name: 'far', external: true, ...all } as any).open()) as any)
  const requests: { at: number; answered: boolean }[] = []
  const one = async (): Promise<void> => {
    const request = { at: Date.now(), answered: false }
    requests.push(request)
    await asked.post('/', 'a').drain()
    request.answered = true
  }
  let over = false
  process.on('message', () => {
    over = true
  })
  const start = performance.now()
  for (let n = 0; !over; n++) {
    const wait = (n * 1000) / RATE - (performance.now() - start)
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait))
    one().catch(() => {})
  }
  process.send!({ tried, opened, closed, requests } satisfies Noted, () => process.exit())
}

function child(part: string, told: object): ChildProcess {
  return fork(process.argv[1]!, [part, JSON.stringify(told)], { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}

const said = <T>(process: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    process.once('message', (message) => resolve(message as T))
    process.once('exit', (code) => reject(new Error(`A process of this bench ended with ${code}`)))
  })

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function measure(wire: Wire, who: Who, options: ClientOptions) {
  const port = await freePort()
  let server = child('serve', { wire, port })
  await said(server)
  const loading = child('load', { wire, who, port, options })
  const noted = said<Noted>(loading)
  await sleep(BEFORE)
  server.removeAllListeners('exit')
  const gone = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGKILL')
  await gone
  const killed = Date.now()
  await sleep(AWAY)
  server = child('serve', { wire, port })
  await said(server)
  const back = Date.now()
  await sleep(AFTER)
  loading.send('over')
  const { tried, opened, closed, requests } = await noted
  server.removeAllListeners('exit')
  server.kill('SIGKILL')
  const within = (at: number): boolean => at >= killed && at < back
  const asked = requests.filter(({ at }) => within(at)).length
  const first = requests.find(({ at, answered }) => answered && at >= back)
  return {
    load: tried.filter(within).length / asked,
    opened: opened === undefined ? Infinity : (opened - killed) / 1000,
    closed: closed === undefined || closed < back ? (opened === undefined ? Infinity : 0) : (closed - back) / 1000,
    answered: first === undefined ? Infinity : (first.at - back) / 1000,
  }
}

async function report(): Promise<void> {
  title('breaker', 'What gets to a server that is away, and how soon is it asked again?')
  say(
    `${RATE} requests a second, each with \`retries: 3\`, whatever becomes of those before. The server is killed after ${figure(BEFORE / 1000)} s, and started again at the same port ${figure(AWAY / 1000)} s later. Load is connections tried ` +
      'for each request while it is away, those that ask why there is none among them. "Opened" is counted from its end, "closed" and "answered" from when it listens again.',
  )
  const must: Target[] = []
  const rows: string[][] = []
  const ways: [string, ClientOptions][] = [
    ['as it is', {}],
    ['breaker: false', { breaker: false }],
    // It goes to another process as JSON, which has no Infinity.
    ['breaker: false, no bound of retries', { breaker: false, retryBudget: 1e9 }],
  ]
  for (const who of ['Client', 'external'] as const)
    for (const wire of WIRES)
      for (const [name, options] of ways) {
        if (name !== 'as it is' && (quick || who === 'external')) continue
        const { load, opened, closed, answered } = await measure(wire, who, options)
        rows.push([`${who}, ${wire}, ${name}`, ...[load, opened, closed, answered].map(figure)])
        if (name !== 'as it is') continue
        must.push(atMost(`${who}, ${wire}: load, times the requests`, 1.2, load))
        must.push(below(`${who}, ${wire}: opened`, 1, opened, ' s'))
        must.push(atMost(`${who}, ${wire}: closed`, 2, closed, ' s'))
      }
  table(['who asks', 'load', 'opened, s', 'closed, s', 'answered, s'], rows)
  if (!targets(must)) process.exitCode = 1
  say(`Measured in ${elapsed()}.`)
}

const [, , part, told] = process.argv
if (part === 'serve') await serve(JSON.parse(told!))
else if (part === 'load') await load(JSON.parse(told!))
else await report()
