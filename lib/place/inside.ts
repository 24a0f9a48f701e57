import type { StandardSchemaV1 } from '@standard-schema/spec'
import { now } from '../base/clock.js'
import { node } from '../base/node.js'
import { DocumentArray } from '../doc/array.js'
import { bindings, DEFAULT_ENDPOINT, DRY_RUN, rebind, standing } from '../executor/bindings.js'
import type { Executor } from '../executor/executor.js'
import type { Saying } from '../executor/schemas.js'
import { checkBound } from '../executor/unbound.js'
import { textOf, versionOf } from '../executor/version.js'
import { lasting } from '../handler/parameter-key.js'
import { SchemaTable } from '../handler/schema-table.js'
import { Validation } from '../handler/validation.js'
import type { Handler } from '../request/handler.js'
import { Header, Request } from '../request/request.js'
import type { Response } from '../request/response.js'
import { EXECUTORS, traceExecutor } from '../request/traced.js'
import { TimeLeft } from '../stream/deadlines.js'
import { Numbered } from '../stream/numbered.js'
import { Scope } from '../stream/scope.js'
import { jsonSchemaOf } from '../wire/json-schema.js'
import { type AsReceived, partWriter, type ReceivedCall, readCall, writeAnswer, writeRefusal } from '../wire/port/calls.js'
import { readError, unwritten, writeError } from '../wire/port/errors.js'
import { FRAME, type Frame, frame, frameReader, HEAD, insideOf, jsonFrame, jsonIn, Outbox, put, SAID, take } from '../wire/port/frames.js'
import { keepShared } from '../wire/port/shared-memory.js'
import type { Writer } from '../wire/proto/index.js'
import type { ContainerBound } from './host.js'
import { checkFunction, instance, isClass, type Resolved, resolved } from './inline.js'
import type { Said, WorkerDescription, WorkerSpec, WrittenSchema } from './spec.js'
import type { WorkerEnd } from './worker-life.js'

/** Pieces of one request that may be on their way: as over gRPC. The generator waits for who takes them. */
const WINDOW = 16

/** Milliseconds of computing after which answers go, though there are others to come in this turn. */
const LONG = 1

/** A request that is here. */
class Held {
  readonly call: number
  readonly request: Request
  /** What it came with. */
  readonly received: AsReceived
  /** Pieces on their way. */
  ahead = 0
  /** The generator goes on. */
  go: (() => void) | undefined

  constructor(call: number, request: Request, received: AsReceived) {
    this.call = call
    this.request = request
    this.received = received
  }

  get scope(): Scope {
    return this.request.scope
  }
}

/** What an end in a worker needs of it. */
export interface Surroundings {
  /** Sends bytes, which have memory of their own, to who has made the worker. */
  send(bytes: Uint8Array): void
  /** It was closed: the worker may end, once what was sent is on its way. */
  end(): void
  /** What its container may be, where it begins one. */
  readonly container?: ContainerBound | undefined
  /** Its container has ended, and this worker is to end as that did. */
  ended?(end: WorkerEnd): void
  /** What the executor is made of, where it is no module: for tests. */
  resolve?(spec: WorkerSpec): Promise<Resolved>
}

/** An executor in a thread or process of its own, and its end of the way there. */
export class Inside {
  readonly #around: Surroundings
  readonly #out: Outbox
  readonly #held = new Numbered<Held>()
  readonly #names = new Set<string>()
  #spec: WorkerSpec | undefined
  #executor: Pick<Executor, 'open' | 'close'> | undefined
  #handler: Handler | undefined
  #isOpen = false
  /** Bytes of requests that were begun since that was last said. */
  #begun = 0
  /** Since when answers wait for the end of this turn. */
  #since = 0
  /** Takes what comes, in pieces of any size. */
  readonly receive: (bytes: Uint8Array) => void

  constructor(around: Surroundings) {
    this.#around = around
    this.#out = new Outbox((bytes) => around.send(bytes))
    const read = frameReader((frame) => this.#take(frame))
    this.receive = (bytes) => {
      this.#since = now()
      read(bytes)
      if (this.#begun < SAID) return
      const said = frame(FRAME.begun, 0, new Uint8Array(4))
      put(said, said.length - 4, this.#begun)
      this.#begun = 0
      this.#out.push(said)
    }
  }

  #take(frame: Frame): void {
    const { call } = frame
    switch (frame.kind) {
      case FRAME.call:
        this.#begun += frame.end - frame.at + HEAD
        this.#call(frame)
        return this.#answerSoon()
      case FRAME.abort:
        return this.#held.get(call)?.scope.abort(readError(jsonIn(frame)))
      case FRAME.took: {
        const held = this.#held.get(call)
        if (held === undefined) return
        held.ahead -= take(frame.bytes, frame.at)
        held.go?.()
        return
      }
      case FRAME.make: {
        const told = insideOf(frame)
        return this.#answer(FRAME.made, () => this.#make(told))
      }
      case FRAME.open: {
        const names = jsonIn(frame)
        return this.#answer(FRAME.opened, () => this.#open(names))
      }
      case FRAME.close:
        return this.#answer(
          FRAME.closed,
          () => this.#close(),
          () => this.#around.end(),
        )
    }
  }

  /** What computes keeps no answers of others: those who wait would get all of a turn at its end. */
  #answerSoon(): void {
    const time = now()
    if (time - this.#since < LONG) return
    this.#since = time
    this.#out.flush()
  }

  /** Does what was asked beside calls, and says what became of it. */
  #answer(kind: number, run: () => Promise<unknown>, after?: () => void): void {
    run()
      .then(
        (value) => jsonFrame(kind, value ?? null),
        (error) => jsonFrame(FRAME.failed, writeError(error)),
      )
      .then((frame) => {
        this.#out.push(frame)
        this.#out.flush()
        after?.()
      })
  }

  async #make(told: Uint8Array): Promise<WorkerDescription> {
    void keepShared()
    const { deserialize } = await node('v8')
    const spec = deserialize(told) as WorkerSpec
    const { name, shardId, env, workspace } = spec
    this.#spec = spec
    const { container } = this.#around
    if (container !== undefined) return this.#contain(spec, container)
    const options = await (this.#around.resolve?.(spec) ?? resolved({ name, options: { ...spec.options, env } }))
    if (!isClass(options.uses)) await checkFunction(name, options)
    const executor = instance(name, shardId, options, { workspace, env })
    if (executor.endpoints.length === 0 && options.usesRequests === undefined) checkBound(name, executor)
    this.#executor = executor
    this.#handler = executor
    const bound = standing(executor, rebind(bindings(executor.constructor), options.usesRequests ?? {}))
    const said = { type: options.uses as Saying, bound, others: bound.get(DEFAULT_ENDPOINT) }
    const table = new SchemaTable(name, { ...said, over: {} })
    const schemas = described(table, executor.endpoints)
    if (Object.keys(schemas).length > 0)
      this.#handler = new Validation(executor, { name, metas: executor.metas, names: this.#names, said: { ...said, over: passing(spec.over) }, probe: DRY_RUN })
    const { dynamicBatching, usesWith, usesRequests } = options
    const hash = (await node('crypto')).createHash('sha256').update(lasting([usesWith, usesRequests]))
    const code = { version: versionOf(options.uses), text: textOf(options.uses), told: hash.digest('base64') }
    return { endpoints: executor.endpoints, metas: executor.metas, schemas, code, ...(dynamicBatching && { dynamicBatching }) }
  }

  async #contain(spec: WorkerSpec, bound: ContainerBound): Promise<WorkerDescription> {
    const { Contained } = await import('./contained.js')
    const contained = new Contained(spec, (end) => {
      // What it answered last goes first.
      this.#out.flush()
      this.#around.ended!(end)
    })
    this.#executor = contained
    this.#handler = contained
    return contained.make(bound)
  }

  async #open(names: readonly string[]): Promise<void> {
    for (const name of names) this.#names.add(name)
    await this.#executor!.open()
    this.#isOpen = true
  }

  /** What is under way was told to stop, or is not wanted any more. */
  async #close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#executor!.close()
  }

  #call(frame: Frame): void {
    const { call } = frame
    const { model } = this.#spec!
    let came: ReceivedCall
    try {
      came = readCall(frame, model)
    } catch (error) {
      // Documents that came from elsewhere as bytes, and are none.
      const none = new Request(new Header('/', {}), new DocumentArray(), new Scope())
      return this.#refuse(new Held(call, none, []), error)
    }
    const scope = new Scope()
    if (came.left !== undefined) scope.deadline = new TimeLeft(came.left, true)
    const request = new Request(came.header, came.docs, scope)
    request.id = came.requestId
    request.identity = frozen(came.identity)
    request.tenant = came.tenant
    request.contextHeaders = came.headers && Object.freeze(came.headers)
    request.branches = came.branches
    const held = new Held(call, request, Array.prototype.slice.call(came.docs))
    this.#held.set(call, held)
    if (came.wantsParts) request.emit = this.#emitter(call, held)
    try {
      const pending = this.#run(request)
      if (pending === undefined) this.#done(held)
      else
        pending.then(
          () => this.#done(held),
          (error) => this.#fail(held, error),
        )
    } catch (error) {
      this.#fail(held, error)
    }
  }

  #run(request: Request): void | Promise<void> {
    const preparing = request.header.prepare()
    return preparing === undefined ? this.#handle(request) : preparing.then(() => this.#handle(request))
  }

  #handle(request: Request): void | Promise<void> {
    return EXECUTORS.isHeard ? traceExecutor(this.#spec!.name, request, () => this.#handler!.handle(request), undefined, true) : this.#handler!.handle(request)
  }

  readonly #write = (writer: Writer, { request, received }: Held): void => writeAnswer(writer, request, received, this.#spec!.model)

  #done(held: Held): void {
    try {
      this.#out.write(FRAME.answer, held.call, this.#write, held)
    } catch (error) {
      return this.#fail(held, this.#unwritten(error))
    }
    this.#leave(held)
  }

  #unwritten(error: unknown): unknown {
    const { name, shardId } = this.#spec!
    return unwritten(error, `${name}/${shardId}`, 'its answer')
  }

  #fail(held: Held, error: unknown): void {
    this.#refuse(held, error)
    this.#leave(held)
  }

  #refuse({ call, request, received }: Held, error: unknown): void {
    this.#out.write(FRAME.refusal, call, (writer) => writeRefusal(writer, request, received, error, this.#spec!.model), undefined)
  }

  #leave({ call }: Held): void {
    this.#held.delete(call)
  }

  #emitter(call: number, held: Held): (response: Response) => Promise<void> {
    const write = partWriter(this.#spec!.model)
    return async (response) => {
      try {
        this.#out.write(FRAME.part, call, write, response)
      } catch (error) {
        throw this.#unwritten(error)
      }
      if (++held.ahead < WINDOW) return
      if (held.scope.aborted) return
      await new Promise<void>((resolve) => {
        const unwatch = held.scope.watch(() => resolve())
        held.go = () => {
          if (held.ahead >= WINDOW) return
          held.go = undefined
          unwatch()
          resolve()
        }
      })
    }
  }
}

/** What whoever asks is, which nobody can change. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) frozen(inner)
    Object.freeze(value)
  }
  return value
}

/** What a table says, for who describes it. */
function described(table: SchemaTable, endpoints: readonly string[]): WorkerDescription['schemas'] {
  const found: Record<string, WorkerDescription['schemas'][string]> = {}
  for (const endpoint of new Set([...endpoints, ...table.named, '*'])) {
    const said = table.at(endpoint)
    if (said !== undefined) found[endpoint] = { input: written(said.input), output: written(said.output) }
  }
  return found
}

function written(schemas: object): Readonly<Record<string, WrittenSchema>> {
  return Object.fromEntries(
    Object.entries(schemas).map(([key, schema]) => [
      key,
      { input: jsonSchemaOf(schema as StandardSchemaV1, 'input'), output: jsonSchemaOf(schema as StandardSchemaV1, 'output') },
    ]),
  )
}

/** What is checked elsewhere: `add()` said it, over what the class says. */
const PASSES: StandardSchemaV1 = { '~standard': { version: 1, vendor: 'sluice', validate: (value) => ({ value }) } }

function passing({ input, output }: Said): Saying {
  const side = (keys: Said['input']): object | undefined =>
    Object.keys(keys).length === 0
      ? undefined
      : Object.fromEntries(Object.entries(keys).map(([endpoint, names]) => [endpoint, Object.fromEntries(names.map((name) => [name, PASSES]))]))
  return { input: side(input), output: side(output) } as Saying
}
