import { callback, object, string } from '../../base/check.js'
import { optionRange, optionType, ParseError } from '../../base/errors.js'

/** The longest line that is read unless told otherwise: far above any real one, far below what fills the memory. */
const DEFAULT_MAX_LENGTH = 16 * 1024 * 1024

/** What all readers of text can be told. */
export interface FromOptions {
  /**
   * Called for a line or row that cannot be read, which is then skipped. What it throws ends the iteration.
   * Without it, the first such line ends the iteration with the error, after the documents before it were given.
   */
  onInvalid?: ((error: ParseError) => void) | undefined
  /** The most bytes in a line (CSV: in a row). Default 16 MiB; a longer one is not read into memory, but is a ParseError. */
  maxLength?: number | undefined
}

/** The rules of {@link FromOptions}, for `check`. */
export const FROM: Record<keyof FromOptions, (name: string, value: any) => void> = { onInvalid: callback, maxLength: length }

/** Says that a place cannot be read: throws, or calls `onInvalid`; then the reader skips the place. */
export type Report = (reason: string, line: number, column?: number | undefined, cause?: unknown) => void

export function reporter(file: string | undefined, onInvalid: FromOptions['onInvalid']): Report {
  return (reason, line, column, cause) => {
    const error = new ParseError(reason, { file, line, column }, cause === undefined ? undefined : { cause })
    if (onInvalid === undefined) throw error
    onInvalid(error)
  }
}

export function maxLengthOf({ maxLength = DEFAULT_MAX_LENGTH }: FromOptions): number {
  return maxLength
}

function length(name: string, value: unknown): void {
  if (typeof value !== 'number') throw optionType(name, 'a number of bytes', value)
  if (value !== Infinity && !(Number.isInteger(value) && value >= 1)) throw optionRange(name, 'an integer ≥ 1', value)
}

/** The rule of `fieldResolver`. */
export function fieldResolver(name: string, value: unknown): void {
  object(name, value)
  for (const [from, field] of Object.entries(value as object)) string(`${name}.${from}`, field)
}
