import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { Flow } from '../flow.js'
import { type Gateway, type GatewayOptions, notice } from '../gateway/index.js'
import { checkGatewayOptions } from '../gateway/options.js'
import { flowOf } from './flow-file.js'
import { asUsage, integer, jsonObject, list, pair, Usage } from './usage.js'

interface ServeOptions {
  protocol?: string[]
  port?: number[]
  host?: string
  tlsKey?: string
  tlsCert?: string
  tlsCa?: string
  cors?: string[] | true
  graphql?: true
  quiet?: true
}

interface ExecutorOptions extends ServeOptions {
  name: string
  with?: Record<string, unknown>
  env: Record<string, string>
  workspace?: string
  parallel?: number
}

/** As Jina's examples have it, more or less: a port that is rarely taken. */
const PORT = 51_000

/** `sluice flow`: a Flow as a service. */
export function flowCommand(): Command {
  return serving(
    new Command('flow')
      .summary('serve a Flow')
      .description('Opens a Flow and serves it over gRPC, HTTP and WebSocket, until it is told to stop.')
      .argument('<flow>', 'a YAML file, or a module (.ts, .js) that exports a Flow, or a function returning one, as default or by the name flow')
      .option('--graphql', 'GraphQL at /graphql, beside HTTP'),
    `
Examples:
  $ sluice flow flow.yml
  $ sluice flow flow.yml --protocol grpc,http,websocket --port 8080 --graphql    # all at one port
  $ sluice flow flow.js --protocol grpc,http --port 51000,8080`,
  ).action(async (file: string, options: ServeOptions) => serve(await flowOf(file), options))
}

/** `sluice executor`: one Executor as a service, for Flows elsewhere. */
export function executorCommand(): Command {
  return serving(
    new Command('executor')
      .summary('serve one Executor, for Flows elsewhere')
      .description('Serves one Executor over gRPC, for Flows that use it as external: ours, and those of Python Jina.')
      .argument('<uses>', "a module and its export, './executor.js#MyExecutor', or the YAML file of an executor")
      .option('--name <name>', 'what it is called', 'executor')
      .option('--with <json>', 'its configuration, such as \'{"model": "small"}\'', jsonObject)
      .option('--env <name=value>', 'what it finds in this.env; as often as needed', pair, {})
      .option('--workspace <folder>', 'the folder below which it has its own')
      .option('--parallel <n>', 'how many instances there are', integer),
    `
Examples:
  $ sluice executor ./executor.js#Encoder --port 51001
  and in a Flow: add({ external: true, host: 'grpc://127.0.0.1:51001' })`,
  ).action(async (uses: string, { name, with: usesWith, env, workspace, parallel, ...options }: ExecutorOptions) =>
    serve(
      asUsage(() => new Flow<string>({ name }).add({ name, uses, usesWith, env, workspace, parallel })),
      options,
    ),
  )
}

function serving(command: Command, examples: string): Command {
  return command
    .option('--protocol <list>', 'grpc, http, websocket, or several with commas (default: grpc)', list)
    .option('--port <list>', `the port, or one for each protocol with commas (default: ${PORT})`, ports)
    .option('--host <address>', 'the address to listen at; 0.0.0.0 is everybody who can reach it (default: 127.0.0.1)')
    .option('--tls-key <file>', 'a key, as PEM, to speak TLS')
    .option('--tls-cert <file>', 'its certificate, as PEM')
    .option('--tls-ca <file>', 'whom to trust, as PEM: clients then need a certificate')
    .option('--cors [origins]', 'pages of which other origins may call it, with commas; without a list, all', list)
    .option('--quiet', 'say nothing')
    .addHelpText(
      'after',
      `${examples}

Ctrl-C (SIGINT) and SIGTERM let what is under way finish, then stop. Once more ends at once.

Exit codes:
  0  it was told to stop, and did     1  it could not start     2  the command line makes no sense`,
    )
}

function ports(text: string): number[] {
  return list(text).map(integer)
}

async function serve(flow: Flow<string>, options: ServeOptions): Promise<void> {
  await flow.open()
  const own = Object.keys(flow.addresses).length > 0
  if (own && (options.protocol ?? options.port ?? options.host) !== undefined) {
    await flow.close()
    throw new Usage('this Flow says itself how it is served. Say it there, or take it out there')
  }
  let gateway: Gateway | undefined
  try {
    const { Gateway } = await import('../gateway/index.js')
    if (!own) {
      const told = await gatewayOptions(flow, options)
      asUsage(() => checkGatewayOptions(told))
      gateway = await Gateway.serve(flow, told)
    }
    if (!options.quiet) process.stderr.write(`${notice(flow.name, gateway ?? { addresses: flow.addresses, options: flow.options })}\n`)
    await flow.block({ before: () => gateway?.close(flow.options.closeTimeout) })
  } finally {
    await gateway?.close()
    await flow.close()
  }
}

async function gatewayOptions(flow: Flow<string>, { protocol, port, host, tlsKey, tlsCert, tlsCa, cors, graphql }: ServeOptions): Promise<GatewayOptions> {
  if ((tlsKey === undefined) !== (tlsCert === undefined)) throw new Usage('--tls-key and --tls-cert go together')
  return {
    title: flow.name,
    protocol: (protocol ?? (graphql ? ['http'] : ['grpc'])) as NonNullable<GatewayOptions['protocol']>,
    port: port === undefined ? PORT : port.length === 1 ? port[0] : port,
    host,
    graphql,
    cors: cors === true ? true : cors && { origins: cors },
    ...(tlsKey !== undefined && {
      tls: { key: await readFile(tlsKey), cert: await readFile(tlsCert!), ...(tlsCa !== undefined && { ca: await readFile(tlsCa) }) },
    }),
  }
}
