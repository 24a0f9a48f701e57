import {
  abortSignal,
  callback,
  check,
  flag,
  free,
  integers,
  memory,
  milliseconds,
  object,
  oneOrMore,
  patience,
  type Retries,
  type Rule,
  retries,
  ruled,
  share,
  some,
  string,
  unless,
  word,
} from '../base/check.js'
import { optionRange } from '../base/errors.js'
import { isPlainObject } from '../doc/json.js'
import type { Executor, ExecutorFunction, ExecutorInit, Metas } from '../executor/executor.js'
import type { ByEndpoint, InputSchemas, OutputSchemas } from '../executor/schemas.js'
import type { GatewayOptions } from '../gateway/options.js'
import type { Join, Step } from '../graph/graph.js'
import type { DynamicBatching } from '../handler/batch-queue.js'
import type { CacheOptions, StoreOptions } from '../handler/cache-options.js'
import type { PollingOption } from '../handler/polling.js'
import type { Condition } from '../handler/when-query.js'
import { REMOTE_RULES, SERVING_RULES } from '../wire/option-rules.js'
import type { RemoteOptions } from '../wire/remote-options.js'

/**
 * What a Flow can be told when it is made. With `protocol`, `port`, `graphql`, `ui` or `mcp`, `open()` serves it as well: see {@link GatewayOptions} for those,
 * and all that goes with them.
 */
export interface FlowOptions extends GatewayOptions {
  /** What the Flow is called in messages. Default `'flow'`. */
  name?: string | undefined
  /** Jina 2's name for `port`. */
  portExpose?: GatewayOptions['port']
  /** The most requests of one post between its input and its consumer. Default 16; 0 removes the bound. A post's own `prefetch` wins. */
  prefetch?: number | undefined
  /**
   * The most documents of one post between its input and its consumer: `prefetch` bounds requests, of whatever size. Default: `prefetch` times
   * the post's `requestSize`. A post's own `prefetchDocuments` wins. What clients post to a served Flow, they bound themselves.
   */
  prefetchDocuments?: number | undefined
  /** The folder below which executors get their own, `<workspace>/<name>/<shardId>`. Default none: an executor that asks for one fails. */
  workspace?: string | undefined
  /** What every executor finds in `this.env`, under what it was given itself. Texts by name. Default none. */
  env?: Readonly<Record<string, string>> | undefined
  /**
   * What becomes of requests for an endpoint that no executor answers. `'refuse'`: they fail, and are told which there are. `'warn'`: their documents come
   * out as they went in, and it is told, once for each endpoint, to the `logger`, or else as a warning of the process. `'pass'`: the same without a word, as in
   * Jina; then a `targetExecutor` that means no executor is not told of, either. Default: `post()` and what is built on it refuse, where all executors are here; clients of a served Flow pass.
   */
  unknownEndpoint?: 'refuse' | 'warn' | 'pass' | undefined
  /** Where executors run that do not say it themselves: see {@link AddOptions.runtime}. Default `'inline'`: in this process. */
  runtime?: Runtime | undefined
  /**
   * A folder in which answers of executors are kept, so that a later run calls them for what changed alone. It holds for each that says its version (`static version`
   * of its class, `version` of its function, or of its own `cache`), and for those with `cache: true`. Default: none is kept. It needs the package lmdb.
   */
  cache?: string | StoreOptions | undefined
  /** How documents of several last executors are united: one after the other (`'concat'`, the default), or by id (`'merge'`). */
  join?: Join | undefined
  /** Milliseconds that `close()` gives requests to finish before it tells them to stop and closes the executors. Default 10 000: a third of what Kubernetes allows. */
  closeTimeout?: number | undefined
  /** Told of failures that no response can tell: in floating executors, of what a cache cannot keep, and in replicas polled by `'ALL_ASYNC'` beside the one that answered. Default: `logger`, or console.error. */
  onBackgroundError?: ((error: Error) => void) | undefined
}

/** Where an executor runs. */
export type Runtime = 'inline' | 'thread' | 'process' | 'container' | 'daemon' | 'external'

/** A class that extends Executor. */
export type ExecutorClass<Config extends object = any> = new (init: ExecutorInit<any>) => Executor<Config>

/** An Executor as a configuration describes it. */
export interface ExecutorConfig {
  /** The name under which a module exports it. Default `default`. */
  jtype?: string | undefined
  /** The module, or the modules, of which one exports it. `py_modules` in YAML. */
  modules?: string | readonly string[] | undefined
  /** `usesWith`, `usesMetas`, `usesRequests` of this executor; those given to `add()` win, key by key. */
  with?: object | undefined
  metas?: Metas | undefined
  requests?: Record<string, string> | undefined
}

/** Everything that can be an executor of a Flow. */
export type Uses = ExecutorClass | ExecutorFunction<any, any> | string | ExecutorConfig

/** The configuration that a class, or a function, is made with. */
type ConfigOf<Uses> = Uses extends new (...args: any[]) => Executor<infer Config> ? Config : never

/** What `needs` may name: executors added before, those that were added without a name, and the gateway. */
export type Needs<Names extends string> = Names | 'gateway' | `executor${number}`

/** What the compiler reads off the options of `add()`, beside the name, what it needs and what it uses. */
export interface Told {
  join: Join
  floating: boolean
  external: boolean
  rebound: Record<string, string>
  input: ByEndpoint<InputSchemas>
  output: ByEndpoint<OutputSchemas>
  /** A function whose type is not written down. */
  contextual: unknown
}

/** One executor of a Flow. What {@link RemoteOptions} say is for one with `external`; `tls`, `token`, `tokenFile`, `headers` and `connectTimeout` for one of a daemon, too. */
export interface AddOptions<Name extends string = string, Need extends string = string, U extends Uses = Uses, T extends Told = Told & { contextual: never }>
  extends RemoteOptions {
  /** Unique in the Flow: a letter or `_`, then letters, digits, `_`, `-`. Default `executor0`, `executor1`, … by position. */
  name?: Name | undefined
  /**
   * An Executor class, of which the Flow makes an instance when it opens; a function; `'./module.js#Export'` or
   * `'npm:package@version#Export'`; the file name or the text of an executor's YAML, or what such YAML says as an object; `'docker://image'`, for one that serves itself.
   * Paths start at the folder the process runs in. Default: documents pass through.
   */
  uses?: U | T['contextual'] | undefined
  /** `this.config` of the instance. A function has none, nor `env` and `workspace`: there, they are refused. */
  usesWith?: ([ConfigOf<U>] extends [never] ? object : ConfigOf<U>) | undefined
  /** Over the class's own `metas`. */
  usesMetas?: Metas | undefined
  /** Methods by endpoint, over the class's own bindings. */
  usesRequests?: T['rebound'] | undefined
  /** Whose documents it gets. Default: those of the executor added before; `'gateway'` means the input. */
  needs?: Need | readonly Need[] | undefined
  /** How documents of several `needs` are united: one after the other in the order of `needs` (`'concat'`, the default), or by id (`'merge'`). */
  join?: T['join'] | undefined
  /** The folder below which it has its own. Default: the Flow's. What the class's own `metas` or `usesMetas` say wins. */
  workspace?: string | undefined
  /** `this.env`, over the Flow's. Texts by name. */
  env?: Readonly<Record<string, string>> | undefined
  /** No response waits for it, and the next `add()` comes behind the one before. What fails in it goes to `onBackgroundError`. Default `false`. */
  floating?: T['floating'] | undefined
  /** How many instances there are, each with its own `shardId` and workspace. An integer from 1 to 1000. Default 1. */
  parallel?: number | undefined
  /** Jina's other name for `parallel`. */
  replicas?: number | undefined
  /** Jina's other name for `parallel`. */
  shards?: number | undefined
  /**
   * Which replicas a request goes to, for all endpoints or by endpoint, `'*'` being all others. `'ANY'`, the default: the one that is
   * likely to answer first. `'ALL'`: every one, and their answers are united by id. `'ALL_ASYNC'`: every one, and the first answer goes on.
   */
  polling?: PollingOption | undefined
  /**
   * The most requests that one replica handles at once; others wait, for whichever replica is free first. Default Infinity: `prefetch`
   * bounds each post already, and asynchronous methods are made to overlap. Set 1 for what must not.
   */
  concurrency?: number | undefined
  /**
   * Only documents for which this holds go there, and to what comes behind it on that way; other branches are not concerned. At the end,
   * documents stand in the order of the input. A function, or a query such as `{ tags__lang: { $eq: 'en' } }`. As in Jina 3.
   */
  when?: Condition | undefined
  /** Unites the documents of several requests into batches for the executor: for all endpoints, or by endpoint, `'*'` being all others. `{}` is for none. */
  dynamicBatching?: DynamicBatching | Readonly<Record<string, DynamicBatching>> | undefined
  /**
   * Keeps its answers on disk by content of the documents, endpoint, parameters, who asks, `usesWith` and the executor's version; what is known is given without it.
   * A folder, or what else there is to say: see {@link CacheOptions}. `true`: that of the Flow; `false`: none, whatever the Flow says. Not for one that does
   * something beside answering. It needs the package lmdb. Default: as the Flow says.
   */
  cache?: string | boolean | CacheOptions | undefined
  /**
   * What it takes: Standard Schemas (of zod, valibot, arktype …) of `tags`, `text` and `parameters`, for all endpoints, or by endpoint, `'*'` being all others.
   * A document that does not fit fails alone, and does not reach it; parameters that do not fit fail their request. Over `input` of the class, or of
   * `each()`, key by key. Default: nothing is checked.
   */
  input?: T['input'] | undefined
  /** What it gives: schemas of `tags` and `text`, in the same way. A document that does not fit fails alone, in its name. */
  output?: T['output'] | undefined
  /**
   * Milliseconds in which it must be done with a request: all tries, the waits between them and for a replica included, those for the consumer of
   * partial answers not. Then its `signal` aborts, and the request has failed. 1 or more. Default: no end.
   */
  timeout?: number | undefined
  /**
   * Milliseconds that one try may take; then its `signal` aborts, and it has failed. Neither the wait for a replica counts, nor
   * that for the consumer of partial answers.
   * Under `'ALL'` it begins when all replicas have begun, under `'ALL_ASYNC'` with the first. Default: what `timeout` leaves.
   */
  attemptTimeout?: number | undefined
  /**
   * Milliseconds after which a replica is stuck: it was told to stop, as the time of what it does is up or nobody waits for it, and has ended nothing since. Others are asked
   * first then, the `logger` hears of it, and where all are stuck, probes say that the Flow is not ready. Until it ends something. 0: it never is. Default 10 000; more,
   * where it does not hear its `signal` and takes longer.
   */
  stuckAfter?: number | undefined
  /** How often a failed request is tried again, on another replica where there is one. A number, or with its waits. Default 0; elsewhere until it was asked three times. */
  retries?: number | Retries | undefined
  /** Aborts all that the executor does: its requests fail with the reason, and those that come after. */
  signal?: AbortSignal | undefined
  /**
   * Where its instances run. `'inline'`, the default: here. `'thread'`: each in a thread of this process. `'process'`: each in a process of its own. `'daemon'`: each in
   * a process of another machine, which `sluice daemon` at `host` begins. There, `uses` names a module, as class and function cannot cross. `'container'`: each in a
   * container, whose image `uses` names, `'docker://image'`, or the package.json of `'npm:package'`. In all four, documents are written as over gRPC, and one that dies
   * is begun anew.
   */
  runtime?: Runtime | undefined
  /** The most memory that the heap of a thread or process may take, or a container in all: bytes, or a text such as `'512m'`; for a heap, at least `'8m'`. Default: what node, or the engine, gives it. */
  memory?: number | string | undefined
  /** How many processors it may use, in a container: 0.5 is half of one's time. Threads and processes take what the machine gives: there, it is refused. */
  cpus?: number | undefined
  /**
   * What a container sees of this machine: `'./models:/models:ro'` is a folder or file here, where it is there, and that it may not be changed there; `'models:/models'` is
   * a volume of the engine's. Without a place, it is there by its last name: `'./models'` is `/models`. Relative ones start at the folder the process runs in. Default none.
   */
  volumes?: string | readonly string[] | undefined
  /** Which graphics processors a container sees: `'all'`, how many (`'2'`), or `'device=0,1'`. Default none. */
  gpus?: string | undefined
  /** A container's network: one of the engine's by name, or `'host'`. Default: the engine's own. Its port is published for this machine alone, as `127.0.0.1`. */
  network?: string | undefined
  /** Who runs in the container: `'1000:1000'`. Default: as the image says. */
  user?: string | undefined
  /** Stand behind what the image is begun with, and behind what is said of its port, name and configuration: over those, as the last one holds. Default none. */
  args?: string | readonly string[] | undefined
  /** When an image is brought: `'missing'`, the default, where it is not there; `'always'`; `'never'`. */
  pull?: 'missing' | 'always' | 'never' | undefined
  /** What runs in place of the image's own entrypoint: a command, and what it is given. Default: the image's own. */
  entrypoint?: string | readonly string[] | undefined
  /** What else `docker run` is told, before the image: `['--cap-add', 'SYS_NICE']`. Over what it is told by default. Default none. */
  dockerArgs?: string | readonly string[] | undefined
  /**
   * Milliseconds in which a thread, process or container must take requests, from when it runs. Default 120 000: models are large. Of an external executor: for which each request waits
   * while nobody is there, and is sent again when whoever had it dies, up to `maxDeaths` times. No try of `retries` is taken for that. Default: none waits.
   */
  readyTimeout?: number | undefined
  /** A process gets all of this one's environment, and not only PATH, HOME, LANG, TZ, TMPDIR, NODE_EXTRA_CA_CERTS and `env`. Default `false`. */
  inheritEnv?: boolean | undefined
  /** Milliseconds after which a thread or process is ended that has requests and does not turn its event loop, or is stopped. Default: it may compute as long as it likes. */
  unresponsiveAfter?: number | undefined
  /** How many deaths of threads, processes, containers, or of external executors with `readyTimeout`, a request may meet. It is sent again until then, and fails alone. 1: never sent twice. Default 3. */
  maxDeaths?: number | undefined
  /** Each line that a thread, process or container writes begins with its name: `[parse/0] …`. Default `false`. */
  prefixOutput?: boolean | undefined
  /**
   * Files and folders that a daemon needs beside the file that `uses` names: modules of a YAML, models, a package.json. Paths start at the folder the process runs in,
   * and mean the same there. Default: none.
   */
  uploadFiles?: string | readonly string[] | undefined
  /**
   * Milliseconds for which a daemon keeps the executor when this Flow is gone, and then ends it and removes its files; and for which this Flow waits for a daemon
   * that went away. From 100 to a day. Default 10 000: time for either to be begun anew.
   */
  lease?: number | undefined
  /** It runs elsewhere, at `host` and `port`, and is neither started nor stopped here. Default `false`. */
  external?: T['external'] | undefined
  /**
   * Where an external executor is: `'grpc://10.0.0.5:51000'`, or a name. Several are replicas: those that cannot be reached are passed over. With `runtime: 'daemon'`,
   * where its daemon is: `'https://gpu-box:8000'`.
   */
  host?: string | readonly string[] | undefined
  /** The port of an external executor, where its host does not say it; one for all hosts, or one for each. */
  port?: number | readonly number[] | undefined
  /** What an external executor speaks, where its host does not say it. Default `'grpc'`. */
  protocol?: 'grpc' | 'http' | 'websocket' | 'nats' | undefined
}

/** A Flow as it was built, for whoever draws it or writes it down. */
export interface Plan {
  readonly name: string
  readonly options: Readonly<FlowOptions>
  /** In the order they were added. `needs` is complete here; `options` are as they were given. */
  readonly steps: readonly (Step & { readonly options: AddOptions })[]
}

const poll = word('ANY ALL ALL_ASYNC', 'i')

/** What checks what a Flow and its executors have in common. */
const BOTH = {
  workspace: string,
  env: texts,
  join: word('concat merge'),
  runtime: word('inline thread process container daemon external'),
  cache: free,
}

/** What checks each option of a Flow. */
export const FLOW_RULES: Record<keyof FlowOptions, Rule> = {
  name: string,
  ...BOTH,
  ...SERVING_RULES,
  closeTimeout: milliseconds,
  prefetchDocuments: some,
  onBackgroundError: callback,
  unknownEndpoint: word('refuse warn pass'),
  portExpose: SERVING_RULES.port,
}

/** What checks, in part, what only an executor elsewhere can be told: where it is, and how it is spoken to. */
export const ELSEWHERE_RULES: Record<'host' | 'port' | 'protocol' | keyof RemoteOptions, Rule> = {
  host: oneOrMore(string),
  port: SERVING_RULES.port,
  protocol: SERVING_RULES.protocol,
  ...REMOTE_RULES,
}

/** What checks what only threads, processes and their like can be told. */
export const PLACE_RULES = {
  memory,
  cpus: share,
  maxDeaths: some,
  ...ruled(flag, 'inheritEnv prefixOutput'),
  ...ruled(patience, 'unresponsiveAfter readyTimeout lease'),
  ...ruled(oneOrMore(string), 'uploadFiles volumes args entrypoint dockerArgs'),
  ...ruled(string, 'gpus user network pull'),
}

/** What checks each option of `add()`. */
export const ADD_RULES: Record<keyof AddOptions, Rule> = {
  name: string,
  uses: unless('function string'),
  ...ruled(object, 'usesWith usesMetas usesRequests input output'),
  needs: oneOrMore(string),
  ...BOTH,
  ...ruled(flag, 'floating external'),
  ...ruled(integers(1, 1000), 'parallel replicas shards'),
  polling,
  concurrency: some,
  when: unless('function'),
  dynamicBatching: object,
  ...ruled(patience, 'timeout attemptTimeout'),
  stuckAfter: milliseconds,
  retries,
  signal: abortSignal,
  ...PLACE_RULES,
  ...ELSEWHERE_RULES,
}

/** @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the option */
export function checkFlowOptions(options: FlowOptions): FlowOptions {
  return check('Flow', options, FLOW_RULES)
}

/** @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the option */
export function checkAddOptions(options: AddOptions<any, any, any, any>): AddOptions<any, any, any, any> {
  check('add()', options, ADD_RULES)
  const [one, ...others] = [options.parallel, options.replicas, options.shards].filter((count) => count !== undefined)
  if (others.some((other) => other !== one)) throw optionRange('parallel', 'the same as replicas and shards', one)
  return options
}

export function texts(name: string, value: unknown): void {
  object(name, value)
  for (const [key, text] of Object.entries(value as object)) string(`${name}.${key}`, text)
}

function polling(name: string, value: unknown): void {
  for (const one of isPlainObject(value) ? Object.values(value) : [value]) poll(name, one)
}
