import { OptionRangeError } from '../base/errors.js'
import { nearest } from '../base/nearest.js'

/** As long as an id of ours four times, and as the ids that proxies make. */
const LONGEST_ID = 128
/** No method is bound to a longer one. */
const LONGEST_ENDPOINT = 1024

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what names must not have, as they get into logs and headers
const CONTROL = /[\x00-\x1f\x7f]/

/**
 * Names that come from outside get into logs, headers and routes: the same ones are refused on every wire.
 * @throws OptionRangeError for one that has control characters in it, or is too long. What is wrong with it is said, and not shown
 */
export function checkNames({ requestId, execEndpoint }: { readonly requestId?: string | undefined; readonly execEndpoint?: string | undefined }): void {
  if (requestId !== undefined) checkName('header.request_id', requestId, LONGEST_ID)
  if (execEndpoint !== undefined) checkName('header.exec_endpoint', execEndpoint, LONGEST_ENDPOINT)
}

function checkName(name: string, value: string, longest: number): void {
  if (value.length > longest) throw new OptionRangeError(`${name} must have at most ${longest} characters, not ${value.length}`)
  if (CONTROL.test(value)) throw new OptionRangeError(`${name} must not have control characters in it`)
}

/** What JSON of a request may have, by both spellings. */
const KEYS = ['data', 'parameters', 'execEndpoint', 'exec_endpoint', 'targetExecutor', 'target_executor', 'requestId', 'request_id']

/**
 * The first key of a request in JSON that looks like another, and which: what it says would be lost without a word. Keys that look like none are left alone,
 * as in Jina.
 */
export function misspelled(json: object): { readonly key: string; readonly meant: string } | undefined {
  for (const key in json) {
    if (KEYS.includes(key)) continue
    const meant = nearest(key, KEYS)
    if (meant !== undefined && !(meant in json)) return { key, meant }
  }
  return undefined
}
