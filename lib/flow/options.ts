import {
  abortSignal,
  callback,
  check,
  flag,
  integers,
  milliseconds,
  object,
  oneOrMore,
  patience,
  type Retries,
  type Rule,
  retries,
  ruled,
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
import type { PollingOption } from '../handler/polling.js'
import type { Condition } from '../handler/when-query.js'
import { REMOTE_RULES, SERVING_RULES } from '../wire/option-rules.js'
import type { RemoteOptions } from '../wire/remote-options.js'

/**
 * What a Flow can be told when it is made. With `protocol`, `port` or `graphql`, `open()` serves it as well: see {@link GatewayOptions} for those,
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
   * What becomes of requests for an endpoint that no executor answers. `'refuse'`: they fail, and are told which there are. `'pass'`: their documents come
   * out as they went in, as in Jina. Default: `post()` and what is built on it refuse, where all executors are here; clients of a served Flow pass.
   */
  unknownEndpoint?: 'refuse' | 'pass' | undefined
  /** How documents of several last executors are united: one after the other (`'concat'`, the default), or by id (`'merge'`). */
  join?: Join | undefined
  /** Milliseconds that `close()` gives requests to finish before it tells them to stop and closes the executors. Default 10 000: a third of what Kubernetes allows. */
  closeTimeout?: number | undefined
  /** Told of failures that no response can tell: in floating executors, and in replicas polled by `'ALL_ASYNC'` beside the one that answered. Default: `logger`, or console.error. */
  onBackgroundError?: ((error: Error) => void) | undefined
}

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

/** One executor of a Flow. What {@link RemoteOptions} say is for one with `external`. */
export interface AddOptions<Name extends string = string, Need extends string = string, U extends Uses = Uses, T extends Told = Told & { contextual: never }>
  extends RemoteOptions {
  /** Unique in the Flow: a letter or `_`, then letters, digits, `_`, `-`. Default `executor0`, `executor1`, … by position. */
  name?: Name | undefined
  /**
   * An Executor class, of which the Flow makes an instance when it opens; a function; `'./module.js#Export'` or
   * `'npm:package@version#Export'`; the file name or the text of an executor's YAML, or what such YAML says as an object.
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
  /** How often a failed request is tried again, on another replica where there is one. A number, or with its waits. Default 0; elsewhere until it was asked three times. */
  retries?: number | Retries | undefined
  /** Aborts all that the executor does: its requests fail with the reason, and those that come after. */
  signal?: AbortSignal | undefined
  /** It runs elsewhere, at `host` and `port`, and is neither started nor stopped here. Default `false`. */
  external?: T['external'] | undefined
  /** Where an external executor is: `'grpc://10.0.0.5:51000'`, or a name. Several are replicas: those that cannot be reached are passed over. */
  host?: string | readonly string[] | undefined
  /** The port of an external executor, where its host does not say it; one for all hosts, or one for each. */
  port?: number | readonly number[] | undefined
  /** What an external executor speaks, where its host does not say it. Default `'grpc'`. */
  protocol?: 'grpc' | 'http' | 'websocket' | undefined
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
const BOTH = { workspace: string, env: texts, join: word('concat merge') }

/** What checks each option of a Flow. */
export const FLOW_RULES: Record<keyof FlowOptions, Rule> = {
  name: string,
  ...BOTH,
  ...SERVING_RULES,
  closeTimeout: milliseconds,
  prefetchDocuments: some,
  onBackgroundError: callback,
  unknownEndpoint: word('refuse pass'),
  portExpose: SERVING_RULES.port,
}

/** What checks, in part, what only an executor elsewhere can be told: where it is, and how it is spoken to. */
export const ELSEWHERE_RULES: Record<'host' | 'port' | 'protocol' | keyof RemoteOptions, Rule> = {
  host: oneOrMore(string),
  port: SERVING_RULES.port,
  protocol: SERVING_RULES.protocol,
  ...REMOTE_RULES,
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
  retries,
  signal: abortSignal,
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

function texts(name: string, value: unknown): void {
  object(name, value)
  for (const [key, text] of Object.entries(value as object)) string(`${name}.${key}`, text)
}

function polling(name: string, value: unknown): void {
  for (const one of isPlainObject(value) ? Object.values(value) : [value]) poll(name, one)
}
