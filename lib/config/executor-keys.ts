import { ADD_RULES } from '../flow/options.js'
import { EXECUTOR_IGNORED, METAS_IGNORED } from './jina-keys.js'
import { ANY, alias, COUNT, FLAG, ignored, JOIN, type Keys, NAMES, OBJECT, option, refused, type Schema, SOME, TEXT, TEXTS, TIME, VERSION } from './keys.js'
import { REMOTE_KEYS } from './remote-keys.js'
import { PORTS, PROTOCOLS_ELSEWHERE } from './serving-keys.js'

/** Jina's negative numbers are its default. */
export const RETRIES: Schema = { anyOf: [{ type: 'integer' }, ...(COUNT.anyOf as Schema[])] }
/** -1 is Jina's word for none. */
export const TIMEOUT: Schema = { type: 'number', minimum: -1, maximum: 0x7fffffff }
/** The same where nothing is done in no time. */
const PATIENCE: Schema = { anyOf: [{ enum: [-1] }, { type: 'number', minimum: 1, maximum: 0x7fffffff }] }
const COPIES: Schema = { type: 'integer', minimum: 1, maximum: 1000 }
const POLL: Schema = { type: 'string', pattern: '^(?:[Aa][Nn][Yy]|[Aa][Ll][Ll]|[Aa][Ll][Ll]_[Aa][Ss][Yy][Nn][Cc])$' }
const JSON_TEXT: Schema = { type: 'string', pattern: '^\\s*\\{' }
/** Where it runs; Jina writes it in capitals. */
export const RUNTIME: Schema = { enum: ['inline', 'thread', 'process', 'container', 'daemon', 'external', 'THREAD', 'PROCESS'] }
const TEXT_OR_NUMBER: Schema = { type: ['string', 'number'] }
const MEMORY: Schema = {
  anyOf: [
    { type: 'integer', minimum: 1 },
    { type: 'string', pattern: '^[1-9]\\d*[kmgKMG]?$' },
  ],
}
/** None is as none said: as Jina writes it down. */
const MODULES: Schema = { oneOf: [TEXT, { type: 'array', items: TEXT }] }

/** How batches of one endpoint are put together. */
export const BATCHING_KEYS: Keys = {
  preferredBatchSize: option({ type: 'integer', minimum: 1 }, 'A batch goes out as soon as it holds so many documents.'),
  timeout: option(TIME, 'Milliseconds that the oldest document waits at most for its batch to fill. Default 10 000.'),
  flushAll: option(FLAG, 'Hand over all that is queued when a batch goes out. Default false.'),
  weight: { about: 'A function, which can be given in code only.', schema: ANY, code: true },
  useDynamicBatching: option(FLAG, 'false turns batching off for this endpoint.'),
  ...ignored('documents count by their number. In code, weight counts otherwise', 'customMetric useCustomMetric'),
}

/** When a failed request is tried again. */
export const RETRIES_KEYS: Keys = {
  attempts: option(COUNT, 'How often, after the first try.'),
  delay: option(TIME, 'Milliseconds before the second try; each further wait is twice as long. Default 100.'),
  maxDelay: option(TIME, 'Milliseconds no wait exceeds. Default 5000.'),
}

/** Where answers are kept, and how long. */
export const STORE_KEYS: Keys = {
  path: option(TEXT, 'A folder of its own, from the folder that the process runs in.'),
  maxAge: option({ type: 'number', minimum: 1 }, 'Milliseconds after which an answer is made anew. Default 30 days; .inf is never.'),
  maxSize: option(
    {
      anyOf: [
        { type: 'number', minimum: 1 },
        { type: 'string', pattern: '^[1-9]\\d*[kmgKMG]?$' },
      ],
    },
    'Bytes of all answers together, or 512m; those go that were used longest ago. Default 4g.',
  ),
}

/** How the answers of an executor are kept. */
export const CACHE_KEYS: Keys = {
  ...STORE_KEYS,
  version: option(TEXT_OR_NUMBER, 'What the executor is: another one finds no answer of the former. Default: what its class says, else the text of that.'),
  per: option({ enum: ['document', 'request'] }, 'What an answer is of: document, or all documents of a request. Default document, and at a join request.'),
  endpoints: option(NAMES, 'The endpoints whose answers are kept. Default: all.'),
  ids: option(FLAG, 'Whether documents that differ in ids alone are different. Default false.'),
  failures: option(FLAG, 'Whether it is kept that a document failed. Default false.'),
  streams: option(FLAG, 'Whether answers are kept that came in parts. Default false.'),
}

/** What `metas` says of an executor. */
export const METAS_KEYS: Keys = {
  name: option(TEXT, 'Another name for parameters that are meant for this executor. Default: the class’s name.'),
  description: option(TEXT, 'What it is for.'),
  workspace: option(TEXT, 'The folder below which it has its own.'),
  url: option(TEXT, 'Where to read more. Found in metas of the executor.'),
  keywords: option({ oneOf: [TEXT, { type: 'array', items: TEXT }] }, 'Found in metas of the executor.'),
  modules: option(MODULES, 'As modules of the executor.'),
  pyModules: alias('modules', MODULES, 'Jina’s name for modules.'),
  ...METAS_IGNORED,
}

/** What a Flow says over `metas` of its executor. */
export const OVER_METAS_KEYS: Keys = {
  ...METAS_KEYS,
  modules: refused(MODULES, 'name modules beside uses, not here'),
  pyModules: refused(MODULES, 'name py_modules beside uses, not here'),
}

/** What describes the executor itself: in a file of its own, as text, or as the object under `uses`. */
export const USES_KEYS: Keys = {
  jtype: option(TEXT, 'The name under which a module exports the class. Default default.'),
  modules: option(MODULES, 'The module, or the modules, of which one exports the class. From the folder of this file.'),
  pyModules: alias('modules', MODULES, 'Jina’s name for modules.'),
  with: option(OBJECT, 'What the class is configured with: config of the executor.'),
  metas: option(OBJECT, 'What the executor is called and what it is for.'),
  requests: option({ type: 'object', additionalProperties: TEXT }, 'Methods by endpoint, over the class’s own bindings.'),
  dynamicBatching: option(OBJECT, 'Unites the documents of several requests into batches: by endpoint or method, or for all.'),
  workspace: option(TEXT, 'The folder below which it has its own.'),
  version: option(VERSION, 'The version of the format, as Jina writes it: 1.'),
}

/** What editors are told of the options of an executor. */
const OPTIONS: Keys = {
  name: option({ type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_-]*$' }, 'Unique in the Flow. Default executor0, executor1, … by position.'),
  uses: option(
    { oneOf: [TEXT, OBJECT] },
    'A module and its export (./executors.js#Name), an npm package (npm:name@1.2.3#Name), an image (docker://name), a YAML file, its text, or its content.',
  ),
  usesWith: option(OBJECT, 'What the class is configured with, over with of its own.'),
  usesMetas: option(OBJECT, 'Over metas of its own.'),
  usesRequests: option({ type: 'object', additionalProperties: TEXT }, 'Methods by endpoint, over requests of its own.'),
  needs: option(NAMES, 'Whose documents it gets. Default: those of the executor before; gateway means the input.'),
  join: option(JOIN, 'How documents of several needs are united: concat (default), or merge by id.'),
  workspace: option(TEXT, 'The folder below which it has its own. Default: the Flow’s.'),
  env: option(TEXTS, 'What it finds in its env, over the Flow’s.'),
  floating: option(FLAG, 'No response waits for it, and the next executor comes behind the one before. Default false.'),
  parallel: option(COPIES, 'How many instances there are. Default 1.'),
  replicas: option(COPIES, 'Another name for parallel.'),
  shards: option(COPIES, 'Another name for parallel.'),
  polling: option(
    { oneOf: [POLL, { type: 'object', additionalProperties: POLL }, JSON_TEXT] },
    'Which instances a request goes to: ANY (default), ALL or ALL_ASYNC, or one of them by endpoint.',
  ),
  concurrency: option(SOME, 'The most requests that one instance handles at once. Default: no bound.'),
  when: option(OBJECT, 'Only documents for which this query holds go there: { tags__lang: { $eq: en } }.'),
  dynamicBatching: option(OBJECT, 'Unites the documents of several requests into batches: for all endpoints, or by endpoint.'),
  cache: option(
    { oneOf: [TEXT, FLAG, OBJECT] },
    'A folder in which its answers are kept, so that it is called for what changed alone; more in an object; true is that of the Flow. Default: as the Flow says.',
  ),
  timeout: option(PATIENCE, 'Milliseconds in which it must be done with a request: all tries, and the waits between them. Default: no end.'),
  attemptTimeout: option(PATIENCE, 'Milliseconds that one try at a request may take. Default: what timeout leaves.'),
  stuckAfter: option(
    TIME,
    'Milliseconds after which an instance is stuck that does not end what it was told to, and ends nothing else. 0 is never. Default 10 000.',
  ),
  retries: option({ oneOf: [RETRIES, OBJECT] }, 'How often a failed request is tried again: a number, or { attempts, delay, max_delay }. Default 0.'),
  runtime: option(
    RUNTIME,
    'Where it runs: inline, in this process; thread; process; container; daemon, on another machine. Default: container for an image, else what the Flow says, else inline.',
  ),
  memory: option(
    MEMORY,
    'The most memory for the heap of its thread or process, or for its container: bytes, or 512m. Default: what node, or the engine, gives it.',
  ),
  cpus: option({ type: 'number', minimum: 0 }, 'How many processors a container may use. Threads and processes take what the machine gives: refused there.'),
  volumes: option(
    NAMES,
    'What its container sees of this machine: ./here:/there, ./here:/there:ro, or name:/there for a volume. Paths start at this file. Default none.',
  ),
  gpus: option(TEXT_OR_NUMBER, 'Which graphics processors its container sees: all, how many, or device=0,1. Default none.'),
  network: option(TEXT, 'The network of its container: host, or the name of one. Default: the engine’s own.'),
  user: option(TEXT_OR_NUMBER, 'Who runs in its container: 1000:1000. Default: as the image says.'),
  args: option(NAMES, 'Stand behind what its image is begun with. Default none.'),
  pull: option(TEXT, 'When its image is brought: missing (default), where it is not there; always; never.'),
  entrypoint: option(NAMES, 'What runs in place of its image’s own entrypoint. Default: that.'),
  dockerArgs: option(NAMES, 'What else docker run is told, before the image: [--cap-add, SYS_NICE]. Default none.'),
  readyTimeout: option(
    PATIENCE,
    'Milliseconds in which its thread, process or container takes requests, from when it runs; of an external one, for which requests wait while it is away. Default 120 000, and none; -1 is no end.',
  ),
  inheritEnv: option(FLAG, 'Its process gets all of this one’s environment. Default false: PATH, HOME, LANG, TZ, TMPDIR, NODE_EXTRA_CA_CERTS and env.'),
  unresponsiveAfter: option(
    { type: 'number', minimum: 1, maximum: 0x7fffffff },
    'Milliseconds after which its thread or process is ended, where it has requests and says nothing. Default: never.',
  ),
  maxDeaths: option(
    SOME,
    'How many deaths of its threads, processes or containers a request may meet before it fails; of an external one, with ready_timeout. Default 3.',
  ),
  prefixOutput: option(FLAG, 'Each line that its thread, process or container writes begins with its name. Default false.'),
  uploadFiles: option(
    { oneOf: [TEXT, { type: 'array', items: TEXT }] },
    'Files and folders that its daemon needs beside the file that uses names, from the folder of this file.',
  ),
  lease: option(
    { type: 'integer', minimum: 100, maximum: 86_400_000 },
    'Milliseconds for which its daemon keeps it when this Flow is gone, and this Flow waits for its daemon. Default 10 000.',
  ),
  external: option(FLAG, 'It runs elsewhere, at host and port, and is neither started nor stopped here. Default false.'),
  host: option(
    NAMES,
    'Where an external executor is: grpc://10.0.0.5:51000, or a name. Several are replicas. With runtime: daemon, where that is: https://gpu-box:8000.',
  ),
  port: option(PORTS, 'The port of an external executor, where its host does not say it; one for all hosts, or one for each.'),
  protocol: option(PROTOCOLS_ELSEWHERE, 'What an external executor speaks, where its host does not say it: grpc (default), http, websocket or nats.'),
  ...REMOTE_KEYS,
  signal: { about: 'An AbortSignal, which can be given in code only.', schema: ANY, code: true },
  input: { about: 'Schemas.', schema: ANY, code: 'write static input into the class that uses names, or input into the options of its each()' },
  output: { about: 'Schemas.', schema: ANY, code: 'write static output into the class that uses names, or output into the options of its each()' },
}

const known: Keys = Object.fromEntries(Object.keys(ADD_RULES).map((name) => [name, OPTIONS[name] ?? option(ANY, 'An option of add().')]))

/** What has a meaning beside the options of `add()`. */
const MORE: Keys = {
  modules: option(MODULES, 'The module that exports the class that uses names.'),
  pyModules: alias('modules', MODULES, 'Jina’s name for modules.'),
  runtimeBackend: alias('runtime', RUNTIME, 'Jina’s name for runtime: PROCESS or THREAD.'),
  timeoutReady: alias('readyTimeout', { type: 'number', minimum: -1, maximum: 0x7fffffff }, 'Jina’s name for readyTimeout; -1 is no end.'),
  forceNetworkMode: alias('network', TEXT, 'Jina’s name for network: AUTO, HOST or BRIDGE.'),
  pullLatest: option(FLAG, 'true is Jina’s word for pull: always.'),
  portIn: alias('port', PORTS, 'Jina 2’s name for port.'),
  grpcMetadata: alias('metadata', TEXTS, 'Jina’s name for metadata.'),
  usesDynamicBatching: alias('dynamicBatching', OBJECT),
  timeoutSend: alias('attemptTimeout', PATIENCE),
  noReduce: option(FLAG, 'true: documents of several needs come one after the other, as they do by default (join: concat).'),
  disableReduce: alias('noReduce', FLAG),
  method: option({ enum: ['add', 'needs', 'needs_all'] }, 'needs_all: this one waits for all that nobody needs yet. Default add.'),
}

/** Keys of one executor of a Flow. */
export const EXECUTOR_KEYS: Keys = {
  ...Object.fromEntries(Object.entries(EXECUTOR_IGNORED).filter(([name]) => !Object.hasOwn(known, name) && !Object.hasOwn(MORE, name))),
  ...known,
  ...MORE,
}
