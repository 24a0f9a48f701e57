import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { type Linked, LinkedList } from './linked-list.js'

/** Something that is due. */
export interface Deadline extends Linked {
  readonly due: number
  isWaiting: boolean
  readonly late: () => void
}

/** Many deadlines and one timer, which runs once in their time at most: a timer for every body would cost more than reading most of them. */
export class Deadlines {
  readonly #time: number
  readonly #waiting = new LinkedList<Deadline>()
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param time milliseconds until what is set is due; 0 is never */
  constructor(time: number) {
    this.#time = time
  }

  set(late: () => void): Deadline {
    const deadline: Deadline = { before: undefined, after: undefined, due: now() + this.#time, isWaiting: this.#time > 0, late }
    if (this.#time === 0) return deadline
    this.#waiting.push(deadline)
    this.#timer ??= this.#start()
    return deadline
  }

  clear(deadline: Deadline): void {
    if (!deadline.isWaiting) return
    deadline.isWaiting = false
    this.#waiting.delete(deadline)
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const deadline of this.#waiting) this.clear(deadline)
  }

  #start(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(
      () => {
        this.#timer = undefined
        const time = now()
        // They are in the order in which they are due.
        for (let late = this.#waiting.first; late !== undefined && late.due <= time; late = this.#waiting.first) {
          this.clear(late)
          late.late()
        }
        if (this.#waiting.length > 0) this.#timer ??= this.#start()
      },
      Math.max(1, Math.ceil(this.#waiting.first!.due - now())),
    )
    timer.unref?.()
    return timer
  }
}

/** How much time something has, from now on. */
export class TimeLeft {
  /** Ends it before its time is over: it waits in a line that takes so many milliseconds. Undefined where an executor has begun with it. */
  shed: ((time: number) => void) | undefined
  #due: number

  /**
   * @param given milliseconds; Infinity for no end
   * @param watched whether somebody else ends it then
   */
  constructor(
    readonly given: number,
    readonly watched = false,
  ) {
    this.#due = now() + given
  }

  /** Milliseconds; less than 0 when it is over. */
  get left(): number {
    return this.#due - now()
  }

  /** It may take as long as it takes: its answer has begun. */
  lift(): void {
    this.#due = Infinity
  }

  /** It is over: nobody waits any more. */
  end(): void {
    this.#due = now()
  }
}
