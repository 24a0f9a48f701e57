import { optionRange, optionType } from './errors.js'
import type { Executor, ExecutorFunction, Metas } from './executor.js'
import type { Join } from './graph/graph.js'
import { callback, check, count, flag, milliseconds, object, string } from './options.js'

/** What a Flow can be told when it is made. */
export interface FlowOptions {
  /** What the Flow is called in messages. Default `'flow'`. */
  name?: string | undefined
  /** The most requests of one post between its input and its consumer. Default 16; 0 removes the bound. A post's own `prefetch` wins. */
  prefetch?: number | undefined
  /** The folder below which executors get their own, `<workspace>/<name>/<shardId>`. Default none: an executor that asks for one fails. */
  workspace?: string | undefined
  /** How documents of several last executors are united: one after the other (`'concat'`, the default), or by id (`'merge'`). */
  join?: Join | undefined
  /** Milliseconds that `close()` gives requests to finish before it tells them to stop and closes the executors. Default 10 000: a third of what Kubernetes allows. */
  closeTimeout?: number | undefined
  /** Told of failures in floating executors, which no response can tell. Default: console.error. */
  onBackgroundError?: ((error: Error) => void) | undefined
}

/** A class that extends Executor. */
export type ExecutorClass<Config extends object = any> = new (...args: any[]) => Executor<Config>

/** The configuration that a class, or a function, is made with. */
type ConfigOf<Uses> = Uses extends new (...args: any[]) => Executor<infer Config> ? Config : never

/** What `needs` may name: executors added before, those that were added without a name, and the gateway. */
export type Needs<Names extends string> = Names | 'gateway' | `executor${number}`

/** One executor of a Flow. */
export interface AddOptions<
  Name extends string = string,
  Names extends string = string,
  Uses extends ExecutorClass | ExecutorFunction = ExecutorClass | ExecutorFunction,
> {
  /** Unique in the Flow: a letter or `_`, then letters, digits, `_`, `-`. Default `executor0`, `executor1`, … by position. */
  name?: Name | undefined
  /** An Executor class, of which the Flow makes an instance when it opens, or a function. Default: documents pass through. */
  uses?: Uses | undefined
  /** `this.config` of the instance. */
  usesWith?: ([ConfigOf<Uses>] extends [never] ? object : ConfigOf<Uses>) | undefined
  /** Over the class's own `metas`. */
  usesMetas?: Metas | undefined
  /** Methods by endpoint, over the class's own bindings. */
  usesRequests?: Record<string, string> | undefined
  /** Whose documents it gets. Default: those of the executor added before; `'gateway'` means the input. */
  needs?: Needs<Names> | readonly Needs<Names>[] | undefined
  /** How documents of several `needs` are united: one after the other in the order of `needs` (`'concat'`, the default), or by id (`'merge'`). */
  join?: Join | undefined
  /** The folder below which it has its own. Default: the Flow's. */
  workspace?: string | undefined
  /** No response waits for it, and the next `add()` comes behind the one before. What fails in it goes to `onBackgroundError`. Default `false`. */
  floating?: boolean | undefined
}

/** What checks each option of a Flow. */
export const FLOW_RULES: Record<keyof FlowOptions, (name: string, value: any) => void> = {
  name: string,
  prefetch: count,
  workspace: string,
  join,
  closeTimeout: milliseconds,
  onBackgroundError: callback,
}

/** What checks each option of `add()`. */
export const ADD_RULES: Record<keyof AddOptions, (name: string, value: any) => void> = {
  name: string,
  uses: callback,
  usesWith: object,
  usesMetas: object,
  usesRequests: object,
  needs,
  join,
  workspace: string,
  floating: flag,
}

/** @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the option */
export function checkFlowOptions(options: FlowOptions): FlowOptions {
  return check('Flow', options, FLOW_RULES)
}

/** @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the option */
export function checkAddOptions(options: AddOptions<any, any, any>): AddOptions<any, any, any> {
  return check('add()', options, ADD_RULES)
}

function join(name: string, value: unknown): void {
  if (value !== 'concat' && value !== 'merge') throw optionRange(name, "'concat' or 'merge'", value)
}

function needs(name: string, value: unknown): void {
  const list = Array.isArray(value) ? value : [value]
  if (!list.every((need) => typeof need === 'string')) throw optionType(name, 'a name or a list of names', value)
  if (list.length === 0) throw optionRange(name, "at least one name; 'gateway' stands for the input", value)
}
