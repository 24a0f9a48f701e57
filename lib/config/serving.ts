// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables look like that
import { OptionRangeError, OptionTypeError } from '../base/errors.js'
import { node } from '../base/node.js'
import type { GatewayOptions } from '../gateway/options.js'
import { Fields } from './fields.js'
import { natsOf } from './server-of-nats.js'
import { CORS_KEYS, GRAPHQL_KEYS, MCP_KEYS, NATS_SERVING_KEYS, SERVING_KEYS, TLS_KEYS, UI_KEYS } from './serving-keys.js'

const TEXTS = ['title', 'description', 'host', 'sslKeyfile', 'sslCertfile', 'token']

/**
 * What a file says of how its Flow is served.
 * @param folder where the paths of key and certificate start. They lead wherever they are told to: what is read there is a key, and no code
 * @throws ConfigError
 */
export async function servingOf(own: Fields | undefined, folder: string): Promise<GatewayOptions> {
  const names = Object.keys(own?.all ?? {}).filter((name) => Object.hasOwn(SERVING_KEYS, name))
  if (own === undefined || names.length === 0) return {}
  const told: Record<string, unknown> = Object.fromEntries(names.map((name) => [name, TEXTS.includes(name) ? own.text(name) : own.get(name)]))
  if (told.token !== undefined && !own.isSubstituted('token')) throw own.error('token', WRITTEN_OUT)
  if (typeof told.tls === 'boolean') {
    if (told.tls) own.reading.notices.note('tls: true', 'a server has a key and a certificate: name them in ssl_keyfile and ssl_certfile', own.place('tls'))
    delete told.tls
  }
  if (told.nats !== undefined) told.nats = await natsOf(own, folder, NATS_SERVING_KEYS)
  for (const [name, what, keys] of NESTED) if (isFields(told[name])) told[name] = own.fields(name, what, keys)!.all
  const { graphql } = told as { graphql?: { cors?: object } }
  if (isFields(graphql?.cors)) told.graphql = { ...graphql, cors: new Fields(own.reading, graphql!.cors, 'cors', CORS_KEYS, own.place('graphql')).all }
  if (typeof told.exposeEndpoints === 'string') told.exposeEndpoints = jsonOf(own, told.exposeEndpoints)
  const { resolve } = await node('path')
  for (const name of ['sslKeyfile', 'sslCertfile']) if (told[name] !== undefined) told[name] = resolve(folder, told[name] as string)
  if (told.tokenFile !== undefined) {
    own.rule('tokenFile', told.tokenFile, (await import('../wire/tokens.js')).tokenFileRule)
    const files = [told.tokenFile].flat().map((file) => resolve(folder, file as string))
    told.tokenFile = Array.isArray(told.tokenFile) ? files : files[0]
  }
  await check(own, told)
  return told
}

/** Why a token is not taken from a file like this. */
export const WRITTEN_OUT = 'a token does not belong into this file, which others read. Name a file of it with token_file, or write ${{ ENV.SLUICE_TOKEN }}'

const NESTED = [
  ['tls', 'a key with its certificate', TLS_KEYS],
  ['cors', 'cors', CORS_KEYS],
  ['graphql', 'GraphQL', GRAPHQL_KEYS],
  ['ui', 'the live page', UI_KEYS],
  ['mcp', 'MCP', MCP_KEYS],
] as const

/** Each by the rule of the room that serves, then what they say together. */
async function check(own: Fields, told: Record<string, unknown>): Promise<void> {
  const [{ GATEWAY_RULES, checkGatewayOptions }, { settingsOf }, { settings }] = await Promise.all([
    import('../gateway/options.js'),
    import('../wire/http/options.js'),
    import('../wire/graphql/options.js'),
  ])
  for (const [name, value] of Object.entries(told)) own.rule(name, value, GATEWAY_RULES[name as keyof GatewayOptions])
  const { exposeEndpoints, graphql } = told as GatewayOptions
  own.rule('exposeEndpoints', exposeEndpoints, () => settingsOf({ exposeEndpoints }))
  own.rule('graphql', graphql, () => typeof graphql === 'object' && settings(graphql))
  try {
    checkGatewayOptions(told)
  } catch (error) {
    if (!(error instanceof OptionTypeError || error instanceof OptionRangeError)) throw error
    throw own.error(
      ['port', 'sslKeyfile', 'sslCertfile', 'tls', 'graphql', 'ui', 'mcp'].find((name) => error.message.startsWith(name) && told[name] !== undefined) ??
        'protocol',
      error.message,
      error,
    )
  }
}

function isFields(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Jina takes it as JSON, too. */
function jsonOf(own: Fields, text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw own.error('exposeEndpoints', 'this is no JSON. Write it as YAML, an endpoint a line', cause)
  }
}
