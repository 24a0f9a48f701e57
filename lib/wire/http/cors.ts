import { optionRange, optionType } from '../../errors.js'
import { check, flag } from '../../options.js'
import type { Exchange, Headers } from './exchange.js'

/** Who may read the answers from a page of another origin. */
export interface CorsOptions {
  /** Exact origins such as `'https://app.example'`, or `'*'` for all. */
  origins: '*' | readonly string[]
  /** Whether browsers send cookies along. Not possible with `'*'`. Default `false`. */
  credentials?: boolean | undefined
}

type CorsOption = boolean | readonly string[] | CorsOptions

export function corsOption(name: string, value: CorsOption): void {
  if (typeof value === 'boolean') return
  if (typeof value !== 'object' || value === null) throw optionType(name, 'true, false, a list of origins, or { origins, credentials }', value)
  const { origins, credentials } = Array.isArray(value)
    ? { origins: value as readonly string[], credentials: false }
    : check(name, value as CorsOptions, { origins: originsOf, credentials: flag })
  originsOf(`${name}.origins`, origins)
  if (origins === '*' && credentials)
    throw optionRange(`${name}.credentials`, "false with origins '*': name the origins that may use the user's session", credentials)
}

function originsOf(name: string, value: unknown): void {
  if (value === '*') return
  if (!Array.isArray(value) || value.length === 0) throw optionType(name, "'*' or a list of origins", value)
  for (const origin of value)
    if (typeof origin !== 'string' || !URL.canParse(origin) || new URL(origin).origin !== origin)
      throw optionRange(name, "origins such as 'https://app.example', without a path", origin)
}

/** Says to browsers which pages may read. Other origins get no header at all. */
export class Cors {
  readonly #origins: '*' | readonly string[]
  readonly #credentials: boolean

  constructor(option: Exclude<CorsOption, false>) {
    const { origins, credentials = false } = option === true ? { origins: '*' as const } : 'origins' in option ? option : { origins: option }
    this.#origins = origins
    this.#credentials = credentials
  }

  allows(origin: string): boolean {
    return this.#origins === '*' || this.#origins.includes(origin)
  }

  /** What any answer carries. */
  grant(origin: string | undefined, headers: Headers): void {
    if (this.#origins !== '*') headers.vary = headers.vary === undefined ? 'origin' : `${headers.vary}, origin`
    if (origin === undefined || !this.allows(origin)) return
    headers['access-control-allow-origin'] = this.#origins === '*' ? '*' : origin
    headers['access-control-expose-headers'] = 'x-request-id'
    if (this.#credentials) headers['access-control-allow-credentials'] = 'true'
  }

  /** What the answer to a browser's question carries beside. */
  permit(exchange: Exchange, methods: string, headers: Headers): void {
    const origin = exchange.header('origin')
    if (origin === undefined || !this.allows(origin)) return
    headers['access-control-allow-methods'] = methods
    // Only names, which nothing can be smuggled into.
    const asked = exchange.header('access-control-request-headers')
    headers['access-control-allow-headers'] = asked !== undefined && /^[\w ,-]{1,1000}$/.test(asked) ? asked : 'content-type, x-request-id'
    headers['access-control-max-age'] = '600'
  }
}
