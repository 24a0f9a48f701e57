// What goes wrong between this end and whoever listens there: nobody, somebody silent, a proxy, another protocol, a certificate.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createHttp2, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { WebSocketServer } from 'ws'
import { Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { type Call, Flow } from '../../lib/index.js'
import { natsServer } from '../support/nats.js'
import { deadPort, silence } from '../support/nobody.js'
import { road } from '../support/road.js'
import { certificates } from '../support/tls.js'
import { cannot } from './cannot.js'
import type { Row } from './contract.js'
import { connection } from './table.js'
import { isHere, outcome, type Step, type Way } from './way.js'
import { REACHED } from './ways.js'

const ONE_PROCESS = cannot('there is one process')
/** fetch tells no more of a port that hangs up, and lets nobody ask. */
const HIDDEN = 'ERR_DISCONNECTED'
const OWN_AUTHORITIES = cannot("the platform's fetch takes no authorities of one's own")

type Reach = Parameters<NonNullable<Way['reach']>>[1]

/** How one small request to a port ends. */
async function ask(way: Way, port: number, options?: Reach): Promise<string> {
  await using it = await way.reach!(port, options)
  try {
    for await (const { error } of it.post('/', ['x'])) if (error !== undefined) return outcome(error)
    return 'answered'
  } catch (error) {
    return outcome(error)
  }
}

/** A row of the ways that have a wire. */
const wired = (name: string, code: string, see: Row['see']): Row => ({
  name,
  expect: (way) => (isHere(way) ? ONE_PROCESS : connection(way, code)),
  see,
})

/** A gateway that speaks what a way speaks. */
async function gateway(way: Way, options: GatewayOptions = {}, step: Step = { name: 'actor', uses: () => {} }) {
  if (way.protocol === 'nats' && options.protocol === undefined) return overNats(options, step)
  const flow = await new Flow({ closeTimeout: 100 }).add(step as any).open()
  const gateway = await Gateway.serve(flow, { protocol: way.protocol!, graphql: way.kind === 'graphql', onError: () => {}, ...options })
  return {
    port: gateway.port,
    async [Symbol.asyncDispose]() {
      await gateway.close(0)
      await flow.close()
    },
  }
}

/** The same at a server of NATS of its own, which speaks TLS where that is asked for. */
async function overNats({ tls, ...options }: GatewayOptions, step: Step) {
  const { ca, client } = await certificates()
  const { key, cert, ca: asks } = (tls ?? {}) as Record<string, string>
  const files = tls === undefined ? {} : { key_file: key!, cert_file: cert!, ...(asks !== undefined && { ca_file: asks }) }
  const written = Object.entries<string>(files as Record<string, string>).map(([name, pem]) => `${name}: "${fileOf(pem)}"`)
  const server = await natsServer({ config: tls === undefined ? '' : `tls { ${written.join('\n')}\n ${asks === undefined ? '' : 'verify: true'} }` })
  const flow = await new Flow({ closeTimeout: 100 }).add(step as any).open()
  const nats = { address: `nats${tls === undefined ? '' : 's'}://localhost:${server.port}${REACHED}`, ...(tls !== undefined && { tls: { ca, ...client } }) }
  // With a certificate that is none, nobody gets there, nor do we.
  const gateway = await Gateway.serve(flow, { onError: () => {}, ...options, nats }).catch((error) => {
    if (tls === undefined) throw error
  })
  return {
    port: server.port,
    async [Symbol.asyncDispose]() {
      await gateway?.close(0)
      await flow.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Somebody who answers every request in one way: a status and a page, or with a status of 200 what is no answer. */
async function stranger(way: Way, status: number, answer: string) {
  if (way.protocol === 'nats') return strangerOverNats(answer)
  let asked = 0
  const sessions = new Set<ServerHttp2Session>()
  const secure = way.protocol === 'grpc'
  const type = status !== 200 ? 'text/html' : secure ? 'application/grpc' : 'application/json'
  const server = secure
    ? createHttp2((request, response) => {
        asked++
        request.on('error', () => {})
        response.writeHead(status, { 'content-type': type })
        // Framed as gRPC frames it.
        response.end(status === 200 ? Buffer.concat([Buffer.of(0, 0, 0, 0, answer.length), Buffer.from(answer)]) : answer)
      }).on('session', (session) => void sessions.add(session))
    : createServer((request, response) => {
        // fetch asks first what may be streamed.
        if (request.method === 'POST') asked++
        request.resume().on('end', () => response.writeHead(status, { 'content-type': type }).end(answer))
      })
  if (way.protocol === 'websocket') {
    if (status === 200)
      new WebSocketServer({ server: server as Server }).on('connection', (socket) => socket.on('message', () => socket.send(Buffer.from(answer))))
    else
      server.on('upgrade', (_, socket) => {
        asked++
        socket.end(`HTTP/1.1 ${status} X\r\ncontent-type: ${type}\r\ncontent-length: 0\r\n\r\n`)
      })
  }
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()))
  return {
    port: (server.address() as AddressInfo).port,
    get asked() {
      return asked
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      ;(server as Server).closeAllConnections?.()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const FOLDER = mkdtempSync(join(tmpdir(), 'sluice-strangers-'))
process.on('exit', () => rmSync(FOLDER, { recursive: true, force: true }))
let files = 0

function fileOf(pem: string): string {
  const file = join(FOLDER, `${files++}.pem`)
  writeFileSync(file, pem)
  return file
}

/** Somebody under that name who answers what is none. */
async function strangerOverNats(answer: string) {
  const server = await natsServer()
  const connection = await connect({ servers: `127.0.0.1:${server.port}` })
  let asked = 0
  connection.subscribe(`sluice${REACHED.replaceAll('/', '.')}.call`, {
    callback(_, message) {
      asked++
      message.respond(answer)
    },
  })
  await connection.flush()
  return {
    port: server.port,
    get asked() {
      return asked
    },
    async [Symbol.asyncDispose]() {
      await connection.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** What a status of a proxy means, on every wire. What may pass is tried again, as often as may be. */
const STATUSES: Readonly<Record<number, string>> = {
  400: 'ERR_REFUSED',
  401: 'ERR_REFUSED',
  403: 'ERR_REFUSED',
  404: 'ERR_PROTOCOL',
  408: 'ERR_TIMEOUT',
  413: 'ERR_TOO_LARGE',
  429: 'ERR_UNREACHABLE',
  500: 'ERR_REFUSED',
  502: 'ERR_UNREACHABLE',
  503: 'ERR_UNREACHABLE',
  504: 'ERR_TIMEOUT',
}

const proxied = Object.entries(STATUSES).map(
  ([status, code]): Row => ({
    name: `a proxy answers ${status}`,
    expect(way) {
      if (isHere(way)) return ONE_PROCESS
      if (way.protocol === 'nats') return cannot('no proxy of HTTP stands before NATS')
      // mutate() sends once.
      const times = code === 'ERR_UNREACHABLE' && way.kind !== 'graphql' ? 3 : 1
      return `${connection(way, code)}, asked ${times} of 3 times`
    },
    async see(way) {
      await using proxy = await stranger(way, Number(status), '<html>proxy</html>')
      const seen = await ask(way, proxy.port, { retries: { attempts: 2, delay: 1, maxDelay: 1 } })
      return `${seen}, asked ${proxy.asked} of 3 times`
    },
  }),
)

const another = (['grpc', 'http', 'websocket'] as const).map(
  (protocol): Row => ({
    name: `another protocol: ${protocol}`,
    expect: (way) =>
      isHere(way)
        ? ONE_PROCESS
        : way.protocol === protocol
          ? cannot('it is the same')
          : connection(way, way.kind === 'fetch' && protocol === 'grpc' ? HIDDEN : 'ERR_PROTOCOL'),
    async see(way) {
      await using other = await gateway(way, { protocol, graphql: false })
      return await ask(way, other.port)
    },
  }),
)

/** A row of what TLS can find wrong, by a Client that trusts one authority. */
const trusting = (name: string, code: string, see: Row['see']): Row => ({
  name,
  expect: (way) => (isHere(way) ? ONE_PROCESS : way.kind === 'fetch' ? OWN_AUTHORITIES : code === '' ? 'answered' : connection(way, code)),
  see,
})

const localhost = { secure: true, host: 'localhost' }

export const STRANGERS: readonly Row[] = [
  {
    name: 'an executor elsewhere has another name there: target and parameters of its name here reach it',
    expect: (way) =>
      way.kind === 'external'
        ? JSON.stringify({ target: 'top 1', list: 'top 1', other: 'x', flat: 'top 9', nested: 'top 9' })
        : cannot('only executors elsewhere have two names'),
    async see(way) {
      const there: Step = { name: 'there', uses: ({ docs, parameters: { top = 1 } }: Call) => void (docs[0]!.text = `top ${top}`) }
      await using far = await gateway(way, {}, there)
      await using it = await way.reach!(far.port)
      const seen = async (options: object): Promise<string> => {
        for await (const { docs } of it.post('/', ['x'], options)) return docs.texts.join()
        return 'nothing'
      }
      return JSON.stringify({
        target: await seen({ targetExecutor: 'actor' }),
        list: await seen({ targetExecutor: 'other|act' }),
        other: await seen({ targetExecutor: 'other' }),
        flat: await seen({ parameters: { actor__top: 9 } }),
        nested: await seen({ parameters: { actor: { top: 9 } } }),
      })
    },
  },
  wired('nobody there', 'ERR_UNREACHABLE', async (way) => ask(way, await deadPort())),
  {
    name: 'half-open: somebody who never says a word, and a timeout',
    beside: true,
    expect: (way) => (isHere(way) ? ONE_PROCESS : way.kind === 'external' ? 'ExecutorError ERR_EXECUTOR_TIMEOUT of actor' : 'ConnectionError ERR_TIMEOUT'),
    async see(way) {
      await using silent = await silence()
      return await ask(way, silent.port, { timeout: 300 })
    },
  },
  {
    name: 'half-open: somebody who never says a word, and a connectTimeout',
    beside: true,
    expect: (way) =>
      isHere(way)
        ? ONE_PROCESS
        : way.kind === 'external'
          ? cannot('external executors have no connectTimeout of their own')
          : // Only HTTP has a connection before the server says a word; and fetch, which does not say when it has one, is preceded by a question.
            `ConnectionError ${way.protocol === 'http' && way.kind !== 'fetch' ? 'ERR_TIMEOUT' : 'ERR_UNREACHABLE'}`,
    async see(way) {
      await using silent = await silence()
      return await ask(way, silent.port, { timeout: 1500, connectTimeout: 200 })
    },
  },
  {
    name: 'half-open: packets vanish under a connection that stood, and a timeout',
    beside: true,
    expect: (way) => (isHere(way) ? ONE_PROCESS : way.kind === 'external' ? 'ExecutorError ERR_EXECUTOR_TIMEOUT of actor' : 'ConnectionError ERR_TIMEOUT'),
    see: (way) => frozen(way, { timeout: 2000 }),
  },
  {
    name: 'half-open: packets vanish under a connection that stood, by default',
    beside: true,
    expect: (way) => (isHere(way) ? ONE_PROCESS : connection(way, 'ERR_DISCONNECTED')),
    see: (way) => frozen(way, undefined, 10_000),
  },
  wired('the answer cannot be read', 'ERR_PROTOCOL', async (way) => {
    await using other = await stranger(way, 200, '\u007f\u007f{')
    return await ask(way, other.port, { timeout: 5000 })
  }),
  ...proxied,
  ...another,
  {
    name: 'GraphQL is not switched on there',
    expect: (way) => (way.kind === 'graphql' ? 'ConnectionError ERR_PROTOCOL' : cannot('it is not asked for')),
    async see(way) {
      await using other = await gateway(way, { graphql: false })
      return await ask(way, other.port)
    },
  },
  {
    name: 'TLS there, none here',
    expect: (way) => (isHere(way) ? ONE_PROCESS : connection(way, way.kind === 'fetch' ? HIDDEN : 'ERR_PROTOCOL')),
    async see(way) {
      const { key, cert } = await certificates()
      await using secure = await gateway(way, { tls: { key, cert } })
      return await ask(way, secure.port)
    },
  },
  wired('TLS here, none there', 'ERR_TLS', async (way) => {
    await using plain = await gateway(way)
    return await ask(way, plain.port, localhost)
  }),
  wired('TLS: an authority that is not trusted', 'ERR_TLS', async (way) => {
    const { key, cert } = await certificates()
    await using secure = await gateway(way, { tls: { key, cert } })
    return await ask(way, secure.port, localhost)
  }),
  trusting('TLS: a certificate that is trusted', '', async (way) => {
    const { ca, key, cert } = await certificates()
    await using secure = await gateway(way, { tls: { key, cert } })
    return await ask(way, secure.port, { ...localhost, tls: { ca } })
  }),
  trusting('TLS: a certificate that has expired', 'ERR_TLS', async (way) => {
    const { ca, expired } = await certificates()
    await using secure = await gateway(way, { tls: expired })
    return await ask(way, secure.port, { ...localhost, tls: { ca } })
  }),
  trusting('TLS: a certificate of another host', 'ERR_TLS', async (way) => {
    const { ca, wrongName } = await certificates()
    await using secure = await gateway(way, { tls: wrongName })
    return await ask(way, secure.port, { ...localhost, tls: { ca } })
  }),
  trusting("TLS: a client's certificate, as the server asks for", '', async (way) => {
    const { ca, key, cert, client } = await certificates()
    await using secure = await gateway(way, { tls: { key, cert, ca } })
    return await ask(way, secure.port, { ...localhost, tls: { ca, ...client } })
  }),
  trusting('TLS: no certificate where the server asks for one', 'ERR_TLS', async (way) => {
    const { ca, key, cert } = await certificates()
    await using secure = await gateway(way, { tls: { key, cert, ca } })
    return await ask(way, secure.port, { ...localhost, tls: { ca } })
  }),
  trusting("TLS: a client's certificate of another authority", 'ERR_TLS', async (way) => {
    const { ca, key, cert, selfSigned } = await certificates()
    await using secure = await gateway(way, { tls: { key, cert, ca } })
    return await ask(way, secure.port, { ...localhost, tls: { ca, ...selfSigned } })
  }),
]

const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1)

/**
 * Asked once, and again when nothing gets there any more.
 * @param most milliseconds in which that must be told; `TEST_PATIENCE=4` gives four times as long
 */
async function frozen(way: Way, options?: Reach, most = Infinity): Promise<string> {
  await using far = await gateway(way)
  await using between = await road(far.port)
  await using it = await way.reach!(between.port, options)
  const once = async (): Promise<string> => {
    try {
      for await (const { error } of it.post('/', ['x'])) if (error !== undefined) return outcome(error)
      return 'answered'
    } catch (error) {
      return outcome(error)
    }
  }
  const first = await once()
  between.freeze()
  const start = performance.now()
  const second = `${await once()}${performance.now() - start > most * PATIENCE ? ', late' : ''}`
  return first === 'answered' ? second : `first ${first}, then ${second}`
}
