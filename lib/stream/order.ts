import { Fifo } from './fifo.js'
import type { Part } from './part.js'
import { Scope } from './scope.js'

export const enum State {
  Running,
  Done,
  Failed,
}

/** A place in the order, kept from the start of an item until all before it are done. Its work is told to stop by itself, as those before it may have to go on. */
export class Place<R> extends Scope {
  state: State = State.Running
  value: R | undefined
  /** What was emitted while others were before it. */
  parts: Part<R>[] | undefined
}

/** The items in flight, oldest first, and what they left at their places until it is their turn. */
export class Order<R> {
  readonly #places = new Fifo<Place<R>>()

  get length(): number {
    return this.#places.length
  }

  open(): Place<R> {
    const place = new Place<R>()
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

  /** Ends the order with this place. @returns those behind, which nobody waits for any more */
  endWith(place: Place<R>): Place<R>[] {
    const behind: Place<R>[] = []
    for (let last = this.#places.pop(); last !== place; last = this.#places.pop()) behind.push(last)
    this.#places.push(place)
    return behind
  }

  /** Tells all to stop, and forgets them. */
  abort(reason: unknown): void {
    while (this.#places.length > 0) this.#places.shift().abort(reason)
  }
}

function moveParts<R>(place: Place<R>, results: Fifo<R | Part<R>>): void {
  for (const part of place.parts ?? []) results.push(part)
  place.parts = undefined
}
