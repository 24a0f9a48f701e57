import { AFTER, BEFORE } from '../base/jina-names.js'
import { FLAG, ignored, type Keys, OBJECT, refused, TEXT } from './keys.js'

const LOGS = 'nothing is logged here but what fails'
const CONTAINERS = 'containers are told by other names, such as volumes and dockerArgs'
const PROCESSES = 'executors run in this process'
const PORTS = 'executors run in this process and need no ports'
const ROUTING = 'requests find their way without it'
const SERVING = 'the server here has no such setting'
const METRICS = 'telemetry is of the whole process: say it of the Flow'
const CLOUD = 'nothing is deployed to a cluster or cloud'
const HUB = 'packages are installed with npm, and only with consent (allowInstall)'
const CLIENT = 'this is an option of post()'

/** Keys of Jina 2.x and 3.x that Flows and executors share, and that have no meaning here. */
const SHARED: Keys = {
  ...ignored(LOGS, 'logConfig quiet quietError quietRemoteLogs suppressRootLogging logId logserver'),
  ...ignored(METRICS, 'monitoring portMonitoring tracing tracesExporterHost tracesExporterPort metrics metricsExporterHost metricsExporterPort'),
  ...ignored(
    PROCESSES,
    'runtimeCls timeoutReady timeoutCtrl daemon noblockOnStart exitOnExceptions identity workspaceId reload ctrlWithIpc portCtrl ' +
      'extraSearchPaths shardId peaId peaRole podRole deploymentRole native allowConcurrent readOnly onErrorStrategy memoryHwm dumpPath numPart',
  ),
  ...ignored(PORTS, 'hostIn hostOut portOut socketIn socketOut hostsInConnect zmqIdentity sshServer sshKeyfile sshPassword podPorts'),
  ...ignored(ROUTING, 'staticRoutingTable routingTable dynamicRouting dynamicRoutingIn dynamicRoutingOut noDynamicRouting connectToPredecessor connectionList'),
  ...ignored(
    ROUTING,
    'usesBeforeAddress usesAfterAddress grpcDataRequests scheduling deploymentsAddresses deploymentsMetadata graphDescription graphConditions',
  ),
  ...ignored(CLOUD, 'jcloud k8sNamespace k8sConnectionPool k8sNoConnectionPool k8sUsesInit k8sMountPath k8sInitContainerCommand k8sCustomResourceDir'),
  ...ignored(CLOUD, 'infrastructure imagePullSecrets envFromSecret provider providerEndpoint'),
  ...ignored(HUB, 'installRequirements forceUpdate force preferPlatform pullLatest'),
  ...ignored(CONTAINERS, 'gpus volumes dockerKwargs entrypoint disableAutoVolume runsInDocker'),
  ...ignored(
    'documents stay in this process and are neither compressed nor converted',
    'compression outputArrayType grpcServerOptions grpcChannelOptions grpcMetadata',
  ),
  ...ignored('nothing is sent to another machine', 'uploadFiles portJinad disableRemote exposePublic'),
}

/** Keys of `with` of a Flow, and of its gateway. */
export const FLOW_IGNORED: Keys = {
  ...SHARED,
  ...ignored(PORTS, 'portIn'),
  ...ignored(SERVING, 'uvicornKwargs proxy defaultSwaggerUi compress compressMinBytes compressMinRatio https'),
  ...ignored('say it as protocol: http', 'restApi'),
  ...ignored(CLIENT, 'showProgress continueOnError returnResults returnResponses requestSize asyncio prefetchOnRecv resultsInOrder'),
  ...ignored('a Flow adds no executors that inspect others', 'inspect'),
  uses: refused(TEXT, 'a gateway of your own cannot be a part of a Flow here. Write a server around the Flow, in code'),
}

/** Keys of an executor of a Flow. */
export const EXECUTOR_IGNORED: Keys = {
  ...SHARED,
  ...ignored(PORTS, 'ports portExpose protocols sslCertfile sslKeyfile'),
  peasHosts: refused(OBJECT, 'replicas on other machines cannot be reached yet'),
  usesBefore: refused(TEXT, BEFORE),
  usesAfter: refused(TEXT, AFTER),
  stateful: refused(FLAG, 'replicas do not agree on a common state here'),
  raftConfiguration: refused(OBJECT, 'replicas do not agree on a common state here'),
}

/** Keys of `metas` that say nothing to an executor here. */
export const METAS_IGNORED: Keys = {
  ...ignored(PROCESSES, 'readOnly onGpu runtimeBackend peaId podId shardId replicaId rootWorkspace rootNaming peaWorkspace separatedWorkspace workspaceId'),
  ...ignored('it belonged to Jina 1', 'batchSize maxSnapshot isTrained isUpdated warnUnnamed warnUnamed dumpPath identity compress refDir'),
  ...ignored(CONTAINERS, 'image platform version license vendor avatar kind type'),
}
