import { Fifo } from './fifo.js'
import type { Piece } from './piece.js'
import { Scope } from './scope.js'

export const enum State {
  Running,
  Done,
  Failed,
}

/** A place in the order, kept from the start of an item until all before it are done. Its work is told to stop by itself, as those before it may have to go on. */
export class Slot<R> extends Scope {
  state: State = State.Running
  value: R | undefined
  /** What was emitted while others were before it. */
  parts: Piece<R>[] | undefined
}

/** The items in flight, oldest first, and what they left at their places until it is their turn. */
export class Order<R> {
  readonly #places = new Fifo<Slot<R>>()

  get length(): number {
    return this.#places.length
  }

  open(): Slot<R> {
    const place = new Slot<R>()
    this.#places.push(place)
    return place
  }

  isNext(place: Slot<R>): boolean {
    return place === this.#places.peek()
  }

  /** Moves all whose turn it is to the results. */
  advance(results: Fifo<R | Piece<R>>): void {
    for (let head = this.#places.peek(); head !== undefined; head = this.#places.peek()) {
      if (head.parts !== undefined) moveParts(head, results)
      if (head.state === State.Running) return
      this.#places.shift()
      if (head.state === State.Done) results.push(head.value as R)
    }
  }

  /** Ends the order with this place. @returns those behind, which nobody waits for any more */
  endWith(place: Slot<R>): Slot<R>[] {
    const behind: Slot<R>[] = []
    for (let last = this.#places.pop(); last !== place; last = this.#places.pop()) behind.push(last)
    this.#places.push(place)
    return behind
  }

  /** Tells all to stop, and forgets them. */
  abort(reason: unknown): void {
    while (this.#places.length > 0) this.#places.shift().abort(reason)
  }
}

function moveParts<R>(place: Slot<R>, results: Fifo<R | Piece<R>>): void {
  for (const part of place.parts ?? []) results.push(part)
  place.parts = undefined
}
