import { isError, say } from '../base/errors.js'

/** What Node says of a file, and of a module that is not there: the path stands in quotes, and maybe a second. */
const SAID = /\b(E[A-Z0-9]+: [^'\n]*'|Cannot find (?:module|package) '|imported from |-> ')((?:file:\/\/)?(?:\/|[A-Za-z]:\\)[^'\n]+)/g
const URLS = /file:\/\/[^\s'"]+/g

/**
 * Takes the places on this machine out of what is said of an error: of a file, only its name stays. Places are what the platform writes into its
 * messages, and what an error, or a cause of it, names as its `path`. For clients; logs of this machine get all.
 */
export function withoutPlaces(error: unknown): (text: string) => string {
  const places: string[] = []
  for (let at: unknown = error, depth = 0; isError(at) && depth < 16; at = at.cause, depth++) {
    for (const key of ['path', 'dest'] as const) {
      const place = said(at, key)
      if (typeof place === 'string' && /[/\\]/.test(place)) places.push(place)
    }
  }
  const here = (globalThis as { process?: { cwd?(): string } }).process?.cwd?.() ?? '/'
  return (text) => {
    let shown = text.replace(SAID, (_, before: string, place: string) => before + nameOf(place)).replace(URLS, nameOf)
    for (const place of places) shown = shown.replaceAll(place, nameOf(place))
    // The root is in every endpoint.
    return here.length > 1 ? shown.replaceAll(`${here}/`, '') : shown
  }
}

/** What a client may know of an error: its message without places. Its stack and its causes stay here. */
export function publicMessage(error: unknown): string {
  return withoutPlaces(error)(say(error))
}

/** What executors throw may throw when it is looked at. */
function said(error: object, key: string): unknown {
  try {
    return (error as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

function nameOf(place: string): string {
  return place.split(/[/\\]/).at(-1) ?? ''
}
