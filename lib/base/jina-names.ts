/** What to do instead of options that Jina has and nobody here: `usesBefore` and `usesAfter` of an executor, also where YAML says them. */
export const BEFORE = 'add an executor of its own before this one, and name it in needs'
export const AFTER = 'add an executor of its own behind this one'

const SETTINGS = 'There is none: each setting of a server has an option of its own'
const ADD = 'Call add() for each executor'
const MODULE = "Name the module in uses: './module.js#Name'"
const REDUCE = "Leave it out: nothing is united by id unless join is 'merge'"
const PACKED = 'Leave it out: what is sent over HTTP is packed for clients that can, and compression of a Client packs what it sends'
const STATE = 'There is none: replicas do not agree on a common state'
const TAKE = 'There is none: leave the loop when there are enough, and pass over what you do not want'

/** Names of options that are known from Jina, and what they are here. Names in snake_case are looked up as they are in camelCase. */
export const JINA_NAMES: Readonly<Record<string, string>> = {
  asyncio: 'Leave it out: everything here is asynchronous',
  returnResults: 'Leave it out: post() gives responses as they come, and post(…).toArray() all of them',
  returnResponses: 'Leave it out: post() gives responses',
  targetPeapod: 'It is targetExecutor',
  inputs: 'Inputs are the second argument: post(on, inputs, options)',
  docs: 'Inputs are the second argument: post(on, inputs, options)',
  on: 'The endpoint is the first argument: post(on, inputs, options)',
  execEndpoint: 'The endpoint is the first argument: post(on, inputs, options)',
  requestId: 'There is none: each request has an id of its own, which is requestId of its response',
  restful: "It is protocol: 'http'",
  restApi: "It is protocol: 'http'",
  https: 'It is tls',
  sslCertfile: 'It is tls: { certFile, keyFile }, of what is served',
  sslKeyfile: 'It is tls: { certFile, keyFile }, of what is served',
  pods: ADD,
  deployments: ADD,
  executors: ADD,
  podName: 'It is name',
  needsAll: 'Call needsAll() behind the others',
  method: 'Call needs() or needsAll() in place of add()',
  peasHosts: 'It is host, of an external executor: several addresses are replicas',
  proxy: 'Leave it out: no proxy is asked, whatever the environment says',
  portIn: 'It is port',
  forceNetworkMode: 'It is network, of executors that run in a container',
  jinad: "It is runtime: 'daemon', with host",
  runtimeBackend: 'It is runtime',
  pyModules: MODULE,
  modules: MODULE,
  metas: 'It is usesMetas, of add()',
  with: 'It is usesWith, of add()',
  requests: 'It is usesRequests, of add()',
  usesBefore: `There is none: ${BEFORE}`,
  usesAfter: `There is none: ${AFTER}`,
  usesDynamicBatching: 'It is dynamicBatching, of add()',
  inspect: 'There is none: add an executor that looks at the documents',
  maxAttempts: 'It is retries, of a Client and of add(): one less, as the first try does not count',
  initialBackoff: 'It is retries: { attempts, delay }, of a Client and of add()',
  maxBackoff: 'It is retries: { attempts, maxDelay }, of a Client and of add()',
  backoffMultiplier: 'Leave it out: waits double',
  timeoutReady: 'It is readyTimeout, of executors that do not run in this process',
  timeoutSend: 'It is timeout',
  installRequirements: 'Leave it out: packages are installed with npm',
  dockerKwargs: 'It is dockerArgs',
  pullLatest: "It is pull: 'always', of executors that run in a container",
  grpcMetadata: 'It is headers, of a Client and of an external executor',
  stream: 'Leave it out: requests go over one stream. With unary: true, of a Client, each is a call of its own',
  returnType: 'There is none: a type says which tags come back, as in post<{ lang: string }>(…)',
  prefetchOnRecv: 'It is prefetch',
  maxMessageSize: 'It is maxMessageBytes',
  exposeGraphqlEndpoint: 'It is graphql',
  endpointsMapping: 'It is exposeEndpoints',
  defaultSwaggerUi: 'Leave it out: the page of the HTTP API is at /docs',
  noReduce: REDUCE,
  disableReduce: REDUCE,
  secrets: 'It is env; toKubernetesYaml() has secrets of its own',
  compress: PACKED,
  compressMinBytes: PACKED,
  compressMinRatio: PACKED,
  grpcServerKwargs: SETTINGS,
  grpcServerOptions: SETTINGS,
  grpcChannelOptions: SETTINGS,
  uvicornKwargs: SETTINGS,
  stateful: STATE,
  raftConfiguration: STATE,
  peerPorts: STATE,
  fileFormat: 'It is format',
  verticalLayout: "It is direction: 'down'",
}

/** Those of sources, `from…()`, and of posts that made them in Jina 2, which mean something else elsewhere. */
export const JINA_SOURCES: Readonly<Record<string, string>> = {
  size: TAKE,
  samplingRate: TAKE,
  shuffle: 'There is none: shuffle the list before you hand it over',
  toDataturi: 'There is none: documents have their bytes as blob',
  encoding: 'Leave it out: files are read as UTF-8',
  dialect: 'It is delimiter, of fromCsv()',
  lineFormat: 'There is none: fromLines() gives texts, fromNdjson() and fromCsv() documents',
}

/** Options that are often said to another than who takes them, by whose they are. */
export const OPTIONS_OF: Readonly<Record<string, string>> = {
  'post()':
    'parameters targetExecutor requestSize prefetch resultsInOrder flushAfter onDone onError onAlways onFailure continueOnError showProgress checkpoint',
  'add()':
    'uses usesWith usesMetas usesRequests needs floating parallel replicas shards polling concurrency when dynamicBatching external stuckAfter ' +
    'memory cpus volumes gpus network user args pull entrypoint dockerArgs readyTimeout inheritEnv unresponsiveAfter maxDeaths prefixOutput uploadFiles lease',
  'new Flow()':
    'portExpose closeTimeout unknownEndpoint graphql cors exposeEndpoints noDebugEndpoints noCrudEndpoints title maxInFlight portMonitoring monitoring ui',
  'fromCsv() and fromNdjson()': 'fieldResolver',
  'loadConfig()': 'context allowInstall allowOutside',
  'toKubernetesYaml()': 'k8sNamespace includeGateway',
  'a Client, and of add()': 'retries headers metadata token tokenFile tls unary breaker retryBudget connectTimeout forwardIdentity',
  'a Client, and of add(). For one post(), it is signal: AbortSignal.timeout(milliseconds)': 'timeout attemptTimeout',
}

const LOGS = 'nothing is logged here but what fails'
const CONTAINERS = 'containers are told by other names, such as volumes and dockerArgs'
const PROCESSES = 'executors run in this process'
const PORTS = 'executors run in this process and need no ports'
const ROUTING = 'requests find their way without it'
const CLOUD = 'there is no cloud here, and toKubernetesYaml() has options of its own'
const HUB = 'packages are installed with npm, and only with consent (allowInstall)'

/** Names of Jina 2.x and 3.x, of Flows and of executors, that have no meaning here, and why. YAML passes them over; in code they are to be left out. */
export const NEEDLESS: readonly (readonly [why: string, names: string])[] = [
  [LOGS, 'logConfig quiet quietError quietRemoteLogs suppressRootLogging logId logserver'],
  [
    'telemetry is of the whole process: say it of the Flow',
    'monitoring portMonitoring tracing tracesExporterHost tracesExporterPort metrics metricsExporterHost metricsExporterPort',
  ],
  [
    PROCESSES,
    'runtimeCls timeoutReady timeoutCtrl daemon noblockOnStart exitOnExceptions identity workspaceId reload ctrlWithIpc portCtrl ' +
      'extraSearchPaths shardId peaId peaRole podRole deploymentRole native allowConcurrent readOnly onErrorStrategy memoryHwm dumpPath numPart',
  ],
  [PORTS, 'hostIn hostOut portOut socketIn socketOut hostsInConnect zmqIdentity sshServer sshKeyfile sshPassword podPorts'],
  [ROUTING, 'staticRoutingTable routingTable dynamicRouting dynamicRoutingIn dynamicRoutingOut noDynamicRouting connectToPredecessor connectionList'],
  [ROUTING, 'usesBeforeAddress usesAfterAddress grpcDataRequests scheduling deploymentsAddresses deploymentsMetadata graphDescription graphConditions'],
  [CLOUD, 'jcloud k8sNamespace k8sConnectionPool k8sNoConnectionPool k8sUsesInit k8sMountPath k8sInitContainerCommand k8sCustomResourceDir'],
  [CLOUD, 'infrastructure imagePullSecrets envFromSecret provider providerEndpoint'],
  [HUB, 'installRequirements forceUpdate force preferPlatform pullLatest'],
  [CONTAINERS, 'gpus volumes dockerKwargs entrypoint disableAutoVolume runsInDocker'],
  ['documents stay in this process and are neither compressed nor converted', 'compression outputArrayType grpcServerOptions grpcChannelOptions grpcMetadata'],
  ['nothing is sent to another machine', 'uploadFiles portJinad disableRemote exposePublic'],
]
