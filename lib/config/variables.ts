import { ConfigError, show } from '../base/errors.js'
import { nearest } from '../base/nearest.js'
import type { Hidden } from './hidden.js'
import type { Parsed } from './yaml.js'

/** What references to variables find. */
export interface Variables {
  /** Values by name, for `${{ CONTEXT.name }}`. */
  readonly context?: Readonly<Record<string, unknown>> | undefined
  /** Texts by name, for `${{ ENV.NAME }}`. Default: the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** Far above what people write: references that repeat each other grow without end. */
const MAX_TEXT = 1 << 20
const MAX_CHAIN = 100

/** A dollar that stands for itself; `${{ … }}`; `${NAME}`; `$NAME`. */
const REFERENCE = /\$\$(?=[A-Za-z_{])|\$\{\{([^{}]*)\}\}|\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)/g
const PATH = /^([A-Za-z_]\w*)((?:\.[\w-]+|\[(?:\d+|'[^']*'|"[^"]*")\])*)$/
const STEP = /\.([\w-]+)|\[(?:(\d+)|'([^']*)'|"([^"]*)")\]/g
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/

/** Texts that came from variables, which are never read as YAML, and as which text. */
export interface Substituted {
  /** The text from which a value was made, if a variable gave it. */
  source(of: object, key: string | number): string | undefined
}

/** What a reference stands for, and the text of it, where it was one. */
interface Found {
  readonly value: unknown
  readonly text?: string | undefined
}

/**
 * Puts the values of variables into texts, in place. Keys are left alone, and what comes from outside is not looked through again.
 * A text that is one reference becomes its value: of the context, as it is; of the environment, the number, `true`, `false` or
 * `null` that the text is in JSON, or else the text.
 *
 * @param hidden takes what errors must not tell
 * @throws ConfigError for a variable that is not there, a reference that goes in a circle or leads to an object, and one that is not understood
 */
export function substitute(parsed: Parsed, { context = {}, env = process.env }: Variables, hidden?: Hidden): Substituted {
  const sources = new Map<object, Map<string | number, string>>()
  const done = new Map<object, Set<string | number>>()
  const underway: { of: object; key: string | number }[] = []
  let size = 0

  const fail = (of: object, key: string | number, reason: string): never => {
    const place = parsed.place(of, key)
    throw new ConfigError(reason, place)
  }

  /** The value at an entry, with its own references replaced. */
  const resolve = (of: any, key: string | number, self: object): unknown => {
    const value = of[key]
    if (typeof value !== 'string' || !value.includes('$') || done.get(of)?.has(key)) return value
    if (hasOwnReferences(key, value)) return value
    if (underway.some((one) => one.of === of && one.key === key)) fail(of, key, 'refers to itself, in a circle. Write the value out in one of the places')
    if (underway.length === MAX_CHAIN) fail(of, key, `more than ${MAX_CHAIN} references lead from one to the next`)
    underway.push({ of, key })
    const result = expand(value, of, key, self)
    underway.pop()
    done.set(of, (done.get(of) ?? new Set()).add(key))
    of[key] = result
    return result
  }

  const expand = (text: string, of: object, key: string | number, self: object): unknown => {
    const matches = [...text.matchAll(REFERENCE)]
    if (/\$\{\{/.test(text.replace(REFERENCE, ' ')))
      fail(of, key, `$\{{ is not closed, or holds braces. Write $\{{ ENV.NAME }}, $\{{ CONTEXT.name }}, $\{{ this.key }} or $\{{ root.key }}; for a dollar, $$`)
    if (matches.length === 0) return text
    const note = (source: string): void => {
      sources.set(of, (sources.get(of) ?? new Map()).set(key, source))
    }
    const [only] = matches
    if (only![0] === text) {
      const found = look(only!, of, key, self)
      note(found.text ?? String(found.value))
      return found.value
    }
    const whole = text.replace(REFERENCE, (...match) => {
      if (match[0] === '$$') return '$'
      const { value, text = value } = look(match as unknown as RegExpMatchArray, of, key, self)
      if (typeof value === 'object' && value !== null) return fail(of, key, `${match[0]} is ${show(value)}, which cannot be a part of a text`)
      size += String(text).length
      if (size > MAX_TEXT) fail(of, key, `the references make a text of more than ${MAX_TEXT} characters`)
      return String(text)
    })
    if (matches.some(([match]) => match !== '$$')) {
      note(whole)
      hidden?.add(whole, text)
    }
    return whole
  }

  const look = ([whole, inner, braced, bare]: RegExpMatchArray, of: object, key: string | number, self: object): Found => {
    if (inner === undefined) return variable(whole, braced ?? bare!, of, key)
    const [, root, rest = ''] =
      PATH.exec(inner.trim()) ?? fail(of, key, `${whole} is no reference. Write $\{{ ENV.NAME }}, $\{{ CONTEXT.name }}, $\{{ this.key }} or $\{{ root.key }}`)
    const path = [...rest.matchAll(STEP)].map(([, name, index, single, double]) => (index === undefined ? (name ?? single ?? double)! : Number(index)))
    switch (root) {
      case 'ENV':
      case 'env':
        return path.length === 1 ? variable(whole, String(path[0]), of, key) : fail(of, key, `${whole} names no variable. Write $\{{ ENV.NAME }}`)
      case 'CONTEXT':
      case 'context':
        return inContext(whole, path, of, key)
      case 'this':
        return inFile(whole, self, path, of, key)
      case 'root':
        return inFile(whole, parsed.value as object, path, of, key)
      default:
        return path.length === 0 && !Object.hasOwn(context, root!) ? variable(whole, root!, of, key) : inContext(whole, [root!, ...path], of, key)
    }
  }

  const variable = (whole: string, name: string, of: object, key: string | number): Found => {
    const text = Object.hasOwn(env, name) ? env[name] : undefined
    if (text === undefined) return fail(of, key, `${whole} stands for a variable that is not set: ${name}. Set it in the environment, or write $$ for a dollar`)
    hidden?.add(text, whole)
    return { value: jsonOf(text), text }
  }

  const inContext = (whole: string, path: (string | number)[], of: object, key: string | number): Found => {
    let value: any = context
    for (const step of path) {
      const before = value
      value = typeof before === 'object' && before !== null && Object.hasOwn(before, step) ? before[step] : undefined
      if (value !== undefined) continue
      const near = typeof before === 'object' && before !== null ? nearest(String(step), Object.keys(before)) : undefined
      fail(
        of,
        key,
        `${whole} is not in the context: there is no ${step}. ${near === undefined ? 'Give it: loadConfig(file, { context })' : `Did you mean ${near}?`}`,
      )
    }
    hidden?.add(value, whole)
    return { value }
  }

  const inFile = (whole: string, start: object, path: (string | number)[], of: object, key: string | number): Found => {
    let value: any = start
    let at: any = start
    let self: object = start
    for (const step of path) {
      at = value
      // A reference on the way is not an object to look into.
      if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) fail(of, key, `${whole} leads to nothing: there is no ${step}`)
      if (!Array.isArray(at)) self = at
      value = resolve(at, step, self)
    }
    if (typeof value === 'object' && value !== null)
      fail(
        of,
        key,
        `${whole} is ${show(value)}. References lead to texts, numbers and truth values; repeat an object with an anchor (&name) and an alias (*name)`,
      )
    const last = path.at(-1)
    return { value, text: last === undefined ? undefined : (sources.get(at)?.get(last) ?? parsed.source(at, last)) }
  }

  const walk = (value: any, self: object): void => {
    if (typeof value !== 'object' || value === null) return
    const own = Array.isArray(value) ? self : value
    for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
      const before = value[key]
      if (typeof before === 'string') resolve(value, key, own)
      else walk(before, own)
    }
  }

  walk(parsed.value, (parsed.value as object | null) ?? {})
  return { source: (of, key) => sources.get(of)?.get(key) }
}

/** Whether a text is the YAML of an executor, whose references are looked for when it is parsed itself. */
export function hasOwnReferences(key: unknown, text: string): boolean {
  return key === 'uses' && /[\r\n]/.test(text)
}

/** What a text is in JSON, if it is a number, true, false or null there, and nothing is lost. */
function jsonOf(text: string): unknown {
  if (text === 'true') return true
  if (text === 'false') return false
  if (text === 'null') return null
  const number = JSON_NUMBER.test(text) ? Number(text) : undefined
  return number === undefined || !Number.isFinite(number) || (Number.isInteger(number) && !Number.isSafeInteger(number)) ? text : number
}

/** A text whose dollars stand for themselves when it is read again. */
export function escapeDollars(text: string): string {
  return text.replace(/\$(?=[A-Za-z_{])/g, '$$$$')
}
