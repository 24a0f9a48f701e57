import { check, object, type Rule, string } from '../../base/check.js'
import { optionRange, optionType } from '../../base/errors.js'
import type { Logger } from '../../base/logger.js'
import { checkNamed } from '../../base/misspelled.js'
import { DEFAULT_PREFETCH } from '../../post/options.js'
import type { Scope } from '../../stream/scope.js'
import { AUTHENTICATION_RULES, type AuthenticationOptions } from '../authentication.js'
import { type CorsOption, corsOption } from '../cors.js'
import { HEARTBEAT, MAX_MESSAGE_BYTES } from '../defaults.js'
import { MAX_DOCUMENTS, MAX_JSON } from '../documents.js'
import { heard } from '../error-listener.js'
import { SERVING_RULES } from '../option-rules.js'
import type { SpeakerOptions } from '../speaker.js'
import { type McpOptions, mcpRule } from './mcp/options.js'

/** Where an endpoint of executors is offered, in place of the same path by POST. */
export interface ExposedEndpoint {
  /** Default: the endpoint. */
  path?: string | undefined
  /** Default POST. Offer by GET only what changes nothing: any page can make a browser ask for it. */
  methods?: readonly ('GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE')[] | undefined
  /** For `/openapi.json`. */
  summary?: string | undefined
  description?: string | undefined
  /** Default `['Customized']`, as in Jina. */
  tags?: readonly string[] | undefined
}

/** What the HTTP side of a peer can be told, whoever listens. */
export interface HttpOptions extends SpeakerOptions, AuthenticationOptions {
  /** Leave out `/post`, `/status` and `/dry_run`. Default `false`. */
  noDebugEndpoints?: boolean | undefined
  /** Leave out `/index`, `/search`, `/update` and `/delete`. Default `false`. */
  noCrudEndpoints?: boolean | undefined
  /** Further endpoints of executors, by name: `{ '/rank': {} }` offers `/rank` at POST `/rank`. */
  exposeEndpoints?: Readonly<Record<string, ExposedEndpoint>> | undefined
  /**
   * Endpoints as tools at `/mcp`, for agents that speak the Model Context Protocol: `true`, or which. It needs the package `@modelcontextprotocol/server`. Default
   * `false`.
   */
  mcp?: boolean | McpOptions | undefined
  /** Pages of which other origins may ask: `true` is all of them, without cookies. Default `false`. */
  cors?: CorsOption | undefined
  /** Of the service, in `/openapi.json` and `/docs`. */
  title?: string | undefined
  description?: string | undefined
  /** Milliseconds after which a request that is not answered is, with 504; its executors are told. A stream must begin by then, and has no end. Default: none. */
  timeout?: number | undefined
  /** Told of executors that fail, requests that are late or refused, and what is wrong with the server itself, a record each. Default: none. */
  logger?: Logger | undefined
  /**
   * Milliseconds of silence after which a streamed answer, NDJSON or events, says something that means nothing, a blank line or a comment: proxies end
   * what is silent for a minute. With the first of them, the answer has begun, with status 200. 0 for none. Default 15 000.
   */
  heartbeat?: number | undefined
  /** Pack answers from 1 KiB that the client takes packed: gzip, br or deflate. Default `true`. */
  compression?: boolean | undefined
}

/** What the server's end is told. */
export interface HttpSpeakerOptions extends HttpOptions {
  /** Milliseconds in which a body must be here, or, of a stream, its next piece, if it is waited for. Default 60 000; 0 for ever. */
  bodyTimeout?: number | undefined
  /** What `/metrics` says, which is offered where this is given. */
  metrics?: (() => string) | undefined
  /** What `/ui` shows, which is offered where this is given. */
  live?: LiveView | undefined
}

/** The live page of what is served: who looks at it, and what they are told. */
export interface LiveView {
  /**
   * Tells a viewer what happens, as server-sent events, until it leaves or nothing is served any more.
   * @param write takes a piece, of which many have the same; a promise says when the next is welcome
   */
  watch(write: (piece: Uint8Array) => void | Promise<void>, scope: Scope): Promise<void>
  /** @returns documents of one of the last requests, as JSON; undefined where they are not shown, or not kept any more */
  documents(request: string): string | undefined
}

/** Options with their defaults in place. */
export interface Settings extends HttpOptions {
  readonly live?: LiveView | undefined
  readonly metrics?: (() => string) | undefined
  readonly maxMessageBytes: number
  readonly maxDocuments: number
  readonly maxJsonBytes: number
  readonly prefetch: number
  readonly exposeStacks: boolean
  readonly noDebugEndpoints: boolean
  readonly noCrudEndpoints: boolean
  readonly compression: boolean
  readonly heartbeat: number
  readonly title: string
  readonly description: string
  readonly onError: (error: Error) => void
}

const { maxMessageBytes, maxDocuments, maxJsonBytes, prefetch, exposeStacks, onError, noDebugEndpoints, noCrudEndpoints, title, description } = SERVING_RULES
const { timeout, logger, compression, heartbeat } = SERVING_RULES

const HTTP: Record<keyof HttpOptions, Rule> = {
  ...{ maxMessageBytes, maxDocuments, maxJsonBytes, prefetch, exposeStacks, onError, noDebugEndpoints, noCrudEndpoints, title, description },
  ...{ timeout, logger, compression, heartbeat },
  ...AUTHENTICATION_RULES,
  exposeEndpoints,
  cors: corsOption,
  mcp: mcpRule,
}

/** @throws TypeError (`ERR_OPTION_TYPE`), RangeError (`ERR_OPTION_RANGE`) that name the option */
export function settingsOf(options: HttpOptions): Settings {
  return settings(checkNamed('createHttp()', options, HTTP))
}

/** What is said of a service of which nobody says anything. */
export const DESCRIPTION = 'A Flow of executors. `/post` reaches every endpoint.'

/** All options, with their defaults. */
export function settings(options: HttpOptions): Settings {
  const { maxMessageBytes = MAX_MESSAGE_BYTES, prefetch = DEFAULT_PREFETCH, onError, logger } = options
  return {
    ...options,
    maxMessageBytes,
    maxDocuments: options.maxDocuments ?? MAX_DOCUMENTS,
    maxJsonBytes: Math.min(options.maxJsonBytes ?? MAX_JSON, maxMessageBytes),
    prefetch: prefetch === 0 ? Infinity : prefetch,
    exposeStacks: options.exposeStacks ?? false,
    noDebugEndpoints: options.noDebugEndpoints ?? false,
    noCrudEndpoints: options.noCrudEndpoints ?? false,
    compression: options.compression ?? true,
    heartbeat: options.heartbeat ?? HEARTBEAT,
    title: options.title ?? 'sluice',
    description: options.description ?? DESCRIPTION,
    onError: heard(onError ?? (logger === undefined ? (error) => console.error(error) : () => {}), logger),
  }
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

function exposeEndpoints(name: string, value: Record<string, ExposedEndpoint>): void {
  object(name, value)
  for (const [endpoint, exposed] of Object.entries(value)) {
    const at = `${name}[${JSON.stringify(endpoint)}]`
    check(at, exposed, { path: string, methods, summary: string, description: string, tags: strings })
    const path = exposed.path ?? endpoint
    if (!/^\/[\w./~!$&'()*+,;=:@-]*$/.test(path) || /(^|\/)\.\.?(\/|$)/.test(path))
      throw optionRange(exposed.path === undefined ? `The endpoint ${at}, which is its path,` : `${at}.path`, "a path such as '/rank'", path)
  }
}

function methods(name: string, value: unknown): void {
  strings(name, value)
  for (const method of value as string[]) if (!METHODS.includes(method)) throw optionRange(name, `a list of ${METHODS.join(', ')}`, method)
}

function strings(name: string, value: unknown): void {
  if (!Array.isArray(value) || value.length === 0 || !value.every((item) => typeof item === 'string')) throw optionType(name, 'a list of strings', value)
}
