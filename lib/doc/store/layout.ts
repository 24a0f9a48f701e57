/** Documents of which one bitmap says which were deleted. */
export const SEGMENT = 4096
const WORDS = SEGMENT / 32

/**
 * Which key stands at which position. Keys count up and are never given twice; those of deleted documents are holes. They are kept as a bitmap for each
 * segment that has any: 512 bytes for 4096 documents. To find a position is a search among these segments, and a look at one bitmap; without holes,
 * an addition.
 */
export class Layout {
  /** The segments with holes, in order; and of each its bitmap, and how many holes are before it. */
  readonly #segments: number[] = []
  readonly #maps: Uint32Array[] = []
  #before: number[] | undefined = []

  /** Adds a segment behind those that are there. */
  add(segment: number, bytes: Uint8Array): void {
    this.#segments.push(segment)
    this.#maps.push(new Uint32Array(bytes.slice().buffer, 0, WORDS))
    this.#before = undefined
  }

  /** Makes a hole. @returns the bitmap of its segment */
  drop(key: number): { segment: number; bytes: Uint8Array } {
    const segment = Math.floor(key / SEGMENT)
    const at = this.#count((i) => this.#segments[i]! < segment)
    if (this.#segments[at] !== segment) {
      this.#segments.splice(at, 0, segment)
      this.#maps.splice(at, 0, new Uint32Array(WORDS))
    }
    const map = this.#maps[at]!
    const bit = key % SEGMENT
    map[bit >> 5]! |= 1 << (bit & 31)
    this.#before = undefined
    return { segment, bytes: new Uint8Array(map.buffer) }
  }

  /** @param base the first key, which begins a segment */
  keyAt(position: number, base: number): number {
    if (this.#segments.length === 0) return base + position
    this.#before ??= this.#sums()
    const before = this.#before
    /** The position that a segment begins at. */
    const from = (i: number): number => this.#segments[i]! * SEGMENT - base - before[i]!
    const at = this.#count((i) => from(i) <= position) - 1
    if (at < 0) return base + position
    const rest = position - from(at)
    const alive = SEGMENT - ones(this.#maps[at]!)
    const first = this.#segments[at]! * SEGMENT
    return rest < alive ? first + zeroAt(this.#maps[at]!, rest) : first + SEGMENT + rest - alive
  }

  #sums(): number[] {
    let holes = 0
    return this.#maps.map((map) => {
      const before = holes
      holes += ones(map)
      return before
    })
  }

  /** How many segments at the beginning something holds for. */
  #count(holds: (at: number) => boolean): number {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (holds(middle)) low = middle + 1
      else high = middle
    }
    return low
  }
}

function ones(map: Uint32Array): number {
  let count = 0
  for (let i = 0; i < map.length; i++) count += onesOf(map[i]!)
  return count
}

function onesOf(word: number): number {
  word -= (word >>> 1) & 0x55555555
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333)
  return (((word + (word >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24
}

/** Where the n-th bit stands that is not set. */
function zeroAt(map: Uint32Array, n: number): number {
  let rest = n
  for (let i = 0; ; i++) {
    const zeros = 32 - onesOf(map[i]!)
    if (rest >= zeros) {
      rest -= zeros
      continue
    }
    for (let bit = 0; ; bit++) if ((map[i]! & (1 << bit)) === 0 && rest-- === 0) return i * 32 + bit
  }
}
