import { Fifo } from './fifo.js'

/** A part of a result among the results: it leaves no place for another item. */
export class Part<R> {
  /** @param taken is called when the consumer took it, or when nobody will */
  constructor(
    readonly value: R,
    readonly taken: () => void,
  ) {}
}

export const enum State {
  Running,
  Done,
  Failed,
}

/** A place in the order, kept from the start of an item until all before it are done. */
export interface Place<R> {
  state: State
  value: R | undefined
  /** What was emitted while others were before it. */
  parts: Part<R>[] | undefined
}

/** The items in flight, oldest first, and what they left at their places until it is their turn. */
export class Order<R> {
  readonly #places = new Fifo<Place<R>>()

  open(): Place<R> {
    const place: Place<R> = { state: State.Running, value: undefined, parts: undefined }
    this.#places.push(place)
    return place
  }

  isNext(place: Place<R>): boolean {
    return place === this.#places.peek()
  }

  /** Moves all whose turn it is to the results. */
  advance(results: Fifo<R | Part<R>>): void {
    for (let head = this.#places.peek(); head !== undefined; head = this.#places.peek()) {
      if (head.parts !== undefined) moveParts(head, results)
      if (head.state === State.Running) return
      this.#places.shift()
      if (head.state === State.Done) results.push(head.value as R)
    }
  }

  /** Moves all that is done to the results, and forgets the rest, which nobody waits for any more. */
  finish(results: Fifo<R | Part<R>>): void {
    while (this.#places.length > 0) {
      const place = this.#places.shift()
      if (place.state !== State.Done) continue
      moveParts(place, results)
      results.push(place.value as R)
    }
  }

  clear(): void {
    this.#places.clear()
  }
}

function moveParts<R>(place: Place<R>, results: Fifo<R | Part<R>>): void {
  for (const part of place.parts ?? []) results.push(part)
  place.parts = undefined
}
