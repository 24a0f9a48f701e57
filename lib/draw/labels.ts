import type { AddOptions } from '../flow/options.js'
import type { Condition } from '../handler/when-query.js'

/** What a chip is about: it has one colour for each. */
export type ChipKind = 'join' | 'replicas' | 'when' | 'batch' | 'limit' | 'place'

/** A short remark on a card. */
export interface Chip {
  readonly kind: ChipKind
  readonly text: string
}

/** Options as they were given to `add()`, and what may come to them. */
export type Given = AddOptions & { readonly external?: unknown; readonly host?: unknown; readonly port?: unknown }

/** What the executor is: the name of a class, a function or a module, or where it stands. */
export function origin(options: Given): string | undefined {
  const { uses } = options
  const [first, ...more] = addresses(options)
  if (first !== undefined) return more.length === 0 ? first : `${first} and ${more.length} more`
  if (typeof uses === 'function') return /^class\b/.test(Function.prototype.toString.call(uses)) ? uses.name || 'class' : functionName(uses, 'uses')
  if (typeof uses === 'string')
    return uses.includes('\n') ? /^\s*jtype:\s*['"]?([\w$.-]+)/m.exec(uses)?.[1] : uses.replace(/^npm:|^(?:.*[\\/])(?=[^\\/]+$)/, '')
  if (typeof uses !== 'object' || uses === null) return undefined
  const modules = 'modules' in uses && uses.modules !== undefined ? [uses.modules].flat().join(', ') : undefined
  return uses.jtype ?? modules
}

/** Where an executor elsewhere is: at one address, or several. */
function addresses({ external, host, port }: Given): string[] {
  const hosts = [host ?? []].flat() as string[]
  const ports = [port ?? []].flat() as (number | string)[]
  if (hosts.length === 0 && !external) return []
  return Array.from({ length: Math.max(hosts.length, ports.length) }, (_, at) => {
    const [own = 'localhost', door] = [hosts[at] ?? hosts[0], ports[at] ?? ports[0]]
    return door === undefined || /:\d+$/.test(own) ? own : `${own}:${door}`
  })
}

function functionName({ name }: Function, inferred: string): string {
  return name === '' || name === inferred ? 'function' : `${name}()`
}

/** All that was said about an executor beside its name and its needs. */
export function chips(options: Given, join: string | undefined, floating: boolean): Chip[] {
  const { when, dynamicBatching, concurrency, timeout, retries, external } = options
  const found: Chip[] = []
  const add = (kind: ChipKind, text: string | undefined): void => {
    if (text !== undefined) found.push({ kind, text })
  }
  add('join', join)
  add('when', when === undefined ? undefined : `when ${condition(when)}`)
  const replicas = replicasOf(options)
  add('replicas', replicas > 1 ? `×${replicas} ${pollings(options.polling)}` : undefined)
  for (const text of batches(dynamicBatching)) add('batch', text)
  add('limit', concurrency === undefined || concurrency === Infinity ? undefined : `concurrency ${concurrency}`)
  add('limit', timeout === undefined ? undefined : `timeout ${duration(timeout)}`)
  const attempts = typeof retries === 'object' ? retries.attempts : retries
  add('limit', attempts ? `retries ${attempts}` : undefined)
  add('place', floating ? 'floating' : undefined)
  add('place', external ? 'external' : options.runtime === 'inline' ? undefined : options.runtime)
  return found
}

export function replicasOf(options: Given): number {
  const { parallel, replicas, shards } = options
  return parallel ?? replicas ?? shards ?? Math.max(addresses(options).length, 1)
}

function pollings(given: AddOptions['polling']): string {
  if (given === undefined || typeof given === 'string') return (given ?? 'ANY').toUpperCase()
  const { '*': others = 'ANY', ...own } = given
  return [others.toUpperCase(), ...Object.entries(own).map(([on, polling]) => `${on} ${polling.toUpperCase()}`)].join(' · ')
}

function batches(given: AddOptions['dynamicBatching']): string[] {
  if (given === undefined) return []
  if (typeof given.preferredBatchSize === 'number') return [`batch ${given.preferredBatchSize}`]
  const sizes = Object.entries(given).map(([on, { preferredBatchSize }]) => [on, preferredBatchSize] as const)
  return sizes.map(([on, size]) => `batch ${size}${on === '*' ? '' : ` ${on}`}`)
}

function duration(ms: number): string {
  if (ms < 1000) return `${ms} ms`
  return ms < 120_000 ? `${+(ms / 1000).toFixed(1)} s` : `${+(ms / 60_000).toFixed(1)} min`
}

const SIGNS: Record<string, string> = { $eq: '=', $neq: '≠', $gt: '>', $gte: '≥', $lt: '<', $lte: '≤', $in: 'in', $nin: 'not in', $regex: '~', $size: 'size' }

/** A condition as one would say it. */
export function condition(when: Condition): string {
  if (typeof when === 'function') {
    // Of a short arrow function, what it returns tells more than a name it has from nobody.
    const body = when.name === '' || when.name === 'when' ? /^(?:\w+|\([^()]*\))\s*=>\s*([^{\s][\s\S]*)$/.exec(String(when)) : null
    return body?.[1] ?? functionName(when, 'when')
  }
  return all(when) || 'always'
}

function all(query: unknown): string {
  if (typeof query !== 'object' || query === null) return String(query)
  return Object.entries(query)
    .map(([key, value]) => term(key, value))
    .join(' and ')
}

function term(key: string, value: unknown): string {
  if (key === '$not') return `not (${all(value)})`
  if (key === '$and' || key === '$or') {
    const parts = [value].flat().map(all)
    return key === '$and' ? parts.join(' and ') : parts.length > 1 ? `(${parts.join(' or ')})` : parts.join()
  }
  const field = key.replaceAll('__', '.')
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${field} = ${constant(value)}`
  return Object.entries(value)
    .map(([sign, operand]) => {
      if (sign === '$exists') return `${operand ? '' : 'no '}${field}`
      return `${field} ${SIGNS[sign] ?? sign} ${constant(operand)}`
    })
    .join(' and ')
}

function constant(value: unknown): string {
  return Array.isArray(value) ? value.map(constant).join(', ') : typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}
