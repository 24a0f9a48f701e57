import { nextTick, nextTurn } from '../../base/clock.js'
import { type Reader, readerOf, Writer } from '../proto/index.js'

// What goes between this process and a worker of its own, a thread or a child: frames behind each other, the same for both. A frame is the number of bytes of all
// of it (32 bits, little-endian), its kind (8), the number of the call that it is of (32), and what is in it.

/** Bytes in front of what is in a frame. */
export const HEAD = 9

/** Bytes of requests on their way to a worker that has not said that it began with them: more waits where it can still be taken back. */
export const WINDOW = 8 << 20
/** So many it says together: a frame for each turn would cost small requests as much as an answer. */
export const SAID = WINDOW / 8

/** Kinds of frames. Those below 16 go to the worker, the others come from there. */
export const FRAME = {
  /** What to make: the worker says `made` or `failed`. */
  make: 1,
  /** Opens what was made: `opened` or `failed`. */
  open: 2,
  /** A request. */
  call: 3,
  /** Nobody wants its answer any more. */
  abort: 4,
  /** A partial answer was taken. */
  took: 5,
  /** Closes the executor: `closed` or `failed`. */
  close: 6,
  made: 16,
  opened: 17,
  closed: 18,
  /** What was asked beside calls failed. */
  failed: 19,
  /** A partial answer. */
  part: 20,
  /** The whole answer. */
  answer: 21,
  /** A request failed. What its documents came to may be in it. */
  refusal: 22,
  /** So many bytes of requests were begun: others may follow. */
  begun: 23,
} as const

/** A frame of its own. */
export function frame(kind: number, call = 0, inside: Uint8Array = NOTHING): Uint8Array {
  const bytes = new Uint8Array(HEAD + inside.length)
  bytes.set(inside, HEAD)
  return headed(bytes, kind, call)
}

/** A frame with JSON in it. */
export function jsonFrame(kind: number, value: unknown, call = 0): Uint8Array {
  return frame(kind, call, encoder.encode(JSON.stringify(value)))
}

export function jsonIn(frame: Frame): any {
  return JSON.parse(decoder.decode(insideOf(frame)))
}

const NOTHING = new Uint8Array()
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Fills in the head, for which there is room. */
function headed(bytes: Uint8Array, kind: number, call: number): Uint8Array {
  put(bytes, 0, bytes.length)
  bytes[4] = kind
  put(bytes, 5, call)
  return bytes
}

export function put(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

export function take(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

/** Bytes from which frames go at once: so whoever gets them begins while others are still written. */
const MUCH = 1 << 16
/** Bytes there is room for at first. */
const ROOM = 1 << 17

/** Writes frames behind each other, and sends them together. */
export class Outbox {
  readonly #writer: Writer
  readonly #room: Uint8Array
  readonly #most: number
  /** How many wait to be sent. */
  frames = 0
  #scheduled = false
  #writing = false
  readonly #send: (bytes: Uint8Array) => void
  readonly #after: (run: () => void) => void
  readonly #flush = (): void => {
    this.#scheduled = false
    this.flush()
  }

  /**
   * @param send gets frames behind each other, in memory of their own
   * @param after when: default, when all microtasks have run. What is written in several steps of one turn goes together with {@link nextTurn}
   * @param most bytes that go together, and so of a frame
   */
  constructor(send: (bytes: Uint8Array) => void, after: (run: () => void) => void = nextTick ?? nextTurn, most: number = MOST_BYTES) {
    this.#send = send
    this.#after = after
    this.#most = most
    this.#writer = this.#bounded()
    this.#room = this.#writer.bytes
  }

  #bounded(): Writer {
    const writer = new Writer(ROOM)
    writer.most = this.#most
    return writer
  }

  /** A frame that is made already. */
  push(bytes: Uint8Array): void {
    this.write(bytes[4]!, take(bytes, 5), copy, bytes)
  }

  /**
   * @param fill writes what is in it. What it throws leaves nothing of the frame
   * @param what it gets beside: so one function does for all frames of a kind
   * @returns how many bytes it is
   * @throws WriterFull where that are more than a frame may have; what `fill` throws
   */
  write<T>(kind: number, call: number, fill: (writer: Writer, what: T) => void, what: T): number {
    // What is written may hold objects whose toJSON writes, too.
    const isWithin = this.#writing
    const writer = isWithin ? this.#bounded() : this.#writer
    const start = writer.pos
    this.#writing = true
    writer.open(HEAD)
    try {
      fill(writer, what)
    } catch (error) {
      // What was written before is in the room still. What has outgrown it, nobody needs.
      if (!isWithin) writer.reuse(this.#room)
      writer.pos = start
      throw error
    } finally {
      this.#writing = isWithin
    }
    const { bytes, pos } = writer
    put(bytes, start, pos - start)
    bytes[start + 4] = kind
    put(bytes, start + 5, call)
    if (isWithin) this.#send(bytes.subarray(0, pos))
    else {
      this.frames++
      if (pos >= MUCH) this.flush()
      else if (!this.#scheduled) {
        this.#scheduled = true
        this.#after(this.#flush)
      }
    }
    return pos - start
  }

  flush(): void {
    if (this.frames === 0) return
    this.frames = 0
    const { bytes, pos } = this.#writer
    // What has outgrown the room is handed over as it is, with its memory.
    const isLarge = bytes !== this.#room
    const own = isLarge ? bytes.subarray(0, pos) : new Uint8Array(pos)
    if (!isLarge) own.set(bytes.subarray(0, pos))
    this.#writer.reuse(this.#room)
    this.#send(own)
  }
}

function copy(writer: Writer, bytes: Uint8Array): void {
  writer.need(bytes.length)
  writer.copy(bytes.subarray(HEAD))
}

/** The most bytes of one frame: what a typed array holds on every platform. More is no frame. */
export const MOST_BYTES = 0x7fff_0000

/** A frame that came, in the memory that it came in with others. The same object for all of them: it holds while it is taken. */
export interface Frame {
  readonly kind: number
  readonly call: number
  readonly bytes: Uint8Array
  /** Where what is in it begins and ends. */
  readonly at: number
  readonly end: number
  /** Reads messages in it. */
  readonly reader: Reader
}

class Came implements Frame {
  kind = 0
  call = 0
  bytes: Uint8Array = NOTHING
  at = 0
  end = 0
  #reader: Reader | undefined

  get reader(): Reader {
    if (this.#reader?.bytes !== this.bytes) this.#reader = readerOf(this.bytes)
    return this.#reader
  }
}

/** What is in a frame, in memory that it shares with others. */
export function insideOf({ bytes, at, end }: Frame): Uint8Array {
  return bytes.subarray(at, end)
}

/**
 * Reads frames from bytes that come in pieces of any size.
 * @throws RangeError for what is no frame
 */
export function frameReader(take: (frame: Frame) => void): (bytes: Uint8Array) => void {
  const frame = new Came()
  /** Of a frame that has not come whole yet. */
  let parts: Uint8Array[] = []
  let held = 0
  const lengthIn = (bytes: Uint8Array, at: number): number => {
    const length = takeLength(bytes, at)
    if (length < HEAD || length > MOST_BYTES) throw new RangeError(`A frame of ${length} bytes is none`)
    return length
  }
  return (bytes) => {
    let at = 0
    if (held > 0) {
      parts.push(bytes)
      held += bytes.length
      if (held < HEAD) {
        parts = [joined(parts, held)]
        return
      }
      if (parts[0]!.length < 4) parts = [joined(parts, held)]
      if (held < lengthIn(parts[0]!, 0)) return
      bytes = joined(parts, held)
      parts = []
      held = 0
    }
    while (at < bytes.length) {
      const left = bytes.length - at
      const length = left < 4 ? Infinity : lengthIn(bytes, at)
      if (length > left) {
        parts = [bytes.subarray(at)]
        held = left
        return
      }
      frame.kind = bytes[at + 4]!
      frame.call = takeLength(bytes, at + 5)
      frame.bytes = bytes
      frame.at = at + HEAD
      frame.end = at += length
      take(frame)
    }
  }
}

const takeLength = take

/** Where the kind stands in a frame, behind the bytes that say its length. */
const KIND = 4

/**
 * Tells the kind of each frame that goes by, in pieces of any size, and keeps nothing of it.
 * @param seen called when the kind of a frame has come
 */
export function frameKinds(seen: (kind: number) => void): (bytes: Uint8Array) => void {
  /** Of the frame that goes by: how many of its bytes have, and how many there are. */
  let gone = 0
  let length = 0
  return (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      if (gone <= KIND) {
        const byte = bytes[at++]!
        if (gone < KIND) length += byte * 256 ** gone
        else seen(byte)
        gone++
        continue
      }
      // What is no frame ends its way elsewhere; here, it comes to its end.
      const rest = Math.min(Math.max(length, HEAD) - gone, bytes.length - at)
      gone += rest
      at += rest
      if (gone >= length) gone = length = 0
    }
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const all = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
