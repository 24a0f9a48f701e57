// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
import { ANY, alias, COUNT, FLAG, type Keys, OBJECT, option, type Schema, SOME, TEXT, TIME } from './keys.js'

const SPOKEN = '[Gg][Rr][Pp][Cc]|[Hh][Tt][Tt][Pp]|[Ww][Ee][Bb][Ss][Oo][Cc][Kk][Ee][Tt]|[Ww][Ss]'
const protocols = (pattern: string): Schema => ({
  oneOf: [
    { type: 'string', pattern },
    { type: 'array', items: { type: 'string', pattern }, minItems: 1 },
  ],
})
const PROTOCOLS = protocols(`^(?:${SPOKEN})$`)
/** Of who is elsewhere, NATS is among them. */
export const PROTOCOLS_ELSEWHERE = protocols(`^(?:${SPOKEN}|[Nn][Aa][Tt][Ss])$`)
const PORT: Schema = { type: 'integer', minimum: 0, maximum: 65_535 }
export const PORTS: Schema = { oneOf: [PORT, { type: 'array', items: PORT, minItems: 1 }] }
export const BYTES: Schema = { type: 'integer', minimum: 1, maximum: 0x7fffffff }
const PEM: Schema = { type: 'string', pattern: '[\\s\\S]' }
const ORIGINS: Schema = { type: 'array', items: TEXT, minItems: 1 }
const JSON_TEXT: Schema = { type: 'string', pattern: '^\\s*\\{' }

/** Pages of which other origins may ask. */
export const CORS_KEYS: Keys = {
  origins: option({ oneOf: [{ enum: ['*'] }, ORIGINS] }, "Exact origins such as https://app.example, or '*' for all."),
  credentials: option(FLAG, 'Whether browsers send cookies along. Default false.'),
}

/** How a server of NATS is reached. */
const NATS_KEYS: Keys = {
  servers: option(ORIGINS, 'Others of its cluster, such as nats-2:4222. Default: those that the server tells of.'),
  prefix: option(TEXT, 'The words in front of all subjects, the same at both ends. Default sluice.'),
  inboxPrefix: option(TEXT, 'The words in front of the subjects at which this end alone hears, such as _INBOX.anna. Default _INBOX.'),
  token: option(TEXT, 'Its token: from the environment only, as ${{ ENV.NATS_TOKEN }}. For a file, token_file.'),
  tokenFile: option(TEXT, 'The file of its token, from the folder of this file.'),
  user: option(TEXT, 'A user’s name, with password.'),
  password: option(TEXT, 'His password: from the environment only, as ${{ ENV.NATS_PASSWORD }}.'),
  nkeyFile: option(TEXT, 'The file of an nkey’s seed, from the folder of this file.'),
  credentialsFile: option(TEXT, 'The file of a user’s credentials (.creds), from the folder of this file.'),
}

/** The same of who asks. */
export const NATS_ASKING_KEYS: Keys = {
  ...NATS_KEYS,
  durable: option(FLAG, 'Put requests in a queue of the server (JetStream), which outlasts both ends. Default false.'),
  job: option(TEXT, 'With durable, the name of a job: begun again under it, the same gets the answers that are there.'),
}

/** The same of who answers there. */
export const NATS_SERVING_KEYS: Keys = {
  address: option(TEXT, 'Under which name it answers: nats://my.host/<flow>/<executor>.'),
  ...NATS_KEYS,
  durable: option({ oneOf: [FLAG, OBJECT] }, 'Take from a queue of the server, too: true, or { prefetch, attempts, ack_wait, keep }. Default false.'),
  tls: option({ oneOf: [FLAG, OBJECT] }, 'Whether that server is spoken to in private: true, or { ca_file, key_file, cert_file, server_name }. Default false.'),
  connectTimeout: option({ ...TIME, minimum: 1 }, 'Milliseconds in which a connection must stand. Default 5000.'),
}

/** How GraphQL is served. */
export const GRAPHQL_KEYS: Keys = {
  path: option(TEXT, 'Where it answers. Default /graphql.'),
  graphiql: option(FLAG, 'Serve the GraphiQL page. Default true, unless NODE_ENV is production.'),
  introspection: option(FLAG, 'Answer questions about the schema. Default true, unless NODE_ENV is production.'),
  cors: option({ oneOf: [FLAG, ORIGINS, OBJECT] }, 'As cors of the Flow, for GraphQL alone. Default: the Flow’s.'),
  maxBodyBytes: option(SOME, 'Bytes of a request’s body. Default 4 MiB.'),
  maxDocuments: option(SOME, 'The most documents of a request’s variables, chunks and matches included. Default 50 000.'),
  maxTokens: option(SOME, 'Tokens of a GraphQL text. Default 10 000.'),
  maxDepth: option(SOME, 'Levels of fields. Default 12.'),
  maxAliases: option(COUNT, 'Aliases of one text. Default 30.'),
  maxFields: option(SOME, 'Selected fields of one text. Default 1000.'),
  maxDirectives: option(COUNT, 'Directives of one text. Default 50.'),
  prefetch: option(COUNT, 'The most requests of one subscription on their way. Default: the Flow’s.'),
  onError: { about: 'A function, which can be given in code only.', schema: ANY, code: true },
  logger: { about: 'A function, which can be given in code only.', schema: ANY, code: true },
}

/** What the live page shows. */
export const UI_KEYS: Keys = {
  documents: option(FLAG, 'Whether documents of the last requests are shown. Default false.'),
}

/** The name of one, or a variable that has it. */
const ENDPOINT: Schema = { type: 'string', pattern: '^[/$]' }
const ENDPOINTS: Schema = {
  oneOf: [
    { type: 'array', items: ENDPOINT, minItems: 1 },
    { type: 'object', propertyNames: { pattern: '^/' }, additionalProperties: TEXT, minProperties: 1 },
  ],
}

/** Which endpoints are tools for agents. */
export const MCP_KEYS: Keys = {
  endpoints: option(
    ENDPOINTS,
    'Those that are tools: a list, or what each does, { /search: Finds articles }. Default: all that executors are bound to by name.',
  ),
}

/** Key and certificate in the file itself, which is for variables: see ssl_keyfile. */
export const TLS_KEYS: Keys = {
  key: option(PEM, 'The key as PEM.'),
  cert: option(PEM, 'The certificate as PEM.'),
  ca: option(TEXT, 'Whom to trust, as PEM: clients then need a certificate.'),
  crl: option(TEXT, 'Certificates of ca that are not trusted any more, as PEM: a list of revoked ones.'),
}

/** What serves a Flow when it opens: in `with` of a Flow, or in its `gateway`. */
export const SERVING_KEYS: Keys = {
  protocol: option(PROTOCOLS, 'Serve the Flow when it opens: over grpc, http, websocket, or several. Default grpc, where a port is given.'),
  protocols: alias('protocol', PROTOCOLS),
  port: option(PORTS, 'Serve the Flow when it opens: at one port for all protocols, or one for each; 0 is one that is free.'),
  ports: alias('port', PORTS),
  portExpose: alias('port', PORTS),
  nats: option({ oneOf: [TEXT, OBJECT] }, 'Answer over NATS, too: nats://my.host/<flow>/<executor>, or with how its server is reached. Default: not.'),
  host: option(TEXT, 'The address to listen at. Default 127.0.0.1: this machine only. 0.0.0.0 is everybody who can reach it.'),
  tls: option({ oneOf: [FLAG, OBJECT] }, 'Key and certificate, as texts: { key, cert, ca }. For files, write ssl_keyfile and ssl_certfile.'),
  sslKeyfile: option(TEXT, 'The file of the key, as PEM, from the folder of this file. Read when the Flow opens.'),
  sslCertfile: option(TEXT, 'The file of the certificate, as PEM, from the folder of this file. Read when the Flow opens.'),
  cors: option({ oneOf: [FLAG, ORIGINS, OBJECT] }, 'Pages of which other origins may call it: a list of origins, or true for all. Default: none.'),
  docarray: option({ enum: ['v1', 'v2'] }, 'How documents are written over gRPC: v2 for clients with docarray 0.30 or later. Default v1.'),
  graphql: option({ oneOf: [FLAG, OBJECT] }, 'GraphQL at /graphql, beside HTTP: true, or how. Default false.'),
  exposeGraphqlEndpoint: alias('graphql', FLAG),
  ui: option({ oneOf: [FLAG, OBJECT] }, 'A live page of the Flow at /ui, beside HTTP: true, or { documents: true }. Default false.'),
  mcp: option({ oneOf: [FLAG, OBJECT] }, 'Endpoints as tools for agents (MCP) at /mcp, beside HTTP: true, or { endpoints: [/search] }. Default false.'),
  title: option(TEXT, 'What the service is called in its documentation. Default: the Flow’s name.'),
  description: option(TEXT, 'What the service is for, in its documentation.'),
  noDebugEndpoints: option(FLAG, 'Leave out /post, /status and /dry_run. Default false.'),
  noCrudEndpoints: option(FLAG, 'Leave out /index, /search, /update and /delete. Default false.'),
  exposeEndpoints: option(
    { oneOf: [{ type: 'object', additionalProperties: OBJECT }, JSON_TEXT] },
    'Endpoints with a path of their own: { /rank: { methods: [POST], summary: … } }.',
  ),
  maxInFlight: option(
    { anyOf: [...(COUNT.anyOf as Schema[]), { enum: ['auto'] }] },
    'The most requests inside, over all connections; 16 times as many wait, the rest is refused; auto finds it. Default 1024; 0 is no bound.',
  ),
  maxBytesInFlight: option(
    COUNT,
    'The most bytes inside, of requests (of JSON eightfold) and of answers not taken. Default: a quarter of the heap limit, or of the container’s memory; 0 is no bound.',
  ),
  maxMessageBytes: option(BYTES, 'Bytes of one message or body, unpacked. Default 100 MiB.'),
  maxDocuments: option(SOME, 'The most documents of one request, chunks and matches included. Default 50 000.'),
  maxJsonBytes: option(BYTES, 'Bytes of one message or body in JSON. Default 16 MiB.'),
  headersTimeout: option(TIME, 'Milliseconds in which who connects must say what it speaks, and headers must be here. Default 30 000; 0 for ever.'),
  bodyTimeout: option(TIME, 'Milliseconds in which a body must be here, or the next piece of a stream. Default 60 000; 0 for ever.'),
  keepalive: option(TIME, 'Milliseconds between pings, over gRPC and WebSocket; who does not answer by the next is gone. Default 30 000; 0 for none.'),
  stallTimeout: option(TIME, 'Milliseconds for which a client of WebSockets may take nothing of what it was sent. Default 60 000; 0 for ever.'),
  maxConnectionAge: option(TIME, 'Milliseconds after which a connection of gRPC or HTTP takes nothing new, for clients to connect anew. Default 0: no end.'),
  heartbeat: option(TIME, 'Milliseconds of silence after which a streamed answer over HTTP says that it lives. Default 15 000; 0 for none.'),
  compression: option(FLAG, 'Whether what is sent is packed for clients that can. Default: over HTTP it is, over WebSocket it is not.'),
  exposeStacks: option(FLAG, 'Whether clients get to see stacks of executors’ errors. Default false.'),
  token: option(TEXT, 'Lets in who brings it: from the environment only, as ${{ ENV.SLUICE_TOKEN }}; several with commas. For files, token_file.'),
  tokenFile: option(
    { oneOf: [TEXT, ORIGINS] },
    'A file of tokens, or several, from the folder of this file: token, or name: token, a line. Read again when it changes.',
  ),
  authTimeout: option(TIME, 'Milliseconds in which authenticate, which is given in code, must have its answer. Default 5000.'),
  authenticate: { about: 'A function, which can be given in code only.', schema: ANY, code: true },
  openHealth: option(FLAG, 'Whether everybody may ask how it is: /, /healthz, /ready, and gRPC’s health service. Default true.'),
  allowedHosts: option(
    { oneOf: [FLAG, ORIGINS] },
    'Hosts that requests may name, beside this machine’s and host; true is any. Default: where it listens for this machine only, no others.',
  ),
  drainDelay: option(TIME, 'Milliseconds between saying that it is not ready and refusing requests, for balancers to notice. Default 0.'),
  tracing: option(FLAG, 'Spans, by OpenTelemetry: to traces_exporter_host, or to who is registered. Default false.'),
  tracesExporterHost: option(TEXT, 'Where spans are sent, by OTLP over gRPC. Default 127.0.0.1, where the port is given.'),
  tracesExporterPort: option(PORT, 'Its port. Default 4317, where the host is given.'),
  metrics: option(FLAG, 'Jina’s metrics: at /metrics over HTTP, and to OpenTelemetry where it is installed. Default false.'),
  metricsExporterHost: option(TEXT, 'Where metrics are sent, by OTLP over gRPC. Default 127.0.0.1, where the port is given.'),
  metricsExporterPort: option(PORT, 'Its port. Default 4317, where the host is given.'),
  monitoring: option(FLAG, 'Jina’s metrics at /metrics of a port of their own, for Prometheus. Default false.'),
  portMonitoring: option(PORT, 'The port of monitoring, which need not be said beside it; 0 is one that is free. Default 0.'),
  onError: { about: 'A function, which can be given in code only.', schema: ANY, code: true },
  logger: { about: 'A function, which can be given in code only.', schema: ANY, code: true },
}
