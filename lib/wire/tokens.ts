import { now, onWall } from '../base/clock.js'
import { ConfigError, OptionRangeError, OptionTypeError, say } from '../base/errors.js'
import { node } from '../base/node.js'
import { shortage } from '../base/shortage.js'
import { textOfFile } from '../base/text-file.js'
import { type Identity, identityOf } from './identity.js'

/** One token, several, or several by name. */
export type TokenOption = string | readonly string[] | Readonly<Record<string, string>>

/** What `Authorization: Bearer` can carry (RFC 6750); of fewer characters, one could be found by trying. */
const TOKEN = /^[\w.~+/-]{16,}=*$/
const WHAT = 'a token of 16 characters or more: letters, digits and -._~+/, such as `openssl rand -base64 32` makes'

/** Milliseconds after which a file is looked at again, when somebody asks. */
const LOOK = 1000
/** Milliseconds for which the tokens of a file hold on that cannot be read any more: longer than a file is half-way written. */
const HOLD = 10_000

interface Entry {
  readonly name: string | number
  readonly token: string
}

/** @throws OptionTypeError, OptionRangeError that name the option, and show nothing of what it holds */
export function tokenRule(name: string, value: unknown): void {
  const all = typeof value === 'object' && value !== null ? Object.values(value) : [value]
  for (const one of all) if (typeof one !== 'string') throw new OptionTypeError(`${name} must be a token, a list of tokens, or tokens by name`)
  if (entriesOf(value as TokenOption, name).length === 0)
    throw new OptionRangeError(`${name} must be ${WHAT}, and is empty. Is the variable set that it comes from?`)
}

/** @throws OptionTypeError, OptionRangeError that name the option */
export function tokenFileRule(name: string, value: unknown): void {
  const all = [value].flat()
  for (const one of all) if (typeof one !== 'string') throw new OptionTypeError(`${name} must be the name of a file, or a list of them`)
  if (all.length === 0 || all.includes('')) throw new OptionRangeError(`${name} must name a file with tokens, one a line`)
}

function entriesOf(option: TokenOption, where: string): Entry[] {
  if (typeof option === 'string') return entriesIn(option, where)
  if (Array.isArray(option)) return option.flatMap((text: string) => entriesIn(text, where))
  return Object.entries(option as Record<string, string>).flatMap(([name, text]) => entriesIn(text, where).map(({ token }) => ({ name, token })))
}

/** As a file has them: `token` or `name: token`, a line each, with `#` before remarks; in a variable, also with commas or spaces between. */
function entriesIn(text: string, where: string): Entry[] {
  const entries: Entry[] = []
  text.split('\n').forEach((line, at) => {
    for (const item of line
      .replace(/#.*/, '')
      .replace(/:\s+/g, ':')
      .split(/[\s,]+/)) {
      if (item === '') continue
      const mark = item.indexOf(':')
      const token = item.slice(mark + 1)
      if (!TOKEN.test(token)) throw new OptionRangeError(`${where}${text.includes('\n') ? `, line ${at + 1},` : ''} must be ${WHAT}`)
      entries.push({ name: mark === -1 ? -1 : item.slice(0, mark), token })
    }
  })
  return entries
}

interface Known {
  readonly identity: Identity
  readonly digest: Uint8Array
}

/** A file, as it was when it was last read. */
interface Kept {
  readonly file: string
  stamp: string
  entries: readonly Entry[]
  /** When it was last looked at and could be read, and since when it cannot be; in milliseconds of the clock for durations. */
  read: number
  broken?: number | undefined
  /** Nothing can be opened now: that is told once. */
  short?: boolean | undefined
  /** Whether its tokens let nobody in any more. They keep their places: who has no name is called by it. */
  lapsed?: boolean | undefined
}

/** The tokens that open a door. Files are looked at again when somebody asks, once a second at most: so nothing is left to close. */
export class Tokens {
  readonly #given: readonly Entry[]
  readonly #files: readonly Kept[]
  readonly #onError: (error: Error) => void
  #crypto: typeof import('node:crypto') | undefined
  #known: readonly Known[] = []
  #looked = -Infinity
  #looking: Promise<void> | undefined

  constructor(token: TokenOption | undefined, files: string | readonly string[] | undefined, onError: (error: Error) => void) {
    this.#given = token === undefined ? [] : entriesOf(token, 'token')
    this.#files = (files === undefined ? [] : [files].flat()).map((file) => ({ file: file as string, stamp: '', entries: [], read: 0 }))
    this.#onError = onError
  }

  /** Reads the files. @throws ConfigError for one that cannot be read, or has no tokens */
  async open(): Promise<void> {
    this.#crypto = await node('crypto')
    // What was given lets in, whatever becomes of the files.
    this.#take()
    for (const kept of this.#files) await look(kept)
    this.#looked = now()
    this.#take()
  }

  /** Who brings this token: at once, unless files are to be looked at first. */
  holder(token: string): Identity | undefined | Promise<Identity | undefined> {
    // Who comes while they are looked at waits, too: what was taken out lets nobody in meanwhile.
    const due = this.#looking !== undefined || (this.#files.length > 0 && now() - this.#looked > LOOK)
    return this.#crypto === undefined || due ? this.#look().then(() => this.#holder(token)) : this.#holder(token)
  }

  /** Looks at all of them, whichever it is: how long it takes says nothing. */
  #holder(token: string): Identity | undefined {
    const { createHash, timingSafeEqual } = this.#crypto!
    const digest = createHash('sha256').update(token).digest()
    let holder: Identity | undefined
    for (const known of this.#known) if (timingSafeEqual(known.digest, digest)) holder = known.identity
    return holder
  }

  #look(): Promise<void> {
    this.#looking ??= this.#reread().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #reread(): Promise<void> {
    if (this.#crypto === undefined) return this.open()
    this.#looked = now()
    for (const kept of this.#files) {
      try {
        if (await look(kept)) this.#take()
      } catch (error) {
        await this.#broken(kept, error as Error)
      }
    }
  }

  /** It may be half-way written, so those of before hold on for a while; no longer, as to empty a file, or to take it away, is to revoke. */
  async #broken(kept: Kept, error: Error): Promise<void> {
    // Nothing says that somebody emptied it: those of before hold on until it can be read.
    if (shortage(error.cause) !== undefined) {
      if (!kept.short) this.#onError(error)
      kept.short = true
      return
    }
    if (kept.broken === undefined) {
      // Nobody may have asked for hours, and their tokens were to let nobody in since then.
      kept.broken = now() - Math.min(await sinceChanged(kept.file), now() - kept.read)
      this.#onError(error)
    }
    if (!kept.lapsed && now() - kept.broken > HOLD) {
      kept.lapsed = true
      this.#take()
      this.#onError(new ConfigError(`has had no token that can be read for ${HOLD / 1000} s: those of before let nobody in any more`, { file: kept.file }))
    }
  }

  #take(): void {
    const kept: readonly Pick<Kept, 'entries' | 'lapsed'>[] = [{ entries: this.#given }, ...this.#files]
    let place = 0
    this.#known = kept.flatMap(({ entries, lapsed }) => {
      const known = entries.map(({ name, token }, at) => ({
        identity: identityOf({ token: name === -1 ? place + at : name }),
        digest: this.#crypto!.createHash('sha256').update(token).digest(),
      }))
      place += entries.length
      return lapsed ? [] : known
    })
  }
}

/** @returns whether there is something new. @throws ConfigError when the file cannot be read, or has no tokens: it is read again at the next look */
async function look(kept: Kept): Promise<boolean> {
  const { file, stamp } = kept
  const { stat } = await node('fs/promises')
  const found = await stat(file).then(
    ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
    () => 'gone',
  )
  if (found === stamp) {
    kept.read = now()
    kept.short = false
    return false
  }
  kept.stamp = ''
  const text = await textOfFile(file)
  try {
    const entries = entriesIn(text.includes('\n') ? text : `${text}\n`, file)
    if (entries.length === 0) throw new OptionRangeError(`${file} has no token in it: one a line is due`)
    kept.entries = entries
    kept.stamp = found
    kept.read = now()
    kept.broken = undefined
    kept.short = false
    kept.lapsed = false
    return true
  } catch (error) {
    throw new ConfigError(`tokens cannot be read: ${say(error)}`, { file })
  }
}

/** Milliseconds since a file was written, or, where there is none any more, since its folder was. */
async function sinceChanged(file: string): Promise<number> {
  const [{ stat }, { dirname }] = await Promise.all([node('fs/promises'), node('path')])
  const found = await stat(file).catch(() => stat(dirname(file)).catch(() => undefined))
  return found === undefined ? Infinity : Math.max(0, onWall(now()) - found.ctimeMs)
}

/** The token to bring that a file holds, its first, read again when it changes. @throws ConfigError when called, for a file that has none */
export function tokenFrom(file: string): () => Promise<string> {
  const kept: Kept = { file, stamp: '', entries: [], read: 0 }
  let looked = -Infinity
  let looking: Promise<unknown> | undefined
  return async () => {
    if (looking === undefined && now() - looked > LOOK) {
      looked = now()
      looking = look(kept).finally(() => {
        looking = undefined
      })
    }
    try {
      // Whoever comes meanwhile waits, too: there may be no token yet.
      await looking
    } catch (error) {
      // What stands there now may be half-way written: the token of before is brought, and whoever gets it decides.
      if (kept.entries.length === 0) {
        looked = -Infinity
        throw error
      }
    }
    return kept.entries[0]!.token
  }
}
