import { nextTurn, now } from '../base/clock.js'
import { Fifo } from './fifo.js'

// Work that is always ready runs from microtask to microtask, and no timer, socket or signal gets its turn.
// So loops ask here, and go on after a turn of the event loop once this one has lasted long enough.

/** Milliseconds after which a loop steps aside: well below the 50 that people and probes notice. */
const TURN = 10
/** Looking at the clock costs as much as a third of a ready item, so most questions do not; yet steps may become slow between two looks. */
const MOST_UNSEEN = 32

let began = 0
let looked = 0
let unseen = 0
let look = 1

/**
 * Has this turn of the event loop lasted so long that the caller should go on `later()`? One answer for the whole process.
 * @param slow asked between steps that take milliseconds: then the clock is looked at each time
 */
export function overdue(slow = false): boolean {
  if (!slow && ++unseen < look) return false
  unseen = 0
  const time = now()
  if (began === 0) {
    began = time
    wake()
  }
  // A look every half millisecond or so: often enough for items that take long, rare enough for those that do not.
  if (time - looked > 1) look = 1
  else if (look < MOST_UNSEEN) look *= 2
  looked = time
  return time - began > TURN
}

/** Runs `task` in a coming turn of the event loop, when timers and sockets had theirs. Tasks take turns, and must not throw. */
export function later(task: () => void): void {
  tasks.push(task)
  wake()
}

const tasks = new Fifo<() => void>()
let woken = false

function wake(): void {
  if (woken) return
  woken = true
  nextTurn(run)
}

/** A turn. All tasks start in it, to go on side by side; but after one that uses it up, the others come first in the next. */
function run(): void {
  woken = false
  began = 0
  look = 1
  if (tasks.length === 0) return
  began = now()
  for (let due = tasks.length; due > 0 && now() - began <= TURN; due--) tasks.shift()()
  wake()
}
