import { check, flag, host, object, type Rule, unless } from '../base/check.js'
import { OptionTypeError, optionRange, optionType } from '../base/errors.js'
import type { Logger } from '../base/logger.js'
import { checkNamed } from '../base/misspelled.js'
import { TELEMETRY_RULES } from '../telemetry/options.js'
import type { AddressOptions, Protocol } from '../wire/address.js'
import { protocolOf } from '../wire/address.js'
import { AUTHENTICATION_RULES, type AuthenticationOptions } from '../wire/authentication.js'
import { type CorsOption, corsOption } from '../wire/cors.js'
import { checkDocarray, type Docarray } from '../wire/docarray.js'
import type { GraphQLOptions } from '../wire/graphql/index.js'
import { type McpOptions, mcpRule } from '../wire/http/mcp/options.js'
import type { ExposedEndpoint } from '../wire/http/options.js'
import { natsServingRule } from '../wire/nats/options.js'
import { SERVING_RULES } from '../wire/option-rules.js'
import type { NatsServing } from '../wire/remote-options.js'
import type { ServerTls } from '../wire/tls-options.js'

/** Of those that wait for something else, one process bears so many well. */
export const MAX_IN_FLIGHT = 1024

/** Files of keys and certificates, as PEM. */
export interface TlsFiles {
  readonly keyFile: string
  readonly certFile: string
  /** Whom to trust that asks for something: clients then need a certificate. */
  readonly caFile?: string | undefined
  /** Certificates of `caFile` that are not trusted any more: a list of revoked ones. */
  readonly crlFile?: string | undefined
}

/** What the live page shows, see `ui`. */
export interface LivePageOptions {
  /** Documents of the last requests, and what those that failed say of it, which may hold what documents do. Default `false`: who looks sees numbers and names. */
  documents?: boolean | undefined
}

/** How a Flow is served. */
export interface GatewayOptions extends AuthenticationOptions {
  /** What is spoken, one or several: `'grpc'` (the default, as in Jina; with `graphql` or `mcp` it is HTTP, with `ui` both), `'http'`, `'websocket'`. */
  protocol?: AddressOptions['protocol'] | readonly NonNullable<AddressOptions['protocol']>[] | undefined
  /** One port for all protocols, or one for each. Default 0: one that is free, for all. */
  port?: number | readonly number[] | undefined
  /**
   * Answers over NATS, too: under a name, such as `'nats://my.host/<flow>/<executor>'`, that others may have as well. What comes is shared among all of them. Where neither protocol nor port is
   * said, over NATS alone. Default: not.
   */
  nats?: NatsServing | undefined
  /** The address to listen at. Default `127.0.0.1`: nobody but this machine. `0.0.0.0` and `::` are everybody who can reach it. */
  host?: string | undefined
  /**
   * Key and certificate, as texts or as files. Default: none, everything goes in the open. Files are looked at again every second: new
   * connections on all wires get what they hold then. What does not belong together changes nothing, and `onError` and `logger` hear of it.
   */
  tls?: ServerTls | TlsFiles | undefined
  /** The files of `tls`' key and certificate, as PEM, in its place. Jina's names. */
  sslKeyfile?: string | undefined
  sslCertfile?: string | undefined
  /** Which pages of other origins may call it, over HTTP and WebSocket: a list of origins, or `true` for all. Default: none. */
  cors?: CorsOption | undefined
  /** How documents are written over gRPC: `'v2'` for clients with docarray 0.30 or later. Default `'v1'`, docarray 0.21. */
  docarray?: Docarray | undefined
  /** GraphQL at `/graphql`, beside HTTP, which must be spoken; `true`, or how. Default `false`. */
  graphql?: boolean | GraphQLOptions | undefined
  /** A live page of the Flow at `/ui`, beside HTTP, which is spoken beside gRPC where no protocol is said; `true`, or what it shows. Default `false`. */
  ui?: boolean | LivePageOptions | undefined
  /**
   * Endpoints as tools at `/mcp`, for agents that speak the Model Context Protocol, beside HTTP, which must be spoken: `true`, or which. It needs the package
   * `@modelcontextprotocol/server`. Default `false`.
   */
  mcp?: boolean | McpOptions | undefined
  /** What the service is called in its documentation. Default: the Flow's name. */
  title?: string | undefined
  description?: string | undefined
  /** Leaves out `/post`, `/status` and `/dry_run`. Default `false`. */
  noDebugEndpoints?: boolean | undefined
  /** Leaves out `/index`, `/search`, `/update` and `/delete`. Default `false`. */
  noCrudEndpoints?: boolean | undefined
  /** Endpoints of executors with a path of their own, over HTTP: where it is not spoken, it means nothing. */
  exposeEndpoints?: Readonly<Record<string, ExposedEndpoint>> | undefined
  /** The most requests of one connection or stream between its wire and the executors. Default 16. */
  prefetch?: number | undefined
  /**
   * The most requests inside, over all connections and protocols. 16 times as many wait in line; beyond that they are refused: HTTP 503,
   * RESOURCE_EXHAUSTED, an answer with the status ERROR within a stream. `'auto'` finds from 4 to 1024 by trying: as many as there must be for all to be done that can
   * be; what is beyond waits in a line of 16,384. Default 1024, as many as the calls of one connection of gRPC; 0 is no bound.
   */
  maxInFlight?: number | 'auto' | undefined
  /**
   * The most bytes inside, over all connections and protocols: of requests, from their first byte until their executors are done, and of answers that their clients have not taken. A byte of JSON
   * counts eight times, as what is made of it takes 2 to 4 bytes as a rule, and 24 at most. What is over it waits unread, or is refused as by `maxInFlight`; who is slow while others wait
   * is hung up on. Default: a quarter of what is less, V8's heap limit or the memory of the container, so that what is made of it has room, too. 0 is no bound.
   */
  maxBytesInFlight?: number | undefined
  /** Bytes of one message or body, unpacked, from 1 to 2147483647. Default 100 MiB; what is larger is refused. GraphQL has `maxBodyBytes`. */
  maxMessageBytes?: number | undefined
  /** The most documents of one request, chunks and matches included. Default 50,000, which take some 30 ms to write; Infinity is no bound. */
  maxDocuments?: number | undefined
  /** Bytes of one message or body in JSON, and no more than `maxMessageBytes`. Default 16 MiB. */
  maxJsonBytes?: number | undefined
  /**
   * Milliseconds in which a request must be answered, its wait in line included; then its executors are told to stop. An answer in parts must
   * begin by then, and has no end. Default: no end; 0 is none, too.
   */
  timeout?: number | undefined
  /** Milliseconds in which who connects must say what it speaks, and the headers of each request must be here. Default 30 000; 0 for ever. */
  headersTimeout?: number | undefined
  /** Milliseconds in which a body must be here, or, of a stream, its next piece, if it is waited for. Default 60 000; 0 for ever. */
  bodyTimeout?: number | undefined
  /**
   * Milliseconds between pings, over gRPC and WebSocket; a client that does not answer by the next (gRPC: within two thirds of that) is gone. Default
   * 30 000; 0 asks nobody.
   */
  keepalive?: number | undefined
  /** Milliseconds for which a client of WebSockets may take nothing of what it was sent, before its connection is closed. Default 60 000; 0 for ever. */
  stallTimeout?: number | undefined
  /**
   * Milliseconds after which a connection of gRPC or HTTP takes nothing new, give or take a tenth: what is under way on it is finished, and the client connects anew for what
   * comes next. For clients that look a name up only when they connect, so that they find replicas that came later; WebSockets stay. Default 0: no end.
   */
  maxConnectionAge?: number | undefined
  /**
   * Milliseconds of silence after which a streamed answer over HTTP says something that means nothing: proxies end what is silent for a minute.
   * With the first of them, the answer has begun, with status 200. Default 15 000; 0 for none.
   */
  heartbeat?: number | undefined
  /**
   * Whether what is sent is packed for clients that can. Default: answers over HTTP from 1 KiB are; messages of WebSockets are not, as that costs some 100 kB a
   * connection. `true` is both, `false` neither. Clients of gRPC say for each call how they want it, and GraphQL is not packed.
   */
  compression?: boolean | undefined
  /** Whether clients get to see stacks of executors' errors. Default `false`: they stay in the process. */
  exposeStacks?: boolean | undefined
  /** Milliseconds between saying that it is not ready and refusing requests, for balancers to notice. Default 0. */
  drainDelay?: number | undefined
  /**
   * Spans of requests, executors and calls, by OpenTelemetry (`@opentelemetry/api`): to where `tracesExporterHost` and `tracesExporterPort` say, or to the provider that is registered. Which are
   * sampled, that one says, or `OTEL_TRACES_SAMPLER`. Default `false`. Like all telemetry, of the whole process: see docs/telemetry.md.
   */
  tracing?: boolean | undefined
  /** Where spans are sent, by OTLP over gRPC: a name, or an address with its scheme, `https` being TLS. Default 127.0.0.1, where the port is given. */
  tracesExporterHost?: string | undefined
  /** Default 4317, where the host is given. */
  tracesExporterPort?: number | undefined
  /** Jina's metrics: at `/metrics` over HTTP, for Prometheus, and to OpenTelemetry, where it is installed. Default `false`. */
  metrics?: boolean | undefined
  /** Where metrics are sent, by OTLP over gRPC, each minute or as `OTEL_METRIC_EXPORT_INTERVAL` says. Default 127.0.0.1, where the port is given. */
  metricsExporterHost?: string | undefined
  /** Default 4317, where the host is given. */
  metricsExporterPort?: number | undefined
  /** Jina's metrics at a port of their own, at `/metrics`: behind the same door as all else. Default `false`. */
  monitoring?: boolean | undefined
  /** The port of `monitoring`, which need not be said beside it. Default 0: one that is free. */
  portMonitoring?: number | undefined
  /** Told of what is wrong with a server itself, not with a request. Default: console.error. */
  onError?: ((error: Error) => void) | undefined
  /**
   * Told of executors that fail, of requests that are late (and, at the level debug, refused), of what is wrong with the server itself and, of a Flow,
   * of what fails in the background: a record each, with request id, executor, endpoint and the error. Default: none. With it, `onError` need not be given.
   */
  logger?: Logger | undefined
}

/** What checks each option of a gateway. */
export const GATEWAY_RULES: Record<keyof GatewayOptions, Rule> = {
  ...SERVING_RULES,
  protocol: (_, value) => void protocols(value),
  port: (name, value) => {
    if ([value].flat().length === 0) throw optionRange(name, 'a port, or one for each protocol; 0 is one that is free', value)
    SERVING_RULES.port(name, value)
  },
  host,
  nats: natsServingRule,
  tls,
  cors: corsOption,
  ui: (name, value) => {
    unless('boolean')(name, value)
    if (typeof value === 'object') check(name, value, { documents: (_, value) => flag(`${name}.documents`, value) })
  },
  mcp: mcpRule,
  ...TELEMETRY_RULES,
  ...AUTHENTICATION_RULES,
}

/** @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the option */
export function checkGatewayOptions(options: GatewayOptions): GatewayOptions {
  checkNamed('Gateway', options, GATEWAY_RULES)
  const [given, missing] = options.sslKeyfile === undefined ? (['sslCertfile', 'sslKeyfile'] as const) : (['sslKeyfile', 'sslCertfile'] as const)
  if (options[given] !== undefined && options[missing] === undefined) throw optionType(given, `given together with ${missing}`, options[given])
  if (options[given] !== undefined && options.tls !== undefined) throw optionType(given, 'left out where tls is given', options[given])
  const twice = Object.keys(AUTHENTICATION_RULES).find((name) => typeof options.graphql === 'object' && name in options.graphql)
  if (twice !== undefined) throw new OptionTypeError(`graphql.${twice} must be given as ${twice} of the gateway: all its wires have one door`)
  const spoken = plan(options).flatMap(({ protocols }) => protocols)
  checkDocarray(options.docarray, spoken)
  if (options.graphql && !spoken.includes('http'))
    throw optionRange('graphql', `false where HTTP is not spoken, beside which it is served. Add 'http' to protocol (${spoken})`, true)
  if (options.ui && !spoken.includes('http'))
    throw optionRange('ui', `false where HTTP is not spoken, by which browsers ask. Add 'http' to protocol (${spoken})`, options.ui)
  if (options.mcp && !spoken.includes('http'))
    throw optionRange('mcp', `false where HTTP is not spoken, by which agents ask. Add 'http' to protocol (${spoken})`, options.mcp)
  return options
}

const TLS_RULES: Record<keyof ServerTls | keyof TlsFiles, (name: string, value: any) => void> = {
  key: pem,
  cert: pem,
  ca: pem,
  crl: pem,
  keyFile: file,
  certFile: file,
  caFile: file,
  crlFile: file,
}

function tls(name: string, value: ServerTls | TlsFiles): void {
  object(name, value)
  const given = Object.entries(value).filter(([, part]) => part !== undefined && part !== '')
  const inFiles = given.filter(([part]) => part.endsWith('File'))
  if (inFiles.length > 0 && inFiles.length < given.length) throw optionType(name, 'all texts or all files', value)
  const has = (part: string): boolean => given.some(([name]) => name === part)
  if (!(has('key') && has('cert')) && !(has('keyFile') && has('certFile')))
    throw optionType(name, 'a key with its certificate, as texts in PEM, { key, cert }, or as files, { keyFile, certFile }', value)
  check(name, value, Object.fromEntries(Object.entries(TLS_RULES).map(([part, rule]) => [part, (_: string, value: unknown) => rule(`${name}.${part}`, value)])))
}

function pem(name: string, value: unknown): void {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) throw optionType(name, 'a text in PEM, or its bytes', value)
}

function file(name: string, value: unknown): void {
  if (typeof value !== 'string') throw optionType(name, 'the name of a file', value)
}

/** Which protocols are spoken at which port: those with the same port share it. */
export function plan({ graphql, ui, mcp, protocol: said, port: at, nats }: GatewayOptions): { port: number; protocols: Protocol[] }[] {
  if (nats !== undefined && said === undefined && at === undefined && !graphql && !ui && !mcp) return []
  const [protocol, port] = [said ?? (graphql || mcp ? 'http' : ui ? (['grpc', 'http'] as const) : 'grpc'), at ?? 0]
  const spoken = protocols(protocol)
  const given = [port].flat()
  if (given.length > 1 && given.length !== spoken.length) {
    throw optionRange('port', `one number, or one for each protocol (${spoken.join(', ')})`, given)
  }
  const ports: { port: number; protocols: Protocol[] }[] = []
  spoken.forEach((protocol, at) => {
    const number = given[at] ?? given[0]!
    // 0 given several times means several ports.
    const shared = ports.find((other) => other.port === number && (number !== 0 || given.length === 1))
    if (shared === undefined) ports.push({ port: number, protocols: [protocol] })
    else shared.protocols.push(protocol)
  })
  return ports
}

function protocols(given: unknown): Protocol[] {
  const all = [given].flat().map((one) => protocolOf(one)!)
  if (all.includes('nats'))
    throw optionRange('protocol', "grpc, http or websocket, which are listened for. NATS is the option nats: 'nats://my.host/<flow>/<executor>'", 'nats')
  if (all.length === 0) throw optionRange('protocol', 'at least one of grpc, http, websocket', given)
  const twice = all.find((one, at) => all.indexOf(one) !== at)
  if (twice !== undefined) throw optionRange('protocol', 'a list that names each protocol once', twice)
  return all
}
