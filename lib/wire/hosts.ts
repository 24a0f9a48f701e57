import type { IncomingMessage } from 'node:http'
import { OptionTypeError, optionRange } from '../base/errors.js'

/** Whether a request names several hosts: who stands in front may have looked at the other one. Node lets that pass, and takes the first. */
export function namesSeveralHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}

/** Names under which a service may be asked for: `'flow.example'`, `'.example'` for all below it; `true` is any. */
export type HostsOption = true | readonly string[]

export function hostsRule(name: string, value: unknown): void {
  if (value === true) return
  if (!Array.isArray(value) || !value.every((host) => typeof host === 'string'))
    throw new OptionTypeError(`${name} must be true for any, or a list of hosts such as ['flow.example']`)
  for (const host of value)
    if (!/^\.?[\w-]+(\.[\w-]+)*$|^\[[\da-f:.]+\]$/i.test(host)) throw optionRange(name, "hosts such as 'flow.example', without scheme and port", host)
}

/**
 * Which hosts a request may name. A page of any name can have that name point at this machine (DNS rebinding), and is then of the same origin as
 * whatever listens here: only the host that its browser names gives it away.
 */
export class Hosts {
  readonly #any: boolean
  readonly #named: readonly string[] | undefined
  readonly #own: string | undefined
  #seen: string | undefined
  #verdict = true

  /** @param own where it listens, as it was told */
  constructor(option: HostsOption | undefined, own: string | undefined) {
    this.#any = option === true
    this.#named = option === true ? undefined : option?.map((name) => name.toLowerCase())
    this.#own = own?.toLowerCase()
  }

  /**
   * @param host as the request names it, with its port
   * @param near whether it listens for this machine only, in the open: over TLS, the certificate says who it is
   */
  allows(host: string | undefined, near: boolean): boolean {
    // Browsers always name one.
    if (host === undefined || this.#any || (this.#named === undefined && !near)) return true
    const seen = near ? host : `${host} `
    // Most often the same as before.
    if (seen !== this.#seen) {
      this.#seen = seen
      this.#verdict = this.#knows(nameOf(host), near)
    }
    return this.#verdict
  }

  #knows(name: string, near: boolean): boolean {
    if (isLoopback(name) || name === this.#own || name === `[${this.#own}]`) return true
    // No page can have a number point elsewhere; probes ask by it.
    if (!near && /^[\d.]+$|^\[/.test(name)) return true
    return this.#named?.some((one) => (one.startsWith('.') ? name.endsWith(one) : name === one)) ?? false
  }
}

/** Without port, and the dot behind it. */
function nameOf(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}

export function isLoopback(host: string): boolean {
  return /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|::ffff:127\.\d+\.\d+\.\d+)$/.test(host)
}

/** Whether others may stand behind it than it says itself: it is a name, and not that of this machine. */
export function isName(host: string): boolean {
  return !/^[\d.]+$|^\[/.test(host) && !isLoopback(host.toLowerCase())
}

/** What a browser says of the page that asks. */
export interface Asker {
  readonly origin: string | undefined
  readonly host: string | undefined
  /** `sec-fetch-site`, which no page can write. */
  readonly site: string | undefined
  readonly secure: boolean
}

/**
 * Whether a page of another origin asks. Who is no browser names none. Where the page's own origin is not said, as of pictures, the browser still
 * says whether it is another.
 */
export function isForeign({ origin, host, site, secure }: Asker): boolean {
  if (origin === undefined) return site === 'cross-site' || site === 'same-site'
  // Behind a proxy that names another host than the page does.
  if (site === 'same-origin') return false
  if (host === undefined || !URL.canParse(origin)) return true
  const own = new URL(origin)
  const target = `${secure ? 'https:' : own.protocol}//${host}`
  return !URL.canParse(target) || new URL(target).host !== own.host
}
