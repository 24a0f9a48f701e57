import { isError } from '../base/errors.js'
import { isAway } from '../base/retry-policy.js'
import type { AddOptions, FlowOptions, Plan } from '../flow/options.js'
import { pollingFor } from '../handler/polling.js'
import { PASSED_ON } from '../handler/replica.js'
import type { Replicas } from '../handler/replicas.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import { allOrNone } from '../stream/all-or-none.js'
import type { Scope } from '../stream/scope.js'
import { MAX_DEATHS } from './options.js'
import type { Started } from './place.js'
import { Supervisor } from './supervisor.js'
import type { Begin } from './worker-life.js'

/** As of a Flow. */
const CLOSE_TIMEOUT = 10_000

/**
 * Begins all replicas of an executor, each under its supervisor, and has them make it; or none of them.
 * @param scope of what is begun. Told to stop, all that was begun is ended
 * @param kind what a worker is called in messages
 * @param beginOf how a replica begins, again whenever it has ended. It is called once for each, with its number and with what errors call it
 * @throws what the executor could not be made for
 */
export async function supervised(
  { name, options }: Plan['steps'][number],
  { closeTimeout = CLOSE_TIMEOUT, logger }: FlowOptions,
  scope: Scope,
  kind: string,
  beginOf: (shardId: number, address: string) => Begin,
): Promise<Started & { readonly replicas: readonly Supervisor[] }> {
  const { maxDeaths = MAX_DEATHS, parallel = options.replicas ?? options.shards ?? 1 } = options
  const replicas = Array.from(
    { length: parallel },
    (_, shardId) =>
      new Supervisor(beginOf(shardId, `${kind} ${name}/${shardId}`), { name, shardId, kind, maxDeaths, polling: options.polling, closeTimeout, logger }),
  )
  const begins = replicas.map((replica) => async (own: Scope) => {
    let discarded: Promise<void> | undefined
    const unwatch = own.watch(() => {
      discarded = replica.discard()
    })
    try {
      await replica.start()
    } catch (error) {
      // The worker may live on without its executor.
      await (discarded ?? replica.discard())
      throw error
    } finally {
      unwatch()
    }
    return replica
  })
  await allOrNone(scope, begins, (replica) => replica.discard())
  return {
    replicas,
    handlers: replicas,
    parts: replicas,
    options,
    ...(replicas.length > 1 && { among: (inner: Replicas) => new Among(inner, replicas, options.polling) }),
  }
}

/**
 * Around what chooses one of several replicas: a request of one that nobody waits for any more goes to another, as long as there is one; so does what waits for one that
 * is begun anew, where another can take it.
 */
class Among implements Handler {
  readonly #inner: Handler
  readonly #replicas: readonly Supervisor[]
  readonly #polling: AddOptions['polling']

  constructor(inner: Replicas, replicas: readonly Supervisor[], polling: AddOptions['polling']) {
    this.#inner = inner
    this.#replicas = replicas
    this.#polling = polling
    for (const replica of replicas)
      replica.onTurn = () => {
        inner.turned()
        this.#spread()
      }
  }

  /** Has those that are down leave what they have to those that are up. */
  readonly #spread = (): void => {
    const down = this.#replicas.filter(({ isDown }) => isDown)
    let idle = this.#replicas.filter(({ isIdle }) => isIdle).length
    let waits = false
    if (down.length < this.#replicas.length)
      for (const replica of down) {
        const left = replica.passOn(idle)
        waits ||= left.waits
        idle -= left.idle
      }
    // Nobody else needs to be asked at each answer.
    for (const replica of this.#replicas) replica.onIdle = waits ? this.#spread : undefined
  }

  accepts(endpoint: string): boolean {
    return this.#inner.accepts(endpoint)
  }

  async handle(request: Request): Promise<void> {
    for (;;) {
      try {
        return await this.#inner.handle(request)
      } catch (error) {
        if (error === PASSED_ON) continue
        // Of one that closes, nobody moves on: the others close, too.
        const isOurs = isError(error) && isAway(error) && this.#replicas.some(({ address, isUnhealthy }) => isUnhealthy && address === error.address)
        const others = this.#replicas.some(({ state }) => state !== 'unhealthy' && state !== 'closed')
        if (!isOurs || !others || request.scope.aborted || pollingFor(this.#polling, request.header.execEndpoint) !== 'ANY') throw error
      }
    }
  }
}
