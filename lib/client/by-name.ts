import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { say } from '../base/errors.js'
import { node } from '../base/node.js'
import { isAway, isBusy } from '../base/retry-policy.js'
import type { Request } from '../request/request.js'
import { Scope } from '../stream/scope.js'
import { ignore } from '../stream/thenable.js'
import type { Address } from '../wire/address.js'
import type { Connection, ToldStatus } from '../wire/connection.js'
import { CONNECT_TIMEOUT } from '../wire/defaults.js'
import { failure } from '../wire/outcome.js'
import { kindOfPlatform, platformCode } from '../wire/platform-errors.js'
import { reachable } from '../wire/probe.js'
import { Lane } from './lane.js'

// A name, and all who stand behind it: a Service of Kubernetes without an address of its own, a service of Compose, several records of DNS.
//
//   looked up    when a request comes and the last answer is older than 2 s; at once, where nobody known can be reached. Nothing is asked while nobody asks for anything
//   connected    one connection an address, made beside requests, which go on by those that stand; only where none does, requests wait for the first one
//   chosen       as replicas are: who is likely to answer first, for all that he has to do
//   left         who is not found any more gets nothing new, and is let go of when what he has is done; who waits for him goes on to those who were found.
//                An answer without addresses is none: those known stay
//
// A name may have addresses of both families that lead to the same machines. Those of the family that comes first are taken, the others where none of these can be reached.

/** Milliseconds for which an answer holds: who comes is used, and who goes is left, well within 5 s. */
const HOLDS = 2000
/** The same where nobody can be reached: as often as that is found, and not more. */
const HOLDS_AWAY = 200
/** Milliseconds that one address has before the next is tried beside it, where none is connected: the Connection Attempt Delay of RFC 8305. */
const HEAD_START = 250
/** A connection to a name: to each address behind it, as it is looked up again and again. */
export class ByName implements Connection {
  readonly #lanes = new Map<string, Lane>()
  readonly #place: Pick<Address, 'host' | 'port' | 'protocol'>
  readonly #connect: (at: string) => Connection
  readonly #patience: number
  /** Who waits for one that is connected: told of those who were found. */
  readonly #waiting = new Set<() => void>()
  readonly #life = new Scope()
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

  /** All who are connected, each by its own address. */
  async status(live: string): Promise<readonly ToldStatus[]> {
    if (this.#lanes.size === 0) await this.open()
    const up = [...this.#lanes].filter(([, { isUp }]) => isUp)
    const ask = async ([at, { connection }]: [string, Lane]): Promise<ToldStatus[]> =>
      ((await connection.status?.(live).catch(() => [])) ?? []).map(({ status }) => ({ address: at, status }))
    return (await Promise.all(up.map(ask))).flat()
  }

  async close(reason?: unknown): Promise<void> {
    this.#closed = { reason }
    this.#life.abort(reason)
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close(reason)))
  }

  async handle(request: Request): Promise<void> {
    const { scope, emitted } = request
    const tried = new Set<Lane>()
    for (;;) {
      const lane = await this.#lane(tried, scope)
      // It went while this one came to it.
      if (lane.isGone) continue
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
    // They may all have moved. Where those who know it take their time, they are tried meanwhile.
    else if (now() - this.#looked > HOLDS)
      await this.#known(scope, HEAD_START).catch((error) => {
        if (scope.aborted || this.#closed !== undefined) throw error
      })
    const candidates = (): Lane[] => [...this.#lanes.values()].filter((lane) => !tried.has(lane))
    const known = candidates()
    // It connects itself, and says best what is in the way.
    if (known.length === 1) return known[0]!
    try {
      return await this.#first(tried, scope)
    } catch (error) {
      if (scope.aborted || this.#closed !== undefined || !isAway(error) || now() - this.#looked <= HOLDS_AWAY) throw error
      // They may have moved since.
      await this.#known(scope).catch(ignore)
      if (candidates().every((lane) => known.includes(lane))) throw error
      return this.#first(new Set([...tried, ...known]), scope)
    }
  }

  /** The first with a connection of those that were not tried. The next one is begun with when one fails, or takes its time; those that are found meanwhile at once. */
  #first(tried: ReadonlySet<Lane>, scope: Scope): Promise<Lane> {
    const inTurn: Lane[] = []
    let begun = 0
    let failed = 0
    let worst: unknown
    let timer: ReturnType<typeof setTimeout> | undefined
    let over = false
    return this.#within(scope, (resolve, reject) => {
      const next = (): void => {
        clearTimeout(timer)
        const lane = inTurn[begun]
        if (lane === undefined || over) return
        if (++begun < inTurn.length) timer = setTimeout(next, HEAD_START)
        lane.open().then(
          () => resolve(lane),
          (error) => {
            // Who is there and refuses says more than nobody, and who is not there more than who has gone.
            if (!lane.isGone && (worst === undefined || (isAway(worst) && !isAway(error)))) worst = error
            if (++failed === inTurn.length) reject(worst ?? error)
            else next()
          },
        )
      }
      const found = (): void => {
        const others = [...this.#lanes.values()].filter((lane) => !tried.has(lane) && !inTurn.includes(lane))
        inTurn.push(...others.filter(({ isFirst }) => isFirst), ...others.filter(({ isFirst }) => !isFirst))
        if (others.length > 0) next()
      }
      this.#waiting.add(found)
      found()
      if (inTurn.length === 0) reject(this.#gone())
      return () => {
        over = true
        clearTimeout(timer)
        this.#waiting.delete(found)
      }
    })
  }

  /** Looks the name up, in time. @throws ConnectionError where that fails; the reason of the scope */
  #known(scope: Scope, patience: number = this.#patience): Promise<void> {
    return this.#within(scope, (resolve, reject) => {
      const late = (): void => reject(failure('unreachable', this.address, `its name could not be looked up within ${patience} ms (connectTimeout)`))
      const timer = setTimeout(late, Math.min(patience, LONGEST))
      this.#look().then(resolve, reject)
      return () => clearTimeout(timer)
    })
  }

  /** What somebody waits for, until he is told to stop, or all is closed. @param begin returns what ends it */
  #within<T>(scope: Scope, begin: (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void): Promise<T> {
    const stops: (() => void)[] = []
    return new Promise<T>((resolve, reject) => {
      for (const one of [scope, this.#life]) stops.push(one.watch(reject))
      if (!scope.aborted && !this.#life.aborted) stops.push(begin(resolve, reject))
    }).finally(() => {
      for (const stop of stops) stop()
    })
  }

  /** What those are told who wait for one that the name no longer leads to. */
  #gone(): unknown {
    return failure('unreachable', this.address, 'its name no longer leads to who was to be asked')
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
    const reach = async (life: Scope): Promise<void> =>
      (protocol === 'grpc' ? connection.open() : reachable(this.address, at, port, this.#patience, life)) as Promise<void>
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
    const gone = [...this.#lanes].filter(([at]) => !addresses.has(at))
    for (const [at] of gone) this.#lanes.delete(at)
    for (const { address, family } of found) {
      let lane = this.#lanes.get(address)
      if (lane === undefined) this.#lanes.set(address, (lane = this.#laneTo(address)))
      lane.isFirst = family === found[0]!.family
    }
    // Who waits has those who came before he is told of those who went.
    for (const tell of [...this.#waiting]) tell()
    for (const [, lane] of gone) lane.leave(this.#gone())
  }
}

/** More than any cost. */
const FAR = 1e12
/** Milliseconds of the longest timer. */
const LONGEST = 0x7fffffff
