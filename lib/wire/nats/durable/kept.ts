import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import { failure, Refusal } from '../../outcome.js'
import type { Link } from '../link.js'
import { countIn, SIZE } from '../parts.js'
import type { Places } from './queue.js'

// A request or an answer that does not fit into one message of NATS lies in parts in a stream of its own. What stands in its place in the queue, or among the answers, has no documents: its headers
// say how many bytes there are, and by which word its parts are found. Whoever puts it down again has another word, so that no parts of two are mixed.

/** Header: the word by which its parts are found. */
export const PARTS = 'sluice-parts'
/** The body of what lies in parts. It is no message to those who know nothing of parts: nothing would be one of no documents. */
export const IN_PARTS = Uint8Array.of(0)
/** Bytes of a part at most, and how many of them are asked for at once. */
const MOST = 256 * 1024
const AT_ONCE = 4

/** Where parts lie, and how they are reached. */
export interface Store {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly link: Link
  readonly places: Places
  readonly address: string
}

/** Puts the parts down of what has this id. @returns headers of what stands in its place */
export async function keepParts({ js, link, places }: Store, id: string, bytes: Uint8Array): Promise<Record<string, string>> {
  const word = link.inbox().split('.').at(-1)!
  const room = Math.min(link.room, MOST)
  const count = Math.ceil(bytes.length / room)
  await inTurn(count, (at) => js.publish(`${places.parts}.${id}.${word}.${at}`, bytes.subarray(at * room, (at + 1) * room)))
  return { [SIZE]: String(bytes.length), [PARTS]: word }
}

/**
 * Puts what has this id together of its parts.
 * @param header its own, by name
 * @param most bytes that it may have
 * @returns undefined where it has none: it is whole
 * @throws Refusal (`tooLarge`, `malformed`) for one that is larger, or of which parts are gone; ConnectionError where the server is not reached
 */
export async function keptParts(
  { jsm, places, address }: Store,
  id: string,
  header: (name: string) => string | undefined,
  most: number,
): Promise<Uint8Array | undefined> {
  const size = sizeOf(header)
  if (size === undefined) return undefined
  const word = header(PARTS) ?? ''
  if (size > most)
    throw new Refusal('tooLarge', `A message is larger than ${most} bytes (maxMessageBytes). Send fewer documents in a request, or raise its limit`)
  if (!/^\w{1,64}$/.test(word)) throw new Refusal('malformed', `It has ${size} bytes in parts, and does not say where (${PARTS})`)
  const part = async (at: number): Promise<Uint8Array> => {
    const found = await jsm.streams.getMessage(places.streams.parts, { last_by_subj: `${places.parts}.${id}.${word}.${at}` }).catch((cause) => {
      throw failure('disconnected', address, 'parts of a large message cannot be fetched from the server of NATS now', { cause })
    })
    if (found === null || found.data.length === 0) throw new Refusal('malformed', 'Parts of it are gone: they are kept as long as answers are (keep)')
    return found.data
  }
  if (size === 0) return new Uint8Array(0)
  const first = await part(0)
  const bytes = new Uint8Array(size)
  const put = (data: Uint8Array, at: number): void => {
    if (at * first.length + data.length > size) throw new Refusal('malformed', `Its parts are more than the ${size} bytes that were said (${SIZE})`)
    bytes.set(data, at * first.length)
  }
  put(first, 0)
  await inTurn(Math.ceil(size / first.length) - 1, async (at) => put(await part(at + 1), at + 1))
  return bytes
}

/** How many bytes lie in parts. @throws Refusal for what is no number */
export function sizeOf(header: (name: string) => string | undefined): number | undefined {
  try {
    return countIn(header(SIZE))
  } catch (cause) {
    throw new Refusal('malformed', (cause as Error).message, cause)
  }
}

/** Some at a time. */
async function inTurn(count: number, work: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const one = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, one))
}
