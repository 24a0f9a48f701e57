import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import { begins } from './container.js'
import type { ContainerBound } from './host.js'
import type { WorkerDescription, WorkerSpec } from './spec.js'
import type { Worker, WorkerEnd } from './worker-life.js'

/**
 * An executor in a container, within the process that a daemon has begun for it: that begins the container, hands on what it is asked, and ends as the container does. So
 * nothing of it burdens the daemon itself, and what holds for its processes holds for its containers.
 */
export class Contained implements Handler {
  readonly name: string
  readonly #spec: WorkerSpec
  readonly #ended: (end: WorkerEnd) => void
  #worker: Worker | undefined
  /** Resolves when its container is gone. Given while it is being closed. */
  #gone: ((end: WorkerEnd) => void) | undefined

  /** @param ended called once, where it ended by itself */
  constructor(spec: WorkerSpec, ended: (end: WorkerEnd) => void) {
    this.name = spec.name
    this.#spec = spec
    this.#ended = ended
  }

  /**
   * Begins it, and resolves when it takes requests.
   * @param bound what whoever has begun this process says of it: the last word
   * @throws FlowBuildError (`ERR_USES_INVALID`) for what cannot be said to a container, and where there is no engine
   */
  async make({ image, memory, labels }: ContainerBound): Promise<WorkerDescription> {
    const { name, shardId, env, workspace, model, options, container } = this.#spec
    // The last one holds.
    const limits = memory === undefined ? [] : [`--memory=${memory}`, `--memory-swap=${memory}`]
    const own = {
      ...{ usesWith: options.usesWith, ...container, uses: `docker://${image}`, env, workspace },
      dockerArgs: [...[container?.dockerArgs ?? []].flat(), ...limits],
    }
    const begin = await begins({ name, options: own }, { docarray: model }, labels)
    this.#worker = begin(shardId)({ answered() {}, ready() {}, end: (end) => (this.#gone ?? this.#ended)(end) })
    return this.#worker.make()
  }

  accepts(): boolean {
    return true
  }

  handle(request: Request): Promise<void> {
    return new Promise((resolve, reject) => this.#worker!.send({ request, resolve, reject, call: -1, parts: undefined, parted: false }))
  }

  open(): void {}

  async close(): Promise<void> {
    const gone = new Promise<WorkerEnd>((resolve) => {
      this.#gone = resolve
    })
    await this.#worker!.close()
    await gone
  }
}
