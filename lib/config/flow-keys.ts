import { FLOW_RULES } from '../flow/options.js'
import { EXECUTOR_KEYS, RUNTIME, TIMEOUT } from './executor-keys.js'
import { FLOW_IGNORED } from './jina-keys.js'
import { ANY, alias, COUNT, ignored, JOIN, type Keys, OBJECT, option, refused, SOME, TEXT, TEXTS, TIME, UNKNOWN, VERSION } from './keys.js'
import { SERVING_KEYS } from './serving-keys.js'

/** What editors are told of the options of a Flow. */
const OPTIONS: Keys = {
  name: option(TEXT, 'What the Flow is called in messages. Default flow.'),
  prefetch: option(COUNT, 'The most requests of one post between its input and its consumer. Default 16; 0 removes the bound.'),
  prefetchDocuments: option(SOME, 'The most documents of one post between its input and its consumer. Default: prefetch times the size of its requests.'),
  workspace: option(TEXT, 'The folder below which executors get their own. Default none.'),
  env: option(TEXTS, 'What every executor finds in its env, under what it was given itself.'),
  runtime: option(RUNTIME, 'Where executors run that do not say it themselves: inline, thread or process. Default inline.'),
  join: option(JOIN, 'How documents of several last executors are united: concat (default), or merge by id.'),
  cache: option(
    { oneOf: [TEXT, OBJECT] },
    'A folder in which answers are kept of executors that say their version, or have cache: true. Or { path, max_age, max_size }. Default none.',
  ),
  closeTimeout: option(TIME, 'Milliseconds that close() gives requests to finish. Default 10 000.'),
  unknownEndpoint: option(
    UNKNOWN,
    'What becomes of requests for an endpoint that no executor answers: refuse, warn (they pass, and it is told), or pass. Default: refuse in code, pass for clients.',
  ),
  onBackgroundError: { about: 'A function, which can be given in code only.', schema: ANY, code: true },
}

/** Options of an executor that a Flow hands down to all that do not say otherwise, as Jina 3.x does. */
export const INHERITED = [
  ...['parallel', 'replicas', 'shards', 'polling', 'concurrency'],
  ...['timeout', 'attemptTimeout', 'timeoutSend', 'stuckAfter', 'retries', 'modules', 'pyModules'],
]

const handedDown: Keys = Object.fromEntries(
  INHERITED.map((name) => [name, { ...EXECUTOR_KEYS[name]!, about: `For every executor that does not say otherwise. ${EXECUTOR_KEYS[name]!.about}` }]),
)

// Its timeout is that of its executors, as in Jina; that of the server is said in gateway.
const known: Keys = Object.fromEntries(
  Object.keys(FLOW_RULES)
    .filter((name) => name !== 'timeout')
    .map((name) => [name, OPTIONS[name] ?? SERVING_KEYS[name] ?? option(ANY, 'An option of the Flow.')]),
)

/** Keys of `with` of a Flow. */
export const FLOW_KEYS: Keys = { ...FLOW_IGNORED, ...SERVING_KEYS, ...known, ...handedDown, runtimeBackend: EXECUTOR_KEYS.runtimeBackend! }

/** Keys of `gateway` of a Flow. */
export const GATEWAY_KEYS: Keys = {
  ...FLOW_IGNORED,
  ...SERVING_KEYS,
  name: option(TEXT, 'The gateway is always called gateway.'),
  prefetch: OPTIONS.prefetch!,
  timeout: option(TIMEOUT, 'Milliseconds in which a request must be answered, or begin to be in parts; then its executors are told to stop. Default: no end.'),
  timeoutSend: alias('timeout', TIMEOUT),
  usesWith: FLOW_IGNORED.uses!,
  ...ignored('a gateway runs in this process', 'runtime runtimeBackend'),
}

/** Keys of the whole file. */
export const ROOT_KEYS: Keys = {
  jtype: option({ enum: ['Flow', '!Flow'] }, 'Flow: that this file describes a Flow.'),
  version: option(VERSION, 'The version of the format, as Jina writes it: 1.'),
  with: option(OBJECT, 'The options of the Flow.'),
  executors: option({ type: 'array' }, 'The executors, in the order in which they are added.'),
  pods: alias('executors', { type: 'array' }, 'What Jina 2.x calls executors.'),
  deployments: alias('executors', { type: 'array' }, 'What Jina 3.x also calls executors.'),
  gateway: option(OBJECT, 'What serves the Flow, in Jina 3.x’s place for it: the keys that serve it, over those of with.'),
  jcloud: FLOW_IGNORED.jcloud!,
}

/** Keys of a file that describes one executor alone. */
export const DEPLOYMENT_KEYS: Keys = {
  jtype: option({ enum: ['Deployment', '!Deployment'] }, 'Deployment: that this file describes one executor.'),
  version: ROOT_KEYS.version!,
  with: option(OBJECT, 'The executor, by the keys that it has in a Flow.'),
  jcloud: FLOW_IGNORED.jcloud!,
  gateway: refused(OBJECT, 'a file of one executor has no gateway'),
}
