import { clearInterval, nextTurn, setInterval } from '../base/clock.js'
import { VERSION } from '../base/version.js'
import type { Limiter } from '../handler/limits.js'
import type { Pictured } from '../request/pictured.js'
import type { Scope } from '../stream/scope.js'
import { loadChannels } from '../telemetry/channels.js'
import type { LiveView } from '../wire/http/options.js'
import { Numbers } from '../wire/live-numbers.js'
import { type ServiceStatus, serviceStatus } from '../wire/service-status.js'
import type { GatewayOptions } from './options.js'

/** Milliseconds between two snapshots. */
const INTERVAL = 1000
/** Viewers that are told in a second: where more look, snapshots come every other second, or third, so that a server pays no more for them, however many there are. */
const A_SECOND = 500
/** Of what does not change, a viewer is told at each of so many snapshots: that its server is there, and for how long. */
const STILL = 5
/** Viewers that are told in one turn of the event loop: requests go on between. */
const AT_ONCE = 50

const END = /* @__PURE__ */ encoded('event: end\ndata: {}\n\n')

interface Viewer {
  readonly write: (piece: Uint8Array) => void | Promise<void>
  /** It has not taken yet what it was told. */
  busy: boolean
  /** It knows what was before. */
  knows: boolean
  /** The last request that it knows of. */
  last: number
  /** Which of the snapshots that differ it knows. */
  version: number
  leave(): void
}

/** What is told at once to all who look. */
interface Snapshot {
  /** For who comes: what was before, and this. */
  readonly greeting: Uint8Array | undefined
  /** For who knows of requests up to one. */
  readonly since: (last: number) => Uint8Array
  readonly last: number
  readonly version: number
  /** Whether it is told although nothing has changed. */
  readonly isStill: boolean
}

/** What the live page is told: one snapshot a second for all who look, and nothing where nobody does. */
export class Live implements LiveView {
  readonly #limiter: Limiter
  readonly #addresses: boolean
  readonly #about: object
  readonly #documents: boolean
  readonly #viewers = new Set<Viewer>()
  #numbers: Numbers | undefined
  #end: (() => void) | undefined
  #closed = false
  #asking = false
  #seconds = 0
  #count = 0
  /** The last request that is in a snapshot. */
  #last = 0
  /** What the last snapshot says, but for what passes by itself, and which one of those that differ it is. */
  #shown = ''
  #version = 0

  private constructor(limiter: Limiter, { title, ui, noDebugEndpoints = false }: GatewayOptions, addresses: boolean) {
    this.#limiter = limiter
    this.#addresses = addresses
    this.#documents = typeof ui === 'object' && ui.documents === true
    this.#about = { version: VERSION, title: title ?? 'gateway', documents: this.#documents, post: !noDebugEndpoints }
  }

  /** @param addresses whether viewers may know where executors elsewhere are */
  static async of(limiter: Limiter, options: GatewayOptions, addresses: boolean): Promise<Live> {
    await loadChannels()
    return new Live(limiter, options, addresses)
  }

  watch(write: Viewer['write'], scope: Scope): Promise<void> {
    if (this.#closed || scope.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const leave = (): void => {
        if (!this.#viewers.delete(viewer)) return
        unwatch()
        if (this.#viewers.size === 0) this.#rest()
        resolve()
      }
      const viewer: Viewer = { write, busy: false, knows: false, last: 0, version: 0, leave }
      this.#viewers.add(viewer)
      const unwatch = scope.watch(leave)
      if (this.#viewers.size === 1) this.#begin()
      // So that nobody looks at an empty page for a second.
      if (this.#viewers.has(viewer)) void this.#greet(viewer)
    })
  }

  documents(request: string): string | undefined {
    return this.#documents ? this.#numbers?.documents(Number(request)) : undefined
  }

  /** Lets all viewers go, and takes no new ones. */
  close(): void {
    this.#closed = true
    for (const viewer of [...this.#viewers]) {
      this.#tell(viewer, END)
      viewer.leave()
    }
  }

  #begin(): void {
    const numbers = new Numbers(this.#limiter, this.#documents)
    const unlisten = numbers.listen()
    const timer = setInterval(() => void this.#tick(), INTERVAL)
    ;(timer as { unref?: () => void }).unref?.()
    this.#numbers = numbers
    this.#last = 0
    this.#end = () => {
      clearInterval(timer)
      unlisten()
    }
  }

  /** Nobody looks any more. */
  #rest(): void {
    this.#end?.()
    this.#end = undefined
    this.#numbers = undefined
  }

  async #greet(viewer: Viewer): Promise<void> {
    try {
      const last = this.#last
      const text = await this.#hello()
      if (!this.#viewers.has(viewer) || viewer.knows) return
      viewer.knows = true
      viewer.last = last
      this.#tell(viewer, encoded(text))
    } catch {
      // It is greeted at the next tick.
    }
  }

  /** What who comes has to know first: the picture, and what was before. */
  async #hello(): Promise<string> {
    const [picture, status] = await Promise.all([(this.#limiter.inner as Partial<Pictured>).view?.(this.#addresses), this.#status()])
    const { endpoints = [] } = this.#limiter
    return event('hello', { ...this.#about, picture, endpoints, status, requests: this.#numbers?.last ?? [] })
  }

  #status(): Promise<ServiceStatus> {
    return serviceStatus(this.#limiter, { addresses: this.#addresses, afar: true })
  }

  async #tick(): Promise<void> {
    // One that waits for executors elsewhere is not overtaken.
    if (this.#asking || ++this.#seconds % Math.ceil(this.#viewers.size / A_SECOND) !== 0) return
    this.#asking = true
    try {
      const status = await this.#status()
      const numbers = this.#numbers
      if (numbers === undefined) return
      const { requests: rates, executors: done, seen } = numbers.take()
      const executors = Object.fromEntries(done)
      const { uptime: _, ...lasting } = status
      const shown = JSON.stringify([lasting, rates, executors, seen])
      if (shown !== this.#shown) this.#version++
      this.#shown = shown
      const before = this.#last
      this.#last = seen.at(-1)?.n ?? before
      // Each is made once for all who need it, bytes too: writing them down for each is a part of what many viewers cost.
      const pieces = new Map<number, Uint8Array>()
      const since = (last: number): Uint8Array => {
        let piece = pieces.get(last)
        if (piece === undefined) {
          const requests = last === before ? seen : numbers.last.filter(({ n }) => n > last)
          pieces.set(last, (piece = encoded(event('tick', { status, rates, executors, requests }))))
        }
        return piece
      }
      const viewers = [...this.#viewers]
      const greeting = viewers.some(({ knows, busy }) => !knows && !busy) ? encoded(await this.#hello()) : undefined
      const whole = greeting && joined(greeting, since(this.#last))
      this.#tellAll(viewers, { greeting: whole, since, last: this.#last, version: this.#version, isStill: ++this.#count % STILL === 0 })
    } catch {
      // The page says that nothing comes any more; the next may.
    } finally {
      this.#asking = false
    }
  }

  #tellAll(viewers: readonly Viewer[], snapshot: Snapshot, from = 0): void {
    const { greeting, since, last, version, isStill } = snapshot
    for (const viewer of viewers.slice(from, from + AT_ONCE)) {
      // Who is slow misses some, and is told with the next of what was in them: never of more than all others are, or it would be slower still.
      if (viewer.busy) continue
      if (viewer.knows && viewer.version === version && !isStill) continue
      if (viewer.knows) this.#tell(viewer, since(viewer.last))
      else if (greeting === undefined) continue
      else this.#tell(viewer, greeting)
      Object.assign(viewer, { knows: true, version, last })
    }
    if (from + AT_ONCE < viewers.length) nextTurn(() => this.#tellAll(viewers, snapshot, from + AT_ONCE))
  }

  #tell(viewer: Viewer, piece: Uint8Array): void {
    if (!this.#viewers.has(viewer)) return
    try {
      const welcome = viewer.write(piece)
      if (welcome === undefined) return
      viewer.busy = true
      welcome.then(
        () => {
          viewer.busy = false
        },
        () => viewer.leave(),
      )
    } catch {
      viewer.leave()
    }
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const all = new Uint8Array(one.length + other.length)
  all.set(one)
  all.set(other, one.length)
  return all
}

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
