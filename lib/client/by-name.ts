import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { say } from '../base/errors.js'
import { node } from '../base/node.js'
import { isAway, isBusy } from '../base/retry-policy.js'
import { Replica } from '../handler/replica.js'
import type { Request } from '../request/request.js'
import { backoff } from '../stream/backoff.js'
import { Breaker } from '../stream/breaker.js'
import { Scope } from '../stream/scope.js'
import { ignore } from '../stream/thenable.js'
import type { Address } from '../wire/address.js'
import type { Connection } from '../wire/connection.js'
import { CONNECT_TIMEOUT } from '../wire/defaults.js'
import { failure } from '../wire/outcome.js'
import { kindOfPlatform, platformCode } from '../wire/platform-errors.js'
import { reachable } from '../wire/probe.js'

// A name, and all who stand behind it: a Service of Kubernetes without an address of its own, a service of Compose, several records of DNS.
//
//   looked up    when a request comes and the last answer is older than 2 s; at once, where nobody known can be reached. Nothing is asked while nobody asks for anything
//   connected    one connection an address, made beside requests, which go on by those that stand; only where none does, requests wait for the first one
//   chosen       as replicas are: who is likely to answer first, for all that he has to do
//   left         who is not found any more gets nothing new, and is let go of when what he has is done. An answer without addresses is none: those known stay
//
// A name may have addresses of both families that lead to the same machines. Those of the family that comes first are taken, the others where none of these can be reached.

/** Milliseconds for which an answer holds: who comes is used, and who goes is left, well within 5 s. */
const HOLDS = 2000
/** The same where nobody can be reached: as often as that is found, and not more. */
const HOLDS_AWAY = 200
/** Milliseconds that one address has before the next is tried beside it, where none is connected: the Connection Attempt Delay of RFC 8305. */
const HEAD_START = 250
/** Between tries to connect to one address. */
const TRIES = { delay: 100, maxDelay: 1000, growth: 2 }

/** One address, and how busy who is there is. */
class Lane {
  readonly replica: Replica
  /** A connection stood, and nothing says that it does not any more. */
  isUp = false
  /** Whether it is of the family that comes first. */
  isFirst = true
  /** When it is tried again. */
  due = 0
  #failed = 0
  #opening: Promise<void> | undefined
  #isGone = false

  /** @param reach resolves when a connection can be made */
  constructor(
    readonly connection: Connection,
    private readonly reach: () => Promise<void>,
    name: string,
  ) {
    const onRoom = (): void => {
      if (this.#isGone && this.replica.load === 0) void this.connection.close()
    }
    // What nobody could be asked says nothing of how fast he is, as of any address: see Replica.
    const handler = { accepts: () => true, handle: (request: Request) => connection.handle(request), breaker: new Breaker(name, reach, false) }
    this.replica = new Replica(handler, { name, at: 0, concurrency: Infinity, stuckAfter: 0, logger: undefined, onTold: ignore, onRoom })
  }

  /** Connects, once at a time. */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<void> {
    try {
      await this.reach()
      this.isUp = true
      this.#failed = 0
    } catch (error) {
      this.down()
      throw error
    }
  }

  /** Nobody is there: others are asked. */
  down(): void {
    this.isUp = false
    this.due = now() + backoff(TRIES, this.#failed++)
  }

  /** Gets nothing new, and ends when it has nothing left to do. */
  leave(): void {
    this.#isGone = true
    this.replica.close()
    if (this.replica.load === 0) void this.connection.close()
  }

  close(reason: unknown): unknown {
    this.replica.close()
    return this.connection.close(reason)
  }
}

/** A connection to a name: to each address behind it, as it is looked up again and again. */
export class ByName implements Connection {
  readonly #lanes = new Map<string, Lane>()
  readonly #place: Pick<Address, 'host' | 'port' | 'protocol'>
  readonly #connect: (at: string) => Connection
  readonly #patience: number
  #looked = -Infinity
  #looking: Promise<void> | undefined
  #closed: { readonly reason: unknown } | undefined

  /**
   * @param address as errors name it
   * @param place the name in it, and what is spoken there
   * @param connect makes the connection to one address
   * @param connectTimeout milliseconds in which the name must have an address
   */
  constructor(
    readonly address: string,
    place: Pick<Address, 'host' | 'port' | 'protocol'>,
    connect: (at: string) => Connection,
    connectTimeout: number = CONNECT_TIMEOUT,
  ) {
    this.#place = place
    this.#connect = connect
    this.#patience = connectTimeout
  }

  accepts(): boolean {
    return true
  }

  async open(): Promise<void> {
    await (await this.#lane(new Set(), new Scope())).connection.open()
  }

  async enter(): Promise<void> {
    await (await this.#lane(new Set(), new Scope())).connection.enter?.()
  }

  async isReady(options?: { signal?: AbortSignal; timeout?: number }): Promise<boolean> {
    try {
      const first = await this.#lane(new Set(), new Scope())
      if (await first.connection.isReady(options)) return true
      const others = [...this.#lanes.values()].filter((lane) => lane !== first)
      return (await Promise.all(others.map(({ connection }) => connection.isReady(options)))).includes(true)
    } catch {
      return false
    }
  }

  async close(reason?: unknown): Promise<void> {
    this.#closed = { reason }
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close(reason)))
  }

  async handle(request: Request): Promise<void> {
    const { scope, emitted } = request
    const tried = new Set<Lane>()
    for (;;) {
      const lane = await this.#lane(tried, scope)
      try {
        await lane.replica.handle(request, now())
        lane.isUp = true
        return
      } catch (error) {
        if (!isAway(error) || isBusy(error)) throw error
        lane.down()
        tried.add(lane)
        // What was on its way may have been done: it is sent again only where no connection was made, or somebody around this one would, see Retry.
        const again = request.attempt !== undefined || kindOfPlatform(platformCode(error.cause).code, false) === 'unreachable'
        if (!again || scope.aborted || request.emitted !== emitted || this.#closed !== undefined) throw error
        if (!(await this.#hasOthers(tried, scope))) throw error
      }
    }
  }

  /** Whether there is anybody who was not tried, as far as is known, or found now. */
  async #hasOthers(tried: ReadonlySet<Lane>, scope: Scope): Promise<boolean> {
    const has = (): boolean => [...this.#lanes.values()].some((lane) => !tried.has(lane))
    if (has()) return true
    if (now() - this.#looked > HOLDS_AWAY) await this.#known(scope).catch(ignore)
    return has()
  }

  /**
   * The one that is likely to answer first, of those that are connected.
   * @throws ConnectionError where nobody is within reach; the reason of the scope
   */
  #lane(tried: ReadonlySet<Lane>, scope: Scope): Lane | Promise<Lane> {
    if (this.#closed !== undefined) throw this.#closed.reason
    const time = now()
    if (time - this.#looked > HOLDS) this.#look().catch(ignore)
    let best: Lane | undefined
    let least = Infinity
    let down: Lane | undefined
    for (const lane of this.#lanes.values()) {
      if (tried.has(lane)) continue
      if (!lane.isUp) {
        if (time >= lane.due && lane.isFirst) down ??= lane
        continue
      }
      // Of the other family are those that were taken while these could not be reached.
      const cost = lane.replica.cost(time) + (lane.isFirst ? 0 : FAR)
      if (cost < least) [best, least] = [lane, cost]
    }
    if (best === undefined) return this.#connected(tried, scope)
    down?.open().catch(ignore)
    return best
  }

  /** Connects where nobody is connected: to the first that can be reached. */
  async #connected(tried: ReadonlySet<Lane>, scope: Scope): Promise<Lane> {
    if (this.#lanes.size === 0) await this.#known(scope)
    const candidates = (): Lane[] => [...this.#lanes.values()].filter((lane) => !tried.has(lane))
    const known = candidates()
    // It connects itself, and says best what is in the way.
    if (known.length === 1) return known[0]!
    try {
      return await this.#first(known, scope)
    } catch (error) {
      if (scope.aborted || !isAway(error) || now() - this.#looked <= HOLDS_AWAY) throw error
      // They may all have moved.
      await this.#known(scope).catch(ignore)
      const found = candidates().filter((lane) => !known.includes(lane))
      if (found.length === 0) throw error
      return this.#first(found, scope)
    }
  }

  /** The first of them with a connection. The next one is begun with when one fails, or takes its time. */
  #first(lanes: readonly Lane[], scope: Scope): Promise<Lane> {
    const inTurn = [...lanes.filter(({ isFirst }) => isFirst), ...lanes.filter(({ isFirst }) => !isFirst)]
    return new Promise((resolve, reject) => {
      let begun = 0
      let failed = 0
      let worst: unknown
      let timer: ReturnType<typeof setTimeout> | undefined
      const end = (settle: () => void): void => {
        clearTimeout(timer)
        unwatch()
        settle()
      }
      const next = (): void => {
        clearTimeout(timer)
        const lane = inTurn[begun]
        if (lane === undefined) return
        if (++begun < inTurn.length) timer = setTimeout(next, HEAD_START)
        lane.open().then(
          () => end(() => resolve(lane)),
          (error) => {
            // Who is there and refuses says more than nobody.
            if (worst === undefined || (isAway(worst) && !isAway(error))) worst = error
            if (++failed === inTurn.length) end(() => reject(worst))
            else next()
          },
        )
      }
      const unwatch = scope.watch((reason) => {
        clearTimeout(timer)
        reject(reason)
      })
      if (scope.aborted) return
      next()
    })
  }

  /** Looks the name up, in time. @throws ConnectionError where that fails; the reason of the scope */
  #known(scope: Scope): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        clearTimeout(timer)
        unwatch()
        then()
      }
      const late = (): void =>
        settle(() => reject(failure('unreachable', this.address, `its name could not be looked up within ${this.#patience} ms (connectTimeout)`)))
      const timer = setTimeout(late, Math.min(this.#patience, LONGEST))
      const unwatch = scope.watch((reason) => {
        clearTimeout(timer)
        reject(reason)
      })
      this.#look().then(
        () => settle(resolve),
        (error) => settle(() => reject(error)),
      )
    })
  }

  #look(): Promise<void> {
    this.#looking ??= this.#find().finally(() => {
      this.#looked = now()
      this.#looking = undefined
    })
    return this.#looking
  }

  #laneTo(at: string): Lane {
    const { port, protocol } = this.#place
    const connection = this.#connect(at)
    // The connection of gRPC is the one that requests go by. Of the others, each request may have one of its own, so one is tried.
    const reach = async (): Promise<void> => (protocol === 'grpc' ? connection.open() : reachable(this.address, at, port, this.#patience)) as Promise<void>
    return new Lane(connection, reach, this.address)
  }

  /** Notes who has come, and who has gone. */
  async #find(): Promise<void> {
    const { promises } = await node('dns')
    const found = await promises.lookup(this.#place.host, { all: true }).catch((cause) => {
      throw failure('unreachable', this.address, `its name has no address (${say(cause)}). See whether the name is right, and who is behind it runs`, { cause })
    })
    if (this.#closed !== undefined || found.length === 0) return
    const addresses = new Set(found.map(({ address }) => address))
    for (const [at, lane] of this.#lanes) {
      if (addresses.has(at)) continue
      this.#lanes.delete(at)
      lane.leave()
    }
    for (const { address, family } of found) {
      let lane = this.#lanes.get(address)
      if (lane === undefined) this.#lanes.set(address, (lane = this.#laneTo(address)))
      lane.isFirst = family === found[0]!.family
    }
  }
}

/** More than any cost. */
const FAR = 1e12
/** Milliseconds of the longest timer. */
const LONGEST = 0x7fffffff
