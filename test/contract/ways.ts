import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { Client } from '../../lib/client/index.js'
import { createHttp, Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import type { Protocol } from '../../lib/wire/address.js'
import { Folder } from '../support/folder.js'
import { type NatsServer, natsServer } from '../support/nats.js'
import { answers as graphqlAnswers } from './graphql-answers.js'
import type { Ends, Opened, Step, Way } from './way.js'

type AnyFlow = Flow<any, any>

const folder = new Folder()
const SCHEMES = { grpc: 'grpc', http: 'http', websocket: 'ws', nats: 'nats' } as const
const quiet = { onError: () => {} }

const flowOf = (steps: readonly Step[], closeTimeout = 500): AnyFlow =>
  steps.reduce((flow: AnyFlow, step) => flow.add(step as any) as AnyFlow, new Flow({ name: 'contract', closeTimeout, onBackgroundError: () => {} }))

export const inline: Way = {
  name: 'inline',
  kind: 'inline',
  async open(steps) {
    const flow = await flowOf(steps).open()
    const close = () => flow.close()
    return { post: (...given) => flow.post(...given), close, isReady: async () => flow.isOpen, [Symbol.asyncDispose]: close }
  },
}

/** A Flow whose executors run in a thread or process each. */
export function place(runtime: 'thread' | 'process'): Way {
  return {
    name: runtime,
    kind: 'place',
    open: async (steps) => {
      await import('./places.js')
      return flowTo(steps.map((step) => ({ ...step, runtime })))
    },
  }
}

/** A Flow whose executors run at a daemon: all between is what is between real ones, TLS and the last wall apart. */
export const daemon: Way = {
  name: 'daemon',
  kind: 'place',
  async open(steps) {
    const [{ Daemon }] = await Promise.all([import('../../lib/daemon/daemon.js'), import('./places.js')])
    const there = await Daemon.serve({ port: 0, folder: folder.file('daemon'), maxExecutors: 100, ...quiet })
    const at = { runtime: 'daemon', host: there.address } as const
    return flowTo(
      steps.map((step) => ({ ...step, ...at })),
      () => there.close(),
    )
  },
}

/** What a way in by a Client ends with: the Client first, then who answers it. */
function opened(client: Client, post: Opened['post'], far?: Opened['far'] & { end(): Promise<unknown> }): Opened {
  return {
    post,
    close: () => client.close(),
    isReady: () => client.isFlowReady({ timeout: 2000 }),
    ...(far && { far }),
    async [Symbol.asyncDispose]() {
      await client.close()
      await far?.end()
    },
  }
}

let server: Promise<NatsServer> | undefined
let names = 0

/** How it is served on a wire. Over NATS, each under a name of its own at one server. */
async function spoken(protocol: Protocol): Promise<NonNullable<Ends['gateway']>> {
  if (protocol !== 'nats') return { protocol }
  server ??= natsServer()
  return { nats: `nats://127.0.0.1:${(await server).port}/contract/actor-${names++}` }
}

/** A Client on one of the wires, towards a gateway. */
export function client(protocol: Protocol): Way {
  const of = (client: Client, far?: any) => opened(client, (...given) => client.post(...given), far)
  return {
    name: `client ${protocol}`,
    kind: 'client',
    protocol,
    async open(steps, ends = {}) {
      const far = await served(steps, { ...ends.gateway, ...(await spoken(protocol)) })
      return of(new Client(far.gateway.addresses[protocol]!, ends.client), far)
    },
    reach: async (port, options) => of(towards(protocol, port, options)),
  }
}

/** A Client's `mutate()` and `subscribe()`, towards a gateway. */
export const graphql: Way = {
  name: 'graphql',
  kind: 'graphql',
  protocol: 'http',
  async open(steps, ends = {}) {
    const far = await served(steps, { ...ends.gateway, protocol: 'http', graphql: { ...quiet } })
    const client = new Client(far.gateway.addresses.http!, ends.client)
    return opened(client, (...given) => graphqlAnswers(client, ...given), far)
  },
  async reach(port, options) {
    const client = towards('http', port, options)
    return opened(client, (...given) => graphqlAnswers(client, ...given))
  },
}

/** Options of `add()` that go with the executor; the others stay in the Flow that asks for it. */
const WITH_THE_EXECUTOR = ['uses', 'usesWith', 'parallel', 'shards', 'polling', 'dynamicBatching', 'concurrency']

/** A Flow whose executors run elsewhere, each behind a gateway of its own. */
export function external(protocol: Protocol): Way {
  return {
    name: `external ${protocol}`,
    kind: 'external',
    protocol,
    async open(steps, ends = {}) {
      const fars: Awaited<ReturnType<typeof served>>[] = []
      const near: Step[] = []
      for (const step of steps) {
        const split = (elsewhere: boolean) => Object.fromEntries(Object.entries(step).filter(([key]) => WITH_THE_EXECUTOR.includes(key) === elsewhere))
        const far = await served([{ ...split(true), name: step.name }], { ...ends.gateway, ...(await spoken(protocol)) })
        fars.push(far)
        near.push({ ...(split(false) as Step), ...elsewhere(far.gateway.addresses[protocol]!, ends.client) })
      }
      const all = (end: 'drain' | 'die' | 'end') => async () => void (await Promise.all(fars.map((far) => far[end]())))
      return flowTo(near, all('end'), { drain: all('drain'), die: all('die') })
    },
    reach: (port, options) => flowTo([{ name: 'actor', ...elsewhere(addressOf(protocol, port, options), options) }]),
  }
}

const elsewhere = (host: string, { timeout, maxMessageBytes, tls, token }: Ends['client'] = {}) => {
  const told = Object.entries({ timeout, maxMessageBytes, tls, token }).filter(([, value]) => value !== undefined)
  return { external: true, host, ...Object.fromEntries(told) }
}

/**
 * @param end of what its executors run at, whether the Flow opens or not
 * @param closeTimeout milliseconds
 */
export async function flowTo(steps: readonly Step[], end?: () => Promise<unknown>, far?: Opened['far'], closeTimeout?: number): Promise<Opened> {
  const flow = await flowOf(steps, closeTimeout)
    .open()
    .catch(async (error) => {
      await end?.()
      throw error
    })
  const close = () => flow.close()
  return {
    post: (...given) => flow.post(...given),
    close,
    isReady: async () => flow.isOpen,
    ...(far && { far }),
    async [Symbol.asyncDispose]() {
      await close()
      await end?.()
    },
  }
}

/** `createHttp().fetch` behind a server of somebody else's, asked through the platform's `fetch`. */
export const fetched: Way = {
  name: 'fetch',
  kind: 'fetch',
  protocol: 'http',
  async open(steps, ends = {}) {
    const flow = await flowOf(steps).open()
    const { maxMessageBytes, timeout, prefetch, token, authenticate, authTimeout } = ends.gateway ?? {}
    const closed = { ...(token !== undefined && { token }), ...(authenticate !== undefined && { authenticate }) }
    const { fetch: handle } = createHttp(flow, { maxMessageBytes, timeout, prefetch, authTimeout, ...closed, ...quiet })
    const server = createServer(async (incoming, outgoing) => {
      const controller = new AbortController()
      outgoing.on('close', () => controller.abort())
      const { method = 'GET', url = '/', headers } = incoming
      const body = method === 'GET' || method === 'HEAD' ? null : (Readable.toWeb(incoming) as any)
      const init = { method, headers: headers as Record<string, string>, body, duplex: 'half', signal: controller.signal }
      const response = await handle(new Request(`http://${headers.host}${url}`, init))
      outgoing.writeHead(response.status, Object.fromEntries(response.headers))
      if (response.body === null) return void outgoing.end()
      Readable.fromWeb(response.body as any)
        .on('error', () => outgoing.destroy())
        .pipe(outgoing)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const down = () => new Promise<unknown>((resolve) => server.close(resolve))
    const die = async () => {
      const closed = down()
      server.closeAllConnections()
      await closed
    }
    const near = towards('http', port, { fetch, ...ends.client })
    return opened(near, (...given) => near.post(...given), {
      drain: async () => {
        const closed = down()
        server.closeIdleConnections()
        await closed
      },
      die,
      async end() {
        await die()
        await flow.close()
      },
    })
  },
  async reach(port, options) {
    const client = towards('http', port, { fetch, ...options })
    return opened(client, (...given) => client.post(...given))
  },
}

/** Under which name somebody answers over NATS who is reached by a port. */
export const REACHED = '/contract/reached'

/** The scheme says that there is TLS. */
const addressOf = (protocol: Protocol, port: number, { secure = false, host = '127.0.0.1' }: Parameters<NonNullable<Way['reach']>>[1] = {}): string =>
  `${SCHEMES[protocol]}${secure ? 's' : ''}://${host}:${port}${protocol === 'nats' ? REACHED : ''}`

function towards(protocol: Protocol, port: number, given: Parameters<NonNullable<Way['reach']>>[1] = {}): Client {
  const { secure: _, host: __, ...options } = given
  return new Client(addressOf(protocol, port, given), options)
}

async function served(steps: readonly Step[], options: Ends['gateway']) {
  const flow = await flowOf(steps).open()
  const gateway = await Gateway.serve(flow, { ...quiet, ...options })
  return {
    gateway,
    drain: () => gateway.close(),
    die: () => gateway.close(0),
    async end() {
      await gateway.close(0)
      await flow.close()
    },
  }
}
