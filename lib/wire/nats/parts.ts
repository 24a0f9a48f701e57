import { Credit } from '../credits.js'

// A message that does not fit into one of NATS goes as several, to the same subject, in their order: the first says in its headers how many bytes there are, and
// those behind it are its parts. Whoever gets them says now and then how many it has, so that no more are on their way than NATS bears for one who is slow.

/** Header of the first of several: bytes of all of them. */
export const SIZE = 'sluice-size'
/** Header of a message that says how many parts somebody has. */
export const GOT = 'sluice-got'

/** How many parts are on their way before their receiver has said that it has some. */
const AHEAD = 8
/** Bytes of a part at most: with eight of them, a request has 2 MiB on its way. */
const MOST = 256 * 1024

/** Sends the parts of one message. */
export class PartsOut {
  readonly #credit = new Credit(AHEAD)
  readonly #room: number

  /** @param room bytes of a body that goes in one message */
  constructor(room: number) {
    this.#room = Math.min(room, MOST)
  }

  /** Resolves when all are sent, or nobody wants them any more. */
  async send(bytes: Uint8Array, publish: (part: Uint8Array, isFirst: boolean) => boolean): Promise<void> {
    for (let at = 0; at < bytes.length; at += this.#room) {
      await this.#credit.spend()
      if (!publish(bytes.subarray(at, at + this.#room), at === 0)) return
    }
  }

  /** The receiver has so many. */
  got(count: number): void {
    this.#credit.taken(count)
  }

  end(): void {
    this.#credit.end()
  }
}

/** Puts a message together of its parts. */
export class PartsIn {
  readonly #bytes: Uint8Array
  readonly #say: (count: number) => void
  #here = 0
  #count = 0

  /**
   * @param size bytes of all
   * @param say tells the sender how many are here
   */
  constructor(size: number, say: (count: number) => void) {
    this.#bytes = new Uint8Array(size)
    this.#say = say
  }

  /** @returns all of it, once it is here @throws RangeError for more than was said */
  add(part: Uint8Array): Uint8Array | undefined {
    if (this.#here + part.length > this.#bytes.length) throw new RangeError(`More came than the ${this.#bytes.length} bytes that were said (${SIZE})`)
    this.#bytes.set(part, this.#here)
    this.#here += part.length
    if (this.#here === this.#bytes.length) return this.#bytes
    if (++this.#count % (AHEAD / 2) === 0) this.#say(this.#count)
    return undefined
  }
}

/** What a header says that counts something; undefined for none. @throws RangeError for what is no whole number */
export function countIn(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  if (!/^\d{1,12}$/.test(text)) throw new RangeError('It says what is no number of bytes')
  return Number(text)
}
