import { FlowBuildError, FlowStateError, optionRange } from '../base/errors.js'
import type { LoadConfigOptions } from '../config/reading.js'
import type { SaveConfigOptions } from '../config/save.js'
import type { Document } from '../doc/document.js'
import { copyJson } from '../doc/json.js'
import type { PlotOptions } from '../draw/index.js'
import type { Answer } from '../executor/executor.js'
import type { ByEndpoint, Descriptions, InputSchemas, OutputSchemas } from '../executor/schemas.js'
import type { ComposeOptions, KubernetesOptions } from '../export/options.js'
import type { GatewayOptions } from '../gateway/options.js'
import type { Join } from '../graph/graph.js'
import type { WorkerStatus } from '../place/options.js'
import { discard } from '../post/batches.js'
import type { Inputs } from '../post/inputs.js'
import { checkPostOptions, type MapOptions, type PostOptions, withDefaults } from '../post/options.js'
import { type Post, post } from '../post/post.js'
import type { Handler } from '../request/handler.js'
import type { ExecutorStatus, Health, Look } from '../request/health.js'
import type { Request } from '../request/request.js'
import { GATEWAY } from '../request/route.js'
import { Eventual } from '../stream/eventual.js'
import { Scope } from '../stream/scope.js'
import type {
  Absent,
  Added,
  Allowed,
  Answered,
  Arguments,
  ArgumentsAt,
  Arriving,
  Contextual,
  Endpoint,
  Fits,
  Inferred,
  InputsFor,
  MapArguments,
  OptionsFor,
  StepOf,
  TagsFor,
  Untyped,
} from './endpoint-types.js'
import type { Running } from './open-flow.js'
import { type AddOptions, checkAddOptions, checkFlowOptions, type FlowOptions, type Needs, type Plan, type Uses } from './options.js'

const NAME = /^[A-Za-z_][\w-]*$/

type State = 'closed' | 'opening' | 'open' | 'closing'

/**
 * A graph of Executors that documents stream through.
 *
 * Build it with {@link add}, open it, and {@link post} to it as often and as concurrently as you like. Building is lazy: executors
 * are made by {@link open}, anew each time. While it is open it cannot be changed.
 *
 * @typeParam Names the names that `needs` may use, collected by `add`. `new Flow<string>()` leaves them unchecked until `open()`
 * @typeParam Known what executors say of endpoints, tags and parameters, collected by `add`
 *
 * @example
 * await using flow = await new Flow()
 *   .add({ name: 'tokenize', uses: Tokenize, usesWith: { stem: true } })
 *   .add({ name: 'store', uses: async ({ docs }) => save(docs) })
 *   .open()
 * for await (const response of flow.post('/index', documents)) console.log(response.docs.texts)
 */
export class Flow<Names extends string = never, const Known = never> implements Handler, AsyncDisposable {
  readonly name: string
  readonly options: Readonly<FlowOptions>
  readonly #steps: Plan['steps'][number][] = []
  #state: State = 'closed'
  #running: Running | undefined
  /** What is being done to open or close it, so that everybody who asks waits for the same. */
  #opening: Promise<this> | undefined
  /** Aborts when it is to close while it opens. */
  #life: Scope | undefined
  #closing: Promise<void> | undefined
  /** Those who block until it closes. */
  readonly #blocked = new Set<() => void>()

  /** @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the option */
  constructor(options: FlowOptions & { readonly [option in 'join' | 'unknownEndpoint']?: Known | (string & {}) | undefined } = {}) {
    this.options = { ...checkFlowOptions(options) }
    this.name = options.name ?? 'flow'
  }

  /**
   * Reads a Flow from YAML: a file's path or `file:` URL, or the text itself. Files of Jina 2 and 3 load, or say what has no meaning here;
   * `docs/yaml.md` lists the keys. Paths in it start at its folder.
   * @throws ConfigError (`ERR_CONFIG`) that names file, line, column and key
   */
  static async loadConfig(from: string | URL, options?: LoadConfigOptions): Promise<Flow<string>> {
    return (await import('../config/flow.js')).loadFlow(from, (told) => new Flow<string>(told), options)
  }

  /**
   * Writes it down as YAML that {@link loadConfig} reads, into a file if one is named.
   * @returns the YAML
   * @throws ConfigError (`ERR_CONFIG`) for what cannot be written: classes and functions that come from no module, by the executor's name
   */
  async saveConfig(file?: string, options?: SaveConfigOptions): Promise<string> {
    return (await import('../config/save.js')).saveFlow(this.plan, file, options)
  }

  /**
   * Writes it down for Kubernetes, 1.30 or later: each executor a Deployment, or a StatefulSet, of its own behind a name, and a gateway that serves the Flow with its
   * executors elsewhere. `docs/deploy.md` walks through it. Jina's name in camelCase, as are its options.
   * @param folder is made where it is not there
   * @returns the files that were written
   * @throws FlowBuildError (`ERR_USES_INVALID`) that names every executor that cannot go, and why; TypeError or RangeError for options
   */
  async toKubernetesYaml(folder: string, options?: KubernetesOptions): Promise<string[]> {
    return (await import('../export/index.js')).toKubernetes(this.plan, folder, options)
  }

  /**
   * The same for Docker Compose, with a service for each executor.
   * @param file default `docker-compose.yml`; the Flow of its gateway stands beside it, as `docker-compose.flow.yml`
   * @returns the files that were written
   * @throws as {@link toKubernetesYaml} does
   */
  async toDockerComposeYaml(file?: string, options?: ComposeOptions): Promise<string[]> {
    return (await import('../export/index.js')).toCompose(this.plan, file, options)
  }

  /** Whether it takes requests. */
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** Where clients reach it while it is open, by protocol: `{ grpc: 'grpc://127.0.0.1:51000' }`. Empty unless it is served. */
  get addresses(): Readonly<Record<string, string>> {
    return this.#running?.addresses ?? {}
  }

  /** Jina's name for where it listens, while it is open; of several protocols, the first. Undefined where it listens nowhere. {@link addresses} says all. */
  get port(): number | undefined {
    return this.#running?.port
  }

  /** How the threads and processes of its executors are, while it is open: up, or why not. */
  get workers(): readonly WorkerStatus[] {
    return this.#running?.workers ?? []
  }

  /** The executors' names, in the order they were added. */
  get executors(): readonly string[] {
    return this.#steps.map(({ name }) => name)
  }

  /** The Flow as it was built. */
  get plan(): Plan {
    return { name: this.name, options: this.options, steps: [...this.#steps] }
  }

  /**
   * Draws it, open or not, into a file: `.svg`, `.png` (which needs the optional package `@resvg/resvg-js`) or `.mmd` (Mermaid).
   * @returns the SVG, or the Mermaid text, also when there is no file
   * @throws FlowBuildError as {@link open} does; DependencyError (`ERR_DEPENDENCY`); TypeError or RangeError for options
   */
  async plot(file?: string, options?: PlotOptions): Promise<string> {
    return (await import('../draw/index.js')).plot(this.plan, file, options)
  }

  /** For notebooks, which show it as a picture. */
  async [Symbol.for('Jupyter.display')](): Promise<Record<string, string>> {
    return (await import('../draw/index.js')).display(this.plan)
  }

  // ── building ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Adds an executor behind the last one, or behind those in `needs`.
   * @throws FlowBuildError `ERR_FLOW_OPEN`, `ERR_NAME_INVALID`, `ERR_NAME_TAKEN`
   */
  add<
    const Name extends string = never,
    const N extends Needs<Names> = never,
    const J extends Join = 'concat',
    const F extends boolean = false,
    const X extends boolean = false,
    const R extends Record<string, string> = never,
    const I extends ByEndpoint<InputSchemas> = never,
    const O extends ByEndpoint<OutputSchemas> = never,
    U extends Uses = Untyped,
    A extends Answer | Promise<Answer> = Absent,
  >(
    options: Options<Name, N, J, F, X, R, I, O, U, Contextual<Arriving<Known, Names, N, J>, I, O, A>> &
      Fits<Known, Names, N, J, Name, U, I, O> &
      Allowed<Known, Name, U, R> = {} as any,
  ): Flow<Names | NoInfer<Name>, Added<Known, Names, StepOf<Name, N, J, F, X, R, I, O, U, A>>> {
    checkAddOptions(options)
    if (this.#state !== 'closed') throw new FlowBuildError('ERR_FLOW_OPEN', `${this.name} is ${this.#state} and cannot be changed. Close it first`)
    const name: string = options.name ?? this.#freeName('executor')
    if (!NAME.test(name) || name === GATEWAY)
      throw new FlowBuildError('ERR_NAME_INVALID', `An executor cannot be called ${JSON.stringify(name)}: letters, digits, _ and -, not ${GATEWAY}`)
    if (this.#has(name)) throw new FlowBuildError('ERR_NAME_TAKEN', `There is already an executor called ${name}`)
    const last = this.#steps.findLast(({ floating }) => !floating)?.name ?? GATEWAY
    const needs: readonly string[] = [options.needs ?? last].flat()
    if (new Set(needs).size !== needs.length) throw new FlowBuildError('ERR_NAME_TAKEN', `${name} needs the same executor twice: ${needs.join(', ')}`)
    const { input, output, ...rest } = options
    // Schemas are whoever made them: a copy may be none.
    this.#steps.push({
      name,
      needs,
      join: options.join ?? 'concat',
      floating: options.floating ?? false,
      options: { ...copyJson(rest), ...(input && { input }), ...(output && { output }) } as AddOptions,
    })
    return this as any
  }

  /**
   * Adds an executor that waits for several others and unites their documents. Without `uses`, it does only that.
   * @throws FlowBuildError `ERR_NEED_SINGLE` for fewer than two, and those of {@link add}
   */
  needs<
    const N extends Needs<Names>,
    const Name extends string = never,
    const J extends Join = 'concat',
    const F extends boolean = false,
    const X extends boolean = false,
    const R extends Record<string, string> = never,
    const I extends ByEndpoint<InputSchemas> = never,
    const O extends ByEndpoint<OutputSchemas> = never,
    U extends Uses = Untyped,
    A extends Answer | Promise<Answer> = Absent,
  >(
    needs: readonly N[],
    options: Omit<Options<Name, N, J, F, X, R, I, O, U, Contextual<Arriving<Known, Names, N, J>, I, O, A>>, 'needs'> &
      Fits<Known, Names, N, J, Name, U, I, O> &
      Allowed<Known, Name, U, R> = {} as any,
  ): Flow<Names | NoInfer<Name>, Added<Known, Names, StepOf<Name, N, J, F, X, R, I, O, U, A>>> {
    if (!Array.isArray(needs) || needs.length < 2) throw new FlowBuildError('ERR_NEED_SINGLE', `needs() waits for two executors or more. Use add({ needs })`)
    return this.add({ ...options, name: options.name ?? this.#freeName('joiner'), needs } as any) as any
  }

  /**
   * Adds an executor that waits for all that nobody needs yet.
   * @throws FlowBuildError as {@link add} does
   */
  needsAll<
    const Name extends string = never,
    const J extends Join = 'concat',
    const F extends boolean = false,
    const X extends boolean = false,
    const R extends Record<string, string> = never,
    const I extends ByEndpoint<InputSchemas> = never,
    const O extends ByEndpoint<OutputSchemas> = never,
    U extends Uses = Untyped,
    A extends Answer | Promise<Answer> = Absent,
  >(
    options: Omit<Options<Name, never, J, F, X, R, I, O, U, Contextual<Arriving<Known, Names, '*', J>, I, O, A>>, 'needs'> &
      Fits<Known, Names, '*', J, Name, U, I, O> &
      Allowed<Known, Name, U, R> = {} as any,
  ): Flow<Names | NoInfer<Name>, Added<Known, Names, StepOf<Name, '*', J, F, X, R, I, O, U, A>>> {
    const needed = new Set<string>()
    const afloat = new Set<string>()
    for (const { name, needs, floating } of this.#steps) {
      // What stands behind a floating one floats with it, and is no need of anybody who waits.
      if (floating || needs.some((need) => afloat.has(need))) afloat.add(name)
      else for (const need of needs) needed.add(need)
    }
    const loose = this.executors.filter((name) => !afloat.has(name) && !needed.has(name)) as Needs<Names>[]
    if (loose.length > 1) return this.needs(loose, options as any) as any
    return this.add(loose.length === 0 ? options : ({ ...options, needs: loose } as any)) as any
  }

  #has(name: string): boolean {
    return this.executors.includes(name)
  }

  #freeName(stem: string): string {
    // A joiner has a number only where there is one already.
    let at: number | '' = stem === 'joiner' ? '' : this.#steps.length
    while (this.#has(stem + at)) at = at === '' ? 0 : at + 1
    return stem + at
  }

  // ── life ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Makes the executors and opens them side by side, and serves the Flow where its options say how. Open already, it stays as it is.
   * @param options `serve`: how it is served, over what its own options say; `false`: not at all, whatever they say
   * @throws FlowBuildError `ERR_NEED_UNKNOWN`, `ERR_NEED_CYCLE`; ExecutorError `ERR_EXECUTOR_OPEN`, when those that did open are closed again, also where `close()` came and they took longer than `closeTimeout`;
   * what `Gateway.serve()` throws
   */
  open({ serve }: { serve?: GatewayOptions | false | undefined } = {}): Promise<this> {
    if (serve !== undefined && (this.#opening !== undefined || this.#state === 'open'))
      throw new FlowBuildError('ERR_FLOW_OPEN', `${this.name} is open and cannot be changed. Close it first, to serve it so`)
    const opening = (this.#opening ??= this.#start(serve, (this.#life = new Scope())).finally(() => {
      if (this.#opening === opening) this.#opening = undefined
    }))
    return opening
  }

  async #start(serve: GatewayOptions | false | undefined, life: Scope): Promise<this> {
    await this.#closing?.catch(() => {})
    if (this.#state === 'open') return this
    this.#state = 'opening'
    try {
      const { Running } = await import('./open-flow.js')
      this.#running = await Running.start(this.plan, life, serve)
      this.#state = 'open'
      return this
    } catch (error) {
      this.#state = 'closed'
      throw error
    }
  }

  /**
   * Takes no more requests, lets those in the executors finish (for `closeTimeout` at most; then their `signal` aborts), and closes
   * the executors, the last first. A second call waits for the first. What opens meanwhile has `closeTimeout` for it: then it is let go of, and who waits for
   * `open()` hears so.
   * @throws what an executor's `close()` threw, after all were closed; CloseError (`ERR_CLOSE`) of several
   */
  async close(): Promise<void> {
    // Who opens it from now on waits for this, and opens it anew: the last word holds.
    const opening = this.#opening
    this.#opening = undefined
    if (opening !== undefined || this.#closing === undefined) {
      const closing = this.#stop(opening).finally(() => {
        if (this.#closing === closing) this.#closing = undefined
      })
      this.#closing = closing
    }
    await this.#closing
  }

  async #stop(opening: Promise<this> | undefined): Promise<void> {
    // What is cut off hears why, and not what a new request does.
    const reason = new FlowStateError('ERR_FLOW_CLOSED', `${this.name} was closed before this was done (closeTimeout)`)
    if (opening !== undefined) {
      this.#life!.abort(reason)
      await opening.catch(() => {})
    }
    if (this.#state !== 'open') return
    this.#state = 'closing'
    for (const unblock of this.#blocked) unblock()
    try {
      await this.#running!.close(this.options.closeTimeout, reason)
    } finally {
      this.#running = undefined
      this.#state = 'closed'
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * Keeps the Flow open until SIGINT, SIGTERM, SIGHUP or `signal`, then closes it and resolves; also when somebody else closes it. A second one of those
   * signals ends the process at once.
   * @param options `before`: what to do, and await, before it closes
   * @throws what `before` threw, after it was closed
   */
  async block(options: { signal?: AbortSignal; before?: () => unknown } = {}): Promise<void> {
    const { isOpen } = this
    const { block } = await import('./signals.js')
    await block(this, isOpen, options, this.#blocked)
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends documents to the executors bound to an endpoint, and hands back responses as they complete.
   * Lazy: nothing is read before the first response is asked for.
   *
   * @param on the endpoint, by custom with a slash: `'/index'`
   * @param inputs see {@link Inputs}
   * @throws FlowStateError `ERR_FLOW_NOT_OPEN`; RangeError (`ERR_OPTION_RANGE`) for an endpoint that no executor answers, unless `unknownEndpoint` is
   * `'warn'` or `'pass'`; TypeError or RangeError for options
   */
  post<T extends object = Inferred, const On extends string = Endpoint<Known>>(
    on: Answered<Known, On>,
    ...rest: Arguments<Known, On, TagsFor<T, Known, On>>
  ): Post<TagsFor<T, Known, On>>
  post(on: string, inputs?: Inputs<any>, options: PostOptions<any, any> = {}): Post<any> {
    this.#ready(on)
    return post(this, on, inputs, withDefaults(options, this.options), this.#running!.asked)
  }

  /** @throws what is in the way of requests for an endpoint */
  #ready(on: string): void {
    if (this.#state !== 'open') throw this.#refusal()
    if (typeof on === 'string') this.#running!.checkEndpoint(on || '/')
  }

  /** `post('/index', …)` */
  index<T extends object = Inferred>(...rest: ArgumentsAt<Known, '/index', TagsFor<T, Known, '/index'>>): Post<TagsFor<T, Known, '/index'>>
  index(inputs?: any, options?: any): Post<any> {
    return (this as Flow<string>).post('/index', inputs, options)
  }

  /** `post('/search', …)` */
  search<T extends object = Inferred>(...rest: ArgumentsAt<Known, '/search', TagsFor<T, Known, '/search'>>): Post<TagsFor<T, Known, '/search'>>
  search(inputs?: any, options?: any): Post<any> {
    return (this as Flow<string>).post('/search', inputs, options)
  }

  /** `post('/update', …)` */
  update<T extends object = Inferred>(...rest: ArgumentsAt<Known, '/update', TagsFor<T, Known, '/update'>>): Post<TagsFor<T, Known, '/update'>>
  update(inputs?: any, options?: any): Post<any> {
    return (this as Flow<string>).post('/update', inputs, options)
  }

  /** `post('/delete', …)` */
  delete<T extends object = Inferred>(...rest: ArgumentsAt<Known, '/delete', TagsFor<T, Known, '/delete'>>): Post<TagsFor<T, Known, '/delete'>>
  delete(inputs?: any, options?: any): Post<any> {
    return (this as Flow<string>).post('/delete', inputs, options)
  }

  /**
   * The Flow as a step of a pipeline: a function from an async iterable of documents to one of the documents that come out.
   * Failed responses, if `continueOnError` or `onError` lets them pass, give none; nor do partial ones, which the last of their request repeats.
   * The `signal` that `pipeline()` of node:stream hands to each of its steps is heard beside that of the options.
   *
   * @example pipe(fromLines('in.txt'), flow.transform('/index'), other.transform('/rank'), collect)
   */
  transform<T extends object = Inferred, const On extends string = Endpoint<Known>>(
    on: Answered<Known, On>,
    ...rest: OptionsFor<Known, On, TagsFor<T, Known, On>>
  ): (source: Inputs<any>, step?: { readonly signal?: AbortSignal | undefined }) => AsyncIterableIterator<Document<TagsFor<T, Known, On>>>
  transform(on: string, options: PostOptions<any, any> = {}): (source: Inputs<any>, step?: { readonly signal?: AbortSignal }) => AsyncIterableIterator<any> {
    checkPostOptions(options)
    return (source, step) => {
      const responses = (this as Flow<string>).post(on, source, within(options, step?.signal))
      return new Eventual(
        () => import('../stream/flatten.js'),
        ({ Flatten }) => new Flatten(responses, ({ error, partial, docs }) => (error === undefined && !partial ? docs : [])),
        () => discard(source),
      )
    }
  }

  /**
   * Documents for documents, as `p-map` maps values: in the order of the inputs, one for each. What fails ends it in its place.
   *
   * @param options those of `post()`; `on` is the endpoint, by default `/`
   * @returns iterate it once, or take `toArray()`
   * @throws as {@link post} does; ExecutorError (`ERR_EXECUTOR_RESULT`) in the iteration, where executors drop or add documents
   *
   * @example
   * for await (const { tags } of flow.map(articles)) …
   */
  map<T extends object = Inferred, const On extends string = '/'>(
    inputs: InputsFor<Known, On>,
    ...rest: MapArguments<Known, On, TagsFor<T, Known, On>>
  ): Mapped<Document<TagsFor<T, Known, On>>>
  map(inputs: Inputs<any>, options: MapOptions<string, any, any> = {}): Mapped<Document<any>> {
    const { on = '/', ...rest } = options
    this.#ready(on)
    checkPostOptions(typeof options === 'object' ? rest : options)
    // What leaves documents out would shift all that come behind.
    for (const name of ['resultsInOrder', 'continueOnError', 'onError', 'onFailure'])
      if ((rest as any)[name] !== undefined) throw optionRange(name, 'left out: map() gives a document for each input', (rest as any)[name])
    return this.#running!.map(this, on, inputs, withDefaults(rest as PostOptions, this.options))
  }

  /** What its executors are bound to, while it is open; `/default` is all that is not named. */
  get endpoints(): readonly string[] {
    return this.#running?.endpoints ?? []
  }

  /** What its executors say of documents and parameters, by endpoint, while it is open: for whoever serves it. */
  describe(): Promise<Descriptions> | undefined {
    return this.#running?.describe()
  }

  /** Whether it is to be sent anything: for whoever serves it. */
  health(fresh?: boolean): Health | Promise<Health> {
    return this.#running?.health(fresh) ?? { ready: false, reason: `${this.name} is not open` }
  }

  /** Ends the wait of all whose requests are inside, with a reason: for whoever serves it, when their time is up. @returns how many there were */
  cut(reason: Error, entrance: object): number {
    return this.#running?.cut(reason, entrance) ?? 0
  }

  /** What its executors do, while it is open: for whoever serves it. */
  status(look: Look): readonly ExecutorStatus[] {
    return this.#running?.status(look) ?? []
  }

  /** What is drawn of it while it is open, with numbers in it: for whoever serves it. @param addresses whether where executors elsewhere are may be in it */
  view(addresses: boolean): Promise<object> | undefined {
    return this.#running?.view(addresses)
  }

  accepts(): boolean {
    return true
  }

  handle(request: Request): void | Promise<void> {
    if (this.#state !== 'open') throw this.#refusal()
    return this.#running!.handle(request)
  }

  #refusal(): FlowStateError {
    if (this.#state === 'closing') return new FlowStateError('ERR_FLOW_CLOSED', `${this.name} is closing`)
    return new FlowStateError('ERR_FLOW_NOT_OPEN', `${this.name} is not open. Open it first: await flow.open()`)
  }
}

/** What `add()` can be told, and what the compiler reads off it. */
type Options<
  Name extends string,
  N extends string,
  J extends Join,
  F extends boolean,
  X extends boolean,
  R extends Record<string, string>,
  I extends ByEndpoint<InputSchemas>,
  O extends ByEndpoint<OutputSchemas>,
  U extends Uses,
  C,
> = AddOptions<Name, N, U, { join: J; floating: F; external: X; rebound: R; input: I; output: O; contextual: C }>

/** The documents of one `map()`, in the order of its inputs: iterate it once, with `for await`, or take them all, which stay in memory together. */
export type Mapped<D extends Document<any>> = AsyncIterableIterator<D> & { toArray(): Promise<D[]> }

/** The options of a post that hears a second signal. */
function within<O extends PostOptions<any, any>>(options: O, signal: AbortSignal | undefined): O {
  return signal === undefined ? options : { ...options, signal: AbortSignal.any([options.signal ?? signal, signal]) }
}

/** The Flow under its other name: every Flow is asynchronous here. */
export const AsyncFlow = Flow
export type AsyncFlow<Names extends string = never, Known = never> = Flow<Names, Known>
