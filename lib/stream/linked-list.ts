/** What can stand in a list, and in one at a time. */
export interface Linked {
  before?: this | undefined
  after?: this | undefined
}

/** A list from whose ends, and from whose middle, things leave in O(1): a Set has no last one, and finding its first takes a walk over those that left. */
export class LinkedList<T extends Linked> {
  first: T | undefined
  last: T | undefined
  length = 0

  push(item: T): void {
    item.before = this.last
    if (this.last === undefined) this.first = item
    else this.last.after = item
    this.last = item
    this.length++
  }

  /** Takes out one that stands in it. */
  delete(item: T): void {
    const { before, after } = item
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
    item.before = item.after = undefined
    this.length--
  }

  *[Symbol.iterator](): Generator<T> {
    // One that was handed on may have left when the next is asked for.
    for (let item = this.first; item !== undefined; ) {
      const { after } = item
      yield item
      item = after
    }
  }
}
