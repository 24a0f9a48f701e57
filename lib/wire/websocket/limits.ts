import { optionRange } from '../../errors.js'
import { count } from '../../options.js'

/** What both ends take for a limit of a message. */
export function maxMessageBytes(name: string, value: unknown): void {
  count(name, value)
  if (!((value as number) >= 1 && (value as number) <= 0x7fffffff)) throw optionRange(name, 'a number of bytes from 1 to 2147483647', value)
}
