import { Command, Option } from 'commander'
import { toStderr } from '../base/log-line.js'
import type { Logger } from '../base/logger.js'
import { EXECUTOR_KEYS } from '../config/executor-keys.js'
import { FLOW_KEYS, GATEWAY_KEYS } from '../config/flow-keys.js'
import type { ExecutorInit } from '../executor/executor.js'
import { Flow } from '../flow/flow.js'
import { type AddOptions, checkFlowOptions, type ExecutorClass, type FlowOptions, type Plan, type Runtime } from '../flow/options.js'
import { only } from '../gateway/gateway.js'
import { type GatewayOptions, notice } from '../gateway/index.js'
import { checkGatewayOptions } from '../gateway/options.js'
import { isImage, runtimeOf } from '../place/options.js'
import { logRequests } from '../telemetry/requests.js'
import { tokenRule } from '../wire/tokens.js'
import { type Flags, flagged, withFlags } from './flags.js'
import { cacheOption, FLOW_FILE, flowOf, runtimeOption } from './flow-file.js'
import { type NatsFlags, natsOptions, natsTlsOptions, servingNats } from './nats.js'
import { Stop } from './stop.js'
import { asUsage, explain, Failed, integer, jsonObject, list, pair, tokens, Usage } from './usage.js'

const FLAGS = {
  docarray: 'version',
  prefetch: 'n',
  maxInFlight: 'n|auto',
  maxBytesInFlight: 'n',
  maxMessageBytes: 'n',
  maxDocuments: 'n',
  maxJsonBytes: 'n',
  timeout: 'ms',
  headersTimeout: 'ms',
  bodyTimeout: 'ms',
  keepalive: 'ms',
  stallTimeout: 'ms',
  maxConnectionAge: 'ms',
  heartbeat: 'ms',
  drainDelay: 'ms',
  compression: 'on|off',
  title: 'text',
  description: 'text',
  openHealth: 'on|off',
  ui: '',
  mcp: '',
  noDebugEndpoints: '',
  noCrudEndpoints: '',
  exposeStacks: '',
  tracing: '',
  tracesExporterHost: 'text',
  tracesExporterPort: 'n',
  metrics: '',
  metricsExporterHost: 'text',
  metricsExporterPort: 'n',
  monitoring: '',
  portMonitoring: 'n',
} as const satisfies Flags

/** What is said to a Flow, and not to who serves it. */
const OF_FLOW = { closeTimeout: 'ms' } as const satisfies Flags
/** What is said to an executor. */
const OF_EXECUTOR = { concurrency: 'n', stuckAfter: 'ms' } as const satisfies Flags

interface ServeOptions extends Pick<GatewayOptions, keyof typeof FLAGS>, NatsFlags {
  nats?: string
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
  runtime?: Runtime
  closeTimeout?: number
  quiet?: true
  verbose?: true
  log?: 'lines' | 'json'
}

interface ExecutorOptions extends ServeOptions {
  name: string
  with?: Record<string, unknown>
  usesWith?: Record<string, unknown>
  usesMetas?: Record<string, unknown>
  usesRequests?: Record<string, string>
  env?: Record<string, string>
  workspace?: string
  parallel?: number
  shardId?: number
  concurrency?: number
  stuckAfter?: number
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
  $ sluice flow flow.yml --ui    # and a page at /ui that shows what it does
  $ sluice flow flow.yml --mcp    # and its endpoints as tools for agents, at /mcp
  $ sluice flow flow.js --protocol grpc,http --port 51000,8080`,
  )
    .option('--graphql', 'GraphQL at /graphql, beside HTTP')
    .addOption(cacheOption())
    .action(async (file: string, { runtime, cache, ...options }: ServeOptions & { cache?: string }) => serve(await flowOf(file, { runtime, cache }), options))
}

/** `sluice executor`: one Executor as a service, for Flows elsewhere. */
export function executorCommand(): Command {
  const command = new Command('executor')
    .summary('serve one Executor, for Flows elsewhere')
    .description('Serves one Executor over gRPC, for Flows that use it as external: ours, and those of Python Jina.')
    .argument('<uses>', "a module and its export, './executor.js#MyExecutor', or the YAML file of an executor")
    .option('--name <name>', 'what it is called; over NATS, <flow>/<name>', 'executor')
    .option('--with <json>', 'its configuration, such as \'{"model": "small"}\'', jsonObject)
    .addOption(new Option('--uses-with <json>', "Jina's name for --with").argParser(jsonObject).hideHelp().conflicts('with'))
    .option('--uses-metas <json>', 'over the metas of its class', jsonObject)
    .option('--uses-requests <json>', 'methods by endpoint, over those of its class: \'{"/rank": "search"}\'', jsonObject)
    .option('--env <name=value>', 'what it finds in this.env; as often as needed', pair)
    .option('--workspace <folder>', 'the folder below which it has its own (default: none)')
    .option('--parallel <n>', 'how many instances there are (default: 1)', integer)
    .option('--shard-id <n>', 'its number among those that stand elsewhere: this.shardId (default: 0)', integer)
  return serving(
    withFlags(command, OF_EXECUTOR, EXECUTOR_KEYS),
    `
Examples:
  $ sluice executor ./executor.js#Encoder --port 51001
  $ sluice executor encoder/config.yml --host 0.0.0.0 --with '{"model": "small"}' --parallel 4
  $ sluice executor ./executor.js#Encoder --nats nats://nats.internal --name search/encode    # as often as there are to be
In a Flow elsewhere: add({ external: true, host: 'grpc://127.0.0.1:51001' }), or host: 'nats://nats.internal/search/encode'`,
  ).action(
    async (uses: string, { name: said, with: own, env, workspace, parallel, shardId, concurrency, stuckAfter, runtime, ...options }: ExecutorOptions) => {
      const { usesWith = own, usesMetas, usesRequests, ...more } = options
      const name = said.split('/').at(-1)!
      if (more.nats === undefined && said !== name) throw new Usage(`--name ${said} has the Flow in front that it is of, which goes with --nats`)
      if (more.nats !== undefined) more.nats = named(more.nats, said)
      const all = { ...handedOn(), ...env }
      const configured = { usesWith, usesMetas, usesRequests, ...(Object.keys(all).length > 0 && { env: all }) }
      const told = { name, uses, ...configured, workspace, parallel, concurrency, stuckAfter, runtime }
      if (shardId !== undefined && runtime !== undefined && runtime !== 'inline') throw new Usage(`--shard-id goes with no --runtime ${runtime}`)
      const numbered = shardId === undefined ? told : await ofShard(told, shardId)
      await serve(
        asUsage(() => new Flow<string>({ name }).add(numbered)),
        more,
      )
    },
  )
}

/** With its number among those that stand elsewhere: the first instance here has it, in place of 0. */
async function ofShard(told: AddOptions & { readonly name: string }, shardId: number): Promise<AddOptions> {
  if (shardId < 0) throw new Usage(`--shard-id is a number from 0, not ${shardId}`)
  const [{ isClass, resolved }, { executorOf }] = await Promise.all([import('../place/inline.js'), import('../executor/executor.js')])
  const { uses, ...options } = await resolved({ name: told.name, options: told })
  const type = (isClass(uses) ? uses : executorOf(uses)) as ExecutorClass
  const { [type.name]: numbered } = {
    [type.name]: class extends type {
      constructor(init: ExecutorInit) {
        super({ ...init, shardId: shardId + init.shardId! })
      }
    },
  }
  // What a function says of its documents stands beside it.
  const { input, output } = uses as { readonly input?: unknown; readonly output?: unknown }
  if (!isClass(uses)) Object.assign(numbered!, { input, output })
  return { ...options, uses: numbered! }
}

/** Where it answers over NATS. */
function named(address: string, name: string): string {
  const [, server = '', path = ''] = /^([a-z]+:\/\/[^/]*)\/?(.*)$/i.exec(address.includes('://') ? address : `nats://${address}`) ?? []
  // The whole address may be said, too.
  if (path !== '' && name === 'executor') return `${server}/${path}`
  if (path !== '' && path !== name) throw new Usage(`--nats ${address} and --name ${name} name two executors. Keep one of them`)
  return `${server}/${name.split('/').map(encodeURIComponent).join('/')}`
}

/** What a Flow elsewhere gave this container for `this.env`: the names stand in SLUICE_ENV. */
function handedOn(): Record<string, string> {
  const names = asUsage(() => JSON.parse(process.env.SLUICE_ENV ?? '[]') as string[])
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]!]])))
}

function serving(command: Command, examples: string): Command {
  const told = tokens(command, 'a file of tokens, one a line: who brings none is not let in (default: the tokens in SLUICE_TOKEN, or what the file says)')
    .option('--protocol <list>', 'grpc, http, websocket, or several with commas (default: grpc, or http with --graphql or --mcp, or both with --ui)', list)
    .option('--port <list>', `the port, or one for each protocol with commas; 0 is one that is free (default: ${PORT})`, ports)
    .option('--host <address>', 'the address to listen at; 0.0.0.0 is everybody who can reach it (default: 127.0.0.1)')
    .option(
      '--nats <address>',
      'answer over NATS, too: nats://host/<flow>/<executor>; where neither --protocol nor --port is said, over NATS alone (default: not)',
    )
    .option('--tls-key <file>', 'a key, as PEM, to speak TLS (default: everything goes in the open)')
    .option('--tls-cert <file>', 'its certificate, as PEM')
    .option('--tls-ca <file>', 'whom to trust, as PEM: clients then need a certificate')
    .option('--cors [origins]', 'pages of which other origins may call it, with commas; without a list, all (default: none)', list)
    .option(
      '--allowed-hosts <list>',
      'hosts that requests may name, with commas, beside this machine’s (default: no others, where it listens for this machine only)',
      list,
    )
    .addOption(runtimeOption())
    .option('--quiet', 'say nothing but what fails')
    .addOption(new Option('--verbose', 'log each request that is answered, and each that is refused').conflicts('quiet'))
    .addOption(
      new Option('--log <format>', 'how the log is written, on stderr: lines, or json for who collects it (default: lines)').choices(['lines', 'json']),
    )
  natsTlsOptions(natsOptions(told))
  return withFlags(withFlags(told, FLAGS, GATEWAY_KEYS), OF_FLOW, FLOW_KEYS).addHelpText(
    'after',
    `${examples}

Ctrl-C (SIGINT), SIGTERM and SIGHUP let what is under way finish, for --close-timeout. Once more ends at once.

Exit codes:
  0  it was told to stop, and did            1  it could not start, or stop
  129, 130, 143  ended by a second signal    2  the command line makes no sense
  3  it stopped, but cut off requests that were not done in time`,
  )
}

function ports(text: string): number[] {
  return list(text).map(integer)
}

async function serve(flow: Flow<string>, { closeTimeout, log, verbose, ...options }: ServeOptions): Promise<void> {
  if (closeTimeout !== undefined) asUsage(() => checkFlowOptions({ closeTimeout }))
  // Over what its file says, as all that the command line does.
  Object.assign(flow, { options: { ...flow.options, ...(closeTimeout !== undefined && { closeTimeout }) } })
  const serve = await told(flow.options, options)
  asUsage(() => checkGatewayOptions(only(flow.options, serve)))
  // From the start: executors that are opening would be left behind.
  using stop = new Stop(options.quiet)
  let cut = false
  const written = flow.options.logger ?? toStderr({ format: log, quiet: options.quiet, verbose })
  const logger: Logger = (record) => {
    cut ||= record.event === 'drain.cut'
    written(record)
  }
  const quiet = verbose ? await logRequests(logger) : undefined
  try {
    await stop.open(flow, { serve: { ...serve, logger } })
    if (!options.quiet && stop.by === undefined)
      process.stderr.write(`${notice(flow.name, { addresses: flow.addresses, options: { ...flow.options, ...serve } }, placesOf(flow.plan))}\n`)
    await stop.asked
  } finally {
    quiet?.()
    await flow.close().catch((error) => {
      // A worker that had to be ended, as what was cut off went on in it.
      if (!cut) throw error
      process.stderr.write(`sluice: ${explain(error)}\n`)
    })
  }
  if (cut) throw new Failed(CUT)
}

/** What several of a place are called, of those that are begun on this machine. */
const MANY: Partial<Record<Runtime, string>> = { thread: 'threads', process: 'processes', container: 'containers' }

/** Where executors run that do not run in this process. */
function placesOf({ options, steps }: Plan): string[] {
  return steps.flatMap(({ name, options: own }) => {
    const runtime = runtimeOf(own, options)
    const isThere = runtime === 'daemon'
    const there = isThere ? ` at ${own.host}` : ''
    const isContained = runtime === 'container' || (isThere && isImage(own.uses))
    if (isThere && !isContained) return [`${name}${there}`]
    const kind = isContained ? 'container' : runtime
    const many = MANY[kind]
    if (many === undefined) return []
    const count = own.parallel ?? own.replicas ?? own.shards ?? 1
    const image = isContained && typeof own.uses === 'string' ? ` of ${own.uses.replace(/^docker:\/\//i, '')}` : ''
    return [`${name} in ${count === 1 ? `a ${kind}` : `${count} ${many}`}${image}${there}`]
  })
}

/** How it ends where requests were cut off: whoever stopped it may want to give it more time. */
const CUT = 3

/** What the command line says of serving, over what the Flow says itself. */
async function told(
  own: FlowOptions,
  { protocol, port, host, tlsKey, tlsCert, tlsCa, cors, graphql, tokenFile, allowedHosts, nats, ...options }: ServeOptions,
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
    nats: nats === undefined ? undefined : await servingNats(nats, options),
    tls: tlsKey === undefined ? undefined : { keyFile: tlsKey, certFile: tlsCert!, ...(tlsCa !== undefined && { caFile: tlsCa }) },
  }
  const isOverNats =
    (nats ?? own.nats) !== undefined &&
    (protocol ?? own.protocol) === undefined &&
    !(graphql ?? own.graphql) &&
    !(options.ui ?? own.ui) &&
    !(options.mcp ?? own.mcp)
  return {
    // Over NATS alone, it listens nowhere.
    ...(isOverNats ? {} : { port: own.port ?? own.portExpose ?? PORT }),
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
