import { check, flag } from '../base/check.js'
import { optionRange, optionType } from '../base/errors.js'
import { RETRY_AFTER } from './retry-after.js'

/** Who may read the answers from a page of another origin. */
export interface CorsOptions {
  /** Exact origins such as `'https://app.example'`, or `'*'` for all. */
  origins: '*' | readonly string[]
  /** Whether browsers send cookies along. Not possible with `'*'`. Default `false`. */
  credentials?: boolean | undefined
}

/** `true` is all origins, without cookies; a list is `{ origins }`. */
export type CorsOption = boolean | readonly string[] | CorsOptions

export function corsOption(name: string, value: CorsOption): void {
  if (typeof value === 'boolean') return
  if (typeof value !== 'object' || value === null) throw optionType(name, 'true, false, a list of origins, or { origins, credentials }', value)
  const { origins, credentials } = Array.isArray(value)
    ? { origins: value as readonly string[], credentials: false }
    : check(name, value as CorsOptions, { origins: (_: string, given: unknown) => originsOf(`${name}.origins`, given), credentials: flag })
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

/** The origins an option names. */
export function originsIn(option: CorsOption): '*' | readonly string[] {
  if (typeof option === 'boolean') return option ? '*' : []
  return 'origins' in option ? option.origins : option
}

/** Says to browsers which pages may read. Other origins get no header at all. */
export class Cors {
  readonly #origins: '*' | readonly string[]
  readonly #credentials: boolean

  constructor(option: Exclude<CorsOption, false>) {
    this.#origins = originsIn(option)
    this.#credentials = typeof option === 'object' && 'origins' in option && option.credentials === true
  }

  allows(origin: string): boolean {
    return this.#origins === '*' || this.#origins.includes(origin)
  }

  /** What any answer carries beside. Caches are told when it depends on who asks. */
  granted(origin: string | null | undefined): Record<string, string> {
    const headers: Record<string, string> = {}
    if (this.#origins !== '*') headers.vary = 'origin'
    if (!origin || !this.allows(origin)) return headers
    headers['access-control-allow-origin'] = this.#origins === '*' ? '*' : origin
    headers['access-control-expose-headers'] = `x-request-id, retry-after, ${RETRY_AFTER}`
    if (this.#credentials) headers['access-control-allow-credentials'] = 'true'
    return headers
  }

  /** What the answer to a browser's question carries beside. */
  permitted(origin: string | null | undefined, methods: string, asked: string | null | undefined): Record<string, string> {
    if (!origin || !this.allows(origin)) return {}
    return {
      'access-control-allow-methods': methods,
      // Only names, which nothing can be smuggled into.
      'access-control-allow-headers': asked && /^[\w ,-]{1,1000}$/.test(asked) ? asked : 'content-type, x-request-id',
      'access-control-max-age': '600',
    }
  }
}
