import { later } from './event-loop.js'

/** What goes on as long as somebody holds something: its holder. */
export interface Held {
  readonly grip: Grip
  /** Nobody can reach the holder any more. */
  onDropped(): void
}

/** What the platform knows of one: it keeps it until the next full collection, also when it has let go of it, and so only this. */
export interface Grip {
  held: Held | undefined
  /** In the first turn; then it is not kept from being collected. */
  holder: object | undefined
}

const dropped = /* @__PURE__ */ new FinalizationRegistry<Grip>((grip) => grip.held?.onDropped())

// To register costs more than a short iteration does, so only those are that outlast a turn. Of the others, as much is left until then as is here.
const young: Grip[] = []

function age(): void {
  for (const grip of young.splice(0)) {
    if (grip.holder !== undefined) dropped.register(grip.holder, grip, grip)
    grip.holder = undefined
  }
}

/** Sees to it that it hears when its holder is gone. What it goes on for must not hold the holder. */
export function hold({ grip }: Held, holder: object): void {
  grip.holder = holder
  if (young.push(grip) === 1) later(age)
}

/** It is over. */
export function letGo({ grip }: Held): void {
  grip.held = undefined
  if (grip.holder === undefined) dropped.unregister(grip)
  grip.holder = undefined
}
