import { later } from './event-loop.js'

/** What goes on as long as somebody holds something: its holder. */
export interface Held {
  /** Its holder, in the first turn; then it is not kept from being collected. */
  holder: object | undefined
  /** Where it stands among the young. */
  place: number
  /** Nobody can reach the holder any more. */
  onDropped(): void
}

const dropped = /* @__PURE__ */ new FinalizationRegistry<Held>((held) => held.onDropped())

// To register costs more than a short iteration does, so only those are that outlast a turn.
const young: Held[] = []
let aging = false

function age(): void {
  aging = false
  for (const held of young.splice(0)) {
    dropped.register(held.holder!, held, held)
    held.holder = undefined
  }
}

/** Sees to it that it hears when its holder is gone. What it goes on for must not hold the holder. */
export function hold(held: Held, holder: object): void {
  held.holder = holder
  held.place = young.push(held) - 1
  if (aging) return
  aging = true
  later(age)
}

/** It is over. */
export function letGo(held: Held): void {
  if (held.holder === undefined) return void dropped.unregister(held)
  held.holder = undefined
  const last = young.pop()!
  if (last === held) return
  young[held.place] = last
  last.place = held.place
}
