// Work that is always ready runs from microtask to microtask, and no timer, socket or signal gets its turn.
// So loops ask here, and go on after a turn of the event loop once this one has lasted long enough.

/** Milliseconds after which a loop steps aside: well below the 50 that people and probes notice. */
const TURN = 10
/** Looking at the clock costs as much as a third of a ready item, so most questions do not: */
const MOST_UNSEEN = 64

let began = 0
let looked = 0
let unseen = 0
let look = 1

/** Has this turn of the event loop lasted so long that the caller should go on `later()`? One answer for the whole process. */
export function overdue(): boolean {
  if (++unseen < look) return false
  unseen = 0
  const now = performance.now()
  if (began === 0) {
    began = now
    later(rewind)
  }
  // A look every half millisecond or so: often enough for items that take long, rare enough for those that do not.
  if (now - looked > 1) look = 1
  else if (look < MOST_UNSEEN) look *= 2
  looked = now
  return now - began > TURN
}

/** Runs `task` in a coming turn of the event loop, when timers and sockets had theirs. */
export const later: (task: () => void) => void = typeof setImmediate === 'function' ? (task) => void setImmediate(task) : (task) => void setTimeout(task, 0)

function rewind(): void {
  began = 0
}
