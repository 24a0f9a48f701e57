import { check } from '../base/check.js'
import { FlowBuildError, optionRange, optionType } from '../base/errors.js'
import { node } from '../base/node.js'
import { openAnswers } from '../doc/store/answers.js'
import type { Metas } from '../executor/executor.js'
import { textOf, versionOf } from '../executor/version.js'
import type { Background } from '../graph/background.js'
import { CACHE_RULES, type CacheOptions, STORE_RULES } from '../handler/cache-options.js'
import { Caching } from '../handler/caching.js'
import { lasting } from '../handler/parameter-key.js'
import { bytesOf } from '../place/options.js'
import type { Started } from '../place/place.js'
import type { Handler } from '../request/handler.js'
import type { AddOptions, FlowOptions, Plan } from './options.js'

/** 30 days: see {@link CacheOptions.maxAge}. */
const MAX_AGE = 30 * 86_400_000
const MAX_SIZE = '4g'

/** What a step of a Flow says of its cache, and what it runs. */
interface Cached {
  readonly step: Plan['steps'][number]
  /** As they hold: with what `uses` names. */
  readonly options: AddOptions
  /** What it is, where that is elsewhere. */
  readonly there: Started['code']
  readonly metas: Metas | undefined
  readonly flow: Pick<FlowOptions, 'cache'>
  readonly names: ReadonlySet<string>
  readonly background: Background
}

/**
 * An executor behind a cache, where it is to have one: its own `cache` says so; or the Flow's, of an executor that says its version, which is to say that
 * nothing else decides its answer. What has none of both may do something else than answer, such as writing an index.
 * @throws FlowBuildError (`ERR_USES_INVALID`) for a cache that would do nothing, and for code that cannot be seen and has no version; TypeError or RangeError (`ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`)
 */
export async function cached(inner: Handler, { step, options, there, metas, flow, names, background }: Cached): Promise<Caching | undefined> {
  const { name } = step
  const given = step.options.cache
  if (given === false) return undefined
  for (const [where, one] of [
    [`cache of ${name}`, given],
    ['cache of the Flow', flow.cache],
  ] as const)
    if (one !== undefined && !['string', 'boolean'].includes(typeof one)) check(where, one as object, CACHE_RULES)
  const own: CacheOptions = typeof given === 'string' ? { path: given } : typeof given === 'object' ? given : {}
  check(`cache of ${name}`, own, CACHE_RULES)
  const version = own.version ?? versionOf(options.uses) ?? there?.version
  const refuse = (reason: string, advice = 'Take cache out'): FlowBuildError => new FlowBuildError('ERR_USES_INVALID', `${name} ${reason}. ${advice}`)
  if (given === undefined) {
    if (version === undefined || step.floating || (step.options.uses === undefined && !options.external)) return undefined
  } else if (step.floating) throw refuse('is floating: nobody gets its answers, and a cache would only keep it from working')
  else if (step.options.uses === undefined && !options.external) throw refuse('has no uses: documents pass through it, and a cache would do nothing')
  const all = typeof flow.cache === 'string' ? { path: flow.cache } : (flow.cache ?? {})
  // true is for executors alone.
  check('cache of the Flow', all, STORE_RULES)
  const {
    path,
    maxAge = MAX_AGE,
    maxSize = MAX_SIZE,
    endpoints,
    ...settings
  } = { ...all, ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) } as CacheOptions
  if (path === undefined) throw optionType(`path in cache of ${name}`, "a folder, such as './store', here or in cache of the Flow", path)
  if (path === '') throw optionRange(`path in cache of ${name}`, "a folder, such as './store'", path)
  const identity = identityOf(name, options, version, there)
  if (identity === undefined)
    throw refuse(
      'runs, or is given, a function whose code cannot be seen, such as one of .bind(): another one would get its answers',
      'Say a version, by which they are told apart: cache: { version }, static version of the class, or version of the function',
    )
  // As it is now: a process may go to another folder.
  const folder = /^file:/.test(path) ? path : (await node('path')).resolve(path)
  const bounds = { maxAge, maxSize: typeof maxSize === 'number' ? maxSize : bytesOf(maxSize)! }
  return new Caching(inner, {
    ...settings,
    name,
    names: [name, metas?.name ?? name],
    // One elsewhere is sent what is meant for others, too: it may be a Flow with executors of those names.
    all: options.external ? new Set([name]) : names,
    identity: (await node('crypto')).createHash('sha256').update(identity).digest('base64'),
    endpoints: endpoints === undefined ? undefined : [endpoints].flat(),
    open: () => openAnswers(folder, bounds),
    report: (error) => background.fail(error),
  })
}

/**
 * All that decides what an executor answers, beside what it is asked.
 * @returns undefined where it says no version, and some of its code, or of the functions that it is given, has no text
 */
function identityOf(
  name: string,
  { uses, usesWith, usesRequests, external, host, port }: AddOptions,
  version: string | number | undefined,
  there: Started['code'],
): string | undefined {
  const what = typeof uses === 'function' ? uses.name : (uses ?? (external ? [host, port] : undefined))
  const code = version === undefined && typeof uses === 'function' ? textOf(uses) : there?.text
  // What is elsewhere and tells nothing, such as an image, goes by its name.
  let seen = code !== undefined || (typeof uses !== 'function' && there === undefined)
  const identity = lasting([name, what, version === undefined ? { code } : String(version), usesWith, usesRequests, there?.told], () => {
    seen = false
  })
  return version !== undefined || seen ? identity : undefined
}
