const MIB = 2 ** 20

/** The least limit of a heap, in bytes. With a fourth of it, V8 does not even begin, and from Node 22 on a thread then takes its whole process along; with half of it, no executor has room. */
export const LEAST_HEAP = 8 * MIB

/** The part of a heap, at most, that is for what is young. V8's own share does not know the limit, and from Node 24 on it is three times what a small one lets become old. */
const YOUNG_PART = 1 / 8

/** MiB that V8 gives a half of what is young, at most, of itself. */
const MOST_HALF = 64

/** MiB of V8's heap by what is in it, the old and the young: together the limit. */
export interface Heap {
  readonly old: number
  readonly young: number
  /** What V8 calls a semi-space, a third of what is young: a power of two. */
  readonly half: number
}

/** How a heap of so many bytes is divided, by Node and by Deno alike. */
export function heapOf(memory: number): Heap {
  let half = 1
  while (half < MOST_HALF && 6 * half <= (memory / MIB) * YOUNG_PART) half *= 2
  const young = 3 * half
  return { old: Math.max(1, Math.floor(memory / MIB) - young), young, half }
}
