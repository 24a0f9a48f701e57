import { count, string } from '../base/check.js'
import { optionRange } from '../base/errors.js'

/** Where to listen. An empty text, as of a variable that is not set, is every address there is to Node: that must be said. */
export function host(name: string, value: unknown): void {
  string(name, value)
  if ((value as string).trim() === '')
    throw optionRange(name, "an address: '127.0.0.1' is this machine only, '0.0.0.0' everybody who can reach it. Leave it out for 127.0.0.1", value)
}

/** The most documents of a request. */
export function documents(name: string, value: unknown): void {
  count(name, value)
  if (value === 0) throw optionRange(name, 'an integer ≥ 1, or Infinity for no limit', value)
}

/** The most bytes of a message: as many as one of protobuf, or of WebSocket, can have. */
export function bytes(name: string, value: unknown): void {
  count(name, value)
  if (!((value as number) >= 1 && (value as number) <= 0x7fffffff)) throw optionRange(name, 'a number of bytes from 1 to 2147483647', value)
}
