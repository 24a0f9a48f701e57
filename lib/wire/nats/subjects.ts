import { optionRange } from '../../base/errors.js'

/** The words in front of all subjects, unless told otherwise. */
const PREFIX = 'sluice'
/** The Flow that an executor is of, where none is said. */
const FLOW = 'default'

/** Where an executor is asked, and by what. See docs/protocol.md. */
export interface Subjects {
  /** Those who answer share what comes: a request with all that goes with it. */
  readonly call: string
  /** The same for who wants one answer, and nothing else. */
  readonly ask: string
  /** Whether it is there, and lets in who asks; whether it is ready. */
  readonly here: string
  /** Which of them has a request. All of them answer. */
  readonly who: string
  /** Below it, each has one of its own. */
  readonly at: string
  /** As one word, for what may have no points in it. */
  readonly word: string
}

/**
 * @param path `/flow/executor`, or `/executor`
 * @throws OptionRangeError for what names none
 */
export function subjectsOf(path: string, prefix: string = PREFIX, written: string = path): Subjects {
  const names = path.split('/').filter((name) => name !== '')
  if (names.length === 0 || names.length > 2)
    throw optionRange('host', 'an address that names an executor behind the server: nats://my.host/<flow>/<executor>, or nats://my.host/<executor>', written)
  const [flow, name] = names.length === 1 ? [FLOW, names[0]!] : (names as [string, string])
  const base = [prefix, token(flow), token(name)].join('.')
  return {
    call: `${base}.call`,
    ask: `${base}.ask`,
    here: `${base}.here`,
    who: `${base}.who`,
    at: `${base}.at`,
    word: [...prefix.split('.'), token(flow), token(name)].map(wordOf).join('_'),
  }
}

/** A word of a subject in one where `_` parts words: no two of them are the same in it. */
function wordOf(word: string): string {
  return word.replaceAll(/[^a-zA-Z0-9-]/g, (letter) => `=${letter.charCodeAt(0).toString(16)}`)
}

/** A name as one word of a subject, where points part words, and stars stand for some. */
function token(name: string): string {
  return name.replaceAll('.', '%2E').replaceAll('*', '%2A')
}
