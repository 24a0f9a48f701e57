import { BATCHING_KEYS, CACHE_KEYS, EXECUTOR_KEYS, METAS_KEYS, OVER_METAS_KEYS, RETRIES, RETRIES_KEYS, STORE_KEYS, USES_KEYS } from './executor-keys.js'
import { DEPLOYMENT_KEYS, FLOW_KEYS, GATEWAY_KEYS, ROOT_KEYS } from './flow-keys.js'
import { DECIMAL, FLAG, isNumeric, type Keys, type Schema, TEXT } from './keys.js'
import { CORS_KEYS, GRAPHQL_KEYS, MCP_KEYS, NATS_ASKING_KEYS, NATS_SERVING_KEYS, TLS_KEYS, UI_KEYS } from './serving-keys.js'

/** A value that a variable gives, whatever it is in the end. */
const REFERENCE: Schema = { type: 'string', pattern: '\\$(?:\\{|[A-Za-z_])' }
const QUOTED: Schema = { type: 'string', pattern: DECIMAL }
const QUOTED_LIST: Schema = { type: 'array', items: { anyOf: [{ type: 'integer' }, QUOTED] }, minItems: 1 }
const YAML_FILE: Schema = { type: 'string', pattern: '\\.(?:[Yy][Aa]?[Mm][Ll]|[Jj][Aa][Mm][Ll])$' }

/**
 * The JSON Schema (2020-12) of the YAML that `loadConfig` reads, for editors: each key in snake_case and camelCase, with what it is for.
 * It knows names and types; that names in `needs` exist, or modules, only loading tells.
 */
export function flowSchema(): Schema {
  const list = { type: 'array', items: { anyOf: [YAML_FILE, ref('executor'), ref('deployment')] } }
  const lists = { executors: list, pods: list, deployments: list }
  const batching = { dynamicBatching: ref('dynamicBatching'), usesDynamicBatching: ref('dynamicBatching') }
  const serving = {
    tls: served('tls'),
    cors: served('cors'),
    graphql: served('graphql'),
    exposeGraphqlEndpoint: served('graphql'),
    ui: served('ui'),
    mcp: served('mcp'),
    nats: { oneOf: [TEXT, ref('natsServing')] },
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'A Flow of sluice',
    anyOf: [ref('flow'), ref('deployment')],
    $defs: {
      flow: objectOf('flow', ROOT_KEYS, { with: ref('options'), gateway: ref('gateway'), ...lists }),
      options: objectOf('options', FLOW_KEYS, { retries: ref('retries'), cache: { oneOf: [TEXT, ref('store')] }, ...serving }),
      gateway: objectOf('gateway', GATEWAY_KEYS, serving),
      tls: { ...objectOf('tls', TLS_KEYS), allOf: [{ anyOf: required('key') }, { anyOf: required('cert') }] },
      cors: { ...objectOf('cors', CORS_KEYS), anyOf: required('origins') },
      nats: objectOf('nats', NATS_ASKING_KEYS),
      natsServing: { ...objectOf('natsServing', NATS_SERVING_KEYS), anyOf: required('address') },
      graphql: objectOf('graphql', GRAPHQL_KEYS, { cors: served('cors') }),
      ui: objectOf('ui', UI_KEYS),
      mcp: objectOf('mcp', MCP_KEYS),
      deployment: { ...objectOf('deployment', DEPLOYMENT_KEYS, { with: ref('executor') }), required: ['jtype'] },
      executor: objectOf('executor', EXECUTOR_KEYS, {
        uses: { oneOf: [TEXT, ref('uses')] },
        usesMetas: ref('overMetas'),
        retries: ref('retries'),
        cache: { oneOf: [TEXT, FLAG, ref('cache')] },
        nats: ref('nats'),
        ...batching,
      }),
      uses: objectOf('uses', USES_KEYS, { metas: ref('metas'), ...batching }),
      metas: objectOf('metas', METAS_KEYS),
      overMetas: objectOf('overMetas', OVER_METAS_KEYS),
      store: objectOf('store', STORE_KEYS),
      cache: objectOf('cache', CACHE_KEYS),
      retries: { oneOf: [RETRIES, ref('retrying')] },
      retrying: { ...objectOf('retrying', RETRIES_KEYS), anyOf: required('attempts') },
      dynamicBatching: { oneOf: [{ allOf: [{ anyOf: spellings('preferredBatchSize').map((name) => ({ required: [name] })) }, ref('batch')] }, BATCHES] },
      batch: { allOf: [ref('batching'), { anyOf: [...required('preferredBatchSize'), ...required('useDynamicBatching', { enum: [false] })] }] },
      batching: objectOf('batching', BATCHING_KEYS),
    },
  }
}

/** Batches by endpoint. */
const BATCHES: Schema = { type: 'object', propertyNames: { not: { pattern: '^preferred(?:_b|B)atch(?:_s|S)ize$' } }, additionalProperties: ref('batch') }

/** True or false, origins where they may be, or in full. */
function served(name: 'tls' | 'cors' | 'graphql' | 'ui' | 'mcp'): Schema {
  return { oneOf: [{ type: 'boolean' }, ...(name === 'cors' ? [{ type: 'array', items: TEXT, minItems: 1 }] : []), ref(name)] }
}

function ref(name: string): Schema {
  return { $ref: `#/$defs/${name}` }
}

/**
 * @param at its name among the definitions
 * @param own what a key's value is, where the table says only that it is an object
 */
function objectOf(at: string, keys: Keys, own: Readonly<Record<string, Schema>> = {}): Schema {
  const properties: Record<string, Schema> = {}
  for (const [name, key] of Object.entries(keys)) {
    if (key.code) continue
    const { about, schema, ignored, refused, unless = [], as } = key
    const value = own[name] ?? schema
    const wanted = refused === undefined ? value : { enum: [null, false, '', [], {}, ...unless] }
    const quoted = refused === undefined && isNumeric(schema) ? [QUOTED, ...(String(JSON.stringify(schema)).includes('"array"') ? [QUOTED_LIST] : [])] : []
    const [spelling, ...others] = spellings(name)
    properties[spelling!] = {
      description: about,
      ...(Object.keys(wanted).length === 0 ? {} : { anyOf: [wanted, { type: 'null' }, REFERENCE, ...quoted] }),
      ...(ignored !== undefined || as !== undefined ? { deprecated: true } : {}),
    }
    for (const other of others) properties[other] = ref(`${at}/properties/${spelling}`)
  }
  return { type: 'object', properties, additionalProperties: false }
}

function spellings(name: string): string[] {
  return [...new Set([name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), name])]
}

/** That a key is there, and not null, which is as none. */
function required(name: string, value: Schema = { not: { type: 'null' } }): Schema[] {
  return spellings(name).map((spelling) => ({ required: [spelling], properties: { [spelling]: value } }))
}
