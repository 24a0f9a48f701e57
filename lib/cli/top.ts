import { Command } from 'commander'
import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { say } from '../base/errors.js'
import { Scope } from '../stream/scope.js'
import { wayTo } from '../wire/http/client/connect.js'
import { failureOf, failureOfStatus } from '../wire/http/client/failures.js'
import type { Received } from '../wire/http/client/transport.js'
import type { ServiceStatus } from '../wire/service-status.js'
import { type Brought, bringing, broughtBy, clientOf } from './reach.js'
import { type Picture, tableOf } from './top-table.js'
import { asUsage, Usage } from './usage.js'

interface TopOptions extends Brought {
  once?: true
}

/** Milliseconds between two looks where a server is asked. One that has a live page tells by itself, as often. */
const INTERVAL = 1000
/** Bytes of what a server says at once. */
const MOST = 16 * 1024 * 1024

/** `sluice top`: what a Flow is doing, in a terminal. */
export function topCommand(): Command {
  return bringing(
    new Command('top')
      .summary('watch what a served Flow is doing')
      .description(
        'Shows what a Flow, or an executor, that is served over HTTP or gRPC is doing: for each executor what is in flight, done a second and failed, and how long it takes.',
      )
      .argument('<address>', 'where it answers: http://127.0.0.1:8080 or grpc://127.0.0.1:51000; with TLS https:// or grpcs://'),
  )
    .option('--once', 'print one table, and end')
    .addHelpText(
      'after',
      `
Where the Flow has a live page (--ui), that tells all of it; elsewhere /status does. Below an executor elsewhere stands what it says itself, for all who ask it.

Examples:
  $ sluice top http://127.0.0.1:8080
  $ sluice top https://flow.example --token-file token --once

Exit codes:
  0  it was shown, or stopped by Ctrl-C     1  nobody answers, or says no such thing     2  the command line makes no sense`,
    )
    .action(top)
}

async function top(address: string, { once, ...brought }: TopOptions): Promise<void> {
  const screen = new Screen()
  const stop = new Scope()
  const end = (): void => stop.abort(new Error('stopped'))
  process.once('SIGINT', end).once('SIGTERM', end)
  const look = await looking(address, brought, stop)
  let reached = false
  try {
    for (;;) {
      try {
        for await (const picture of look(stop)) {
          reached = true
          screen.show(picture)
          if (once) return
        }
      } catch (error) {
        if (stop.aborted) return
        // Who was there comes back.
        if (!reached || once) throw error
        screen.note(`${say(error)}. Asking again`)
      }
      if (stop.aborted) return
      await pause(stop.signal)
    }
  } finally {
    end()
    process.off('SIGINT', end).off('SIGTERM', end)
  }
}

type Ask = (path: string, scope: Scope) => Promise<Received>
/** What shows the server, until it is told to stop. */
type Look = (stop: Scope) => AsyncGenerator<Picture>

/** Over HTTP, each second: by itself where it has a live page, else as it is asked; over gRPC it is asked. @throws Usage, ConfigError */
async function looking(address: string, brought: Brought, stop: Scope): Promise<Look> {
  if (!/^grpcs?:/i.test(address)) {
    const ask = await asking(address, brought)
    return (stop) => pictures(ask, stop)
  }
  const client = await clientOf(address, brought, {})
  stop.watch(() => void client.close())
  return (stop) =>
    asked(async () => {
      const [told] = await client.status('1')
      return statusIn(told?.status)
    }, stop)
}

/** How a path of the server is asked for. @throws Usage, ConfigError, ConnectionError */
async function asking(address: string, given: Brought): Promise<Ask> {
  const { headers = {}, tls, token, tokenFile } = await broughtBy(given)
  const where = address.includes('://') ? address : `http://${address}`
  if (!/^https?:/i.test(where))
    throw new Usage(`sluice top asks over HTTP or gRPC, such as at http://127.0.0.1:8080, and not at ${address}. The Flow has to speak one of them`)
  const { url, transport } = asUsage(() => wayTo(where, tls === undefined ? {} : { tls }))
  const bearer = tokenFile === undefined ? () => token : await (await import('../wire/tokens.js')).tokenFrom(tokenFile)
  return async (path, scope) => {
    const own = await bearer()
    const sent = { accept: '*/*', ...headers, ...(own !== undefined && { authorization: `Bearer ${own}` }) }
    try {
      return await transport.send({ method: 'GET', url: new URL(url.pathname.replace(/\/$/, '') + path, url), headers: sent }, scope)
    } catch (error) {
      throw failureOf(url.origin, error, false)
    }
  }
}

async function* pictures(ask: Ask, stop: Scope): AsyncGenerator<Picture> {
  const scope = stop.child()
  try {
    const events = await ask('/ui/events', scope)
    if (events.status === 200) yield* told(events)
    else if (events.status !== 404) throw failureOfStatus('the server', events, '/ui/events', '')
    // Of one server and one life: who is found silent ends both.
    else yield* asked(async () => statusOf(await ask('/status?live=1', scope)), scope)
  } finally {
    scope.close()
  }
}

async function* told(events: Received): AsyncGenerator<Picture> {
  const decoder = new TextDecoder()
  let [text, title] = ['', undefined as string | undefined]
  for await (const chunk of events.chunks()) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(text.slice(0, end)) ?? []
      text = text.slice(end + 2)
      if (name === undefined) continue
      const { status, rates, executors, ...about } = JSON.parse(data!) as {
        title?: string
        status: ServiceStatus
        rates?: { perSecond: number }
        executors?: Picture['executors']
      }
      if (name === 'hello') title = about.title
      // Who has had nothing since this began is not in it.
      const known = status?.executors.map(({ name }) => [name, { perSecond: 0, ...executors?.[name] }] as const)
      if (name === 'tick') yield { title, status, perSecond: rates?.perSecond, executors: Object.fromEntries(known) }
    }
    if (text.length > MOST) throw new Error(`The server says more than ${MOST} bytes at once`)
  }
}

async function* asked(ask: () => Promise<ServiceStatus>, stop: Scope): AsyncGenerator<Picture> {
  let before: { time: number; done: number; executors: ReadonlyMap<string, number> } | undefined
  for (;;) {
    const status = await ask()
    const time = now()
    const done = status.requests.answered + status.requests.failed
    const executors = new Map(status.executors.map(({ name, replicas }) => [name, replicas.reduce((sum, { answered, failed }) => sum + answered + failed, 0)]))
    if (before !== undefined) {
      const { time: then, done: was, executors: were } = before
      const perSecond = (count: number, was = 0): number => Math.round((Math.max(0, count - was) / (time - then)) * 10_000) / 10
      yield {
        title: undefined,
        status,
        perSecond: perSecond(done, was),
        executors: Object.fromEntries(
          [...executors].map(([name, count]) => [name, { perSecond: perSecond(count, were.get(name)), ...status.times?.executors[name] }]),
        ),
      }
    }
    before = { time, done, executors }
    await pause(stop.signal)
  }
}

async function statusOf(received: Received): Promise<ServiceStatus> {
  if (received.status !== 200) throw failureOfStatus('the server', received, '/status', '')
  const { sluice } = JSON.parse(new TextDecoder().decode(await received.whole(MOST))) as { sluice?: ServiceStatus }
  return statusIn(sluice)
}

/** @throws Error for who says nothing of the kind */
function statusIn(status: unknown): ServiceStatus {
  if ((status as Partial<ServiceStatus> | undefined)?.executors === undefined)
    throw new Error('The server tells its versions, and no numbers: it is no sluice, an older one, or has noDebugEndpoints')
  return status as ServiceStatus
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, INTERVAL)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}

/** Where the table stands: in a terminal, each new one in the place of the one before. */
class Screen {
  #lines = 0

  show(picture: Picture): void {
    const { columns = 80, rows = 24, isTTY = false } = process.stdout
    // A terminal that is written to its last column begins a new line by itself.
    const lines = tableOf(picture, isTTY ? columns - 1 : Number(process.env.COLUMNS) || 80, isTTY ? rows : Infinity)
    this.#write(lines)
  }

  note(text: string): void {
    const { columns = 80, isTTY = false } = process.stdout
    if (isTTY) this.#write([text.slice(0, columns - 1)])
    else process.stderr.write(`sluice: ${text}\n`)
  }

  #write(lines: readonly string[]): void {
    if (!process.stdout.isTTY) {
      process.stdout.write(`${this.#lines > 0 ? '\n' : ''}${lines.join('\n')}\n`)
      this.#lines = lines.length
      return
    }
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A` : ''
    process.stdout.write(`${up}\r${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`)
    this.#lines = lines.length
  }
}
