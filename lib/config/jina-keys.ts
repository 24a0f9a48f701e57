import { AFTER, BEFORE, NEEDLESS } from '../base/jina-names.js'
import { FLAG, ignored, type Keys, OBJECT, refused, TEXT } from './keys.js'

const CONTAINERS = 'containers are told by other names, such as volumes and dockerArgs'
const PROCESSES = 'executors run in this process'
const PORTS = 'executors run in this process and need no ports'
const SERVING = 'the server here has no such setting'
const CLIENT = 'this is an option of post()'

/** Keys of Jina 2.x and 3.x that Flows and executors share, and that have no meaning here. */
const SHARED: Keys = Object.assign({}, ...NEEDLESS.map(([why, names]) => ignored(why, names)))

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
