import { Command } from 'commander'
import { toStderr } from '../base/log-line.js'
import { GATEWAY_KEYS } from '../config/flow-keys.js'
import { Flow } from '../flow/flow.js'
import type { FlowOptions } from '../flow/options.js'
import { only } from '../gateway/gateway.js'
import { type GatewayOptions, notice } from '../gateway/index.js'
import { checkGatewayOptions } from '../gateway/options.js'
import { tokenRule } from '../wire/tokens.js'
import { type Flags, flagged, withFlags } from './flags.js'
import { FLOW_FILE, flowOf } from './flow-file.js'
import { Stop } from './stop.js'
import { asUsage, integer, jsonObject, list, pair, tokens, Usage } from './usage.js'

const FLAGS = {
  docarray: 'version',
  prefetch: 'n',
  maxInFlight: 'n',
  maxMessageBytes: 'n',
  maxDocuments: 'n',
  maxJsonBytes: 'n',
  timeout: 'ms',
  headersTimeout: 'ms',
  bodyTimeout: 'ms',
  keepalive: 'ms',
  stallTimeout: 'ms',
  heartbeat: 'ms',
  drainDelay: 'ms',
  compression: 'on|off',
  title: 'text',
  description: 'text',
  openHealth: 'on|off',
  noDebugEndpoints: '',
  noCrudEndpoints: '',
  exposeStacks: '',
} as const satisfies Flags

interface ServeOptions extends Pick<GatewayOptions, keyof typeof FLAGS> {
  protocol?: string[]
  port?: number[]
  host?: string
  tlsKey?: string
  tlsCert?: string
  tlsCa?: string
  cors?: string[] | true
  graphql?: true
  tokenFile?: string
  allowedHosts?: string[]
  quiet?: true
}

interface ExecutorOptions extends ServeOptions {
  name: string
  with?: Record<string, unknown>
  env?: Record<string, string>
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
      .description('Serves a Flow over gRPC, HTTP, WebSocket and GraphQL, as its file says and, over that, as the options here say, until it is told to stop.')
      .argument('<flow>', FLOW_FILE),
    `
Examples:
  $ sluice flow flow.yml
  $ sluice flow flow.yml --protocol grpc,http,websocket --port 8080 --graphql    # all at one port
  $ sluice flow flow.js --protocol grpc,http --port 51000,8080`,
  )
    .option('--graphql', 'GraphQL at /graphql, beside HTTP')
    .action(async (file: string, options: ServeOptions) => serve(await flowOf(file), options))
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
      .option('--env <name=value>', 'what it finds in this.env; as often as needed', pair)
      .option('--workspace <folder>', 'the folder below which it has its own (default: none)')
      .option('--parallel <n>', 'how many instances there are (default: 1)', integer),
    `
Examples:
  $ sluice executor ./executor.js#Encoder --port 51001
  $ sluice executor encoder/config.yml --host 0.0.0.0 --with '{"model": "small"}' --parallel 4
In a Flow elsewhere: add({ external: true, host: 'grpc://127.0.0.1:51001' })`,
  ).action(async (uses: string, { name, with: usesWith, env, workspace, parallel, ...options }: ExecutorOptions) =>
    serve(
      asUsage(() => new Flow<string>({ name }).add({ name, uses, usesWith, env, workspace, parallel })),
      options,
    ),
  )
}

function serving(command: Command, examples: string): Command {
  const told = tokens(command, 'a file of tokens, one a line: who brings none is not let in (default: the tokens in SLUICE_TOKEN, or what the file says)')
    .option('--protocol <list>', 'grpc, http, websocket, or several with commas (default: grpc, or http with --graphql)', list)
    .option('--port <list>', `the port, or one for each protocol with commas; 0 is one that is free (default: ${PORT})`, ports)
    .option('--host <address>', 'the address to listen at; 0.0.0.0 is everybody who can reach it (default: 127.0.0.1)')
    .option('--tls-key <file>', 'a key, as PEM, to speak TLS (default: everything goes in the open)')
    .option('--tls-cert <file>', 'its certificate, as PEM')
    .option('--tls-ca <file>', 'whom to trust, as PEM: clients then need a certificate')
    .option('--cors [origins]', 'pages of which other origins may call it, with commas; without a list, all (default: none)', list)
    .option(
      '--allowed-hosts <list>',
      'hosts that requests may name, with commas, beside this machine’s (default: no others, where it listens for this machine only)',
      list,
    )
    .option('--quiet', 'say nothing but what fails')
  return withFlags(told, FLAGS, GATEWAY_KEYS).addHelpText(
    'after',
    `${examples}

Ctrl-C (SIGINT), SIGTERM and SIGHUP let what is under way finish, for 10 seconds or the Flow's closeTimeout. Once more ends at once.

Exit codes:
  0  it was told to stop, and did            1  it could not start, or stop
  129, 130, 143  ended by a second signal    2  the command line makes no sense`,
  )
}

function ports(text: string): number[] {
  return list(text).map(integer)
}

async function serve(flow: Flow<string>, options: ServeOptions): Promise<void> {
  const serve = await told(flow.options, options)
  asUsage(() => checkGatewayOptions(only(flow.options, serve)))
  // From the start: executors that are opening would be left behind.
  using stop = new Stop(options.quiet)
  try {
    await flow.open({ serve: { ...serve, logger: flow.options.logger ?? toStderr } })
    if (!options.quiet && stop.by === undefined)
      process.stderr.write(`${notice(flow.name, { addresses: flow.addresses, options: { ...flow.options, ...serve } })}\n`)
    await stop.asked
  } finally {
    await flow.close()
  }
}

/** What the command line says of serving, over what the Flow says itself. */
async function told(
  own: FlowOptions,
  { protocol, port, host, tlsKey, tlsCert, tlsCa, cors, graphql, tokenFile, allowedHosts, ...options }: ServeOptions,
): Promise<GatewayOptions> {
  if ((tlsKey === undefined) !== (tlsCert === undefined)) throw new Usage('--tls-key and --tls-cert go together')
  if (tlsCa !== undefined && tlsKey === undefined) throw new Usage('--tls-ca goes with --tls-key and --tls-cert')
  const said = {
    ...flagged(options, FLAGS),
    protocol: protocol as GatewayOptions['protocol'],
    port: port?.length === 1 ? port[0] : port,
    host,
    graphql,
    cors,
    allowedHosts,
    tokenFile,
    tls: tlsKey === undefined ? undefined : { keyFile: tlsKey, certFile: tlsCert!, ...(tlsCa !== undefined && { caFile: tlsCa }) },
  }
  return {
    port: own.port ?? own.portExpose ?? PORT,
    ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)),
    ...(tlsKey !== undefined && { sslKeyfile: undefined, sslCertfile: undefined }),
    ...(tokenFile === undefined ? fromEnvironment(own) : { token: undefined }),
  }
}

/** Tokens of the environment, for a Flow that does not say itself who comes in. */
function fromEnvironment({ token, tokenFile, authenticate }: FlowOptions): GatewayOptions {
  const given = process.env.SLUICE_TOKEN
  if (given === undefined || token !== undefined || tokenFile !== undefined || authenticate !== undefined) return {}
  asUsage(() => tokenRule('SLUICE_TOKEN', given))
  return { token: given }
}
