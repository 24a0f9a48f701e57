import { callback, check, count, flag, milliseconds } from '../base/check.js'
import { here } from '../base/context.js'
import { optionType } from '../base/errors.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import { type DynamicBatching, Queue } from './batch-queue.js'
import { keyOf } from './parameter-key.js'
import { forEndpoint } from './polling.js'

const RULES = { preferredBatchSize: count, timeout: milliseconds, flushAll: flag, weight: callback }

/** Unites requests for an endpoint, of one who asks and with deeply equal parameters, into batches for the executor. Requests without documents do not wait. */
export class Batching implements Handler {
  readonly name: string
  readonly #inner: Handler
  readonly #byEndpoint: Readonly<Record<string, DynamicBatching>>
  /** That in which the Flow was opened: a batch is nobody's alone. */
  readonly #context = here()
  /** By endpoint, parameters and who asks, while something waits in them. */
  readonly #queues = new Map<string, Queue>()
  #hurried = false

  /** @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the executor and the option */
  constructor(
    inner: Handler,
    { name, dynamicBatching: option }: { readonly name: string; readonly dynamicBatching: DynamicBatching | Readonly<Record<string, DynamicBatching>> },
  ) {
    this.name = name
    this.#inner = inner
    this.#byEndpoint =
      Object.keys(option).length > 0 && Object.values(option).every((value) => typeof value === 'object')
        ? (option as Record<string, DynamicBatching>)
        : { '*': option as DynamicBatching }
    for (const [endpoint, batching] of Object.entries(this.#byEndpoint)) {
      const where = `dynamicBatching of ${name}${endpoint === '*' ? '' : ` for ${endpoint}`}`
      check(where, batching, RULES)
      if (!(batching.preferredBatchSize >= 1)) throw optionType(`preferredBatchSize in ${where}`, 'an integer ≥ 1', batching.preferredBatchSize)
    }
  }

  open(): void {
    this.#hurried = false
  }

  close(): void {}

  /** What waits goes out now, and whatever comes goes out at once. */
  hurry(): void {
    this.#hurried = true
    for (const queue of this.#queues.values()) queue.flush()
  }

  accepts(endpoint: string): boolean {
    return this.#inner.accepts(endpoint)
  }

  handle(request: Request): void | Promise<void> {
    const batching = forEndpoint(this.#byEndpoint, request.header.execEndpoint)
    if (batching === undefined || request.docs.length === 0) return this.#inner.handle(request)
    // Who asks is one in a batch: what an executor does for one must not be done for another.
    const { identity } = request
    const key = identity === undefined ? keyOf(request.header) : `${keyOf(request.header)}\n${JSON.stringify(identity)}`
    let queue = this.#queues.get(key)
    if (queue === undefined) {
      const own = new Queue(this.name, this.#inner, batching, this.#context, () => {
        // It may be told more than once, and another may have taken its place.
        if (this.#queues.get(key) === own) this.#queues.delete(key)
      })
      this.#queues.set(key, own)
      queue = own
    }
    const answered = queue.add(request)
    if (this.#hurried) queue.flush()
    return answered
  }
}
