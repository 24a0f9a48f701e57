/** A cell that is not as it should be. */
export interface KnownRed {
  /** The number of this kind of fault. */
  readonly row: number
  /** The row of the contract. */
  readonly name: string
  readonly ways: readonly string[]
  /** What is seen today, to the letter. */
  readonly seen: string
}

/** All that is wrong today, by kind of fault. This list becomes shorter, never longer. */
export const KNOWN_REDS: readonly KnownRed[] = []
