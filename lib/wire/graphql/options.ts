import { callback, count, flag, some } from '../../base/check.js'
import { ExecutorError, optionRange, optionType } from '../../base/errors.js'
import type { Logger } from '../../base/logger.js'
import { checkNamed } from '../../base/misspelled.js'
import { DEFAULT_PREFETCH } from '../../post/options.js'
import { AUTHENTICATION_RULES, type AuthenticationOptions } from '../authentication.js'
import { type CorsOption, corsOption } from '../cors.js'
import { MAX_DOCUMENTS } from '../documents.js'

/** What {@link createGraphQL} can be told. */
export interface GraphQLOptions extends Omit<AuthenticationOptions, 'openHealth'> {
  /** Where it answers; everything else is 404. Default `'/graphql'`, as in Jina. */
  path?: string | undefined
  /** Serve the GraphiQL page to browsers. Default `true`, unless `NODE_ENV` is `production`. */
  graphiql?: boolean | undefined
  /** Answer questions about the schema. Default `true`, unless `NODE_ENV` is `production`. GraphiQL needs it to complete and explain. */
  introspection?: boolean | undefined
  /** Pages of which other origins may read answers: `true` is all of them, without cookies. Default `false`. */
  cors?: CorsOption | undefined
  /** Bytes of a request's body. Default 4 MiB, as gRPC's limit of a message. Beyond it, 413, and the rest is not read. */
  maxBodyBytes?: number | undefined
  /** The most documents of a request's variables, chunks and matches included. Default 50,000. Those in its text are tokens. */
  maxDocuments?: number | undefined
  /** Tokens of a GraphQL text. Default 10,000: parsed and refused in some milliseconds. Documents sent as variables do not count. */
  maxTokens?: number | undefined
  /** Levels of fields. Default 12: matches of chunks of matches, with their scores, take 7. Introspection is not counted. */
  maxDepth?: number | undefined
  /** Aliases, counted where fragments are used. Default 30: each alias of `docs` is a request. */
  maxAliases?: number | undefined
  /** Selected fields, repeated ones too, counted where fragments are used. Default 1,000: a document has 19. */
  maxFields?: number | undefined
  /** Directives, counted where fragments are used. Default 50. */
  maxDirectives?: number | undefined
  /** Requests of one subscription between its documents and the client, as in `post()`. Default 16; 0 removes the bound. */
  prefetch?: number | undefined
  /**
   * Hears what went wrong on this side, with causes and stacks, which never go over the wire: failed executors and unexpected errors,
   * but not what clients did wrong. Default: `console.error` for unexpected errors, or nobody where there is a `logger`.
   */
  onError?: ((error: unknown) => void) | undefined
  /** Told of executors that fail, requests that are refused, and unexpected errors, a record each. Default: none. */
  logger?: Logger | undefined
}

/** A page of the same server, to which GraphiQL's leads. */
export interface PageBeside {
  /** From the root of the server: `/docs`. */
  readonly path: string
  readonly name: string
}

type Own = Omit<GraphQLOptions, keyof AuthenticationOptions>

/** All options, with their defaults. */
export type Settings = { [K in keyof Required<Omit<Own, 'logger'>>]: Exclude<Own[K], undefined> } & Pick<
  GraphQLOptions,
  'logger' | keyof Omit<AuthenticationOptions, 'openHealth'>
> & { readonly pages?: readonly PageBeside[] | undefined }

/** @throws OptionTypeError (`ERR_OPTION_TYPE`), OptionRangeError (`ERR_OPTION_RANGE`) that name the option */
export function settings(options: GraphQLOptions): Settings {
  const given = Object.fromEntries(Object.entries(checkNamed('createGraphQL()', options, RULES)).filter(([, value]) => value !== undefined))
  const open = globalThis.process?.env.NODE_ENV !== 'production'
  return {
    path: '/graphql',
    graphiql: open,
    introspection: open,
    cors: false,
    maxBodyBytes: 4 * 1024 * 1024,
    maxDocuments: MAX_DOCUMENTS,
    maxTokens: 10_000,
    maxDepth: 12,
    maxAliases: 30,
    maxFields: 1000,
    maxDirectives: 50,
    prefetch: DEFAULT_PREFETCH,
    onError: options.logger === undefined ? told : () => {},
    ...given,
  }
}

/** As on other wires, what an executor fails at is for who asked, and for a logger. */
function told(error: unknown): void {
  if (!(error instanceof ExecutorError)) console.error('sluice/graphql:', error)
}

const { openHealth: _, ...ENTRANCE } = AUTHENTICATION_RULES

const RULES: Record<keyof GraphQLOptions, (name: string, value: any) => void> = {
  ...ENTRANCE,
  path,
  graphiql: flag,
  introspection: flag,
  cors: corsOption,
  maxBodyBytes: some,
  maxDocuments: some,
  maxTokens: some,
  maxDepth: some,
  maxAliases: count,
  maxFields: some,
  maxDirectives: count,
  prefetch: count,
  onError: callback,
  logger: callback,
}

function path(name: string, value: unknown): void {
  if (typeof value !== 'string') throw optionType(name, 'a string', value)
  if (!/^\/[\w./~-]*$/.test(value)) throw optionRange(name, "a path such as '/graphql', of letters, digits and ._~-/", value)
}
