import { flag, milliseconds } from '../base/check.js'
import { optionRange, show } from '../base/errors.js'
import type { Bound } from '../executor/bindings.js'
import type { DynamicBatching } from '../handler/batch-queue.js'
import { BATCHING_KEYS } from './executor-keys.js'
import { Fields } from './fields.js'

/**
 * How batches are put together: of all endpoints, or by endpoint, as `add()` takes it.
 * @param bound methods by endpoint: a method's name stands for all its endpoints, which win when they are named themselves. Undefined: nobody knows
 * @throws ConfigError
 */
export function batchingOf(
  fields: Fields,
  name: string,
  bound: ReadonlyMap<string, Bound> | undefined,
): DynamicBatching | Record<string, DynamicBatching> | undefined {
  const value = fields.get(name)
  if (value === undefined) return undefined
  if (typeof value !== 'object' || Array.isArray(value)) throw fields.error(name, `batching is described by keys, not by ${show(value)}`)
  const { reading } = fields
  if ('preferredBatchSize' in value || 'preferred_batch_size' in value) return one(new Fields(reading, value, 'batching', BATCHING_KEYS, fields.place(name)))
  const methods: Record<string, DynamicBatching> = {}
  const endpoints: Record<string, DynamicBatching> = {}
  for (const [key, given] of Object.entries(value)) {
    const place = { ...reading.parsed.place(value, key), key }
    const batching = one(new Fields(reading, given, 'batching', BATCHING_KEYS, place))
    if (batching === undefined) continue
    const own = bound === undefined ? [key] : [...bound].filter(([, method]) => method === key).map(([endpoint]) => endpoint)
    if (key.startsWith('/') || key === '*') endpoints[key] = batching
    else if (own.length === 0) throw fields.error(name, `${key} is neither an endpoint, such as /index, nor a method that is bound to one`)
    else for (const endpoint of own) methods[endpoint] = batching
  }
  const all = { ...methods, ...endpoints }
  return Object.keys(all).length === 0 && Object.keys(value).length > 0 ? undefined : all
}

function one(fields: Fields): DynamicBatching | undefined {
  if (fields.get('useDynamicBatching') === false) return undefined
  if (fields.get('preferredBatchSize') === undefined)
    throw fields.error('preferredBatchSize', 'say after how many documents a batch goes out: preferred_batch_size: 10')
  fields.check({ preferredBatchSize: size, timeout: milliseconds, flushAll: flag, useDynamicBatching: flag })
  const { useDynamicBatching: _, ...batching } = fields.all
  return batching as unknown as DynamicBatching
}

function size(name: string, value: unknown): void {
  if (!Number.isInteger(value) || (value as number) < 1) throw optionRange(name, 'an integer ≥ 1', value)
}
