import { type Linked, LinkedList } from './linked-list.js'

/** The place of one that is inside. */
interface Place<T> extends Linked {
  value: T | undefined
}

/**
 * What is under way, each from when it enters until it leaves: what a Set does, without the garbage of one. When things enter and leave a Set, it moves into a new
 * table now and then, and the old table points to the new one. As soon as one of them has grown old, each table after it, and all that stood in it, is no longer
 * collected young.
 */
export class Register<T extends {}> {
  readonly #places = new LinkedList<Place<T>>()

  get size(): number {
    return this.#places.length
  }

  /**
   * The same may be inside several times.
   * @returns for when it leaves. It tells whether it was inside: of those who call it twice, the second does nothing
   */
  enter(value: T): () => boolean {
    const place: Place<T> = { before: undefined, after: undefined, value }
    this.#places.push(place)
    return () => {
      if (place.value === undefined) return false
      place.value = undefined
      this.#places.delete(place)
      return true
    }
  }

  /** Those that are inside now, the oldest first, but for who has left when its turn comes: who is told to end may make others leave. */
  *[Symbol.iterator](): Generator<T> {
    for (const place of [...this.#places]) if (place.value !== undefined) yield place.value
  }
}
